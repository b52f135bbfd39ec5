"""Reactive runs that were made up: a front that is known, edges that are known, errors likewise."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from interlith.analysis.growth import growth_law
from interlith.analysis.hull import Hull
from interlith.analysis.reactive_counts import (
    bond_numbers,
    centres_of,
    count_along,
    largest_gap,
    lithium_metal,
    settled,
)
from interlith.analysis.reactive_layers import (
    centre_depths,
    depth_counts,
    edge_points,
    layer_fates,
    region_ends,
    two_edges,
)
from interlith.analysis.reactive_limit import reaction_limit
from interlith.analysis.reactive_records import CellFacts, LayerFate, ReactiveRun, TimeSeries
from interlith.analysis.reactive_runs import came_apart, observe, start_of
from interlith.analysis.reactive_summary import growth, outcome
from interlith.analysis.reactive_trust import (
    Forces,
    calibration,
    deviation_of,
    label_check,
    verdict,
)
from interlith.analysis.trajectories import from_arrays
from interlith.errors import InputError
from interlith.h5md import H5mdWriter
from interlith.structures.library import build, load_phase

SPACING = 6.0
LAYERS = 6
STEP_FS = 100.0
ARM = 2.05 / np.sqrt(3)
CORNERS = ARM * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])


def front(diffusion_angstrom2_ps: float = 4.0, frames: int = 200):
    """PS4 in layers between two slabs of Li; a layer at depth L loses its S at L^2 / 2k.

    The slab has PS4 at heights 3, 9, ... 33 of a stretch from 0 to 36, and Li above that to 60.
    """
    symbols, places, layer = [], [], []
    for k in range(LAYERS):
        centre = np.array([5.0, 5.0, SPACING * (k + 0.5)])
        symbols += ["P", "S", "S", "S", "S"]
        places += [centre, *(centre + CORNERS)]
        layer += [k] * 5
    for z in np.arange(38.0, 60.0, 2.5):
        for x, y in ((2.5, 2.5), (7.5, 7.5), (2.5, 7.5), (7.5, 2.5)):
            symbols.append("Li")
            places.append(np.array([x, y, z]))
            layer.append(-1)
    start, depth = np.array(places), {}
    for k in range(LAYERS):
        z = SPACING * (k + 0.5)
        depth[k] = min(z, 36.0 - z)
    positions = np.repeat(start[None], frames, axis=0)
    broken_at = {k: depth[k] ** 2 / (2 * diffusion_angstrom2_ps) for k in depth}
    owner, kinds = np.array(layer), np.array(symbols)
    for frame in range(frames):
        for k, when in broken_at.items():
            if frame * STEP_FS / 1000 >= when:
                gone = (owner == k) & (kinds == "S")
                offset = np.array([5.0, 5.0, SPACING * (k + 0.5)])
                positions[frame, gone] = offset + (start[gone] - offset) * 1.45
    regions = ["electrolyte" if one >= 0 else "anode" for one in layer]
    cell = np.diag([10.0, 10.0, 60.0])
    return from_arrays(positions, cell, symbols, STEP_FS), regions, broken_at


def test_layers_break_when_the_front_reaches_them() -> None:
    trajectory, regions, broken_at = front()
    block = next(iter(trajectory.blocks(1)))
    centres = centres_of(block.positions[0], block.cells[0], trajectory.symbols)
    assert centres.names == ("PS4",) * LAYERS
    counts = count_along(trajectory, centres, since_ps=0.2)
    whole = settled(counts.ligands >= centres.ligands, 3)
    stripped = settled(counts.ligands == 0, 3)
    depths = centre_depths(block.positions[0], block.cells[0], regions, centres)
    assert depths.depth == pytest.approx([3.09, 9.09, 15.09, 15.09, 9.09, 3.09], abs=0.02)
    fates = layer_fates(counts.times_ps, whole, stripped, depths)
    assert [(one.side, one.centres) for one in fates] == [("lower", 1)] * 3 + [("upper", 1)] * 3
    for fate, k in zip(fates, (0, 1, 2, 5, 4, 3), strict=True):
        due = broken_at[k]
        if due + 0.3 < trajectory.n_frames * STEP_FS / 1000:
            assert fate.all_broken_ps == pytest.approx(due + 0.2, abs=0.15)
            assert fate.all_bare_ps == pytest.approx(fate.all_broken_ps, abs=0.15)
        else:
            assert fate.all_broken_ps is None
    intact = whole.mean(axis=1)
    assert (np.diff(intact) <= 1e-12).all()
    assert counts.bonds["P-S"][0] == 4 * LAYERS


def test_the_made_up_front_grows_with_the_root_of_time() -> None:
    times = np.linspace(0.2, 20, 120)
    rng = np.random.default_rng(2)
    runs = [(times, np.sqrt(2 * 0.05 * times) + rng.normal(scale=0.03, size=120)) for _ in range(3)]
    fit = growth_law(runs, caveats=["2 layers per side are too few for a rate"])
    assert fit.law == "parabolic"
    assert not fit.is_rate
    assert any("too few for a rate: a shape and not a rate" in one for one in fit.caveats)
    assert growth_law(runs).is_rate
    assert growth_law([(times[:5], runs[0][1][:5])]).status == "no_answer"


def test_turning_the_cell_over_swaps_the_sides_and_nothing_else() -> None:
    trajectory, regions, _ = front(frames=1)
    block = next(iter(trajectory.blocks(1)))
    cell, positions = block.cells[0], block.positions[0]
    centres = centres_of(positions, cell, trajectory.symbols)
    upside = positions * [1, 1, -1]
    depths = centre_depths(positions, cell, regions, centres)
    turned = centre_depths(upside, cell, regions, centres)
    assert turned.depth == pytest.approx(depths.depth)
    assert (turned.upper == ~depths.upper).all()
    moved = centre_depths(positions + np.array([0, 0, 17.3]), cell, regions, centres)
    assert moved.depth == pytest.approx(depths.depth)


def test_a_cell_without_labels_is_refused() -> None:
    trajectory, _, _ = front(frames=1)
    block = next(iter(trajectory.blocks(1)))
    centres = centres_of(block.positions[0], block.cells[0], trajectory.symbols)
    with pytest.raises(InputError, match="no region labels"):
        start_of(
            block.positions[0], block.cells[0], trajectory.symbols, None, centres,
            metal_region=None, thickness_angstrom={}, formula_units=1.0, relaxed_energy_ev=0.0,
        )  # fmt: skip


def test_a_cell_that_shrinks_keeps_its_bonds() -> None:
    """Distances belong to the cell of their frame, however far that has gone since the start."""
    crystal = build(load_phase("Li2S")) * 2
    symbols = [site.specie.symbol for site in crystal]
    scales = 1 - 0.1 * np.linspace(0, 1, 30)
    cells = crystal.lattice.matrix[None] * scales[:, None, None]
    drift = np.linspace(0, 30, 30)[:, None, None] * [0.3, 0.2, 0.9]
    positions = (crystal.frac_coords[None] @ cells) + drift
    trajectory = from_arrays(positions, cells, symbols, 50.0)
    centres = centres_of(positions[0], cells[0], symbols)
    counts = count_along(trajectory, centres)
    assert counts.bonds["Li-S"] == pytest.approx([8 * symbols.count("S")] * 30)
    assert set(counts.bonds) == {"Li-S"}


def test_a_region_alone_has_no_contact() -> None:
    low, high = region_ends(np.array([1.0, 4.0]), 10.0, np.array([True, True]))
    assert not np.isfinite(high - low)


def test_lithium_metal_and_bonds_of_crystals() -> None:
    for name, due in (("Li", 1.0), ("Li2S", 0.0)):
        crystal = build(load_phase(name))
        symbols = [site.specie.symbol for site in crystal]
        trajectory = from_arrays(crystal.cart_coords[None], crystal.lattice.matrix, symbols, 1.0)
        counts = count_along(
            trajectory, centres_of(crystal.cart_coords, crystal.lattice.matrix, symbols)
        )
        assert counts.metal[0] == due * symbols.count("Li")
    assert counts.bonds == {"Li-S": pytest.approx([8 * symbols.count("S")])}
    assert counts.lithium_around["S"] == pytest.approx([8.0])
    assert bond_numbers.__doc__
    assert lithium_metal.__doc__


def test_vibrations_do_not_break_a_polyanion() -> None:
    flags = np.ones((20, 1), dtype=bool)
    flags[7] = False
    assert settled(flags, 5).all()
    flags[10:] = False
    kept = settled(flags, 5)[:, 0]
    assert kept[:9].all()
    assert not kept[11:].any()


@pytest.mark.parametrize("width", [1.0, 3.0])
def test_edges_of_a_known_slab(width: float) -> None:
    from scipy.special import erf

    z = np.arange(0.75, 60, 1.5)
    share = 0.4 * (erf((z - 15) / width / 2**0.5) - erf((z - 40) / width / 2**0.5)) / 2
    tries = np.full(len(z), 400.0)
    for shift in (0, 7, 25):
        found, reason = two_edges(np.roll(share, shift) * tries, tries, 60.0)
        assert reason is None
        assert found is not None
        inside, rising, falling = found
        assert inside == pytest.approx(25.0, abs=0.4)
        for edge in (rising, falling):
            if width > 1.5:  # a step narrower than a layer has a place and no width
                assert edge.width_angstrom == pytest.approx(width, abs=0.4)
    nothing, reason = two_edges(0.3 * tries, tries, 60.0)
    assert nothing is None
    assert reason


def test_what_is_neither_metal_nor_intact_is_interphase() -> None:
    trajectory, regions, _ = front(frames=8)
    whole = edge_points(trajectory, regions, "anode", np.full(8, 36.0), 1)
    half = edge_points(trajectory, regions, "anode", np.full(8, 18.0), 1)
    assert whole[0].interphase_nm is not None
    assert half[0].interphase_nm is not None
    assert half[0].interphase_nm - whole[0].interphase_nm == pytest.approx(0.9)
    assert edge_points(trajectory, ["one"] * len(regions), None, np.full(8, np.nan), 1) == ()


def test_concentrations_add_up_to_the_atoms() -> None:
    trajectory, _, _ = front(frames=4)
    block = next(iter(trajectory.blocks(1)))
    centres = centres_of(block.positions[0], block.cells[0], trajectory.symbols)
    whole = np.ones((4, LAYERS), dtype=bool)
    depth = depth_counts(trajectory, centres, whole, np.arange(4), since_ps=0.5)
    layer_nm3 = 6.0 / len(depth.heights_angstrom)
    for element, values in depth.per_nm3.items():
        assert sum(values) * layer_nm3 == pytest.approx(trajectory.symbols.count(element), rel=1e-3)
    assert sum(depth.intact_per_nm3) * layer_nm3 == pytest.approx(LAYERS, rel=1e-3)
    assert depth.from_ps == 0.5


def test_a_gap_or_a_long_cell_is_no_interface_any_more() -> None:
    trajectory, _, _ = front(frames=6)
    block = next(iter(trajectory.blocks(6)))
    centres = centres_of(block.positions[0], block.cells[0], trajectory.symbols)
    fine = count_along(trajectory, centres)
    assert came_apart(fine) == (None, 5)
    assert fine.gaps.max() < 6.0
    opened = block.positions.copy()
    heavy = np.array(trajectory.symbols) != "Li"
    cells = block.cells.copy()
    cells[3:, 2, 2] += 9.0
    torn = count_along(from_arrays(opened, cells, trajectory.symbols, STEP_FS), centres)
    reason, good = came_apart(torn)
    assert good == 2
    assert reason is not None
    assert reason.startswith("delaminated")
    assert heavy.any()
    stretched = block.positions * [1, 1, 1]
    stretched[3:, :, 2] *= 1.6
    longer = block.cells.copy()
    longer[3:, 2, 2] *= 1.6
    reason, good = came_apart(
        count_along(from_arrays(stretched, longer, trajectory.symbols, STEP_FS), centres)
    )
    assert reason is not None
    assert good == 2
    assert largest_gap(np.array([1.0, 5.0, 9.0]), 10.0) == pytest.approx(4.0)


def counted(**changes) -> ReactiveRun:
    """A run of 60 points in which nothing happens, but for what is changed."""
    flat: dict = dict.fromkeys(
        ("temperature_k", "length_angstrom", "metal_lithium", "energy_released_ev_per_formula"),
        (0.0,) * 60,
    )
    series = TimeSeries(
        times_ps=tuple(0.2 * i for i in range(60)), species={}, lithium_around={},
        **(flat | {"bonds": {}, "intact": (), "converted_nm": ()} | changes),
    )  # fmt: skip
    return ReactiveRun(
        seed=1, temperature_k=600, status="finished", reason=None, time_ps=12,
        mean_temperature_k=600, max_temperature_k=690, wall_s=1, ms_per_step=1, trajectory=None,
        trajectory_sha256=None, converged=False, series=series, layers=(), edges=(), depths=(),
        comparison=(), phases_at_end={}, length_change=0.0, snapshots=(),
    )  # fmt: skip


def facts(metal: int = 0) -> CellFacts:
    return CellFacts(
        formula="x", n_atoms=184, area_angstrom2=96, lengths_angstrom=(9.8, 9.8, 38), miller={},
        faces=(), equal_interfaces=False, largest_strain=0.013, straightened_angstrom=1.5,
        region_angstrom={}, region_atoms={}, formula_units=8, lithium_metal_atoms=metal,
        lithium_per_formula=None, lithium_needed_per_formula=None, reservoir="no reservoir",
        relaxed_energy_ev=-580, relaxed=True,
    )  # fmt: skip


def test_each_region_is_judged_by_its_own_broken_centres() -> None:
    """One broken PS4 of ten beside thirty whole PO4 is a reaction, though 3 % of all centres."""
    both = {"Li6PS5Cl": (1.0, 0.9), "Li3PO4": (1.0, 1.0)}
    status, said = outcome([counted(intact=(1.0, 0.97), intact_of=both)], facts())
    assert status == "reacted"
    assert "10 % of the polyanions and shells of Li6PS5Cl and 0 %" in said
    status, said = outcome([counted(intact=(1.0, 0.97))], facts())
    assert status == "no_reaction"
    assert "3 % of the polyanions and shells are broken" in said


def test_without_polyanions_and_metal_bonds_and_energy_must_agree() -> None:
    """LiCoO2 | Li2S that gives off 3 eV and turns Co-O into Co-S has reacted; energy alone not."""
    ramp = tuple(3 * i / 59 for i in range(60))
    bonds = {
        "Li-S": (200.0,) * 60,
        "Co-O": tuple(48 - i / 4 for i in range(60)),
        "Co-S": tuple(2 + i / 5 for i in range(60)),
    }
    status, said = outcome([counted(energy_released_ev_per_formula=ramp, bonds=bonds)], facts())
    assert status == "reacted"
    assert "+2.87 eV" in said
    lithium = {"Li-S": bonds["Li-S"], "Li-Cl": tuple(200 - i for i in range(60))}
    quiet = {"Co-O": (48.0,) * 60, **lithium}
    alone = outcome([counted(energy_released_ev_per_formula=ramp, bonds=quiet)], facts())
    assert alone[0] == "no_answer"
    assert outcome([counted(bonds=quiet)], facts())[0] == "no_reaction"
    assert outcome([counted(bonds=lithium)], facts())[0] == "no_reaction"
    control = counted(metal_lithium=(35.0,) * 60, bonds=lithium)
    assert outcome([control], facts(metal=35))[0] == "no_reaction"


def test_every_region_converts_by_its_own_share_and_thickness(tmp_path) -> None:
    """Of SiS4 and PS4 slabs of 9 and 22 Angstrom all PS4 break: 22 / 2 contacts, 1.1 nm."""
    symbols, places, regions = [], [], []
    for name, centre, heights in (("a", "Si", (2.0, 6.0)), ("b", "P", (12.0, 18.0, 24.0, 29.0))):
        for z in heights:
            symbols += [centre, "S", "S", "S", "S"]
            places += [np.array([5.0, 5.0, z]), *(np.array([5.0, 5.0, z]) + CORNERS)]
            regions += [name] * 5
    start, cell = np.array(places), np.diag([10.0, 10.0, 31.0])
    centres = centres_of(start, cell, symbols)
    common = start_of(
        start, cell, symbols, regions, centres, metal_region=None,
        thickness_angstrom={"a": 9.0, "b": 22.0}, formula_units=4.0, relaxed_energy_ev=0.0,
    )  # fmt: skip
    broken = start.copy()
    sulfur = (np.array(symbols) == "S") & (np.array(regions) == "b")
    broken[sulfur, :2] = start[sulfur, :2] + 1.7 * np.sign(start[sulfur, :2] - 5.0)
    file = tmp_path / "run.h5"
    writer = H5mdWriter.create(file, symbols, time_step_fs=100.0, regions=regions)
    for frame in range(40):
        known = {"potential_energy": 0.0, "temperature": 0.0}
        writer.append(frame, broken if frame > 9 else start, cell, known)
    writer.commit()
    series = observe(file, common).series
    assert series.converted_nm[0] == 0
    assert series.converted_nm[-1] == pytest.approx(22 / 10 / 2)
    assert series.intact_of["a"][-1] == 1
    assert series.intact_of["b"][-1] == 0
    assert series.intact[-1] == pytest.approx(2 / 6, abs=1e-3)
    assert common.slabs_angstrom == {"a": 9.0, "b": 22.0}


def test_fronts_meet_in_one_region_whatever_is_left_of_another() -> None:
    """All 8 PS4 are gone at 6 ps, 20 NbO6 stay: growth ends there, though 71 % are intact."""
    gone = tuple(max(0.0, 1 - i / 30) for i in range(60))
    layer = LayerFate(
        region="b", side="lower", depth_angstrom=1.7, centres=8, first_broken_ps=0.2,
        all_broken_ps=6.0, all_bare_ps=None,
    )  # fmt: skip
    run = counted(
        intact=tuple((20 + 8 * one) / 28 for one in gone),
        intact_of={"a": (1.0,) * 60, "b": gone},
        converted_nm=tuple(1 - one for one in gone),
    ).model_copy(update={"layers": (layer,)})
    fit, _ = growth([run], facts(), 600)
    assert fit is not None
    assert any("fronts from both sides met" in one for one in fit.caveats)


def test_full_reduction_by_the_hull(small) -> None:
    limit = reaction_limit(Hull(small), "Li", "Li6PS5Cl")
    assert limit.lithium_per_formula == pytest.approx(8.0)
    assert {one.formula: round(one.amount, 6) for one in limit.products} == {
        "Li2S": 5.0,
        "Li3P": 1.0,
        "LiCl": 1.0,
    }
    energies = {"Li2S": 3 * -1.34, "Li3P": 4 * -0.70, "LiCl": 2 * -1.82}
    due = 5 * energies["Li2S"] + energies["Li3P"] + energies["LiCl"] - 13 * -1.165
    assert limit.energy_ev_per_formula is not None
    assert limit.energy_ev_per_formula <= due + 1e-6  # on the hull it can only be less released
    swapped = reaction_limit(Hull(small), "Li6PS5Cl", "Li")
    assert swapped.energy_ev_per_formula == pytest.approx(limit.energy_ev_per_formula)
    inert = reaction_limit(Hull(small), "Li", "Li2S")
    assert (inert.lithium_per_formula, inert.energy_ev_per_formula) == (0.0, 0.0)
    cathode = reaction_limit(Hull(small), "LiCoO2", "Li3PS4")
    assert cathode.lithium_per_formula is None
    assert cathode.energy_ev_per_atom < 0


def seen(error: float, energy: float = 0.002, n: int = 30) -> Forces:
    rng = np.random.default_rng(4)
    wrong = rng.normal(scale=error, size=(n, 3))
    symbols, regions = ("Li",) * (n - 1) + ("P",), ("anode",) * 10 + ("electrolyte",) * (n - 10)
    return Forces(
        run="600 K, seed 1",
        time_ps=1.0,
        symbols=symbols,
        regions=regions,
        forces=rng.normal(scale=0.4, size=(n, 3)),
        error=wrong,
        deviation=np.linalg.norm(wrong, axis=1),
        energy_error_per_atom=energy,
    )


BOUNDS = {
    "labelled_frames": 10.0,
    "force_rmse_mev_per_angstrom": 110.0,
    "energy_mean_mev_per_atom": 12.0,
    "drift_mev_per_atom_per_ps": 0.1,
    "outside_share": 0.02,
}


def test_nothing_is_trusted_without_ten_good_labels() -> None:
    from interlith.analysis.reactive_records import DriftCheck, LabelledFrame

    def checked(error: float, energy: float, count: int):
        frames = [seen(error, energy)] * count
        rows = tuple(
            LabelledFrame(
                seed=1, temperature_k=600, time_ps=1, force_rmse_mev_per_angstrom=1,
                energy_error_mev_per_atom=1, largest_force_error_ev_per_angstrom=1,
            )
            for _ in frames
        )  # fmt: skip
        return label_check({"name": "teacher"}, rows, frames, 0.5)

    calm = DriftCheck(time_ps=1, drift_mev_per_atom_per_ps=0.01, noise_mev_per_atom=0.01)
    assert verdict(checked(0.08, 0.002, 10), calm, None, BOUNDS) == []
    assert "9 frames" in verdict(checked(0.08, 0.002, 9), calm, None, BOUNDS)[0]
    assert "forces are off" in verdict(checked(0.15, 0.002, 10), calm, None, BOUNDS)[0]
    assert "-20.0 meV/atom" in verdict(checked(0.08, -0.02, 10), calm, None, BOUNDS)[0]
    warm = calm.model_copy(update={"drift_mev_per_atom_per_ps": -0.4})
    assert "drifts" in verdict(checked(0.08, 0.002, 10), warm, None, BOUNDS)[0]
    assert len(verdict(None, None, None, BOUNDS)) == 2
    found = checked(0.08, 0.002, 12)
    assert found.force_rmse_mev_per_angstrom == pytest.approx(80, rel=0.15)
    assert found.energy_mean_mev_per_atom == pytest.approx(2.0)


def test_a_spread_is_scaled_to_the_errors_that_are_known() -> None:
    errors = [np.array([0.3, 0.6]), np.array([0.9, 0.2])]
    spreads = [one / 5 for one in errors]
    assert calibration(spreads, errors) == pytest.approx(5.0)
    found = deviation_of("committee", 5.0, 0.5, [seen(0.08), seen(0.5)], 1, "file.extxyz")
    assert 0 < found.outside < 1
    parts = [(found.outside_by_region["anode"], 20), (found.outside_by_region["electrolyte"], 40)]
    assert sum(share * n for share, n in parts) / 60 == pytest.approx(found.outside)
    for smaller, larger in pairwise(
        deviation_of("teacher", 1.0, bound, [seen(0.3)], 0, None).outside
        for bound in (1.0, 0.5, 0.1)
    ):
        assert smaller <= larger
