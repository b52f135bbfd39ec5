"""Lattice matching against a naive search, pymatgen's generator, and its own laws."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from pymatgen.analysis.interfaces.zsl import ZSLGenerator

from interlith.errors import InputError
from interlith.structures.interfaces.matching import (
    Match,
    MatchLimits,
    match_lattices,
    pareto_front,
    shift_grid,
)
from interlith.structures.interfaces.near_miss import nearest_miss, nearest_of
from interlith.structures.interfaces.plane_lattice import (
    determinants,
    hermite_form,
    hermite_forms,
    lattice_operations,
    reduce_cells,
)
from interlith.structures.interfaces.registry import shift_cell

SQUARE_LI = np.eye(2) * 3.44
SQUARE_GARNET = np.eye(2) * 12.98
HEXAGONAL = np.array([[3.2, 0.0], [-1.6, 3.2 * 3**0.5 / 2]])
RECTANGULAR = np.diag([5.1, 8.3])
CENTRED = np.array([[4.4, 3.1], [-4.4, 3.1]])
OBLIQUE = np.array([[6.1, 0.0], [1.7, 8.3]])
OTHER_OBLIQUE = np.array([[4.3, 0.4], [-1.2, 5.2]])
PAIRS = [
    (SQUARE_LI, SQUARE_GARNET),
    (HEXAGONAL, np.eye(2) * 4.1),
    (HEXAGONAL, RECTANGULAR),
    (CENTRED, HEXAGONAL),
    (SQUARE_LI, OBLIQUE),
    (OTHER_OBLIQUE, OBLIQUE),
]


def _stretches(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Principal stretches of the map that takes the rows of a to the rows of b."""
    return np.linalg.svd(np.linalg.solve(a, b), compute_uv=False)


@pytest.mark.parametrize(("a", "b"), PAIRS)
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_deformation_gradients_reproduce_the_common_cell(a, b, share) -> None:
    matches = match_lattices(a, b, max_area_angstrom2=300, max_strain=0.06, share_a=share)
    assert matches
    for match in matches:
        assert np.abs(match.supercell_a @ a @ match.deformation_a.T - match.cell).max() < 1e-10
        assert np.abs(match.supercell_b @ b @ match.deformation_b.T - match.cell).max() < 1e-10
        assert match.cell[0, 1] == 0 < match.cell[0, 0]
        assert 59.99 < match.angle_deg < 120.01
        assert min(match.n_a, match.n_b) > 0
        assert match.largest_strain <= 0.06 + 1e-9
        assert match.area_angstrom2 <= 300 + 1e-6
        # Strain is relative change of length along the axes of the common cell.
        stretch = np.linalg.svd(match.deformation_a, compute_uv=False) - 1
        assert max(abs(stretch)) == pytest.approx(match.largest_strain_a, abs=1e-9)
        if share == 0.0:
            assert match.largest_strain_a < 1e-9
        if share == 1.0:
            assert match.largest_strain_b < 1e-9


def test_the_misfit_does_not_depend_on_who_takes_it() -> None:
    for share in (0.0, 0.25, 0.5, 1.0):
        match = match_lattices(
            SQUARE_LI, np.diag([3.5, 3.41]), max_area_angstrom2=15, share_a=share
        )[0]
        assert match.misfit == pytest.approx(np.log(3.5 / 3.44))
        worst = max(np.log1p(match.strain_a), key=abs), max(np.log1p(match.strain_b), key=abs)
        assert abs(worst[0]) == pytest.approx(share * match.misfit, abs=1e-9)
        assert abs(worst[1]) == pytest.approx((1 - share) * match.misfit, abs=1e-9)


def _naive(a, b, max_area: float, max_strain: float) -> set[tuple[int, int, float, float]]:
    """Loops over everything; b rigid. Areas, multiplicities and stretches of what fits."""
    found = set()
    most_a = int(max_area * (1 + max_strain) ** 2 / np.linalg.det(a)) + 1
    most_b = int(max_area / np.linalg.det(b))
    changes = [np.array(m).reshape(2, 2) for m in itertools.product(range(-3, 4), repeat=4)]
    changes = [m for m in changes if round(np.linalg.det(m)) == 1]
    cells_b = [s @ b for s in hermite_forms(most_b)] if most_b else []
    cells_b = [m @ reduce_cells(cell[None])[0][0] for cell in cells_b for m in changes]
    for supercell in hermite_forms(most_a):
        cell_a = reduce_cells((supercell @ a)[None])[0][0]
        n_a = round(np.linalg.det(supercell))
        for cell_b in cells_b:
            small, large = sorted(_stretches(cell_a, cell_b))
            if small >= 1 - max_strain and large <= 1 + max_strain:
                n_b = round(np.linalg.det(cell_b) / np.linalg.det(b))
                found.add((n_a, n_b, round(small, 6), round(large, 6)))
    return found


@pytest.mark.parametrize(("a", "b"), [(HEXAGONAL, RECTANGULAR), (OTHER_OBLIQUE, SQUARE_LI * 1.6)])
def test_nothing_is_lost_against_naive_loops(a, b) -> None:
    area, strain = 110, 0.08
    found = set()
    for match in match_lattices(a, b, max_area_angstrom2=area, max_strain=strain, share_a=1.0):
        large, small = np.linalg.svd(match.deformation_a, compute_uv=False)
        found.add((match.n_a, match.n_b, round(small, 6), round(large, 6)))
    naive = _naive(a, b, area, strain)
    assert found
    assert found <= naive
    for n_a, n_b, small, large in naive - found:  # supercells of what we have
        assert any(
            n_a % one[0] == 0
            and n_a // one[0] == n_b / one[1]
            and np.allclose(one[2:], (small, large), atol=2e-6)
            for one in found
        )


@pytest.mark.parametrize(("a", "b"), PAIRS[:-1])
def test_every_match_of_pymatgen_is_found_and_faster(a, b) -> None:
    def to_3d(cell):
        return [[*row, 0.0] for row in cell]

    start = time.perf_counter()
    theirs = list(ZSLGenerator(max_area=350, max_length_tol=0.05)(to_3d(a), to_3d(b)))
    their_time = time.perf_counter() - start
    assert theirs
    wanted = []
    for one in theirs:
        cells = np.array(one.film_sl_vectors)[:, :2], np.array(one.substrate_sl_vectors)[:, :2]
        counts = [
            abs(np.linalg.det(c) / np.linalg.det(p)) for c, p in zip(cells, (a, b), strict=True)
        ]
        wanted.append((*map(round, counts), *_stretches(*cells)))
    strain = max(max(w[2] - 1, 1 - w[3]) for w in wanted) + 1e-9
    start = time.perf_counter()
    ours = match_lattices(a, b, max_area_angstrom2=351, max_strain=strain, share_a=1.0)
    our_time = time.perf_counter() - start
    stretches = [np.linalg.svd(one.deformation_a, compute_uv=False) for one in ours]
    for n_a, n_b, *stretch in wanted:
        assert any(
            n_a % one.n_a == 0
            and n_b * one.n_a == n_a * one.n_b
            and np.allclose(found, stretch, atol=1e-6)
            for one, found in zip(ours, stretches, strict=True)
        )
    print(f"{len(theirs)} in {their_time:.3f} s, {len(ours)} in {our_time:.3f} s")
    assert our_time < their_time


def test_exchanging_the_sides_exchanges_the_matches() -> None:
    for a, b in PAIRS:
        one = match_lattices(a, b, max_area_angstrom2=200, share_a=0.3)
        other = match_lattices(b, a, max_area_angstrom2=200, share_a=0.7)
        assert [(m.n_a, m.n_b) for m in one] == [(m.n_b, m.n_a) for m in other]
        for m, n in zip(one, other, strict=True):
            assert m.area_angstrom2 == pytest.approx(n.area_angstrom2)
            assert m.largest_strain_a == pytest.approx(n.largest_strain_b, abs=1e-9)


def _summary(matches: tuple[Match, ...]) -> list[tuple[float, ...]]:
    return [(m.n_a, m.n_b, round(m.area_angstrom2, 6), round(m.largest_strain, 8)) for m in matches]


def test_turning_a_lattice_or_naming_its_vectors_otherwise_changes_nothing() -> None:
    angle = 0.7
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    other_vectors = np.array([[2, 1], [3, 2]])
    for a, b in PAIRS:
        plain = match_lattices(a, b, max_area_angstrom2=200)
        turned = match_lattices(a @ turn, other_vectors @ b, max_area_angstrom2=200)
        assert _summary(plain) == _summary(turned)


def test_two_runs_are_identical() -> None:
    one, two = (match_lattices(HEXAGONAL, OBLIQUE) for _ in range(2))
    for m, n in zip(one, two, strict=True):
        assert np.array_equal(m.supercell_a, n.supercell_a)
        assert np.array_equal(m.supercell_b, n.supercell_b)
        assert np.array_equal(m.cell, n.cell)


def test_a_lattice_on_itself_matches_without_strain_and_once() -> None:
    for lattice in (SQUARE_LI, HEXAGONAL, RECTANGULAR, OBLIQUE, CENTRED):
        area = 1.5 * np.linalg.det(lattice)
        (only,) = match_lattices(lattice, lattice, max_area_angstrom2=area, max_strain=0.001)
        assert (only.n_a, only.n_b) == (1, 1)
        assert only.largest_strain < 1e-12
    # Hexagonal twists: the first coincidence supercells are 1, 7, 13, 19.
    twists = match_lattices(HEXAGONAL, HEXAGONAL, max_area_angstrom2=180, max_strain=1e-6)
    assert [m.n_a for m in twists] == [1, 7, 13, 19]


def test_symmetry_decides_which_turns_are_the_same() -> None:
    tight = {"max_area_angstrom2": 13.0, "max_strain": 0.01}
    half_turn = [np.eye(2), -np.eye(2)]

    def count(a, b) -> int:
        found = match_lattices(SQUARE_LI, SQUARE_LI * 1.001, symmetry_a=a, symmetry_b=b, **tight)
        return len(found)

    assert count(None, None) == 4  # four turns of a square on a square
    assert count(half_turn, None) == 2
    assert count(half_turn, half_turn) == 2
    assert count("lattice", None) == 1
    assert count(None, "lattice") == 1


def test_a_mirror_image_is_no_match_unless_a_side_has_a_mirror() -> None:
    mirrored = OBLIQUE * np.array([-1.0, 1.0])
    mirrored = np.array([mirrored[1], mirrored[0]])
    limits = {"max_area_angstrom2": 60.0, "max_strain": 0.005}
    assert match_lattices(OBLIQUE, OBLIQUE, **limits)
    assert not match_lattices(OBLIQUE, mirrored, **limits)


@pytest.mark.parametrize(
    ("lattice", "count"),
    [(SQUARE_LI, 8), (HEXAGONAL, 12), (RECTANGULAR, 4), (CENTRED, 4), (OBLIQUE, 2)],
)
def test_a_lattice_has_its_holohedry(lattice, count) -> None:
    odd = np.array([[2, 1], [5, 3]]) @ lattice
    for cell in (lattice, odd):
        operations = lattice_operations(cell)
        assert len(operations) == count
        for one in operations:
            assert np.allclose(one @ cell @ cell.T @ one.T, cell @ cell.T)


def test_hermite_forms_name_each_sublattice_once() -> None:
    forms = hermite_forms(12)
    counts = [int((determinants(forms) == n).sum()) for n in range(1, 13)]
    assert counts == [1, 3, 4, 7, 6, 12, 8, 15, 13, 18, 12, 28]  # the divisor sums
    change = np.array([[3, -2], [4, -3]])
    assert np.array_equal(hermite_form(change @ forms), forms)


def test_the_pareto_front_beats_all_and_is_not_beaten() -> None:
    matches = match_lattices(HEXAGONAL, OBLIQUE)
    front = pareto_front(matches)
    assert 2 < len(front) < len(matches)
    for match in matches:
        assert any(
            f.area_angstrom2 <= match.area_angstrom2 + 1e-5
            and f.largest_strain <= match.largest_strain + 1e-8
            for f in front
        )
    areas = [f.area_angstrom2 for f in front]
    strains = [f.largest_strain for f in front]
    assert areas == sorted(areas)
    assert strains == sorted(strains, reverse=True)
    assert pareto_front(matches, cost=lambda m: -m.area_angstrom2) != front


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_lattice_vectors_of_both_sides_are_no_shift(a, b) -> None:
    for match in match_lattices(a, b, max_area_angstrom2=250)[:20]:
        cell = shift_cell(match.supercell_a, match.supercell_b, match.cell)
        vectors = np.vstack([a @ match.deformation_a.T, b @ match.deformation_b.T, match.cell])
        fractional = vectors @ np.linalg.inv(cell)
        assert np.abs(fractional - np.rint(fractional)).max() < 1e-9
        # No finer than the two lattices make it: at most n_a n_b shifts in the common cell.
        parts = match.area_angstrom2 / np.linalg.det(cell)
        assert parts == pytest.approx(round(parts))
        assert match.n_a * match.n_b % round(parts) == 0
    own = match_lattices(SQUARE_LI, SQUARE_LI, max_area_angstrom2=13)[0]
    assert np.allclose(shift_cell(own.supercell_a, own.supercell_b, own.cell), SQUARE_LI)


def test_the_grid_of_shifts_is_as_fine_as_asked() -> None:
    grid = shift_grid([[4.0, 0.0], [1.0, 2.0]], 1.0)
    assert grid.shape == (12, 2)
    assert (grid[0] == 0).all()
    assert ((grid >= 0) & (grid < 1)).all()
    assert len(np.unique(grid, axis=0)) == 12
    with pytest.raises(InputError, match="must be positive"):
        shift_grid(np.eye(2), 0.0)


def test_no_match_says_the_nearest_miss_and_what_to_loosen() -> None:
    limits = MatchLimits(max_area_angstrom2=150, max_strain=0.005)
    assert not match_lattices(SQUARE_LI, SQUARE_GARNET, max_area_angstrom2=150, max_strain=0.005)
    miss = nearest_miss(SQUARE_LI, SQUARE_GARNET, limits, share_a=0.5)
    assert miss.in_area is not None
    assert miss.in_strain is not None
    assert "no match within 150 Angstrom2 and a strain of 0.005" in miss.message
    assert "--max-strain or --max-area" in miss.message
    # Loosening to what the message says is enough.
    strain, area = miss.in_area.largest_strain, miss.in_strain.area_angstrom2
    assert match_lattices(
        SQUARE_LI, SQUARE_GARNET, max_area_angstrom2=150, max_strain=strain + 1e-6
    )
    assert match_lattices(
        SQUARE_LI, SQUARE_GARNET, max_area_angstrom2=area + 1e-3, max_strain=0.005
    )
    other = nearest_miss(SQUARE_LI, OBLIQUE, limits, share_a=0.5)
    both = nearest_of([miss, other])
    assert both.in_strain is not None
    assert other.in_strain is not None
    assert both.in_strain.area_angstrom2 == min(area, other.in_strain.area_angstrom2)
    with pytest.raises(InputError, match="no pair of surfaces"):
        nearest_of([])


def test_angle_and_aspect_limits_drop_and_are_named() -> None:
    narrow = {"min_angle_deg": 89.0, "max_angle_deg": 91.0}
    kept = match_lattices(HEXAGONAL, RECTANGULAR, **narrow)
    assert kept
    assert all(89 <= m.angle_deg <= 91 for m in kept)
    assert len(kept) < len(match_lattices(HEXAGONAL, RECTANGULAR))
    slim = match_lattices(HEXAGONAL, RECTANGULAR, max_aspect_ratio=1.5)
    assert slim
    assert all(m.aspect_ratio <= 1.5 + 1e-9 for m in slim)
    limits = MatchLimits(15.0, 0.02, 89.0, 91.0)
    miss = nearest_miss(HEXAGONAL, HEXAGONAL, limits, share_a=0.5)
    assert miss.only_shape
    assert "angle" in miss.message


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_area_angstrom2": 0.0}, "must be positive"),
        ({"max_area_angstrom2": float("nan")}, "must be positive"),
        ({"max_area_angstrom2": 1e6}, "lower it"),
        ({"max_area_angstrom2": 2e3, "max_strain": 0.4}, "lower the largest area or"),
        ({"max_strain": -0.1}, "such as 0.05"),
        ({"max_strain": 5.0}, "such as 0.05"),
        ({"share_a": 1.5}, "from 0"),
        ({"share_a": float("nan")}, "from 0"),
        ({"min_angle_deg": 100.0, "max_angle_deg": 90.0}, "smaller first"),
        ({"max_aspect_ratio": 0.5}, "at least 1"),
        ({"symmetry_a": [[[1, 1], [0, 1]]]}, "does not keep"),
        ({"symmetry_b": [[0.5, 0.0]]}, "no list"),
        ({"symmetry_a": "none"}, "only word"),
    ],
)
def test_bad_limits_are_refused_in_words(settings, words) -> None:
    with pytest.raises(InputError, match=words):
        match_lattices(SQUARE_LI, HEXAGONAL * 1.3, **settings)


@pytest.mark.parametrize(
    "cell", [np.eye(3), [[1, 0], [2, 0]], [[0, 1], [1, 0]], [[np.nan, 0], [0, 1]]]
)
def test_bad_lattices_are_refused_in_words(cell) -> None:
    with pytest.raises(InputError, match="side b"):
        match_lattices(SQUARE_LI, cell)


def test_no_strain_allowed_leaves_exact_matches() -> None:
    exact = match_lattices(SQUARE_LI, SQUARE_LI * 2, max_area_angstrom2=200, max_strain=0.0)
    assert exact
    assert all(m.largest_strain < 1e-8 for m in exact)
    assert not match_lattices(SQUARE_LI, SQUARE_LI * 20, max_area_angstrom2=200)
