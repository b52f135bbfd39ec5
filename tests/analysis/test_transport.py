from __future__ import annotations

import numpy as np
import pytest

from interlith.analysis.displacements import Paths, read_paths
from interlith.analysis.trajectories import from_arrays
from interlith.analysis.transport import (
    analyse,
    finite_size_correction_cm2_s,
    interval95,
    nernst_einstein_factor,
)
from interlith.analysis.transport_records import TransportRun
from interlith.errors import InputError

CELL = np.eye(3) * 20.0
STEP = 0.3
TRUE = STEP**2 / 2 / 100.0 * 0.1  # cm2/s, frames 100 fs apart


def walkers(n_frames: int, n_atoms: int, seed: int, group: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(n_frames, n_atoms // group, 3)) * STEP
    start = rng.random((n_atoms, 3)) * 20.0
    return start + np.repeat(steps, group, axis=1).cumsum(axis=0)


def paths_of(positions: np.ndarray, time_step_fs: float = 100.0) -> Paths:
    symbols = ["Li"] * positions.shape[1]
    return read_paths(from_arrays(positions, CELL, symbols, time_step_fs), drift="none")


def run_of(positions: np.ndarray, time_step_fs: float = 100.0, **options: float) -> TransportRun:
    return analyse(paths_of(positions, time_step_fs), 600.0, **options).run


def test_walkers_give_their_diffusivity_and_a_haven_ratio_of_one() -> None:
    run = run_of(walkers(3000, 40, seed=1))
    assert run.status == "ok"
    assert abs(run.self_diffusivity_cm2_s - TRUE) < 3 * run.sigma_cm2_s
    assert run.interval95_cm2_s[0] < TRUE < run.interval95_cm2_s[1]
    assert abs(run.haven_ratio - 1) < 3 * run.haven_sigma
    assert run.haven_sigma < 0.15
    assert run.conductivity_ms_cm == pytest.approx(
        nernst_einstein_factor(40, 8000.0, 600.0) * run.self_diffusivity_cm2_s
    )
    diagonal = np.diag(run.diffusion_tensor_cm2_s)
    assert diagonal.mean() == pytest.approx(run.self_diffusivity_cm2_s)
    assert np.all(np.abs(diagonal - TRUE) < 4 * np.array(run.tensor_diagonal_sigma_cm2_s))


def test_haven_ratios_are_right_on_average() -> None:
    runs = [run_of(walkers(1000, 12, seed)) for seed in range(60)]
    off = np.array([(r.haven_ratio - 1) / r.haven_sigma for r in runs if r.haven_ratio])
    assert off.size >= 54
    assert abs(off.mean()) < 0.5
    assert 0.7 < off.std() < 1.35


@pytest.mark.parametrize("group", [2, 4])
def test_atoms_that_move_together_have_a_haven_ratio_below_one(group: int) -> None:
    run = run_of(walkers(4000, 24, seed=2, group=group))
    assert abs(run.haven_ratio - 1 / group) < 3 * run.haven_sigma
    assert run.fit.correlation_factor == pytest.approx(group, rel=0.3)


def test_atoms_that_move_against_each_other_have_one_above_one() -> None:
    positions = walkers(4000, 24, seed=3)
    start = positions[0]
    moved = positions - start
    moved[:, 1::2] = 0.5 * moved[:, 1::2] - 0.5 * moved[:, ::2]
    run = run_of(start + moved)
    # D: mean of 1 and 1/2; the sum of a pair moves by half a step of each: 1/2 over 2 atoms
    assert abs(run.haven_ratio - 0.75 / 0.25) < 3 * run.haven_sigma


def test_time_and_length_scale() -> None:
    positions = walkers(800, 20, seed=4)
    one, slow = run_of(positions), run_of(positions, 200.0)
    assert slow.self_diffusivity_cm2_s == pytest.approx(one.self_diffusivity_cm2_s / 2)
    assert slow.sigma_cm2_s == pytest.approx(one.sigma_cm2_s / 2)
    order = np.random.default_rng(0).permutation(20)
    mixed = run_of(positions[:, order])
    assert mixed.self_diffusivity_cm2_s == pytest.approx(one.self_diffusivity_cm2_s, rel=1e-4)


def test_drift_with_the_framework_changes_nothing() -> None:
    rng = np.random.default_rng(5)
    lithium = walkers(1000, 10, seed=5)
    host = rng.random((12, 3)) * 20 + rng.normal(size=(1000, 12, 3)) * 0.05
    positions = np.concatenate([lithium, host], axis=1)
    drift = (0.01 * np.arange(1000.0))[:, None, None] * np.ones(3)
    symbols = ["Li"] * 10 + ["S"] * 12
    runs = [
        analyse(read_paths(from_arrays(p, CELL, symbols, 100.0)), 600.0).run
        for p in (positions, positions + drift)
    ]
    a, b = runs
    assert a.self_diffusivity_cm2_s == pytest.approx(b.self_diffusivity_cm2_s, rel=1e-4)
    assert a.framework_intact is b.framework_intact is True
    assert abs(a.self_diffusivity_cm2_s - TRUE) < 3 * a.sigma_cm2_s


def test_channels_conduct_one_way() -> None:
    positions = walkers(2000, 20, seed=6)
    positions[:, :, :2] = positions[0, :, :2]
    run = run_of(positions)
    assert abs(run.diffusion_tensor_cm2_s[2][2] - TRUE) < 3 * run.tensor_diagonal_sigma_cm2_s[2]
    assert run.self_diffusivity_cm2_s == pytest.approx(run.diffusion_tensor_cm2_s[2][2] / 3)


def vibrating(n_frames: int = 1000, n_atoms: int = 20) -> np.ndarray:
    rng = np.random.default_rng(7)
    return rng.random((n_atoms, 3)) * 20 + rng.normal(size=(n_frames, n_atoms, 3)) * 0.3


def one_jump_each(n_jumps: int) -> np.ndarray:
    """Six-Angstrom jumps of a few atoms, one each."""
    positions = vibrating()
    for atom in range(n_jumps):
        positions[80 * atom + 50 :, atom, atom % 3] += 8.0
    return positions


@pytest.mark.parametrize(
    ("positions", "reason"),
    [
        (walkers(30, 10, 0), "30 frames are too few"),
        (vibrating(), "less than one jump"),
        (one_jump_each(10), "about 1[0-2] jumps|told from zero"),
        (np.arange(500.0)[:, None, None] * np.ones((1, 5, 3)), "not diffusive|straight line"),
    ],
)
def test_no_answer_has_a_reason_and_no_number(positions: np.ndarray, reason: str) -> None:
    run = run_of(positions, equilibration_fs=0.0)
    assert run.status == "no_answer"
    import re

    assert re.search(reason, run.reason)
    for name, value in run.model_dump().items():
        if "diffusivity" in name or "conductivity" in name or "haven_ratio" in name:
            assert value is None


def test_too_few_jumps_are_counted() -> None:
    run = run_of(walkers(200, 1, 0), equilibration_fs=0.0, jump_length_angstrom=3.0)
    assert run.status == "no_answer"
    assert run.events < 20


def test_a_hot_start_is_left_out() -> None:
    positions = walkers(2000, 30, seed=8)
    steps = np.diff(positions, axis=0, prepend=positions[:1])
    steps[:300] *= 2.0
    run = run_of(positions[0] + steps.cumsum(axis=0))
    assert 30.0 <= run.discarded_ps <= 60.0
    assert abs(run.self_diffusivity_cm2_s - TRUE) < 3 * run.sigma_cm2_s
    whole = run_of(positions[0] + steps.cumsum(axis=0), equilibration_fs=0.0)
    assert whole.discarded_ps == 0
    assert whole.self_diffusivity_cm2_s > run.self_diffusivity_cm2_s


def test_a_molten_framework_makes_a_diagnosis() -> None:
    positions = np.concatenate([walkers(1000, 10, 1), walkers(1000, 8, 2)], axis=1)
    symbols = ["Li"] * 10 + ["S"] * 8
    run = analyse(read_paths(from_arrays(positions, CELL, symbols, 100.0)), 600.0).run
    assert run.status == "diagnosis"
    assert run.framework_intact is False
    assert "framework moved" in run.reason
    assert run.self_diffusivity_cm2_s is not None


def test_conductivity_of_known_numbers() -> None:
    # 24 Li in a cell of 1000 A3, 1e-6 cm2/s, 300 K: n e^2 D / k T by hand with SI constants
    expected = 2.4e28 * 1.602176634e-19**2 * 1e-10 / (1.380649e-23 * 300) * 10
    assert nernst_einstein_factor(24, 1000.0, 300.0) * 1e-6 == pytest.approx(expected, rel=1e-6)
    assert nernst_einstein_factor(1, 1.0, 1.0, 2.0) == 4 * nernst_einstein_factor(1, 1.0, 1.0)
    water = finite_size_correction_cm2_s(298.0, 0.9e-3, 20.0)
    assert water == pytest.approx(3.4e-6, rel=0.02)


def test_intervals_are_positive_and_narrow_to_gaussian() -> None:
    low, high = interval95(1.0, 0.6)
    assert 0 < low < 1 < high
    low, high = interval95(1.0, 0.01)
    assert (low, high) == pytest.approx((0.98, 1.02), abs=1e-3)


@pytest.mark.parametrize("option", ["temperature_k", "charge_e", "jump_length_angstrom"])
def test_impossible_settings_are_refused(option: str) -> None:
    options = {"temperature_k": 300.0, option: 0.0}
    with pytest.raises(InputError, match="impossible"):
        analyse(paths_of(walkers(60, 2, 0)), **options)


def test_a_first_lag_beyond_the_run_is_refused() -> None:
    with pytest.raises(InputError, match="too long for a run"):
        run_of(walkers(300, 4, 0), first_lag_fs=1e6)


def test_an_exploded_run_is_named() -> None:
    positions = walkers(300, 4, 0)
    positions[123:] = np.nan
    with pytest.raises(InputError, match="frame 123 of memory"):
        paths_of(positions)


def test_still_atoms_give_no_answer() -> None:
    run = run_of(np.zeros((200, 3, 3)))
    assert run.status == "no_answer"
    assert run.events == 0


def test_the_record_survives_json() -> None:
    run = run_of(walkers(500, 10, seed=9))
    assert TransportRun.model_validate_json(run.model_dump_json()) == run


def vacancy_gas(seed: int, n_frames: int = 2000, edge: int = 4, vacancies: int = 3) -> np.ndarray:
    """Atoms on a simple cubic lattice of 3 Angstrom that exchange with vacancies, and rattle."""
    rng = np.random.default_rng(seed)
    sites = np.stack(np.unravel_index(np.arange(edge**3), (edge,) * 3), axis=1)
    order = rng.permutation(edge**3)
    holes = list(order[:vacancies])
    atom_at = np.full(edge**3, -1)
    atom_at[order[vacancies:]] = np.arange(edge**3 - vacancies)
    place = sites[order[vacancies:]].astype(float)
    moves = np.concatenate([np.eye(3, dtype=int), -np.eye(3, dtype=int)])
    positions = np.empty((n_frames, *place.shape))
    for frame in range(n_frames):
        positions[frame] = place
        for hole, move in zip(
            rng.integers(vacancies, size=6), moves[rng.integers(6, size=6)], strict=True
        ):
            x, y, z = (sites[holes[hole]] + move) % edge
            source = (x * edge + y) * edge + z
            atom = atom_at[source]
            if atom >= 0:
                place[atom] -= move
                atom_at[holes[hole]], atom_at[source], holes[hole] = atom, -1, source
    return 3.0 * positions + rng.normal(size=positions.shape) * 0.3


def test_vacancy_diffusion_has_the_haven_ratio_of_its_correlation_factor() -> None:
    runs = []
    for seed in range(8):
        trajectory = from_arrays(vacancy_gas(seed), np.eye(3) * 12.0, ["Li"] * 61, 100.0)
        runs.append(analyse(read_paths(trajectory, drift="none"), 600.0).run)
    assert all(run.status == "ok" for run in runs)
    haven = np.array([run.haven_ratio for run in runs if run.haven_ratio])
    sigma = np.mean([run.haven_sigma for run in runs if run.haven_ratio]) / np.sqrt(haven.size)
    # 0.653 for one vacancy in an endless simple cubic lattice, a little more for one site in 20
    assert 0.653 - 3 * sigma < haven.mean() < 0.70 + 3 * sigma
    d = np.array([run.self_diffusivity_cm2_s for run in runs])
    assert d.std(ddof=1) == pytest.approx(np.mean([run.sigma_cm2_s for run in runs]), rel=0.6)


@pytest.mark.slow
def test_a_lennard_jones_liquid_agrees_with_green_kubo() -> None:
    """Liquid argon near its triple point, NVE, 108 atoms: MSD against velocity correlation."""
    from ase import units
    from ase.build import bulk
    from ase.calculators.lj import LennardJones
    from ase.md.langevin import Langevin
    from ase.md.velocitydistribution import Stationary
    from ase.md.verlet import VelocityVerlet

    sigma, epsilon = 3.4, 0.0104
    atoms = bulk("Ar", "fcc", a=(4 * sigma**3 / 0.75) ** (1 / 3), cubic=True) * 3
    atoms.calc = LennardJones(sigma=sigma, epsilon=epsilon, rc=2.4 * sigma, smooth=True)
    rng = np.random.RandomState(1)
    thermal = np.sqrt(atoms.get_masses() * units.kB * 300)[:, None]
    atoms.set_momenta(rng.normal(size=(len(atoms), 3)) * thermal)
    settings = {"temperature_K": 140, "friction": 0.02 / units.fs, "rng": rng, "fixcm": False}
    Langevin(atoms, 5 * units.fs, **settings).run(500)
    Stationary(atoms)
    dynamics = VelocityVerlet(atoms, 10 * units.fs)
    positions, velocities = [], []

    def keep() -> None:
        positions.append(atoms.positions.copy())
        velocities.append(atoms.get_velocities() * units.fs)

    dynamics.attach(keep, interval=2)
    dynamics.run(5000)
    step = 20.0
    where = np.array(positions)
    trajectory = from_arrays(where, atoms.cell.array, ["Ar"] * len(atoms), step)
    run = analyse(read_paths(trajectory, "Ar"), 140.0).run
    assert run.status == "ok"
    value, error = green_kubo(np.array(velocities), step)
    print(
        f"MSD {run.self_diffusivity_cm2_s:.3e} ± {run.sigma_cm2_s:.1e}, "
        f"Green-Kubo {value:.3e} ± {error:.1e}"
    )
    difference = abs(run.self_diffusivity_cm2_s - value)
    assert difference < 3 * np.hypot(run.sigma_cm2_s, error)
    assert difference < 0.1 * value
    assert run.haven_ratio is None


def green_kubo(velocities: np.ndarray, step_fs: float) -> tuple[float, float]:
    """Integral of the velocity autocorrelation to 3 ps, and its error from ten blocks, cm2/s."""
    span = int(3000 / step_fs)
    values = []
    for part in np.array_split(velocities, 10):
        flat = part.reshape(len(part), -1)
        length = 2 * len(flat)
        power = np.abs(np.fft.rfft(flat, n=length, axis=0)) ** 2
        correlation = np.fft.irfft(power.sum(axis=1), n=length)[: span + 1]
        correlation /= (len(flat) - np.arange(span + 1)) * part.shape[1]
        values.append(np.trapezoid(correlation, dx=step_fs) / 3 * 0.1)
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(10))
