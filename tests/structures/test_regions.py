"""Region labels: right distances, whole, and still there after a trajectory."""

from __future__ import annotations

from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.io.trajectory import Trajectory
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from interlith.errors import InputError
from interlith.structures.files.formats import to_atoms
from interlith.structures.library import build, load_phase
from interlith.structures.regions import Regions, distances, has_regions, label

CELL = np.array([[4.0, 0, 0], [1.0, 5.0, 0], [0.7, 0.3, 20.0]])


def _sandwich() -> Structure:
    heights = np.array([1.0, 6.0, 9.0, 14.0, 19.0])
    places = [[1.0, 1.0, z] for z in heights]
    return Structure(Lattice(CELL), ["Li", "Li", "P", "S", "Co"], places, coords_are_cartesian=True)


NAMES = ["anode", "electrolyte", "electrolyte", "electrolyte", "cathode"]
PLANES = [0.0, 10.0]


def test_distances_are_to_the_nearest_plane_through_the_boundary_too() -> None:
    labelled = label(_sandwich(), NAMES, PLANES)
    regions = Regions.of(labelled)
    np.testing.assert_allclose(regions.interface_distance_angstrom, [1, 4, 1, 4, 1])
    assert regions.mobile.tolist() == [True, True, False, False, False]
    vacuum = Regions.of(label(_sandwich(), NAMES, PLANES, periodic=False))
    np.testing.assert_allclose(vacuum.interface_distance_angstrom, [1, 4, 1, 4, 9])


def test_labelling_changes_nothing_that_was_given() -> None:
    structure = _sandwich()
    label(structure, NAMES, PLANES)
    assert not has_regions(structure)
    atoms = to_atoms(structure)
    label(atoms, NAMES, PLANES)
    assert not has_regions(atoms)


def test_pymatgen_and_ase_get_the_same_labels() -> None:
    structure = _sandwich()
    one = Regions.of(label(structure, NAMES, PLANES))
    other = Regions.of(label(to_atoms(structure), NAMES, PLANES))
    assert one.names == other.names
    assert np.array_equal(one.mobile, other.mobile)
    np.testing.assert_allclose(
        one.interface_distance_angstrom, other.interface_distance_angstrom, atol=1e-12
    )


def test_masks_combine() -> None:
    regions = Regions.of(label(_sandwich(), NAMES, PLANES))
    assert regions.mask("electrolyte").tolist() == [False, True, True, True, False]
    assert regions.mask("electrolyte", within_angstrom=2).tolist() == [0, 0, 1, 0, 0]
    assert regions.mask("electrolyte", beyond_angstrom=2, mobile=True).tolist() == [0, 1, 0, 0, 0]
    assert regions.mask(mobile=False).sum() == 3
    near, far = regions.mask(within_angstrom=1.0), regions.mask(beyond_angstrom=1.0)
    assert np.array_equal(near, ~far)
    with pytest.raises(InputError, match="anode, electrolyte, cathode"):
        regions.mask("coating")
    with pytest.raises(InputError, match="negative"):
        regions.mask(within_angstrom=-1.0)


def test_summary_counts_every_atom_once() -> None:
    rows = Regions.of(label(_sandwich(), NAMES, PLANES)).summary()
    assert [row.name for row in rows] == ["anode", "electrolyte", "cathode"]
    assert sum(row.n_atoms for row in rows) == 5
    assert rows[1].n_mobile == 1
    assert (rows[1].closest_angstrom, rows[1].farthest_angstrom) == pytest.approx((1.0, 4.0))


def test_shared_sites_are_mobile_if_one_of_their_elements_is() -> None:
    structure = Structure(Lattice.cubic(4), [{"Li": 0.5, "Co": 0.5}, "O"], [[0] * 3, [0.5] * 3])
    assert Regions.of(label(structure, ["x", "x"], [0.0])).mobile.tolist() == [True, False]
    sodium = label(structure, ["x", "x"], [0.0], mobile_elements=("Na",))
    assert not Regions.of(sodium).mobile.any()


@given(
    shift=st.integers(-3, 3),
    height=st.floats(-40, 40),
    rise=st.floats(-30, 30),
    planes=st.lists(st.floats(-20, 20), min_size=1, max_size=4),
)
def test_images_and_rigid_shifts_change_no_distance(
    shift: int, height: float, rise: float, planes: list[float]
) -> None:
    at = np.array([[0.3, 0.2, height]])
    here = distances(at, CELL, planes)
    assert np.all((here >= 0) & (here <= 10 + 1e-9))
    np.testing.assert_allclose(distances(at + shift * CELL[2], CELL, planes), here, atol=1e-9)
    risen = distances(at + np.array([0, 0, rise]), CELL, [plane + rise for plane in planes])
    np.testing.assert_allclose(risen, here, atol=1e-9)
    brute = min(abs(height - plane + image * 20.0) for plane in planes for image in range(-6, 7))
    np.testing.assert_allclose(here, brute, atol=1e-9)


def test_turning_the_cell_changes_no_distance() -> None:
    structure = _sandwich()
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    np.testing.assert_allclose(
        distances(structure.cart_coords @ turn, CELL @ turn, PLANES),
        distances(structure.cart_coords, CELL, PLANES),
        atol=1e-10,
    )


def test_frames_with_cells_of_their_own_are_taken_at_once() -> None:
    positions = np.stack([_sandwich().cart_coords + np.array([0, 0, z]) for z in (0.0, 0.5, 1.0)])
    cells = np.stack([CELL, CELL * 1.01, CELL * 1.02])
    together = distances(positions, cells, PLANES)
    assert together.shape == (3, 5)
    for frame, position, cell in zip(together, positions, cells, strict=True):
        np.testing.assert_allclose(frame, distances(position, cell, PLANES))


def _frames() -> tuple[Regions, list[Atoms]]:
    atoms = to_atoms(label(_sandwich(), NAMES, PLANES))
    frames = []
    for step in range(3):
        frame = atoms.copy()
        frame.positions += 0.1 * step
        frames.append(frame)
    return Regions.of(atoms), frames


def test_an_extxyz_trajectory_carries_the_labels(tmp_path: Any) -> None:
    regions, frames = _frames()
    ase.io.write(tmp_path / "t.extxyz", frames)
    back = ase.io.read(tmp_path / "t.extxyz", index=":")
    assert len(back) == 3
    for frame in back:
        found = Regions.of(frame)
        assert found.names == regions.names
        assert np.array_equal(found.mobile, regions.mobile)
        np.testing.assert_allclose(
            found.interface_distance_angstrom, regions.interface_distance_angstrom, atol=1e-8
        )


def test_an_ase_trajectory_takes_the_labels_of_the_first_structure(tmp_path: Any) -> None:
    regions, frames = _frames()
    with Trajectory(tmp_path / "t.traj", "w") as trajectory:
        for frame in frames:
            trajectory.write(frame)
    with Trajectory(tmp_path / "t.traj") as trajectory:
        frame = trajectory[-1]
    assert not has_regions(frame)  # ASE drops arrays that it does not know
    assert Regions.of(regions.attach(frame)) == regions


def test_what_is_not_labelled_is_told_so() -> None:
    structure = _sandwich()
    with pytest.raises(InputError, match="no region labels"):
        Regions.of(structure)
    with pytest.raises(InputError, match="no region labels"):
        Regions.of(to_atoms(structure))
    labelled = label(structure, NAMES, PLANES)
    labelled.append("O", [0, 0, 0])
    with pytest.raises(InputError, match="1 of 6 atoms"):
        Regions.of(labelled)
    with pytest.raises(InputError, match="do not fit"):
        Regions.of(label(structure, NAMES, PLANES)).attach(build(load_phase("LiCl")))


@pytest.mark.parametrize(
    ("names", "planes", "mobile", "words"),
    [
        (["two words", *NAMES[1:]], PLANES, ("Li",), "one word"),
        (["", *NAMES[1:]], PLANES, ("Li",), "one word"),
        (NAMES[1:], PLANES, ("Li",), "4 layer names for 5 atoms"),
        (NAMES, [], ("Li",), "at least one"),
        (NAMES, [float("nan")], ("Li",), "at least one"),
        (NAMES, PLANES, ("Lx",), "Lx"),
    ],
)
def test_unusable_labels_are_refused(
    names: list[str], planes: list[float], mobile: tuple[str, ...], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        label(_sandwich(), names, planes, mobile)


def test_labels_cannot_be_changed_behind_ones_back() -> None:
    away = np.array([1.0])
    regions = Regions(("anode",), away, np.array([True]))
    away[0] = 7.0
    assert regions.interface_distance_angstrom[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        regions.mobile[0] = False
    with pytest.raises(InputError, match="not negative"):
        Regions(("anode",), np.array([-1.0]), np.array([True]))
    with pytest.raises(InputError, match="belong together"):
        Regions(("anode", "x"), np.array([1.0]), np.array([True]))
    with pytest.raises(InputError, match="no volume"):
        distances([[0, 0, 0]], np.zeros((3, 3)), [0.0])
