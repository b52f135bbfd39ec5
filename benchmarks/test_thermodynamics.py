"""Speed and memory of the thermodynamic pillar, beside pymatgen where it can do the same."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pymatgen.analysis.interface_reactions import InterfacialReactivity
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core.composition import Composition

from interlith.analysis.batch import react_pairs
from interlith.analysis.coatings import lithium_phases, screen_coatings
from interlith.analysis.hull import Hull
from interlith.analysis.reactions import closed_minimum, closed_reaction
from interlith.analysis.reference_files import load_csv
from interlith.analysis.references import ReferenceSet
from interlith.analysis.stable_phases import stable_phases
from interlith.analysis.windows import stability_window

Note = Callable[[str, str, str, bool], None]
CATHODES = (
    "LiCoO2",
    "LiNi0.3333333333Mn0.3333333333Co0.3333333333O2",
    "LiMn2O4",
    "LiFePO4",
)
PYMATGEN_PAIRS = 100


@pytest.fixture(scope="module")
def coatings(hull: Hull) -> list[str]:
    """250 stable Li-M-O(-X) phases of the set."""
    found = []
    reference = hull.reference
    for phase in np.flatnonzero(stable_phases(reference)):
        elements = set(reference.composition(int(phase)))
        if {"Li", "O"} <= elements and len(elements) in (3, 4):
            found.append(reference.formula(int(phase)))
    return found[:: max(1, len(found) // 250)][:250]


@pytest.fixture(scope="module")
def pymatgen_seconds_per_pair(hull: Hull, coatings: list[str]) -> float:
    """One PhaseDiagram and one InterfacialReactivity a pair, on pairs chosen at random."""
    pairs = [(a, b) for a in coatings for b in CATHODES]
    order = np.random.default_rng(2026).permutation(len(pairs))
    chosen = [pairs[i] for i in order[:PYMATGEN_PAIRS]]
    reference = hull.reference
    started = time.perf_counter()
    for a, b in chosen:
        first, second = Composition(a), Composition(b)
        elements = {e.symbol for e in [*first.elements, *second.elements]}
        entries = []
        for phase in reference.within(elements):
            parts = reference.composition(int(phase))
            energy = reference.energies[phase] * sum(parts.values())
            entries.append(PDEntry(Composition(parts), energy))
        try:
            InterfacialReactivity(
                first, second, PhaseDiagram(entries), norm=True, use_hull_energy=True
            ).get_kinks()
        except ValueError as error:  # pymatgen finds more than two intersections of some lines
            print(f"pymatgen gives no answer for {a} with {b}: {error}")
    return (time.perf_counter() - started) / len(chosen)


def test_1000_pairs(
    hull: Hull, coatings: list[str], pymatgen_seconds_per_pair: float, note: Note
) -> None:
    pairs = [(a, b) for a in coatings for b in CATHODES]

    def minima() -> float:
        fresh = Hull(hull.reference, screening=True)
        started = time.perf_counter()
        for a, b in pairs:
            closed_minimum(fresh, fresh.compound(a), fresh.compound(b))
        return time.perf_counter() - started

    def kinks() -> float:
        fresh = Hull(hull.reference, screening=True)
        started = time.perf_counter()
        for a, b in pairs:
            closed_reaction(fresh, a, b)
        return time.perf_counter() - started

    theirs = pymatgen_seconds_per_pair * len(pairs)
    fast, full = min(minima() for _ in range(3)), min(kinks() for _ in range(3))
    basis = (
        f"pymatgen {theirs:.0f} s for {len(pairs)} pairs, "
        f"scaled from {PYMATGEN_PAIRS} pairs in the same process"
    )
    note(
        "1,000 coating x cathode pairs, minimum energy",
        f"{fast:.2f} s, {theirs / fast:.0f} times faster ({basis})",
        "500 times",
        theirs / fast >= 500,
    )
    note(
        "1,000 coating x cathode pairs, all kinks, products and equations",
        f"{full:.2f} s, {theirs / full:.0f} times faster",
        "150 times",
        theirs / full >= 150,
    )


def test_load(
    set_2019_path: Path, note: Note, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERLITH_CACHE", str(tmp_path))
    started = time.perf_counter()
    reference = load_csv(set_2019_path)
    first = time.perf_counter() - started
    started = time.perf_counter()
    load_csv(set_2019_path)
    again = time.perf_counter() - started
    note(
        f"load {len(reference):,} phases",
        f"{first:.2f} s parsed, {again:.3f} s from the cache",
        "under 1 s, no second parse",
        first < 1.0,
    )


def test_stable_phases(
    set_2019: ReferenceSet, note: Note, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERLITH_CACHE", str(tmp_path))
    started = time.perf_counter()
    stable = stable_phases(set_2019)
    seconds = time.perf_counter() - started
    note(
        "stable phases of the 2019 set, once per content",
        f"{int(stable.sum()):,} of {len(stable):,} in {seconds:.0f} s",
        "found once and kept",
        True,
    )


def test_104000_pairs(set_2019: ReferenceSet, hull: Hull, note: Note) -> None:
    electrolytes = ("Li6PS5Cl", "Li10GeP2S12", "Li3PS4", "Li7La3Zr2O12", "Li2PO2N", "Li3YCl6")
    electrodes = ("Li", *CATHODES, "Li4Ti5O12")
    pairs = [(a, b) for a in lithium_phases(set_2019) for b in (*electrolytes, *electrodes)]
    ticks: list[int] = []
    started = time.perf_counter()
    failed = sum(
        row.error is not None
        for row in react_pairs(
            set_2019, pairs, workers=2, progress=lambda done, total: ticks.append(done)
        )
    )
    seconds = time.perf_counter() - started
    assert failed == 0
    assert ticks[-1] == len(pairs)
    note(
        f"{len(pairs):,} pairs: every Li phase with six electrolytes and six electrodes, "
        "two processes",
        f"{seconds:.0f} s",
        "under 90 s on two cores",
        seconds < 90,
    )


def test_ten_elements(set_2019: ReferenceSet, note: Note) -> None:
    hull = Hull(set_2019, screening=True)
    mixture = "Li6PS5ClNi0.8Mn0.1Co0.1O2Nb0.1H0.1"
    started = time.perf_counter()
    stability_window(hull, mixture)
    closed_reaction(hull, "LiNi0.8Mn0.1Co0.1O2Nb0.1H0.1", "Li6PS5Cl")
    seconds = time.perf_counter() - started
    note(
        "10 elements (Li-Ni-Mn-Co-O-P-S-Cl-Nb-H): window and reaction",
        f"{seconds:.3f} s",
        "under 0.2 s (pymatgen: killed after 290 s)",
        seconds < 0.2,
    )


def test_full_funnel_time_and_memory(set_2019_path: Path, hull: Hull, note: Note) -> None:
    """In a process of its own, so that the peak memory is the funnel's."""
    code = (
        "import time, resource, sys\n"
        "sys.path.insert(0, 'benchmarks')\n"
        "from pathlib import Path\n"
        "from interlith.analysis.hull import Hull\n"
        "from interlith.analysis.reference_files import load_csv\n"
        "from interlith.analysis.coatings import *\n"
        f"r = load_csv(Path({str(set_2019_path)!r}))\n"
        "hull = Hull(r, screening=True)\n"
        "t = time.perf_counter()\n"
        "s = screen_coatings(hull, lithium_phases(r), 'Li6PS5Cl', 'LiCoO2')\n"
        "print(time.perf_counter() - t, len(s.rows), len(s.failures))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)  # warms the cache
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    timing, memory = out.stdout.splitlines()
    seconds, rows, failures = timing.split()
    note(
        f"full coating funnel over all Li phases ({int(rows):,} judged, {failures} failures)",
        f"{float(seconds):.1f} s",
        "under 15 s",
        float(seconds) < 15,
    )
    note("its peak memory", f"{float(memory):.0f} MB", "under 1 GB", float(memory) < 1000)


@pytest.mark.parametrize(("command", "limit"), [(("--help",), 0.5), (("window", "Li6PS5Cl"), 1.5)])
def test_command_line(command: tuple[str, ...], limit: float, note: Note) -> None:
    def once() -> float:
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "interlith", *command], check=True, capture_output=True
        )
        return time.perf_counter() - started

    once()
    seconds = min(once() for _ in range(3))
    name = " ".join(command)
    note(f"`interlith {name}`", f"{seconds:.2f} s", f"under {limit} s", seconds < limit)


def test_window(benchmark: Callable[..., object], hull: Hull) -> None:
    """Statistics of one window with its ladder."""
    benchmark(stability_window, hull, "Li6PS5Cl")


def test_screen_of_ten(benchmark: Callable[..., object], hull: Hull, coatings: list[str]) -> None:
    """Statistics of a ten-candidate screen."""
    benchmark(screen_coatings, hull, coatings[:10], "Li6PS5Cl", "LiCoO2")
