"""``interlith results``: look into the database of results, fill it, compare, export, check."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlith.cli.common import JsonOption, print_json, print_tables, table
from interlith.cli.results_tables import (
    SHOWN_KEY,
    cell,
    chosen_columns,
    difference_cells,
    document_at,
    documents_of,
    rows_of,
    verify_lines,
)
from interlith.errors import FailureError, InputError

if TYPE_CHECKING:
    from interlith.store.documents import Document
    from interlith.store.results import ResultsDatabase

app = typer.Typer(
    help="The database of results: query, show, import, export, compare, merge, verify.",
    no_args_is_help=True,
)
StoreOption = Annotated[
    Path | None, typer.Option("--store", help="Project folder (default: the one found from here).")
]
WhereOption = Annotated[
    list[str] | None,
    typer.Option("--where", "-w", help="COLUMN=VALUE, or COLUMN__gt=VALUE and so on; repeatable."),
]
FilterOption = Annotated[
    str | None, typer.Option("--filter", help="MongoDB filter over the documents, as JSON.")
]
AllOption = Annotated[bool, typer.Option("--all-revisions", help="Earlier outcomes as well.")]
LimitOption = Annotated[int | None, typer.Option(min=0, help="The newest so many.")]
ViewArgument = Annotated[
    str, typer.Argument(help="View (windows, reactions, coatings, diffusivities ...) or kind.")
]
SHOWN_ROWS = 200


@app.command("query")
def query(
    view: ViewArgument = "records",
    where: WhereOption = None,
    wanted: FilterOption = None,
    all_revisions: AllOption = False,
    limit: LimitOption = None,
    columns: Annotated[str | None, typer.Option(help="Columns to show: formula,status.")] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look for results: a table, or with --json a list of records as stored."""
    with _open(store) as database:
        if as_json:
            found = documents_of(database, view, where, wanted, not all_revisions, limit)
            print_json([one.to_json() for one in found])
            return
        names, rows = rows_of(database, view, where, wanted, not all_revisions, limit)
        skipped = database.flat.skipped[:5]
    for reason in skipped:
        print(f"interlith: left out: {reason}", file=sys.stderr)
    chosen = chosen_columns(view, names, columns)
    shown = [[cell(n, dict(zip(names, row, strict=True))[n]) for n in chosen] for row in rows]
    parts: list[Any] = [table(f"{view}: {len(rows)}", chosen, shown[:SHOWN_ROWS])]
    if len(shown) > SHOWN_ROWS:
        parts.append(f"and {len(shown) - SHOWN_ROWS} more; narrow with --where, or export them")
    print_tables(*parts)


@app.command("show")
def show(
    key: Annotated[str, typer.Argument(help="Key, or enough of its beginning.")],
    revision: Annotated[int | None, typer.Option(help="An earlier outcome.")] = None,
    history: Annotated[bool, typer.Option("--history", help="All revisions, briefly.")] = False,
    graph: Annotated[bool, typer.Option("--graph", help="Where it comes from.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """One result: its record, its history, or where it comes from."""
    with _open(store) as database:
        if graph:
            from interlith.store.comparing import provenance_graph

            found = provenance_graph(database, key)
            if as_json:
                print_json(found.to_json())
            else:
                print_tables(found.mermaid())
            return
        if history:
            _show_history(database.history(key), as_json)
            return
        document = database.document(key, revision)
    if as_json:
        print_json(document.to_json())
        return
    print_tables(
        f"{document.kind} {document.key}",
        f"revision {document.revision}, written as number {document.sequence}, "
        f"{document.created}, interlith {document.writer}",
        *(f"file {a.name} ({a.size_bytes} bytes, sha256 {a.sha256[:12]})"
          for a in document.artefacts),
        json.dumps(document.record, indent=1, ensure_ascii=False),
    )  # fmt: skip


@app.command("import")
def import_(
    paths: Annotated[list[Path], typer.Argument(help="Result folders, or JSON of commands.")],
    kind: Annotated[str | None, typer.Option(help="Kind of the records, if unclear.")] = None,
    trajectories: Annotated[
        bool, typer.Option("--trajectories", help="Copy trajectories into the database's folder.")
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a study's result folder, or records written with --json, into the database."""
    from interlith.store.studies import import_path

    with _open(store) as database:
        stored = [
            one
            for path in paths
            for one in import_path(path, database, kind=kind, trajectories=trajectories)
        ]
    new = sum(one.new for one in stored)
    if as_json:
        rows = [{"key": s.key, "revision": s.revision, "new": s.new} for s in stored]
        print_json({"stored": new, "present": len(stored) - new, "records": rows})
        return
    print_tables(f"{new} records stored, {len(stored) - new} were there already")


@app.command("collect", hidden=True)
def collect(
    job: Annotated[str, typer.Argument(help="Id of the last job of a study's flow.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Result folder.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Results of a study that ran as a flow: from the job store into folder and database."""
    from interlith.report.output import check_writable, write_results
    from interlith.store.decoding import check_modules
    from interlith.store.jobstore import job_store
    from interlith.store.kinds import read_record
    from interlith.store.project import require_project
    from interlith.store.studies import add_study

    project = require_project(store)
    check_writable(out)
    jobs = job_store(project)
    jobs.connect()
    output = jobs.get_output(job, load=True)
    check_modules(output)
    study: Any = read_record("study", output["results"])
    write_results(study, out, output["files"])
    with _open(project.folder) as database:
        stored = add_study(study, database, folder=out)
    new = sum(one.new for one in stored)
    if as_json:
        print_json({"folder": str(out), "stored": new})
        return
    print_tables(f"{out}: {new} records stored")


@app.command("export")
def export(
    path: Annotated[Path, typer.Argument(help="File; its ending names the format.")],
    view: Annotated[str, typer.Option(help="View or kind.")] = "records",
    form: Annotated[
        str | None, typer.Option("--format", help="csv, json, parquet, extxyz or db (ASE).")
    ] = None,
    where: WhereOption = None,
    wanted: FilterOption = None,
    all_revisions: AllOption = False,
    limit: LimitOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write results into a file: rows (csv, parquet), records (json) or structures."""
    from interlith.store.exporting import (
        TABLES,
        format_of,
        write_json,
        write_structures,
        write_table,
    )

    chosen = format_of(path, form)
    with _open(store) as database:
        if chosen in TABLES:
            names, rows = rows_of(database, view, where, wanted, not all_revisions, limit)
            count = write_table(names, rows, path, chosen)
        else:
            found = documents_of(database, view, where, wanted, not all_revisions, limit)
            if chosen == "json":
                count = write_json(found, path)
            else:
                count = write_structures(database, found, path, chosen)
    if as_json:
        print_json({"file": str(path), "format": chosen, "count": count})
        return
    print_tables(f"{path}: {count} {'structures' if chosen in ('extxyz', 'db') else 'rows'}")


@app.command("compare")
def compare(
    a: Annotated[str, typer.Argument(help="Key, or KEY:REVISION.")],
    b: Annotated[str, typer.Argument(help="Key, or KEY:REVISION.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Two results side by side: what was asked, what came out, with which versions."""
    from interlith.store.comparing import compare as compare_documents

    with _open(store) as database:
        found = compare_documents(*(document_at(database, text) for text in (a, b)))
    data = found.to_json()
    if as_json:
        print_json(data)
        return
    columns = ("field", "a", "b", "change")
    print_tables(
        f"{data['kind_a']} {a} and {data['kind_b']} {b}: {data['equal_fields']} fields are equal, "
        f"{len(data['results'])} differ",
        *(
            table(title, columns, [difference_cells(d) for d in data[name][:60]])
            for title, name in (
                ("Asked", "inputs"), ("Results", "results"), ("Computed with", "circumstances"),
            )
            if data[name]
        ),
    )  # fmt: skip


@app.command("merge")
def merge(
    source: Annotated[Path, typer.Argument(help="Project folder to take from; only read.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take over what another database has and this one has not."""
    from interlith.store.verifying import merge as merge_databases

    with _open(source) as other, _open(store) as database:
        if other.project.folder == database.project.folder:
            raise InputError(f"{source} is this project's own database; name another one")
        report = merge_databases(other, database)
    if as_json:
        print_json(report.to_json())
    else:
        print_tables(
            f"{report.taken} records taken over ({report.revisions} as revisions), "
            f"{report.present} were there, {report.files} files copied",
            *(f"Left out: {line}" for line in report.skipped),
        )
    if report.skipped:
        raise FailureError(f"{len(report.skipped)} records could not be taken over")


@app.command("verify")
def verify(
    clean: Annotated[
        bool, typer.Option("--clean", help="Delete half-written and unused files.")
    ] = False,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Make the flat table anew.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read every record and hash every file; exit code 1 if something is wrong."""
    from interlith.store.verifying import verify as verify_database

    with _open(store) as database:
        report = verify_database(database, clean=clean)
        if rebuild:
            database.flat.refresh(database.documents, anew=True)
    data = report.to_json() | {"sound": report.sound}
    if as_json:
        print_json(data)
    else:
        print_tables(*verify_lines(data))
    if not report.sound:
        raise FailureError(
            f"{len(report.document_faults)} records, {len(report.file_faults)} files and "
            f"{len(report.lost)} lost records need a look"
        )


@app.command("migrate")
def migrate(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Rewrite records of older schemas in today's (they are read without this, too)."""
    with _open(store) as database:
        count = database.migrate()
    if as_json:
        print_json({"migrated": count})
    else:
        print_tables(f"{count} records migrated")


@app.command("delete")
def delete(
    keys: Annotated[list[str], typer.Argument(help="Keys, or enough of their beginnings.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also what others refer to.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete results with their history, after asking."""
    with _open(store) as database:
        found = [database.document(key) for key in keys]
        if not yes:
            if not sys.stdin.isatty():
                raise InputError(f"{len(found)} results would be deleted; add --yes to do it")
            for one in found:
                print(f"{one.kind} {one.key[:SHOWN_KEY]}, {one.created}", file=sys.stderr)
            if not typer.confirm(f"Delete these {len(found)} with their history?", err=True):
                raise InputError("nothing was deleted")
        unique = {one.key for one in found}
        count = database.delete(unique, confirm=len(unique), force=force)
    if as_json:
        print_json({"deleted_documents": count, "keys": sorted(unique)})
    else:
        print_tables(f"{count} documents deleted; `interlith results verify --clean` frees files")


@app.command("serve")
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 5000,
    public: Annotated[
        bool, typer.Option("--public", help="Needed for an address other machines reach.")
    ] = False,
    store: StoreOption = None,
) -> None:
    """Serve the built structures over OPTIMADE, read-only (extra: optimade)."""
    from interlith.store.optimade_server import serve as serve_database

    with _open(store) as database:
        serve_database(database, host=host, port=port, public=public)


def _open(store: Path | None) -> ResultsDatabase:
    from interlith.store.results import ResultsDatabase

    return ResultsDatabase(store)


def _show_history(history: Sequence[Document], as_json: bool) -> None:
    names = ("revision", "sequence", "created", "writer", "content_sha256")
    if as_json:
        print_json([{name: getattr(one, name) for name in names} for one in history])
        return
    rows = [[str(getattr(one, name))[:25] for name in names] for one in history]
    print_tables(table(f"{history[0].kind} {history[0].key}", names, rows))
