"""Slabs: what is cut out is the crystal, and charge, dipole and excess add up."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

from interlith.errors import InputError
from interlith.structures.library import build, load_phase
from interlith.structures.surfaces.slabs import Slab, make_slab
from interlith.structures.surfaces.surface_cell import surface_cell
from interlith.structures.surfaces.terminations import terminations

GARNET = "Li7La3Zr2O12-tetragonal"
NAMES = ["Li", "LiCl", "Li2S", "LiCoO2", "AlP", "Li3OCl", "Li3N"]
PLANES = st.tuples(*[st.integers(-1, 2)] * 3).filter(any)


@cache
def _bulk(name: str) -> Structure:
    return build(load_phase(name))


def _slab(name: str, plane: tuple[int, int, int], termination: int, **options: object) -> Slab:
    options = {"min_thickness_angstrom": 9.0, **options}
    states = load_phase(name).oxidation_states
    return make_slab(_bulk(name), plane, termination, oxidation_states=states, **options)  # type: ignore[arg-type]


def _nearest(structure: Structure, radius: float) -> dict[tuple[str, str], float]:
    centres, ends, _, distances = structure.get_neighbor_list(radius)
    found: dict[tuple[str, str], float] = {}
    for i, j, distance in zip(centres, ends, distances, strict=True):
        pair = (structure[int(i)].specie.symbol, structure[int(j)].specie.symbol)
        found[pair] = min(found.get(pair, 99.0), float(distance))
    return found


@settings(max_examples=30, deadline=None)
@given(name=st.sampled_from(NAMES), plane=PLANES, number=st.integers(0, 20))
def test_a_slab_closed_by_its_shift_is_the_crystal(
    name: str, plane: tuple[int, int, int], number: int
) -> None:
    bulk = _bulk(name)
    found = terminations(bulk, plane)
    cell = surface_cell(bulk, plane)
    thickness = 2 * cell.period_angstrom - 0.01
    slab = _slab(name, plane, number % len(found), min_thickness_angstrom=thickness)
    periods = round(slab.thickness_angstrom / cell.period_angstrom, 6)
    assert periods * cell.multiplicity == pytest.approx(round(periods * cell.multiplicity))
    assert slab.stoichiometric
    if periods == round(periods):
        rows = slab.structure.lattice.matrix.copy()
        rows[2, :2] = round(periods) * cell.shift
        closed = Structure(
            Lattice(rows),
            slab.structure.species,
            slab.structure.cart_coords,
            coords_are_cartesian=True,
        )
        assert StructureMatcher(ltol=1e-3, stol=1e-3, angle_tol=0.1).fit(bulk, closed)


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from([*NAMES, "Li3PO4-beta", GARNET]),
    plane=PLANES,
    number=st.integers(0, 40),
    symmetric=st.booleans(),
    repair=st.booleans(),
)
def test_laws_of_every_slab(
    name: str, plane: tuple[int, int, int], number: int, symmetric: bool, repair: bool
) -> None:
    states = load_phase(name).oxidation_states
    bulk = _bulk(name)
    found = terminations(bulk, plane, oxidation_states=states)
    top = found[number % len(found)]
    options = {"symmetric": symmetric, "repair": repair, "min_thickness_angstrom": 6.0}
    try:
        slab = _slab(name, plane, top.index, vacuum_angstrom=12.0, max_atoms=400, **options)
    except InputError as error:
        words = (
            "turns plane",
            "budget",
            "ions to spare",
            "too thin",
            "two faces equal",
            "stays neutral",
        )
        assert any(word in str(error) for word in words)  # noqa: PT017 (either is right)
        return
    assert slab.thickness_angstrom > 6.0 - 1e-6
    assert slab.structure.lattice.c == pytest.approx(slab.thickness_angstrom + 12.0)
    charges = np.array([(states or {"Li": 0})[site.specie.symbol] for site in slab.structure])
    assert slab.charge_e == pytest.approx(charges.sum(), abs=1e-3)
    if symmetric:
        assert slab.symmetric
    if slab.symmetric and slab.flips:
        assert slab.dipole_e_per_angstrom == pytest.approx(0, abs=1e-6)
    if repair:
        assert slab.charge_e == 0
        left = abs(slab.dipole_e_per_angstrom or 0.0)
        polar_axis = name == "Li3PO4-beta" and plane[2] != 0  # its charges are no fractions
        before = abs(top.surface_charge_e_per_nm2 or 0.0) / 100 * slab.thickness_angstrom
        assert left < (before + 1e-6 if polar_axis else 1e-6)
    if not slab.removed:
        for element, excess in slab.excess_per_nm2.items():
            faces = slab.top.excess_per_nm2[element] + slab.bottom.excess_per_nm2[element]
            assert excess == pytest.approx(faces, abs=1e-6)
    bulk_nearest = _nearest(bulk, 4.0)
    for pair, distance in _nearest(slab.structure, 4.0).items():
        assert distance > bulk_nearest.get(pair, 4.0) - 0.02
    for flip in slab.flips:
        _check_flip(slab, flip.lateral, flip.offset, flip.rise)


def _check_flip(slab: Slab, lateral: np.ndarray, offset: np.ndarray, rise: float) -> None:
    points = slab.structure.cart_coords
    images = np.column_stack([points[:, :2] @ lateral.T + offset, rise - points[:, 2]])
    flipped = Structure(
        slab.structure.lattice, slab.structure.species, images, coords_are_cartesian=True
    )
    for site in slab.structure:
        near = flipped.get_sites_in_sphere(site.coords, 0.06)
        assert [one.specie.symbol for one in near] == [site.specie.symbol]


@pytest.mark.parametrize(
    ("name", "plane", "kinds"),
    [("LiCl", (1, 0, 0), "inversion"), ("LiCoO2", (1, 0, 4), "inversion")],
)
def test_the_simplest_flip_comes_first(name: str, plane: tuple[int, int, int], kinds: str) -> None:
    slab = _slab(name, plane, 0)
    assert slab.flip is not None
    assert slab.flip.kind == kinds
    assert _slab("AlP", (1, 1, 1), 0).flip is None


def test_slabs_grow_by_equivalent_layers() -> None:
    """Garnet along c repeats every quarter of its cell, not only every half."""
    slab = _slab(GARNET, (0, 0, 1), 0)
    assert slab.thickness_angstrom == pytest.approx(0.75 * 12.7098)
    assert slab.stoichiometric
    thin = make_slab(_bulk("Li"), (0, 0, 1), 0, min_thickness_angstrom=5.0)
    assert [site.specie.symbol for site in thin.structure] == ["Li"] * 3


def test_rock_salt_111_repairs_are_half_covered() -> None:
    """Known result: a polar rock-salt face is stable with half of its outer ions."""
    for number in (0, 1):
        slab = _slab("LiCl", (1, 1, 1), number, symmetric=True, repair=True)
        heights = np.round(slab.structure.cart_coords[:, 2], 3)
        planes, counts = np.unique(heights, return_counts=True)
        assert len(planes) == 7
        assert counts.tolist() == [1, 2, 2, 2, 2, 2, 1]
        assert slab.tasker == 3
        assert slab.removed == {slab.top.label: 2}
        assert slab.bottom.label == slab.top.label
        moved = _slab("LiCl", (1, 1, 1), number, repair=True)
        assert moved.moved == {slab.top.label: 1}
        assert moved.stoichiometric


def test_what_is_not_polar_is_not_repaired() -> None:
    for name, plane in (("LiCl", (1, 0, 0)), ("Li2S", (1, 1, 1)), ("Li", (0, 0, 1))):
        cut, repaired = _slab(name, plane, 0), _slab(name, plane, 0, repair=True)
        assert cut.structure == repaired.structure
        assert not repaired.removed
        assert not repaired.moved


def test_vacancies_stay_apart() -> None:
    """A quarter of the ions of a face leaves in a 2 x 2 cell: one in it, none beside another."""
    slab = _slab("AlP", (1, 1, 1), 0, repair=True)
    assert round(float(np.linalg.det(slab.supercell))) == 4
    lengths = np.linalg.norm(slab.in_plane, axis=1)
    edge = surface_cell(_bulk("AlP"), (1, 1, 1)).in_plane[0, 0]
    assert lengths == pytest.approx([2 * edge, 2 * edge])


def test_a_charge_that_is_no_fraction_is_made_small() -> None:
    """Low symmetry: the dipole that is left is stated, and much smaller than before."""
    garnet = _bulk("LiCoO2")
    rng = np.random.default_rng(3)
    moved = garnet.cart_coords + rng.normal(0, 0.05, (len(garnet), 3))
    bulk = Structure(garnet.lattice, garnet.species, moved, coords_are_cartesian=True)
    states = {"Li": 1, "Co": 3, "O": -2}
    found = terminations(bulk, (0, 0, 1), oxidation_states=states)
    lithium = next(one for one in found if one.label == "Li")
    options = {"min_thickness_angstrom": 9.0, "oxidation_states": states}
    before = make_slab(bulk, (0, 0, 1), lithium, **options)
    after = make_slab(bulk, (0, 0, 1), lithium, repair=True, **options)
    assert after.moved
    assert after.charge_e == 0
    assert abs(after.dipole_e_per_angstrom or 9) < 0.3 * abs(before.dipole_e_per_angstrom or 0)


def test_rounded_oxidation_states_leave_no_charge() -> None:
    """C at -0.1667 in LiC6 is -1/6."""
    slab = _slab("LiC6", (1, 0, 0), 0, symmetric=True, repair=True)
    assert slab.charge_e == 0


def test_a_symmetric_repair_that_cannot_be_neutral_is_refused() -> None:
    """Co at +3.5 would take a supercell of 14 cells."""
    found = terminations(_bulk("LiCo2O4-spinel"), (1, 1, 1))
    with pytest.raises(InputError, match="which stays neutral"):
        _slab("LiCo2O4-spinel", (1, 1, 1), found[0].index, symmetric=True, repair=True)
    assert _slab("LiCo2O4-spinel", (1, 1, 1), 0, repair=True).charge_e == 0


def test_chosen_bottom_face() -> None:
    states = load_phase("LiCl").oxidation_states
    below = terminations(_bulk("LiCl"), (-1, -1, -1), oxidation_states=states)
    for face in below:
        slab = _slab("LiCl", (1, 1, 1), 1, bottom=face)
        assert slab.bottom.label == face.label
        assert slab.symmetric == (face.label == "Li")
        assert slab.structure[0].specie.symbol == face.label
        assert slab.structure[-1].specie.symbol == "Li"


def test_no_vacuum_repeats_the_crystal() -> None:
    slab = _slab("Li2S", (1, 1, 1), 0)
    assert slab.structure.lattice.c == pytest.approx(slab.thickness_angstrom)
    assert slab.structure.volume == pytest.approx(slab.area_angstrom2 * slab.thickness_angstrom)
    assert slab.structure.density == pytest.approx(_bulk("Li2S").density)


def test_the_same_slab_twice_and_nothing_changed() -> None:
    bulk = _bulk(GARNET)
    before = bulk.copy()
    one = _slab(GARNET, (0, 0, 1), 2, symmetric=True, repair=True)
    other = _slab(GARNET, (0, 0, 1), 2, symmetric=True, repair=True)
    assert bulk == before
    assert np.array_equal(one.structure.cart_coords, other.structure.cart_coords)
    assert one.structure.species == other.structure.species


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"min_thickness_angstrom": -1.0}, "give a positive number"),
        ({"min_thickness_angstrom": 0.0}, "give a positive number"),
        ({"min_thickness_angstrom": float("nan")}, "give a positive number"),
        ({"min_thickness_angstrom": 5000.0}, "raise max_atoms"),
        ({"vacuum_angstrom": -3.0}, "zero or a positive number"),
        ({"max_atoms": 0}, "at least 1"),
        ({"bottom": 7}, "has no termination 7; there are 0"),
    ],
)
def test_bad_numbers(options: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        _slab("LiCl", (1, 1, 1), 0, **options)


def test_what_cannot_be_made() -> None:
    with pytest.raises(InputError, match="no operation of the crystal turns"):
        _slab("AlP", (1, 1, 1), 0, symmetric=True)
    with pytest.raises(InputError, match="oxidation state of each element"):
        make_slab(_bulk("LiCl"), (1, 1, 1), 0, min_thickness_angstrom=5, repair=True)
    with pytest.raises(InputError, match="not the mirror"):
        _slab("LiCl", (1, 1, 1), 1, bottom=0, symmetric=True)
    with pytest.raises(InputError, match="the same cut at both ends"):
        _slab("LiCoO2", (0, 0, 1), 0, bottom=0, repair=True)
    wrong = terminations(_bulk("LiCl"), (1, 0, 0))[0]
    with pytest.raises(InputError, match="is a termination of"):
        make_slab(_bulk("LiCl"), (1, 1, 1), wrong, min_thickness_angstrom=5)
