"""Stability windows of an electrolyte whose decomposition is held back by what surrounds it.

A decomposition that swells must push its surroundings away. With an effective modulus K_eff of
particle and surroundings the work is K_eff times the change of volume of the solids, Li apart: Li
comes from and goes to the electrodes. A decomposition that shrinks leaves a hole and gains
nothing, so the work is K_eff max(dV, 0). The idea is that of Fitzhugh, Wu, Ye, Deng, Qi and Li
(2019; from memory, not looked up); the way to solve it is ours: with

    max(E, E + K dV) = max over s in [0, 1] of (E + s K dV),

linear in s and in the amounts of the products, largest and lowest may change places, and the
window is the union of ordinary windows in which every phase costs s K_eff times its volume.

>>> from interlith.analysis.hull import Hull
>>> from interlith.analysis.reference_catalog import load_reference
>>> free, held = constricted_windows(Hull(load_reference("default")), "Li6PS5Cl", (0.0, 10.0)).rows
>>> held.reduction_potential_v < free.reduction_potential_v
True
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from interlith.analysis.hull import Compound, Hull
from interlith.analysis.references import ReferenceSet, parse_formula
from interlith.analysis.volumes import _key, _known
from interlith.analysis.windows import ION, window_limits
from interlith.errors import InputError, SolverError
from interlith.records import Record, ReferenceIdentity
from interlith.units import GPA_PER_EV_PER_ANGSTROM3

FloatArray = npt.NDArray[np.float64]

SHARES = 21
"""Values of s on a grid from 0 to the largest at which the compound does not fall apart."""
BISECTIONS = 20
MOLECULAR_ANGSTROM3 = {"S": 25.7, "P": 19.1, "P2S5": 177.0, "P4S3": 180.0}
"""Of a formula unit of solids whose computed volume cannot be trusted (no dispersion), from
handbook densities (2.07, black 2.69, 2.09 and 2.03 g/cm3, from memory)."""
ON_HULL_EV_PER_ATOM = 1e-6
ASSUMPTIONS = (
    "equilibrium; isotropic; volumes of crystals at 0 K; Li stored outside; the whole volume "
    "change works against one effective modulus, with no plasticity, cracks or pores to take it up"
)


class ConstrictedRow(Record):
    """Window under one effective modulus, V vs Li/Li+; None for a limit that is not there."""

    effective_modulus_gpa: float
    reduction_potential_v: float
    oxidation_potential_v: float | None


class ConstrictedWindow(Record):
    """Result of :func:`constricted_windows`.

    Attributes
    ----------
    volume_angstrom3 : float or None
        Of a formula unit of the compound, where known.
    counted_from : str
        Whose volume the change is counted from: the compound's, or that of its stable mixture
        where the compound lies above the hull, is not in the set or has no known volume.
    volumes_estimated : tuple of str
        Phases of the chemical system without a known volume: sums of fitted atomic volumes.
    """

    schema_version: int = 1
    formula: str
    volume_angstrom3: float | None
    volume_of_stable_mixture_angstrom3: float
    counted_from: str
    rows: tuple[ConstrictedRow, ...]
    volumes_estimated: tuple[str, ...]
    assumptions: str = ASSUMPTIONS
    reference: ReferenceIdentity


def constricted_windows(
    hull: Hull,
    formula: str,
    moduli_gpa: Sequence[float] = (0.0, 5.0, 10.0, 15.0),
    *,
    volume_angstrom3: float | None = None,
) -> ConstrictedWindow:
    """Windows of a compound under effective moduli.

    Parameters
    ----------
    moduli_gpa : sequence of float
        Effective moduli; 0 gives the ordinary window.
    volume_angstrom3 : float, optional
        Of a formula unit, where the built-in crystals do not have it.

    Raises
    ------
    InputError
        If a modulus is negative, or the formula cannot be read or is Li alone.

    Notes
    -----
    A compound above its hull is replaced by its stable mixture, in energy (as in the ordinary
    window) and in volume: otherwise a decomposition into it that costs nothing and shrinks would
    make room for any other. A larger modulus never narrows the window: the work is not negative.
    """
    if any(not (np.isfinite(one) and one >= 0) for one in moduli_gpa):
        raise InputError(f"effective moduli {list(moduli_gpa)} must be numbers of GPa from 0 on")
    compound = hull.compound(formula)
    if set(compound.composition) <= {ION}:
        raise InputError(f"{formula} has no window: a window is that of a compound against Li")
    part, volumes, guessed = _system(hull.reference, {*compound.composition, ION})
    own = volume_angstrom3 or _volume(compound.composition)
    mixture = sum(volumes[phase] * atoms for phase, atoms in _at_rest(part, compound))
    alone = (compound.energy_above_hull or 0.0) <= ON_HULL_EV_PER_ATOM
    start = own if own is not None and alone and compound.phase is not None else mixture
    rows = tuple(_row(part, volumes, compound, start, modulus) for modulus in moduli_gpa)
    return ConstrictedWindow(
        formula=formula,
        volume_angstrom3=own,
        volume_of_stable_mixture_angstrom3=mixture,
        counted_from="the compound" if start is own else "its stable mixture",
        rows=rows,
        volumes_estimated=guessed,
        reference=hull.reference.identity(),
    )


def _at_rest(part: ReferenceSet, compound: Compound) -> tuple[tuple[int, float], ...]:
    """Stable mixture of a compound in the small set: phases with amounts in atoms."""
    return Hull(part).system(compound.composition).corner(compound.composition).phases


def _system(
    reference: ReferenceSet, elements: set[str]
) -> tuple[ReferenceSet, FloatArray, tuple[str, ...]]:
    """Phases of these elements, their volumes per atom (Li: 0), and those estimated."""
    keep = np.zeros(len(reference), dtype=bool)
    keep[reference.within(elements)] = True
    part = reference.select(keep)
    volumes, guessed = np.zeros(len(part)), []
    for phase in range(len(part)):
        composition = part.composition(phase)
        if set(composition) == {ION}:
            continue
        volume = _volume(composition)
        if volume is None:
            volume = _additive(composition)
            guessed.append(part.formula(phase))
        volumes[phase] = (volume or 0.0) / sum(composition.values())
    return part, volumes, tuple(guessed)


def _row(
    part: ReferenceSet, volumes: FloatArray, compound: Compound, own: float, modulus_gpa: float
) -> ConstrictedRow:
    first = _limits(part, volumes, compound, own, 0.0)
    if first is None:  # rounding put it above its own mixture
        raise SolverError(f"{compound.formula} is not stable against its own stable mixture")
    limits, top = [first], _stable_up_to(part, volumes, compound, own, modulus_gpa)
    for share in np.linspace(0, 1, SHARES)[1:] if top > 0 else ():
        found = _limits(part, volumes, compound, own, share * top / GPA_PER_EV_PER_ANGSTROM3)
        if found is not None:
            limits.append(found)
    highest = [oxidation for _, oxidation in limits if oxidation is not None]
    return ConstrictedRow(
        effective_modulus_gpa=modulus_gpa,
        reduction_potential_v=min(reduction for reduction, _ in limits),
        oxidation_potential_v=max(highest) if highest else None,
    )


def _stable_up_to(
    part: ReferenceSet, volumes: FloatArray, compound: Compound, own: float, modulus_gpa: float
) -> float:
    """Largest cost of volume, GPa, up to the modulus, at which the compound does not fall apart."""
    low, high = 0.0, modulus_gpa
    if modulus_gpa <= 0 or _limits(part, volumes, compound, own, high / GPA_PER_EV_PER_ANGSTROM3):
        return high
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        fine = _limits(part, volumes, compound, own, middle / GPA_PER_EV_PER_ANGSTROM3)
        low, high = (middle, high) if fine else (low, middle)
    return low


def _limits(
    part: ReferenceSet, volumes: FloatArray, compound: Compound, own: float, cost: float
) -> tuple[float, float | None] | None:
    """Window where a phase costs ``cost`` (eV/A^3) times its volume; None where not stable."""
    energy = compound.hull_energy + cost * own
    energies = part.energies + cost * volumes
    phase = part.find(compound.composition)
    if phase is not None:
        energies[phase] = energy / compound.atoms
    shifted = Hull(replace(part, energies=energies))
    at_rest = shifted.system([*compound.composition, ION]).energy(compound.composition)
    if energy - at_rest > ON_HULL_EV_PER_ATOM * compound.atoms:
        return None
    try:
        return window_limits(shifted, replace(compound, hull_energy=energy))
    except SolverError:
        return None


def _volume(composition: Mapping[str, float]) -> float | None:
    per_atom = _known().get(_key(composition)) or _molecular().get(_key(composition))
    return None if per_atom is None else per_atom * sum(composition.values())


@lru_cache(maxsize=1)
def _molecular() -> dict[frozenset[tuple[str, float]], float]:
    made = {formula: parse_formula(formula) for formula in MOLECULAR_ANGSTROM3}
    return {
        _key(one): MOLECULAR_ANGSTROM3[formula] / sum(one.values()) for formula, one in made.items()
    }


def _additive(composition: Mapping[str, float]) -> float | None:
    """Sum of atomic volumes fitted to all known crystals, A^3."""
    fitted = _atomic_volumes()
    if not set(composition) <= set(fitted):
        return None
    return sum(fitted[element] * amount for element, amount in composition.items())


@lru_cache(maxsize=1)
def _atomic_volumes() -> dict[str, float]:
    from scipy.optimize import nnls

    from interlith.analysis.builtin_reference import BUILTIN, volumes

    known = {f: v for f, v in volumes(BUILTIN[0]).items() if len(parse_formula(f)) > 1}
    elements = sorted({e for f in known for e in parse_formula(f)})
    rows = np.zeros((len(known), len(elements)))
    for row, formula in zip(rows, known, strict=True):
        for element, amount in parse_formula(formula).items():
            row[elements.index(element)] = amount
    per_atom = rows.sum(axis=1)
    fitted, _ = nnls(rows / per_atom[:, None], np.array(list(known.values())) / per_atom)
    return dict(zip(elements, map(float, fitted), strict=True))
