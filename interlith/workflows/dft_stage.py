"""Stage ``dft`` of a study: band gaps of interphase products, corrected adhesion of contacts.

It takes what other stages found (interfaces and built cells), so that it can also run on the
results of an earlier study. Everything lies in one folder and is not computed again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jobflow import job

from interlith.analysis.dft_results import (
    ContactCorrection,
    DftResults,
    GapsRecord,
    InterphaseChange,
)
from interlith.analysis.electronic_character import METALLIC, ComputedGap, electronic_character
from interlith.analysis.interphase import classify_interphase
from interlith.analysis.study_results import Interface
from interlith.engines.relax import relax
from interlith.errors import InputError, InterlithError, MissingDependencyError
from interlith.provenance import provenance
from interlith.records import Amount
from interlith.structures.files.formats import parse_content, to_atoms
from interlith.structures.regions import Regions
from interlith.workflows.any_engine.calculations import calculator_engine
from interlith.workflows.any_engine.delta import Frames, delta_correction
from interlith.workflows.any_engine.electronic import ENGINE, band_gaps
from interlith.workflows.dft_settings import DftStage
from interlith.workflows.walltime import going_on

if TYPE_CHECKING:
    from ase import Atoms

Progress = Callable[[str], None]
LEAST_VACUUM_ANGSTROM = 6.0
"""A longer empty stretch along the normal is vacuum: the cell then has one interface, else two."""
RELAX_FMAX_EV_PER_ANGSTROM = 0.05


def check_dft(settings: DftStage) -> None:
    """Refuse engines that cannot do what is asked; one that is not installed is no mistake.

    Raises
    ------
    InputError
        Naming the setting.
    """
    if settings.gaps != "none" and settings.engine.partition(":")[0] != ENGINE:
        raise InputError(
            f"stages.dft: engine '{settings.engine}' gives no band gaps here; use gpaw, or gaps: "
            "none"
        )
    for key in ("engine", "potential"):
        try:
            calculator_engine(getattr(settings, key), "static")
        except MissingDependencyError:
            continue
        except InputError as error:
            raise InputError(f"stages.dft.{key}: {error}") from error


def run_dft(
    settings: DftStage,
    interfaces: Sequence[Interface],
    built: Sequence[dict[str, Any]],
    folder: Path | str,
    progress: Progress | None = None,
) -> DftResults:
    """Run what is asked on what other stages found.

    Parameters
    ----------
    interfaces : sequence of Interface
        Reactions of the study's contacts.
    built : sequence of dict
        Results of the structure stage: a record, and the text of each file by its name.
    progress : callable, optional
        Gets a line for each calculation.

    Raises
    ------
    InputError, MissingDependencyError
        If the engine cannot be used at all.
    """
    begin, place = time.monotonic(), Path(folder)
    gaps: GapsRecord | None = None
    failures: list[str] = []
    if settings.gaps != "none":
        phases = products(interfaces, every=settings.gaps == "all")
        gaps = band_gaps(
            phases,
            settings.engine,
            place / "gaps",
            max_atoms=settings.gap_max_atoms,
            progress=progress,
        )
        failures += [f"gap of {failure.formula}: {failure.reason}" for failure in gaps.failures]
    contacts, troubles = _contacts(settings, built, place / "contacts", progress)
    failures += troubles
    return DftResults(
        engine=settings.engine,
        gaps=gaps,
        interphases=reclassified(interfaces, () if gaps is None else gaps.gaps),
        contacts=tuple(contacts),
        failures=tuple(failures),
        provenance=provenance(wall_time_s=time.monotonic() - begin),
    )


def _contacts(
    settings: DftStage,
    built: Sequence[dict[str, Any]],
    folder: Path,
    progress: Progress | None,
) -> tuple[list[ContactCorrection], list[str]]:
    """Corrected contacts, and why others are not; one must not stop the others."""
    made: list[ContactCorrection] = []
    failures: list[str] = []
    if not settings.correct_contacts:
        return made, failures
    if not built:
        failures.append("correct_contacts needs the stage 'structures', which built no interface")
    for name, label, cell in _cells(built):
        line = f"{label[0]} | {label[1]} ({name})"
        try:
            made.append(correct_contact(settings, label, cell, folder / name))
        except InterlithError as error:
            failures.append(f"{line}: {error}")
            line = failures[-1]
        if progress is not None:
            progress(line)
    return made, failures


def products(interfaces: Sequence[Interface], *, every: bool) -> list[str]:
    """Formulas that interfaces turn into, each once; metals never need a gap.

    Parameters
    ----------
    every : bool
        Also those whose gap was measured.
    """
    found: dict[str, None] = {}
    for interface in interfaces:
        amounts = list(interface.closed.products)
        if interface.interphase is not None:
            amounts += [Amount(formula=p.formula, amount=1) for p in interface.interphase.products]
        for product in amounts:
            known = electronic_character(product.formula)
            wanted = known.character not in METALLIC and (every or known.gap_ev is None)
            if wanted:
                found.setdefault(product.formula)
    return list(found)


def reclassified(
    interfaces: Sequence[Interface], gaps: Sequence[ComputedGap]
) -> tuple[InterphaseChange, ...]:
    """Interphase classes with computed gaps, of the contacts that have one."""
    changes = []
    for interface in interfaces:
        before = interface.interphase
        if before is None or not before.products:
            continue
        after = classify_interphase(
            [Amount(formula=p.formula, amount=p.amount) for p in before.products],
            energy_ev_per_atom=before.energy_ev_per_atom,
            stable_within_ev_per_atom=before.stable_within_ev_per_atom,
            computed_gaps=gaps,
        )
        changes.append(
            InterphaseChange(
                a=interface.a,
                b=interface.b,
                before=before.interphase_class,
                after=after.interphase_class,
                reason=after.reason,
            )
        )
    return tuple(changes)


def correct_contact(
    settings: DftStage, label: tuple[str, str], cell: Atoms, folder: Path
) -> ContactCorrection:
    """Correct the adhesion of one built interface.

    Raises
    ------
    InputError
        If the cell is too large, or its atoms do not belong to two regions.
    """
    if len(cell) > settings.contact_max_atoms:
        raise InputError(
            f"its cell has {len(cell)} atoms, more than contact_max_atoms "
            f"{settings.contact_max_atoms}; raise it or build a smaller one"
        )
    relaxed = cell
    if settings.relax_steps:
        calculator = calculator_engine(settings.potential, "relax").calculator(stress=False)
        relaxed, _ = relax(
            cell,
            calculator,
            fmax_ev_per_angstrom=RELAX_FMAX_EV_PER_ANGSTROM,
            max_steps=settings.relax_steps,
            cell=False,
        )
    sides, count = pulled_apart(relaxed)
    frames = Frames(relaxed, [(side, 1.0) for side in sides], interfaces=count)
    found = delta_correction(frames, settings.potential, settings.engine, folder)
    return ContactCorrection(
        a=label[0],
        b=label[1],
        correction=found,
        work_of_separation_j_per_m2=_negative(found.dft_j_per_m2),
        work_of_separation_potential_j_per_m2=_negative(found.potential_j_per_m2),
    )


def pulled_apart(cell: Atoms) -> tuple[list[Atoms], int]:
    """Each side of a cell alone in it, and how many interfaces the cell has.

    Raises
    ------
    InputError
        If its atoms do not belong to two regions.
    """
    names = list(Regions.of(cell).names)
    regions = list(dict.fromkeys(names))
    if len(regions) != 2:
        raise InputError(
            f"its atoms belong to {len(regions)} regions ({', '.join(regions)}); a contact has two"
        )
    sides = []
    for region in regions:
        side = cell[[name == region for name in names]]
        side.calc = None
        sides.append(side)
    heights = np.sort(np.mod(cell.get_scaled_positions()[:, 2], 1.0))
    gaps = np.diff(np.append(heights, heights[0] + 1.0))
    area = np.linalg.norm(np.cross(cell.cell.array[0], cell.cell.array[1]))
    empty = float(gaps.max() * cell.get_volume() / area)
    return sides, 1 if empty >= LEAST_VACUUM_ANGSTROM else 2


def _cells(built: Sequence[dict[str, Any]]) -> Iterator[tuple[str, tuple[str, str], Atoms]]:
    """File name without ending, the two materials, and atoms of every built interface."""
    for one in built:
        label = (str(one["record"]["a"]), str(one["record"]["b"]))
        for file, text in one["files"].items():
            if file.endswith(".extxyz"):
                structure = parse_content(text, "extxyz", file).structure
                yield Path(file).stem, label, to_atoms(structure)


def _negative(value: float | None) -> float | None:
    return None if value is None else -value


@job
def dft_job(study: dict[str, Any], parts: list[dict[str, Any]], folder: str) -> Any:
    """Stage ``dft`` of a study; takes the outputs of the interface and structure jobs."""
    from interlith.workflows.calculated_stages import guarded
    from interlith.workflows.study import Study

    asked = Study.model_validate(study)

    def compute() -> dict[str, Any]:
        settings = DftStage.model_validate(asked.stages.dft)
        interfaces = [Interface.model_validate(p["interface"]) for p in parts if "interface" in p]
        built = [p["structures"] for p in parts if "structures" in p]
        return run_dft(settings, interfaces, built, folder).to_json()

    def work() -> dict[str, Any]:
        return guarded("dft", asked.electrolyte, compute, Path(folder))

    return going_on(work, lambda: dft_job(study, parts, folder))
