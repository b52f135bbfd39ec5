"""Products that were put there: crystals, mixtures, glasses and broken polyanions."""

from __future__ import annotations

import numpy as np
import pytest

from interlith.analysis.environments.bonds import (
    bare,
    bond_counts,
    bond_length,
    bonded,
    coordination,
    polyanions,
)
from interlith.analysis.environments.classify import AMORPHOUS, label_atoms
from interlith.analysis.environments.model import environment_model, reference_phases
from interlith.analysis.environments.pairs import near_pairs
from interlith.analysis.environments.thermal import repeated, shaken
from interlith.analysis.product_amounts import phase_amounts
from interlith.analysis.products import FrameProducts, _compare, identify_products
from interlith.analysis.trajectories import from_arrays
from interlith.errors import InputError
from interlith.records import Amount
from interlith.structures.library import build, load_phase

PHASES = ("Li", "Li2S", "Li3P", "LiCl", "Li6PS5Cl-24g")


@pytest.fixture(scope="module")
def model():
    return environment_model(["Cl", "Li", "P", "S"], PHASES)


def warm(name: str, temperature_k: float, seed: int = 5, least: int = 60):
    return shaken(
        repeated(build(load_phase(name)), least), temperature_k, np.random.default_rng(seed)
    )


def test_pairs_agree_with_ase() -> None:
    from ase import Atoms
    from ase.neighborlist import neighbor_list

    rng = np.random.default_rng(3)
    cell = np.array([[4.0, 0, 0], [2.0, 5.0, 0], [1.0, 1.5, 6.0]])
    points = rng.random((6, 3)) @ cell * 1.5 - 2
    i, j, d = neighbor_list("ijd", Atoms("Li6", positions=points, cell=cell, pbc=True), 5.01)
    found = near_pairs(points, cell, 5.01)
    assert np.allclose(np.sort(d), np.sort(found.distance))
    assert sorted(zip(i, j, strict=True)) == sorted(zip(found.first, found.second, strict=True))
    open_ones = near_pairs(points, cell, 5.01, (False, False, False))
    assert len(open_ones.first) < len(found.first)


def test_a_trace_in_a_glass_is_no_conversion() -> None:
    frame = FrameProducts(
        time_ps=0.0, fractions={AMORPHOUS: 0.99, "Li2S": 0.01}, confidence={}, polyanions={},
        bonds={}, lithium_around={}, bare={"S": 0.01}, clusters=(),
    )  # fmt: skip
    (row,) = _compare([frame] * 4, [Amount(formula="Li2S", amount=5)])
    assert row.crystalline_fraction == pytest.approx(0.01)
    assert row.converted_fraction == pytest.approx(0.01)


def test_polyanions_and_what_is_left_of_them() -> None:
    crystal = build(load_phase("Li6PS5Cl-24g"))
    symbols = [site.specie.symbol for site in crystal]
    positions, cell = crystal.cart_coords.copy(), crystal.lattice.matrix
    bonds = bonded(near_pairs(positions, cell, 4.0), symbols)
    assert polyanions(bonds, symbols) == {"PS4": 4}
    assert set(coordination(bonds, symbols, "P", "S")) == {4}
    free = bare(bonds, symbols)
    assert [symbols[i] for i in np.flatnonzero(free)].count("S") == 4  # one in five
    p = symbols.index("P")
    s = next(int(k) for k in bonds.second[bonds.first == p] if symbols[k] == "S")
    positions[s] += 0.7 * (positions[s] - positions[p])  # pull one S away
    broken = bonded(near_pairs(positions, cell, 4.0), symbols)
    assert polyanions(broken, symbols) == {"PS4": 3, "PS3": 1}


def test_bonds_between_like_atoms_and_with_metals() -> None:
    sulfide = build(load_phase("CoS"))
    symbols = [site.specie.symbol for site in sulfide]
    bonds = bonded(near_pairs(sulfide.cart_coords, sulfide.lattice.matrix, 4.0), symbols)
    assert set(bond_counts(bonds, symbols)) == {"Co-S"}
    phosphide = build(load_phase("LiP"))
    symbols = [site.specie.symbol for site in phosphide]
    bonds = bonded(near_pairs(phosphide.cart_coords, phosphide.lattice.matrix, 4.0), symbols)
    assert bond_counts(bonds, symbols)["P-P"] == symbols.count("P")  # chains: two bonds per atom
    assert 2.55 < bond_length("P", "S") < 2.75


@pytest.mark.parametrize("name", PHASES)
@pytest.mark.parametrize("temperature_k", [300.0, 800.0])
def test_warm_crystals_are_known(model, name: str, temperature_k: float) -> None:
    labels = label_atoms(model, *warm(name, temperature_k))
    formula = model.formulas[model.phases.index(name)]
    assert labels.fractions().get(formula, 0.0) > 0.9
    assert labels.confidence.mean() > 0.8


def test_a_pristine_electrolyte_holds_no_products(model) -> None:
    shares = label_atoms(model, *warm("Li6PS5Cl-24g", 600.0, seed=9, least=400)).fractions()
    assert sum(shares.get(one, 0.0) for one in ("Li2S", "Li3P", "LiCl", "Li")) < 0.02


def test_random_packings_are_amorphous(model) -> None:
    rng = np.random.default_rng(0)
    crystal = repeated(build(load_phase("Li2S")), 60)
    symbols = [site.specie.symbol for site in crystal]
    points = rng.random((len(symbols), 3)) @ crystal.lattice.matrix
    labels = label_atoms(model, points, crystal.lattice.matrix, symbols)
    assert labels.fractions().get(AMORPHOUS, 0.0) > 0.9


def two_blocks():
    """LiCl and Li2S one above the other, with names of what each atom is of."""
    lower, upper = warm("LiCl", 300.0, least=200), warm("Li2S", 300.0, least=200)
    height = lower[1][2, 2]
    cell = np.diag([12.0, 12.0, height + upper[1][2, 2] + 5.0])
    cell[0, 0] = cell[1, 1] = max(lower[1][0, 0], upper[1][0, 0]) + 1e-6
    positions = np.concatenate([lower[0], upper[0] + [0, 0, height + 2.5]])
    truth = np.array(["LiCl"] * len(lower[0]) + ["Li2S"] * len(upper[0]))
    return positions, cell, [*lower[2], *upper[2]], truth


def test_a_mixture_is_told_apart_over_depth_and_in_clusters(model) -> None:
    positions, cell, symbols, truth = two_blocks()
    labels = label_atoms(model, positions, cell, symbols)
    names = np.array([labels.names[i] for i in labels.index])
    crossed = ((names == "LiCl") & (truth == "Li2S")) | ((names == "Li2S") & (truth == "LiCl"))
    assert crossed.mean() < 0.02
    assert (names == truth).mean() > 0.5  # surfaces are amorphous
    run = from_arrays(np.array([positions] * 4), cell, symbols, 500.0)
    found = identify_products(
        run, model=model, predicted=[Amount(formula="Li2S", amount=1)], blocks=2
    )
    assert [one.phase for one in found.frames[0].clusters[:2]] in (
        ["LiCl", "Li2S"],
        ["Li2S", "LiCl"],
    )
    profile = found.profiles[0]
    half = len(profile.heights_angstrom) // 2
    salt, sulfide = profile.fractions["LiCl"], profile.fractions["Li2S"]
    assert sum(salt[:half]) > sum(salt[half:])
    assert sum(sulfide[:half]) < sum(sulfide[half:])
    (row,) = found.comparison
    assert row.element == "S"
    assert row.converted_fraction == pytest.approx(1.0)
    assert found.frames[-1].time_ps == pytest.approx(1.5)


def test_frames_are_taken_with_their_own_cells(model) -> None:
    """A crystal that shrinks with its cell from 30 % more a side: nothing is bonded oddly."""
    crystal = repeated(build(load_phase("Li2S")), 60)
    symbols = [site.specie.symbol for site in crystal]
    scales = np.concatenate([np.linspace(1.3, 0.96, 30), np.full(5, 0.96)])
    cells = scales[:, None, None] * crystal.lattice.matrix
    run = from_arrays(crystal.frac_coords @ cells, cells, symbols, 50.0)
    found = identify_products(run, model=model, every=2)
    assert found.frames[-1].fractions == {"Li2S": 1.0}
    assert found.frames[-1].bonds == {}
    assert found.frames[-1].lithium_around == {"S": 8.0}
    wandered = crystal.frac_coords @ cells + 3 * cells[:, 0][:, None, :]  # images do not matter
    again = identify_products(from_arrays(wandered, cells, symbols, 50.0), model=model, every=2)
    assert again.frames[-1].fractions == {"Li2S": 1.0}


def test_doubling_the_cell_changes_no_share(model) -> None:
    positions, cell, symbols = warm("Li6PS5Cl-24g", 600.0)
    one = label_atoms(model, positions, cell, symbols).fractions()
    twice = np.concatenate([positions, positions + cell[2]])
    large = cell.copy()
    large[2] *= 2
    two = label_atoms(model, twice, large, symbols * 2).fractions()
    assert one == pytest.approx(two)


def test_bad_input(model) -> None:
    with pytest.raises(InputError, match="holds"):
        reference_phases(["Li", "S"], ["LiCl"])
    with pytest.raises(InputError, match="disordered"):
        reference_phases(["Li", "P", "S", "Cl"], ["Li6PS5Cl-cubic"])
    with pytest.raises(InputError, match="no ordered phase"):
        reference_phases(["Xe"])
    still = from_arrays(np.zeros((1, 1, 3)), np.eye(3) * 9, ["Li"], 1.0)
    with pytest.raises(InputError, match="start within"):
        identify_products(still, model=model, every=0)


@pytest.mark.slow
@pytest.mark.parametrize("elements", [("Cl", "Li", "P", "S"), ("Co", "Li", "O")])
def test_every_phase_of_a_system_is_known_warm(elements: tuple[str, ...]) -> None:
    every, rng, right = environment_model(elements), np.random.default_rng(77), []
    for name, formula in zip(every.phases, every.formulas, strict=True):
        crystal = repeated(build(load_phase(name)), 80)
        for temperature in (300.0, 550.0, 800.0):
            labels = label_atoms(every, *shaken(crystal, temperature, rng))
            right.append(labels.fractions().get(formula, 0.0))
    assert min(right) > 0.9
    assert np.mean(right) > 0.99


def test_amounts_stand_beside_what_is_predicted() -> None:
    """Of S freed from P, as many Li2S-like units; no crystal; Cl says nothing."""
    symbols = ["Li"] * 6 + ["P"] + ["S"] * 5 + ["Cl"]
    predicted = [Amount(formula=f, amount=n) for f, n in (("Li2S", 5), ("Li3P", 1), ("LiCl", 1))]
    bare_of = [{"S": 0.2, "P": 0.0, "Cl": 1.0}, {"S": 0.6, "P": 1.0, "Cl": 1.0}]
    around = [{"S": 3.6, "P": 0.2, "Cl": 1.2}, {"S": 7.0, "P": 8.0, "Cl": 5.6}]
    labelled = [{"Li6PS5Cl": 1.0}, {"amorphous": 10 / 13, "Li2S": 3 / 13}]
    sulfide, phosphide, salt = phase_amounts(predicted, symbols, labelled, bare_of, around)
    assert [one.predicted_units for one in (sulfide, phosphide, salt)] == [5, 1, 1]
    assert sulfide.like_units == pytest.approx((1, 3))
    assert sulfide.crystalline_units == pytest.approx((0, 1))
    assert phosphide.like_units == pytest.approx((0, 1))
    assert (sulfide.tells, phosphide.tells, salt.tells) == (True, True, False)
    assert sulfide.crystal_lithium_around == 8
    assert salt.crystal_lithium_around == 6
    with pytest.raises(InputError, match="hold F, which the cell has not"):
        phase_amounts([Amount(formula="LiF", amount=1)], symbols, labelled, bare_of, around)
