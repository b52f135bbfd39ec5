"""What must not happen: secrets shown, code loaded from documents, files outside of a folder."""

from __future__ import annotations

import ast
import json
import logging
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from interlith.errors import InputError
from interlith.store.credentials import Secret, mongo_uri, redact
from interlith.store.decoding import KNOWN, check_modules
from interlith.store.errors import ArtefactNameError, ForeignDocumentError, StoreError
from interlith.store.jobstore import PrivateMongoStore, job_store
from interlith.store.project import init_project
from interlith.store.results import ResultsDatabase
from interlith.store.studies import import_path

WORD = "hunter2"
URI = f"mongodb://anna:{WORD}@127.0.0.1:1/db"


@pytest.mark.parametrize(
    "text",
    [
        f"cannot reach {URI}",
        f"mongodb+srv://anna:{WORD}@host",
        f"password={WORD}",
        f"{{'password': '{WORD}'}}",
        f"https://{WORD}@host/x",
        f"api_key: {WORD}",
        f"mongodb://anna:p@{WORD}@host/db",
    ],
)
def test_redaction(text: str) -> None:
    assert WORD not in redact(text)


def test_a_secret_shows_nothing() -> None:
    secret = Secret(URI)
    shown = f"{secret} {secret!r} {[secret]} {pickle.dumps(secret)!r} {vars(type(secret))}"
    assert WORD not in shown
    assert secret.reveal() == URI


def test_a_file_that_others_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mongo"
    file.write_text(URI + "\n")
    monkeypatch.setenv("INTERLITH_MONGO_FILE", str(file))
    for mode in (0o644, 0o640, 0o604, 0o660):
        file.chmod(mode)
        with pytest.raises(InputError, match="chmod 600") as caught:
            mongo_uri()
        assert WORD not in str(caught.value)
    file.chmod(0o600)
    assert mongo_uri().reveal() == URI
    monkeypatch.delenv("INTERLITH_MONGO_FILE")
    with pytest.raises(InputError, match="INTERLITH_MONGO_URI"):
        mongo_uri()


def test_no_secret_in_any_file_log_or_exception(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A project on MongoDB, its store serialised, a failing connection: grep everything."""
    from interlith.store import jobstore

    monkeypatch.setattr(jobstore, "CONNECT_WAIT_MS", 200)
    monkeypatch.setenv("INTERLITH_MONGO_URI", URI)
    caplog.set_level(logging.DEBUG)
    project = init_project(tmp_path, store="mongo")
    said = [json.dumps(job_store(project).as_dict()), repr(job_store(project))]
    for connect in (lambda: ResultsDatabase(project), job_store(project).connect):
        with pytest.raises(StoreError) as caught:
            connect()
        error: BaseException | None = caught.value
        while error is not None:
            said.append(f"{error!r} {error.args!r}")
            error = error.__cause__ or error.__context__
    files = [p.read_text() for p in tmp_path.rglob("*") if p.is_file()]
    assert len(files) >= 3
    everything = "\n".join([*said, *files, caplog.text, *capfd.readouterr()])
    assert WORD not in everything
    assert "anna" not in everything


def test_a_connected_store_serialises_without_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLITH_MONGO_URI", URI)
    store = PrivateMongoStore("db", "jobs")
    assert WORD not in json.dumps(store.as_dict()) + repr(vars(store)) + store.name


@pytest.mark.parametrize(
    "document",
    [
        {"@module": "os", "@callable": "system"},
        {"a": [{"b": {"@module": "subprocess", "@class": "Popen", "args": "x"}}]},
        {"@module": "pymatgenx.core", "@class": "A"},
        {"@module": "builtins", "@callable": "eval"},
        {"@module": ["os"], "@class": "A"},
        {"@module": "torch", "@callable": "load"},
    ],
)
def test_documents_name_no_foreign_code(document: Any) -> None:
    with pytest.raises(ForeignDocumentError):
        check_modules(document)


def test_known_code_is_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in KNOWN:
        check_modules({"x": [{"@module": f"{package}.part", "@class": "A"}]})
    mine = {"@module": "mylab.jobs", "@class": "A"}
    with pytest.raises(ForeignDocumentError, match="INTERLITH_TRUSTED_MODULES"):
        check_modules(mine)
    monkeypatch.setenv("INTERLITH_TRUSTED_MODULES", "mylab, other")
    check_modules(mine)


def test_a_job_store_does_not_decode_foreign_documents(tmp_path: Path) -> None:
    """An output that somebody else wrote is refused where jobflow reads it."""
    store = job_store(init_project(tmp_path))
    store.connect()
    bomb = {"@module": "os", "@callable": "system"}
    store.docs_store.update({"uuid": "u", "index": 1, "output": bomb}, ["uuid", "index"])
    with pytest.raises(ForeignDocumentError, match="'os'"):
        store.get_output("u", load=True)


def test_a_result_folder_cannot_name_files_elsewhere(
    database: ResultsDatabase, make: Any, tmp_path: Path
) -> None:
    """A forged results.json that wants /etc/passwd kept as a structure."""
    folder = tmp_path / "forged"
    folder.mkdir()
    data = make.study().to_json()
    data["structures"] = [_search("../../../../../../etc/passwd")]
    (folder / "results.json").write_text(json.dumps(data))
    with pytest.raises(ArtefactNameError):
        import_path(folder, database)
    (tmp_path / "private.extxyz").write_text("1\n\nLi 0 0 0\n")
    (folder / "structures").mkdir()
    (folder / "structures/x.extxyz").symlink_to(tmp_path / "private.extxyz")
    data["structures"] = [_search("structures/x.extxyz")]
    (folder / "results.json").write_text(json.dumps(data))
    with pytest.raises(ArtefactNameError, match="link out of"):
        import_path(folder, database)
    assert list(database.everything()) == []


def _search(file: str) -> dict[str, Any]:
    pair = {"a": "x", "b": "y"}
    candidate = {
        "file": file,
        "files": {"extxyz": file},
        "formula": "LiS",
        "n_atoms": 1,
        "area_angstrom2": 1.0,
        "miller": {"a": [0, 0, 1], "b": [0, 0, 1]},
        "strain": {
            "a": 0.0,
            "b": 0.0,
            "von_mises": 0.0,
            "components": {"a": [0, 0, 0], "b": [0, 0, 0]},
        },
        "termination": pair,
        "excess": {"a": {}, "b": {}},
        "min_distance_ratio": 1.0,
        "closest_pair": "Li-S",
        "energy_ev": None,
        "relaxed": False,
        "periodic": True,
        "equal_interfaces": False,
        "on_front": True,
        "layers": [],
        "joints": [],
        "registries": [],
        "interface_heights_angstrom": [],
    }
    return {
        "a": "Li",
        "b": "Li3PS4",
        "candidates": [candidate],
        "considered": 1,
        "dropped": [],
        "strain_sharing": "equal",
        "options": {},
        "potential": None,
        "provenance": {"created": "x", "versions": {}, "python": "3", "machine": "m"},
    }


def test_yaml_is_loaded_safely(tmp_path: Path) -> None:
    folder = init_project(tmp_path).folder
    (folder / "config.yaml").write_text("!!python/object/apply:os.system ['touch pwned']")
    with pytest.raises(InputError, match="cannot read"):
        ResultsDatabase(tmp_path)
    assert not (Path.cwd() / "pwned").exists()
    yaml.safe_load((folder / "jobflow.yaml").read_text())


DANGEROUS = {"eval", "exec"}
METHODS = {
    "yaml": {"load", "load_all", "unsafe_load", "full_load"},
    "pickle": {"load", "loads"},
    "os": {"system", "popen"},
}
SAFE = {("electronic_character.py", "yaml.load")}  # its loader is the safe one, written in C


def test_no_code_of_the_package_runs_what_it_reads(repository: Path) -> None:
    """``eval``, ``pickle.load``, ``yaml.load``, ``os.system``, ``shell=True``: nowhere."""
    found = []
    for path in sorted((repository / "interlith").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            module, _, attribute = name.rpartition(".")
            keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
            if (path.name, name) in SAFE:
                continue
            bad = name in DANGEROUS or attribute in METHODS.get(module, ())
            if bad or keywords.get("shell") == "True":
                found.append(f"{path.relative_to(repository)}:{node.lineno}: {name}")
    assert not found, "\n".join(found)


def test_a_table_for_spreadsheets_holds_no_formulas() -> None:
    from interlith.store.exporting import csv_text

    text = csv_text(["name"], [["=cmd|' /C calc'!A0"], ["@SUM(1)"], ["Li3PS4"]])
    assert not re.search(r"(?m)^[\"']?[=@]", text.replace("'=", "x").replace("'@", "x"))
    assert "Li3PS4" in text


@pytest.mark.parametrize(
    "where", [{"formula; DROP TABLE windows": 1}, {"formula__gt) OR 1=1 --": 1}, {"1=1": 1}]
)
def test_column_names_are_no_sql(database: ResultsDatabase, make: Any, where: Any) -> None:
    database.add(make.window())
    with pytest.raises(InputError):
        database.table("windows", **where)
    with pytest.raises(InputError, match="no view"):
        database.table("windows; DROP TABLE windows")
    assert len(database.windows(formula="' OR '1'='1")) == 0
    assert len(database.windows()) == 1
