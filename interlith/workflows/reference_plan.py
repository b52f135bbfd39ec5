"""In which order the phases of a DFT reference set are computed, and what each costs.

Chemical systems are finished one after another, cheap phases first, so that a set that was
stopped half-way has whole hulls. Of several crystals of one composition the one that the
embedded potential has lowest (the cheapest of near ones) is first; the others follow after all
systems, and cells of more than 30 atoms come last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from interlith.analysis.builtin_reference import BUILTIN, phase_rows
from interlith.structures.library import build, list_phases, load_phase, symmetry_cell

SYSTEMS = (
    "Li P S Cl",
    "Li O",
    "Li Co O",
    "Li Ni O",
    "Li P O",
    "Li Fe P O",
    "Li P S Cl O",
    "Li Co P S Cl O",
    "Li La Zr O",
    "Li Nb Ta O",
    "Li Al Ti Ge P O",
    "Li P S Cl Br I F",
    "Li Zr In Y Sc Cl Br",
    "Li N P O",
    "Li H C B Si O",
    "Li Fe Ni Mn P S Cl O",
)
SECOND = "7net-l3i5"
CLOSE_EV = 0.006
"""Crystals this close in the potential's energy (per atom) may be in another order in DFT."""
LARGE = 30
"""Cells above this many atoms are computed last."""
EARLY = ("S8", "P-black")
"""Not last though large or not the lowest: their compounds have no zero without them."""
MAGNETIC = frozenset("V Cr Mn Fe Co Ni".split())
COST_EXPONENT = 1.6


def planned_phases(library: Path) -> list[str]:
    """Every ordered phase of the library once, in the order of :data:`SYSTEMS`.

    Of the elements every crystal is in the plan: which is lowest is for DFT to say.
    """
    names = [name for name in list_phases(library) if _facts(name, library)[3]]
    weight = dict(zip(names, costs(names, library), strict=True))
    others = _other_crystals(names, library, weight)
    large = {n for n in names if _facts(n, library)[1] > LARGE}
    late = (large | others) - set(EARLY)
    order: list[str] = []
    seen: set[str] = set()
    for system in (*SYSTEMS, " ".join({e for n in names for e in _facts(n, library)[0]})):
        inside = set(system.split())
        here = [n for n in names if n not in seen | late and set(_facts(n, library)[0]) <= inside]
        here.sort(key=lambda n: (len(_facts(n, library)[0]) > 1, weight[n], n))
        order += here
        seen |= set(here)
    return order + sorted(late, key=lambda n: (n in large, weight[n], n))


def _other_crystals(names: Sequence[str], library: Path, weight: Mapping[str, float]) -> set[str]:
    """All crystals of a composition but one: the cheapest of those that may be the lowest.

    A crystal that the embedded potential's set does not hold counts as high.
    """
    known = {row["name"]: row["energy_ev_per_atom"][SECOND] for row in phase_rows(BUILTIN[0])}
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(_reduced(load_phase(name, library).formula), []).append(name)
    others: set[str] = set()
    for group in alike.values():
        lowest = min(known.get(name, 0.0) for name in group)
        near = [name for name in group if known.get(name, 0.0) < lowest + CLOSE_EV]
        others |= set(group) - {min(near, key=lambda n: (weight[n], n))}
    return others


def _reduced(formula: str) -> str:
    from pymatgen.core import Composition

    return str(Composition(formula).reduced_formula)


def costs(names: Sequence[str], library: Path) -> list[float]:
    """Relative cost of each phase: k points times volume to the 1.6, doubled for spin."""
    found = []
    for name in names:
        elements, _, points_volume, _ = _facts(name, library)
        spin = 4.0 if MAGNETIC & set(elements) and len(elements) > 1 else 1.0
        found.append(spin * points_volume)
    return found


@cache
def _facts(name: str, library: Path) -> tuple[tuple[str, ...], int, float, bool]:
    """Elements, atoms of the primitive cell, its k points times volume**1.6, whether ordered."""
    facts = load_phase(name, library)
    elements = tuple(sorted({element for site in facts.sites for element in site.species}))
    if not facts.is_ordered:
        return elements, 0, 0.0, False
    import spglib
    from pymatgen.io.ase import AseAtomsAdaptor

    from interlith.engines.electronic.settings import grid
    from interlith.workflows.reference_dft_phase import DftReferenceSettings, kind_of_phase

    structure = build(facts, primitive=True)
    atoms = AseAtomsAdaptor.get_atoms(structure, msonable=False)
    kind = kind_of_phase(atoms, facts.volume_reliable)
    points = grid(atoms, DftReferenceSettings().kpoint_density[kind])
    found = spglib.get_symmetry(symmetry_cell(structure), symprec=1e-2)
    rotations = 1 if facts.ordered_approximant or found is None else len(found["rotations"])
    irreducible = max(1.0, points[0] * points[1] * points[2] / max(2, rotations))
    return elements, len(atoms), irreducible * atoms.get_volume() ** COST_EXPONENT, True
