"""Elastic tensors: laws that hold whatever the numbers, and known answers."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from interlith.analysis.elasticity import (
    CUBIC_ROTATIONS,
    allowed_tensors,
    cubic_stiffness,
    fit_stiffness,
    isotropic_stiffness,
    needed_strains,
    point_group,
    rotate_stiffness,
    symmetrise,
)
from interlith.analysis.moduli import (
    compliance,
    debye_temperature_k,
    moduli,
    stable,
    suppression_ratio,
    youngs_modulus,
    zener_ratio,
)
from interlith.errors import InputError

LITHIUM = cubic_stiffness(13.4, 11.3, 9.6)  # about the measured constants of Li at 78 K
NONE = np.eye(3)[None]


def random_rotation(seed: int) -> np.ndarray:
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return turn * np.sign(np.linalg.det(turn))


def random_stiffness(seed: int) -> np.ndarray:
    half = np.random.default_rng(seed).normal(size=(6, 6))
    return half @ half.T * 5 + 10 * np.eye(6)


@pytest.mark.parametrize("seed", range(3))
def test_turning_there_and_back_changes_nothing(seed: int) -> None:
    given, turn = random_stiffness(seed), random_rotation(seed)
    there = rotate_stiffness(given, turn)
    assert not np.allclose(there, given)
    assert np.allclose(rotate_stiffness(there, turn.T), given)
    assert np.allclose(there, there.T)


@pytest.mark.parametrize("seed", range(3))
def test_averages_do_not_know_the_axes(seed: int) -> None:
    given = random_stiffness(seed)
    one, other = moduli(given), moduli(rotate_stiffness(given, random_rotation(seed + 10)))
    for name in ("bulk_voigt_gpa", "bulk_reuss_gpa", "shear_voigt_gpa", "shear_reuss_gpa"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-9)
    assert one.youngs_max_gpa == pytest.approx(other.youngs_max_gpa, rel=0.01)


@pytest.mark.parametrize("seed", range(3))
def test_reuss_is_never_above_voigt_and_compliance_is_the_inverse(seed: int) -> None:
    given = random_stiffness(seed)
    found = moduli(given)
    assert found.bulk_reuss_gpa <= found.bulk_voigt_gpa
    assert found.shear_reuss_gpa <= found.shear_voigt_gpa
    assert found.universal_anisotropy > 0
    assert np.allclose(compliance(given) @ given, np.eye(6))
    assert found.youngs_min_gpa <= found.youngs_gpa <= found.youngs_max_gpa


def test_the_averages_agree_with_pymatgen() -> None:
    from pymatgen.analysis.elasticity import ElasticTensor

    given = random_stiffness(7)
    found, theirs = moduli(given), ElasticTensor.from_voigt(given)
    assert found.bulk_gpa == pytest.approx(theirs.k_vrh)
    assert found.shear_gpa == pytest.approx(theirs.g_vrh)
    assert found.universal_anisotropy == pytest.approx(theirs.universal_anisotropy)
    way = np.array([0.3, -0.5, 0.8])
    energy = theirs.compliance_tensor.einsum_sequence([way / np.linalg.norm(way)] * 4)
    assert youngs_modulus(given, way)[0] == pytest.approx(1 / energy)


def test_an_isotropic_body_is_the_same_every_way() -> None:
    found = moduli(isotropic_stiffness(77.0, 0.25))  # LiPON
    assert found.shear_gpa == pytest.approx(30.8)
    assert found.pugh_ratio == pytest.approx(1.667, abs=0.001)
    assert found.bulk_gpa == pytest.approx(77 / 1.5)
    assert found.poisson_ratio == pytest.approx(0.25)
    assert found.zener_ratio == pytest.approx(1.0)
    assert found.youngs_min_gpa == pytest.approx(found.youngs_max_gpa)
    assert found.universal_anisotropy == pytest.approx(0, abs=1e-9)


def test_cubic_directions_by_the_textbook() -> None:
    s = compliance(LITHIUM)
    along = 1 / youngs_modulus(LITHIUM, [[1, 0, 0], [1, 1, 0], [1, 1, 1]])
    j = s[0, 0] - s[0, 1] - s[3, 3] / 2
    assert along == pytest.approx([s[0, 0], s[0, 0] - j / 2, s[0, 0] - 2 * j / 3])
    assert zener_ratio(LITHIUM) == pytest.approx(2 * 9.6 / 2.1)
    assert zener_ratio(rotate_stiffness(LITHIUM, random_rotation(1))) is None


@pytest.mark.parametrize(
    ("atoms", "group", "constants", "strains"),
    [
        (bulk("Cu", cubic=True), "m-3m", 3, 2),
        (bulk("Mg"), "6/mmm", 5, 3),
        (bulk("ZnO", "wurtzite", a=3.25, c=5.2), "6mm", 5, 3),
    ],
)
def test_point_groups_leave_their_number_of_constants(atoms, group, constants, strains) -> None:
    name, turns = point_group(atoms)
    assert name == group
    basis = allowed_tensors(turns)
    assert len(basis) == constants
    assert len(needed_strains(turns)) <= strains
    for tensor in basis:
        assert np.allclose(symmetrise(tensor, turns), tensor)


def test_no_symmetry_leaves_twenty_one() -> None:
    assert len(allowed_tensors(NONE)) == 21
    assert needed_strains(NONE) == (0, 1, 2, 3, 4, 5)


@pytest.mark.parametrize("seed", range(2))
def test_the_fit_finds_what_made_the_stresses(seed: int) -> None:
    given = random_stiffness(seed)
    strains = 0.01 * np.eye(6)
    exact = fit_stiffness(strains, strains @ given, NONE)
    assert np.allclose(exact.stiffness_gpa, given)
    assert exact.residual_gpa == pytest.approx(0, abs=1e-9)


def test_the_error_of_the_fit_is_that_of_the_stresses() -> None:
    rng = np.random.default_rng(5)
    strains = 0.01 * np.eye(6)
    misses, stated = [], []
    for _ in range(200):
        noisy = strains @ LITHIUM + rng.normal(scale=0.002, size=(6, 6))
        fit = fit_stiffness(strains, noisy, CUBIC_ROTATIONS)
        misses.append(fit.stiffness_gpa[0, 0] - LITHIUM[0, 0])
        stated.append(fit.sigma_gpa[0, 0])
    assert np.std(misses) == pytest.approx(np.mean(stated), rel=0.2)


def test_too_few_strains_are_refused() -> None:
    with pytest.raises(InputError, match="fix only"):
        fit_stiffness([[0.01, 0, 0, 0, 0, 0]], [[0.1, 0.05, 0.05, 0, 0, 0]], NONE)


def test_an_unstable_crystal_has_no_moduli() -> None:
    soft = cubic_stiffness(10.2, 11.8, 3.3)
    assert not stable(soft)
    with pytest.raises(InputError, match="not stable"):
        moduli(soft)


def test_the_debye_temperature_of_copper() -> None:
    # Cu: K 137, G 48 GPa, 8.96 g/cm3 gives about the calorimetric 343 K
    assert debye_temperature_k(137, 48, 8.96, 63.546) == pytest.approx(335, abs=10)


def test_the_criterion_says_that_it_is_not_sufficient() -> None:
    garnet, sulfide = suppression_ratio(59.0), suppression_ratio(8.1)
    assert garnet.met
    assert not sulfide.met
    assert garnet.ratio == pytest.approx(59 / 4.25)
    assert "not sufficient" in garnet.note
