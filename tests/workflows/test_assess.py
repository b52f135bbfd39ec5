"""The main job end to end, and what it leaves behind when something goes wrong."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from interlith.analysis.reference_catalog import every_element, set_for
from interlith.analysis.study_results import StudyResults
from interlith.errors import InputError, OutputError
from interlith.report.html import render
from interlith.report.output import check_writable, write_results
from interlith.workflows.assess import (
    AssessMaker,
    check_study,
    contacts,
    elements_of,
    materials,
    study_hull,
)
from interlith.workflows.local import run_flow
from interlith.workflows.step_cost import stage_costs
from interlith.workflows.study import Study, load_study

EXAMPLE = Path(__file__).parents[2] / "examples" / "li-lpscl-lco.yaml"


@pytest.fixture(scope="module")
def results() -> StudyResults:
    """The shipped example, run as a flow in this process."""
    ticks: list[tuple[int, int]] = []
    output = run_flow(
        AssessMaker().make(load_study(EXAMPLE)), lambda _, done, total: ticks.append((done, total))
    )
    assert ticks[-1][0] == ticks[-1][1]
    assert output["files"] == {}
    return StudyResults.model_validate(output["results"])


def test_every_material_and_contact_is_answered(results: StudyResults) -> None:
    study = load_study(EXAMPLE)
    assert [(c.role, c.formula) for c in results.components] == materials(study)
    assert len(results.interfaces) == len(contacts(study)) == 17
    assert results.failures == ()
    assert len(results.coatings.rows) == 5
    assert results.reference.sha256
    assert results.provenance.versions["pymatgen"]


def test_the_known_answers_come_out(results: StudyResults) -> None:
    by_pair = {(i.a, i.b): i for i in results.interfaces}
    anode = by_pair["Li", "Li6PS5Cl"]
    assert anode.closed.reaction == "8 Li + Li6PS5Cl -> 5 Li2S + Li3P + LiCl"
    assert anode.interphase.interphase_class == "passivating"
    assert by_pair["LiF", "Li"].closed.energy_ev_per_atom == 0.0
    assert by_pair["LiCoO2", "Li6PS5Cl"].closed.energy_ev_per_atom < -0.25
    electrolyte = results.components[0].window
    assert electrolyte.reduction_potential_v == pytest.approx(1.72, abs=0.05)
    assert electrolyte.sigma.reduction_v > 0


def test_the_structure_stage_builds_every_contact_or_says_why_not(tmp_path: Path) -> None:
    study = Study.model_validate(
        {
            "name": "built",
            "electrolyte": "Li5.5PS4.5Cl1.5",
            "anode": "Li",
            "coatings": ["Ba3(PO4)2"],
            "stages": {"structures": {"max_atoms": 300}},
        }
    )
    output = run_flow(AssessMaker().make(study))
    results = StudyResults.model_validate(output["results"])
    (search,) = results.structures
    assert search.b.endswith("-ordered")
    (cell,) = search.candidates
    assert cell.n_atoms <= 300
    assert set(cell.files.values()) == set(output["files"])
    missing = [f for f in results.failures if f.step == "structures"]
    assert len(missing) == 2
    assert "Ba3(PO4)2" in missing[0].subject
    write_results(results, tmp_path / "out", output["files"])
    for path in cell.files.values():
        assert (tmp_path / "out" / path).stat().st_size > 1000
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "What was built?" in page
    assert cell.files["cif"] in page


CALCULATED = {
    "name": "toy",
    "electrolyte": "LiCl",
    "anode": "Li",
    "stages": {
        "md": {
            "potential": "lj", "temperatures_k": [300, 400, 500], "time_ps": 0.4,
            "equilibration_ps": 0.05, "frame_every": 2, "volume": "as_given",
            "min_length_angstrom": 5.0,
        },
        "topotactic": {
            "potential": "lj", "low": 0, "high": 2, "framework": "held", "max_steps": 20,
            "arrangements": 2,
        },
        "barriers": {
            "potential": "lj", "images": 1, "most_hops": 1, "min_length_angstrom": 5.0,
            "max_steps": 30, "max_distance_angstrom": 4,
        },
    },
}  # fmt: skip


def test_the_stages_of_a_potential_run_are_reported_and_go_on(tmp_path: Path) -> None:
    study = Study.model_validate(CALCULATED)
    check_study(study)
    maker = AssessMaker(work_folder=str(tmp_path), workers=1)
    results = StudyResults.model_validate(run_flow(maker.make(study))["results"])
    assert results.failures == ()
    (ladder,), (inserted,), (hops,) = results.diffusion, results.topotactic, results.barriers
    assert [run.temperature_k for run in ladder.runs] == [300, 400, 500]
    assert all(run.trajectory.frames == 101 for run in ladder.runs)
    assert {run.status for run in ladder.dynamics} == {"finished"}
    assert [step.formula for step in inserted.steps] == ["Cl", "LiCl", "Li2Cl"]
    assert hops.hops[0].label.startswith("Li vacancy")
    assert all(one.potential["name"] == "lj" for one in (ladder, inserted, hops))
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("trajectory.h5")}
    files |= {path: path.stat().st_mtime_ns for path in (tmp_path / "toy-topotactic").iterdir()}
    assert len(files) == 3 + 5  # three runs; Li, LiCl, Cl and two arrangements of Li2Cl
    again = StudyResults.model_validate(run_flow(maker.make(study))["results"])
    assert {path: path.stat().st_mtime_ns for path in files} == files  # nothing was run again
    assert again.diffusion[0].runs == ladder.runs
    assert again.topotactic[0].steps == inserted.steps
    page = render(results)
    for heading in ("Does Li still move?", "How much Li does the framework take?", "Single hops"):
        assert heading in page


def test_a_stage_that_fails_leaves_the_rest(tmp_path: Path) -> None:
    stages = {"barriers": {"potential": "emt"}, "md": {"potential": "emt"}}
    study = Study.model_validate(CALCULATED | {"stages": stages})
    output = run_flow(AssessMaker(work_folder=str(tmp_path)).make(study))
    results = StudyResults.model_validate(output["results"])
    assert {f.step for f in results.failures} == {"barriers", "diffusion"}
    assert all("does not know" in f.reason for f in results.failures), results.failures
    assert results.components[0].window is not None


def test_an_unknown_potential_is_refused_before_any_job() -> None:
    study = Study.model_validate(CALCULATED | {"stages": {"md": {"potential": "lpsc"}}})
    with pytest.raises(InputError, match=r"stages\.md: no potential is called 'lpsc'"):
        check_study(study)


def test_the_cost_of_a_stage_is_measured() -> None:
    study = Study.model_validate(CALCULATED)
    costs = {one.stage: one for one in stage_costs(study, workers=1)}
    assert list(costs) == ["md", "topotactic", "barriers"]
    assert all(one.call.basis.startswith("measured") for one in costs.values())
    dynamics = costs["md"]
    assert dynamics.force_calls == 3 * 200
    assert dynamics.seconds == pytest.approx(600 * dynamics.call.seconds)
    assert costs["topotactic"].force_calls == 60 * (1 + 2 * 2)
    assert costs["barriers"].call.n_atoms == 8 - 1
    absent = Study.model_validate(
        CALCULATED | {"stages": {"barriers": {"potential": "lj", "ion": "Na"}}}
    )
    (cost,) = stage_costs(absent)
    assert cost.seconds is None
    assert "holds no Na" in cost.problem


def test_the_cost_of_explicit_interfaces_counts_all_of_each_contact() -> None:
    stage = {"potential": "lj", "time_ps": 0.2, "seeds": 3, "relax_steps": 10, "nve_ps": 0.1,
             "thickness_angstrom": 5, "min_length_angstrom": 4, "contacts": [],
             "pairs": [["Li", "LiCl"], ["LiF", "LiCl"]]}  # fmt: skip
    study = Study.model_validate(CALCULATED | {"stages": {"reactivity": stage}})
    (cost,) = stage_costs(study, workers=1)
    each, once = 100 + 100, 10 + 50  # equilibration and run; relaxation and the test of energy
    assert cost.force_calls == 2 * (3 * each + once)
    assert cost.seconds == pytest.approx(cost.force_calls * cost.call.seconds)


def test_a_bad_coating_is_a_failure_and_the_rest_runs() -> None:
    study = Study(name="bad", electrolyte="Li3PS4", coatings=("LiF", "UO2"), cathode="LiCoO2")
    results = StudyResults.model_validate(run_flow(AssessMaker().make(study))["results"])
    assert {c.formula for c in results.components} == {"Li3PS4", "LiCoO2", "LiF"}
    assert {f.subject for f in results.failures} >= {"UO2"}
    assert all("U" in f.reason for f in results.failures if f.subject == "UO2")


def test_the_set_chosen_for_a_study_covers_air_and_its_coatings() -> None:
    settings = {"thermodynamics": {"reference": "auto"}}
    asked = {"name": "a", "electrolyte": "Li2S", "cathode": "LiCl", "stages": settings}
    plain = Study.model_validate(asked)
    assert elements_of(plain) == {"Li", "S", "Cl", "H", "O", "C"}
    coated = Study.model_validate(asked | {"coatings": ["LiNbO3", "Bad("]})
    assert elements_of(coated) == {"Li", "S", "Cl", "H", "O", "C", "Nb"}
    every = Study.model_validate(asked | {"coatings": "all"})
    assert elements_of(every) == every_element()
    assert study_hull(every).reference.name == set_for(every_element())


def test_making_a_flow_twice_changes_nothing() -> None:
    maker, study = AssessMaker(), Study(name="a", electrolyte="Li3PS4", anode="Li")
    before = dict(vars(maker))
    names = [[job.name for job in maker.make(study).jobs] for _ in range(2)]
    assert names[0] == names[1]
    assert vars(maker) == before


def test_results_are_written_whole_and_replaced_whole(
    results: StudyResults, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    write_results(results, folder)
    write_results(results, folder)
    assert {p.name for p in folder.iterdir()} == {"results.json", "report.html", "figures", "data"}
    assert (folder / "report.html").read_text(encoding="utf-8") == render(results)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert StudyResults.model_validate(json.loads((folder / "results.json").read_text())) == results


def test_full_disk_leaves_the_old_result_and_nothing_else(
    results: StudyResults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    write_results(results, folder)
    before = (folder / "results.json").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("interlith.report.output.os.fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        write_results(results, folder)
    with pytest.raises(OutputError, match="No space left"):
        write_results(results, tmp_path / "new")
    assert (folder / "results.json").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_unwritable_places_are_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        check_writable(tmp_path / "absent" / "out")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file"):
        check_writable(tmp_path / "file")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    with pytest.raises(OutputError, match="holds other files"):
        check_writable(tmp_path / "mine")

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("interlith.report.output.tempfile.TemporaryDirectory", denied)
    with pytest.raises(OutputError, match="Permission denied"):
        check_writable(tmp_path / "out")
