"""A set of reference energies: what every hull, window and reaction stands on.

A :class:`ReferenceSet` is immutable: excluding phases or shifting energies gives a new set that
remembers what was done to it, and its identity travels with every result.

>>> from interlith.analysis.reference_catalog import load_reference
>>> reference = load_reference("default").exclude(["P2S5"])
>>> reference.identity().excluded
('P2S5',)
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from interlith.errors import FormulaError, InputError, MissingElementError
from interlith.records import ReferenceIdentity, Shift

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SAME_COMPOSITION = 1e-6
"""Largest difference of any atomic fraction between two spellings of one composition."""


@dataclass(frozen=True)
class CorrectionUncertainty:
    """Energy corrections shared by many phases, with the uncertainty of each.

    Attributes
    ----------
    names : tuple of str
        One name per correction, for example ``"oxide"`` or ``"S"``.
    sigma_ev : ndarray
        (n_corrections,) standard uncertainty of each, eV per corrected atom.
    per_atom : ndarray
        (n_phases, n_corrections) corrected atoms per atom of each phase.
    """

    names: tuple[str, ...]
    sigma_ev: FloatArray
    per_atom: FloatArray


_WORD = (1 << 64) - 1
MOST_ELEMENTS_BY_SUBSET = 8
"""Up to here it is faster to look up every subset of the elements than to test every phase."""


@dataclass(frozen=True)
class PhasePool:
    """Some phases of a set and their element masks; made by :meth:`ReferenceSet.pool`."""

    phases: IntArray
    masks: npt.NDArray[np.uint64]
    by_system: Mapping[int, list[int]] | None

    def made_of(self, elements: int) -> IntArray:
        """Phases whose elements are a subset of this bit set (needs ``by_system``)."""
        found: list[int] = []
        systems = self.by_system or {}
        part = elements
        while part:
            here = systems.get(part)
            if here:
                found += here
            part = (part - 1) & elements
        return np.array(found, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class ReferenceSet:
    """Formation energies of many phases over a list of elements.

    Attributes
    ----------
    name, sha256, scheme
        Identity: the name given, the hash of the source's bytes, the correction scheme.
    elements : tuple of str
        Elements of the set; each is a phase of its own with formation energy 0.
    starts, species, amounts : ndarray
        Compressed rows: phase ``i`` holds ``amounts[starts[i]:starts[i + 1]]`` atoms of the
        elements ``species[starts[i]:starts[i + 1]]``.
    energies : ndarray
        (n_phases,) formation energy, eV per atom.
    sigma : ndarray or None
        (n_phases,) independent standard uncertainty, eV per atom; None if the set states none.
    corrections : CorrectionUncertainty or None
        Correlated part of the uncertainty.
    known_phases : mapping
        Chemical system (``"Li-P-S"``) to formulas known to be stable in it or planned for the
        set, whether or not it holds them; empty where nothing is known of its completeness.
    """

    name: str
    sha256: str
    scheme: str
    elements: tuple[str, ...]
    starts: IntArray
    species: IntArray
    amounts: FloatArray
    energies: FloatArray
    sigma: FloatArray | None = None
    corrections: CorrectionUncertainty | None = None
    excluded: tuple[str, ...] = ()
    shifts: tuple[Shift, ...] = ()
    notes: tuple[str, ...] = ()
    flags: Mapping[str, str] = field(default_factory=dict)
    known_phases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.energies)

    def identity(self) -> ReferenceIdentity:
        """What a result must carry to name this set."""
        return ReferenceIdentity(
            name=self.name,
            sha256=self.sha256,
            scheme=self.scheme,
            excluded=self.excluded,
            shifts=self.shifts,
            n_phases=len(self),
            notes=self.notes,
        )

    @cached_property
    def content_hash(self) -> str:
        """Hash of compositions and energies as they are now (shifts and exclusions included)."""
        digest = hashlib.sha256("|".join(self.elements).encode())
        for array in (self.starts, self.species, self.amounts, self.energies):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    @cached_property
    def atoms(self) -> FloatArray:
        """(n_phases,) atoms per formula as written."""
        return np.add.reduceat(self.amounts, self.starts[:-1])

    @cached_property
    def masks(self) -> npt.NDArray[np.uint64]:
        """(2, n_phases) bit set of the elements of each phase, 64 elements to a row."""
        bits = np.zeros((2, len(self.elements)), dtype=np.uint64)
        for i in range(len(self.elements)):
            bits[i // 64, i] = np.uint64(1) << np.uint64(i % 64)
        return np.bitwise_or.reduceat(bits[:, self.species], self.starts[:-1], axis=1)

    @cached_property
    def element_index(self) -> dict[str, int]:
        """Position of each element in ``elements``."""
        return {element: i for i, element in enumerate(self.elements)}

    def require_elements(self, elements: Iterable[str]) -> None:
        """Refuse elements that the set does not hold.

        Raises
        ------
        MissingElementError
            Naming the absent elements and the set's own.
        """
        absent = sorted({e for e in elements if e not in self.element_index})
        if absent:
            own = (
                " ".join(sorted(self.elements))
                if len(self.elements) <= 40
                else (f"{len(self.elements)} elements")
            )
            raise MissingElementError(
                f"{', '.join(absent)} is not in the reference set '{self.name}', which holds "
                f"{own}; name another set with --reference (a CSV or JSON file, or mp)"
            )

    def within(self, elements: Iterable[str], pool: PhasePool | None = None) -> IntArray:
        """Phases (of the pool, if one is given) made of these elements only, as indices."""
        wanted = 0
        for element in elements:
            wanted |= 1 << self.element_index[element]
        if pool is not None and pool.by_system is not None:
            if wanted.bit_count() <= MOST_ELEMENTS_BY_SUBSET:
                return pool.made_of(wanted)
        masks = self.masks if pool is None else pool.masks
        outside = masks[0] & ~np.uint64(wanted & _WORD)
        if len(self.elements) > 64:
            outside |= masks[1] & ~np.uint64(wanted >> 64)
        found = np.flatnonzero(outside == 0)
        return found if pool is None else pool.phases[found]

    def pool(self, keep: npt.NDArray[np.bool_], *, by_system: bool = False) -> PhasePool:
        """Part of the set to search in; indexed by chemical system for many questions."""
        phases = np.flatnonzero(keep)
        masks = np.ascontiguousarray(self.masks[:, phases])
        if not by_system:
            return PhasePool(phases, masks, None)
        systems: dict[int, list[int]] = {}
        for phase, low, high in zip(phases.tolist(), *masks.tolist(), strict=True):
            systems.setdefault(low | (high << 64), []).append(phase)
        return PhasePool(phases, masks, systems)

    @cached_property
    def entry_fractions(self) -> FloatArray:
        """Atomic fraction of each stored (phase, element) entry, parallel to ``species``."""
        return self.amounts / np.repeat(self.atoms, np.diff(self.starts))

    def columns(
        self, phases: IntArray, elements: Sequence[str]
    ) -> tuple[IntArray, IntArray, FloatArray]:
        """Compressed columns (starts, rows, atomic fractions) of some phases.

        Elements of the phases that are not in ``elements`` are left out.
        """
        row_of = np.full(len(self.elements), -1)
        row_of[[self.element_index[element] for element in elements]] = range(len(elements))
        first = self.starts[phases]
        lengths = self.starts[phases + 1] - first
        ends = np.cumsum(lengths)
        flat = np.arange(ends[-1] if len(ends) else 0) + np.repeat(first - ends + lengths, lengths)
        rows, values = row_of[self.species[flat]], self.entry_fractions[flat]
        inside = rows >= 0
        if not inside.all():
            ends = np.cumsum(inside)[ends - 1]
            rows, values = rows[inside], values[inside]
        return np.concatenate([[0], ends]), rows, values

    def fractions(self, phases: IntArray, elements: list[str]) -> FloatArray:
        """(n_elements, n_phases) atomic fractions of the given phases."""
        row_of = np.full(len(self.elements), -1)
        for row, element in enumerate(elements):
            row_of[self.element_index[element]] = row
        lengths = self.starts[phases + 1] - self.starts[phases]
        column = np.repeat(np.arange(len(phases)), lengths)
        offset = np.arange(len(column)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        flat = np.repeat(self.starts[phases], lengths) + offset
        dense = np.zeros((len(elements), len(phases)))
        dense[row_of[self.species[flat]], column] = self.amounts[flat] / self.atoms[phases][column]
        return dense

    def missing_phases(self, elements: Iterable[str]) -> tuple[str, ...]:
        """Phases known or planned among these elements that the set does not hold."""
        inside = set(elements)
        return tuple(
            formula
            for system, formulas in self.known_phases.items()
            if inside.issuperset(system.split("-"))
            for formula in formulas
            if formula not in self.excluded and self.find(parse_formula(formula)) is None
        )

    def held_together(self, element: str, other: str) -> bool:
        """Whether some phase holds both elements."""
        return bool(self._partners[element] >> self.element_index[other] & 1)

    @cached_property
    def _partners(self) -> dict[str, int]:
        """Bit set of the elements that some phase holds together with each element."""
        low, high = self.masks
        found = {}
        for element in self.elements:
            here = self.contains(element)
            parts = [int(np.bitwise_or.reduce(row[here])) for row in (low, high)]
            found[element] = parts[0] | (parts[1] << 64)
        return found

    def find(self, composition: Mapping[str, float]) -> int | None:
        """Index of the phase with this composition, or None."""
        parts = {element: amount for element, amount in composition.items() if amount > 0}
        if any(element not in self.element_index for element in parts):
            return None
        total = sum(parts.values())
        mark = sum(n * self._marks[0][self.element_index[e]] for e, n in parts.items()) / total
        _, sorted_marks, order = self._marks
        first = int(np.searchsorted(sorted_marks, mark - SAME_COMPOSITION))
        for place in range(first, len(order)):
            if sorted_marks[place] > mark + SAME_COMPOSITION:
                return None
            phase = int(order[place])
            own, atoms = self.composition(phase), float(self.atoms[phase])
            if own.keys() == parts.keys() and all(
                abs(own[e] / atoms - n / total) < SAME_COMPOSITION for e, n in parts.items()
            ):
                return phase
        return None

    @cached_property
    def _marks(self) -> tuple[FloatArray, FloatArray, IntArray]:
        """A random weight per element, the phases' mean weights sorted, and their order."""
        weights = np.random.default_rng(0).random(len(self.elements))
        means = np.add.reduceat(self.amounts * weights[self.species], self.starts[:-1])
        means /= self.atoms
        order = np.argsort(means, kind="stable")
        return weights, means[order], order

    def composition(self, phase: int) -> dict[str, float]:
        """Atoms of each element in one formula unit as written."""
        part = slice(self.starts[phase], self.starts[phase + 1])
        return {
            self.elements[s]: float(a)
            for s, a in zip(self.species[part], self.amounts[part], strict=True)
        }

    def formula(self, phase: int) -> str:
        """Reduced formula of a phase."""
        return reduced_formula(self.composition(phase))

    def select(self, keep: npt.NDArray[np.bool_]) -> ReferenceSet:
        """The same set with only the phases where ``keep`` is true."""
        lengths = np.diff(self.starts)
        flat = np.repeat(keep, lengths)
        corrections = self.corrections
        if corrections is not None:
            corrections = replace(corrections, per_atom=corrections.per_atom[keep])
        return replace(
            self,
            starts=np.concatenate([[0], np.cumsum(lengths[keep])]),
            species=self.species[flat],
            amounts=self.amounts[flat],
            energies=self.energies[keep],
            sigma=None if self.sigma is None else self.sigma[keep],
            corrections=corrections,
        )

    def exclude(self, formulas: Iterable[str]) -> ReferenceSet:
        """Drop phases by formula.

        Raises
        ------
        InputError
            If a formula is not in the set, or is an element.
        """
        formulas = list(formulas)
        if not formulas:
            return self
        keep = np.ones(len(self), dtype=bool)
        for formula in formulas:
            composition = parse_formula(formula)
            if len(composition) == 1:
                raise InputError(
                    f"cannot exclude {formula}: an element is the zero that energies are counted "
                    "from; exclude its compounds, for example LiS4,P2S7"
                )
            phase = self.find(composition)
            if phase is None:
                raise InputError(
                    f"cannot exclude {formula}: it is not in the reference set '{self.name}'; "
                    f"see 'interlith reference show {self.name}'"
                )
            keep[phase] = False
        return replace(self.select(keep), excluded=self.excluded + tuple(formulas))

    def shift(self, shift: Shift) -> ReferenceSet:
        """Add ``shift.ev_per_atom`` per atom of its element to every compound that has it.

        Raises
        ------
        InputError
            If the energy is no finite number.
        MissingElementError
            If the element, or one named in ``without``, is not in the set.
        """
        if not math.isfinite(shift.ev_per_atom):
            raise InputError(
                f"the shift {shift.element}={shift.ev_per_atom:g} is no finite number; write "
                "ELEMENT=EV_PER_ATOM, for example S=0.66346"
            )
        self.require_elements([shift.element, *shift.without])
        touched = self.contains(shift.element)
        for element in shift.without:
            touched &= ~self.contains(element)
        touched &= np.diff(self.starts) > 1
        for formula in shift.excepted:
            phase = self.find(parse_formula(formula))
            if phase is not None:
                touched[phase] = False
        here = self.species == self.element_index[shift.element]
        owner = np.repeat(np.arange(len(self)), np.diff(self.starts))
        fraction = np.bincount(owner[here], self.amounts[here], len(self)) / self.atoms
        energies = self.energies + np.where(touched, shift.ev_per_atom * fraction, 0.0)
        return replace(self, energies=energies, shifts=(*self.shifts, shift))

    def contains(self, element: str) -> npt.NDArray[np.bool_]:
        """(n_phases,) true where a phase holds the element."""
        i = self.element_index[element]
        bits: npt.NDArray[np.uint64] = (self.masks[i // 64] >> np.uint64(i % 64)) & np.uint64(1)
        return bits.astype(bool)


def build_reference(
    compositions: Iterable[Mapping[str, float]], energies: Iterable[float], **identity: object
) -> ReferenceSet:
    """Make a set from compositions and formation energies (eV per atom).

    Elements missing as phases are added with formation energy 0 by :func:`with_elements`.
    """
    names: dict[str, int] = {}
    starts, species, amounts = [0], [], []
    for composition in compositions:
        for element, amount in composition.items():
            species.append(names.setdefault(element, len(names)))
            amounts.append(float(amount))
        starts.append(len(species))
    return with_elements(
        ReferenceSet(
            elements=tuple(names),
            starts=np.asarray(starts, dtype=np.int64),
            species=np.asarray(species, dtype=np.int64),
            amounts=np.asarray(amounts, dtype=np.float64),
            energies=np.asarray(list(energies), dtype=np.float64),
            **identity,  # type: ignore[arg-type]  # checked by the dataclass's callers
        )
    )


def with_elements(reference: ReferenceSet) -> ReferenceSet:
    """Append every element that is not a phase of its own, with formation energy 0."""
    single = np.diff(reference.starts) == 1
    present = {int(reference.species[s]) for s in reference.starts[:-1][single]}
    missing = [i for i in range(len(reference.elements)) if i not in present]
    if not missing:
        return reference
    n = len(missing)
    last = int(reference.starts[-1])
    corrections = reference.corrections
    if corrections is not None:
        extra = np.zeros((n, len(corrections.names)))
        corrections = replace(corrections, per_atom=np.vstack([corrections.per_atom, extra]))
    return replace(
        reference,
        starts=np.concatenate([reference.starts, last + 1 + np.arange(n)]),
        species=np.concatenate([reference.species, np.asarray(missing, dtype=np.int64)]),
        amounts=np.concatenate([reference.amounts, np.ones(n)]),
        energies=np.concatenate([reference.energies, np.zeros(n)]),
        sigma=None if reference.sigma is None else np.concatenate([reference.sigma, np.zeros(n)]),
        corrections=corrections,
    )


def parse_formula(formula: str) -> dict[str, float]:
    """Read a chemical formula, fractional amounts and parentheses allowed.

    Raises
    ------
    FormulaError
        If it cannot be read or holds no atoms.
    """
    from pymatgen.core.composition import Composition
    from pymatgen.core.periodic_table import Element

    try:
        composition = Composition(formula.strip(), strict=True)
        amounts = {str(e.symbol): float(n) for e, n in composition.items() if n > 1e-12}
    except (ValueError, AttributeError, TypeError) as error:
        raise FormulaError(
            f"cannot read the formula '{formula}' ({error}); write it like Li6PS5Cl, "
            "LiNi0.8Mn0.1Co0.1O2 or Li1.3Al0.3Ti1.7(PO4)3"
        ) from error
    unknown = [symbol for symbol in amounts if not Element.is_valid_symbol(symbol)]
    if unknown or not amounts:
        raise FormulaError(
            f"the formula '{formula}' holds "
            + (f"no element called {unknown[0]}" if unknown else "no atoms")
            + "; write it like Li6PS5Cl"
        )
    return amounts


@lru_cache(maxsize=100_000)
def atoms_in(formula: str) -> float:
    """Atoms in one formula unit as written."""
    return sum(parse_formula(formula).values())


def reduced_formula(composition: Mapping[str, float]) -> str:
    """Conventional reduced formula; elements as they are written in a reaction (``O2``, ``Li``)."""
    from pymatgen.core.composition import Composition

    return Composition(composition).reduced_formula
