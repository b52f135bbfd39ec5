"""MongoDB: the battery through a real pymongo client, and what only a server does.

Over the endpoint of ``wire.py``, or over the server that ``INTERLITH_TEST_MONGO_URI`` names.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest
from pymongo.errors import DocumentTooLarge, OperationFailure

from interlith.store.credentials import Secret
from interlith.store.errors import DocumentTooLargeError, StoreError
from interlith.store.jobstore import connect_mongo, job_store
from interlith.store.project import init_project
from interlith.store.results import ResultsDatabase


def _beside(name: str) -> Any:
    """A module of this folder (importlib mode puts none of them on the path)."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


Battery = _beside("test_results").Battery
OWN = "INTERLITH_TEST_MONGO_URI"


@pytest.fixture
def server() -> Iterator[Any]:
    """The endpoint; absent where a real server is named."""
    if os.environ.get(OWN):
        yield None
        return
    with _beside("wire").WireServer() as made:
        yield made


@pytest.fixture
def uri(server: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    found = os.environ.get(OWN) or server.uri
    monkeypatch.setenv("INTERLITH_MONGO_URI", found)
    return found


@pytest.fixture
def name(uri: str) -> Iterator[str]:
    """A database of this test's own."""
    made = f"interlith_test_{uuid.uuid4().hex[:12]}"
    yield made
    pymongo.MongoClient(uri).drop_database(made)


@pytest.fixture
def database(tmp_path: Path, name: str) -> Iterator[ResultsDatabase]:
    project = init_project(tmp_path / "project", store="mongo", database=name)
    with ResultsDatabase(project) as made:
        yield made


class TestMongo(Battery):
    """In a MongoDB server."""


def test_the_endpoint_is_what_a_client_expects(uri: str, name: str) -> None:
    """Writes in bulk, batches, counts, projections, sorting: as the driver documents them."""
    collection = pymongo.MongoClient(uri)[name]["c"]
    collection.insert_many([{"n": n, "s": {"m": n % 3}} for n in range(250)])
    assert collection.count_documents({"s.m": 1}) == 83
    assert [d["n"] for d in collection.find({"n": {"$lt": 3}}).sort("n", -1)] == [2, 1, 0]
    assert len(list(collection.find(batch_size=20))) == 250
    result = collection.bulk_write(
        [
            pymongo.ReplaceOne({"n": 0}, {"n": 0, "x": 1}),
            pymongo.ReplaceOne({"n": 999}, {"n": 999}, upsert=True),
        ]
    )
    assert (result.matched_count, result.upserted_count) == (1, 1)
    assert collection.find_one({"x": 1}, {"_id": 0}) == {"n": 0, "x": 1}
    assert collection.delete_many({"n": {"$gte": 100}}).deleted_count == 151


def test_sixteen_megabytes_are_the_limit(uri: str, name: str) -> None:
    collection = pymongo.MongoClient(uri)[name]["c"]
    with pytest.raises((DocumentTooLarge, OperationFailure), match=r"(?i)too large|invalid"):
        collection.insert_one({"x": "y" * (16 * 1024 * 1024)})


def test_writers_at_the_same_time_store_once(database: ResultsDatabase, make: Any) -> None:
    records = [make.window(f"Li{n}S") for n in range(1, 21)]
    new = []

    def write() -> None:
        with ResultsDatabase(database.project) as own:
            new.extend(own.add(record).new for record in records)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(new) == 20
    found = list(database.everything())
    assert len({one.key for one in found}) == len(found) == 20
    assert len({one.sequence for one in found}) == 20


def test_jobs_and_their_blobs(tmp_path: Path, name: str) -> None:
    """jobflow's own calls over MongoStore and GridFS; documents near the limit are refused."""
    store = job_store(init_project(tmp_path, store="mongo", database=name))
    store.connect()
    blob = {"frames": list(range(1000))}
    row = {"uuid": "u", "index": 1, "output": {"value": 4, "trajectory": blob}, "metadata": {}}
    store.update(dict(row), save={"data": "trajectory"})
    store.update(dict(row), save={"data": "trajectory"})
    assert store.count() == 1
    assert store.get_output("u")["value"] == 4
    assert store.query_one({"uuid": "u"}, load=True)["output"]["trajectory"] == blob
    assert "frames" not in str(store.docs_store.query_one({"uuid": "u"}))
    with pytest.raises(DocumentTooLargeError, match="as files"):
        store.update({"uuid": "v", "index": 1, "output": "x" * 15_500_000})


def test_a_refusal_shows_no_password(
    server: Any, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if server is None:
        pytest.skip("the real server is not made to refuse")
    server.refuse = True
    with pytest.raises(StoreError) as caught:
        connect_mongo(Secret(uri), "db")
    text = f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
    assert "hunter2" not in text
    assert "***@host" in text


def test_a_server_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    from interlith.store import jobstore

    monkeypatch.setattr(jobstore, "CONNECT_WAIT_MS", 300)
    secret = "mongodb://user:hunter2@127.0.0.1:1/db"
    with pytest.raises(StoreError, match="does not answer") as caught:
        connect_mongo(Secret(secret), "db")
    assert "hunter2" not in repr(caught.value)
