"""The flat table: indexed columns of every record in a file of SQLite, for fast notebooks.

It holds nothing of its own. It takes over what was written since it was last used, and where
something was removed, changed or restored from an older copy it is made anew.
"""

from __future__ import annotations

import difflib
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from interlith.errors import InputError, OutputError
from interlith.store.documents import Document, Documents, read_document
from interlith.store.errors import ForeignDocumentError, NewerSchemaError
from interlith.store.kinds import MIGRATIONS, digest, migrate
from interlith.store.projection import SIDES, VIEWS, Row, View

OPERATORS = {
    "eq": "= ?",
    "ne": "IS NOT ?",
    "gt": "> ?",
    "gte": ">= ?",
    "lt": "< ?",
    "lte": "<= ?",
    "like": "LIKE ?",
}
BATCH = 2000


class FlatTable:
    """Views of a results database in a file that may be deleted at any time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.skipped: list[str] = []
        self._connection: sqlite3.Connection | None = None

    def refresh(self, documents: Documents, *, anew: bool = False) -> int:
        """Take over what is new; how many documents that were.

        Parameters
        ----------
        documents : Documents
            Where the records are.
        anew : bool
            Make it from nothing.
        """
        with self._writing() as connection:
            last = 0 if anew else self._usable(connection, documents)
            if last == 0:
                _create(connection)
                self.skipped = []
            count, newest = 0, None
            filler = _Filler(connection)
            for data in documents.raw(after=last):
                try:
                    newest = filler.add(read_document(data))
                except (ForeignDocumentError, NewerSchemaError) as error:
                    self.skipped.append(str(error))
                    continue
                count += 1
            filler.flush()
            if newest is not None or last == 0:
                sequence = newest.sequence if newest else 0
                removals, total, token = documents.stamp(sequence)
                _remember(
                    connection, layout=LAYOUT, sequence=sequence, removals=removals, count=total,
                    token=token,
                )  # fmt: skip
            return count

    def _usable(self, connection: sqlite3.Connection, documents: Documents) -> int:
        """Sequence number up to which the table says what the database says; 0 for none."""
        facts = _facts(connection)
        if facts.get("layout") != LAYOUT:
            return 0
        sequence = int(facts["sequence"])
        removals, count, token = documents.stamp(sequence)
        now = (str(removals), str(count), token)
        return sequence if now == (facts["removals"], facts["count"], facts["token"]) else 0

    def select(
        self,
        view: str,
        where: Mapping[str, Any] | None = None,
        *,
        latest: bool = True,
        limit: int | None = None,
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Columns and rows of a view.

        Parameters
        ----------
        view : str
            A key of :data:`interlith.store.projection.VIEWS`.
        where : mapping, optional
            ``column``, or ``column__gt`` and so on, to value; all must hold. ``__in`` takes a
            list, ``__has`` an element symbol or several, ``__missing`` true or false.
        latest : bool
            Only the last revision of each calculation.
        limit : int, optional
            At most so many rows, the newest first.

        Raises
        ------
        InputError
            On an unknown view, column or operator.
        """
        spec = view_of(view)
        names = list(spec.all_columns)
        terms, values = [], []
        for name, value in (where or {}).items():
            term, used = condition(spec, view, name, value)
            terms.append(term)
            values += used
        if latest:
            terms.append("latest = 1")
        sql = f"SELECT {', '.join(names)} FROM {view}"
        if terms:
            sql += " WHERE " + " AND ".join(terms)
        sql += " ORDER BY sequence"
        if limit is not None:
            sql += " DESC LIMIT ?"
            values.append(int(limit))
        try:
            return names, self._open().execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise InputError(f"cannot look into {view}: {error}") from error

    def known_before(self, documents: Documents) -> dict[str, int]:
        """``key:revision`` to sequence number of what was there when the table was last used.

        Empty if something was deleted on purpose since, or there is no table.
        """
        connection = self._open()
        facts = _facts(connection)
        if facts.get("layout") != LAYOUT:
            return {}
        removals, _, _ = documents.stamp(0)
        if removals > int(facts["removals"]):
            return {}
        rows = connection.execute("SELECT DISTINCT key, revision, sequence FROM records")
        return {f"{key}:{revision}": sequence for key, revision, sequence in rows}

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and self.path.exists():
            return self._connection
        self.close()
        try:
            connection = sqlite3.connect(self.path, timeout=120, isolation_level=None)
            connection.execute("PRAGMA synchronous = OFF")  # it can be rebuilt
            connection.execute("SELECT name FROM sqlite_master").fetchall()
        except sqlite3.DatabaseError:
            self.path.unlink(missing_ok=True)
            connection = sqlite3.connect(self.path, timeout=120, isolation_level=None)
        self._connection = connection
        return connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._open()
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise OutputError(f"cannot write the flat table {self.path} ({error})") from error
        try:
            yield connection
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self.close()
            raise OutputError(
                f"cannot write the flat table {self.path} ({error}); it holds nothing of its own: "
                "free some space or delete it"
            ) from error
        finally:
            if self._connection is connection and connection.in_transaction:
                connection.execute("ROLLBACK")


def view_of(name: str) -> View:
    """A view by name.

    Raises
    ------
    InputError
        If there is none; names the nearest.
    """
    if name not in VIEWS:
        near = difflib.get_close_matches(name, VIEWS, n=1, cutoff=0.4)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise InputError(f"there is no view '{name}'; {hint}views are {', '.join(VIEWS)}")
    return VIEWS[name]


def condition(spec: View, view: str, name: str, value: Any) -> tuple[str, list[Any]]:
    """SQL of one condition and its values; column names are checked, values are bound.

    Raises
    ------
    InputError
        On an unknown column or operator.
    """
    column, _, operator = name.partition("__")
    if column not in spec.all_columns:
        near = difflib.get_close_matches(column, spec.all_columns, n=1, cutoff=0.4)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise InputError(
            f"{view} has no column '{column}'; {hint}columns are {', '.join(spec.all_columns)}"
        )
    if operator == "in":
        listed = [value] if isinstance(value, str) else list(value)
        return f"{column} IN ({','.join('?' * len(listed))})", listed
    if operator == "has":
        symbols = [value] if isinstance(value, str) else list(value)
        return " AND ".join([f"{column} LIKE ?"] * len(symbols)), [f"%,{s},%" for s in symbols]
    if operator == "missing" or (value is None and operator in ("", "eq")):
        absent = operator != "missing" or value in (True, 1, "true", "True", "1")
        return f"{column} IS {'' if absent else 'NOT '}NULL", []
    if (operator or "eq") not in OPERATORS:
        raise InputError(
            f"'{name}': unknown comparison '{operator}'; allowed are "
            f"{', '.join([*OPERATORS, 'in', 'has', 'missing'])}"
        )
    bound = int(value) if isinstance(value, bool) else value
    return f"{column} {OPERATORS[operator or 'eq']}", [bound]


LAYOUT = digest([{name: view.all_columns for name, view in VIEWS.items()}, OPERATORS])


def _create(connection: sqlite3.Connection) -> None:
    for view, spec in VIEWS.items():
        columns = ", ".join(f"{name} {kind}" for name, kind in spec.all_columns.items())
        connection.execute(f"DROP TABLE IF EXISTS {view}")
        connection.execute(f"CREATE TABLE {view}({columns})")
        for name in ("key", *spec.indexed):
            if name in spec.all_columns:
                connection.execute(f"CREATE INDEX {view}_{name} ON {view}({name})")
    connection.execute("DROP TABLE IF EXISTS facts")
    connection.execute("CREATE TABLE facts(name TEXT PRIMARY KEY, value TEXT)")


def _facts(connection: sqlite3.Connection) -> dict[str, str]:
    there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'facts'").fetchone()
    return dict(connection.execute("SELECT name, value FROM facts")) if there else {}


def _remember(connection: sqlite3.Connection, **facts: Any) -> None:
    rows = [(name, str(value)) for name, value in facts.items()]
    connection.executemany("INSERT OR REPLACE INTO facts VALUES(?, ?)", rows)


class _Filler:
    """Puts documents into the views, a batch of rows at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.waiting: dict[str, list[tuple[Any, ...]]] = {view: [] for view in VIEWS}
        self.count = 0
        self.migrating = {kind for kind, _ in MIGRATIONS}

    def add(self, document: Document) -> Document:
        """Rows of one document."""
        data = document.record
        if document.schema_version != 1 or document.kind in self.migrating:
            data = migrate(document.kind, data, document.writer)
        joined = self._memberships(document) if document.revision > 1 else []
        for view, spec in VIEWS.items():
            if spec.kinds and document.kind not in spec.kinds:
                continue
            try:
                rows = list(spec.rows(data))
            except (KeyError, TypeError, AttributeError) as error:
                raise ForeignDocumentError(
                    f"document {document.key[:12]} of kind '{document.kind}' is not one that "
                    f"interlith wrote: {type(error).__name__} {error}"
                ) from error
            for row in rows:
                for member in joined or [{}]:
                    self._row(view, spec, document, row | member)
        self.count += 1
        if self.count % BATCH == 0:
            self.flush()
        if document.parts:
            self._join(document)
        return document

    def _row(self, view: str, spec: View, document: Document, row: Row) -> None:
        for side, column in spec.own.items():
            row.setdefault(side, row.get(column))
        row |= {
            "key": document.key,
            "revision": document.revision,
            "sequence": document.sequence,
            "latest": 1,
            "kind": document.kind,
            "created": document.created,
        }
        self.waiting[view].append(tuple(row.get(name) for name in spec.all_columns))

    def _memberships(self, document: Document) -> list[Row]:
        """Studies that earlier revisions belong to; those revisions are no longer the latest."""
        self.flush()
        for view in VIEWS:
            self.connection.execute(f"UPDATE {view} SET latest = 0 WHERE key = ?", (document.key,))
        names = ("study", "role", *SIDES)
        rows = self.connection.execute(
            f"SELECT DISTINCT {', '.join(names)} FROM records WHERE key = ? AND study IS NOT NULL",
            (document.key,),
        )
        return [dict(zip(names, row, strict=True)) for row in rows.fetchall()]

    def _join(self, study: Document) -> None:
        """Note the study in the rows of its parts."""
        self.flush()
        asked = study.record.get("study") or {}
        sides = {
            "electrolyte": asked.get("electrolyte"),
            "anode": asked.get("anode"),
            "cathode": (asked.get("cathode") or {}).get("material"),
        }
        name = study.record.get("name")
        for part in study.parts:
            found = self.connection.execute(
                "SELECT kind FROM records WHERE key = ? LIMIT 1", (part.key,)
            ).fetchone()
            if found is None:
                continue
            member = {"study": name, "role": part.role, **sides}
            for view, spec in VIEWS.items():
                if not spec.kinds or found[0] in spec.kinds:
                    self._enter(view, spec, part.key, member)

    def _enter(self, view: str, spec: View, key: str, member: Row) -> None:
        used = {n: v for n, v in member.items() if n in spec.all_columns}
        same = self.connection.execute(
            f"SELECT 1 FROM {view} WHERE key = ? AND study = ? AND role IS ? LIMIT 1",
            (key, member["study"], member["role"]),
        ).fetchone()
        if same:
            return
        sets = ", ".join(f"{n} = ?" for n in used)
        done = self.connection.execute(
            f"UPDATE {view} SET {sets} WHERE key = ? AND study IS NULL", (*used.values(), key)
        )
        if done.rowcount:
            return
        columns = list(spec.all_columns)
        chosen = ", ".join("?" if n in used else n for n in columns)
        self.connection.execute(
            f"INSERT INTO {view} SELECT {chosen} FROM {view} WHERE key = ? AND study = "
            f"(SELECT study FROM {view} WHERE key = ? LIMIT 1) AND role IS "
            f"(SELECT role FROM {view} WHERE key = ? LIMIT 1)",
            (*(used[n] for n in columns if n in used), key, key, key),
        )

    def flush(self) -> None:
        """Write the rows that wait."""
        for view, rows in self.waiting.items():
            if rows:
                marks = ",".join("?" * len(VIEWS[view].all_columns))
                self.connection.executemany(f"INSERT INTO {view} VALUES({marks})", rows)
                rows.clear()
