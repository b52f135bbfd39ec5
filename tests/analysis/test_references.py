"""Reference sets: reading, refusing, excluding, shifting, identity."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import numpy as np
import pytest
from pymatgen.entries.computed_entries import ComputedEntry

from interlith.analysis.reference_catalog import (
    elements_of,
    import_reference,
    load_reference,
    parse_shift,
)
from interlith.analysis.reference_entries import load_json, load_materials_project
from interlith.analysis.reference_files import load_csv
from interlith.analysis.references import ReferenceSet, parse_formula
from interlith.errors import (
    FormulaError,
    InputError,
    MissingElementError,
    ReferenceSetError,
)
from interlith.records import Shift

HEADER = "formula,formation_energy_ev_per_atom\n"


def _csv(folder: Path, body: str, header: str = HEADER) -> Path:
    path = folder / "set.csv"
    path.write_text(header + body)
    return path


def test_csv_reads_compounds_and_adds_elements(tmp_path: Path) -> None:
    reference = load_csv(_csv(tmp_path, "Li2S,-1.34\nLi3(PO4),-2.4\n"))
    assert len(reference) == 2 + 4
    phase = reference.find({"Li": 3, "P": 1, "O": 4})
    assert phase is not None
    assert reference.energies[phase] == pytest.approx(-2.4)
    assert reference.energies[reference.find({"Li": 1})] == 0.0


def test_csv_columns_may_come_in_any_order_with_sigma(tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    path.write_text("sigma_ev_per_atom,formation_energy_ev_per_atom,formula\n0.02,-1.34,Li2S\n")
    reference = load_csv(path)
    assert reference.sigma is not None
    assert reference.sigma[reference.find({"Li": 2, "S": 1})] == pytest.approx(0.02)


def test_second_load_does_not_parse_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLITH_CACHE", str(tmp_path / "cache"))
    path = _csv(tmp_path, "Li2S,-1.34\n")
    first = load_csv(path)
    monkeypatch.setattr("interlith.analysis.reference_files._parse_csv", None)
    second = load_csv(path)
    assert second.content_hash == first.content_hash
    assert second.sha256 == first.sha256


def test_unwritable_cache_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    monkeypatch.setenv("INTERLITH_CACHE", str(blocker / "below"))
    assert len(load_csv(_csv(tmp_path, "Li2S,-1.34\n"))) == 3


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "holds no phases"),
        ("Li2S,nan\n", "no finite energy"),
        ("Li2S,-1.3\nLi4S2,-1.2\n", "occur twice"),
        ("Li2S,minus one\n", "is no number"),
        ("Li2S,-1.3,extra\n", "3 fields"),
        ("Lii2S,-1.3\n", "line 2"),
        ("Xx2S,-1.3\n", "no element"),
        ("Li2S,-4.1\nLi,-1.9\n", "line 3: the element Li has -1.9 .* total energies"),
    ],
)
def test_bad_rows_are_refused_with_the_place(tmp_path: Path, body: str, says: str) -> None:
    with pytest.raises(ReferenceSetError, match=says):
        load_csv(_csv(tmp_path, body))


@pytest.mark.parametrize("sigma", ["nan", "inf", "-0.01"])
def test_an_uncertainty_is_finite_and_not_negative(tmp_path: Path, sigma: str) -> None:
    head = HEADER.strip() + ",sigma_ev_per_atom\n"
    with pytest.raises(ReferenceSetError, match="line 2: the uncertainty"):
        load_csv(_csv(tmp_path, f"Li2S,-1.3,{sigma}\n", head))


def test_a_blank_uncertainty_is_none(tmp_path: Path) -> None:
    head = HEADER.strip() + ",sigma_ev_per_atom\n"
    none = load_csv(_csv(tmp_path, "Li2S,-1.3,\nLi3P,-0.7, \n", head))
    assert none.sigma is None
    some = load_csv(_csv(tmp_path, "Li2S,-1.3,\nLi3P,-0.7,0.02\n", head))
    assert some.sigma is not None
    assert list(some.sigma[:2]) == [0.0, 0.02]
    assert "1 phases state no uncertainty" in some.notes[0]


def test_wrong_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(ReferenceSetError, match="it needs formula and formation_energy_ev"):
        load_csv(_csv(tmp_path, "Li2S,-1.3\n", "name,energy\n"))


def test_truncated_gzip_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress((HEADER + "Li2S,-1.34\n" * 1000).encode())
    path = tmp_path / "set.csv.gz"
    path.write_bytes(whole[:-20])
    with pytest.raises(ReferenceSetError, match="not a complete gzip"):
        load_csv(path)


def test_corrupt_gzip_is_refused(tmp_path: Path) -> None:
    rows = "".join(f"Li{i}S,-1.{i}\n" for i in range(1, 900))
    whole = bytearray(gzip.compress((HEADER + rows).encode()))
    for place in range(60, 400, 7):
        whole[place] ^= 0xFF
    path = tmp_path / "set.csv.gz"
    path.write_bytes(whole)
    with pytest.raises(ReferenceSetError, match="not a complete gzip"):
        load_csv(path)


def test_a_broken_cache_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLITH_CACHE", str(tmp_path / "cache"))
    path = _csv(tmp_path, "Li2S,-1.34\n")
    load_csv(path)
    for kept in (tmp_path / "cache").iterdir():
        kept.write_bytes(b"")
    assert len(load_csv(path)) == 3


def test_missing_file_says_what_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(ReferenceSetError, match="interlith reference list"):
        load_reference(str(tmp_path / "absent.csv"))


@pytest.mark.parametrize("which", ["nothing", "set.xlsx"])
def test_unknown_name_is_refused(which: str) -> None:
    with pytest.raises(ReferenceSetError, match="no reference set"):
        load_reference(which)


def test_scheme_on_csv_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="formation energies"):
        load_reference(str(_csv(tmp_path, "Li2S,-1.3\n")), scheme="MP2020")


def test_materials_project_without_key_names_the_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MP_API_KEY", raising=False)
    with pytest.raises(ReferenceSetError, match="MP_API_KEY"):
        load_materials_project({"Li", "S"})


def test_materials_project_entries_become_a_set(
    set_2019_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in client that checks what it is asked for, with real entries of Li-Fe-P-O."""
    import json
    import sys
    import types

    from pymatgen.entries.computed_entries import ComputedStructureEntry

    raw = set_2019_path.with_name("li_fe_p_o_entries.json.gz").read_bytes()
    rows = json.loads(gzip.decompress(raw))
    entries = [
        ComputedStructureEntry.from_dict(r) for r in rows if set(r["composition"]) <= {"Li", "O"}
    ]

    class Client:
        def __init__(self, key: str) -> None:
            assert key == "secret"

        def __enter__(self) -> Client:
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def get_entries_in_chemsys(self, elements: list[str], **_: object) -> list[object]:
            assert elements == ["Li", "O"]
            return entries

        def get_database_version(self) -> str:
            return "2025.1"

    module = types.ModuleType("mp_api.client")
    module.MPRester = Client
    monkeypatch.setitem(sys.modules, "mp_api", types.ModuleType("mp_api"))
    monkeypatch.setitem(sys.modules, "mp_api.client", module)
    monkeypatch.setenv("MP_API_KEY", "secret")
    reference = load_materials_project({"Li", "O"})
    assert reference.name == "Materials Project 2025.1"
    phase = reference.find({"Li": 2, "O": 1})
    # Li2O: -5.99 eV per formula in the MP2020 scheme, experiment -6.2
    assert reference.energies[phase] * 3 == pytest.approx(-6.2, abs=0.3)


def test_exclude_and_shift_leave_the_first_set_alone(small: ReferenceSet) -> None:
    before = small.content_hash
    changed = small.exclude(["LiP"]).shift(
        Shift(element="S", ev_per_atom=0.5, without=("O",), excepted=("Li2S",))
    )
    assert small.content_hash == before
    assert changed.content_hash != before
    assert changed.find({"Li": 1, "P": 1}) is None
    for formula, per_s in {"Li3PS4": 4 / 8, "Li2S": 0.0, "Li2SO4": 0.0, "S": 0.0}.items():
        composition = parse_formula(formula)
        old = small.energies[small.find(composition)]
        new = changed.energies[changed.find(composition)]
        assert new - old == pytest.approx(0.5 * per_s)
    assert changed.identity().excluded == ("LiP",)
    assert changed.identity().shifts[0].element == "S"


def test_excluding_what_is_not_there_is_refused(small: ReferenceSet) -> None:
    with pytest.raises(InputError, match="cannot exclude LiS4"):
        small.exclude(["LiS4"])


def test_elements_stay_and_shifts_are_finite(small: ReferenceSet) -> None:
    with pytest.raises(InputError, match="cannot exclude S: an element"):
        small.exclude(["S"])
    with pytest.raises(InputError, match="no finite number"):
        small.shift(Shift(element="S", ev_per_atom=float("nan")))


def test_elements_of_a_question_leave_out_what_cannot_be_read() -> None:
    assert elements_of(["Li6PS5Cl", "Bad("]) == {"Li", "P", "S", "Cl"}


def test_missing_element_is_named(small: ReferenceSet) -> None:
    with pytest.raises(MissingElementError, match="Zr"):
        small.require_elements(["Li", "Zr"])


@pytest.mark.parametrize("formula", ["", "Li6PS5Cl2x", "hello", "123", "Li-P", "Xy2O3", "Li(PO4"])
def test_unreadable_formula_says_how_to_write_one(formula: str) -> None:
    with pytest.raises(FormulaError, match="Li6PS5Cl"):
        parse_formula(formula)


def test_shift_text() -> None:
    assert parse_shift("S=0.66346").ev_per_atom == pytest.approx(0.66346)
    with pytest.raises(InputError, match="ELEMENT=EV"):
        parse_shift("S:0.6")


def test_import_keeps_a_named_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLITH_DATA", str(tmp_path / "data"))
    identity = import_reference(_csv(tmp_path, "Li2S,-1.34\n"), "mine")
    assert load_reference("mine").sha256 == identity.sha256
    with pytest.raises(InputError, match="taken"):
        import_reference(_csv(tmp_path, "Li2S,-1.34\n"), "default")


def test_2019_set_loads_fast(set_2019_path: Path, tmp_path: Path) -> None:
    load_csv(set_2019_path)
    started = time.perf_counter()
    reference = load_csv(set_2019_path)
    again = time.perf_counter() - started
    assert len(reference) > 85_000
    assert again < 1.0
    assert np.all(np.isfinite(reference.energies))


def test_pymatgen_entries_give_formation_energies_and_correction_sigma(
    set_2019_path: Path,
) -> None:
    path = set_2019_path.with_name("li_fe_p_o_entries.json.gz")
    corrected = load_json(path, "MP2020")
    bare = load_json(path, "none")
    phase, raw = (s.find({"Li": 2, "O": 1}) for s in (corrected, bare))
    # one oxide correction of -0.687 eV per O, a third of the atoms
    assert corrected.energies[phase] - bare.energies[raw] == pytest.approx(-0.687 / 3, abs=1e-6)
    assert corrected.corrections is not None
    assert "MP2020 anion correction (oxide)" in corrected.corrections.names
    assert corrected.sha256 == bare.sha256


def test_json_that_holds_no_entries_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "set.json"
    path.write_text('[{"a": 1}]')
    with pytest.raises(ReferenceSetError, match="item 1"):
        load_json(path)


def test_entries_that_the_scheme_drops_are_named_with_the_cause(tmp_path: Path) -> None:
    def entry(formula: str, energy: float, run_type: str | None) -> dict[str, object]:
        kind = {"run_type": run_type, "hubbards": {}, "is_hubbard": False} if run_type else {}
        return ComputedEntry(formula, energy, parameters=kind).as_dict()

    path = tmp_path / "own.json"
    rows = [entry("Li", -1.9, "GGA"), entry("Cl2", -3.6, "GGA"), entry("LiCl", -7.3, "GGA")]
    path.write_text(json.dumps([*rows, entry("LiCl3", -10.0, None)]))
    (note,) = load_json(path).identity().notes
    assert "1 entry left out by MP2020, LiCl3" in note
    assert "run type" in note
    fluorides = [entry(name, -20.0, "GGA") for name in ("MnF2", "MnF3", "F2", "Mn")]
    path.write_text(json.dumps([*rows, *fluorides]))
    (note,) = load_json(path).identity().notes  # one line, without the entries themselves
    assert "2 entries left out by MP2020, MnF2, MnF3: Invalid U" in note
    assert len(note) < 150
    path.write_text(json.dumps([*rows[1:], entry("Li", -1.9, None)]))
    with pytest.raises(ReferenceSetError, match=r"no entry of the element Li.*left out by MP2020"):
        load_json(path)
    path.write_text(json.dumps([entry("Li", -1.9, None), entry("LiCl", -7.3, None)]))
    with pytest.raises(ReferenceSetError, match=r"--scheme none, or .* run_type"):
        load_json(path)
    with pytest.raises(ReferenceSetError, match="no entry of the element Cl"):
        load_json(path, "none")
