"""``interlith reactivity``: exit codes, one JSON document, advice on bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from interlith.cli.main import app, main

TOY = ["reactivity", "Cu", "Ni", "-p", "emt", "--time-ps", "0.02", "--seeds", "1", "--thickness",
       "4", "--min-length", "2", "--labels", "0", "--temperature", "300"]  # fmt: skip


def test_one_json_document_and_figures(tmp_path: Path) -> None:
    out = tmp_path / "run"
    found = CliRunner().invoke(app, [*TOY, "--out", str(out), "--json"])
    assert found.exit_code == 0, found.stderr
    record = json.loads(found.stdout)
    assert record["status"] == "no_reaction"
    assert record["trust"]["trusted"] is False
    assert record["settings"]["potential"] == "emt"
    assert {path.name for path in out.glob("*.png")} >= {"over-time.png", "snapshots.png"}
    shown = CliRunner().invoke(app, [*TOY, "--out", str(out)])
    assert shown.exit_code == 0
    assert "Not trusted: no frame was labelled" in shown.stdout.replace("\n", " ")


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (["--temperature", "hot"], "no list of numbers"),
        (["--miller-a", "1,0"], "--miller-a"),
        (["--max-time-ps", "0.001"], "below time_ps"),
        (["-p", "nothing"], "no potential is called"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(
    extra: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("sys.argv", ["interlith", *TOY, "--out", str(tmp_path / "no"), *extra])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "no").exists()
