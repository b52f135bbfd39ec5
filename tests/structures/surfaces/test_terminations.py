"""Terminations: counts that crystallography knows, and laws that hold for every crystal."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import DummySpecies, Lattice, Structure

from interlith.errors import InputError
from interlith.structures.library import build, load_phase
from interlith.structures.surfaces.surface_cell import surface_cell
from interlith.structures.surfaces.terminations import Termination, terminations

GARNET = "Li7La3Zr2O12-tetragonal"


def _named(name: str) -> Structure:
    return build(load_phase(name))


def _perovskite() -> Structure:
    places = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0]]
    return Structure.from_spacegroup("Pm-3m", Lattice.cubic(3.905), ["Sr", "Ti", "O"], places)


def _spinel() -> Structure:
    places = [[0.125, 0.125, 0.125], [0.5, 0.5, 0.5], [0.263, 0.263, 0.263]]
    cell = Lattice.cubic(8.25)
    return Structure.from_spacegroup("Fd-3m:2", cell, ["Li", "Mn", "O"], places)


def _signature(found: tuple[Termination, ...]) -> list[tuple[object, ...]]:
    """What a choice of cell must not change; cuts may be met in another order."""

    def rounded(value: float) -> float:
        return round(value + 3.1416e-4, 3)  # no lattice puts its heights half-way between these

    return sorted(
        (
            one.label,
            rounded(one.gap_angstrom),
            rounded(one.broken_bonds_per_nm2),
            one.chiral,
            one.mirror_cut is None,
            tuple(rounded(value) for value in one.excess_per_nm2.values()),
        )
        for one in found
    )


@pytest.mark.parametrize(
    ("name", "plane", "labels"),
    [
        ("Li", (0, 0, 1), ["Li"]),
        ("Li", (1, 1, 0), ["Li"]),
        ("Li", (1, 1, 1), ["Li"]),
        ("LiCl", (1, 0, 0), ["LiCl"]),
        ("LiCl", (1, 1, 0), ["LiCl"]),
        ("LiCl", (1, 1, 1), ["Cl", "Li"]),
        ("Li2S", (1, 1, 1), ["Li", "Li", "S"]),
        ("Li2S", (1, 1, 0), ["Li2S"]),
        ("LiCoO2", (0, 0, 1), ["Co", "Li", "O", "O"]),
    ],
)
def test_textbook_counts(name: str, plane: tuple[int, int, int], labels: list[str]) -> None:
    assert sorted(one.label for one in terminations(_named(name), plane)) == labels


def test_perovskite_and_spinel() -> None:
    assert [one.label for one in terminations(_perovskite(), (0, 0, 1))] == ["SrO", "TiO2"]
    # along [001] of spinel two kinds of planes alternate, four times a cell by the diamond glide
    spinel = terminations(_spinel(), (0, 0, 1), plane_tolerance_angstrom=0.3)
    assert sorted(one.label for one in spinel) == ["Li", "Mn2O4"]
    assert {one.multiplicity for one in spinel} == {2}


@pytest.mark.parametrize(
    ("name", "plane", "types"),
    [
        ("LiCl", (1, 0, 0), [1]),
        ("LiCl", (1, 1, 1), [3, 3]),
        ("Li2S", (1, 1, 1), [2, 3, 3]),
        ("Li", (1, 1, 1), [1]),
    ],
)
def test_tasker_types(name: str, plane: tuple[int, int, int], types: list[int]) -> None:
    states = load_phase(name).oxidation_states
    found = terminations(_named(name), plane, oxidation_states=states)
    assert sorted(one.tasker or 0 for one in found) == types


def test_rock_salt_111_carries_half_an_ion() -> None:
    """The surface charge of a polar rock-salt face is half the charge of its outermost plane."""
    cell = surface_cell(_named("LiCl"), (1, 1, 1))
    found = terminations(_named("LiCl"), (1, 1, 1), oxidation_states={"Li": 1, "Cl": -1})
    charges = {one.label: one.surface_charge_e_per_nm2 for one in found}
    assert charges["Li"] == pytest.approx(50.0 / cell.area_angstrom2)
    assert charges["Cl"] == pytest.approx(-50.0 / cell.area_angstrom2)


def test_charges_that_are_not_known_stay_unknown() -> None:
    (one,) = terminations(_named("LiCl"), (1, 0, 0))
    assert one.tasker is None
    assert one.surface_charge_e_per_nm2 is None


def test_zincblende_faces_differ() -> None:
    """Al on top with one or with three bonds cut: (111) and (-1-1-1) are different surfaces."""
    up = terminations(_named("AlP"), (1, 1, 1))
    down = terminations(_named("AlP"), (-1, -1, -1))
    assert all(one.mirror_cut is None for one in (*up, *down))

    def easiest(found: tuple[Termination, ...]) -> str:
        return min(found, key=lambda one: one.broken_bonds_per_nm2).label

    assert easiest(up) != easiest(down)
    ratio = [max(bonds) / min(bonds) for bonds in ([x.broken_bonds_per_nm2 for x in up],)]
    assert ratio == pytest.approx([3.0])


def test_cuts_through_polyanions_are_marked() -> None:
    found = terminations(_named("Li3PO4-beta"), (0, 1, 0), plane_tolerance_angstrom=0.05)
    assert any(one.breaks_polyanion for one in found)
    assert not any(one.breaks_polyanion for one in terminations(_named("LiCoO2"), (0, 0, 1)))


def test_garnet_001_has_eight_terminations() -> None:
    """32 cuts of the conventional cell, one in four different: centring and the screw axis."""
    found = terminations(_named(GARNET), (0, 0, 1))
    assert [one.label for one in found] == [
        "Li6La2",
        "O4",
        "Li4O4",
        "O4",
        "Zr4La4",
        "O4",
        "Li4O4",
        "O4",
    ]
    assert [one.mirror_cut for one in found] == [7, 6, 5, 4, 3, 2, 1, 0]
    assert {one.multiplicity for one in found} == {2}
    assert len(terminations(_named(GARNET), (0, 0, 1), plane_tolerance_angstrom=0.25)) == 6


def _all_cuts(structure: Structure, tolerance: float) -> list[float]:
    """Every cut of the cell along c, by sorting heights and nothing else."""
    heights = np.sort(structure.frac_coords[:, 2] % 1.0) * structure.lattice.c
    gaps = np.diff(heights, append=heights[0] + structure.lattice.c)
    places = np.flatnonzero(gaps > tolerance)
    return [float(heights[i] + gaps[i] / 2) for i in places]


def _face(structure: Structure, cut: float, upwards: bool = True) -> Counter[tuple[object, ...]]:
    """Fingerprint of the outer 6 Angstrom of a half-crystal: depths and neighbour distances.

    Blind to rotation and reflection, and made without any operation of the space group.
    """
    c = structure.lattice.c
    tall = structure.copy()
    tall.make_supercell([1, 1, 3])
    depth = (cut + c - tall.cart_coords[:, 2]) * (1 if upwards else -1)
    half = Structure.from_sites([tall[i] for i in np.flatnonzero((depth > 0) & (depth < 10))])
    matrix = np.array(half.lattice.matrix)
    matrix[2, 2] += 20.0
    half = Structure(Lattice(matrix), half.species, half.cart_coords, coords_are_cartesian=True)
    centres, ends, _, distances = half.get_neighbor_list(3.6)
    depths = np.abs(cut + c - half.cart_coords[:, 2])
    near: list[list[tuple[str, float]]] = [[] for _ in half]
    for i, j, distance in zip(centres, ends, distances, strict=True):
        near[i].append((half[int(j)].specie.symbol, round(float(distance), 2)))
    return Counter(
        (half[i].specie.symbol, round(float(depths[i]), 2), tuple(sorted(near[i])))
        for i in np.flatnonzero(depths < 6.0)
    )


@pytest.mark.slow
def test_symmetry_agrees_with_a_fingerprint_of_the_faces() -> None:
    """All 32 cuts of garnet: equal faces are those called equal, also upside down, and no other."""
    garnet = _named(GARNET)
    cell = surface_cell(garnet, (0, 0, 1))
    found = terminations(garnet, (0, 0, 1))
    cuts = _all_cuts(garnet, 0.1)
    assert len(cuts) == 32

    def kind(height: float) -> int:
        steps = [(one.height_angstrom - height) / cell.step_angstrom for one in found]
        return int(np.argmin([abs(step - round(step)) for step in steps]))

    faces = [(kind(cut), _face(garnet, cut)) for cut in cuts]
    lower = [(found[kind(cut)].mirror_cut, _face(garnet, cut, upwards=False)) for cut in cuts]
    for (a, one), (b, other) in combinations([*faces, *lower], 2):
        assert (one == other) == (a == b)


@pytest.mark.slow
@pytest.mark.parametrize("tolerance", [0.1, 0.25])
def test_pymatgen_lists_every_cut_and_merges_mirror_images(tolerance: float) -> None:
    from pymatgen.core.surface import SlabGenerator

    def count(filtered: bool) -> int:
        generator = SlabGenerator(
            _named(GARNET),
            (0, 0, 1),
            1,
            3,
            in_unit_planes=True,
            center_slab=True,
            primitive=True,
            reorient_lattice=False,
        )
        return len(generator.get_slabs(ftol=tolerance, filter_out_sym_slabs=filtered))

    ours = terminations(_named(GARNET), (0, 0, 1), plane_tolerance_angstrom=tolerance)
    periods = round(12.7098 / surface_cell(_named(GARNET), (0, 0, 1)).period_angstrom)
    assert count(filtered=False) == sum(one.multiplicity for one in ours) * periods
    pairs = {frozenset((one.index, one.mirror_cut)) for one in ours}
    assert count(filtered=True) == len(pairs)


@pytest.mark.slow
def test_without_symmetry_pymatgen_counts_the_same() -> None:
    from pymatgen.core.surface import SlabGenerator

    garnet = _named(GARNET)
    moved = garnet.cart_coords + np.random.default_rng(0).normal(0, 0.1, (len(garnet), 3))
    garnet = Structure(garnet.lattice, garnet.species, moved, coords_are_cartesian=True)
    theirs = SlabGenerator(garnet, (0, 0, 1), 1, 3, in_unit_planes=True, primitive=True)
    ours = terminations(garnet, (0, 0, 1), plane_tolerance_angstrom=0.25)
    assert len(ours) == len(theirs.get_slabs(ftol=0.25, filter_out_sym_slabs=True))


PLANES = st.tuples(*[st.integers(-2, 2)] * 3).filter(any)


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(["LiCl", "Li2S", "LiCoO2", "AlP", "Li3OCl", "Li3N"]),
    plane=PLANES,
    seed=st.integers(0, 1000),
)
def test_the_choice_of_cell_does_not_matter(
    name: str, plane: tuple[int, int, int], seed: int
) -> None:
    """Supercell, primitive cell, another origin, another order: the same surfaces."""
    bulk = _named(name)
    rng = np.random.default_rng(seed)
    expected = _signature(terminations(bulk, plane))

    wide = bulk.copy()
    wide.make_supercell([2, 1, 1])  # (h k l) of the cell is (2h k l) of the supercell
    assert _signature(terminations(wide, (2 * plane[0], *plane[1:]))) == expected

    shifted = Structure(bulk.lattice, bulk.species, bulk.frac_coords + rng.random(3))
    order = rng.permutation(len(bulk))
    mixed = Structure.from_sites([shifted[int(i)] for i in order], to_unit_cell=True)
    assert _signature(terminations(mixed, plane)) == expected

    small = bulk.get_primitive_structure()
    # the same lattice planes: h.(row of the primitive lattice in the conventional axes)
    rows = small.lattice.matrix @ np.linalg.inv(bulk.lattice.matrix)
    if np.allclose(rows * 6, np.round(rows * 6), atol=1e-4):  # not turned against each other
        indices = np.round(6 * rows @ np.array(plane)).astype(int)
        assert _signature(terminations(small, tuple(indices))) == expected


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from(["LiCl", "Li2S", "LiCoO2", "AlP", GARNET]), plane=PLANES)
def test_the_two_sides_of_a_cut_add_up_to_the_bulk(name: str, plane: tuple[int, int, int]) -> None:
    states = load_phase(name).oxidation_states
    h, k, m = plane
    above = terminations(_named(name), (-h, -k, -m), oxidation_states=states)
    below = terminations(_named(name), plane, oxidation_states=states)
    step = surface_cell(_named(name), plane).step_angstrom
    assert len(above) == len(below)
    for one in below:
        away = [(x.height_angstrom + one.height_angstrom) / step for x in above]
        other = above[int(np.argmin([abs(a - round(a)) for a in away]))]
        for element, excess in one.excess_per_nm2.items():
            assert excess + other.excess_per_nm2[element] == pytest.approx(0, abs=1e-6)
        charges = (one.surface_charge_e_per_nm2, other.surface_charge_e_per_nm2)
        assert sum(charge or 0.0 for charge in charges) == pytest.approx(0, abs=1e-6)
        assert one.broken_bonds_per_nm2 == pytest.approx(other.broken_bonds_per_nm2)
        assert one.breaks_polyanion == other.breaks_polyanion
        if one.mirror_cut is not None:
            mirror = below[one.mirror_cut]
            assert mirror.mirror_cut == one.index
            assert mirror.broken_bonds_per_nm2 == pytest.approx(one.broken_bonds_per_nm2)


def test_handedness_of_a_surface() -> None:
    """A mirror plane through the normal makes a face its own mirror image; (321) has none."""
    assert not any(one.chiral for one in terminations(_named("AlP"), (1, 1, 1)))
    assert not any(one.chiral for one in terminations(_named("Nb"), (2, 1, 0)))
    assert all(one.chiral for one in terminations(_named("Nb"), (3, 2, 1)))


def test_every_surface_has_a_termination() -> None:
    """Planes of a high-index surface are closer than the tolerance; the widest gap is taken."""
    (one,) = terminations(_named("LiCl"), (9, 7, 4))
    assert one.gap_angstrom < 0.3


@pytest.mark.parametrize(
    ("plane", "says"),
    [
        ((0, 0, 0), r"\(0, 0, 0\) name no plane"),
        ((1, 0), "three integers"),
        ((1.5, 0, 0), "three integers"),
    ],
)
def test_planes_that_are_none(plane: tuple[int, int, int], says: str) -> None:
    with pytest.raises(InputError, match=says):
        terminations(_named("LiCl"), plane)


def test_a_common_factor_changes_nothing() -> None:
    assert surface_cell(_named("LiCl"), (2, 0, 0)) is surface_cell(_named("LiCl"), (1, 0, 0))


def test_disorder_is_sent_to_ordering() -> None:
    half = Structure(Lattice.cubic(3), [{"Li": 0.5}, "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    with pytest.raises(InputError, match="interlith build order"):
        terminations(half, (1, 0, 0))


def test_other_bad_input() -> None:
    salt = _named("LiCl")
    with pytest.raises(InputError, match="must be positive"):
        terminations(salt, (1, 0, 0), plane_tolerance_angstrom=0.0)
    with pytest.raises(InputError, match="holds no Zr"):
        terminations(salt, (1, 0, 0), excess_reference="Zr")
    with pytest.raises(InputError, match="a state for every element"):
        terminations(salt, (1, 0, 0), oxidation_states={"Li": 1})
    with pytest.raises(InputError, match="a crystal is neutral"):
        terminations(salt, (1, 0, 0), oxidation_states={"Li": 1, "Cl": -2})
    twice = Structure(Lattice.cubic(3), ["Li", "Li"], [[0, 0, 0], [0, 0, 0]])
    with pytest.raises(InputError, match="on top of each other"):
        terminations(twice, (1, 0, 0))
    dummy = Structure(Lattice.cubic(3), [DummySpecies("X")], [[0, 0, 0]])
    with pytest.raises(InputError, match="no element"):
        terminations(dummy, (1, 0, 0))


def test_the_surface_cell_rebuilds_the_crystal() -> None:
    """The cell's atoms and its three vectors are the crystal again, turned."""
    from pymatgen.analysis.structure_matcher import StructureMatcher

    for name, plane in ((GARNET, (1, 1, 2)), ("LiCoO2", (1, 0, 4)), ("Li2S", (2, 1, 1))):
        bulk = _named(name)
        cell = surface_cell(bulk, plane)
        rows = np.zeros((3, 3))
        rows[:2, :2] = cell.in_plane
        rows[2] = [*cell.shift, cell.period_angstrom]
        points = np.column_stack([cell.lateral, cell.heights])
        again = Structure(Lattice(rows), cell.symbols, points, coords_are_cartesian=True)
        assert StructureMatcher(ltol=1e-4, stol=1e-4, angle_tol=0.01).fit(bulk, again)
        assert cell.in_plane[0, 1] == pytest.approx(0, abs=1e-9)
        assert np.allclose(cell.rotation @ cell.rotation.T, np.eye(3))
        assert np.linalg.det(cell.rotation) == pytest.approx(1)
        normal = cell.rotation @ bulk.lattice.reciprocal_lattice.matrix.T @ np.array(plane)
        assert normal / np.linalg.norm(normal) == pytest.approx([0, 0, 1], abs=1e-9)
