"""Strain bookkeeping: conversions, sharing, and elastic energy against real potentials."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.stress import voigt_6_to_full_3x3_stress
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from interlith.engines.potentials import potential
from interlith.engines.relax import relax
from interlith.errors import InputError
from interlith.structures.interfaces.matching import match_lattices
from interlith.structures.interfaces.strain import (
    biot_strain,
    deformation_between,
    elastic_energy,
    embed,
    green_lagrange,
    polar,
    principal_strains,
    share_by_stiffness,
    share_stretch,
    strain_structure,
    thickness_stretch,
    voigt_strain,
    von_mises,
)
from interlith.structures.library import build, load_phase
from interlith.units import GPA_PER_EV_PER_ANGSTROM3


def _gradients(count: int, size: int = 2) -> list[np.ndarray]:
    rng = np.random.default_rng(7)
    return [np.eye(size) + 0.2 * rng.normal(size=(size, size)) for _ in range(count)]


def _turn(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


@pytest.mark.parametrize("size", [2, 3])
def test_polar_parts_give_the_gradient_back(size) -> None:
    for gradient in _gradients(10, size):
        rotation, stretch = polar(gradient)
        assert np.allclose(rotation @ stretch, gradient)
        assert np.allclose(rotation @ rotation.T, np.eye(size))
        assert np.allclose(stretch, stretch.T)
        assert np.linalg.det(rotation) == pytest.approx(1)
        assert np.linalg.eigvalsh(stretch).min() > 0


def test_a_rotation_before_straining_changes_no_strain_and_one_after_turns_it() -> None:
    gradient = _gradients(1)[0]
    strain = biot_strain(gradient)
    assert biot_strain(gradient @ _turn(0.9)) == pytest.approx(strain)
    turned = biot_strain(_turn(0.9) @ gradient)
    assert turned != pytest.approx(strain)
    assert principal_strains(turned) == pytest.approx(principal_strains(strain))
    assert von_mises(turned) == pytest.approx(von_mises(strain))


def test_principal_strains_are_the_changes_of_length() -> None:
    gradient = _gradients(1)[0]
    lengths = np.linalg.norm(gradient @ _turn_fan(), axis=0) - 1
    assert principal_strains(biot_strain(gradient)) == pytest.approx(
        (lengths.min(), lengths.max()), abs=1e-6
    )


def _turn_fan() -> np.ndarray:
    angles = np.linspace(0, np.pi, 20001)
    return np.array([np.cos(angles), np.sin(angles)])


def test_biot_and_green_lagrange_agree_at_first_order() -> None:
    for size in (1e-3, 1e-4):
        gradient = np.eye(2) + size * np.array([[1.0, 0.4], [0.4, -2.0]])
        x, y, xy = biot_strain(gradient)
        difference = green_lagrange(gradient) - np.array([[x, xy], [xy, y]])
        assert np.abs(difference).max() < 3 * size**2


def test_von_mises_is_the_norm_of_the_deviator() -> None:
    x, y, xy = 0.02, -0.01, 0.004
    full = np.array([[x, xy, 0], [xy, y, 0], [0, 0, 0]])
    deviator = full - np.trace(full) / 3 * np.eye(3)
    assert von_mises((x, y, xy)) == pytest.approx(np.sqrt(2 / 3 * (deviator**2).sum()))


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 1.0])
def test_shares_of_a_stretch_make_up_the_whole(share) -> None:
    stretch = polar(_gradients(1)[0])[1]
    part = share_stretch(stretch, share)
    assert np.allclose(part @ share_stretch(stretch, 1 - share), stretch)
    assert np.allclose(
        np.log(np.linalg.eigvalsh(part)), share * np.log(np.linalg.eigvalsh(stretch))
    )


def test_a_gradient_between_two_cells_takes_one_to_the_other() -> None:
    before, after = np.array([[3.0, 0.2], [-1.0, 2.5]]), np.array([[2.9, 0.0], [-1.1, 2.7]])
    assert np.allclose(before @ deformation_between(before, after).T, after)


def test_the_softer_and_the_thinner_side_take_more() -> None:
    assert share_by_stiffness(100, 10, 100, 10).share_a == pytest.approx(0.5)
    assert share_by_stiffness(5, 10, 150, 10).share_a == pytest.approx(150 / 155)
    assert share_by_stiffness(100, 30, 100, 10).share_a == pytest.approx(0.25)
    one, other = share_by_stiffness(5, 12, 150, 20), share_by_stiffness(150, 20, 5, 12)
    assert one.share_a + other.share_a == pytest.approx(1)


def test_stiffness_sharing_is_the_least_energy() -> None:
    stiff_a, stiff_b = 5 * 12.0, 150 * 20.0
    shares = np.linspace(0, 1, 100001)
    energy = stiff_a * shares**2 + stiff_b * (1 - shares) ** 2
    best = shares[np.argmin(energy)]
    assert share_by_stiffness(5, 12, 150, 20).share_a == pytest.approx(best, abs=1e-4)


def test_an_unknown_modulus_is_said() -> None:
    share = share_by_stiffness(None, 10, 150, 30)
    assert share.share_a == pytest.approx(0.75)
    assert "modulus of a unknown" in share.basis
    assert "a and b unknown" in share_by_stiffness(None, 1, None, 1).basis
    assert "5 and 150 GPa" in share_by_stiffness(5, 1, 150, 1).basis


def test_a_strained_structure_has_the_strained_cell_and_keeps_its_labels() -> None:
    structure = Structure(
        Lattice.tetragonal(4.0, 9.0),
        ["Li", "F"],
        [[0, 0, 0], [0.5, 0.5, 0.5]],
        site_properties={"region": ["anode", "anode"]},
    )
    match = match_lattices(np.eye(2) * 4.0, np.eye(2) * 4.1, max_area_angstrom2=20)[0]
    strained = strain_structure(structure, match.deformation_a, 0.98)
    assert np.allclose(strained.lattice.matrix[:2, :2], match.cell)
    assert strained.lattice.c == pytest.approx(9.0 * 0.98)
    assert strained.site_properties["region"] == ["anode", "anode"]
    assert np.allclose(strained.frac_coords, structure.frac_coords)
    assert structure.lattice.a == 4.0
    gradient = embed(match.deformation_a, 0.98)
    assert np.allclose(strained.cart_coords, structure.cart_coords @ gradient.T)


def test_thickness_follows_poisson() -> None:
    assert thickness_stretch((0.01, 0.01, 0.0), 0.25) == pytest.approx(1 - 0.02 / 3)
    assert thickness_stretch((0.01, 0.01, 0.3), 0.0) == 1.0
    # An incompressible slab keeps its volume at first order.
    assert thickness_stretch((1e-4, 2e-4, 0.0), 0.5) == pytest.approx(1 - 3e-4)
    with pytest.raises(InputError, match="Poisson"):
        thickness_stretch((0.01, 0.0, 0.0), 0.7)
    with pytest.raises(InputError, match="not small"):
        thickness_stretch((0.9, 0.9, 0.0), 0.45)


@pytest.mark.parametrize(
    "call",
    [
        lambda: share_by_stiffness(-1, 10, 10, 10),
        lambda: share_by_stiffness(10, 0, 10, 10),
        lambda: share_by_stiffness(10, float("nan"), 10, 10),
        lambda: polar([[1, 0], [0, -1]]),
        lambda: polar([[np.nan, 0], [0, 1]]),
        lambda: biot_strain([1, 2]),
        lambda: elastic_energy(np.eye(3), np.zeros(3), 1.0),
        lambda: voigt_strain(np.zeros(4)),
    ],
)
def test_nonsense_is_refused_in_words(call) -> None:
    with pytest.raises(InputError):
        call()


def test_elastic_energy_by_hand() -> None:
    stiffness = np.diag([160.21766, 0, 0, 0, 0, 160.21766])
    assert elastic_energy(stiffness, (0.1, 0.0, 0.0), 100.0) == pytest.approx(0.5, rel=1e-6)
    # Shear enters as the engineering strain, twice the tensor component.
    assert elastic_energy(stiffness, (0.0, 0.0, 0.05), 100.0) == pytest.approx(0.5, rel=1e-6)
    tensor = np.zeros((3, 3))
    tensor[0, 1] = tensor[1, 0] = 0.05
    assert elastic_energy(stiffness, tensor, 100.0) == pytest.approx(0.5, rel=1e-6)


def _strained(atoms: Atoms, gradient: np.ndarray, calculator: object, relaxed: bool) -> Atoms:
    strained = atoms.copy()
    strained.set_cell(atoms.cell @ gradient.T, scale_atoms=True)
    if relaxed:
        strained, _ = relax(strained, calculator, cell=False, fmax_ev_per_angstrom=1e-3)
    strained.calc = calculator
    return strained


def _stiffness_gpa(atoms: Atoms, calculator: object, relaxed: bool) -> np.ndarray:
    """Central differences of the stress; columns by engineering strain, symmetrised."""
    step, columns = 2e-3, []
    for component in range(6):
        strain = np.zeros(6)
        strain[component] = step
        tensor = voigt_6_to_full_3x3_stress(strain * np.array([1, 1, 1, 0.5, 0.5, 0.5]))
        plus, minus = (
            _strained(atoms, np.eye(3) + s * tensor, calculator, relaxed).get_stress()
            for s in (1, -1)
        )
        columns.append((plus - minus) / (2 * step))
    stiffness = np.array(columns).T * GPA_PER_EV_PER_ANGSTROM3
    return (stiffness + stiffness.T) / 2


def _check_energy_law(atoms: Atoms, calculator: object, *, relaxed: bool = False) -> None:
    """The energy of in-plane strains as of a match is 1/2 V e C e within 10 %."""
    stiffness = _stiffness_gpa(atoms, calculator, relaxed)
    start = _strained(atoms, np.eye(3), calculator, relaxed).get_potential_energy()
    structure = AseAtomsAdaptor.get_structure(atoms)
    for target in ([[1.006, 0.0], [0.0, 1.006]], [[0.993, 0.004], [0.001, 1.007]]):
        gradient = _turn(0.4) @ np.array(target)
        strain = biot_strain(polar(gradient)[1])  # in the frame of the stiffness
        strained = strain_structure(structure, gradient)
        other = AseAtomsAdaptor.get_atoms(strained, msonable=False)
        if relaxed:
            other, _ = relax(other, calculator, cell=False, fmax_ev_per_angstrom=1e-3)
        other.calc = calculator
        measured = other.get_potential_energy() - start
        expected = elastic_energy(stiffness, strain, atoms.get_volume())
        print(f"{atoms.get_chemical_formula()}: {measured:.6f} eV, 1/2 V e C e {expected:.6f} eV")
        assert expected > 0
        assert measured == pytest.approx(expected, rel=0.1)


def test_the_energy_of_strained_copper_is_the_elastic_one() -> None:
    calculator = potential("emt").calculator()
    atoms, _ = relax(bulk("Cu", cubic=True), calculator, fmax_ev_per_angstrom=1e-5)
    _check_energy_law(atoms, calculator)


@pytest.mark.slow
@pytest.mark.ml
@pytest.mark.parametrize("name", ["Li", "LiF", "Li2S"])
def test_the_energy_of_strained_crystals_of_the_library_is_the_elastic_one(name) -> None:
    calculator = potential("7net-0").calculator()
    atoms = AseAtomsAdaptor.get_atoms(build(load_phase(name)), msonable=False)
    atoms, _ = relax(atoms, calculator, fmax_ev_per_angstrom=1e-3)
    _check_energy_law(atoms, calculator, relaxed=len(set(atoms.get_chemical_symbols())) > 1)
