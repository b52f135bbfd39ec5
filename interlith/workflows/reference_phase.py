"""One phase of a reference set: relaxed with a cheap potential, then with the one that counts.

The treatment is the measured one of the project's reference study: coarse and tight steps with
the first potential, a rattle where symmetry could hold the atoms on a saddle, then the second
potential from there.
"""

from __future__ import annotations

import hashlib
import time
import traceback
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from interlith.engines.molecules import isolated_molecule
from interlith.engines.potentials import potential
from interlith.engines.relax import RelaxationRecord, rattle, relax
from interlith.records import Record
from interlith.structures.checks import space_group_number
from interlith.structures.library import PhaseFacts, build

if TYPE_CHECKING:
    from ase import Atoms

TREATMENT_VERSION = 1
RELAXED_SYMPREC_ANGSTROM = 0.1


class ReferenceSettings(BaseModel):
    """How every phase of a set is treated.

    Attributes
    ----------
    first, second : str
        Potentials; energies of the second are the set's.
    tight_max_atoms : int
        Largest cell that the first potential relaxes to ``fmax_tight``.
    rattle_max_atoms, rattle_min_space_group : int
        Phases that are no ordered approximants are rattled too up to this size and from this
        space group on (75 is the first tetragonal one).
    rattle_gain_ev_per_atom : float
        A rattled result counts when it is lower by more than this.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: str = "7net-0"
    second: str = "7net-l3i5"
    fmax_ev_per_angstrom: float = 0.03
    fmax_tight_ev_per_angstrom: float = 0.005
    tight_max_atoms: int = 32
    max_steps: int = 400
    rattle_angstrom: float = 0.02
    rattle_seed: int = 0
    rattle_max_atoms: int = 24
    rattle_min_space_group: int = 75
    rattle_gain_ev_per_atom: float = 0.002


class RelaxedCell(Record):
    """Relaxed atoms: cell vectors in rows (Angstrom), elements, fractional coordinates."""

    cell: tuple[tuple[float, ...], ...]
    elements: tuple[str, ...]
    fractional: tuple[tuple[float, ...], ...]


class PhaseResult(Record):
    """What became of one phase; the JSON file per phase holds exactly this.

    Attributes
    ----------
    key : str
        Hash of the structure's facts, both potentials and the settings: a result with another
        key is computed anew.
    energy_ev_per_atom : dict
        Raw energy by potential.
    symmetry_gain_ev_per_atom : float or None
        How much lower the first potential puts the rattled phase than the one relaxed from its
        symmetric start; None where no rattle was tried.
    above_molecule_ev_per_atom : float or None
        The second potential's crystal minus its isolated molecule, for molecular crystals.
    """

    name: str
    key: str
    status: Literal["ok", "failed"]
    reason: str | None = None
    energy_ev_per_atom: dict[str, float] = Field(default_factory=dict)
    volume_a3_per_atom: dict[str, float] = Field(default_factory=dict)
    volume_change: float | None = None
    symmetry_gain_ev_per_atom: float | None = None
    rattled: bool = False
    above_molecule_ev_per_atom: float | None = None
    space_group_before: int | None = None
    space_group_after: int | None = None
    relaxations: dict[str, RelaxationRecord] = Field(default_factory=dict)
    relaxed: RelaxedCell | None = None
    wall_s: float = 0.0


def phase_key(facts: PhaseFacts, settings: ReferenceSettings) -> str:
    """What a result of this phase depends on, as one hash."""
    parts = [
        str(TREATMENT_VERSION),
        facts.sha256,
        str(facts.ordered_approximant),
        "" if facts.volume_reliable else "molecular",
        potential(settings.first).identity.sha256,
        potential(settings.second).identity.sha256,
        settings.model_dump_json(),
    ]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


def relax_phase(facts: PhaseFacts, settings: ReferenceSettings) -> PhaseResult:
    """Relax one phase; a failure is a result with its reason, never an exception."""
    begin, key = time.monotonic(), phase_key(facts, settings)
    try:
        return _relaxed(facts, settings, key, begin)
    except Exception as error:  # the job boundary: one bad phase must not stop the set
        reason = f"{type(error).__name__}: {error}"
        where = traceback.extract_tb(error.__traceback__)[-1]
        return PhaseResult(
            name=facts.name,
            key=key,
            status="failed",
            reason=f"{reason} ({where.name}, line {where.lineno})",
            wall_s=time.monotonic() - begin,
        )


def _relaxed(facts: PhaseFacts, settings: ReferenceSettings, key: str, begin: float) -> PhaseResult:
    from pymatgen.io.ase import AseAtomsAdaptor

    structure = build(facts, primitive=True)
    start = AseAtomsAdaptor.get_atoms(structure, msonable=False)
    records: dict[str, RelaxationRecord] = {}
    best = _first_potential(start, settings, records, "symmetric")
    gain = None
    rattled = False
    if _needs_rattle(facts, start, settings):
        moved = rattle(best, amplitude_angstrom=settings.rattle_angstrom, seed=settings.rattle_seed)
        other = _first_potential(moved, settings, records, "rattled")
        gain = _last_energy(records, "symmetric") - _last_energy(records, "rattled")
        rattled = gain > settings.rattle_gain_ev_per_atom
        best = other if rattled else best
    end, last = relax(
        best,
        _calculator(settings.second),
        fmax_ev_per_angstrom=settings.fmax_ev_per_angstrom,
        max_steps=settings.max_steps,
    )
    records["final"] = last
    molecule = None if facts.volume_reliable else _molecule_energy(end, settings)
    way = "rattled" if rattled else "symmetric"
    volume_first = best.get_volume() / len(best)
    return PhaseResult(
        name=facts.name,
        key=key,
        status="ok",
        energy_ev_per_atom={
            settings.first: _last_energy(records, way),
            settings.second: last.energy_ev_per_atom,
        },
        volume_a3_per_atom={
            settings.first: float(volume_first),
            settings.second: last.volume_a3_per_atom,
        },
        volume_change=last.volume_a3_per_atom * len(start) / start.get_volume() - 1,
        symmetry_gain_ev_per_atom=gain,
        rattled=rattled,
        above_molecule_ev_per_atom=None if molecule is None else last.energy_ev_per_atom - molecule,
        space_group_before=facts.space_group,
        space_group_after=_space_group(end),
        relaxations=records,
        relaxed=relaxed_cell(end),
        wall_s=time.monotonic() - begin,
    )


def _first_potential(
    start: Atoms, settings: ReferenceSettings, records: dict[str, RelaxationRecord], way: str
) -> Atoms:
    """Coarse, then for small cells tight; the records go into ``records``."""
    calculator = _calculator(settings.first)
    atoms, records[f"{way} coarse"] = relax(
        start,
        calculator,
        fmax_ev_per_angstrom=settings.fmax_ev_per_angstrom,
        max_steps=settings.max_steps,
    )
    if len(atoms) <= settings.tight_max_atoms:
        atoms, records[f"{way} tight"] = relax(
            atoms,
            calculator,
            fmax_ev_per_angstrom=settings.fmax_tight_ev_per_angstrom,
            max_steps=settings.max_steps,
        )
    return atoms


def _molecule_energy(crystal: Atoms, settings: ReferenceSettings) -> float | None:
    """Energy per atom of one molecule of the crystal in vacuum; None if it has no molecules."""
    molecule = isolated_molecule(crystal)
    if molecule is None:
        return None
    _, record = relax(
        molecule,
        _calculator(settings.second),
        fmax_ev_per_angstrom=settings.fmax_ev_per_angstrom,
        max_steps=settings.max_steps,
        cell=False,
    )
    return record.energy_ev_per_atom


def _last_energy(records: dict[str, RelaxationRecord], way: str) -> float:
    last = records.get(f"{way} tight") or records[f"{way} coarse"]
    return last.energy_ev_per_atom


def _needs_rattle(facts: PhaseFacts, start: Atoms, settings: ReferenceSettings) -> bool:
    if facts.ordered_approximant:
        return True
    compound = len(set(start.get_chemical_symbols())) > 1
    return (
        compound
        and len(start) <= settings.rattle_max_atoms
        and facts.space_group >= settings.rattle_min_space_group
    )


@lru_cache(maxsize=4)
def _calculator(name: str) -> Any:
    """One calculator a process: making one takes seconds."""
    return potential(name).calculator()


def _space_group(atoms: Atoms) -> int:
    from pymatgen.io.ase import AseAtomsAdaptor

    return space_group_number(AseAtomsAdaptor.get_structure(atoms), RELAXED_SYMPREC_ANGSTROM)


def relaxed_cell(atoms: Atoms) -> RelaxedCell:
    """The cell as it is stored."""
    return RelaxedCell(
        cell=tuple(tuple(round(float(x), 6) for x in row) for row in atoms.cell.array),
        elements=tuple(atoms.get_chemical_symbols()),
        fractional=tuple(
            tuple(round(float(x), 6) for x in row) for row in atoms.get_scaled_positions()
        ),
    )
