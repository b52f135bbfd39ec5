"""Work of adhesion of interfaces and stacks with any potential: join, part, relax, compare.

>>> from ase.build import fcc100
>>> whole = fcc100("Cu", (1, 1, 8), a=3.6, vacuum=8.0)
>>> below = whole.positions[:, 2] < whole.positions[:, 2].mean()
>>> parted = part(whole, below, potential("emt"), AdhesionSettings(relax_ions=False))
>>> 1.5 < parted.rigid_work_j_m2 < 2.5
True
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from interlith.analysis.adhesion import (
    J_PER_M2,
    AdhesionRecord,
    ContactAngle,
    Joint,
    LayerEnergies,
    contact_angle,
    interface_energy,
    surface_energy,
    weakest,
    work_of_adhesion,
)
from interlith.engines.potentials import Potential, potential
from interlith.engines.relax import relax
from interlith.errors import FailureError, InputError
from interlith.provenance import provenance
from interlith.structures.interfaces.matching import shift_grid
from interlith.structures.interfaces.plans import InterfaceOptions
from interlith.structures.interfaces.registry import shift_cell
from interlith.structures.interfaces.search import build_interfaces
from interlith.structures.interfaces.stacks import Sheet, StackOptions, build_stack
from interlith.structures.reading import read_material
from interlith.structures.surfaces.surface_cell import surface_cell
from interlith.workflows.adhesion_settings import (
    VACUUM_ANGSTROM,
    AdhesionSettings,
    Counted,
    positive,
)
from interlith.workflows.structures import side, two_sides

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

    from interlith.structures.interfaces.assembly import Layer

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

OPENED_ANGSTROM = 2.0
"""A gap that widens by more on relaxing has come apart."""
MOST_ANGSTROM, MOST_STRAIN = 200.0, 0.2
"""Of a layer; what the builder of interfaces takes."""
UPSIDE_DOWN = np.diag([1.0, -1.0, -1.0])
ALONG_NORMAL = (0, 0, 1, 0, 0, 0)


@dataclass(frozen=True, eq=False)
class Parted:
    """One interface pulled apart; energies in eV. No work without a relaxed start and end."""

    rigid_work_j_m2: float
    work_j_m2: float | None
    reason: str | None
    opened_angstrom: float
    joined: Atoms


def part(
    whole: Atoms,
    below: npt.ArrayLike,
    engine: Potential,
    settings: AdhesionSettings | None = None,
) -> Parted:
    """Pull a slab with vacuum apart between two groups of atoms.

    Parameters
    ----------
    whole : Atoms
        Normal along z, with vacuum above; left as it is.
    below : (n,) bool
        Atoms of the lower part.

    Raises
    ------
    InputError
        If a part is empty, or the cell has no room for the surfaces.
    """
    return _part(
        whole, np.asarray(below, dtype=bool), Counted(engine, settings or AdhesionSettings())
    )


def _part(whole: Atoms, below: BoolArray, engine: Counted) -> Parted:
    if below.shape != (len(whole),) or below.all() or not below.any():
        raise InputError("an interface parts atoms below from atoms above; one side has none")
    cell = _with_room(whole, engine.settings.vacuum_angstrom)
    area = _area(cell)
    parts = (cell[below], cell[~below])
    rigid = work_of_adhesion(sum(engine.energy(one) for one in parts), engine.energy(cell), area)
    joined, energy, settled = engine.relaxed(cell)
    opened = _gap(joined, below) - _gap(cell, below)
    apart = 0.0
    for one in parts:
        _, alone, done = engine.relaxed(one)
        apart += alone
        settled = settled and done
    reason = None
    if opened > OPENED_ANGSTROM:
        reason = f"it came apart by {opened:.1f} Angstrom on relaxing"
    elif not settled:
        reason = engine.unsettled
    work = work_of_adhesion(apart, energy, area)
    return Parted(rigid, work if reason is None else None, reason, opened, joined)


def separation_curve(
    whole: Atoms, below: npt.ArrayLike, engine: Potential, distances_angstrom: Sequence[float]
) -> tuple[float, ...]:
    """Work still to be done, J/m2, with the rigid parts moved apart by each distance.

    Zero at large distances; the rigid work of adhesion at distance zero.
    """
    lower = np.asarray(below, dtype=bool)
    settings = AdhesionSettings(vacuum_angstrom=VACUUM_ANGSTROM + max(distances_angstrom))
    counted, cell = Counted(engine, settings), _with_room(whole, settings.vacuum_angstrom)
    apart = counted.energy(cell[lower]) + counted.energy(cell[~lower])
    left = []
    for distance in distances_angstrom:
        moved = cell.copy()
        moved.positions[~lower, 2] += distance
        left.append(work_of_adhesion(apart, counted.energy(moved), _area(cell)))
    return tuple(left)


def registry_surface(
    whole: Atoms, below: npt.ArrayLike, engine: Potential, shifts_angstrom: npt.ArrayLike
) -> FloatArray:
    """Rigid energy, J/m2 above the lowest, with the upper part moved by lateral shifts (n, 2)."""
    return _registry(whole, np.asarray(below, dtype=bool), Counted(engine, AdhesionSettings()),
                     np.asarray(shifts_angstrom, dtype=np.float64))  # fmt: skip


def _registry(
    whole: Atoms, below: BoolArray, engine: Counted, shifts_angstrom: FloatArray
) -> FloatArray:
    energies = []
    for shift in shifts_angstrom:
        moved = whole.copy()
        moved.positions[~below, :2] += shift
        moved.positions[~below, 2] += _clearance(moved, below)
        energies.append(engine.energy(moved))
    values = np.array(energies)
    return np.asarray((values - values.min()) / _area(whole) * J_PER_M2)


LEAST_CONTACT = 0.75
"""Of the sum of covalent radii: nearer atoms are moved apart before an energy is taken."""


def _clearance(atoms: Atoms, below: BoolArray) -> float:
    """Height to add so that no two atoms across the interface overlap."""
    from ase.data import covalent_radii

    near = np.where(below, atoms.positions[:, 2] > atoms.positions[below, 2].max() - 4, 
                    atoms.positions[:, 2] < atoms.positions[~below, 2].min() + 4)  # fmt: skip
    lower, upper = np.flatnonzero(near & below), np.flatnonzero(near & ~below)
    needed = 0.0
    for index in lower:
        vectors = atoms.get_distances(index, upper, mic=True, vector=True)
        flat = np.hypot(vectors[:, 0], vectors[:, 1])
        least = LEAST_CONTACT * (
            covalent_radii[atoms.numbers[index]] + covalent_radii[atoms.numbers[upper]]
        )
        tight = flat < least
        rise = np.sqrt(np.maximum(least**2 - flat**2, 0.0)) - vectors[:, 2]
        needed = max(needed, float(rise[tight].max(initial=0.0)))
    return needed


def _with_room(atoms: Atoms, vacuum_angstrom: float) -> Atoms:
    """A copy from height zero, with vacuum of this size above."""
    made: Atoms = atoms.copy()
    made.positions[:, 2] -= made.positions[:, 2].min()
    cell = made.cell.array.copy()
    if np.abs(cell[:2, 2]).max() > 1e-6:
        raise InputError("the interface must lie in the xy plane of the cell")
    cell[2] = [0.0, 0.0, made.positions[:, 2].max() + vacuum_angstrom]
    made.set_cell(cell)
    made.pbc = True
    return made


def _area(atoms: Atoms) -> float:
    return float(np.linalg.norm(np.cross(atoms.cell.array[0], atoms.cell.array[1])))


def _gap(atoms: Atoms, below: BoolArray) -> float:
    heights = atoms.positions[:, 2]
    return float(np.quantile(heights[~below], 0.02) - np.quantile(heights[below], 0.98))


def adhesion(
    materials: Sequence[str],
    potential_name: str,
    settings: AdhesionSettings | None = None,
    *,
    millers: Sequence[tuple[int, int, int] | None] | None = None,
    thickness_angstrom: float = 10.0,
    max_atoms: int = 300,
    max_strain: float = 0.05,
) -> tuple[AdhesionRecord, Structure]:
    """Build the interface of two crystals, or a stack of several, and part every joint.

    Parameters
    ----------
    materials : sequence of str
        From the bottom; library names, formulas or files of ordered crystals.
    millers : sequence, optional
        Plane of each; None tries all low ones.

    Returns
    -------
    AdhesionRecord
        ``no_answer`` where no joint could be parted soundly.
    Structure
        As built.

    Raises
    ------
    InputError
        If fewer than two materials are named, one is not known, a limit is none, or nothing can be
        built.
    """
    begin = time.monotonic()
    chosen = settings or AdhesionSettings()
    if len(materials) < 2:
        raise InputError(f"{len(materials)} material makes no interface; name two or more")
    positive("a thickness of {} Angstrom", thickness_angstrom, MOST_ANGSTROM)
    positive("a largest strain of {}", max_strain, MOST_STRAIN)
    if max_atoms < 2:
        raise InputError(f"a budget of {max_atoms} atoms; an interface takes two and more")
    planes = list(millers) if millers is not None else [None] * len(materials)
    if len(planes) != len(materials):
        raise InputError(f"{len(planes)} planes for {len(materials)} materials; give one each")
    engine = potential(potential_name)
    found = [read_material(one).structure.composition for one in materials]
    engine.check_elements(sorted({e.symbol for one in found for e in one.elements}))
    built, bulks = _build(materials, planes, thickness_angstrom, max_atoms, max_strain)
    atoms = built.structure.to_ase_atoms(msonable=False)
    counted = Counted(engine, chosen)
    owner = np.repeat(np.arange(len(built.layers)), [len(one.symbols) for one in built.layers])
    layers = tuple(
        _layer(layer, bulk, atoms[owner == i], counted)
        for i, (layer, bulk) in enumerate(zip(built.layers, bulks, strict=True))
    )
    joints = tuple(
        _joint(atoms, owner <= i, layers[i], layers[i + 1], counted, float(height))
        for i, height in enumerate(built.interface_heights[: len(layers) - 1])
    )
    return _record(materials, atoms, joints, layers, built, owner, counted, engine, begin), (
        built.structure
    )


def _build(
    materials: Sequence[str],
    planes: Sequence[tuple[int, int, int] | None],
    thickness: float,
    max_atoms: int,
    max_strain: float,
) -> tuple[Any, list[Structure]]:
    if len(materials) == 2:
        a, b = two_sides(*materials)
        options = InterfaceOptions(
            miller_a=None if planes[0] is None else (planes[0],),
            miller_b=None if planes[1] is None else (planes[1],),
            thickness_a_angstrom=thickness,
            thickness_b_angstrom=thickness,
            max_atoms=max_atoms,
            max_strain=max_strain,
            vacuum_angstrom=VACUUM_ANGSTROM,
            count=1,
        )
        return build_interfaces(a, b, options).candidates[0], [a.bulk, b.bulk]
    sides = [side(f"layer-{i}", name) for i, name in enumerate(materials, 1)]
    sheets = [Sheet(one, thickness, plane) for one, plane in zip(sides, planes, strict=True)]
    options_stack = StackOptions(max_atoms=max_atoms, max_strain=max_strain)
    return build_stack(sheets, options_stack), [one.bulk for one in sides]


def _joint(
    atoms: Atoms,
    below: BoolArray,
    lower: LayerEnergies,
    upper: LayerEnergies,
    engine: Counted,
    height: float,
) -> Joint:
    parted = _part(atoms, below, engine)
    faces = (lower.surface_energy_j_m2, upper.surface_energy_j_m2)
    energy = None
    if parted.work_j_m2 is not None and faces[0] is not None and faces[1] is not None:
        energy = interface_energy(faces[0], faces[1], parted.work_j_m2)
    return Joint(
        lower=lower.region,
        upper=upper.region,
        status="ok" if parted.reason is None else "no_answer",
        reason=parted.reason,
        work_of_adhesion_j_m2=parted.work_j_m2,
        rigid_work_j_m2=parted.rigid_work_j_m2,
        interface_energy_j_m2=energy,
        opened_angstrom=parted.opened_angstrom,
        height_angstrom=height,
    )


def _layer(layer: Layer, bulk: Structure, atoms: Atoms, engine: Counted) -> LayerEnergies:
    """Surface and strain energy of one layer; None with a reason where there is none.

    That is where its composition is not the bulk's, or a relaxation did not settle.
    """
    alone = _with_room(atoms, engine.settings.vacuum_angstrom)
    per_atom: tuple[float, float] | str = "the slab does not have the composition of its crystal"
    if layer.slab.stoichiometric:
        per_atom = _bulk_energies(layer, bulk, engine)
    known: dict[str, Any] = dict.fromkeys(
        ("surface_energy_j_m2", "cohesion_j_m2", "strain_energy_ev_per_atom", "strain_energy_j_m2")
    )
    if isinstance(per_atom, str):
        known["reason"] = per_atom
    else:
        free, strained = per_atom
        (_, energy, settled), area = engine.relaxed(alone), _area(alone)
        known["strain_energy_ev_per_atom"] = strained - free
        known["strain_energy_j_m2"] = (strained - free) * len(alone) / area * J_PER_M2
        if settled:
            face = surface_energy(energy, strained * len(alone), area)
            known |= {"surface_energy_j_m2": face, "cohesion_j_m2": 2 * face}
        else:
            known["reason"] = f"the slab is {engine.unsettled}"
    return LayerEnergies(
        region=layer.name, material=layer.material, thickness_angstrom=layer.thickness, **known
    )


def _bulk_energies(layer: Layer, bulk: Structure, engine: Counted) -> tuple[float, float] | str:
    """Energy per atom of the free crystal, and strained in the plane as the layer is; or why not.

    The free one is relaxed with its cell; the strained one keeps the layer's plane and relaxes
    along the normal.
    """
    from ase import Atoms
    from ase.filters import FrechetCellFilter
    from ase.optimize import BFGS

    cell = surface_cell(bulk, layer.slab.miller)
    rows = np.zeros((3, 3))
    rows[:2, :2], rows[2] = cell.in_plane, [*cell.shift, cell.period_angstrom]
    points = np.column_stack([cell.lateral, cell.heights])
    turn = layer.deformation @ (UPSIDE_DOWN if layer.flipped else np.eye(3))
    free = Atoms(list(cell.symbols), positions=points, cell=rows, pbc=True)
    bent = Atoms(list(cell.symbols), positions=points @ turn.T, cell=rows @ turn.T, pbc=True)
    try:
        _, record = relax(
            free,
            engine.calculator,
            fmax_ev_per_angstrom=engine.settings.fmax_ev_per_angstrom,
            max_steps=engine.settings.max_steps,
        )
    except FailureError as error:
        return str(error)
    bent.calc = engine.calculator
    target: Any = FrechetCellFilter(bent, mask=ALONG_NORMAL)
    optimizer = BFGS(target, logfile=None, maxstep=0.1)
    settled = optimizer.run(
        fmax=engine.settings.fmax_ev_per_angstrom, steps=engine.settings.max_steps
    )
    engine.count += record.steps + optimizer.nsteps + 2
    if not record.converged or not settled:
        return f"its {'strained' if record.converged else 'free'} crystal is {engine.unsettled}"
    return record.energy_ev_per_atom, float(bent.get_potential_energy()) / len(bent)


def _record(
    materials: Sequence[str],
    atoms: Atoms,
    joints: tuple[Joint, ...],
    layers: tuple[LayerEnergies, ...],
    built: Any,
    owner: npt.NDArray[np.int64],
    engine: Counted,
    used: Potential,
    begin: float,
) -> AdhesionRecord:
    settings = engine.settings
    registry: tuple[tuple[float, float, float], ...] = ()
    angle: ContactAngle | None = None
    work = joints[0].work_of_adhesion_j_m2
    if settings.liquid_surface_energy_j_m2 is not None and work is not None:
        angle = contact_angle(work, settings.liquid_surface_energy_j_m2)
    if settings.registry_spacing_angstrom is not None and len(layers) == 2:
        spacing = settings.registry_spacing_angstrom
        registry = _registry_of(atoms, owner == 0, built, engine, spacing)
    heights = [energy for _, _, energy in registry]
    sound = any(one.status == "ok" for one in joints)
    return AdhesionRecord(
        materials=tuple(materials),
        status="ok" if sound else "no_answer",
        reason=None if sound else "; ".join(one.reason or "" for one in joints),
        formula=atoms.get_chemical_formula(),
        n_atoms=len(atoms),
        area_angstrom2=_area(atoms),
        joints=joints,
        layers=layers,
        weakest=weakest(joints, layers),
        contact_angle=angle,
        registry=registry,
        corrugation_j_m2=max(heights) - min(heights) if heights else None,
        calculations=engine.count,
        potential=used.identity.to_json(),
        provenance=provenance(None, time.monotonic() - begin),
    )


def _registry_of(
    atoms: Atoms, below: BoolArray, built: Any, engine: Counted, spacing_angstrom: float
) -> tuple[tuple[float, float, float], ...]:
    lower, upper = built.layers
    cell = atoms.cell.array[:2, :2]
    distinct = shift_cell(lower.supercell, upper.supercell, cell)
    shifts = shift_grid(distinct, spacing_angstrom) @ distinct
    values = _registry(_with_room(atoms, engine.settings.vacuum_angstrom), below, engine, shifts)
    return tuple(
        (float(x), float(y), float(value)) for (x, y), value in zip(shifts, values, strict=True)
    )
