"""One phase of a DFT reference set: geometry from the embedded potential, energy from GPAW.

The cell comes from :mod:`interlith.workflows.reference_phase`; the energy is one static
calculation on it, spin-polarised where an open shell is expected, with the lowest of the magnetic
orders tried. Molecular elements are computed as crystal and as molecule in a box; the lower one
is their zero, as in the Materials Project energies that MP2020 was fitted with.
"""

from __future__ import annotations

import hashlib
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from interlith.engines.electronic.settings import OWN_DATASETS
from interlith.errors import FailureError
from interlith.records import Record
from interlith.workflows.reference_phase import (
    PhaseResult,
    ReferenceSettings,
    RelaxedCell,
    phase_key,
    relaxed_cell,
)

if TYPE_CHECKING:
    from ase import Atoms

    from interlith.engines.electronic.records import DftRecord
    from interlith.engines.electronic.settings import DftSettings
    from interlith.structures.library import PhaseFacts

TREATMENT_VERSION = 1
MOLECULES = ("H", "N", "O", "F", "Cl", "Br", "I")
"""Elements whose molecule is computed too."""
FIRST_POTENTIAL_ONLY = ("O2",)
"""Geometries of the first potential: with the second one solid O2 falls into a spurious state."""
SALT_ANIONS = frozenset(("O", "F", "Cl", "Br", "I"))
SMALL_CELL, MEDIUM_CELL, LARGE_CELL = 4, 12, 24
BOX_ANGSTROM = (7.0, 7.4, 8.8)
MOST_ATOMS_FOR_ORDERS = 10
MOLECULE_FMAX = 0.03
START_BONDS_ANGSTROM = {"Br": 2.28, "I": 2.67}
"""Where the relaxation of these molecules starts: ASE's collection lacks them."""
FACE_CENTRED_DOUBLING = ((1, -1, 0), (0, 1, -1), (1, 1, 0))
"""Two primitive cells whose atoms lie on alternating (111) planes."""
Order = Literal["none", "ferromagnetic", "antiferromagnetic"]


class DftReferenceSettings(BaseModel):
    """How every phase of a DFT set is computed.

    Attributes
    ----------
    geometry : ReferenceSettings
        Potentials and tolerances of the relaxation.
    kpoint_density : dict
        Points per 1/Angstrom (ASE's convention) by kind of phase, see :func:`kind_of_phase`.
    hubbard_scaled : bool
        Divide d occupations by the partial wave's norm in its sphere. Unscaled, compounds of a
        metal miss the Materials Project's by nearly one energy per metal atom (Co: scatter 0.11
        eV), which a correction can take up; scaled they differ more.
    datasets : dict
        PAW datasets that are not GPAW's default ones, by element.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: Literal["gpaw"] = "gpaw"
    geometry: ReferenceSettings = ReferenceSettings()
    cutoff_ev: float = 600.0
    kpoint_density: dict[str, float] = {
        "small simple metal": 6.0,
        "metal": 4.0,
        "small gap": 3.0,
        "small insulator": 2.5,
        "insulator": 2.0,
        "large insulator": 1.4,
        "molecular": 1.5,
    }
    energy_tolerance_ev: float = 2e-4
    density_tolerance: float = 1e-3
    eigenstates_tolerance: float = 1e-5
    hubbard_scaled: bool = False
    datasets: dict[str, str] = dict(OWN_DATASETS)


class MagneticTry(Record):
    """One magnetic order that was computed."""

    order: Order
    status: str
    reason: str | None = None
    energy_ev_per_atom: float | None = None
    total_moment_per_atom: float | None = None
    moments: tuple[float, ...] | None = None
    n_atoms: int
    kpoints: tuple[int, int, int]
    band_gap_ev: float | None = None
    cures: int = 0
    wall_s: float


class DftPhaseResult(Record):
    """What became of one phase; the JSON file per phase holds exactly this.

    Attributes
    ----------
    key : str
        Hash of the geometry's key, the settings, datasets and GPAW's version.
    energy_ev_per_atom : float or None
        Lowest of ``tries``.
    molecule_ev_per_atom : float or None
        Of the isolated molecule, for molecular elements.
    geometry_ev_per_atom : float
        Energy of the embedded potential on the same cell.
    """

    name: str
    key: str
    status: Literal["ok", "not_converged", "failed"]
    reason: str | None = None
    energy_ev_per_atom: float | None = None
    magnetic_order: Order = "none"
    molecule_ev_per_atom: float | None = None
    geometry_ev_per_atom: float | None = None
    tries: tuple[MagneticTry, ...] = ()
    hubbard_u_ev: dict[str, float] = Field(default_factory=dict)
    kind: str = ""
    gpaw_version: str = ""
    datasets: dict[str, str] = Field(default_factory=dict)
    cell: RelaxedCell | None = None
    wall_s: float = 0.0


def dft_phase_key(facts: PhaseFacts, settings: DftReferenceSettings) -> str:
    """What a result of this phase depends on, as one hash."""
    from importlib import metadata

    from interlith.engines.electronic.hubbard import hubbard_u

    elements = {element for site in facts.sites for element in site.species}
    hashes = _dataset_hashes(elements, settings)
    if not hubbard_u(elements):  # the choice does not concern it; True keeps the keys of the set
        settings = settings.model_copy(update={"hubbard_scaled": True})
    parts = [
        str(TREATMENT_VERSION),
        phase_key(facts, settings.geometry),
        settings.model_dump_json(exclude={"geometry"}),
        metadata.version("gpaw"),
        *(f"{element} {digest}" for element, digest in sorted(hashes.items())),
    ]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


def compute_phase(
    facts: PhaseFacts, geometry: PhaseResult, settings: DftReferenceSettings, folder: Path
) -> DftPhaseResult:
    """DFT energy of a relaxed phase; a failure is a result with its reason, never an exception.

    Parameters
    ----------
    geometry : PhaseResult
        The relaxed phase.
    folder : path
        For the calculations of this phase; a killed one goes on there.
    """
    begin, key = time.monotonic(), dft_phase_key(facts, settings)
    try:
        return _computed(facts, geometry, settings, folder, key, begin)
    except Exception as error:  # the job boundary: one bad phase must not stop the set
        where = traceback.extract_tb(error.__traceback__)[-1]
        return DftPhaseResult(
            name=facts.name,
            key=key,
            status="failed",
            reason=f"{type(error).__name__}: {error} ({where.name}, line {where.lineno})",
            wall_s=time.monotonic() - begin,
        )


def _computed(
    facts: PhaseFacts,
    geometry: PhaseResult,
    settings: DftReferenceSettings,
    folder: Path,
    key: str,
    begin: float,
) -> DftPhaseResult:
    from importlib import metadata

    if geometry.status != "ok" or geometry.relaxed is None:
        raise FailureError(f"no relaxed geometry: {geometry.reason}")
    start = atoms_of(geometry.relaxed)
    if facts.name in FIRST_POTENTIAL_ONLY:
        start = _first_potential_only(facts, settings)
    kind = kind_of_phase(start, facts.volume_reliable)
    tries, records = [], []
    for order, atoms in magnetic_orders(start):
        record = _static(atoms, order, kind, settings, folder)
        records.append(record)
        tries.append(_try(order, record))
    good = [one for one in tries if one.energy_ev_per_atom is not None]
    best = min(good, key=lambda one: one.energy_ev_per_atom or 0.0, default=None)
    return DftPhaseResult(
        name=facts.name,
        key=key,
        status="ok" if best else "not_converged",
        reason=None if best else "; ".join(str(one.reason) for one in tries),
        energy_ev_per_atom=best.energy_ev_per_atom if best else None,
        magnetic_order=best.order if best else "none",
        molecule_ev_per_atom=_molecule(start, settings, folder),
        geometry_ev_per_atom=geometry.energy_ev_per_atom[settings.geometry.second],
        tries=tuple(tries),
        hubbard_u_ev=records[0].settings.hubbard_u_ev,
        kind=kind,
        gpaw_version=metadata.version("gpaw"),
        datasets=_dataset_hashes(set(start.get_chemical_symbols()), settings),
        cell=relaxed_cell(start),
        wall_s=time.monotonic() - begin,
    )


def kind_of_phase(atoms: Atoms, volume_reliable: bool = True) -> str:
    """Which density of k points a phase gets; from its elements and the size of its cell.

    Measured on fixed geometries: a denser grid changes no kind by more than 2 meV/atom.
    """
    from interlith.engines.electronic.settings import bonding
    from interlith.engines.molecules import isolated_molecule

    elements = set(atoms.get_chemical_symbols())
    if bonding(elements) == "metal":
        plain = not any(map(_is_d_or_f, elements))
        return "small simple metal" if plain and len(atoms) <= SMALL_CELL else "metal"
    if len(atoms) > SMALL_CELL and not volume_reliable and isolated_molecule(atoms) is not None:
        return "molecular"
    if len(elements) == 1 and elements <= set(MOLECULES):
        return "small insulator"
    if len(elements) == 1 and len(atoms) <= LARGE_CELL:
        return "metal"  # semimetals and narrow gaps
    if not elements & SALT_ANIONS and ("S" not in elements or any(map(_is_d_or_f, elements))):
        return "small gap" if len(atoms) <= LARGE_CELL else "insulator"
    if len(atoms) <= SMALL_CELL:
        return "small insulator"
    return "insulator" if len(atoms) <= MEDIUM_CELL else "large insulator"


def _is_d_or_f(element: str) -> bool:
    from pymatgen.core import Element

    found = Element(element)
    return bool(found.is_transition_metal or found.is_lanthanoid)


def magnetic_orders(atoms: Atoms) -> list[tuple[Order, Atoms]]:
    """The magnetic orders to try; one without moments where no shell is open.

    Small cells with several magnetic atoms are computed with alternating moments too, and a
    primitive cell with one (rock salt) is doubled along [111] for it.
    """
    from ase.build import make_supercell

    from interlith.engines.electronic.magnetism import starting_moments

    moments = starting_moments(atoms)
    magnetic = [i for i, moment in enumerate(moments) if moment]
    if not magnetic:
        return [("none", atoms)]
    orders: list[tuple[Order, Atoms]] = [("ferromagnetic", atoms)]
    if atoms.get_chemical_formula(empirical=True) == "O" or len(set(atoms.numbers)) == 1:
        return orders
    if len(magnetic) == 1 and len(atoms) == 2:
        orders.append(("antiferromagnetic", make_supercell(atoms, FACE_CENTRED_DOUBLING)))
    elif len(magnetic) % 2 == 0 and len(atoms) <= MOST_ATOMS_FOR_ORDERS:
        orders.append(("antiferromagnetic", atoms))
    return orders


def dft_settings(
    atoms: Atoms, order: Order, kind: str, settings: DftReferenceSettings
) -> DftSettings:
    """Settings of one static calculation of the set."""
    from interlith.engines.electronic.hubbard import hubbard_u
    from interlith.engines.electronic.settings import settings_for

    elements = set(atoms.get_chemical_symbols())
    return settings_for(
        atoms,
        "static",
        cutoff_ev=settings.cutoff_ev,
        kpoint_density_angstrom=settings.kpoint_density[kind],
        energy_tolerance_ev=settings.energy_tolerance_ev,
        density_tolerance=settings.density_tolerance,
        eigenstates_tolerance=settings.eigenstates_tolerance,
        magnetic_order=order,
        hubbard_scaled=settings.hubbard_scaled and bool(hubbard_u(elements)),
        datasets={e: tag for e, tag in settings.datasets.items() if e in elements},
    )


def atoms_of(cell: RelaxedCell) -> Atoms:
    """ASE's atoms of a stored cell, in its most compact axes.

    Primitive cells may be needles, with too many k points along the short reciprocal axes.
    """
    from ase import Atoms
    from ase.geometry import minkowski_reduce

    atoms = Atoms(cell.elements, cell=cell.cell, scaled_positions=cell.fractional, pbc=True)
    compact, _ = minkowski_reduce(atoms.cell, pbc=True)
    atoms.set_cell(compact, scale_atoms=False)
    atoms.wrap()
    return atoms


def _static(
    atoms: Atoms, order: Order, kind: str, settings: DftReferenceSettings, folder: Path
) -> DftRecord:
    from interlith.engines.dft import run_static

    return run_static(
        atoms, dft_settings(atoms, order, kind, settings), folder / order, stress=False
    )


def _try(order: Order, record: DftRecord) -> MagneticTry:
    total = record.total_magnetic_moment
    moments = record.magnetic_moments
    return MagneticTry(
        order=order,
        status=record.status,
        reason=record.reason,
        energy_ev_per_atom=record.energy_ev_per_atom,
        total_moment_per_atom=None if total is None else round(total / record.n_atoms, 4),
        moments=None if moments is None else tuple(round(m, 3) for m in moments),
        n_atoms=record.n_atoms,
        kpoints=record.settings.kpoints,
        band_gap_ev=record.band_gap_ev,
        cures=max(0, len(record.attempts) - 1),
        wall_s=record.wall_time_s,
    )


def _molecule(start: Atoms, settings: DftReferenceSettings, folder: Path) -> float | None:
    """Energy per atom of the diatomic molecule of a molecular element, relaxed in a box."""
    from ase import Atoms
    from ase.build import molecule

    from interlith.engines.dft import run_relax

    elements = set(start.get_chemical_symbols())
    if len(elements) > 1 or not elements <= set(MOLECULES):
        return None
    element = elements.pop()
    if element in START_BONDS_ANGSTROM:
        one = Atoms([element] * 2, positions=[[0, 0, 0], [0, 0, START_BONDS_ANGSTROM[element]]])
    else:
        one = molecule(f"{element}2")
    one.set_initial_magnetic_moments([1.0, 1.0] if element == "O" else [0.0, 0.0])
    one.set_cell(BOX_ANGSTROM)
    one.center()
    one.pbc = True
    chosen = dft_settings(one, "ferromagnetic", "molecular", settings).model_copy(
        update={"kpoints": (1, 1, 1), "smearing_ev": 0.01}
    )
    record = run_relax(
        one, chosen, folder / "molecule", cell=False, fmax_ev_per_angstrom=MOLECULE_FMAX
    )
    if record.energy_ev_per_atom is None:
        raise FailureError(f"the {element}2 molecule has no energy: {record.reason}")
    return record.energy_ev_per_atom


def _first_potential_only(facts: PhaseFacts, settings: DftReferenceSettings) -> Atoms:
    """The phase again, relaxed with the first potential alone."""
    from pymatgen.io.ase import AseAtomsAdaptor

    from interlith.engines.potentials import potential
    from interlith.engines.relax import relax
    from interlith.structures.library import build

    atoms = AseAtomsAdaptor.get_atoms(build(facts, primitive=True), msonable=False)
    relaxed, _ = relax(
        atoms,
        potential(settings.geometry.first).calculator(),
        fmax_ev_per_angstrom=settings.geometry.fmax_ev_per_angstrom,
        max_steps=settings.geometry.max_steps,
    )
    return relaxed


def _dataset_hashes(elements: set[str], settings: DftReferenceSettings) -> dict[str, str]:
    from interlith.engines.electronic.datasets import dataset

    return {
        element: dataset(element, tag=settings.datasets.get(element)).sha256
        for element in sorted(elements)
    }
