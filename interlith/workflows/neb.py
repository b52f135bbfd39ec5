"""Migration barriers of a crystal: its distinct hops, and a band for each.

>>> from interlith.structures.library import build, load_phase
>>> from interlith.workflows.neb import HopOptions, find_hops
>>> [hop.label for hop in find_hops(build(load_phase("Cu")), HopOptions(ion="Cu"))]
['Cu vacancy 0-1 2.56 A']
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from interlith.analysis.barriers import BarrierSummary, HopProfile
from interlith.engines.neb import BandRecord, BandSettings, find_barrier
from interlith.engines.potentials import potential
from interlith.engines.relax import RelaxationRecord, relax
from interlith.errors import FailureError, InputError
from interlith.provenance import Provenance, provenance
from interlith.records import Record, Status
from interlith.structures.hops import (
    MIN_LENGTH_ANGSTROM,
    Hop,
    HopKind,
    interstitial_hops,
    multiples,
    vacancy_hops,
)
from interlith.structures.insertion import ION, MIN_RATIO
from interlith.structures.reading import read_material, require_ordered

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

Progress = Callable[[str], None]

NEUTRAL = (
    "the cell is neutral and the potential knows no charge: the barrier is that of a neutral "
    "defect, without the charge it has in an insulator"
)


class HopOptions(Record):
    """Which hops, in what cell.

    Attributes
    ----------
    max_distance_angstrom : float
        Longest hop.
    min_length_angstrom : float
        Width of the supercell in every direction.
    most_hops : int
        The shortest so many are looked at.
    min_ratio : float
        Room asked of an interstitial site.
    """

    ion: str = ION
    kind: HopKind = "vacancy"
    max_distance_angstrom: float = Field(default=3.5, gt=0, le=15)
    min_length_angstrom: float = Field(default=MIN_LENGTH_ANGSTROM, gt=0, le=50)
    most_hops: int = Field(default=4, ge=1)
    min_ratio: float = Field(default=MIN_RATIO, gt=0, lt=2)


class HopRecord(Record):
    """One hop and its barrier.

    Attributes
    ----------
    multiplicity : int
        Hops like this one that leave a site.
    barrier : BandRecord or None
        None when the band failed; the reason says how.
    """

    label: str
    ion: str
    kind: HopKind
    distance_angstrom: float
    from_site: int
    to_site: int
    multiplicity: int
    status: Status
    reason: str | None
    barrier: BandRecord | None


class BarriersRecord(Record):
    """Barriers of one crystal's hops.

    Attributes
    ----------
    lowest_ev : float or None
        Lowest barrier, forward or reverse, of a hop with an answer. It is no activation energy
        of transport: that needs hops that make a path through the crystal.
    bulk : RelaxationRecord
        Of the crystal before a defect was made.
    """

    schema_version: int = 1
    formula: str
    material: str
    source: str
    status: Status
    reason: str | None
    hops: tuple[HopRecord, ...]
    hops_left_out: int
    lowest_ev: float | None
    note: str
    bulk: RelaxationRecord
    potential: dict[str, Any]
    options: HopOptions
    settings: BandSettings
    provenance: Provenance


def summary(found: BarriersRecord) -> BarrierSummary:
    """What a study keeps: the hops with their profiles."""
    return BarrierSummary(
        formula=found.formula,
        material=found.material,
        potential=found.potential,
        status=found.status,
        reason=found.reason,
        lowest_ev=found.lowest_ev,
        hops=tuple(_profile(hop) for hop in found.hops),
        hops_left_out=found.hops_left_out,
        note=found.note,
    )


def _profile(hop: HopRecord) -> HopProfile:
    band = hop.barrier
    return HopProfile(
        label=hop.label,
        ion=hop.ion,
        kind=hop.kind,
        distance_angstrom=hop.distance_angstrom,
        multiplicity=hop.multiplicity,
        status=hop.status,
        reason=hop.reason,
        converged=band is not None and band.converged,
        forward_ev=None if band is None else band.forward_ev,
        reverse_ev=None if band is None else band.reverse_ev,
        coordinate_angstrom=() if band is None else band.coordinate_angstrom,
        energies_ev=() if band is None else band.energies_ev,
        n_atoms=None if band is None else band.n_atoms,
    )


def migration_barriers(
    formula_or_path: str,
    potential_name: str,
    options: HopOptions | None = None,
    settings: BandSettings | None = None,
    *,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> BarriersRecord:
    """Relax a crystal with a potential, find its distinct hops and their barriers.

    Parameters
    ----------
    formula_or_path : str
        Library phase, formula of one, or path to a structure; ordered.
    potential_name : str
        As :func:`interlith.engines.potentials.potential` takes it.
    folder : Path, optional
        Keeps each band in a folder of its own; a run that was cut short goes on from there.
    progress : callable, optional
        Told each barrier.

    Raises
    ------
    InputError
        If the material or potential is unknown, disordered, or has no such hop.
    """
    options, settings = options or HopOptions(), settings or BandSettings()
    begin = time.monotonic()
    material = read_material(formula_or_path)
    require_ordered(material.structure, material.asked)
    chosen = potential(potential_name)
    elements = {*material.structure.symbol_set, options.ion}
    atoms, bulk = relax(
        thrifty(material.structure, options.min_length_angstrom).to_ase_atoms(msonable=False),
        chosen.calculator(elements=elements),
        fmax_ev_per_angstrom=settings.end_fmax_ev_per_angstrom,
    )
    found = find_hops(_crystal(atoms), options)
    calculator = chosen.calculator(stress=False, elements=elements)
    records = _barriers(found[: options.most_hops], calculator, settings, folder, progress)
    bad = [f"{one.label}: {one.reason}" for one in records if one.status != "ok"]
    bad += [] if bulk.converged else ["the crystal itself did not converge"]
    barriers = [value for one in records for value in _values(one)]
    return BarriersRecord(
        formula=material.structure.composition.reduced_formula,
        material=material.name,
        source=material.source,
        status="no_answer" if not barriers else ("diagnosis" if bad else "ok"),
        reason="; ".join(bad) or None,
        hops=tuple(records),
        hops_left_out=max(0, len(found) - options.most_hops),
        lowest_ev=min(barriers, default=None),
        note=NEUTRAL,
        bulk=bulk,
        potential=chosen.identity.to_json(),
        options=options,
        settings=settings,
        provenance=provenance(None, time.monotonic() - begin),
    )


def thrifty(structure: Structure, min_length_angstrom: float) -> Structure:
    """The cell as given or its primitive one, whichever makes the smaller supercell."""
    cells = (structure, structure.get_primitive_structure(tolerance=0.05))
    return min(cells, key=lambda cell: len(cell) * math.prod(multiples(cell, min_length_angstrom)))


def _barriers(
    hops: Sequence[Hop],
    calculator: Any,
    settings: BandSettings,
    folder: Path | None,
    progress: Progress | None,
) -> list[HopRecord]:
    records = []
    for number, hop in enumerate(hops):
        own = None if folder is None else Path(folder) / f"hop_{number:02d}"
        records.append(hop_barrier(hop, calculator, settings, own))
        if progress is not None:
            progress(_line(records[-1]))
    return records


def find_hops(structure: Structure, options: HopOptions) -> tuple[Hop, ...]:
    """Distinct hops, shortest first; as :mod:`interlith.structures.hops` finds them."""
    if options.kind == "vacancy":
        return vacancy_hops(
            structure,
            options.ion,
            max_distance_angstrom=options.max_distance_angstrom,
            min_length_angstrom=options.min_length_angstrom,
        )
    return interstitial_hops(
        structure,
        options.ion,
        max_distance_angstrom=options.max_distance_angstrom,
        min_length_angstrom=options.min_length_angstrom,
        min_ratio=options.min_ratio,
    )


def hop_barrier(
    hop: Hop, calculator: Any, settings: BandSettings | None = None, folder: Path | None = None
) -> HopRecord:
    """Barrier of one hop; a band that blows up is a record with the reason, not an exception."""
    reason: str | None
    status: Status
    barrier: BandRecord | None = None
    try:
        barrier = find_barrier(
            hop.start.to_ase_atoms(msonable=False),
            hop.end.to_ase_atoms(msonable=False),
            calculator,
            settings,
            folder,
        )
        status, reason = barrier.status, barrier.reason
    except FailureError as error:
        status, reason = "no_answer", str(error)
    return HopRecord(
        label=hop.label,
        ion=hop.ion,
        kind=hop.kind,
        distance_angstrom=hop.distance_angstrom,
        from_site=hop.from_site,
        to_site=hop.to_site,
        multiplicity=hop.multiplicity,
        status=status,
        reason=reason,
        barrier=barrier,
    )


def _values(record: HopRecord) -> list[float]:
    band = record.barrier
    if band is None or band.forward_ev is None or band.reverse_ev is None or not band.converged:
        return []
    return [band.forward_ev, band.reverse_ev]


def _line(record: HopRecord) -> str:
    values = _values(record)
    if not values:
        return f"{record.label}: {record.reason}"
    return f"{record.label}: {values[0]:.3f} eV forth, {values[1]:.3f} eV back"


def _crystal(atoms: Atoms) -> Structure:
    from pymatgen.core import Structure as Crystal

    if not len(atoms):
        raise InputError("a crystal without atoms has no hops")
    return Crystal(atoms.cell.array, list(atoms.symbols), atoms.get_scaled_positions(wrap=False))
