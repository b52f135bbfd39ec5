"""``interlith init`` and ``interlith results``, as a user calls them."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interlith.cli.main import main

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run a command: exit code, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["interlith", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return run


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two windows and a reaction, from what the commands print."""
    from interlith.analysis.hull import Hull
    from interlith.analysis.reactions import closed_reaction
    from interlith.analysis.reference_catalog import load_reference
    from interlith.analysis.windows import stability_window
    from interlith.store.project import init_project
    from interlith.store.results import ResultsDatabase
    from interlith.store.studies import import_path

    folder = tmp_path_factory.mktemp("filled")
    hull = Hull(load_reference("default"))
    rows = [
        stability_window(hull, "Li3PS4"),
        stability_window(hull, "LiCl"),
        closed_reaction(hull, "Li", "Li3PS4"),
    ]
    (folder / "x.json").write_text(json.dumps([row.to_json() for row in rows]))
    with ResultsDatabase(init_project(folder)) as database:
        import_path(folder / "x.json", database)
    return folder


@pytest.fixture
def filled(original: Path, tmp_path: Path) -> Path:
    """A copy of it, as the current folder."""
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    return tmp_path


def read(call: Call, *arguments: str) -> Any:
    code, out, err = call(*arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def test_query(call: Call, filled: Path) -> None:
    assert len(read(call, "results", "query")) == 3
    (found,) = read(call, "results", "query", "windows", "-w", "formula=LiCl")
    assert found["record"]["formula"] == "LiCl"
    above = read(call, "results", "query", "windows", "-w", "oxidation_potential_v__gt=3.0",
                 "-w", "formula__in=LiCl,Li3PS4")  # fmt: skip
    assert {one["record"]["formula"] for one in above} == {"LiCl"}
    by_filter = read(call, "results", "query", "--filter", '{"record.b": "Li3PS4"}')
    assert [one["kind"] for one in by_filter] == ["reaction"]
    assert len(read(call, "results", "query", "window", "--limit", "1")) == 1
    _, out, _ = call("results", "query", "windows", "--columns", "formula,width_v")
    assert "LiCl" in out


def test_show_and_compare(call: Call, filled: Path) -> None:
    a, b = (one["key"] for one in read(call, "results", "query", "windows"))
    assert read(call, "results", "show", a[:10])["key"] == a
    assert [r["revision"] for r in read(call, "results", "show", a, "--history")] == [1]
    assert read(call, "results", "show", a, "--graph")["nodes"]
    assert read(call, "results", "compare", a, f"{a}:1")["same_results"]
    found = read(call, "results", "compare", a, b)
    assert "formula" in {row["field"] for row in found["inputs"]}
    for command in (
        ["show", a],
        ["show", a, "--history"],
        ["show", a, "--graph"],
        ["compare", a, b],
    ):
        code, out, _ = call("results", *command)
        assert (code, bool(out)) == (0, True)


def test_export(call: Call, filled: Path) -> None:
    assert read(call, "results", "export", "w.csv", "--view", "windows")["count"] == 2
    assert Path("w.csv").read_text().count("\n") == 3
    assert read(call, "results", "export", "all.json")["count"] == 3
    assert len(json.loads(Path("all.json").read_text())) == 3
    code, _, err = call("results", "export", "x.extxyz")
    assert (code, "structure" in err) == (2, True)
    code, _, err = call("results", "export", "x.docx")
    assert (code, "formats are" in err) == (2, True)


def test_verify_finds_damage(call: Call, filled: Path) -> None:
    assert read(call, "results", "verify")["sound"]
    place = filled / ".interlith/artefacts/ab"
    place.mkdir()
    (place / ("ab" * 32)).write_bytes(b"x")
    code, out, err = call("results", "verify", "--json")
    assert code == 1
    assert json.loads(out)["file_faults"][0]["fault"] == "corrupted"
    assert "need a look" in err


def test_merge_and_delete(call: Call, filled: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    call("init", str(other))
    report = read(call, "results", "merge", str(filled), "--store", str(other))
    assert (report["taken"], report["present"]) == (3, 0)
    key = read(call, "results", "query", "--store", str(other))[0]["key"]
    code, _, err = call("results", "delete", key, "--store", str(other))
    assert (code, "--yes" in err) == (2, True)
    read(call, "results", "delete", key, "--yes", "--store", str(other))
    assert len(read(call, "results", "query", "--store", str(other))) == 2
    assert len(read(call, "results", "query")) == 3
    code, _, err = call("results", "merge", str(filled))
    assert (code, "own database" in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("query", "window", "-w", "formula"), "no condition"),
        (("query", "windows", "-w", "formel=LiF"), "did you mean 'formula'"),
        (("query", "nothing"), "views are"),
        (("query", "--filter", "{"), "no JSON"),
        (("query", "--filter", '{"$where": "1"}'), "not allowed"),
        (("query", "windows", "--columns", "x"), "columns are"),
        (("show", "abc"), "at least 6"),
        (("compare", "abcdef:x", "abcdef"), "KEY:REVISION"),
        (("import", "absent"), "cannot read"),
        (("query", "--store", "absent"), "interlith init"),
    ],
)
def test_bad_input_is_explained(
    call: Call, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    call("init", str(tmp_path))
    code, _, err = call("results", *arguments)
    assert (code, message in err) == (2, True), err


def test_init_says_where(call: Call, tmp_path: Path) -> None:
    data = read(call, "init", str(tmp_path / "p"))
    assert Path(data["jobflow_config_file"]).is_file()
    code, out, _ = call("init", str(tmp_path / "m"), "--store", "mongo")
    assert (code, "INTERLITH_MONGO_URI" in out) == (0, True)
    code, _, err = call("init", str(tmp_path / "x"), "--store", "oracle")
    assert (code, "store" in err) == (2, True)
