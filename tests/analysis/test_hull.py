"""The linear programs against pymatgen's hull and against laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.interface_reactions import InterfacialReactivity
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core.composition import Composition

from interlith.analysis.hull import Hull
from interlith.analysis.reactions import closed_minimum, closed_reaction
from interlith.analysis.references import ReferenceSet, build_reference, parse_formula
from interlith.analysis.stable_phases import stable_phases
from interlith.errors import MissingElementError, SolverError


def _pymatgen(reference: ReferenceSet, elements: set[str]) -> PhaseDiagram:
    entries = []
    for phase in reference.within(elements):
        composition = reference.composition(int(phase))
        atoms = sum(composition.values())
        entries.append(PDEntry(Composition(composition), reference.energies[phase] * atoms))
    return PhaseDiagram(entries)


def test_stable_phases_are_those_of_pymatgen(small: ReferenceSet) -> None:
    ours = {small.formula(i) for i in np.flatnonzero(stable_phases(small))}
    diagram = _pymatgen(small, set(small.elements))
    theirs = {entry.composition.reduced_formula for entry in diagram.stable_entries}
    assert ours == theirs


def test_stable_set_is_kept_by_content(small: ReferenceSet) -> None:
    first = stable_phases(small)
    kept = stable_phases(small, only_cached=True)
    assert kept is not None
    assert np.array_equal(first, kept)
    assert stable_phases(small.exclude(["LiP"]), only_cached=True) is None


def test_answers_do_not_change_when_only_stable_phases_are_used(small: ReferenceSet) -> None:
    every, stable = Hull(small.exclude([])), Hull(small, screening=True)
    for formula in ("Li6PS5Cl", "LiCoO2", "Li2CoP0.5O3S0.25"):
        assert every.compound(formula).hull_energy == pytest.approx(
            stable.compound(formula).hull_energy, abs=1e-9
        )


fractions = st.lists(st.integers(0, 12), min_size=6, max_size=6).filter(lambda n: sum(n) > 0)


@settings(max_examples=60, deadline=None)
@given(fractions)
def test_hull_energy_agrees_with_pymatgen_at_any_composition(
    small: ReferenceSet, amounts: list[int]
) -> None:
    elements = ["Li", "P", "S", "Cl", "O", "Co"]
    composition = {e: float(n) for e, n in zip(elements, amounts, strict=True) if n}
    diagram = _pymatgen(small, set(elements))
    theirs = diagram.get_hull_energy_per_atom(Composition(composition))
    ours = Hull(small).system(composition).energy(composition) / sum(composition.values())
    assert ours == pytest.approx(theirs, abs=1e-8)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 50.0), fractions)
def test_energy_is_extensive(small: ReferenceSet, scale: float, amounts: list[int]) -> None:
    elements = ["Li", "P", "S", "Cl", "O", "Co"]
    composition = {e: float(n) for e, n in zip(elements, amounts, strict=True) if n}
    system = Hull(small).system(composition)
    scaled = {e: n * scale for e, n in composition.items()}
    assert system.energy(scaled) == pytest.approx(scale * system.energy(composition), rel=1e-7)


def test_phases_balance_the_composition(small: ReferenceSet) -> None:
    composition = parse_formula("Li7P1.3S4.2Cl0.7")
    corner = Hull(small).system(composition).corner(composition)
    total = dict.fromkeys(composition, 0.0)
    for phase, atoms in corner.phases:
        parts = small.composition(phase)
        for element, n in parts.items():
            total[element] += atoms * n / sum(parts.values())
    assert total == pytest.approx(composition, abs=1e-7)


def test_200_random_pairs_agree_with_pymatgen(set_2015: ReferenceSet, hull_2015: Hull) -> None:
    """Minimum reaction energies to 1e-6 eV/atom, reactants on the hull as ours take them."""
    rng = np.random.default_rng(20261121)
    sizes = np.diff(set_2015.starts)
    pool = np.flatnonzero((sizes >= 2) & (sizes <= 3))
    pool = pool[set_2015.contains("Li")[pool] | set_2015.contains("O")[pool]]
    checked = 0
    while checked < 200:
        a, b = (int(i) for i in rng.choice(pool, 2, replace=False))
        parts = set_2015.composition(a), set_2015.composition(b)
        elements = {*parts[0], *parts[1]}
        if len(elements) > 5:
            continue
        names = [Composition(part).formula.replace(" ", "") for part in parts]
        energy, _ = closed_minimum(hull_2015, *(hull_2015.compound(n) for n in names))
        theirs = InterfacialReactivity(
            Composition(parts[0]),
            Composition(parts[1]),
            _pymatgen(set_2015, elements),
            norm=True,
            use_hull_energy=True,
        )
        lowest = min(row[2] for row in theirs.get_kinks())
        assert energy == pytest.approx(min(lowest, 0.0), abs=1e-6), names
        checked += 1


def test_kinks_agree_with_pymatgen(small: ReferenceSet) -> None:
    ours = closed_reaction(Hull(small), "Li3PS4", "LiCoO2")
    theirs = InterfacialReactivity(
        Composition("Li3PS4"),
        Composition("LiCoO2"),
        _pymatgen(small, {"Li", "P", "S", "Co", "O"}),
        norm=True,
        use_hull_energy=True,
    )
    expected = sorted(energy for _, _, energy, _, _ in theirs.get_kinks())
    assert sorted(k.energy_ev_per_atom for k in ours.kinks) == pytest.approx(expected, abs=1e-6)


def test_absent_element_is_refused(small: ReferenceSet) -> None:
    with pytest.raises(MissingElementError, match="Nb"):
        Hull(small).compound("LiNbO3")


def test_system_without_an_element_phase_is_a_clear_failure() -> None:
    reference = build_reference(
        [{"Li": 2.0, "S": 1.0}], [-1.3], name="tiny", sha256="0" * 64, scheme="none"
    )
    without = reference.select(np.array([True, False, False]))
    with pytest.raises(SolverError, match="no optimum"):
        Hull(without).system({"Li", "S"}).energy({"Li": 1.0})
