"""Documents as they lie in a database: the envelope around a record, and the embedded database.

The embedded one is a file of SQLite with one row per document. A write is one transaction that
looks for the same key, so that several processes can add the same result and it is there once.
Order is that of the writes (``sequence``), not of a clock.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from interlith.errors import InputError, OutputError
from interlith.records import Record
from interlith.store.artefacts import Artefact
from interlith.store.errors import ForeignDocumentError, NewerSchemaError, StoreError

ENVELOPE_SCHEMA = 1
WAIT_S = 120.0
CHUNK = 500
"""Documents to a query with a list of keys."""
CODE = ("$where", "$function", "$accumulator", "$expr")


class Part(Record):
    """A record that a study consists of, and the role of its material there."""

    key: str
    role: str | None = None


class Document(Record):
    """A record with what the database knows of it.

    Attributes
    ----------
    key : str
        Hash of kind and inputs: names the calculation.
    revision : int
        1, 2, ...: the same calculation, done again with another result.
    sequence : int
        Place in the order of writing; 0 before it is written.
    created : str
        Time of the result by the clock of the machine that made it.
    writer : str
        Version of interlith that wrote it.
    content_sha256 : str
        Hash of the result without its circumstances.
    parents : tuple of str
        Keys of records that this one was computed from.
    """

    envelope: int = ENVELOPE_SCHEMA
    key: str
    revision: int = 1
    sequence: int = 0
    token: str = ""
    kind: str
    schema_version: int
    created: str
    writer: str
    content_sha256: str
    inputs: dict[str, Any]
    record: dict[str, Any]
    parents: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    artefacts: tuple[Artefact, ...] = ()
    tags: tuple[str, ...] = ()


def read_document(data: Mapping[str, Any]) -> Document:
    """A document from what a database gave.

    Raises
    ------
    NewerSchemaError
        If a newer interlith wrote it.
    ForeignDocumentError
        If no interlith did.
    """
    version = data.get("envelope")
    if isinstance(version, int) and version > ENVELOPE_SCHEMA:
        raise NewerSchemaError(
            f"a document was written by a newer interlith ({data.get('writer', 'unknown')}, "
            f"envelope {version}; this one reads {ENVELOPE_SCHEMA}); install a newer interlith"
        )
    try:
        return Document.model_validate({k: v for k, v in data.items() if k != "_id"})
    except ValidationError as error:
        first = error.errors()[0]
        raise ForeignDocumentError(
            f"the database holds a document that interlith did not write: "
            f"{'.'.join(map(str, first['loc']))}: {first['msg']}; `interlith results verify` "
            "lists such documents"
        ) from error


class Documents(Protocol):
    """What a results database needs of its documents."""

    @property
    def name(self) -> str:
        """For messages; without credentials."""

    def add(self, documents: Sequence[Document]) -> list[tuple[Document, bool]]:
        """Write what is not there: each document as stored, and whether it is new.

        A document whose key is there with the same content is not written again; with another
        content it becomes the next revision.
        """

    def raw(self, after: int = 0, kind: str | None = None) -> Iterator[dict[str, Any]]:
        """Stored data in the order of writing, from behind a sequence number on."""

    def find(self, wanted: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Stored data that match a MongoDB filter, in the order of writing."""

    def by_keys(self, keys: Iterable[str]) -> Iterator[dict[str, Any]]:
        """Every revision of some keys."""

    def matching(self, start: str) -> list[str]:
        """Keys that begin so."""

    def replace(self, document: Document) -> None:
        """Write a document over its own key and revision (migration)."""

    def remove(self, keys: Iterable[str]) -> int:
        """Delete every revision of some keys; how many documents that were."""

    def stamp(self, sequence: int) -> tuple[int, int, str]:
        """Number of deletions, documents up to a sequence number, token of the one there.

        The number may be 0 where documents cannot arrive out of order.
        """

    def close(self) -> None:
        """Let go of the database."""


def check_filter(wanted: Any) -> None:
    """Refuse filters that carry code.

    Raises
    ------
    InputError
        On ``$where``, ``$function``, ``$accumulator`` and ``$expr``, or if it is no object.
    """
    if not isinstance(wanted, Mapping):
        raise InputError(f"a filter is an object such as {{'kind': 'window'}}, not {wanted!r}")
    waiting: list[Any] = [wanted]
    while waiting:
        found = waiting.pop()
        if isinstance(found, Mapping):
            for name, value in found.items():
                if name in CODE:
                    raise InputError(f"{name} runs code and is not allowed in a filter")
                waiting.append(value)
        elif isinstance(found, list | tuple):
            waiting.extend(found)


def matches(wanted: Mapping[str, Any], data: dict[str, Any]) -> bool:
    """Whether data fit a MongoDB filter.

    Raises
    ------
    InputError
        If the filter cannot be understood.
    """
    from mongomock_ng import OperationFailure
    from mongomock_ng.filtering import filter_applies

    try:
        return bool(filter_applies(dict(wanted), data))  # type: ignore[no-untyped-call]
    except (OperationFailure, NotImplementedError, TypeError, ValueError) as error:
        raise InputError(f"the filter {dict(wanted)} cannot be used: {error}") from error


SCHEMA = """
CREATE TABLE IF NOT EXISTS documents(
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, revision INTEGER NOT NULL,
    kind TEXT NOT NULL, content TEXT NOT NULL, token TEXT NOT NULL, body TEXT NOT NULL,
    UNIQUE(key, revision));
CREATE INDEX IF NOT EXISTS documents_kind ON documents(kind);
CREATE TABLE IF NOT EXISTS facts(name TEXT PRIMARY KEY, value INTEGER NOT NULL);
INSERT OR IGNORE INTO facts VALUES('envelope', 1), ('removals', 0);
"""


class SqliteDocuments:
    """Documents in one file; safe with several processes on one machine."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._connection: sqlite3.Connection | None = None

    @property
    def name(self) -> str:
        """The file."""
        return str(self.path)

    def add(self, documents: Sequence[Document]) -> list[tuple[Document, bool]]:
        """See :class:`Documents`; all of them in one transaction."""
        with self._writing() as connection:
            return [self._add_one(connection, document) for document in documents]

    def _add_one(self, connection: sqlite3.Connection, document: Document) -> tuple[Document, bool]:
        rows = connection.execute(
            "SELECT body, content, revision FROM documents WHERE key = ? ORDER BY revision",
            (document.key,),
        ).fetchall()
        for body, content, _ in rows:
            if content == document.content_sha256:
                return read_document(json.loads(body)), False
        revision = rows[-1][2] + 1 if rows else 1
        (last,) = connection.execute(
            "SELECT seq FROM sqlite_sequence WHERE name = 'documents'"
        ).fetchone() or (0,)
        stored = document.model_copy(
            update={"revision": revision, "sequence": last + 1, "token": uuid.uuid4().hex}
        )
        connection.execute("INSERT INTO documents VALUES(?, ?, ?, ?, ?, ?, ?)", _row(stored))
        return stored, True

    def raw(self, after: int = 0, kind: str | None = None) -> Iterator[dict[str, Any]]:
        """See :class:`Documents`."""
        sql, values = "SELECT body FROM documents WHERE sequence > ?", [after]
        if kind is not None:
            sql, values = sql + " AND kind = ?", [after, kind]  # type: ignore[list-item]
        with self._reading() as connection:
            for (body,) in connection.execute(sql + " ORDER BY sequence", values):
                yield _loaded(body)

    def find(self, wanted: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """See :class:`Documents`; reads the kind that is asked for, or everything."""
        kind, key = wanted.get("kind"), wanted.get("key")
        if isinstance(key, str):
            candidates = self.by_keys([key])
        else:
            candidates = self.raw(kind=kind if isinstance(kind, str) else None)
        for data in candidates:
            if matches(wanted, data):
                yield data

    def by_keys(self, keys: Iterable[str]) -> Iterator[dict[str, Any]]:
        """See :class:`Documents`."""
        wanted = list(keys)
        with self._reading() as connection:
            for start in range(0, len(wanted), CHUNK):
                chunk = wanted[start : start + CHUNK]
                marks = ",".join("?" * len(chunk))
                sql = f"SELECT body FROM documents WHERE key IN ({marks}) ORDER BY sequence"
                for (body,) in connection.execute(sql, chunk):
                    yield _loaded(body)

    def matching(self, start: str) -> list[str]:
        """See :class:`Documents`."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT DISTINCT key FROM documents WHERE key >= ? AND key < ?",
                (start, start + "~"),
            )
            return [key for (key,) in rows]

    def replace(self, document: Document) -> None:
        """See :class:`Documents`; the new token makes flat tables notice."""
        fresh = document.model_copy(update={"token": uuid.uuid4().hex})
        with self._writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO documents VALUES(?,?,?,?,?,?,?)", _row(fresh)
            )
            connection.execute("UPDATE facts SET value = value + 1 WHERE name = 'removals'")

    def remove(self, keys: Iterable[str]) -> int:
        """See :class:`Documents`."""
        with self._writing() as connection:
            count = 0
            for key in keys:
                done = connection.execute("DELETE FROM documents WHERE key = ?", (key,))
                count += done.rowcount
            connection.execute("UPDATE facts SET value = value + 1 WHERE name = 'removals'")
            return count

    def stamp(self, sequence: int) -> tuple[int, int, str]:
        """See :class:`Documents`."""
        with self._reading() as connection:
            (removals,) = connection.execute(
                "SELECT value FROM facts WHERE name = 'removals'"
            ).fetchone()
            row = connection.execute(
                "SELECT token FROM documents WHERE sequence = ?", (sequence,)
            ).fetchone()
            # rows are written in order, so none can be added behind one that is there
            return removals, 0, row[0] if row else ""

    def close(self) -> None:
        """See :class:`Documents`."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and self.path.exists():
            return self._connection
        if not self.path.parent.is_dir():
            raise StoreError(
                f"the results database {self.path} was removed; restore a copy of "
                f"{self.path.parent}, or run `interlith init` and import the studies again"
            )
        self.close()
        connection = sqlite3.connect(self.path, timeout=WAIT_S, isolation_level=None)
        connection.execute("PRAGMA synchronous = FULL")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > ENVELOPE_SCHEMA:
            connection.close()
            raise NewerSchemaError(
                f"{self.path} was made by a newer interlith (schema {version}, this one knows "
                f"{ENVELOPE_SCHEMA}); install a newer interlith"
            )
        if version == 0:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(SCHEMA + f"PRAGMA user_version = {ENVELOPE_SCHEMA};")
        self._connection = connection
        return connection

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._open()
        except sqlite3.Error as error:
            self.close()
            raise StoreError(self._say("read", error)) from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it or nothing."""
        try:
            connection = self._open()
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            self.close()
            raise OutputError(self._say("write", error)) from error
        try:
            yield connection
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self.close()
            raise OutputError(self._say("write", error)) from error
        finally:
            if self._connection is connection and connection.in_transaction:
                connection.execute("ROLLBACK")

    def _say(self, what: str, error: sqlite3.Error) -> str:
        advice = {
            "database or disk is full": "free some space and run again; nothing was half-written",
            "database is locked": "another process has written for two minutes; try again",
            "file is not a database": "it is damaged or something else; restore a copy",
            "database disk image is malformed": "it is damaged; restore a copy",
        }.get(str(error), "check the disk and the rights on the folder")
        return f"cannot {what} the results database {self.path} ({error}): {advice}"


def _row(document: Document) -> tuple[Any, ...]:
    body = json.dumps(document.to_json(), separators=(",", ":"), ensure_ascii=False)
    return (
        document.sequence,
        document.key,
        document.revision,
        document.kind,
        document.content_sha256,
        document.token,
        body,
    )


def _loaded(body: str) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except json.JSONDecodeError as error:
        raise ForeignDocumentError(f"the database holds a document that is no JSON: {error}") from (
            error
        )
    if not isinstance(data, dict):
        raise ForeignDocumentError("the database holds a document that is no object")
    return data
