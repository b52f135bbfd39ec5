from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from interlith.analysis.displacements import Paths, read_paths
from interlith.analysis.layers import Layer, layers_of
from interlith.analysis.regional import (
    depth_labels,
    layer_labels,
    regional_diffusivity,
)
from interlith.analysis.trajectories import from_arrays
from interlith.errors import InputError
from interlith.structures.regions import Regions, label

CELL = np.eye(3) * 40.0
SLOW, FAST, ACROSS = 0.15, 0.45, 0.2


def two_regions(seed: int, n_frames: int = 4000, n_atoms: int = 40) -> Paths:
    """Walkers that are slow in the plane below 20 Angstrom, fast above, and cross freely."""
    rng = np.random.default_rng(seed)
    place = rng.random((n_atoms, 3)) * 40.0
    positions = np.empty((n_frames, n_atoms, 3))
    for frame in range(n_frames):
        positions[frame] = place
        plane = np.where(place[:, 2] % 40.0 < 20.0, SLOW, FAST)[:, None]
        step = plane * np.array([1.0, 1.0, 0.0]) + np.array([0.0, 0.0, ACROSS])
        place = place + rng.normal(size=(n_atoms, 3)) * step
    return read_paths(from_arrays(positions, CELL, ["Li"] * n_atoms, 100.0), drift="none")


def cm2_s(step: float) -> float:
    return step**2 / 2 / 100.0 * 0.1


LAYERS = [Layer("slow", 0.0, 20.0), Layer("fast", 20.0, 40.0)]


def test_both_regions_give_their_own_diffusivity() -> None:
    off = []
    for seed in range(6):
        paths = two_regions(seed)
        found = regional_diffusivity(paths, *layer_labels(paths, LAYERS))
        assert [row.region for row in found] == ["slow", "fast"]
        for row, step in zip(found, (SLOW, FAST), strict=True):
            assert row.status == "ok"
            off.append((row.self_diffusivity_cm2_s - cm2_s(step)) / row.sigma_cm2_s)
            assert row.sigma_cm2_s < 0.1 * cm2_s(step)
            if row.normal_diffusivity_cm2_s is not None:
                error = row.normal_diffusivity_cm2_s - cm2_s(ACROSS)
                assert abs(error) < 4.5 * row.normal_sigma_cm2_s
            else:
                assert row.normal_reason
        assert sum(row.mean_mobile_atoms for row in found) == pytest.approx(40.0)
    assert np.abs(off).max() < 4
    assert abs(np.mean(off)) < 1
    assert np.std(off) < 1.8


def test_depth_bins_see_the_same() -> None:
    paths = two_regions(3)
    # planes at 0 and 20: distances 0 to 10 from either, both regions mixed; so shift one plane
    labels, names = depth_labels(paths, [10.0], [0.0, 10.0, 20.0])
    assert names == ("0-10 Angstrom", "10-20 Angstrom")
    near, far = regional_diffusivity(paths, labels, names)
    assert abs(near.self_diffusivity_cm2_s - cm2_s(SLOW)) < 4 * near.sigma_cm2_s
    assert abs(far.self_diffusivity_cm2_s - cm2_s(FAST)) < 4 * far.sigma_cm2_s


def test_one_region_is_the_whole() -> None:
    rng = np.random.default_rng(1)
    steps = rng.normal(size=(3000, 20, 3)) * [0.3, 0.3, 0.2]
    paths = read_paths(from_arrays(steps.cumsum(axis=0), CELL, ["Li"] * 20, 100.0), drift="none")
    (row,) = regional_diffusivity(paths, *layer_labels(paths, [Layer("all", 0.0, 40.0)]))
    assert abs(row.self_diffusivity_cm2_s - cm2_s(0.3)) < 4 * row.sigma_cm2_s
    assert abs(row.normal_diffusivity_cm2_s - cm2_s(0.2)) < 4 * row.normal_sigma_cm2_s


def test_no_answer_has_a_reason() -> None:
    paths = two_regions(1, n_frames=400)
    layers = [Layer("thin", 0.0, 0.3), Layer("rest", 0.3, 40.0), Layer("nowhere", 40.0, 40.0)]
    thin, _, nowhere = regional_diffusivity(paths, *layer_labels(paths, layers))
    assert thin.status == "no_answer"
    assert "too few windows" in thin.reason
    assert nowhere.reason == "no mobile atom is ever in this region"
    assert thin.self_diffusivity_cm2_s is None


def test_layers_follow_the_labels() -> None:
    lattice = Lattice.orthorhombic(4, 4, 40)
    heights = [2.0, 8.0, 14.0, 22.0, 30.0, 36.0]
    structure = Structure(
        lattice, ["S", "S", "S", "Li", "Li", "O"], [[0, 0, h / 40] for h in heights]
    )
    names = ["electrolyte"] * 3 + ["anode"] * 2 + ["electrolyte"]
    labelled = label(structure, names, [18.0, 33.0])
    layers = layers_of(Regions.of(labelled), structure.cart_coords, lattice.matrix)
    assert [layer.name for layer in layers] == ["anode", "electrolyte"]
    assert layers[0].low_angstrom == pytest.approx(18.0)
    assert layers[0].high_angstrom == pytest.approx(33.0)
    assert layers[1].low_angstrom == pytest.approx(33.0)
    assert layers[1].high_angstrom == pytest.approx(58.0)
    paths = read_paths(
        from_arrays(
            np.repeat(structure.cart_coords[None], 3, axis=0),
            lattice.matrix,
            ["S", "S", "S", "Li", "Li", "O"],
            1.0,
        ),
        range(6),
        drift="none",
    )
    labels, names_found = layer_labels(paths, layers)
    assert [names_found[i] for i in labels[0]] == names


def test_an_atom_that_strayed_makes_no_layer() -> None:
    """Li of the metal among the S of the electrolyte: the layers stay two."""
    lattice = Lattice.orthorhombic(4, 4, 40)
    heights = [2.0, 5.0, 8.0, 11.0, 14.0, 22.0, 25.0, 28.0, 31.0, 34.0, 12.5, 37.9]
    kinds = ["S"] * 5 + ["Li"] * 6 + ["S"]
    structure = Structure(lattice, kinds, [[0, 0, h / 40] for h in heights])
    names = ["electrolyte"] * 5 + ["anode"] * 6 + ["electrolyte"]
    labelled = label(structure, names, [18.0, 36.0])
    layers = layers_of(Regions.of(labelled), structure.cart_coords, lattice.matrix)
    assert [layer.name for layer in layers] == ["anode", "electrolyte"]
    assert layers[0].low_angstrom == pytest.approx(18.0)
    assert layers[0].high_angstrom == pytest.approx(35.95)


def test_labels_must_fit() -> None:
    paths = two_regions(1, n_frames=60)
    with pytest.raises(InputError, match="do not fit"):
        regional_diffusivity(paths, np.zeros((3, 2), dtype=int), ("a",))
    with pytest.raises(InputError, match="ascending"):
        depth_labels(paths, [0.0], [3.0, 1.0])
    with pytest.raises(InputError, match="interface plane"):
        depth_labels(paths, [], [1.0, 3.0])
