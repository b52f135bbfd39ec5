"""Uncertainty of windows and reactions by sampling the reference energies.

Each draw moves every shared correction (all oxides together, all sulfides together) and every
phase's own error, then asks the same question again. The spread of the answers is the standard
uncertainty; it holds what the set states about itself and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from interlith.analysis.hull import Compound, Hull, System
from interlith.analysis.reactions import MixingLine
from interlith.analysis.references import ReferenceSet
from interlith.analysis.windows import ION, WindowRecord, WindowSigma
from interlith.errors import SolverError

DRAWS = 100
NEGLIGIBLE = 1e-7
"""Rounding noise of the solver, V: the corrections cancel."""


def has_uncertainty(reference: ReferenceSet) -> bool:
    """Whether the set states any uncertainty."""
    return reference.sigma is not None or reference.corrections is not None


def sampled_systems(
    reference: ReferenceSet, elements: set[str], draws: int, seed: int
) -> Iterator[System]:
    """The system under drawn energies, ``draws`` times; elements stay at zero."""
    part = reference.select(_mask(reference, elements))
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        delta = np.zeros(len(part))
        if part.sigma is not None:
            delta += part.sigma * rng.standard_normal(len(part))
        if part.corrections is not None:
            shared = part.corrections.sigma_ev * rng.standard_normal(len(part.corrections.sigma_ev))
            delta += part.corrections.per_atom @ shared
        delta[np.diff(part.starts) == 1] = 0.0
        yield System(replace(part, energies=part.energies + delta), elements, {})


def window_sigma(
    hull: Hull, window: WindowRecord, draws: int = DRAWS, seed: int = 0
) -> WindowSigma | None:
    """Standard uncertainty of both limits of a window, or None if the set states none.

    Notes
    -----
    Off-balance formulas are sampled at their own composition only where that has a window; a
    ``diagnosis`` gives None.
    """
    if not has_uncertainty(hull.reference) or window.status != "ok":
        return None
    compound = hull.compound(window.formula)
    elements = {*compound.composition, ION}
    limits = []
    for system in sampled_systems(hull.reference, elements, draws, seed):
        drawn = _redrawn(compound, system)
        try:
            reduction = -system.tangent(drawn, {ION: 1.0}).energy
            oxidation = np.nan
            if window.oxidation_potential_v is not None:
                oxidation = system.tangent(drawn, {ION: -1.0}).energy
        except SolverError:
            continue
        limits.append((reduction, oxidation))
    if len(limits) < 2:
        return None
    spread = np.std(np.array(limits), axis=0, ddof=1)
    spread[spread < NEGLIGIBLE] = 0.0
    return WindowSigma(
        reduction_v=float(spread[0]),
        oxidation_v=None if np.isnan(spread[1]) else float(spread[1]),
    )


def reaction_sigma(
    hull: Hull, formula_a: str, formula_b: str, draws: int = DRAWS, seed: int = 0
) -> float | None:
    """Standard uncertainty of a closed reaction energy, eV per atom, or None."""
    if not has_uncertainty(hull.reference):
        return None
    a, b = hull.compound(formula_a), hull.compound(formula_b)
    elements = {*a.composition, *b.composition}
    energies = []
    for system in sampled_systems(hull.reference, elements, draws, seed):
        own_a = system.energy(a.composition) / a.atoms
        own_b = system.energy(b.composition) / b.atoms
        energies.append(MixingLine(system, a, b, a.atoms, b.atoms).lowest(own_a, own_b)[0])
    return float(np.std(energies, ddof=1))


def _redrawn(compound: Compound, system: System) -> Compound:
    return replace(compound, hull_energy=system.energy(compound.composition))


def _mask(reference: ReferenceSet, elements: set[str]) -> np.ndarray:
    mask = np.zeros(len(reference), dtype=bool)
    mask[reference.within(elements)] = True
    return mask
