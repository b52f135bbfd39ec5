"""The results database: typed records in, typed records and tables out.

>>> database = ResultsDatabase(init_project("."))
>>> stored = database.add(window)
>>> database.add(window).new
False
>>> database.windows(oxidation_potential_v__gt=2.0)["formula"].tolist()
['Li6PS5Cl']
>>> database.record(stored.key) == window
True

The same inputs give the same key, so a result is kept once; computed again with another outcome it
becomes the next revision, and the earlier one stays as history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interlith import __version__
from interlith.errors import InputError
from interlith.records import Record
from interlith.store.artefacts import Artefact, ArtefactFolder
from interlith.store.documents import (
    Document,
    Documents,
    Part,
    SqliteDocuments,
    check_filter,
    read_document,
)
from interlith.store.errors import NoSuchRecordError
from interlith.store.flat import FlatTable
from interlith.store.kinds import (
    content_sha256,
    inputs_of,
    key_of,
    kind_of_class,
    migrate,
    read_record,
    schema_of,
    spec_of,
)
from interlith.store.project import Project, require_project

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]

SHORTEST_KEY = 6


@dataclass(frozen=True)
class Stored:
    """Where a record is, and whether it was not there before."""

    key: str
    revision: int
    new: bool


class ResultsDatabase:
    """Records of a project.

    Parameters
    ----------
    project : Project, Path or str, optional
        The project, or a folder with ``.interlith``; left out: the one found from here.
    documents : Documents, optional
        Where the documents are, if not where the project says.
    """

    def __init__(
        self, project: Project | Path | str | None = None, documents: Documents | None = None
    ) -> None:
        self.project = project if isinstance(project, Project) else require_project(project)
        self.documents = documents or _documents(self.project)
        self.artefacts = _artefacts(self.project)
        self.flat = FlatTable(self.project.flat)

    def __enter__(self) -> ResultsDatabase:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files."""
        self.documents.close()
        self.flat.close()

    def add(
        self,
        record: Record,
        *,
        inputs: Mapping[str, Any] | None = None,
        parents: Iterable[str] = (),
        parts: Iterable[Part] = (),
        artefacts: Iterable[Artefact] = (),
        tags: Iterable[str] = (),
    ) -> Stored:
        """Keep a record.

        Parameters
        ----------
        record : Record
            Of one of the kinds of :data:`interlith.store.kinds.KINDS`.
        inputs : mapping, optional
            What was asked; from the record itself if left out.
        parents : iterable of str
            Keys of records that it was computed from.
        parts : iterable of Part
            Keys of records that it consists of, for a study.
        artefacts : iterable of Artefact
            Files that belong to it.
        tags : iterable of str
            Words to find it by.

        Raises
        ------
        ForeignDocumentError
            If the class is of no kind.
        DocumentTooLargeError
            If it comes near MongoDB's limit.
        """
        document = self.envelope(
            record, inputs=inputs, parents=parents, parts=parts, artefacts=artefacts, tags=tags
        )
        return self.add_documents([document])[0]

    def envelope(
        self,
        record: Record,
        *,
        inputs: Mapping[str, Any] | None = None,
        parents: Iterable[str] = (),
        parts: Iterable[Part] = (),
        artefacts: Iterable[Artefact] = (),
        tags: Iterable[str] = (),
    ) -> Document:
        """The document of a record, not yet written; for :meth:`add_documents`."""
        kind = kind_of_class(type(record).__name__)
        data = record.to_json()
        asked = dict(inputs) if inputs is not None else inputs_of(kind, data)
        return Document(
            key=key_of(kind, asked),
            kind=kind,
            schema_version=schema_of(kind),
            created=(data.get("provenance") or {}).get("created") or _now(),
            writer=__version__,
            content_sha256=content_sha256(data),
            inputs=asked,
            record=data,
            parents=tuple(parents),
            parts=tuple(parts),
            artefacts=tuple(artefacts),
            tags=tuple(tags),
        )

    def add_documents(self, documents: Sequence[Document]) -> list[Stored]:
        """Write documents together; each is checked before any is written."""
        from interlith.store.sizes import check_size

        for document in documents:
            check_size(document.to_json(), f"the {document.kind} {document.key[:12]}")
        return [
            Stored(stored.key, stored.revision, new)
            for stored, new in self.documents.add(documents)
        ]

    def find_or_compute(
        self,
        kind: str,
        inputs: Mapping[str, Any],
        compute: Callable[[], Record],
        *,
        again: bool = False,
    ) -> Record:
        """The record of these inputs; computed and kept if it is not there.

        Parameters
        ----------
        again : bool
            Compute in any case; another outcome becomes a new revision.
        """
        spec_of(kind)
        if not again:
            held = self._newest(key_of(kind, inputs))
            if held is not None:
                return read_record(kind, held.record, held.writer)
        record = compute()
        self.add(record, inputs=inputs)
        return record

    def document(self, key: str, revision: int | None = None) -> Document:
        """One document; the key may be shortened.

        Raises
        ------
        NoSuchRecordError
            If none, or several keys, begin so, or the revision does not exist.
        """
        history = self.history(key)
        if revision is None:
            return history[-1]
        for document in history:
            if document.revision == revision:
                return document
        raise NoSuchRecordError(
            f"{key} has no revision {revision}; it has 1 to {history[-1].revision}"
        )

    def record(self, key: str, revision: int | None = None) -> Record:
        """One typed record, migrated if it is of an older schema."""
        found = self.document(key, revision)
        return read_record(found.kind, found.record, found.writer)

    def history(self, key: str) -> list[Document]:
        """Every revision of a calculation, the oldest first."""
        whole = self.full_key(key)
        found = [read_document(data) for data in self.documents.by_keys([whole])]
        if not found:
            raise NoSuchRecordError(f"nothing is stored under {key}")
        return sorted(found, key=lambda document: document.revision)

    def full_key(self, key: str) -> str:
        """The whole key of a shortened one."""
        if len(key) == 64:
            return key
        found = self.documents.matching(key) if len(key) >= SHORTEST_KEY else []
        if len(found) == 1:
            return found[0]
        raise NoSuchRecordError(
            f"{len(found)} records have a key that begins with '{key}'; give at least "
            f"{SHORTEST_KEY} and enough characters of the key (see `interlith results query`)"
        )

    def query(
        self,
        wanted: Mapping[str, Any] | None = None,
        *,
        kind: str | None = None,
        latest: bool = True,
        limit: int | None = None,
    ) -> list[Document]:
        """Documents that match a MongoDB filter, in the order of writing.

        Parameters
        ----------
        wanted : mapping, optional
            Over the document: ``{"record.formula": "Li3PS4", "record.status": {"$ne": "ok"}}``.
        kind : str, optional
            Only of this kind.
        latest : bool
            Only the last revision of each calculation.
        limit : int, optional
            Only the newest so many.

        Raises
        ------
        InputError
            If the filter cannot be used, or carries code.
        """
        asked = dict(wanted or {})
        check_filter(asked)
        if kind is not None:
            spec_of(kind)
            asked["kind"] = kind
        found = [read_document(data) for data in self.documents.find(asked)]
        if latest:
            newest = self._last_revisions(found)
            found = [one for one in found if one.revision == newest[one.key]]
        return found if limit is None else found[-limit:] if limit > 0 else []

    def _last_revisions(self, found: Sequence[Document]) -> dict[str, int]:
        """Of some keys; a filter may fit an old revision and not the last."""
        highest: dict[str, int] = {}
        for data in self.documents.by_keys({one.key for one in found}):
            highest[data["key"]] = max(int(data["revision"]), highest.get(data["key"], 0))
        return highest

    def latest(self, kind: str, wanted: Mapping[str, Any] | None = None) -> Record:
        """The record of a kind that was written last.

        Raises
        ------
        NoSuchRecordError
            If there is none.
        """
        found = self.query(wanted, kind=kind, limit=1)
        if not found:
            raise NoSuchRecordError(f"no record of kind '{kind}' fits {dict(wanted or {})}")
        return read_record(kind, found[0].record, found[0].writer)

    def table(
        self, view: str, *, latest: bool = True, limit: int | None = None, **where: Any
    ) -> pd.DataFrame:
        """A view as a table; see :meth:`interlith.store.flat.FlatTable.select`."""
        import pandas as pd

        names, rows = self.rows(view, where, latest=latest, limit=limit)
        return pd.DataFrame.from_records(rows, columns=names)

    def rows(
        self,
        view: str,
        where: Mapping[str, Any] | None = None,
        *,
        latest: bool = True,
        limit: int | None = None,
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """The same as plain columns and rows."""
        self.flat.refresh(self.documents)
        return self.flat.select(view, where, latest=latest, limit=limit)

    def windows(self, **where: Any) -> pd.DataFrame:
        """Stability windows, one row per material and study."""
        return self.table("windows", **where)

    def reactions(self, **where: Any) -> pd.DataFrame:
        """Interface reactions, closed and open."""
        return self.table("reactions", **where)

    def coatings(self, **where: Any) -> pd.DataFrame:
        """Rows of coating screens."""
        return self.table("coatings", **where)

    def interphases(self, **where: Any) -> pd.DataFrame:
        """What forms against the anode, by class."""
        return self.table("interphases", **where)

    def interfaces(self, **where: Any) -> pd.DataFrame:
        """Explicit interfaces that were built."""
        return self.table("interfaces", **where)

    def diffusivities(self, **where: Any) -> pd.DataFrame:
        """Transport, one row per temperature."""
        return self.table("diffusivities", **where)

    def activations(self, **where: Any) -> pd.DataFrame:
        """Activation energies and what they say at 300 K."""
        return self.table("activations", **where)

    def barriers(self, **where: Any) -> pd.DataFrame:
        """Migration barriers, one row per hop."""
        return self.table("barriers", **where)

    def studies(self, **where: Any) -> pd.DataFrame:
        """Studies."""
        return self.table("studies", **where)

    def failures(self, **where: Any) -> pd.DataFrame:
        """Parts of studies without an answer, and why."""
        return self.table("failures", **where)

    def everything(self, kind: str | None = None) -> Iterator[Document]:
        """Every document in the order of writing, all revisions."""
        for data in self.documents.raw(kind=kind):
            yield read_document(data)

    def delete(self, keys: Iterable[str], *, confirm: int, force: bool = False) -> int:
        """Delete every revision of some calculations; files stay until ``verify --clean``.

        Parameters
        ----------
        confirm : int
            How many calculations the caller expects to go: a slip deletes nothing.
        force : bool
            Also what a study consists of, or another record was computed from.

        Raises
        ------
        InputError
            If the number differs, or something else refers to a record.
        """
        wanted = sorted({self.full_key(key) for key in keys})
        if len(wanted) != confirm:
            raise InputError(
                f"{len(wanted)} calculations would be deleted and {confirm} were confirmed; "
                "nothing was deleted"
            )
        if not force:
            self._check_unused(set(wanted))
        return self.documents.remove(wanted)

    def _check_unused(self, wanted: set[str]) -> None:
        for one in self.everything():
            used = wanted & ({part.key for part in one.parts} | set(one.parents))
            if used and one.key not in wanted:
                raise InputError(
                    f"the {one.kind} {one.key[:12]} refers to {min(used)[:12]}; delete it too, or "
                    "use --force; nothing was deleted"
                )

    def migrate(self) -> int:
        """Rewrite records of older schemas; how many that were."""
        count = 0
        for one in list(self.everything()):
            known = schema_of(one.kind)
            if one.schema_version < known:
                data = migrate(one.kind, one.record, one.writer)
                change = {
                    "record": data,
                    "schema_version": known,
                    "content_sha256": content_sha256(data),
                }
                self.documents.replace(one.model_copy(update=change))
                count += 1
        return count

    def _newest(self, key: str) -> Document | None:
        found = [read_document(data) for data in self.documents.by_keys([key])]
        return max(found, key=lambda document: document.revision, default=None)


def _documents(project: Project) -> Documents:
    if project.config.store == "embedded":
        return SqliteDocuments(project.results)
    from interlith.store.credentials import mongo_uri
    from interlith.store.jobstore import connect_mongo
    from interlith.store.mongo import MongoDocuments

    database = connect_mongo(mongo_uri(), project.config.database)
    return MongoDocuments(database, project.config.collection)


def _artefacts(project: Project) -> ArtefactFolder:
    if project.config.artefacts == "folder":
        return ArtefactFolder(project.artefacts)
    from interlith.store.bucket import BucketArtefacts

    config = project.config
    return BucketArtefacts(project.artefacts, str(config.bucket), config.endpoint_url)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
