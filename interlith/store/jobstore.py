"""Job stores for jobflow: embedded, MongoDB, memory.

The embedded one is maggma's ``MontyStore`` on sqlite with what it needs to be safe when several
processes write: an absolute path, a first document written when it is made, one file lock around
connecting and writing, and a document id that follows from the key, so that one job's output
cannot be stored twice.

>>> store = job_store(init_project("."))
>>> store.connect()
>>> store.count()
0
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from filelock import FileLock, Timeout
from maggma.stores import GridFSStore, MemoryStore, MongoStore, MontyStore, S3Store

from interlith.errors import OutputError
from interlith.store.bucket import check_credentials_file
from interlith.store.credentials import Secret, mongo_uri, redact
from interlith.store.decoding import check_modules
from interlith.store.documents import SqliteDocuments
from interlith.store.errors import StoreError
from interlith.store.project import Project
from interlith.store.sizes import check_size

if TYPE_CHECKING:
    from bson import ObjectId
    from jobflow import JobStore

LOCK_WAIT_S = 120.0
SEED = "seed"
"""Job id of the first document of an embedded store; no query shows it."""
CONNECT_WAIT_MS = 5000


class _Checked:
    """Everything read is data: documents that name foreign code are refused."""

    def query(self, *args: Any, **kwargs: Any) -> Iterator[dict[str, Any]]:
        """As maggma's; see :func:`check_modules`."""
        for document in super().query(*args, **kwargs):  # type: ignore[misc]
            if document.get("uuid") == SEED:
                continue
            check_modules(document)
            yield document


class EmbeddedStore(_Checked, MontyStore):
    """A collection in a folder, nothing to start; safe with several processes."""

    def __init__(self, collection_name: str, database_path: str, **kwargs: Any) -> None:
        path = str(Path(database_path).resolve())
        super().__init__(collection_name, database_path=path, **kwargs)

    def _lock(self) -> FileLock:
        return FileLock(Path(self.database_path) / "store.lock", timeout=LOCK_WAIT_S)

    def connect(self, force_reset: bool = False) -> None:
        """Connect; the first time ever, make the collection with one document.

        Raises
        ------
        StoreError
            If the folder is gone or cannot be written.
        """
        if self._coll is not None and not force_reset:
            return
        if not Path(self.database_path).is_dir():
            raise StoreError(
                f"the job store {self.database_path} does not exist; run `interlith init` in the "
                "project's folder, or restore a copy"
            )
        try:
            with self._lock():
                super().connect(force_reset=True)
                self._seed()
        except (OSError, Timeout) as error:
            raise StoreError(f"cannot open the job store {self.database_path}: {error}") from error

    def _seed(self) -> None:
        import montydb.errors  # type: ignore[import-untyped]

        try:
            self._collection.insert_one({"_id": SEED, "uuid": SEED, "index": 0, self.key: SEED})
        except montydb.errors.DuplicateKeyError:
            return

    def count(self, criteria: Any = None, hint: Any = None) -> int:
        """Documents that match, the seed left out."""
        return sum(1 for _ in self.query(criteria, properties=["uuid"]))

    def update(self, docs: Any, key: Any = None) -> None:
        """Insert, or replace what has the same key; one writer at a time.

        Raises
        ------
        DocumentTooLargeError
            If a document would not fit into MongoDB.
        OutputError
            If the disk is full.
        StoreError
            If the store was removed.
        """
        import sqlite3

        from monty.json import jsanitize

        names = key or self.key
        names = names if isinstance(names, list) else [names]
        cleaned = []
        for document in docs if isinstance(docs, list) else [docs]:
            clean = jsanitize(document, allow_bson=True)
            clean["_id"] = _identity({name: clean[name] for name in names})
            check_size(clean, f"the output of job {clean.get('name') or clean[names[0]]}")
            cleaned.append(clean)
        if not Path(self.database_path).is_dir():
            raise StoreError(f"the job store {self.database_path} was removed; restore a copy")
        try:
            with self._lock():
                for clean in cleaned:
                    self._put(clean)
        except (OSError, sqlite3.OperationalError) as error:
            raise OutputError(
                f"cannot write into the job store {self.database_path} ({error}); check the space "
                "left and the rights, and run the job again"
            ) from error

    def _put(self, document: dict[str, Any]) -> None:
        """Write by id: montydb's own calls read the whole collection, or refuse dots in names."""
        from montydb.storage import (  # type: ignore[import-untyped]
            StorageDuplicateKeyError,
        )

        collection = self._collection
        try:
            collection._storage.write_one(collection, document, check_keys=False)
        except StorageDuplicateKeyError:
            collection._storage.update_one(collection, document)


def _identity(key: dict[str, Any]) -> ObjectId:
    """A document id that is the same for the same key."""
    from bson import ObjectId

    text = "\0".join(f"{name}={key[name]}" for name in sorted(key))
    return ObjectId(hashlib.sha256(text.encode()).digest()[:12])


class PrivateMongoStore(_Checked, MongoStore):
    """MongoDB whose address comes from the environment when connecting and is not serialised."""

    def __init__(self, database: str, collection_name: str, **kwargs: Any) -> None:
        super().__init__(
            uri="mongodb://address-from-environment", collection_name=collection_name,
            database=database, **kwargs,
        )  # fmt: skip

    def connect(self, force_reset: bool = False) -> None:
        """Connect with the address of :func:`mongo_uri`.

        Raises
        ------
        StoreError
            If no server answers; the message holds no password.
        """
        if self._coll is None or force_reset:
            self._coll = connect_mongo(mongo_uri(), self.database)[self.collection_name]

    def update(self, docs: Any, key: Any = None) -> None:
        """As maggma's, with the size checked before anything is sent."""
        for document in docs if isinstance(docs, list) else [docs]:
            check_size(document, f"the output of job {document.get('name', '')}".rstrip())
        super().update(docs, key)

    def as_dict(self) -> dict[str, Any]:
        """Without the address."""
        return {
            "@module": type(self).__module__,
            "@class": type(self).__name__,
            "database": self.database,
            "collection_name": self.collection_name,
            "key": self.key,
        }


class PrivateGridFSStore(GridFSStore):
    """GridFS on the same server, likewise."""

    def __init__(self, database: str, collection_name: str, **kwargs: Any) -> None:
        super().__init__(
            uri="mongodb://address-from-environment", collection_name=collection_name,
            database=database, **kwargs,
        )  # fmt: skip

    def connect(self, force_reset: bool = False) -> None:
        """Connect with the address of :func:`mongo_uri`."""
        import gridfs

        if self._coll is None or force_reset:
            database = connect_mongo(mongo_uri(), self.database)
            self._coll = gridfs.GridFS(database, self.collection_name)
            self._files_collection = database[f"{self.collection_name}.files"]
            files: Any = MongoStore.from_collection(self._files_collection)  # type: ignore[no-untyped-call]
            files.last_updated_field = f"metadata.{self.last_updated_field}"
            files.key = self.key
            self._fs = files
            self._chunks_collection = database[f"{self.collection_name}.chunks"]

    def as_dict(self) -> dict[str, Any]:
        """Without the address."""
        return {
            "@module": type(self).__module__,
            "@class": type(self).__name__,
            "database": self.database,
            "collection_name": self.collection_name,
            "key": self.key,
        }


def connect_mongo(uri: Secret, database: str) -> Any:
    """A database of a server that answers.

    Raises
    ------
    StoreError
        If none does, or the address is wrong; user and password are left out of the message.
    """
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    reason = ""
    try:
        client: Any = MongoClient(uri.reveal(), serverSelectionTimeoutMS=CONNECT_WAIT_MS)
        client.admin.command("ping")
        return client[database]
    except (PyMongoError, ValueError) as error:
        reason = redact(str(error).replace(uri.reveal(), "***"))[:300]
    # outside of the handler: the original error, which may hold the address, is not attached
    raise StoreError(f"the MongoDB server does not answer or refuses: {reason}")


def memory_store() -> JobStore:
    """A job store for tests, gone with the process."""
    from jobflow import JobStore

    return JobStore(MemoryStore(), additional_stores={"data": MemoryStore(key="blob_uuid")})


def job_store(project: Project) -> JobStore:
    """The job store of a project.

    ``JOBFLOW_CONFIG_FILE`` and ``JOBFLOW_JOB_STORE`` come first: who sets them means them.
    """
    named = os.environ.get("JOBFLOW_CONFIG_FILE", "")
    if os.environ.get("JOBFLOW_JOB_STORE") or _names_a_store(named):
        from jobflow.settings import JobflowSettings

        return JobflowSettings().JOB_STORE
    return _project_store(project)


def _names_a_store(path: str) -> bool:
    if not path or not Path(path).is_file():
        return False
    data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    return isinstance(data, dict) and "JOB_STORE" in data


def _project_store(project: Project) -> JobStore:
    # not above: jobflow reads its settings when imported, and these name the classes of this module
    from jobflow import JobStore

    config = project.config
    name = f"{config.collection}_jobs"
    if config.store == "embedded":
        path = str(project.jobs)
        return JobStore(
            EmbeddedStore("jobs", path), additional_stores={"data": EmbeddedStore("blobs", path)}
        )
    documents = PrivateMongoStore(config.database, name)
    if config.blobs == "gridfs":
        blobs: Any = PrivateGridFSStore(config.database, f"{name}_blobs", key="blob_uuid")
    else:
        check_credentials_file()
        blobs = S3Store(
            index=PrivateMongoStore(config.database, f"{name}_blobs", key="blob_uuid"),
            bucket=str(config.bucket),
            sub_dir="blobs",
            endpoint_url=config.endpoint_url,
            key="blob_uuid",
        )
    return JobStore(documents, additional_stores={"data": blobs})


def prepare(project: Project) -> None:
    """Make the embedded collections and write ``jobflow.yaml``; no server is contacted."""
    store = _project_store(project)
    if project.config.store == "embedded":
        store.connect()
        store.close()
        documents = SqliteDocuments(project.results)
        documents.stamp(0)
        documents.close()
    text = yaml.safe_dump({"JOB_STORE": store.as_dict()}, sort_keys=False)
    project.jobflow_config.write_text(text, encoding="utf-8")
