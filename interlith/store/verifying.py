"""Is everything there, whole and readable; and two databases into one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from interlith.records import Record
from interlith.store.artefacts import PART, Artefact, ArtefactFault
from interlith.store.documents import Document, read_document
from interlith.store.errors import ArtefactError, ForeignDocumentError, NewerSchemaError
from interlith.store.kinds import content_sha256, read_record
from interlith.store.results import ResultsDatabase

BATCH = 500


class DocumentFault(Record):
    """What is wrong with one document."""

    key: str
    fault: Literal["foreign", "newer", "changed", "unreadable", "missing part"]
    reason: str


class VerifyReport(Record):
    """Result of :func:`verify`.

    Attributes
    ----------
    lost : tuple of str
        Keys that the flat table knows and the database does not: it was restored from an older
        copy.
    unused_files : tuple of str
        Hashes that no record names; also a trace of a restored copy.
    """

    documents: int
    files: int
    document_faults: tuple[DocumentFault, ...]
    file_faults: tuple[ArtefactFault, ...]
    lost: tuple[str, ...]
    unused_files: tuple[str, ...]
    cleaned: int = 0

    @property
    def sound(self) -> bool:
        """Nothing is wrong; unused files are no fault."""
        return not (self.document_faults or self.file_faults or self.lost)


class MergeReport(Record):
    """Result of :func:`merge`."""

    taken: int
    present: int
    revisions: int
    files: int
    skipped: tuple[str, ...]


def verify(
    database: ResultsDatabase, *, clean: bool = False, progress: Callable[[int], None] | None = None
) -> VerifyReport:
    """Read every document, hash every file.

    Parameters
    ----------
    clean : bool
        Delete half-written files and those that no record names. Damaged ones stay.
    progress : callable, optional
        Called with the number of documents read.
    """
    faults: list[DocumentFault] = []
    good: dict[str, Document] = {}
    count = 0
    for data in database.documents.raw():
        count += 1
        if progress is not None and count % 500 == 0:
            progress(count)
        name = str(data.get("key", "?"))
        try:
            one = read_document(data)
            read_record(one.kind, one.record, one.writer)
        except NewerSchemaError as error:
            faults.append(DocumentFault(key=name, fault="newer", reason=str(error)))
            continue
        except ForeignDocumentError as error:
            faults.append(DocumentFault(key=name, fault="foreign", reason=str(error)))
            continue
        good[f"{one.key}:{one.revision}"] = one
        if content_sha256(one.record) != one.content_sha256:
            reason = "the content has another hash than when it was written; it was changed"
            faults.append(DocumentFault(key=name, fault="changed", reason=reason))
    faults += _missing_parts(good)
    wanted = {a.sha256: a for one in good.values() for a in one.artefacts}
    file_faults = database.artefacts.verify(wanted.values())
    lost = sorted(set(_known_to_flat(database)) - set(good) - {f"{f.key}:1" for f in faults})
    stored = list(database.artefacts.stored())
    unused = [name for name in stored if name not in wanted]
    cleaned = _clean(database, unused, file_faults) if clean and not faults else 0
    return VerifyReport(
        documents=count,
        files=len(stored),
        document_faults=tuple(faults),
        file_faults=tuple(f for f in file_faults if not (cleaned and f.fault == "half-written")),
        lost=tuple(lost),
        unused_files=() if cleaned else tuple(unused),
        cleaned=cleaned,
    )


def _missing_parts(good: dict[str, Document]) -> list[DocumentFault]:
    keys = {one.key for one in good.values()}
    return [
        DocumentFault(
            key=one.key,
            fault="missing part",
            reason=f"it refers to {name[:12]}, which is not there; import its folder again",
        )
        for one in good.values()
        for name in (*(part.key for part in one.parts), *one.parents)
        if name not in keys
    ]


def _known_to_flat(database: ResultsDatabase) -> dict[str, int]:
    """As the table was when last used; deletions since then are no loss."""
    return database.flat.known_before(database.documents)


def _clean(database: ResultsDatabase, unused: list[str], faults: list[ArtefactFault]) -> int:
    halves = [fault.file for fault in faults if fault.fault == "half-written"]
    for name in unused:
        database.artefacts.remove(name)
    for name in halves:
        if PART in name:
            (database.artefacts.folder / name).unlink(missing_ok=True)
    return len(unused) + len(halves)


def merge(source: ResultsDatabase, target: ResultsDatabase) -> MergeReport:
    """Take over into ``target`` what ``source`` has and it has not; ``source`` is only read.

    Records with a key that is there and another content become revisions. Files are copied, each
    checked against its hash.
    """
    counts = {"taken": 0, "present": 0, "revisions": 0}
    files: set[str] = set()
    skipped: list[str] = []
    waiting: list[Document] = []

    def write() -> None:
        for stored in target.add_documents(waiting):
            counts["taken"] += stored.new
            counts["present"] += not stored.new
            counts["revisions"] += stored.new and stored.revision > 1
        waiting.clear()

    for data in source.documents.raw():
        try:
            one = read_document(data)
            read_record(one.kind, one.record, one.writer)
            for artefact in one.artefacts:
                if artefact.sha256 not in files:
                    _copy(artefact, source, target)
                    files.add(artefact.sha256)
        except (ForeignDocumentError, NewerSchemaError, ArtefactError) as error:
            skipped.append(f"{str(data.get('key', '?'))[:12]}: {error}")
            continue
        waiting.append(one)
        if len(waiting) == BATCH:
            write()
    write()
    return MergeReport(**counts, files=len(files), skipped=tuple(skipped))


def _copy(artefact: Artefact, source: ResultsDatabase, target: ResultsDatabase) -> None:
    kept = target.artefacts.put(source.artefacts.get(artefact), artefact.name)
    if kept.sha256 != artefact.sha256:
        target.artefacts.remove(kept.sha256)
        raise ArtefactError(
            f"the file {artefact.name} (sha256 {artefact.sha256[:12]}) is damaged in the source"
        )
