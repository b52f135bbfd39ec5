"""The results database: the same battery for every place that documents can be in.

The battery is ``Battery``; ``tests/store/test_mongo.py`` runs it over a socket.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from interlith.errors import InputError
from interlith.store.documents import Part, SqliteDocuments
from interlith.store.errors import (
    DocumentTooLargeError,
    ForeignDocumentError,
    NewerSchemaError,
    NoSuchRecordError,
)
from interlith.store.results import ResultsDatabase
from interlith.store.studies import add_study


class Battery:
    """What holds of a results database wherever its documents are."""

    def test_a_record_comes_back_equal(self, database: ResultsDatabase, make: Any) -> None:
        for record in (make.window(), make.reaction(), make.diffusion(), make.screen()):
            assert database.record(database.add(record).key) == record

    def test_the_same_result_is_stored_once(self, database: ResultsDatabase, make: Any) -> None:
        first = database.add(make.window())
        again = database.add(make.window())
        assert (first.new, again.new) == (True, False)
        assert first.key == again.key
        assert len(list(database.everything())) == 1

    def test_circumstances_do_not_make_another_result(
        self, database: ResultsDatabase, make: Any
    ) -> None:
        early = make.diffusion()
        changed = early.provenance.model_copy(update={"created": "2030-01-01T00:00:00+00:00"})
        late = early.model_copy(update={"provenance": changed})
        database.add(early)
        assert not database.add(late).new

    def test_another_outcome_is_a_revision(self, database: ResultsDatabase, make: Any) -> None:
        key = database.add(make.window(high=2.3)).key
        assert database.add(make.window(high=2.4)).revision == 2
        assert [one.revision for one in database.history(key)] == [1, 2]
        assert database.record(key).oxidation_potential_v == 2.4
        assert database.record(key, 1).oxidation_potential_v == 2.3
        assert database.windows()["oxidation_potential_v"].tolist() == [2.4]
        assert len(database.windows(latest=False)) == 2
        with pytest.raises(NoSuchRecordError, match="no revision 3"):
            database.document(key, 3)

    def test_other_inputs_are_another_key(self, database: ResultsDatabase, make: Any) -> None:
        scheme = make.window().reference.model_copy(update={"scheme": "MP2020"})
        keys = {
            database.add(one).key
            for one in (make.window(), make.window("Li2S"), make.window(reference=scheme))
        }
        assert len(keys) == 3

    def test_nothing_is_computed_twice_unless_asked(
        self, database: ResultsDatabase, make: Any
    ) -> None:
        calls = []

        def compute() -> Any:
            calls.append(1)
            return make.window(high=2.0 + len(calls))

        asked = {"formula": "Li3PS4"}
        for _ in range(3):
            found = database.find_or_compute("window", asked, compute)
        assert (len(calls), found.oxidation_potential_v) == (1, 3.0)
        assert database.find_or_compute("window", asked, compute, again=True) != found
        assert len(calls) == 2

    def test_latest_follows_the_order_of_writing(
        self, database: ResultsDatabase, make: Any
    ) -> None:
        """Also when the clock of the machine goes backwards."""
        late, early = make.diffusion("Li2S"), make.diffusion("LiF")
        back = early.provenance.model_copy(update={"created": "1999-01-01T00:00:00+00:00"})
        database.add(late)
        database.add(early.model_copy(update={"provenance": back}))
        assert database.latest("diffusion").formula == "LiF"
        with pytest.raises(NoSuchRecordError):
            database.latest("barriers")

    def test_mongo_filters(self, database: ResultsDatabase, make: Any) -> None:
        for n, formula in enumerate(("Li2S", "LiF", "Li3PS4")):
            database.add(make.window(formula, high=2.0 + n))
        found = database.query(
            {"record.oxidation_potential_v": {"$gt": 2.5}, "record.formula": {"$ne": "LiF"}},
            kind="window",
        )
        assert [one.record["formula"] for one in found] == ["Li3PS4"]
        either = {"$or": [{"record.formula": "LiF"}, {"record.formula": {"$in": ["Li2S"]}}]}
        assert len(database.query(either)) == 2
        assert [d.record["formula"] for d in database.query(limit=1)] == ["Li3PS4"]

    @pytest.mark.parametrize(
        "wanted", [{"$where": "1"}, {"a": {"$function": {}}}, {"$and": [{"$expr": 1}]}]
    )
    def test_filters_carry_no_code(self, database: ResultsDatabase, wanted: Any) -> None:
        with pytest.raises(InputError, match="not allowed in a filter"):
            database.query(wanted)

    def test_a_filter_does_not_find_an_old_outcome(
        self, database: ResultsDatabase, make: Any
    ) -> None:
        database.add(make.window(high=2.3))
        database.add(make.window(high=2.4))
        wanted = {"record.oxidation_potential_v": 2.3}
        assert database.query(wanted) == []
        assert len(database.query(wanted, latest=False)) == 1

    def test_keywords_give_tables(self, database: ResultsDatabase, make: Any) -> None:
        database.add(make.diffusion())
        table = database.diffusivities(temperature_k__gt=500)
        assert table["temperature_k"].tolist() == [600.0]
        assert database.diffusivities(status="no_answer")["reason"].tolist() == ["too short"]
        assert database.diffusivities(self_diffusivity_cm2_s__missing=True).shape[0] == 1
        assert database.activations()["reason"].tolist() == ["two temperatures"]

    def test_a_study_and_its_parts(self, database: ResultsDatabase, make: Any) -> None:
        stored = add_study(make.study(), database)
        assert all(one.new for one in stored)
        assert len(stored) == 7
        windows = database.windows(electrolyte="Li3PS4")
        assert windows["role"].tolist() == ["electrolyte", "coating"]
        assert database.coatings(coating="LiF")["study"].tolist() == ["demo"]
        assert database.failures()["subject"].tolist() == ["Xx"]
        assert database.record(stored[-1].key) == make.study()
        assert not any(one.new for one in add_study(make.study(), database))

    def test_two_studies_share_a_part(self, database: ResultsDatabase, make: Any) -> None:
        add_study(make.study("one"), database)
        add_study(make.study("two", "Li7P3S11"), database)
        shared = database.windows(formula="LiF")
        assert sorted(shared["study"]) == ["one", "two"]
        assert shared["key"].nunique() == 1
        assert database.windows(electrolyte="Li7P3S11")["formula"].tolist() == ["LiF", "Li7P3S11"]

    def test_a_new_outcome_stays_part_of_its_study(
        self, database: ResultsDatabase, make: Any
    ) -> None:
        add_study(make.study(), database)
        database.add(make.window("LiF", 0.0, 6.4))
        assert database.windows(study="demo", formula="LiF")["oxidation_potential_v"].tolist() == [
            6.4
        ]

    def test_delete_asks_for_the_number(self, database: ResultsDatabase, make: Any) -> None:
        key = database.add(make.window()).key
        with pytest.raises(InputError, match="nothing was deleted"):
            database.delete([key], confirm=2)
        assert database.delete([key[:10]], confirm=1) == 1
        assert len(database.windows()) == 0
        assert database.add(make.window()).new

    def test_what_is_referred_to_stays(self, database: ResultsDatabase, make: Any) -> None:
        stored = add_study(make.study(), database)
        with pytest.raises(InputError, match="refers to"):
            database.delete([stored[0].key], confirm=1)
        assert database.delete([stored[0].key], confirm=1, force=True) == 1

    def test_a_shortened_key(self, database: ResultsDatabase, make: Any) -> None:
        key = database.add(make.window()).key
        assert database.document(key[:8]).key == key
        for bad in (key[:3], "f" * 10, "f" * 64):
            with pytest.raises(NoSuchRecordError):
                database.document(bad)

    def test_a_document_too_large(self, database: ResultsDatabase, make: Any) -> None:
        large = make.diffusion().model_copy(update={"settings": {"frames": "x" * 15_500_000}})
        with pytest.raises(DocumentTooLargeError, match=r"settings \(15\.5 MB\).*as files"):
            database.add(large)
        assert list(database.everything()) == []

    def test_parents_are_kept(self, database: ResultsDatabase, make: Any) -> None:
        parent = database.add(make.window()).key
        child = database.add(make.reaction(), parents=[parent], tags=["t"]).key
        assert database.document(child).parents == (parent,)
        assert [one.key for one in database.query({"tags": "t"})] == [child]

    def test_a_newer_schema_is_refused(self, database: ResultsDatabase, make: Any) -> None:
        newer = database.envelope(make.window())
        record = newer.record | {"schema_version": 7, "surprise": 1}
        database.documents.add([newer.model_copy(update={"record": record, "schema_version": 7})])
        database.add(make.window("LiF"))
        with pytest.raises(NewerSchemaError, match=r"schema 7.*Install a newer interlith"):
            database.record(newer.key)
        assert database.windows()["formula"].tolist() == ["LiF"]
        assert len(database.flat.skipped) == 1

    def test_an_older_schema_is_migrated(
        self, database: ResultsDatabase, make: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from interlith.store import kinds

        old = database.envelope(make.window())
        record = {k: v for k, v in old.record.items() if k != "in_reference"}
        record |= {"schema_version": 0, "known": True}
        database.documents.add([old.model_copy(update={"record": record, "schema_version": 0})])
        with pytest.raises(ForeignDocumentError, match="no way leads from there"):
            database.record(old.key)

        def step(data: dict[str, Any]) -> dict[str, Any]:
            data["in_reference"] = data.pop("known")
            return data

        monkeypatch.setitem(kinds.MIGRATIONS, ("window", 0), step)
        assert database.record(old.key) == make.window()
        assert database.windows()["in_reference"].tolist() == [1]
        assert (database.migrate(), database.migrate()) == (1, 0)
        assert database.document(old.key).schema_version == 1
        assert database.windows()["in_reference"].tolist() == [1]


class TestEmbedded(Battery):
    """In the file of the project."""


def test_a_writer_interrupted_leaves_nothing(database: ResultsDatabase, make: Any) -> None:
    """One transaction: all of a study or nothing."""
    documents = database.documents
    assert isinstance(documents, SqliteDocuments)

    def interrupted() -> None:
        with documents._writing() as connection:
            documents._add_one(connection, database.envelope(make.window()))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(database.everything()) == []
    assert database.add(make.window()).new


def test_study_parts_are_looked_up_by_key(database: ResultsDatabase, make: Any) -> None:
    """A study that refers to something absent is kept, and the check says so."""
    from interlith.store.verifying import verify

    document = database.envelope(make.study(), parts=[Part(key="a" * 64, role="coating")])
    database.add_documents([document])
    (fault,) = verify(database).document_faults
    assert fault.fault == "missing part"


def test_kinds_name_classes_that_exist() -> None:
    from interlith.store.kinds import KINDS, _at, schema_of

    for kind, spec in KINDS.items():
        assert schema_of(kind) >= 1
        fields = spec.load().model_fields
        for path in spec.inputs:
            assert path.split(".")[0].removesuffix("[]") in fields, (kind, path)
    assert _at({"a": [{"b": 1}, {"b": 2}]}, ["a[]", "b"]) == [1, 2]


def test_a_record_of_no_kind_is_refused(database: ResultsDatabase) -> None:
    from interlith.records import Amount

    with pytest.raises(ForeignDocumentError, match="not kept"):
        database.add(Amount(formula="Li", amount=1.0))


def test_a_removed_store_says_so(new_database: Callable[[str], ResultsDatabase], make: Any) -> None:
    import shutil

    from interlith.errors import InterlithError

    database = new_database("gone")
    database.add(make.window())
    shutil.rmtree(database.project.folder)
    with pytest.raises(InterlithError, match="was removed; restore a copy"):
        database.add(make.window("LiF"))
