"""Job stores: embedded and in memory; MongoDB's is in test_mongo.py."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jobflow import Flow, JobStore, job, run_locally

from interlith.store.errors import DocumentTooLargeError, StoreError
from interlith.store.jobstore import EmbeddedStore, PrivateMongoStore, job_store, memory_store
from interlith.store.project import init_project


@job
def add(a: float, b: float) -> dict[str, Any]:
    return {"sum": a + b, "files": {"structures/x.cif": "text", "1.5": {"$v": 1}}}


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    made = job_store(init_project(tmp_path))
    made.connect()
    return made


@pytest.mark.filterwarnings("ignore:cd is deprecated:FutureWarning")
def test_a_flow_runs_and_its_outputs_are_found(store: JobStore) -> None:
    """Names with dots and dollars are kept: outputs hold files by their path."""
    first = add(1, 2)
    second = add(first.output["sum"], 4)
    run_locally(Flow([first, second]), store=store, log=False)
    assert store.get_output(second.uuid)["sum"] == 7
    assert store.get_output(second.uuid)["files"] == {
        "structures/x.cif": "text", "1.5": {"$v": 1},
    }  # fmt: skip
    assert store.count() == 2


def test_the_first_document_is_not_seen(store: JobStore) -> None:
    assert store.count() == 0
    assert list(store.query({})) == []
    assert store.query_one({"uuid": "seed"}) is None


def test_the_same_job_is_stored_once(store: JobStore) -> None:
    for value in (1, 2):
        store.update({"uuid": "u", "index": 1, "output": value})
    store.update({"uuid": "u", "index": 2, "output": 3})
    assert sorted(row["output"] for row in store.query({})) == [2, 3]
    assert store.get_output("u") == 3
    store.remove_docs({"index": 2})
    assert store.count() == 1


def test_a_document_too_large(store: JobStore) -> None:
    with pytest.raises(DocumentTooLargeError, match=r"output \(15\.5 MB\)"):
        store.update({"uuid": "u", "index": 1, "output": "x" * 15_500_000})
    assert store.count() == 0


def test_blobs_lie_beside(store: JobStore) -> None:
    row = {"uuid": "u", "index": 1, "output": {"trajectory": [1, 2, 3]}, "metadata": {}}
    store.update(row, save={"data": "trajectory"})
    assert store.query_one({"uuid": "u"}, load=True)["output"]["trajectory"] == [1, 2, 3]
    assert store.query_one({"uuid": "u"})["output"]["trajectory"] != [1, 2, 3]


def test_a_second_connection_sees_it(store: JobStore, tmp_path: Path) -> None:
    store.update({"uuid": "u", "index": 1, "output": 1})
    other = EmbeddedStore("jobs", str(tmp_path / ".interlith/jobs"))
    other.connect()
    assert other.count() == 1


def test_a_relative_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    store = EmbeddedStore("jobs", "sub")
    monkeypatch.chdir(tmp_path / "sub")
    store.connect()
    assert store.database_path == str(tmp_path / "sub")
    assert not (tmp_path / "sub/sub").exists()


def test_a_removed_store_says_so(store: JobStore, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / ".interlith")
    with pytest.raises(StoreError, match="was removed"):
        store.update({"uuid": "u", "index": 1, "output": 1})
    with pytest.raises(StoreError, match="does not exist"):
        EmbeddedStore("jobs", str(tmp_path / ".interlith/jobs")).connect()


def test_the_written_configuration_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = init_project(tmp_path)
    monkeypatch.setenv("JOBFLOW_CONFIG_FILE", str(project.jobflow_config))
    found = job_store(project)
    assert isinstance(found.docs_store, EmbeddedStore)
    found.connect()
    assert found.count() == 0


@pytest.mark.parametrize("first", ["interlith.store.jobstore", "jobflow"])
def test_the_written_configuration_works_in_a_new_process(tmp_path: Path, first: str) -> None:
    """jobflow reads it while it is imported, and needs this package for that."""
    code = (
        f"import {first}\nfrom jobflow import SETTINGS\nstore = SETTINGS.JOB_STORE\n"
        "store.connect()\nprint(type(store.docs_store).__name__, store.count())"
    )
    environment = os.environ | {"JOBFLOW_CONFIG_FILE": str(init_project(tmp_path).jobflow_config)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["EmbeddedStore", "0"], done.stderr


def test_the_users_own_configuration_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(yaml.safe_dump({"JOB_STORE": {"docs_store": {"type": "MemoryStore"}}}))
    monkeypatch.setenv("JOBFLOW_CONFIG_FILE", str(own))
    assert type(job_store(init_project(tmp_path)).docs_store).__name__ == "MemoryStore"


def test_mongo_is_configured_without_a_server(tmp_path: Path) -> None:
    project = init_project(tmp_path, store="mongo", database="lab", blobs="s3", bucket="b")
    store = job_store(project)
    assert isinstance(store.docs_store, PrivateMongoStore)
    assert type(store.additional_stores["data"]).__name__ == "S3Store"
    assert yaml.safe_load(project.jobflow_config.read_text())["JOB_STORE"]["docs_store"] == {
        "@module": "interlith.store.jobstore",
        "@class": "PrivateMongoStore",
        "database": "lab",
        "collection_name": "results_jobs",
        "key": "uuid",
    }


def test_memory() -> None:
    store = memory_store()
    store.connect()
    store.update({"uuid": "u", "index": 1, "output": 1})
    assert store.count() == 1
