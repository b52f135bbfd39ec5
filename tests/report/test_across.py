"""Transport through an interface, in the words of the page."""

from __future__ import annotations

from types import SimpleNamespace

from interlith.analysis.crossing import Rate, Stay
from interlith.analysis.crossing_records import (
    CrossingRun,
    PlaneCrossing,
    RegionTransport,
    Resistance,
)
from interlith.analysis.diffusion_results import DiffusionRecord, diffusion_record
from interlith.analysis.regional import RegionalDiffusion
from interlith.analysis.regional_results import RegionalRun
from interlith.provenance import provenance
from interlith.report.across import across

KNOWN = Resistance(
    status="ok", ohm_cm2=0.0123, interval95_ohm_cm2=(0.008, None), method="crossings"
)
BOUND = Resistance(
    status="no_answer", reason="too few <crossings>", at_least_ohm_cm2=0.5, method="crossings"
)
RATE = Rate(status="ok", events=12, per_ps=0.5, interval95_per_ps=(0.2, 0.9), dispersion=1.0)


def _record(**more: object) -> DiffusionRecord:
    return diffusion_record(
        [], formula="Li3PS4", material="x", provenance=provenance(0, 1.0), **more
    )


def _crossing() -> CrossingRun:
    layer = RegionTransport(
        region="anode", low_angstrom=0.0, high_angstrom=9.0, mean_mobile_atoms=20.0,
        stay=Stay(status="ok", departures=9, mean_ps=4.5, interval95_ps=(2.0, 9.0)), status="ok",
        reason=None, mobile_per_nm3=40.0, conductivity_in_plane_ms_cm=12.0,
        conductivity_in_plane_sigma_ms_cm=2.0, conductivity_across_ms_cm=None,
        conductivity_across_sigma_ms_cm=None, across_reason="thin", metallic=True,
        resistance=BOUND,
    )  # fmt: skip
    plane = PlaneCrossing(
        below="anode", above="electrolyte", height_angstrom=9.0, upward=RATE, downward=RATE,
        plain_crossings=40, recrossed_fraction=0.7, exchange_current_ma_cm2=1.5, resistance=BOUND,
    )  # fmt: skip
    return CrossingRun(
        temperature_k=600.0, charge_e=1.0, margin_angstrom=1.5, time_ps=50.0, discarded_ps=5.0,
        regions=(layer,), planes=(plane,), total=KNOWN,
    )  # fmt: skip


def test_resistances_and_bounds_are_said() -> None:
    page = str(across(SimpleNamespace(diffusion=(_record(crossings=[_crossing()]),))))
    assert "0.012 Ω cm²" in page
    assert "(95 %: 0.008 to any)" in page
    assert "too few &lt;crossings&gt;; at least 0.5 Ω cm²" in page
    assert "12 ± 2 mS/cm" in page
    assert "70.0 %" in page


def test_regions_have_figure_and_table() -> None:
    rows = (
        RegionalDiffusion(region="anode", status="ok", reason=None, self_diffusivity_cm2_s=2e-5,
                          sigma_cm2_s=3e-6, mean_mobile_atoms=20.0),
        RegionalDiffusion(region="electrolyte", status="no_answer", reason="too short",
                          mean_mobile_atoms=9.0),
    )  # fmt: skip
    run = RegionalRun(
        temperature_k=600.0,
        by="region",
        rows=rows,
        spans=(),
        planes_angstrom=(0.0, 9.0),
        discarded_ps=0.0,
    )
    page = str(across(SimpleNamespace(diffusion=(_record(regions=[run]),))))
    assert "<svg" in page
    assert "(2.0 ± 0.3)×10⁻⁵ cm²/s" in page
    assert "too short" in page


def test_nothing_without_regions() -> None:
    assert across(SimpleNamespace(diffusion=(_record(),))) == ""
