"""The convex hull without ever building it: one linear program per question.

Everything that needs a lowest energy of phase mixtures (windows, interface reactions, coating
screens) asks a :class:`Hull`. A :class:`System` is the hull of a few elements, closed or open to
some of them at fixed chemical potentials. The lowest energy along a line of compositions is
convex and piecewise linear; :meth:`System.path` returns its corners.

>>> from interlith.analysis.reference_catalog import load_reference
>>> hull = Hull(load_reference("default"))
>>> system = hull.system({"Li", "S"})
>>> round(system.energy({"Li": 2, "S": 1}), 1)
-4.6
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from interlith.analysis.linear_program import LineProgram
from interlith.analysis.references import PhasePool, ReferenceSet, atoms_in, parse_formula
from interlith.analysis.stable_phases import STABLE_WITHIN, stable_phases
from interlith.errors import InputError
from interlith.records import Amount

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

ENERGY_TOLERANCE = 1e-8
"""A corner counts when it lies this far below the chord, eV per unit of the line."""
SYSTEMS_KEPT = 256
AMOUNT_TOLERANCE = 1e-7
"""Smaller amounts of a phase, in atoms, are none."""


@dataclass(frozen=True)
class Corner:
    """A corner of the lowest energy along a line.

    Attributes
    ----------
    position : float
        Where on the line.
    energy : float
        Lowest energy there, eV (grand potential if the system is open).
    phases : tuple of (int, float)
        Phase index in the reference set and its amount in atoms.
    """

    position: float
    energy: float
    phases: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Compound:
    """A formula as the hull of a reference set sees it.

    Attributes
    ----------
    formula : str
        As the caller wrote it.
    composition : dict
        Atoms of each element in one formula unit.
    atoms : float
        Atoms in one formula unit.
    phase : int or None
        Its index in the reference set, None if the set does not hold it.
    hull_energy : float
        Energy of its stable mixture, eV per formula unit.
    energy_above_hull : float or None
        eV per atom; None if the set does not hold it.
    """

    formula: str
    composition: Mapping[str, float]
    atoms: float
    phase: int | None
    hull_energy: float
    energy_above_hull: float | None
    stable_mixture: tuple[tuple[int, float], ...]


class Hull:
    """Entry point: one reference set, systems made and kept as they are asked for.

    Parameters
    ----------
    reference : ReferenceSet
        The energies.
    screening : bool
        Find the set's stable phases first (once per content, then cached on disk): worth it
        for thousands of questions, not for one.
    """

    def __init__(self, reference: ReferenceSet, *, screening: bool = False) -> None:
        self.reference = reference
        self._stable = stable_phases(reference, only_cached=not screening)
        self._pool: PhasePool | None = None
        if self._stable is not None:
            self._pool = reference.pool(self._stable, by_system=screening)
        self._systems: dict[tuple[frozenset[str], tuple[tuple[str, float], ...]], System] = {}
        self._compounds: dict[str, Compound] = {}
        self._formulas: dict[int, tuple[str, float]] = {}

    def compound(self, formula: str) -> Compound:
        """Look a formula up: its composition, its stable mixture, its energy above hull.

        Raises
        ------
        FormulaError, MissingElementError
            If it cannot be read, or needs an element that the set does not hold.
        """
        if formula not in self._compounds:
            self._compounds[formula] = self._look_up(formula)
        return self._compounds[formula]

    def _look_up(self, formula: str) -> Compound:
        composition = parse_formula(formula)
        self.reference.require_elements(composition)
        atoms = sum(composition.values())
        phase = self.reference.find(composition)
        if phase is not None and self._stable is not None and self._stable[phase]:
            own = float(self.reference.energies[phase]) * atoms
            return Compound(formula, composition, atoms, phase, own, 0.0, ((phase, atoms),))
        corner = self.system(composition).corner(composition)
        above = None
        if phase is not None:
            above = float(self.reference.energies[phase]) - corner.energy / atoms
            above = 0.0 if abs(above) < STABLE_WITHIN else above
        return Compound(formula, composition, atoms, phase, corner.energy, above, corner.phases)

    def formula(self, phase: int) -> str:
        """Reduced formula of a phase, kept once asked for."""
        return self._named(phase)[0]

    def _named(self, phase: int) -> tuple[str, float]:
        found = self._formulas.get(phase)
        if found is None:
            formula = self.reference.formula(phase)
            found = self._formulas[phase] = formula, atoms_in(formula)
        return found

    def amounts(self, phases: Iterable[tuple[int, float]]) -> tuple[Amount, ...]:
        """Phases with amounts in atoms, as formulas with amounts in reduced formula units."""
        named = sorted((*self._named(phase), atoms) for phase, atoms in phases)
        return tuple(Amount(formula=f, amount=atoms / each) for f, each, atoms in named)

    def system(self, elements: Iterable[str], open_to: Mapping[str, float] | None = None) -> System:
        """The hull of these elements, open to some at chemical potentials in eV.

        Raises
        ------
        MissingElementError
            If an element is not in the set.
        """
        open_to = open_to or {}
        wanted = frozenset(elements).union(open_to)
        key = (wanted, tuple(sorted(open_to.items())))
        found = self._systems.get(key)
        if found is None:
            self.reference.require_elements(wanted)
            if len(self._systems) >= SYSTEMS_KEPT:
                self._systems.pop(next(iter(self._systems)))
            found = self._systems[key] = System(self.reference, wanted, open_to, self._pool)
        return found


class System:
    """The hull of a few elements; made by :meth:`Hull.system`."""

    def __init__(
        self,
        reference: ReferenceSet,
        elements: Iterable[str],
        open_to: Mapping[str, float],
        pool: PhasePool | None = None,
    ) -> None:
        self.reference = reference
        self.elements = sorted(elements)
        self.open_to = dict(open_to)
        self.closed = [e for e in self.elements if e not in self.open_to]
        phases = reference.within(self.elements, pool)
        energies = reference.energies[phases]
        if self.open_to:
            fractions = reference.fractions(phases, self.elements)
            closed = np.zeros(len(phases))
            for element, row in zip(self.elements, fractions, strict=True):
                if element in self.open_to:
                    energies = energies - self.open_to[element] * row
                else:
                    closed += row
            phases, energies = phases[closed > 0], energies[closed > 0]
        self.phases: IntArray = phases
        self._energies = energies
        self._no_direction = np.zeros(len(self.closed))

    @cached_property
    def _program(self) -> LineProgram:
        columns = self.reference.columns(self.phases, self.closed)
        return LineProgram(columns, len(self.closed), self._energies)

    def vector(self, composition: Mapping[str, float]) -> FloatArray:
        """Amounts of the closed elements, in the system's order."""
        for element, amount in composition.items():
            if amount > 0 and element not in self.elements:
                raise InputError(f"{element} is outside the system {'-'.join(self.elements)}")
        return np.array([composition.get(e, 0.0) for e in self.closed], dtype=np.float64)

    def corner(self, composition: Mapping[str, float]) -> Corner:
        """Stable phases at a composition and their energy, eV for all its atoms."""
        vertex = self._program.minimum(self.vector(composition), self._no_direction)
        return self._corner(vertex.position, vertex.energy, vertex.amounts)

    def energy(self, composition: Mapping[str, float]) -> float:
        """Lowest energy of any mixture at a composition, eV for all its atoms."""
        return self.corner(composition).energy

    def tangent(self, compound: Compound, change: Mapping[str, float]) -> Corner:
        """Energy of changing a compound by a few atoms, at the best products.

        The compound is taken on its hull (its energy above hull set to zero). The corner's
        energy is that of the change, eV; its position is the formula units consumed.

        Notes
        -----
        ``min sum(y e) - t E`` subject to ``sum(y c) - t C = change``: the directional derivative
        of the hull at the compound. E is lowered by 1e-9 eV so that rounding cannot unbound it.
        """
        vector = self.vector(compound.composition)
        energy = compound.hull_energy - sum(
            potential * compound.composition.get(e, 0.0) for e, potential in self.open_to.items()
        )
        slope = energy - 1e-9 * compound.atoms
        # change may be negative (atoms taken away), so it does not go through vector()
        origin = np.array([float(change.get(e, 0.0)) for e in self.closed])
        vertex = self._program.minimum(origin, vector, slope, (0.0, np.inf))
        gained = vertex.energy - slope * vertex.position
        return self._corner(vertex.position, gained, vertex.amounts)

    def lowest(
        self,
        origin: FloatArray,
        direction: FloatArray,
        slope: float,
        interval: tuple[float, float],
    ) -> Corner:
        """Corner with the lowest ``energy - slope * position`` on a line of compositions."""
        vertex = self._program.minimum(origin, direction, slope, interval)
        return self._corner(vertex.position, vertex.energy, vertex.amounts)

    def path(
        self,
        origin: FloatArray,
        direction: FloatArray,
        interval: tuple[float, float],
        ends: tuple[Corner, Corner] | None = None,
    ) -> list[Corner]:
        """All corners of the lowest energy along ``origin + t * direction``, ends included.

        Ends that are already known save their two programs.

        Notes
        -----
        Minimising the energy minus the chord of an interval gives a corner inside it or proves
        that there is none, so k inner corners cost 2 k + 3 programs.
        """
        first, last = ends or (
            self.lowest(origin, direction, 0.0, (interval[0], interval[0])),
            self.lowest(origin, direction, 0.0, (interval[1], interval[1])),
        )
        return [first, *self._between(origin, direction, first, last), last]

    def _between(
        self, origin: FloatArray, direction: FloatArray, left: Corner, right: Corner
    ) -> list[Corner]:
        width = right.position - left.position
        if width < 1e-9:
            return []
        slope = (right.energy - left.energy) / width
        found = self.lowest(origin, direction, slope, (left.position, right.position))
        chord = left.energy + slope * (found.position - left.position)
        if found.energy > chord - ENERGY_TOLERANCE:
            return []
        return [
            *self._between(origin, direction, left, found),
            found,
            *self._between(origin, direction, found, right),
        ]

    def _corner(self, position: float, energy: float, amounts: FloatArray) -> Corner:
        used = (amounts > AMOUNT_TOLERANCE).nonzero()[0]
        phases, kept = self.phases[used].tolist(), amounts[used].tolist()
        return Corner(position, energy, tuple(zip(phases, kept, strict=True)))
