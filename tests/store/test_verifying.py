"""Check, merge, compare, trace, export, import."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interlith.errors import InputError, MissingDependencyError
from interlith.store.comparing import compare, provenance_graph
from interlith.store.errors import ForeignDocumentError, NewerSchemaError
from interlith.store.exporting import write_structures, write_table
from interlith.store.project import init_project, require_project
from interlith.store.results import ResultsDatabase
from interlith.store.studies import add_study, import_path
from interlith.store.verifying import merge, verify

STRUCTURE = (
    '2\nLattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3 pbc="T T T"\nLi 0 0 0\nF 2 2 2\n'
)


def test_a_sound_database(database: ResultsDatabase, make: Any) -> None:
    add_study(make.study(), database)
    file = database.artefacts.put_bytes(b"x", "a/x.txt")
    database.add(make.window("Li2S"), artefacts=[file])
    report = verify(database)
    assert report.sound
    assert (report.documents, report.files) == (8, 1)


def test_everything_wrong_is_found(database: ResultsDatabase, make: Any) -> None:
    file = database.artefacts.put_bytes(b"x", "a/x.txt")
    changed = database.add(make.window("Li2S"), artefacts=[file]).key
    foreign = database.add(make.window("LiF")).key
    database.artefacts.path_of(file.sha256).write_bytes(b"y")
    with sqlite3.connect(database.project.results) as connection:
        connection.execute(
            "UPDATE documents SET body = replace(body, '2.3', '2.9') WHERE key = ?", (changed,)
        )
        connection.execute(
            "UPDATE documents SET body = replace(body, '\"status\"', '\"stat\"') WHERE key = ?",
            (foreign,),
        )
    report = verify(database)
    assert not report.sound
    assert {(f.key, f.fault) for f in report.document_faults} == {
        (changed, "changed"), (foreign, "foreign"),
    }  # fmt: skip
    assert [f.fault for f in report.file_faults] == ["corrupted"]


def test_a_restored_old_copy_is_noticed(
    database: ResultsDatabase, make: Any, tmp_path: Path
) -> None:
    """Records written after the copy are named as lost; importing again brings them back."""
    database.add(make.window("LiF"))
    database.close()
    shutil.copy(database.project.results, tmp_path / "copy.sqlite")
    late = database.add(make.window("Li2S"))
    assert len(database.windows()) == 2
    database.close()
    for name in ("results.sqlite-wal", "results.sqlite-shm"):
        (database.project.folder / name).unlink(missing_ok=True)
    shutil.copy(tmp_path / "copy.sqlite", database.project.results)
    report = verify(database)
    assert report.lost == (f"{late.key}:1",)
    assert database.windows()["formula"].tolist() == ["LiF"]
    assert database.add(make.window("Li2S")).new
    assert verify(database).sound


def test_deleting_is_no_loss(database: ResultsDatabase, make: Any) -> None:
    key = database.add(make.window("LiF")).key
    database.windows()
    database.delete([key], confirm=1)
    assert verify(database).lost == ()


def test_cleaning_takes_only_what_nobody_names(database: ResultsDatabase, make: Any) -> None:
    kept = database.artefacts.put_bytes(b"kept", "kept")
    database.artefacts.put_bytes(b"unused", "unused")
    database.add(make.window(), artefacts=[kept])
    (database.artefacts.folder / ".part-1").write_bytes(b"half")
    assert [f.fault for f in verify(database).file_faults] == ["half-written"]
    assert verify(database, clean=True).cleaned == 2
    assert verify(database).sound
    assert list(database.artefacts.stored()) == [kept.sha256]


def test_merge(new_database: Callable[[str], ResultsDatabase], make: Any) -> None:
    here, there = new_database("here"), new_database("there")
    for one in (make.window("Li3N"), make.window("Li2S", high=2.3)):
        here.add(one)
    file = there.artefacts.put_bytes(b"frames", "x.h5")
    there.add(make.window("Li3N"))
    there.add(make.window("Li2S", high=2.5), artefacts=[file])
    add_study(make.study(), there)
    report = merge(there, here)
    assert (report.taken, report.present, report.revisions, report.files) == (8, 1, 1, 1)
    assert here.windows(formula="Li2S")["oxidation_potential_v"].tolist() == [2.5]
    assert here.windows(electrolyte="Li3PS4")["study"].tolist() == ["demo", "demo"]
    assert verify(here).sound
    again = merge(there, here)
    assert (again.taken, again.present) == (0, 9)


def test_merge_leaves_out_what_is_damaged(
    new_database: Callable[[str], ResultsDatabase], make: Any
) -> None:
    here, there = new_database("here"), new_database("there")
    file = there.artefacts.put_bytes(b"frames", "x.h5")
    there.add(make.window("LiF"), artefacts=[file])
    there.add(make.window("Li2S"))
    there.artefacts.path_of(file.sha256).write_bytes(b"framez")
    report = merge(there, here)
    assert report.taken == 1
    assert "damaged" in report.skipped[0]
    assert verify(here).sound


def test_compare(database: ResultsDatabase, make: Any) -> None:
    a = database.document(database.add(make.window(high=2.25)).key)
    b = database.document(database.add(make.window(high=2.5)).key)
    found = compare(a, b)
    assert found.same_inputs
    assert [(d.field, d.change) for d in found.results] == [("oxidation_potential_v", 0.25)]
    other = database.document(database.add(make.window("LiF")).key)
    assert {d.field for d in compare(a, other).inputs} == {"formula"}
    assert compare(a, a).same_results


def test_provenance_graph(database: ResultsDatabase, make: Any) -> None:
    stored = add_study(make.study(), database)
    parent = stored[0].key
    child = database.add(make.reaction("LiF"), parents=[parent]).key
    graph = provenance_graph(database, child)
    types = {node.type for node in graph.nodes}
    assert {"reaction", "window", "reference", "structure"} <= types
    assert (parent, child, "computed from") in {
        (e.source, e.target, e.relation) for e in graph.edges
    }
    whole = provenance_graph(database, stored[-1].key)
    assert {"model", "study", "diffusion", "screen"} <= {node.type for node in whole.nodes}
    used = provenance_graph(database, parent)
    assert {"study", "reaction"} <= {node.type for node in used.nodes}
    assert whole.mermaid().startswith("graph LR\n")


def test_export(database: ResultsDatabase, make: Any, tmp_path: Path) -> None:
    import ase.db
    import ase.io

    file = database.artefacts.put_bytes(STRUCTURE.encode(), "structures/x.extxyz")
    key = database.add(make.window(), artefacts=[file]).key
    names, rows = database.rows("windows")
    assert write_table(names, rows, tmp_path / "t.csv", "csv") == 1
    assert (tmp_path / "t.csv").read_text().startswith("key,revision,")
    documents = database.query()
    assert write_structures(database, documents, tmp_path / "t.extxyz", "extxyz") == 1
    atoms = ase.io.read(tmp_path / "t.extxyz")
    assert atoms.info["interlith_key"] == key
    assert write_structures(database, documents, tmp_path / "t.db", "db") == 1
    with ase.db.connect(tmp_path / "t.db") as found:
        (row,) = found.select(interlith_kind="window")
    assert (row.formula, row.interlith_key) == ("LiF", key)
    with pytest.raises(InputError, match="has a structure"):
        write_structures(database, [], tmp_path / "u.extxyz", "extxyz")


def test_parquet(database: ResultsDatabase, make: Any, tmp_path: Path) -> None:
    import pandas as pd

    database.add(make.window())
    names, rows = database.rows("windows")
    if importlib.util.find_spec("pyarrow") is None:
        with pytest.raises(MissingDependencyError, match="pyarrow"):
            write_table(names, rows, tmp_path / "t.parquet", "parquet")
        return
    write_table(names, rows, tmp_path / "t.parquet", "parquet")
    assert pd.read_parquet(tmp_path / "t.parquet")["formula"].tolist() == ["Li3PS4"]


def test_import_of_what_commands_write(
    database: ResultsDatabase, make: Any, tmp_path: Path
) -> None:
    failed = {"formula": "Xx", "error": "no such element"}
    rows = [make.window().to_json(), make.reaction().to_json(), failed]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    stored = import_path(tmp_path / "rows.json", database)
    assert [database.document(one.key).kind for one in stored] == ["window", "reaction"]
    exported = [one.to_json() for one in database.query()]
    (tmp_path / "out.json").write_text(json.dumps(exported))
    assert not any(one.new for one in import_path(tmp_path / "out.json", database))


def test_import_of_folders(database: ResultsDatabase, make: Any, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / "all" / name).mkdir(parents=True)
        text = json.dumps(make.study(name).to_json())
        (tmp_path / "all" / name / "results.json").write_text(text)
    stored = import_path(tmp_path / "all", database)
    assert sum(one.new for one in stored) == 8
    assert sorted(database.studies()["name"]) == ["one", "two"]


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ('{"a": 1}', ForeignDocumentError, "no kind of record"),
        ("[1]", ForeignDocumentError, "a record is an object"),
        ('[{"formula": "Li', InputError, "was it cut off"),
        ("\ufeff\udcff", InputError, "JSON"),
    ],
)
def test_import_of_something_else(
    database: ResultsDatabase, tmp_path: Path, content: str, error: Any, message: str
) -> None:
    (tmp_path / "x.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(error, match=message):
        import_path(tmp_path / "x.json", database)
    with pytest.raises(InputError, match="holds no results"):
        import_path(tmp_path / "project", database)
    with pytest.raises(InputError, match="cannot read"):
        import_path(tmp_path / "absent", database)


def test_import_of_a_newer_study(database: ResultsDatabase, make: Any, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(
        json.dumps(make.study().to_json() | {"schema_version": 9})
    )
    with pytest.raises(NewerSchemaError, match="schema 9"):
        import_path(tmp_path / "results.json", database)


def test_a_newer_project_is_refused(tmp_path: Path) -> None:
    folder = init_project(tmp_path).folder
    (folder / "config.yaml").write_text("schema_version: 5\nnew_thing: 1\n")
    with pytest.raises(NewerSchemaError, match="newer interlith"):
        require_project(tmp_path)


def test_a_newer_database_file_is_refused(database: ResultsDatabase, make: Any) -> None:
    database.add(make.window())
    database.close()
    with sqlite3.connect(database.project.results) as connection:
        connection.execute("PRAGMA user_version = 9")
    with pytest.raises(NewerSchemaError, match="schema 9"):
        database.query()


def test_init_twice_keeps_everything(database: ResultsDatabase, make: Any) -> None:
    database.add(make.window())
    again = ResultsDatabase(init_project(database.project.folder.parent))
    assert len(again.windows()) == 1
    with pytest.raises(InputError, match="other settings"):
        init_project(database.project.folder.parent, store="mongo")


def test_no_project_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="interlith init"):
        ResultsDatabase(tmp_path)


def test_a_damaged_flat_table_is_made_anew(database: ResultsDatabase, make: Any) -> None:
    database.add(make.window())
    database.windows()
    database.close()
    database.project.flat.write_bytes(b"no database at all, but something else entirely" * 50)
    assert len(database.windows()) == 1
    database.project.flat.unlink()
    assert len(database.windows()) == 1


def test_unknown_columns_name_the_nearest(database: ResultsDatabase) -> None:
    with pytest.raises(InputError, match="did you mean 'formula'"):
        database.windows(formla="LiF")
    with pytest.raises(InputError, match="unknown comparison 'above'"):
        database.windows(width_v__above=1)
    with pytest.raises(InputError, match="did you mean 'windows'"):
        database.table("window")


def test_a_study_is_kept_where_there_is_a_project(
    database: ResultsDatabase, make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from interlith.store.studies import keep_study

    assert keep_study(make.study(), tmp_path) is None
    stored = keep_study(make.study(), tmp_path, tmp_path / "project")
    assert stored is not None
    assert all(one.new for one in stored)
    monkeypatch.chdir(tmp_path / "project")
    assert not any(one.new for one in keep_study(make.study(), tmp_path) or [])
    with pytest.raises(InputError, match="interlith init"):
        keep_study(make.study(), tmp_path, tmp_path / "nowhere")
