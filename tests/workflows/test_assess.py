"""The main job end to end, and what it leaves behind when something goes wrong."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from interlith.analysis.study_results import StudyResults
from interlith.errors import OutputError
from interlith.report.html import render
from interlith.report.output import check_writable, write_results
from interlith.workflows.assess import AssessMaker, contacts, materials
from interlith.workflows.local import run_flow
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


def test_a_bad_coating_is_a_failure_and_the_rest_runs() -> None:
    study = Study(name="bad", electrolyte="Li3PS4", coatings=("LiF", "UO2"), cathode="LiCoO2")
    results = StudyResults.model_validate(run_flow(AssessMaker().make(study))["results"])
    assert {c.formula for c in results.components} == {"Li3PS4", "LiCoO2", "LiF"}
    assert {f.subject for f in results.failures} >= {"UO2"}
    assert all("U" in f.reason for f in results.failures if f.subject == "UO2")


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
    assert {p.name for p in folder.iterdir()} == {"results.json", "report.html"}
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
