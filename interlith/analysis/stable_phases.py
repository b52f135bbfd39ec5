"""Which phases of a set are on its hull: only they can enter a minimum.

A phase is stable in a large system if and only if it is stable among the phases made of its own
elements, so the set is found system by system, small ones first, and kept by content hash.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt

from interlith.analysis.linear_program import LineProgram
from interlith.analysis.reference_files import write_cache
from interlith.analysis.references import ReferenceSet
from interlith.settings import cache_folder

STABLE_WITHIN = 1e-7
"""Energy above hull, eV per atom, up to which a phase counts as stable."""

BoolArray = npt.NDArray[np.bool_]


def stable_phases(
    reference: ReferenceSet,
    *,
    only_cached: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> BoolArray | None:
    """(n_phases,) true where a phase is on the hull of the set.

    Parameters
    ----------
    reference : ReferenceSet
        The set.
    only_cached : bool
        Return None rather than compute.
    progress : callable, optional
        Called with (phases done, phases).
    """
    path = cache_folder() / f"stable-v1-{reference.content_hash[:32]}.npz"
    try:
        with np.load(path, allow_pickle=False) as stored:
            mask: BoolArray = stored["stable"]
            if len(mask) == len(reference):
                return mask
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        pass
    if only_cached:
        return None
    mask = _find(reference, progress)
    write_cache(path, {"stable": mask})
    return mask


def _find(reference: ReferenceSet, progress: Callable[[int, int], None] | None = None) -> BoolArray:
    systems: dict[frozenset[int], list[int]] = {}
    for phase in range(len(reference)):
        species = reference.species[reference.starts[phase] : reference.starts[phase + 1]]
        systems.setdefault(frozenset(species.tolist()), []).append(phase)
    stable = np.zeros(len(reference), dtype=bool)
    kept: dict[frozenset[int], list[int]] = {}
    done = 0
    for system in sorted(systems, key=len):
        phases = systems[system]
        below = [p for part in _proper_subsets(system) for p in kept.get(part, ())]
        survivors = _stable_in_system(reference, system, phases, below)
        stable[survivors] = True
        kept[system] = survivors
        done += len(phases)
        if progress is not None:
            progress(done, len(reference))
    return stable


def _proper_subsets(system: frozenset[int]) -> Iterator[frozenset[int]]:
    members = sorted(system)
    for size in range(1, len(members)):
        for part in combinations(members, size):
            yield frozenset(part)


def _stable_in_system(
    reference: ReferenceSet, system: frozenset[int], phases: list[int], below: list[int]
) -> list[int]:
    if len(system) == 1:
        return [min(phases, key=lambda p: float(reference.energies[p]))]
    columns = np.asarray(below + phases)
    elements = [reference.elements[i] for i in sorted(system)]
    fractions = reference.fractions(columns, elements)
    energies = reference.energies[columns]
    program = LineProgram(reference.columns(columns, elements), len(elements), energies)
    still = np.zeros(len(elements))
    return [
        phase
        for column, phase in enumerate(phases, start=len(below))
        if energies[column] <= 0.0
        and energies[column]
        < program.minimum(fractions[:, column].copy(), still).energy + STABLE_WITHIN
    ]
