"""Regional diffusion of whole runs: each region its own, depth from the planes that touch."""

from __future__ import annotations

import numpy as np
import pytest

from interlith.analysis.displacements import read_paths
from interlith.analysis.regional_results import interface_planes, regional_runs
from interlith.analysis.trajectories import from_arrays
from interlith.errors import InputError

SLOW, FAST = 0.15, 0.45


def _cell(n_frames: int = 3000) -> tuple[np.ndarray, np.ndarray, list[str], list[str]]:
    """Two slabs of resting Cl, 1 to 19 and 21 to 39 A, with Li that wander in their plane."""
    rng = np.random.default_rng(0)
    frame = np.array([[2.0 * i % 40, 5.0, z] for i, z in enumerate([1, 10, 19, 21, 30, 39])])
    walkers = np.array([[0.0, 0.0, z] for z in np.linspace(2, 18, 20)] * 2)
    walkers[20:, 2] += 20.0
    size = np.repeat([SLOW, FAST], 20)[:, None] * np.array([1.0, 1.0, 0.0])
    moves = rng.normal(size=(n_frames, 40, 3)) * size
    paths = walkers + moves.cumsum(axis=0)
    positions = np.concatenate([np.repeat(frame[None], n_frames, axis=0), paths], axis=1)
    symbols = ["Cl"] * 6 + ["Li"] * 40
    regions = ["anode"] * 3 + ["electrolyte"] * 3 + ["anode"] * 20 + ["electrolyte"] * 20
    return positions, np.eye(3) * 40.0, symbols, regions


def _cm2_s(step: float) -> float:
    return step**2 / 2 / 100.0 * 0.1


def test_each_region_has_its_own_diffusivity_and_depth_counts_from_the_planes() -> None:
    positions, cell, symbols, regions = _cell()
    paths = read_paths(from_arrays(positions, cell, symbols, 100.0), "Li")
    by_region, by_depth = regional_runs(
        paths, regions, positions[0], cell, temperature_k=600.0, discarded_ps=0.0,
        depth_edges_angstrom=(0, 5, 10),
    )  # fmt: skip
    assert [row.region for row in by_region.rows] == ["anode", "electrolyte"]
    for row, step in zip(by_region.rows, (SLOW, FAST), strict=True):
        assert row.status == "ok"
        error = row.self_diffusivity_cm2_s - _cm2_s(step)
        assert abs(error) < 4 * row.sigma_cm2_s < _cm2_s(step)
    assert by_region.planes_angstrom == pytest.approx((0.0, 20.0))
    assert [span.region for span in by_region.spans] == ["anode", "electrolyte"]
    assert [row.region for row in by_depth.rows] == ["0-5 Angstrom", "5-10 Angstrom"]
    assert sum(row.mean_mobile_atoms for row in by_depth.rows) == pytest.approx(40.0)
    mixed = (_cm2_s(SLOW) + _cm2_s(FAST)) / 2  # both bins hold as many slow as fast ones
    for row in by_depth.rows:
        assert abs(row.self_diffusivity_cm2_s - mixed) < 4 * row.sigma_cm2_s


def test_regions_with_vacuum_between_them_do_not_touch() -> None:
    heights = [1.0, 3.0, 5.0, 7.0]
    assert interface_planes(heights, ["a", "a", "b", "b"], 30.0) == pytest.approx((4.0,))
    assert interface_planes(heights, ["a", "a", "b", "b"], 9.0) == pytest.approx((4.0, 8.5))
    assert interface_planes(heights, ["a"] * 4, 9.0) == ()
    shifted = [h + 100.25 for h in heights]
    assert interface_planes(shifted, ["a", "a", "b", "b"], 30.0) == pytest.approx((14.25,))


def test_what_cannot_be_done_says_why() -> None:
    positions, cell, symbols, regions = _cell(200)
    paths = read_paths(from_arrays(positions, cell, symbols, 100.0), "Li")
    known = {"temperature_k": 600.0, "discarded_ps": 0.0}
    with pytest.raises(InputError, match="45 region labels do not fit"):
        regional_runs(paths, regions[:-1], positions[0], cell, **known)
    with pytest.raises(InputError, match="has no interface"):
        regional_runs(paths, ["one"] * 46, positions[0], cell, depth_edges_angstrom=(0, 5), **known)
