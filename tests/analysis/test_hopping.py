from __future__ import annotations

import itertools

import numpy as np
import pytest

from interlith.analysis.displacements import Paths, read_paths
from interlith.analysis.hopping import hopping
from interlith.analysis.trajectories import from_arrays
from interlith.analysis.transport import analyse
from interlith.errors import InputError

EDGE, PER_EDGE = 3.0, 4
BOX = EDGE * PER_EDGE
CELL = np.eye(3) * BOX
SITES = np.stack(np.meshgrid(*[np.arange(PER_EDGE) * EDGE] * 3, indexing="ij"), -1).reshape(-1, 3)
RATE = 0.02  # jumps per frame


def lattice_gas(n_frames: int = 3000, n_atoms: int = 10, seed: int = 0) -> tuple[Paths, int]:
    """Atoms that jump to neighbouring sites of a cubic lattice, and rattle by 0.2 Angstrom."""
    rng = np.random.default_rng(seed)
    jump = rng.random((n_frames, n_atoms)) < RATE
    jump[0] = False
    axis = rng.integers(0, 3, size=jump.shape)
    sign = rng.choice([-EDGE, EDGE], size=jump.shape)
    steps = np.eye(3)[axis] * (sign * jump)[..., None]
    start = SITES[rng.choice(len(SITES), n_atoms, replace=False)]
    positions = start + steps.cumsum(axis=0) + rng.normal(size=(n_frames, n_atoms, 3)) * 0.2
    trajectory = from_arrays(positions, CELL, ["Li"] * n_atoms, 100.0)
    return read_paths(trajectory, drift="none"), int(jump.sum())


def test_jumps_on_a_lattice_are_counted() -> None:
    paths, jumps = lattice_gas()
    result = hopping(paths, SITES)
    record = result.record
    assert record.status == "ok"
    assert record.jumps == pytest.approx(jumps, rel=0.02)
    assert record.jumps_per_atom_per_ps == pytest.approx(RATE * 10, rel=0.1)
    (rate,) = record.jump_rates
    assert abs(rate.rate_per_s - RATE / 100e-15) < 4 * rate.sigma_per_s
    assert rate.mean_length_angstrom == pytest.approx(EDGE, rel=0.02)
    assert result.occupancies.sum() == pytest.approx(10, rel=0.01)
    assert record.site_types[0].occupancy == pytest.approx(10 / 64, rel=0.01)
    # free walkers go back with one jump in six
    assert record.returned_fraction == pytest.approx(1 / 6, abs=0.06)


@pytest.mark.parametrize(
    ("cell", "nearest"),
    [
        (np.array([[2.8, 0, 0], [-1.4, 2.8 * 3**0.5 / 2, 0], [0, 0, 4.0]]), 2.8),
        (np.array([[0, 2.0, 2.0], [2.0, 0, 2.0], [2.0, 2.0, 0]]), 8**0.5),
    ],
)
def test_jumps_in_a_skew_cell_have_the_length_of_the_nearest_image(
    cell: np.ndarray, nearest: float
) -> None:
    """Two cells along each side: rounding takes a neighbour across the cell for a farther one."""
    rng = np.random.default_rng(0)
    counts = np.array(list(itertools.product((0, 1), repeat=3)), dtype=float)
    ways = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
    ways = ways[np.isclose(np.linalg.norm(ways @ cell, axis=1), nearest)]
    jump = rng.random((2000, 8)) < RATE
    steps = ways[rng.integers(len(ways), size=jump.shape)] * jump[..., None]
    places = (counts + steps.cumsum(axis=0)) @ cell + rng.normal(scale=0.1, size=(2000, 8, 3))
    paths = read_paths(from_arrays(places, 2 * cell, ["Li"] * 8, 100.0), drift="none")
    record = hopping(paths, counts @ cell).record
    assert record.jumps == pytest.approx(jump.sum(), rel=0.03)
    for one in record.jump_rates:
        assert one.mean_length_angstrom == pytest.approx(nearest, rel=1e-3)
    assert record.core_radius_angstrom < nearest / 2


def test_jumps_and_displacements_give_the_same_diffusivity() -> None:
    paths, _ = lattice_gas(seed=3)
    run = analyse(paths, 600.0).run
    uncorrelated = hopping(paths, SITES).record.uncorrelated_diffusivity_cm2_s
    assert abs(run.self_diffusivity_cm2_s - uncorrelated) < 3 * run.sigma_cm2_s


def test_vibration_across_the_middle_is_no_jump() -> None:
    """An atom that swings between two sites without reaching the other core stays."""
    swing = 1.5 + 0.55 * np.sin(np.arange(400) * 0.7)
    positions = np.zeros((400, 1, 3))
    positions[1:, 0, 0] = swing[1:]
    paths = read_paths(from_arrays(positions, CELL, ["Li"], 100.0), drift="none")
    record = hopping(paths, SITES).record
    assert record.jumps == 0
    assert record.status == "no_answer"
    assert "no atom changed its site" in record.reason
    assert record.uncorrelated_diffusivity_cm2_s is None


def test_rates_are_kept_apart_by_kind() -> None:
    labels = ["a" if round(x / EDGE) % 2 == 0 else "b" for x in SITES[:, 0]]
    paths, _ = lattice_gas(seed=4)
    record = hopping(paths, SITES, labels).record
    found = {(r.from_label, r.to_label): r for r in record.jump_rates}
    assert set(found) == {("a", "a"), ("a", "b"), ("b", "a"), ("b", "b")}
    assert sum(r.jumps for r in found.values()) == record.jumps
    ratio = found["a", "a"].rate_per_s / found["a", "b"].rate_per_s
    assert ratio == pytest.approx(2.0, rel=0.4)
    assert [kind.sites for kind in record.site_types] == [32, 32]


def test_bad_sites_are_refused() -> None:
    paths, _ = lattice_gas(20)
    with pytest.raises(InputError, match="at least two sites"):
        hopping(paths, SITES[:1])
    with pytest.raises(InputError, match="labels for 64 sites"):
        hopping(paths, SITES, ["a"])
    with pytest.raises(InputError, match="same place"):
        hopping(paths, np.concatenate([SITES, SITES[:1] + np.array([BOX, 0, 0])]))
    with pytest.raises(InputError, match="cores overlap"):
        hopping(paths, SITES, core_radius_angstrom=2.0)
