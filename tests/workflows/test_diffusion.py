"""The ladder of temperatures: side by side, resumable, and never a zero for an answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlith.errors import InputError
from interlith.workflows.diffusion import DiffusionMaker, diffusion, make_replicas, prepare_cell
from interlith.workflows.diffusion_settings import DiffusionSettings
from interlith.workflows.local import run_flow

SHORT = DiffusionSettings(
    potential="emt",
    mobile="Cu",
    temperatures_k=(400, 500, 600),
    time_ps=0.2,
    equilibration_ps=0.02,
    frame_every=5,
    volume="as_given",
    min_length_angstrom=5.0,
)


@pytest.fixture(scope="module")
def ladder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ladder")
    diffusion("Cu", SHORT, folder)
    return folder


def test_a_solid_has_no_diffusivity_and_says_why(ladder: Path) -> None:
    record = diffusion("Cu", SHORT, ladder)
    assert [run.temperature_k for run in record.runs] == [400, 500, 600]
    for run in record.runs:
        assert run.status == "no_answer"
        assert run.reason
        assert run.self_diffusivity_cm2_s is None
        assert run.trajectory is not None
        assert run.trajectory.frames == 21
        assert len(run.trajectory.sha256 or "") == 64
    assert record.arrhenius is None
    assert "at least 3" in (record.arrhenius_reason or "")
    assert {one.status for one in record.dynamics} == {"finished"}
    assert record.potential is not None
    assert record.potential["name"] == "emt"
    assert (ladder / "diffusion.json").exists()


def test_more_time_goes_on_and_other_settings_are_refused(ladder: Path) -> None:
    longer = SHORT.model_copy(update={"time_ps": 0.3})
    record = diffusion("Cu", longer, ladder, workers=1)
    assert [one.time_ps for one in record.dynamics] == pytest.approx([0.3] * 3)
    assert record.runs[0].trajectory is not None
    assert record.runs[0].trajectory.frames == 31
    with pytest.raises(InputError, match="timestep_fs"):
        diffusion("Cu", SHORT.model_copy(update={"timestep_fs": 1.0}), ladder)


def test_short_runs_leave_out_half_unless_told() -> None:
    assert DiffusionSettings(time_ps=4.0).equilibration_ps == 2.0
    assert DiffusionSettings().equilibration_ps == DiffusionSettings(time_ps=10).equilibration_ps
    again = DiffusionSettings(**DiffusionSettings(time_ps=4.0).model_dump())
    assert again.equilibration_ps == 2.0
    with pytest.raises(ValueError, match="leaves nothing"):
        DiffusionSettings(time_ps=0.2, equilibration_ps=5)
    with pytest.raises(ValueError, match="comes twice"):
        DiffusionSettings(temperatures_k=(400, 400.0))
    for temperatures in ((), (-400.0,), (float("nan"),), (float("inf"), 300)):
        with pytest.raises(ValueError, match="finite and above 0 K"):
            DiffusionSettings(temperatures_k=temperatures)


def test_cells_are_repeated_and_bounded() -> None:
    cell = prepare_cell("Cu", SHORT.model_copy(update={"min_length_angstrom": 7.0}))
    assert cell.facts["repeats"] == [2, 2, 2]
    assert len(cell.structure) == 32
    replicas = make_replicas(SHORT, cell.structure, Path("x"))
    assert [r.settings.temperature_k for r in replicas] == [600, 500, 400]
    with pytest.raises(InputError, match="--max-atoms"):
        prepare_cell("Cu", SHORT.model_copy(update={"max_atoms": 8, "min_length_angstrom": 9}))
    with pytest.raises(InputError, match="holds no Li"):
        prepare_cell("Cu", SHORT.model_copy(update={"mobile": "Li"}))


def test_a_calculator_by_dotted_name_relaxes_its_cell() -> None:
    """Such a calculator cannot be asked for a number type."""
    relaxed = {"volume": "relaxed"}
    named = SHORT.model_copy(update={"potential": "ase:ase.calculators.emt.EMT", **relaxed})
    cell = prepare_cell("Cu", named)
    same = prepare_cell("Cu", SHORT.model_copy(update=relaxed))
    assert cell.facts["relaxation_steps"] > 0
    assert cell.structure.volume == pytest.approx(same.structure.volume)


def test_the_flow_gives_the_same_as_the_function(tmp_path: Path) -> None:
    two = SHORT.model_copy(update={"temperatures_k": (400.0,), "time_ps": 0.1})
    output = run_flow(DiffusionMaker().make("Cu", two, str(tmp_path / "flow")))
    record = diffusion("Cu", two, tmp_path / "plain", workers=1)
    assert output["runs"][0]["events"] == pytest.approx(record.runs[0].events)


@pytest.mark.slow
def test_liquid_copper_diffuses_faster_when_hotter(tmp_path: Path) -> None:
    """EMT copper at the density of the cold crystal, so far above its melting point."""
    melt = SHORT.model_copy(
        update={
            "temperatures_k": (3500.0, 4000.0, 4500.0),
            "time_ps": 5.0,
            "equilibration_ps": 1.0,
            "min_length_angstrom": 7.0,
        }
    )
    record = diffusion("Cu", melt, tmp_path / "melt")
    found = [run.self_diffusivity_cm2_s for run in record.runs]
    assert all(d is not None and 1e-5 < d < 1e-3 for d in found), found
