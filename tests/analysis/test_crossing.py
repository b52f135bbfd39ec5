"""Crossings and resistances of walkers whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from interlith.analysis.crossing import Crossings, count_crossings, rate
from interlith.analysis.crossing_records import Resistance
from interlith.analysis.crossing_results import (
    crossing_run,
    crossings_of,
    exchange_resistance,
    in_series,
    with_interphase,
)
from interlith.analysis.displacements import Paths, read_paths
from interlith.analysis.layers import Layer
from interlith.analysis.trajectories import from_arrays
from interlith.analysis.transport import nernst_einstein_factor
from interlith.errors import InputError

STEP, FS, HEIGHT, MARGIN = 0.2, 100.0, 10.0, 2.0
HALVES = (Layer("a", 0.0, HEIGHT), Layer("b", HEIGHT, 2 * HEIGHT))


def walkers(seed: int, n_frames: int = 12000, n_atoms: int = 30, step: float = STEP,
            rattle: float = 0.0) -> Paths:  # fmt: skip
    """Free diffusion, spread evenly in a cube of 20 Angstrom."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(scale=step, size=(n_frames, n_atoms, 3)).cumsum(axis=0)
    start = rng.random((n_atoms, 3)) * 20
    steps += rattle * rng.normal(size=steps.shape)
    return read_paths(
        from_arrays(steps + start, np.eye(3) * 20, ["Li"] * n_atoms, FS), drift="none"
    )


def chain(seed: int, ease: np.ndarray, n_frames: int = 20000, n_atoms: int = 24) -> Paths:
    """Jumps between planes 1 Angstrom apart, by either neighbour's bond of this probability."""
    rng, n = np.random.default_rng(seed), len(ease)
    places = np.empty((n_frames, n_atoms), dtype=np.int64)
    place = rng.integers(0, n, n_atoms)
    for frame in range(n_frames):
        places[frame] = place
        draw = rng.random(n_atoms)
        up, down = ease[place % n], ease[(place - 1) % n]
        place = place + (draw < up) - ((draw >= up) & (draw < up + down))
    positions = np.zeros((n_frames, n_atoms, 3))
    positions[:, :, 2] = places + 0.5
    cell = np.diag([10.0, 10.0, float(n)])
    return read_paths(from_arrays(positions, cell, ["Li"] * n_atoms, FS), drift="none")


def passes(found: Crossings, plane: int) -> int:
    return int((found.up[plane] + found.down[plane]).sum())


def test_free_diffusion_crosses_and_stays_as_it_must() -> None:
    """m H / D for the stay and c D / (2 m) for the flux, with 95 % intervals that hold them."""
    d = STEP**2 / 2 / FS
    apart = 2 * MARGIN
    stay_ps = apart / 2 * HEIGHT / d / 1000
    resistance = exchange_resistance(
        rate([[1000]], [[1000.0]]), 400.0, 300.0
    ).ohm_cm2  # one crossing per ps, for the scale
    flux = 30 / 8000 * d / apart * 400 * 1000 * 2  # both ways per ps
    held_stay = held_flux = total = 0
    for seed in range(10):
        found = count_crossings(walkers(seed, 8000), HALVES, MARGIN)
        for k, stay in enumerate(found.stays()):
            low, high = stay.interval95_ps
            held_stay += low < stay_ps < high
            both = found.both_ways(k)
            held_flux += both.interval95_per_ps[0] < flux < both.interval95_per_ps[1]
            total += 1
    assert held_stay >= 0.85 * total
    assert held_flux >= 0.85 * total
    run = crossing_run(walkers(1), HALVES, temperature_k=300.0, margin_angstrom=MARGIN)
    low, high = run.planes[0].resistance.interval95_ohm_cm2
    assert low < resistance / flux < high
    assert run.planes[0].recrossed_fraction > 0.5


@pytest.mark.parametrize(("step", "least"), [(0.3, 0.85), (0.7, 0.85)])
def test_long_steps_between_frames_bias_nothing(step: float, least: float) -> None:
    """Of steps of 0.2 and 0.5 margins; without the shift 10 and 21 % off, intervals miss it."""
    d, margin = step**2 / 2 / FS, 1.5
    stay_ps, flux = margin * HEIGHT / d / 1000, 30 / 8000 * d / (2 * margin) * 400 * 1000 * 2
    held, ratios = 0, []
    for seed in range(12):
        found = count_crossings(walkers(seed, 4000, step=step), HALVES, margin)
        assert found.shift_angstrom == pytest.approx([0.5826 * step] * 2, rel=0.05)
        for k, stay in enumerate(found.stays()):
            both = found.both_ways(k)
            held += both.interval95_per_ps[0] < flux < both.interval95_per_ps[1]
            held += stay.interval95_ps[0] < stay_ps < stay.interval95_ps[1]
            ratios += [both.per_ps / flux]
    assert held >= least * 48
    assert np.mean(ratios) == pytest.approx(1, abs=0.06)


def test_rattling_shifts_no_core() -> None:
    """0.3 Angstrom of vibration about sites, seen at random, is no step that goes too far."""
    still = count_crossings(walkers(0, 2000, step=0.1, rattle=0.3), HALVES, MARGIN)
    assert still.step_angstrom > 0.4
    assert still.shift_angstrom == pytest.approx([0.5826 * 0.1] * 2, rel=0.1)


def test_passages_cut_off_by_the_ends_of_a_run_are_made_up_for() -> None:
    """40 ps hold few whole passages of 13 ps on average; without the factor a third is lost."""
    d = STEP**2 / 2 / FS
    flux = 30 / 8000 * d / (2 * MARGIN) * 400 * 1000 * 2 * 40.0
    seen, whole, stays = 0, 0.0, []
    for seed in range(150):
        found = count_crossings(walkers(seed, 400), HALVES, MARGIN)
        seen += found.up.sum() + found.down.sum()
        whole += found.whole_up.sum() + found.whole_down.sum()
        stays.append(found.spent_ps[0].sum() / found.time_ps)
    assert whole / 300 == pytest.approx(flux, rel=0.07)
    assert seen < 0.8 * whole
    assert np.mean(stays) == pytest.approx(15, rel=0.05)


def test_the_whole_cell_has_the_resistance_of_its_thickness() -> None:
    run = crossing_run(walkers(3), HALVES, temperature_k=300.0, margin_angstrom=MARGIN)
    sigma = STEP**2 / 2 / FS * 0.1 * nernst_einstein_factor(30, 8000.0, 300.0)
    known = 20.0 / sigma * 1e-5
    low, high = run.total.interval95_ohm_cm2
    assert low < known < high < 2 * known
    assert high - low < known
    for one in run.regions:
        assert one.mobile_per_nm3 == pytest.approx(30 / 8.0, rel=0.2)
        off = one.conductivity_in_plane_ms_cm - sigma
        assert abs(off) < 4 * one.conductivity_in_plane_sigma_ms_cm + 0.2 * sigma
    metal = crossing_run(
        walkers(3), HALVES, temperature_k=300.0, margin_angstrom=MARGIN, metallic=("a",)
    )
    left_out = run.regions[0].resistance.ohm_cm2
    assert metal.total.ohm_cm2 == pytest.approx(run.total.ohm_cm2 - left_out)


def test_a_slow_bond_adds_its_resistance() -> None:
    """On a chain the flux from core to core is c over the sum of 1 / p, whatever the bonds."""
    ease = np.full(16, 0.4)
    ease[7] = 0.02  # between the planes at 7.5 and 8.5; the border lies at 8
    layers = (Layer("a", 0.0, 8.0), Layer("b", 8.0, 16.0))
    counts = np.zeros(2)
    expected = np.zeros(2)
    for seed in range(4):
        paths = chain(seed, ease)
        found = count_crossings(paths, layers, 1.4)  # cores start at the second plane from a border
        counts += [passes(found, 0), passes(found, 1)]
        per_plane = 24 / 16 * 20000
        expected += [2 * per_plane / (1 / 0.02 + 2 / 0.4), 2 * per_plane / (3 / 0.4)]
    assert counts == pytest.approx(expected, rel=0.06)


def test_turning_the_run_round_changes_nothing() -> None:
    paths = walkers(5, 3000)
    steps = np.moveaxis(np.asarray(paths.mobile, dtype=float), 2, 0) + paths.start
    back = read_paths(from_arrays(steps[::-1], np.eye(3) * 20, ["Li"] * 30, FS), drift="none")
    raised = read_paths(
        from_arrays(steps + np.array([0, 0, 7]), np.eye(3) * 20, ["Li"] * 30, FS), drift="none"
    )
    found = count_crossings(paths, HALVES, MARGIN)
    moved = count_crossings(raised, [Layer("a", 7, 17), Layer("b", 17, 27)], MARGIN)
    reverse = count_crossings(back, HALVES, MARGIN)
    assert np.array_equal(found.up, moved.up)
    assert np.array_equal(found.plain, reverse.plain)
    for k in range(2):  # forward and back may differ by the first and last visits only
        assert abs(passes(found, k) - passes(reverse, k)) <= 30
    assert found.spent_ps.sum() == pytest.approx(30 * found.time_ps)


def test_a_jump_over_a_thin_region_crosses_both_its_planes() -> None:
    heights = np.array([2.0, 2.0, 18.0, 18.0])
    positions = np.zeros((4, 1, 3))
    positions[:, 0, 2] = heights
    paths = read_paths(from_arrays(positions, np.eye(3) * 40, ["Li"], FS), drift="none")
    layers = (Layer("a", 0, 8), Layer("thin", 8, 12), Layer("b", 12, 40))
    found = count_crossings(paths, layers, 1.0)
    assert found.up.sum(axis=(1, 2)).tolist() == [1, 1, 0]
    assert found.down.sum() == 0


def test_rattling_about_a_plane_is_one_crossing() -> None:
    heights = np.array([4.0, 9.9, 10.1, 9.9, 10.1, 9.8, 10.2, 15.0, 10.1, 9.9, 10.1, 15.0])
    positions = np.zeros((len(heights), 1, 3))
    positions[:, 0, 2] = heights
    paths = read_paths(from_arrays(positions, np.eye(3) * 20, ["Li"], FS), drift="none")
    found = count_crossings(paths, HALVES, 1.5)
    assert passes(found, 0) == 1
    assert found.plain[0] == 7


def test_flow_is_not_taken_for_exchange() -> None:
    rng = np.random.default_rng(2)
    steps = rng.normal(loc=[0, 0, 0.006], scale=0.05, size=(2000, 30, 3))  # all go up 12 A
    positions = steps.cumsum(axis=0) + rng.random((30, 3)) * 20
    paths = read_paths(from_arrays(positions, np.eye(3) * 20, ["Li"] * 30, FS), drift="none")
    run = crossing_run(paths, HALVES, temperature_k=600.0, margin_angstrom=1.0)
    resistance = run.planes[0].resistance
    assert resistance.status == "no_answer"
    assert "not in equilibrium" in resistance.reason
    assert run.total.ohm_cm2 is None
    assert run.planes[0].exchange_current_ma_cm2 is None


def test_no_crossing_is_a_bound_and_no_zero() -> None:
    still = np.tile([[[0.0, 0.0, 5.0]]], (500, 20, 1))
    still[:, :10, 2] = 15.0
    paths = read_paths(from_arrays(still, np.eye(3) * 20, ["Li"] * 20, FS), drift="none")
    run = crossing_run(paths, HALVES, temperature_k=600.0, margin_angstrom=1.0)
    one = run.planes[0]
    assert one.upward.per_ps is None
    assert one.upward.interval95_per_ps[1] == pytest.approx(3.689 / (10 * 50.0), rel=1e-3)
    assert one.resistance.ohm_cm2 is None
    assert one.resistance.at_least_ohm_cm2 > 0
    assert run.regions[0].stay.mean_ps is None
    assert run.regions[0].conductivity_in_plane_ms_cm is None
    assert run.regions[0].reason
    run.model_dump_json()


def test_intervals_are_poisson_and_widen_for_bursts() -> None:
    even = rate(np.full((10, 10), 1), np.full((10, 10), 1.0))
    assert even.interval95_per_ps == pytest.approx((0.8136, 1.2163), abs=1e-3)  # exact, n = 100
    bursts = np.zeros((10, 10))
    bursts[3] = 10
    wide = rate(bursts, np.full((10, 10), 1.0))
    assert wide.per_ps == even.per_ps
    assert wide.interval95_per_ps[1] > 1.5 * even.interval95_per_ps[1]
    assert rate(np.zeros((2, 2)), np.zeros((2, 2))).reason == "no atom was ever there"


def test_resistances_add_end_by_end() -> None:
    part = Resistance(
        status="ok", ohm_cm2=2.0, interval95_ohm_cm2=(1.0, 5.0), at_least_ohm_cm2=1.0, method="x"
    )
    found = in_series([part, part])
    assert found.ohm_cm2 == 4.0
    assert found.interval95_ohm_cm2 == pytest.approx((4 - 2**0.5, 4 + 3 * 2**0.5))
    open_end = part.model_copy(update={"interval95_ohm_cm2": (1.0, None)})
    assert in_series([part, open_end]).interval95_ohm_cm2[1] is None
    unknown = Resistance(status="no_answer", reason="too short", at_least_ohm_cm2=9.0, method="x")
    lacking = in_series([part, unknown])
    assert lacking.ohm_cm2 is None
    assert lacking.at_least_ohm_cm2 == 10.0
    assert lacking.reason == "too short"


def test_an_interphase_is_cut_out_of_both_sides() -> None:
    made = with_interphase(HALVES, (0.0, 10.0), 20.0, 3.0)
    assert [one.name for one in made] == ["a", "interphase", "b", "interphase"]
    assert [one.low_angstrom for one in made] == pytest.approx([1.5, 8.5, 11.5, 18.5])
    run = crossing_run(walkers(0, 3000), made, temperature_k=300.0, margin_angstrom=1.0)
    assert [one.region for one in run.regions] == [one.name for one in made]
    assert sum({r.region: r.mean_mobile_atoms for r in run.regions}.values()) == pytest.approx(30)
    with pytest.raises(InputError, match="leaves nothing"):
        with_interphase(HALVES, (0.0, 10.0), 20.0, 12.0)
    with pytest.raises(InputError, match="at least one plane"):
        with_interphase(HALVES, (), 20.0, 1.0)


def test_a_breathing_cell_moves_no_plane() -> None:
    """Atoms that follow a cell that shrinks by 15 % cross nothing; volumes are of its mean."""
    n, fractions = 200, np.random.default_rng(3).random((30, 3)) * [1, 1, 0.3] + [0, 0, 0.1]
    fractions[15:, 2] += 0.5
    lengths = np.linspace(20.0, 17.0, n)
    cells = np.eye(3) * np.stack([np.full(n, 20.0), np.full(n, 20.0), lengths], axis=1)[:, None, :]
    positions = np.einsum("ad,fdk->fak", fractions, cells)
    paths = read_paths(from_arrays(positions, cells, ["Li"] * 30, FS), drift="none")
    found = count_crossings(paths, HALVES, 1.0)
    assert found.plain.sum() == 0
    assert found.stretch == pytest.approx(18.5 / 20)


def test_vacuum_is_no_interface() -> None:
    run = crossing_run(
        walkers(0, 3000),
        HALVES,
        temperature_k=300.0,
        margin_angstrom=2.0,
        touching_angstrom=(10.0,),
    )
    assert run.planes[1].resistance.reason == "there is vacuum here"
    assert "vacuum" in run.regions[0].reason
    assert run.regions[0].mobile_per_nm3 is None


def test_a_run_that_reacted_gives_a_diagnosis() -> None:
    known = {"temperature_k": 300.0, "margin_angstrom": MARGIN}
    run = crossing_run(walkers(3), HALVES, framework_intact=False, **known)
    assert run.total.status == "diagnosis"
    assert {one.resistance.status for one in run.planes} == {"diagnosis"}
    assert "framework changed" in run.notes[-1]
    names = ["a", "b"] * 15
    with pytest.raises(InputError, match="regions have mixed"):
        crossings_of(walkers(0, 50), names, walkers(0, 50).start, np.eye(3) * 20, **known)
    with pytest.raises(InputError, match="29 region labels do not fit"):
        crossings_of(walkers(0, 50), names[:-1], walkers(0, 50).start, np.eye(3) * 20, **known)


@pytest.mark.parametrize(
    ("layers", "margin", "words"),
    [
        (HALVES[:1], 1.0, "one region only"),
        (HALVES, 5.0, "at most 4.8"),
        (HALVES, 0.0, "take a positive one"),
        ((Layer("a", 0, 8), Layer("b", 10, 20)), 1.0, "without gaps"),
        ((Layer("a", 0, 4), Layer("b", 4, 9)), 1.0, "do not fill a cell of 20.00"),
    ],
)
def test_bad_input(layers: tuple[Layer, ...], margin: float, words: str) -> None:
    with pytest.raises(InputError, match=words):
        count_crossings(walkers(0, 50), layers, margin)
    with pytest.raises(InputError, match="temperature is positive"):
        crossing_run(walkers(0, 50), HALVES, temperature_k=0.0)
