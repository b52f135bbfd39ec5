"""Documents of the results database in a MongoDB server.

A unique index on key and revision keeps a result from being stored twice, and a counter in the
collection of facts gives the order of writing.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from interlith.store.credentials import redact
from interlith.store.documents import CHUNK, Document, read_document
from interlith.store.errors import StoreError

TRIES = 20
Found = TypeVar("Found")


class MongoDocuments:
    """Two collections of a database: the documents, and facts about them.

    Parameters
    ----------
    database : pymongo.database.Database
        Of a server that answers; see :func:`interlith.store.jobstore.connect_mongo`.
    collection : str
        Name of the collection; facts are in the one with ``_facts`` behind.
    """

    def __init__(self, database: Any, collection: str = "results") -> None:
        self._documents = database[collection]
        self._facts = database[f"{collection}_facts"]
        self._name = f"{database.name}.{collection}"
        self._guard(
            lambda: self._documents.create_index([("key", 1), ("revision", 1)], unique=True)
        )
        self._guard(lambda: self._documents.create_index([("sequence", 1)]))
        self._guard(lambda: self._documents.create_index([("kind", 1)]))

    @property
    def name(self) -> str:
        """Database and collection."""
        return self._name

    def add(self, documents: Sequence[Document]) -> list[tuple[Document, bool]]:
        """See :class:`interlith.store.documents.Documents`; many new ones go in one message."""
        held: dict[str, list[dict[str, Any]]] = {}
        for data in self.by_keys({document.key for document in documents}):
            held.setdefault(data["key"], []).append(data)
        fresh: list[Document] = []
        for document in documents:
            if document.key not in held:
                fresh.append(document)
                held[document.key] = []
        written = self._insert_fresh(fresh)
        return [
            (written.pop(document.key), True)
            if document.key in written
            else self._add_one(document)
            for document in documents
        ]

    def _insert_fresh(self, documents: list[Document]) -> dict[str, Document]:
        """Insert documents of new keys; those that another process was faster with are absent."""
        from pymongo.errors import BulkWriteError

        if not documents:
            return {}
        last = self._next(len(documents))
        stored = [
            document.model_copy(
                update={
                    "revision": 1,
                    "sequence": last - len(documents) + 1 + place,
                    "token": uuid.uuid4().hex,
                }
            )
            for place, document in enumerate(documents)
        ]
        lost: set[int] = set()
        for start in range(0, len(stored), CHUNK):
            chunk = [document.to_json() for document in stored[start : start + CHUNK]]
            try:
                self._guard(lambda c=chunk: self._documents.insert_many(c, ordered=False))  # type: ignore[misc]
            except BulkWriteError as error:
                problems = (error.details or {}).get("writeErrors", [])
                if any(one.get("code") != 11000 for one in problems) or not problems:
                    raise StoreError(f"cannot write into {self._name}: {redact(str(error))}") from (
                        None
                    )
                lost |= {start + int(one["index"]) for one in problems}
        return {one.key: one for place, one in enumerate(stored) if place not in lost}

    def _add_one(self, document: Document) -> tuple[Document, bool]:
        from pymongo.errors import DuplicateKeyError

        for _ in range(TRIES):
            held = sorted(self.by_keys([document.key]), key=lambda data: int(data["revision"]))
            for data in held:
                if data["content_sha256"] == document.content_sha256:
                    return read_document(data), False
            stored = document.model_copy(
                update={
                    "revision": held[-1]["revision"] + 1 if held else 1,
                    "sequence": self._next(1),
                    "token": uuid.uuid4().hex,
                }
            )
            try:
                self._guard(lambda s=stored: self._documents.insert_one(s.to_json()))  # type: ignore[misc]
            except DuplicateKeyError:
                continue  # somebody else took this revision: look again
            return stored, True
        raise StoreError(f"cannot add a revision of {document.key[:12]}: too many writers")

    def raw(self, after: int = 0, kind: str | None = None) -> Iterator[dict[str, Any]]:
        """See :class:`interlith.store.documents.Documents`."""
        wanted: dict[str, Any] = {"sequence": {"$gt": after}}
        if kind is not None:
            wanted["kind"] = kind
        yield from self._guard(lambda: list(self._documents.find(wanted).sort("sequence", 1)))

    def find(self, wanted: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """See :class:`interlith.store.documents.Documents`; the server matches."""
        asked = dict(wanted)
        yield from self._guard(lambda: list(self._documents.find(asked).sort("sequence", 1)))

    def by_keys(self, keys: Iterable[str]) -> Iterator[dict[str, Any]]:
        """See :class:`interlith.store.documents.Documents`."""
        wanted = list(keys)
        for start in range(0, len(wanted), CHUNK):
            chunk = {"key": {"$in": wanted[start : start + CHUNK]}}
            yield from self._guard(
                lambda c=chunk: list(self._documents.find(c).sort("sequence", 1))  # type: ignore[misc]
            )

    def matching(self, start: str) -> list[str]:
        """See :class:`interlith.store.documents.Documents`."""
        within = {"key": {"$gte": start, "$lt": start + "~"}}
        found = self._guard(lambda: list(self._documents.find(within, {"key": 1})))
        return sorted({data["key"] for data in found})

    def replace(self, document: Document) -> None:
        """See :class:`interlith.store.documents.Documents`."""
        data = document.model_copy(update={"token": uuid.uuid4().hex}).to_json()
        place = {"key": document.key, "revision": document.revision}
        self._guard(lambda: self._documents.replace_one(place, data))
        self._count_removal()

    def remove(self, keys: Iterable[str]) -> int:
        """See :class:`interlith.store.documents.Documents`."""
        wanted = list(keys)
        done = self._guard(lambda: self._documents.delete_many({"key": {"$in": wanted}}))
        self._count_removal()
        return int(done.deleted_count)

    def stamp(self, sequence: int) -> tuple[int, int, str]:
        """See :class:`interlith.store.documents.Documents`."""
        fact = self._guard(lambda: self._facts.find_one({"_id": "removals"})) or {"value": 0}
        count = self._guard(
            lambda: self._documents.count_documents({"sequence": {"$lte": sequence}})
        )
        row = self._guard(lambda: self._documents.find_one({"sequence": sequence}))
        return int(fact["value"]), int(count), row["token"] if row else ""

    def close(self) -> None:
        """The client belongs to whoever connected."""

    def _count_removal(self) -> None:
        change = {"$inc": {"value": 1}}
        self._guard(lambda: self._facts.update_one({"_id": "removals"}, change, upsert=True))

    def _next(self, count: int) -> int:
        from pymongo import ReturnDocument

        found = self._guard(
            lambda: self._facts.find_one_and_update(
                {"_id": "sequence"},
                {"$inc": {"value": count}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        )
        return int(found["value"])

    def _guard(self, work: Callable[[], Found]) -> Found:
        """Do it; errors of the server without user and password. Duplicates pass."""
        from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

        reason = ""
        try:
            return work()
        except (BulkWriteError, DuplicateKeyError):
            raise
        except PyMongoError as error:
            reason = redact(str(error))[:300]
        raise StoreError(f"the MongoDB server failed on {self._name}: {reason}")
