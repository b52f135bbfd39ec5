"""The section on reactive runs: what it says and refuses to say."""

from __future__ import annotations

import math

import pytest

from interlith.analysis.growth import growth_law
from interlith.analysis.reactive_records import (
    CellFacts,
    DepthCounts,
    DriftCheck,
    LabelCheck,
    LabelledFrame,
    LayerFate,
    ReactiveRun,
    ReactivityRecord,
    Snapshot,
    TimeSeries,
    Trust,
)
from interlith.cli.reactivity import lines
from interlith.provenance import provenance
from interlith.report.reactivity import pictures, section_of
from interlith.report.svg import drawing_style

TIMES = tuple(0.2 * i for i in range(60))
BOUNDS = {
    "labelled_frames": 10.0,
    "force_rmse_mev_per_angstrom": 110.0,
    "energy_mean_mev_per_atom": 12.0,
    "drift_mev_per_atom_per_ps": 0.1,
    "outside_share": 0.02,
}


def run(seed: int) -> ReactiveRun:
    thick = tuple(0.3 * math.sqrt(t + 0.1) for t in TIMES)
    series = TimeSeries(
        times_ps=TIMES,
        temperature_k=(600.0,) * 60,
        intact=tuple(max(0.0, 1 - x) for x in thick),
        species={"PS4": (8.0,) * 60},
        bonds={"P-S": tuple(32 - i / 2 for i in range(60)), "Li-S": (200.0,) * 60},
        lithium_around={"P": (3.0,) * 60},
        energy_released_ev_per_formula=tuple(5 * x for x in thick),
        length_angstrom=tuple(39 - i / 20 for i in range(60)),
        metal_lithium=tuple(60 - i for i in range(60)),
        converted_nm=thick,
        interphase_nm=thick,
    )
    depth = DepthCounts(
        from_ps=0.2, to_ps=1.0, heights_angstrom=(1.0, 2.0), per_nm3={"Li": (40.0, 30.0)},
        intact_per_nm3=(0.0, 2.0),
    )  # fmt: skip
    shot = Snapshot(
        time_ps=0.2, cell=((9, 0, 0), (0, 9, 0), (0, 0, 20)), symbols=("P", "S", "Li"),
        regions=("electrolyte",) * 3, positions=((1, 1, 1), (1, 1, 3), (5, 5, 9)),
    )  # fmt: skip
    layer = LayerFate(
        region="electrolyte", side="lower", depth_angstrom=1.7, centres=2, first_broken_ps=0.2,
        all_broken_ps=0.3, all_bare_ps=None,
    )  # fmt: skip
    return ReactiveRun(
        seed=seed, temperature_k=600, status="finished", reason=None, time_ps=12,
        mean_temperature_k=601, max_temperature_k=690, wall_s=300, ms_per_step=50,
        trajectory=None, trajectory_sha256=None, converged=False, series=series, layers=(layer,),
        edges=(), depths=(depth, depth), comparison=(), phases_at_end={}, length_change=-0.1,
        snapshots=(shot, shot),
    )  # fmt: skip


def record(trust: Trust) -> ReactivityRecord:
    runs = tuple(run(seed) for seed in (1, 2))
    cell = CellFacts(
        formula="Li16PS5Cl", n_atoms=184, area_angstrom2=96, lengths_angstrom=(9.8, 9.8, 38),
        miller={}, faces=("Li", "S2"), equal_interfaces=False, largest_strain=0.013,
        straightened_angstrom=1.5, region_angstrom={"anode": 16, "electrolyte": 22},
        region_atoms={"anode": 80, "electrolyte": 104}, formula_units=8, lithium_metal_atoms=80,
        lithium_per_formula=10, lithium_needed_per_formula=8, reservoir="enough",
        relaxed_energy_ev=-580, relaxed=True,
    )  # fmt: skip
    fit = growth_law([(one.series.times_ps, one.series.converted_nm) for one in runs if one.series])
    return ReactivityRecord(
        a="Li", b="Li6PS5Cl", status="reacted", reason="80 % of the polyanions are broken",
        cell=cell, limit=None, limit_reason="no energies", runs=runs, growth=fit,
        growth_of="interphase at 600 K", lithium=None, energy_released_ev_per_formula=6.0,
        energy_share_of_limit=None, trust=trust, notes=("heat of reaction",),
        potential={"name": "lpscl-1", "sha256": "ab" * 32},
        settings={"potential": "lpscl", "temperatures_k": [600], "time_ps": 12, "seeds": 2,
                  "miller_a": None, "miller_b": [1, 0, 0], "thickness_angstrom": 19},
        provenance=provenance(1, 600.0),
    )  # fmt: skip


UNTESTED = Trust(
    trusted=False, reasons=("no frame of these runs was labelled by a teacher",), bounds=BOUNDS,
    labels=None, drift=None, deviation=None,
)  # fmt: skip
FRAME = LabelledFrame(
    seed=1, temperature_k=600, time_ps=3, force_rmse_mev_per_angstrom=90,
    energy_error_mev_per_atom=2, largest_force_error_ev_per_angstrom=0.4,
)  # fmt: skip
TESTED = Trust(
    trusted=True,
    reasons=(),
    bounds=BOUNDS,
    labels=LabelCheck(
        teacher={"name": "7net-0"}, frames=(FRAME,) * 10, force_rmse_mev_per_angstrom=90,
        force_relative=0.2, force_rmse_by_element={"P": 120}, energy_mean_mev_per_atom=2,
        energy_rmse_mev_per_atom=3, outside=0.01,
    ),
    drift=DriftCheck(time_ps=1, drift_mev_per_atom_per_ps=0.01, noise_mev_per_atom=0.01),
    deviation=None,
)  # fmt: skip


def test_an_untested_run_is_never_called_trusted() -> None:
    page = section_of(record(UNTESTED))
    assert "not trusted: no frame of these runs was labelled" in page
    assert "keep all bounds of trust" not in page
    assert "a shape and not a rate constant" in page
    assert "Layers" not in page or "Polyanions layer by layer" in page
    said = "\n".join(one for one in lines(record(UNTESTED).to_json()) if isinstance(one, str))
    assert "Not trusted" in said
    assert "a shape and not a rate" in said


def test_errors_stand_beside_their_bounds() -> None:
    page = section_of(record(TESTED))
    assert "keep all bounds of trust" in page
    for text in ("at most 110 meV", "within 12 meV/atom", "within 0.1 meV/atom/ps", "7net-0"):
        assert text in page
    assert page == section_of(record(TESTED))


def test_figures_are_drawn_where_there_is_something_to_show() -> None:
    with drawing_style():
        drawn = pictures(record(TESTED))
    assert set(drawn) == {
        "over-time.png", "growth.png", "depth.png", "snapshots.png", "trust.png"
    }  # fmt: skip
    assert all(content.startswith(b"\x89PNG") for content in drawn.values())
    empty = record(UNTESTED)
    failed = run(1).model_copy(
        update={"series": None, "status": "exploded", "reason": "too hot", "layers": (),
                "depths": (), "snapshots": ()}
    )  # fmt: skip
    nothing = empty.model_copy(update={"runs": (failed,), "growth": None})
    assert pictures(nothing) == {}
    assert "exploded: too hot" in section_of(nothing)


@pytest.mark.parametrize("trust", [UNTESTED, TESTED])
def test_a_record_survives_a_round_trip(trust: Trust) -> None:
    one = record(trust)
    assert ReactivityRecord.model_validate_json(one.model_dump_json()) == one
