"""Tilt boundaries: geometry against pymatgen, symmetry, composition; bad input in words."""

from __future__ import annotations

import numpy as np
import pytest
from ase.calculators.emt import EMT
from pymatgen.core import Lattice, Structure
from pymatgen.core.interface import GrainBoundaryGenerator
from pymatgen.io.ase import AseAtomsAdaptor

from interlith.errors import InputError
from interlith.structures.checks import SMALLEST_DISTANCE_RATIO, closest_pair
from interlith.structures.library import build, load_phase
from interlith.structures.regions import Regions
from interlith.structures.surfaces.grain_boundaries import tilt_boundary
from interlith.structures.surfaces.tilt_geometry import sigma_of_plane, tilt_angle_deg, tilt_sigmas

LI3OCL = build(load_phase("Li3OCl"))
ARGYRODITE = build(load_phase("Li6PS5Cl-24g"))
COPPER = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.61), ["Cu"], [[0, 0, 0]])
CASES = [
    (LI3OCL, 5, (0, 0, 1), (3, 1, 0)),
    (LI3OCL, 3, (1, 1, 0), (1, -1, 1)),
    (LI3OCL, 3, (1, 1, 0), (1, -1, 2)),
    (ARGYRODITE, 5, (0, 0, 1), (2, 1, 0)),
    (ARGYRODITE, 3, (1, 1, 0), (1, -1, 1)),
]


def _garnet_of_cubic_shape() -> Structure:
    """Ordered garnet with its edges made equal, as an ordering of the cubic phase has them."""
    tetragonal = build(load_phase("Li7La3Zr2O12-tetragonal"))
    return Structure(Lattice.cubic(12.97), tetragonal.species, tetragonal.frac_coords)


@pytest.mark.parametrize("axis", [(0, 0, 1), (1, 1, 0), (1, 1, 1), (2, 1, 0)])
def test_sigmas_and_angles_are_those_of_pymatgen(axis) -> None:
    theirs = GrainBoundaryGenerator.enum_sigma_cubic(50, axis)
    ours = tilt_sigmas(axis, 50)
    assert ours
    for sigma, planes in ours.items():
        for plane in planes:
            assert np.dot(plane, axis) == 0
            assert sigma_of_plane(plane) == sigma
            angle = tilt_angle_deg(axis, plane)
            assert any(abs(angle - known) < 1e-6 for known in theirs[sigma])
    if axis in {(0, 0, 1), (1, 1, 0)}:
        assert set(ours) == set(theirs)


@pytest.mark.parametrize(("bulk", "sigma", "axis", "plane"), CASES)
def test_a_boundary_keeps_the_crystals_composition_and_distances(bulk, sigma, axis, plane) -> None:
    found = tilt_boundary(bulk, sigma, axis, plane)
    structure = found.structure
    assert structure.composition.reduced_formula == bulk.composition.reduced_formula
    assert closest_pair(structure)[0] == pytest.approx(found.min_distance_ratio)
    assert SMALLEST_DISTANCE_RATIO <= found.min_distance_ratio
    assert found.n_atoms <= 400
    assert found.grain_angstrom >= 10
    # Volume: the crystal's, and the opening at both boundaries.
    crystal = bulk.volume / len(bulk) * found.n_atoms
    opening = 2 * found.area_angstrom2 * found.chosen.opening_angstrom
    assert structure.volume == pytest.approx(crystal + opening)
    assert structure.lattice.alpha == structure.lattice.beta == 90


@pytest.mark.parametrize(("bulk", "sigma", "axis", "plane"), CASES)
def test_half_a_turn_takes_one_grain_and_boundary_into_the_other(bulk, sigma, axis, plane) -> None:
    structure = tilt_boundary(bulk, sigma, axis, plane).structure
    half = len(structure) // 2
    turned = structure.cart_coords[:half] * [-1, -1, 1] + [0, 0, structure.lattice.c / 2]
    offset = structure.cart_coords[half] - turned[0]
    fractional = structure.lattice.get_fractional_coords(turned + offset)
    difference = fractional - structure.frac_coords[half:]
    assert np.abs(difference - np.rint(difference)).max() < 1e-8
    assert abs(offset[2] / structure.lattice.c - round(offset[2] / structure.lattice.c)) < 1e-8
    assert structure.species[:half] == structure.species[half:]


def test_the_lattices_are_those_of_pymatgen_and_its_atoms_are_not() -> None:
    ours = tilt_boundary(LI3OCL, 5, (0, 0, 1), (3, 1, 0))
    generator = GrainBoundaryGenerator(LI3OCL)
    theirs = generator.gb_from_parameters(
        (0, 0, 1), ours.angle_deg, expand_times=2, plane=(3, 1, 0), rm_ratio=0.0
    )
    area = np.linalg.norm(np.cross(*theirs.lattice.matrix[:2]))
    assert ours.area_angstrom2 == pytest.approx(area)
    assert sorted(ours.structure.lattice.abc[:2]) == pytest.approx(sorted(theirs.lattice.abc[:2]))
    # Left as joined its atoms overlap; with its own remedy the salt is no longer neutral.
    assert closest_pair(Structure.from_sites(theirs.sites))[0] < SMALLEST_DISTANCE_RATIO
    mended = generator.gb_from_parameters(
        (0, 0, 1), ours.angle_deg, expand_times=2, plane=(3, 1, 0), rm_ratio=0.7
    )
    assert mended.composition.reduced_formula != LI3OCL.composition.reduced_formula


def test_grains_are_labelled_with_their_distance_to_the_boundary() -> None:
    found = tilt_boundary(ARGYRODITE, 5, (0, 0, 1))
    labels = Regions.of(found.structure)
    half = found.n_atoms // 2
    assert labels.names == ("grain_a",) * half + ("grain_b",) * half
    assert labels.mobile.sum() == found.structure.composition["Li"]
    heights = found.structure.cart_coords[:, 2] % (found.structure.lattice.c / 2)
    nearest = np.minimum(heights, found.structure.lattice.c / 2 - heights)
    assert labels.interface_distance_angstrom == pytest.approx(nearest, abs=1e-6)


def test_molecular_anions_stay_whole() -> None:
    for _, sigma, axis, plane in CASES[3:]:
        structure = tilt_boundary(ARGYRODITE, sigma, axis, plane).structure
        labels = structure.site_properties["region"]
        for index, site in enumerate(structure):
            if site.specie.symbol == "P":
                near = [n for n in structure.get_neighbors(site, 2.3) if n.specie.symbol == "S"]
                assert len(near) == 4
                assert {labels[n.index] for n in near} == {labels[index]}


def test_an_ordered_garnet_of_cubic_shape_fits_the_budget() -> None:
    found = tilt_boundary(_garnet_of_cubic_shape(), 3, (1, 1, 0), (1, -1, 2))
    assert found.n_atoms == 384
    assert found.min_distance_ratio >= SMALLEST_DISTANCE_RATIO
    assert found.structure.composition.reduced_formula == "Li7La3Zr2O12"


def test_two_builds_are_identical() -> None:
    one, two = (tilt_boundary(ARGYRODITE, 3, (1, 1, 0)) for _ in range(2))
    assert np.array_equal(one.structure.cart_coords, two.structure.cart_coords)
    assert one.structure.species == two.structure.species
    assert one.considered == two.considered


def test_a_primitive_cell_gives_the_same_boundary() -> None:
    primitive = build(load_phase("Li6PS5Cl-24g"), primitive=True)
    one, two = (tilt_boundary(bulk, 5, (0, 0, 1)) for bulk in (ARGYRODITE, primitive))
    assert one.n_atoms == two.n_atoms
    assert one.area_angstrom2 == pytest.approx(two.area_angstrom2)


def _emt_energy(structure: Structure) -> float:
    atoms = AseAtomsAdaptor.get_atoms(structure, msonable=False)
    atoms.calc = EMT()
    return float(atoms.get_potential_energy())


def test_an_energy_picks_the_lowest_and_the_coherent_twin_of_copper_costs_little() -> None:
    bulk = _emt_energy(COPPER) / len(COPPER)
    costs = {}
    for sigma, axis, plane in ((3, (1, 1, 0), (1, -1, 1)), (5, (0, 0, 1), (3, 1, 0))):
        found = tilt_boundary(
            COPPER, sigma, axis, plane, mobile_elements=("Cu",), energy=_emt_energy
        )
        energies = [one.energy_ev for one in found.considered]
        assert energies == sorted(energies)
        assert found.chosen == found.considered[0]
        assert _emt_energy(found.structure) == pytest.approx(energies[0])
        excess = energies[0] - bulk * found.n_atoms
        costs[sigma] = excess / (2 * found.area_angstrom2)
    # This potential hardly tells the two close packings apart: its twin costs next to nothing.
    assert costs[5] > 0.02  # eV/A2
    assert abs(costs[3]) < 0.02 * costs[5]


@pytest.mark.parametrize(
    ("sigma", "axis", "plane", "words"),
    [
        (4, (0, 0, 1), None, "no symmetric tilt boundary of sigma 4 .* 5, 13, 17"),
        (5, (0, 0, 0), None, "is no axis"),
        (5, (0, 0, 1.5), None, "three integers"),
        (5, (1, 2, 3), None, "no twofold axis"),
        (5, (0, 0, 1), (3, 1, 1), "does not hold the axis"),
        (5, (0, 0, 1), (5, 1, 0), r"sigma 13, not 5.*\(2 1 0\), \(3 1 0\)"),
    ],
)
def test_a_boundary_that_is_none_says_what_there_is(sigma, axis, plane, words) -> None:
    with pytest.raises(InputError, match=words):
        tilt_boundary(LI3OCL, sigma, axis, plane)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_atoms": 20}, "takes 90 atoms, the budget is 20: raise .* at most 2.5 Angstrom"),
        ({"max_atoms": 5}, "at least 10 atoms"),
        ({"min_grain_angstrom": -3.0}, "must be positive"),
        ({"max_atoms": 0}, "at least 1"),
        ({"shift_spacing_angstrom": 0.0}, "must be positive"),
    ],
)
def test_sizes_that_cannot_be_are_refused_in_words(settings, words) -> None:
    with pytest.raises(InputError, match=words):
        tilt_boundary(LI3OCL, 5, (0, 0, 1), (3, 1, 0), **settings)


def test_disordered_and_other_crystals_are_refused_in_words() -> None:
    disordered = Structure(Lattice.cubic(4), [{"Li": 0.5}], [[0, 0, 0]])
    with pytest.raises(InputError, match="build order"):
        tilt_boundary(disordered, 5, (0, 0, 1))
    garnet = build(load_phase("Li7La3Zr2O12-tetragonal"))
    with pytest.raises(InputError, match=r"not cubic.*12\.710"):
        tilt_boundary(garnet, 5, (0, 0, 1))
