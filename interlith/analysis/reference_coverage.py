"""Which chemical systems a DFT set covers, so that it may stand in for the embedded potential's.

A set in the making lacks phases, and a hull without a stable phase is wrong without saying so.
So the DFT set answers for a chemical system only if it holds every phase that the potential's set
has stable there, each element's crystal included; otherwise the potential's set answers. The two
are never mixed in one hull.

>>> from interlith.analysis.reference_coverage import coverage
>>> from interlith.analysis.builtin_reference import load_builtin
>>> both = load_builtin("sevennet-l3i5-v1"), load_builtin("sevennet-l3i5-v1")
>>> coverage(*both, ["Li", "S"]).covered
True
"""

from __future__ import annotations

from collections.abc import Iterable

from interlith.analysis.builtin_reference import (
    BUILTIN,
    element_crystals,
    load_builtin,
)
from interlith.analysis.references import ReferenceSet
from interlith.analysis.stable_phases import stable_phases
from interlith.records import Record

CLOSE_ZERO_EV = 0.01
"""An element's lower crystal may be missing if one that is held lies this little above it."""


class Coverage(Record):
    """Whether a set covers a chemical system.

    Attributes
    ----------
    required : tuple of str
        Phases that the other set has stable among these elements.
    missing : tuple of str
        Those that the set does not hold.
    unknown_elements : tuple of str
        Elements that the other set does not hold at all: nothing says what is stable with them,
        so a system with one is not covered.
    """

    elements: tuple[str, ...]
    covered: bool
    required: tuple[str, ...]
    missing: tuple[str, ...]
    unknown_elements: tuple[str, ...] = ()


def coverage(dft: ReferenceSet, other: ReferenceSet, elements: Iterable[str]) -> Coverage:
    """Whether ``dft`` holds every phase that ``other`` has stable among the elements.

    Parameters
    ----------
    dft, other : ReferenceSet
        The set asked about, and the one that says what is stable, in the same scheme.
    elements : iterable of str
        All elements of one question.
    """
    asked = sorted(set(elements))
    known = [element for element in asked if element in other.elements]
    stable = stable_phases(other)
    required = []
    missing = []
    for phase in other.within(known):
        if stable is None or not stable[phase]:
            continue
        formula = other.formula(int(phase))
        required.append(formula)
        composition = other.composition(int(phase))
        if not set(composition) <= set(dft.elements) or dft.find(composition) is None:
            missing.append(formula)
    absent = [element for element in asked if element not in dft.elements]
    unknown = tuple(element for element in asked if element not in other.elements)
    return Coverage(
        elements=tuple(asked),
        covered=not missing and not absent and not unknown,
        required=tuple(sorted(required)),
        missing=tuple(sorted({*missing, *absent})),
        unknown_elements=unknown,
    )


def builtin_coverage(elements: Iterable[str]) -> Coverage:
    """Whether the built-in DFT set covers a chemical system; an element's crystal counts too.

    The zero of an element enters every formation energy: with black P for the fibrous form, 27
    meV/atom lower, the potential at which P becomes LiP7 is 0.2 V too high.
    """
    potential, dft = BUILTIN
    record = coverage(load_builtin(dft), load_builtin(potential), elements)
    held = element_crystals(dft)
    crystals = []
    for element, energies in element_crystals(potential).items():
        lowest = min(energies, key=energies.__getitem__)
        close = {name for name in energies if energies[name] <= energies[lowest] + CLOSE_ZERO_EV}
        if element in record.elements and not close & set(held.get(element, ())):
            crystals.append(lowest)
    return record.model_copy(
        update={
            "missing": (*record.missing, *crystals),
            "required": (*record.required, *crystals),
            "covered": record.covered and not crystals,
        }
    )
