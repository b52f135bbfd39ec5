"""The periodic double interface of a reactive run, or one crystal alone as its control.

The normal is along c, which is the only direction in which the cell may move later, so the second
interface is shifted in the plane until c stands upright.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from interlith.analysis.hull import Hull
from interlith.analysis.reactive_limit import ReactionLimit, is_lithium, reaction_limit
from interlith.analysis.reactive_records import CellFacts, ReservoirStatus
from interlith.analysis.reference_catalog import load_reference
from interlith.analysis.references import parse_formula
from interlith.engines.relax import relax
from interlith.errors import InputError, InterlithError, MissingElementError
from interlith.structures.interfaces.plans import InterfaceOptions, Side
from interlith.structures.interfaces.search import Candidate, build_interfaces
from interlith.structures.regions import Regions
from interlith.workflows.committee import driver
from interlith.workflows.reactive.settings import ReactivitySettings
from interlith.workflows.structures import ordered_side

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

FloatArray = npt.NDArray[np.float64]

ION = "Li"
METAL_ANGSTROM = 12.0
"""Thickness of Li metal to start from; grows until the reservoir is large enough."""
GROWTHS = 4
STIRRED_ANGSTROM = 0.02
RELAX_FMAX = 0.1
BULK = "electrolyte"
MOST_REPEATS = 60
AREAS = (2.0, 5.0)
"""Areas of a match to search up to, in squares of the least side, and 40 Angstrom2 at least."""


@dataclass(frozen=True, eq=False)
class ReactiveCell:
    """Start of the runs: labelled structure, facts, and what thermodynamics says of it."""

    structure: Structure
    facts: CellFacts
    limit: ReactionLimit | None
    limit_reason: str | None


def prepare(a: str, b: str | None, settings: ReactivitySettings) -> ReactiveCell:
    """Build and relax the cell of two materials, or of one alone.

    Raises
    ------
    InputError
        If a material is not known, no interface fits the limits, or the potential does not know an
        element.
    FailureError
        If the relaxation runs away.
    """
    limit, reason = (None, "one crystal alone") if b is None else thermodynamic_limit(a, b)
    structure, made = built(a, b, settings, limit)
    atoms, energy, converged = _relaxed(structure, settings)
    facts = CellFacts(
        formula=structure.composition.reduced_formula,
        n_atoms=len(atoms),
        lengths_angstrom=_triple(atoms.cell.lengths()),
        area_angstrom2=round(float(np.linalg.norm(np.cross(*atoms.cell.array[:2]))), 4),
        relaxed_energy_ev=energy,
        relaxed=converged,
        **made,
    )
    moved = structure.copy()
    for index, point in enumerate(atoms.positions):
        moved.translate_sites(
            [index], point - moved[index].coords, frac_coords=False, to_unit_cell=False
        )
    return ReactiveCell(moved, facts, limit, reason)


def built(
    a: str, b: str | None, settings: ReactivitySettings, limit: ReactionLimit | None = None
) -> tuple[Structure, dict[str, Any]]:
    """The cell before it is relaxed, and what is known of it."""
    return _alone(a, settings) if b is None else _interface(a, b, settings, limit)


def thermodynamic_limit(a: str, b: str) -> tuple[ReactionLimit | None, str | None]:
    """The limit by the built-in energies, or why there is none."""
    formulas = [formula_of(name) for name in (a, b)]
    elements = {ION}.union(*(parse_formula(one) for one in formulas))
    try:
        return reaction_limit(Hull(load_reference("default", elements=elements)), *formulas), None
    except MissingElementError as error:
        return None, str(error)


def formula_of(name: str) -> str:
    """Formula of a material given by name, formula or file."""
    from interlith.structures.reading import read_material

    material = read_material(name)
    if material.facts is not None:
        return material.facts.formula
    return str(material.structure.composition.reduced_formula)


def _interface(
    a: str, b: str, settings: ReactivitySettings, limit: ReactionLimit | None
) -> tuple[Structure, dict[str, Any]]:
    """The cell, with the Li metal thickened until it is enough, and most of its facts."""
    sides = _sides(a, b, settings)
    formulas = (formula_of(a), formula_of(b))
    metals = [is_lithium(formula) for formula in formulas]
    if all(metals):
        raise InputError("Li against Li has nothing to react; name another material")
    needed = None if limit is None else limit.lithium_per_formula
    thick = METAL_ANGSTROM
    candidate = _candidate(sides, metals, thick, settings)
    for _ in range(GROWTHS):
        short = _missing(candidate, formulas, metals, needed, settings)
        if short <= 0:
            break
        thick += short
        candidate = _candidate(sides, metals, thick, settings)
    return _facts(candidate, formulas, metals, needed, settings)


def _sides(a: str, b: str, settings: ReactivitySettings) -> tuple[Side, Side]:
    """Both crystals, named by what they are here."""
    names = ["anode" if is_lithium(formula_of(name)) else BULK for name in (a, b)]
    found = []
    for name, region in zip((a, b), names, strict=True):
        made = ordered_side(region, name, settings.max_atoms, settings.seed)
        found.append(made)
    if names[0] == names[1]:
        words = [_region(side.material) for side in found]
        if words[0] == words[1]:
            words = [f"{words[0]}-a", f"{words[1]}-b"]
        found = [replace(side, region=word) for side, word in zip(found, words, strict=True)]
    return found[0], found[1]


def _region(name: str) -> str:
    kept = "".join(letter for letter in name if letter.isalnum() or letter in "-.")
    return kept if kept[:1].isalpha() else f"m{kept}"


def _candidate(
    sides: tuple[Side, Side], metals: Sequence[bool], thick: float, settings: ReactivitySettings
) -> Candidate:
    """The interface asked for, among small matches if there are any."""
    for area in AREAS[:-1]:
        try:
            return _within(area, sides, metals, thick, settings)
        except InputError:
            continue
    return _within(AREAS[-1], sides, metals, thick, settings)


def _within(
    squares: float,
    sides: tuple[Side, Side],
    metals: Sequence[bool],
    thick: float,
    settings: ReactivitySettings,
) -> Candidate:
    thickness = [thick if metal else settings.thickness_angstrom for metal in metals]
    options = InterfaceOptions(
        miller_a=None if settings.miller_a is None else (settings.miller_a,),
        miller_b=None if settings.miller_b is None else (settings.miller_b,),
        thickness_a_angstrom=thickness[0],
        thickness_b_angstrom=thickness[1],
        max_atoms=settings.max_atoms,
        max_strain=settings.max_strain,
        max_area_angstrom2=max(40.0, squares * settings.min_length_angstrom**2),
        faces="bulk",
        count=20,
        seed=settings.seed,
    )
    found = build_interfaces(*sides, options).candidates
    fitting = [
        one
        for one in found
        if _times(one.structure, settings) * len(one.structure) <= settings.max_atoms
    ]
    if len(fitting) < settings.candidate:
        least = min(_times(one.structure, settings) * len(one.structure) for one in found)
        raise InputError(
            f"{len(fitting)} interfaces of {sides[0].material} and {sides[1].material} have at "
            f"most {settings.max_atoms} atoms with sides of {settings.min_length_angstrom:g} "
            f"Angstrom, and candidate {settings.candidate} was asked for (the smallest has "
            f"{least}); raise --max-atoms, lower --min-length or --thickness"
        )
    return fitting[settings.candidate - 1]


def _times(structure: Structure, settings: ReactivitySettings) -> int:
    grid = in_plane_repeat(structure.lattice.matrix, settings.min_length_angstrom)
    return abs(round(float(np.linalg.det(grid))))


def in_plane_repeat(matrix: npt.ArrayLike, least_angstrom: float) -> npt.NDArray[np.int64]:
    """Smallest (2, 2) repetition of the in-plane cell without a shorter vector, most square.

    >>> abs(in_plane_repeat(np.diag([7.0, 7.0, 30.0]), 9.0)).tolist()
    [[1, 1], [1, 1]]
    """
    rows = np.asarray(matrix, dtype=np.float64)[:2]
    for size in range(1, MOST_REPEATS + 1):
        found = []
        for m in (one for one in range(1, size + 1) if size % one == 0):
            for k in range(m):
                grid = _reduced(np.array([[m, 0], [k, size // m]], dtype=np.int64), rows)
                shortest, other = sorted(np.linalg.norm(grid @ rows, axis=1))
                if shortest >= least_angstrom - 1e-6:
                    found.append((round(float(other / shortest), 6), grid.tolist()))
        if found:
            return np.array(min(found)[1], dtype=np.int64)
    raise InputError(f"sides of {least_angstrom:g} Angstrom take more than {MOST_REPEATS} cells")


def _reduced(grid: npt.NDArray[np.int64], rows: FloatArray) -> npt.NDArray[np.int64]:
    """The same lattice by its two shortest vectors, right-handed (Lagrange and Gauss)."""
    first, second = grid
    while True:
        if np.linalg.norm(first @ rows) > np.linalg.norm(second @ rows):
            first, second = second, first
        long = first @ rows
        times = round(float((second @ rows) @ long / (long @ long)))
        if times == 0:
            break
        second = second - times * first
    made = np.array([first, second], dtype=np.int64)
    if np.linalg.det(made) < 0:
        made[1] = -made[1]
    return made


def _missing(
    candidate: Candidate,
    formulas: tuple[str, str],
    metals: Sequence[bool],
    needed: float | None,
    settings: ReactivitySettings,
) -> float:
    """Angstrom of Li metal that the cell lacks; 0 where it has enough or needs none."""
    if not any(metals) or not needed:
        return 0.0
    atoms, units = _reservoir(candidate, metals, formulas)
    short = settings.reservoir_excess * needed * units - atoms
    layer = candidate.layers[metals.index(True)]
    return max(0.0, short / len(layer.symbols) * (layer.thickness + 1.7))


def _reservoir(
    candidate: Candidate, metals: Sequence[bool], formulas: tuple[str, str]
) -> tuple[int, float]:
    """Li metal atoms, and formula units of the other side (of the upper where none is metal)."""
    other = 1 if metals[0] or not any(metals) else 0
    units = formula_units(candidate.layers[other].symbols, formulas[other])
    metal = len(candidate.layers[metals.index(True)].symbols) if any(metals) else 0
    return metal, units


def formula_units(symbols: Sequence[str], formula: str) -> float:
    """Units of a formula that atoms hold, by all but Li, as :func:`reaction_limit` counts them.

    >>> formula_units(["Li", "Li", "P", "S", "S", "S"], "Li4P2S6")
    0.5
    """
    counts = parse_formula(formula)
    if set(counts) == {ION}:
        return len(symbols) / counts[ION]
    framework = sum(n for element, n in counts.items() if element != ION)
    return sum(symbol != ION for symbol in symbols) / framework


def _facts(
    candidate: Candidate,
    formulas: tuple[str, str],
    metals: Sequence[bool],
    needed: float | None,
    settings: ReactivitySettings,
) -> tuple[Structure, dict[str, Any]]:
    metal, units = _reservoir(candidate, metals, formulas)
    structure, shift = upright(candidate.structure)
    grid = in_plane_repeat(structure.lattice.matrix, settings.min_length_angstrom)
    times = abs(round(float(np.linalg.det(grid))))
    full = np.eye(3, dtype=np.int64)
    full[:2, :2] = grid
    cell = structure.make_supercell(full, in_place=False)
    names = Regions.of(cell).names
    strain = [max(abs(float(x)) for x in _principal(layer)) for layer in candidate.layers]
    facts: dict[str, Any] = {
        "miller": {layer.name: tuple(map(int, layer.slab.miller)) for layer in candidate.layers},
        "faces": tuple(str(layer.slab.top.label) for layer in candidate.layers),
        "equal_interfaces": candidate.equal_interfaces,
        "largest_strain": round(max(strain), 5),
        "straightened_angstrom": round(shift, 3),
        "region_angstrom": _thicknesses(candidate),
        "region_atoms": {name: names.count(name) for name in dict.fromkeys(names)},
        "formula_units": units * times,
        "lithium_metal_atoms": metal * times,
        "lithium_per_formula": metal / units if any(metals) else None,
        "lithium_needed_per_formula": needed,
        "reservoir": _reservoir_status(metals, metal / units, needed),
    }
    return cell, facts


def _reservoir_status(
    metals: Sequence[bool], present: float, needed: float | None
) -> ReservoirStatus:
    if not any(metals):
        return "no reservoir"
    if needed is None:
        return "not checked"
    if needed == 0:
        return "not needed"
    return "enough" if present >= needed else "starves"


def _principal(layer: Any) -> Sequence[float]:
    stretches: FloatArray = np.linalg.svd(layer.deformation[:2, :2], compute_uv=False)
    return [float(x) - 1.0 for x in stretches]


def _thicknesses(candidate: Candidate) -> dict[str, float]:
    """Of each layer with half the gap on either side."""
    gaps = [joint.gap for joint in candidate.joints]
    between = float(np.mean(gaps))
    return {layer.name: round(layer.thickness + between, 4) for layer in candidate.layers}


def upright(structure: Structure) -> tuple[Structure, float]:
    """The same atoms with c along the normal, and how far c leaned, Angstrom."""
    from pymatgen.core import Lattice

    matrix = np.array(structure.lattice.matrix)
    normal = np.cross(matrix[0], matrix[1])
    normal /= np.linalg.norm(normal)
    height = float(matrix[2] @ normal)
    lean = float(np.linalg.norm(matrix[2] - height * normal))
    matrix[2] = height * normal
    made = structure.__class__(
        Lattice(matrix),
        structure.species,
        structure.cart_coords,
        coords_are_cartesian=True,
        site_properties=structure.site_properties,
    )
    return made, lean


def _alone(name: str, settings: ReactivitySettings) -> tuple[Structure, dict[str, Any]]:
    """One crystal, repeated, as one region without a contact."""
    side = ordered_side(BULK, name, settings.max_atoms, settings.seed)
    bulk = side.bulk
    lengths = np.array(bulk.lattice.abc)
    times = np.maximum(1, np.ceil(settings.min_length_angstrom / lengths - 1e-9)).astype(int)
    thin = max(1, int(np.ceil(settings.thickness_angstrom / lengths[2] - 1e-9)))
    if int(times[0] * times[1]) * thin * len(bulk) <= settings.max_atoms:
        times[2] = max(times[2], thin)
    cell = bulk.make_supercell(np.diag(times), in_place=False)
    if len(cell) > settings.max_atoms:
        raise InputError(
            f"{name} repeated to {settings.min_length_angstrom:g} Angstrom has {len(cell)} atoms, "
            f"the budget is {settings.max_atoms}; raise --max-atoms or lower --min-length"
        )
    n = len(cell)
    labels = Regions((BULK,) * n, np.zeros(n), np.array([s.specie.symbol == ION for s in cell]))
    facts: dict[str, Any] = {
        "miller": {},
        "faces": (),
        "equal_interfaces": None,
        "largest_strain": None,
        "straightened_angstrom": 0.0,
        "region_angstrom": {BULK: round(float(cell.lattice.c), 4)},
        "region_atoms": {BULK: n},
        "formula_units": formula_units([s.specie.symbol for s in cell], formula_of(name)),
        "lithium_metal_atoms": 0,
        "lithium_per_formula": None,
        "lithium_needed_per_formula": None,
        "reservoir": "no reservoir",
    }
    return labels.attach(cell), facts


def _relaxed(structure: Structure, settings: ReactivitySettings) -> tuple[Atoms, float, bool]:
    """Atoms at fixed cell after some steps downhill, and their energy."""
    from interlith.engines.relax import rattle

    atoms = structure.to_ase_atoms(msonable=False)
    chosen = driver(settings.potential)
    try:
        calculator = chosen.calculator(stress=False, elements=set(atoms.symbols))
        moved, record = relax(
            rattle(atoms, amplitude_angstrom=STIRRED_ANGSTROM, seed=settings.seed),
            calculator,
            fmax_ev_per_angstrom=RELAX_FMAX,
            max_steps=settings.relax_steps,
            cell=False,
        )
    except InterlithError:
        raise
    except (KeyError, ValueError, RuntimeError, NotImplementedError) as error:
        raise InputError(
            f"the potential '{settings.potential}' cannot compute "
            f"{atoms.get_chemical_formula()}: {error}; take one that knows these elements, such as "
            "7net-0"
        ) from error
    return moved, record.energy_ev_per_atom * len(moved), record.converged


def _triple(values: npt.ArrayLike) -> tuple[float, float, float]:
    x, y, z = (round(float(v), 5) for v in np.asarray(values))
    return x, y, z
