"""Dynamics and bands with any calculator engine by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interlith.engines.md import MDProgress, MDRecord, MDSettings, run_md
from interlith.engines.neb import BandRecord, BandSettings, find_barrier
from interlith.workflows.any_engine.calculations import calculator_engine
from interlith.workflows.any_engine.records import atoms_of

if TYPE_CHECKING:
    from pymatgen.core import Structure


def dynamics(
    structure: Structure | dict[str, Any],
    engine: str,
    settings: MDSettings,
    folder: Path | str,
    *,
    progress: Callable[[MDProgress], None] | None = None,
) -> MDRecord:
    """Molecular dynamics; goes on with what the folder holds.

    Raises
    ------
    InputError, OutputError, FailureError
        As :func:`interlith.engines.md.run_md`.
    """
    chosen = calculator_engine(engine, "md")
    return run_md(atoms_of(structure), chosen, settings, folder, progress=progress)


def band(
    start: Structure | dict[str, Any],
    end: Structure | dict[str, Any],
    engine: str,
    settings: BandSettings | None = None,
    folder: Path | str | None = None,
) -> BandRecord:
    """Barrier between two structures of one cell; goes on with the band that the folder holds.

    Raises
    ------
    InputError, FailureError
        As :func:`interlith.engines.neb.find_barrier`.
    """
    chosen = calculator_engine(engine, "neb")
    first, last = atoms_of(start), atoms_of(end)
    calculator = chosen.calculator(stress=False, elements=set(first.symbols))
    place = None if folder is None else Path(folder)
    return find_barrier(first, last, calculator, settings, place)
