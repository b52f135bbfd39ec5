"""What the commands share: options, output, progress."""

from __future__ import annotations

import json
import math
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlith.errors import InputError, OutputError

if TYPE_CHECKING:
    from pathlib import Path

    from rich.table import Table

    from interlith.analysis.references import ReferenceSet

ReferenceOption = Annotated[
    str,
    typer.Option(
        "--reference",
        "-r",
        help="ml, pbe, auto (pbe where it covers), .csv[.gz] or .json[.gz] file, or mp.",
    ),
]
SchemeOption = Annotated[
    str | None,
    typer.Option(
        "--scheme", help="Correction scheme: none or MP2020; built-in sets also know zhu2015."
    ),
]
ExcludeOption = Annotated[
    str | None, typer.Option("--exclude", help="Phases to drop, for example LiS4,P2S7.")
]
ShiftOption = Annotated[
    list[str] | None,
    typer.Option("--shift", help="ELEMENT=EV added per atom to compounds that contain it."),
]
ShiftExceptOption = Annotated[
    str | None, typer.Option("--shift-except", help="Compounds that the shifts leave alone.")
]
ShiftWithoutOption = Annotated[
    str | None,
    typer.Option("--shift-without", help="Shift only compounds without these elements."),
]
UNFOLDED = 10_000
"""Columns of what is no terminal: a path or a reaction stays in one piece."""
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


def listed(text: str | None) -> tuple[str, ...]:
    """Split ``a,b , c``."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def numbers(text: str, option: str, count: int | None = None) -> tuple[float, ...]:
    """Read comma-separated numbers.

    Raises
    ------
    InputError
        If one is no finite number, or there are not ``count``.
    """
    try:
        values = tuple(float(part) for part in listed(text))
    except ValueError as error:
        raise InputError(f"{option} '{text}' is no list of numbers; write 0,5") from error
    if not all(math.isfinite(value) for value in values):
        raise InputError(f"{option} '{text}' holds what is no finite number; write 0,5")
    if count is not None and len(values) != count:
        raise InputError(f"{option} '{text}' has {len(values)} numbers; it takes {count}: 0,5")
    return values


def reference_from(
    which: str,
    scheme: str | None,
    exclude: str | None,
    shift: Sequence[str] | None,
    shift_except: str | None,
    shift_without: str | None,
    elements: Callable[[], set[str]] | None = None,
) -> ReferenceSet:
    """Load the reference set that the options ask for."""
    from interlith.analysis.reference_catalog import load_reference, parse_shift

    shifts = [
        parse_shift(text, listed(shift_except), listed(shift_without)) for text in shift or ()
    ]
    wanted = elements() if which in ("mp", "auto") and elements is not None else set()
    return load_reference(
        which, scheme=scheme, exclude=listed(exclude), shifts=shifts, elements=wanted
    )


def elements_in(formulas: Sequence[str]) -> set[str]:
    """Li and the elements of some formulas; an unreadable one adds none."""
    from interlith.analysis.reference_catalog import elements_of

    return elements_of(formulas)


def lasting(seconds: float) -> str:
    """A time in words, as coarse as an estimate is.

    >>> lasting(5400.0)
    'about 1.5 h'
    """
    for size, unit in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 1.5 * size or (unit == "h" and seconds >= size):
            return f"about {seconds / size:.2g} {unit}"
    return f"about {seconds:.2g} s"


def typed() -> str:
    """The command line as it was typed, quoted where a shell needs it, to be typed again."""
    return shlex.join(["interlith", *sys.argv[1:]])


def print_json(data: Any) -> None:
    """One JSON document on stdout, whole or not at all."""
    text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)
    sys.stdout.write(text + "\n")


def write_json(data: Any, path: Path | None) -> None:
    """Write a command's record where ``--out`` names a file.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data, indent=1), encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"cannot write {path} ({error.strerror}); choose another --out"
        ) from error


def print_tables(*parts: Table | str) -> None:
    """Tables and lines on stdout; colours only on a terminal, and nothing folded elsewhere."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else UNFOLDED
    console = Console(width=width, highlight=False, markup=False)
    for part in parts:
        console.print(part)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A plain table; the first column is left-aligned, the others wrap."""
    from rich import box
    from rich.table import Table

    made = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


@contextmanager
def progress_bar(title: str, shown: bool = True) -> Iterator[Callable[[int, int], None]]:
    """A bar with time left on stderr, as a callable of (done, all)."""
    if not shown:
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("elapsed"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=False) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def missing_line(formulas: Sequence[str], shown: int = 8) -> str:
    """One line on phases that the reference set should hold and does not."""
    more = f" and {len(formulas) - shown} more" if len(formulas) > shown else ""
    return (
        f"Not in the reference set though known or planned in this chemistry: "
        f"{', '.join(formulas[:shown])}{more}; limits that involve them may move"
    )


def reference_line(reference: dict[str, Any]) -> str:
    """The energies behind the numbers, and below them what the set says of itself."""
    parts = [
        f"Reference: {reference['name']} ({reference['n_phases']} phases, "
        f"scheme {reference['scheme']}, sha256 {reference['sha256'][:12]})"
    ]
    if reference["excluded"]:
        parts.append("without " + ", ".join(reference["excluded"]))
    parts += [
        f"{shift['element']} shifted by {shift['ev_per_atom']:+g} eV/atom"
        for shift in reference["shifts"]
    ]
    return "\n  ".join(["; ".join(parts), *reference["notes"]])
