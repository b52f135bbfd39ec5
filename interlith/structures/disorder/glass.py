"""Random packings at a target density, and the protocol that melts and quenches them.

Polyanions such as PS4 are packed as units. Overlaps are pushed apart until no two atoms are more
than 0.05 Angstrom closer than their shortest distance; the result is a start for molecular
dynamics, not a glass.

>>> from interlith.structures.disorder.glass import pack_glass
>>> packed = pack_glass("Li3PS4", 1.8, 64, seed=1)
>>> packed.structure.composition.reduced_formula, round(packed.density_g_cm3, 3)
('Li3PS4', 1.8)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from interlith.errors import InputError
from interlith.records import Record
from interlith.structures.disorder.doping import guess_states, ionic_radius
from interlith.structures.disorder.orbits import composition_error, read_formula
from interlith.units import ANGSTROM3_PER_CM3, AVOGADRO_PER_MOL, molar_mass_g_per_mol

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int_]

CONTACT_RATIO = 0.85
"""Shortest distance over the sum of radii: ionic, but covalent between two cations."""
STRANGER_RATIO = 1.5
"""Shortest distance of a unit's centre to another unit's anions, over its bond length."""
LIGANDS = 4
CENTRES = ("P", "Si", "Ge", "Sn", "B", "As", "Sb")
TETRAHEDRON = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
OVERLAP_ANGSTROM = 0.05
STRETCH = 0.05
ATTEMPTS = 4
CLOSEST_PACKING = 0.7405
MOST_ATOMS = 3000
LARGEST_ERROR = 0.03


@dataclass(frozen=True)
class Packed:
    """A random packing.

    Attributes
    ----------
    structure : Structure
        Cubic cell; units first, each centre followed by its ligands, then the other atoms.
    composition_error : float
        Largest difference of atomic fractions from the formula asked.
    n_units : int
        Centres with their ligands (PS4, PO4, PO3N).
    smallest_margin : float
        Smallest distance over the shortest allowed one of that pair, units' inside not counted.
    """

    structure: Structure
    formula_asked: str
    composition_error: float
    density_g_cm3: float
    n_units: int
    smallest_margin: float
    seed: int


class MeltQuench(Record):
    """A melt-quench protocol for molecular dynamics; nothing here runs it.

    The defaults are common practice for first-principles-quality potentials, not fitted to one
    glass: check that the melt is diffusive and that the density has settled.

    Attributes
    ----------
    melt_temperature_k, melt_ps : float
        Long enough at this temperature that the packing is forgotten (NVT).
    cooling_rate_k_per_ps : float
        From there to ``final_temperature_k`` (NPT if ``constant_pressure``, else NVT).
    final_ps : float
        Equilibration at the end.
    """

    formula: str
    density_g_cm3: float = Field(gt=0)
    melt_temperature_k: float = Field(2000.0, gt=0, le=6000)
    melt_ps: float = Field(20.0, gt=0)
    cooling_rate_k_per_ps: float = Field(10.0, gt=0, le=1000)
    final_temperature_k: float = Field(300.0, gt=0)
    final_ps: float = Field(20.0, gt=0)
    timestep_fs: float = Field(1.0, gt=0, le=5)
    constant_pressure: bool = True
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _is_possible(self) -> MeltQuench:
        read_formula(self.formula)
        if self.final_temperature_k >= self.melt_temperature_k:
            raise ValueError(
                f"the final temperature {self.final_temperature_k} K must be below the melt's "
                f"{self.melt_temperature_k} K"
            )
        return self

    @property
    def quench_ps(self) -> float:
        """Time of cooling."""
        return (self.melt_temperature_k - self.final_temperature_k) / self.cooling_rate_k_per_ps

    @property
    def total_ps(self) -> float:
        """Time of the whole protocol."""
        return self.melt_ps + self.quench_ps + self.final_ps


def pack_glass(
    formula: str,
    density_g_cm3: float,
    n_atoms: int,
    *,
    seed: int = 0,
    units: bool = True,
    oxidation_states: Mapping[str, float] | None = None,
    contact_ratio: float = CONTACT_RATIO,
) -> Packed:
    """Pack atoms at random into a cubic cell of a density.

    Parameters
    ----------
    formula : str
        Such as ``Li3PS4`` or ``Li2.88PO3.73N0.14``.
    density_g_cm3 : float
        Target; met exactly.
    n_atoms : int
        Wanted; the nearest neutral cell may have a few fewer.
    seed : int
        The same seed gives the same packing.
    units : bool
        Keep P, Si, Ge, Sn, B, As and Sb with up to four anions as tetrahedra; otherwise every
        atom for itself.
    oxidation_states : mapping, optional
        Of elements whose usual state is not meant.
    contact_ratio : float
        Shortest distance over the sum of the radii.

    Raises
    ------
    InputError
        If an argument is out of range, the formula is not neutral, or the atoms do not fit at
        this density.
    """
    _check_arguments(density_g_cm3, n_atoms, seed, contact_ratio)
    asked = read_formula(formula).get_el_amt_dict()
    states = guess_states(formula, asked, dict(oxidation_states or {}))
    counts = _whole_atoms(formula, asked, states, n_atoms)
    mass = molar_mass_g_per_mol(counts) / AVOGADRO_PER_MOL * ANGSTROM3_PER_CM3
    edge = float((mass / density_g_cm3) ** (1 / 3))
    symbols, groups = _layout(counts, states, units)
    goals = _goals(symbols, groups, states, contact_ratio)
    if edge < 2 * float(goals.distance.max()):
        raise InputError(
            f"{n_atoms} atoms of {formula} at {density_g_cm3} g/cm3 fill a cube of {edge:.1f} A, "
            f"too small for distances up to {goals.distance.max():.1f} A; use more atoms or a "
            "lower density_g_cm3"
        )
    _check_room(formula, density_g_cm3, symbols, states, contact_ratio, edge)
    positions = _attempt(groups, goals, len(symbols), edge, seed)
    if positions is None:
        raise InputError(
            f"{formula} at {density_g_cm3} g/cm3 cannot be packed without overlaps or bent units "
            f"({ATTEMPTS} attempts); lower density_g_cm3 or contact_ratio"
        )
    return _packed(formula, asked, symbols, groups, positions, edge, goals, seed)


def _check_room(
    formula: str,
    density: float,
    symbols: Sequence[str],
    states: Mapping[str, float],
    ratio: float,
    edge: float,
) -> None:
    """Refuse at once what not even the closest packing of the anions could hold."""
    anions = [symbol for symbol in symbols if states[symbol] < 0]
    diameters = _shortest(anions, states, ratio).diagonal()
    filled = float((np.pi / 6 * diameters**3).sum()) / edge**3
    if filled > CLOSEST_PACKING:
        raise InputError(
            f"at {density} g/cm3 the anions of {formula} would fill {filled:.2f} of the cell, and "
            f"{CLOSEST_PACKING:.2f} is the closest packing; lower density_g_cm3 below "
            f"{density * CLOSEST_PACKING / filled:.1f}"
        )


def _attempt(
    groups: Sequence[Sequence[int]], goals: _Goals, n: int, edge: float, seed: int
) -> FloatArray | None:
    """Positions from the first throw that relaxes to no overlap."""
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng([seed, attempt])
        positions = _relaxed(_thrown(groups, goals, n, edge, rng), edge, goals)
        if _worst(positions, edge, goals) <= 1:
            return positions
    return None


@dataclass(frozen=True)
class _Goals:
    """Pairs of atoms, the distance each must keep, and which are bonds (kept both ways)."""

    first: IntArray
    second: IntArray
    distance: FloatArray
    bonded: npt.NDArray[np.bool_]


def _check_arguments(density: float, n_atoms: int, seed: int, ratio: float) -> None:
    if not (np.isfinite(density) and 0 < density < 30):
        raise InputError(f"density_g_cm3={density} was given; it is between 0 and 30")
    if not 4 <= n_atoms <= MOST_ATOMS:
        raise InputError(f"n_atoms={n_atoms} was given; it is between 4 and {MOST_ATOMS}")
    if not 0.5 <= ratio <= 1.1:
        raise InputError(f"contact_ratio={ratio} was given; it is between 0.5 and 1.1")
    if seed < 0:
        raise InputError(f"seed={seed} was given; it must not be negative")


def _whole_atoms(
    formula: str, asked: Mapping[str, float], states: Mapping[str, float], n_atoms: int
) -> dict[str, int]:
    """Neutral whole numbers nearest to the formula, at most ``n_atoms`` in all."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    elements, total = list(asked), sum(asked.values())
    fractions = np.array([asked[e] / total for e in elements])
    n = len(elements)
    off = np.eye(n) - fractions[:, None]
    rows = [np.append(sign * off[i], 1.0) for i in range(n) for sign in (1.0, -1.0)]
    rows += [np.append([states[e] for e in elements], 0.0), np.append(np.ones(n), 0.0)]
    low = [*np.zeros(2 * n), -1e-2, max(0.8 * n_atoms, 1)]
    high = [*np.full(2 * n, np.inf), 1e-2, n_atoms]
    result: Any = milp(
        np.append(np.full(n, -0.1), 10.0),  # near the formula first, then as many as asked
        integrality=np.append(np.ones(n), 0),
        bounds=Bounds(np.append(np.ones(n), 0), np.full(n + 1, np.inf)),
        constraints=LinearConstraint(np.array(rows), np.array(low), np.array(high)),
    )
    values = [] if result.x is None else [round(float(x)) for x in result.x[:n]]
    counts = dict(zip(elements, values, strict=False))
    if not counts or composition_error(asked, counts) > LARGEST_ERROR:
        raise InputError(
            f"no neutral cell of {0.8 * n_atoms:.0f} to {n_atoms} atoms is within {LARGEST_ERROR} "
            f"(atomic fraction) of {formula} with the oxidation states {dict(states)}; use more "
            "atoms"
        )
    return counts


def _layout(
    counts: Mapping[str, int], states: Mapping[str, float], units: bool
) -> tuple[list[str], list[list[int]]]:
    """Element of each atom, and the units as lists of atoms, centre first."""
    anions = [e for e in counts if states[e] < 0 and e not in ("F", "Cl", "Br", "I")]
    centres = [e for e in counts if units and e in CENTRES and states[e] > 0 and anions]
    queue = _interleaved({e: counts[e] for e in anions})
    n_centres = sum(counts[e] for e in centres)
    symbols: list[str] = []
    groups: list[list[int]] = []
    left = dict(counts)
    # Short of ligands, the units get three or four each; the melt finds the bridges.
    share = [
        min(LIGANDS, len(queue) * (i + 1) // n_centres - len(queue) * i // n_centres)
        for i in range(n_centres)
    ]
    for centre, size in zip([e for e in centres for _ in range(counts[e])], share, strict=True):
        ligands = [queue.pop(0) for _ in range(size)]
        groups.append(list(range(len(symbols), len(symbols) + 1 + size)))
        symbols += [centre, *ligands]
        for element in (centre, *ligands):
            left[element] -= 1
    symbols += [e for e, count in left.items() for _ in range(count)]
    return symbols, groups


def _interleaved(counts: Mapping[str, int]) -> list[str]:
    """Elements mixed evenly: each takes its share of every stretch."""
    places = [((i + 0.5) / count, e) for e, count in counts.items() for i in range(count)]
    return [e for _, e in sorted(places)]


def _shortest(symbols: Sequence[str], states: Mapping[str, float], ratio: float) -> FloatArray:
    """Shortest distance (Angstrom) of every pair of atoms."""
    from ase.data import atomic_numbers, covalent_radii

    ionic = np.array([ionic_radius(e, states[e]) for e in symbols])
    covalent = np.array([covalent_radii[atomic_numbers[e]] for e in symbols])
    cation = np.array([states[e] > 0 for e in symbols])
    sums = np.where(
        cation[:, None] & cation[None, :],
        covalent[:, None] + covalent[None, :],
        ionic[:, None] + ionic[None, :],
    )
    return np.asarray(ratio * sums, dtype=np.float64)


def _goals(
    symbols: Sequence[str],
    groups: Sequence[Sequence[int]],
    states: Mapping[str, float],
    contact_ratio: float,
) -> _Goals:
    from ase.data import atomic_numbers, covalent_radii

    first, second = np.triu_indices(len(symbols), 1)
    distance = _shortest(symbols, states, contact_ratio)
    bonded = np.zeros(distance.shape, dtype=np.bool_)
    radius = [float(covalent_radii[atomic_numbers[e]]) for e in symbols]
    anions = np.array([states[e] < 0 for e in symbols])
    for centre, *ligands in groups:
        others = np.where(anions, STRANGER_RATIO * (radius[centre] + np.array(radius)), 0.0)
        distance[centre] = np.maximum(distance[centre], others)
        distance[:, centre] = distance[centre]
        places = {
            one: (radius[centre] + radius[one]) * corner
            for one, corner in zip(ligands, TETRAHEDRON, strict=False)
        } | {centre: np.zeros(3)}
        for i in places:
            for j in places:
                distance[i, j] = np.linalg.norm(places[i] - places[j])
                bonded[i, j] = i != j
    return _Goals(first, second, distance[first, second], bonded[first, second])


def _thrown(
    groups: Sequence[Sequence[int]],
    goals: _Goals,
    n: int,
    edge: float,
    rng: np.random.Generator,
) -> FloatArray:
    """Units turned at random and atoms, anywhere in the cube."""
    from scipy.spatial.transform import Rotation

    positions: FloatArray = rng.random((n, 3)) * edge
    length = {
        (int(i), int(j)): float(d)
        for i, j, d in zip(
            goals.first[goals.bonded],
            goals.second[goals.bonded],
            goals.distance[goals.bonded],
            strict=True,
        )
    }
    for centre, *ligands in groups:
        turned = Rotation.random(random_state=rng).apply(TETRAHEDRON)
        for one, corner in zip(ligands, turned, strict=False):
            positions[one] = positions[centre] + length[(centre, one)] * corner
    return positions


def _relaxed(positions: FloatArray, edge: float, goals: _Goals) -> FloatArray:
    """Push overlapping atoms apart and keep the units' shapes."""
    from scipy.optimize import minimize

    result: Any = minimize(
        _strain_energy,
        positions.ravel(),
        args=(edge, goals),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 2000, "maxfun": 2500, "ftol": 1e-14, "gtol": 1e-7},
    )
    final: FloatArray = np.asarray(result.x, dtype=np.float64).reshape(-1, 3)
    return final


def _strain_energy(flat: FloatArray, edge: float, goals: _Goals) -> tuple[float, FloatArray]:
    positions = flat.reshape(-1, 3)
    apart = positions[goals.first] - positions[goals.second]
    apart -= edge * np.round(apart / edge)
    distances = np.maximum(np.linalg.norm(apart, axis=1), 1e-6)
    short = goals.distance - distances
    active = goals.bonded | (short > 0)
    # Aim a little too far, so that the pairs end outside their shortest distance.
    aim = np.where(goals.bonded, short, short + 0.2 * OVERLAP_ANGSTROM)
    stiff = np.where(goals.bonded, 20.0, 1.0)
    pulls = np.where(active, stiff * aim, 0.0)
    energy = float((0.5 * pulls * aim).sum())
    forces = (pulls / distances)[:, None] * apart
    gradient = np.empty_like(positions)
    n = len(positions)
    for axis in range(3):
        gradient[:, axis] = np.bincount(goals.second, forces[:, axis], n) - np.bincount(
            goals.first, forces[:, axis], n
        )
    return energy, gradient.ravel()


def _worst(positions: FloatArray, edge: float, goals: _Goals) -> float:
    """Largest violation over what is tolerated; up to 1 is fine."""
    apart = positions[goals.first] - positions[goals.second]
    apart -= edge * np.round(apart / edge)
    distances = np.linalg.norm(apart, axis=1)
    overlap = np.where(goals.bonded, 0.0, goals.distance - distances).max() / OVERLAP_ANGSTROM
    bent = np.where(goals.bonded, np.abs(distances / goals.distance - 1), 0.0).max() / STRETCH
    return float(max(overlap, bent))


def _packed(
    formula: str,
    asked: Mapping[str, float],
    symbols: Sequence[str],
    groups: Sequence[Sequence[int]],
    positions: FloatArray,
    edge: float,
    goals: _Goals,
    seed: int,
) -> Packed:
    from pymatgen.core import Lattice, Structure

    fractional = (positions / edge) % 1.0
    structure = Structure(Lattice.cubic(edge), list(symbols), fractional)
    apart = structure.distance_matrix[goals.first, goals.second]
    return Packed(
        structure=structure,
        formula_asked=formula,
        composition_error=composition_error(asked, Counter(symbols)),
        density_g_cm3=float(structure.density),
        n_units=len(groups),
        smallest_margin=float((apart / goals.distance)[~goals.bonded].min()),
        seed=seed,
    )
