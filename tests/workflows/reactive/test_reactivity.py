"""The flow end to end: resumable, honest about trust, and it reacts where it must."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from interlith.analysis.reactive_records import ReactivityRecord
from interlith.errors import InputError
from interlith.workflows.local import run_flow
from interlith.workflows.reactive.settings import ReactivitySettings
from interlith.workflows.reactive.trust import teacher_of
from interlith.workflows.reactivity import ReactivityMaker, reactivity, read_record

TOY = ReactivitySettings(
    potential="emt",
    teacher="lj",
    temperatures_k=(300,),
    time_ps=0.1,
    seeds=1,
    equilibration_ps=0.02,
    frame_every=5,
    thickness_angstrom=4.0,
    min_length_angstrom=2.0,
    label_frames=10,
    nve_ps=0.05,
)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ReactivityRecord]:
    folder = tmp_path_factory.mktemp("reactivity") / "cu-ni"
    return folder, reactivity("Cu", "Ni", TOY, folder)


def test_a_toy_runs_and_is_not_trusted(toy: tuple[Path, ReactivityRecord]) -> None:
    folder, record = toy
    assert record.status == "no_reaction"
    assert [run.status for run in record.runs] == ["finished"]
    assert record.runs[0].series is not None
    assert record.runs[0].series.times_ps[0] == pytest.approx(0.02)
    assert record.cell.reservoir == "no reservoir"
    assert not record.trust.trusted
    assert any("off by" in reason for reason in record.trust.reasons)
    assert record.trust.labels is not None
    assert record.trust.labels.teacher["name"] == "lj"
    assert record.trust.deviation is not None
    assert record.trust.deviation.by == "teacher"
    assert record.trust.deviation.harvested > 0
    assert (folder / "outside-domain.extxyz").exists()
    assert read_record(folder) == record


def test_a_second_call_repeats_nothing(toy: tuple[Path, ReactivityRecord]) -> None:
    folder, record = toy
    marks = {path: path.stat().st_mtime_ns for path in folder.rglob("trajectory.h5")}
    again = reactivity("Cu", "Ni", TOY, folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("trajectory.h5")} == marks
    assert again.runs == record.runs
    assert again.trust == record.trust
    with pytest.raises(InputError, match="holds other runs"):
        reactivity("Cu", "Al", TOY, folder)


def test_more_time_goes_on_from_the_checkpoint(
    toy: tuple[Path, ReactivityRecord], tmp_path: Path
) -> None:
    whole = TOY.model_copy(update={"time_ps": 0.06, "label_frames": 0, "nve_ps": 0.0})
    short = whole.model_copy(update={"time_ps": 0.03})
    reactivity("Cu", "Ni", short, tmp_path / "parts")
    parts = reactivity("Cu", "Ni", whole, tmp_path / "parts")
    one = reactivity("Cu", "Ni", whole, tmp_path / "whole")
    assert parts.runs[0].time_ps == one.runs[0].time_ps == pytest.approx(0.06)
    assert parts.runs[0].series is not None
    assert one.runs[0].series is not None
    assert len(parts.runs[0].series.times_ps) == len(one.runs[0].series.times_ps)
    assert "no frame was labelled" in parts.trust.reasons


def test_the_check_of_energy_goes_on_after_a_signal(tmp_path: Path) -> None:
    settings = TOY.model_copy(update={"time_ps": 0.03, "label_frames": 0, "nve_ps": 1.1})
    steps, said = settings.steps(settings.nve_ps), list[str]()

    def stop(_: int, total: int) -> None:
        if total == steps:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        reactivity("Cu", "Ni", settings, tmp_path / "cell", progress=stop)
    assert not (tmp_path / "cell" / "trust.json").exists()
    begun = next((tmp_path / "cell").glob("drift-*")) / "checkpoint"
    assert begun.exists()
    record = reactivity("Cu", "Ni", settings, tmp_path / "cell", say=said.append)
    assert record.trust.drift is not None
    assert record.trust.drift.time_ps == pytest.approx(1.1)
    assert said[-2:] == ["labels", "energy conservation"]


def test_the_flow_gives_the_same_runs(toy: tuple[Path, ReactivityRecord], tmp_path: Path) -> None:
    _, record = toy
    flow = ReactivityMaker().make("Cu", "Ni", TOY, str(tmp_path / "flow"))
    made = ReactivityRecord.model_validate(run_flow(flow))
    assert made.runs[0].series == record.runs[0].series
    assert made.cell == record.cell


def test_a_cell_that_explodes_has_a_status_and_its_last_good_frame(tmp_path: Path) -> None:
    from interlith.structures.files.formats import read_structure

    hot = TOY.model_copy(
        update={"temperatures_k": (9000,), "timestep_fs": 10.0, "time_ps": 0.6, "frame_every": 2,
                "label_frames": 0, "nve_ps": 0.0}
    )  # fmt: skip
    record = reactivity("Cu", "Ni", hot, tmp_path / "hot")
    run = record.runs[0]
    assert record.status == "no_answer"
    assert run.status in ("exploded", "delaminated")
    assert not record.trust.trusted
    assert any("at 0." in reason for reason in record.trust.reasons)
    assert run.last_good is not None
    kept = read_structure(Path(run.last_good))
    assert kept.lattice.c < 1.5 * record.cell.lengths_angstrom[2]


def test_a_potential_that_knows_no_lithium_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot compute|does not know|not implemented|knows"):
        reactivity("Li", "LiCl", TOY.model_copy(update={"max_atoms": 300}), tmp_path / "no")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("potential", "asked", "teacher"),
    [
        ("lpscl", None, "7net-l3i5"),
        ("lpscl-dft-1", None, "7net-l3i5"),  # its own teacher, GPAW, takes minutes a frame
        ("7net-0", None, "7net-l3i5"),
        ("emt", None, "7net-0"),
        ("lpscl-dft", "gpaw", "gpaw"),
    ],
)
def test_who_labels_the_frames_of_a_run(potential: str, asked: str | None, teacher: str) -> None:
    assert teacher_of(ReactivitySettings(potential=potential, teacher=asked)) == teacher


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    """SIGINT leaves checkpoints; the same command comes to the end."""
    folder = tmp_path / "killed"
    command = [
        sys.executable, "-m", "interlith", "reactivity", "Cu", "Ni", "-p", "emt", "--teacher",
        "lj", "--time-ps", "200", "--seeds", "1", "--thickness", "4", "--min-length", "2",
        "--labels", "0", "--workers", "1", "--temperature", "300", "--out", str(folder), "--json",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ.copy()
    )
    progress = folder / "300K-seed1" / "progress.json"
    for _ in range(600):
        if progress.exists() and json.loads(progress.read_text() or "{}").get("step", 0) > 20:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 1, errors
    assert "go on with" in errors
    record = json.loads(out)
    assert record["runs"][0]["status"] == "interrupted"
    assert record["trust"]["trusted"] is False
    assert 0 < record["runs"][0]["time_ps"] < 200
    assert (folder / "300K-seed1" / "checkpoint").exists()


SHIPPED = ReactivitySettings(
    miller_b=(1, 0, 0),
    thickness_angstrom=9.0,
    min_length_angstrom=6.5,
    seeds=1,
    time_ps=0.1,
    label_frames=0,
    nve_ps=0.0,
    relax_steps=15,
)


@pytest.mark.ml
@pytest.mark.slow
def test_a_few_steps_with_the_shipped_committee(tmp_path: Path) -> None:
    record = reactivity("Li", "Li6PS5Cl", SHIPPED, tmp_path / "li")
    assert record.limit is not None
    assert record.limit.lithium_per_formula == 8
    assert record.cell.reservoir == "enough"
    run = record.runs[0]
    assert run.status == "finished"
    assert run.series is not None
    assert run.series.bonds["P-S"][0] > 0
    assert run.layers
    assert record.trust.deviation is not None
    assert record.trust.deviation.by == "committee"
    assert not record.trust.trusted


@pytest.mark.ml
@pytest.mark.slow
def test_the_small_interface_reacts_to_the_end(tmp_path: Path) -> None:
    """92 atoms at 600 K: the outermost PS4 is broken by 2 ps, more follow, no explosion."""
    asked = ReactivitySettings(
        miller_b=(1, 0, 0), min_length_angstrom=6.5, seeds=1, time_ps=4.5, nve_ps=0.5,
        label_frames=10,
    )  # fmt: skip
    record = reactivity("Li", "Li6PS5Cl", asked, tmp_path / "li")
    run = record.runs[0]
    assert record.status == "reacted"
    assert run.status == "finished"
    assert run.series is not None
    first = min(run.layers, key=lambda one: one.depth_angstrom)
    assert (first.all_broken_ps or 9.0) < 2.0
    assert {one.side for one in run.layers} == {"lower", "upper"}
    assert run.series.intact[-1] <= 0.75
    assert run.series.bonds["Li-P"][-1] > run.series.bonds["Li-P"][0]
    assert run.series.bonds["P-S"][-1] < 0.8 * run.series.bonds["P-S"][0]
    assert (run.max_temperature_k or 0) < 1200
    assert record.trust.labels is not None
    assert record.trust.labels.force_rmse_mev_per_angstrom < 150
