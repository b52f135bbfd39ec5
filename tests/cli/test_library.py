"""``interlith library`` as a stranger uses it: answers, exit codes, nothing half-written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pymatgen.core import Lattice, Structure
from typer.testing import CliRunner

from interlith.cli.library import app
from interlith.cli.main import app as whole
from interlith.errors import InputError, OutputError
from interlith.structures.checks import check_phase
from interlith.structures.files.formats import write_structure
from interlith.structures.library import LIBRARY_FOLDER, build, list_phases, load_phase
from interlith.structures.user_library import add_phase, sheet_from_structure, sheet_text


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder, which does not exist yet."""
    own = tmp_path / "own" / "library"
    monkeypatch.setenv("INTERLITH_LIBRARY", str(own))
    return own


def run(*arguments: str) -> Any:
    """Standard output of a command that must succeed."""
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments: str) -> str:
    """Message of a command that must refuse its input (main turns it to exit code 2)."""
    with pytest.raises(InputError) as caught:
        CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    return str(caught.value)


def test_the_command_is_known() -> None:
    result = CliRunner().invoke(whole, ["library", "--help"])
    assert result.exit_code == 0
    for command in ("list", "show", "add"):
        assert command in result.stdout


def test_list_names_every_phase_and_sorts_by_role(folder: Path) -> None:
    rows = json.loads(run("list", "--json"))
    assert [row["name"] for row in rows] == list_phases()
    assert all(row["origin"] == "shipped" for row in rows)
    coatings = json.loads(run("list", "--role", "coating", "--json"))
    assert 0 < len(coatings) < len(rows)
    assert all("coating" in row["roles"] for row in coatings)
    both = json.loads(run("list", "--role", "anode,cathode", "--json"))
    assert "LiCoO2" in {row["name"] for row in both}
    (folder / "broken.yaml").parent.mkdir(parents=True)
    (folder / "broken.yaml").write_text("name: [")
    (row,) = [row for row in json.loads(run("list", "--json")) if "error" in row]
    assert row["name"] == "broken"  # and the others are still there
    text = run("list", "--role", "coating")
    assert "LiNbO3" in text
    assert "Not readable" in text
    assert "current collector" in refused("list", "--role", "coatin")


def test_show_gives_facts_cell_and_checks() -> None:
    record = json.loads(run("show", "LiCoO2", "--json"))
    assert record["facts"]["space_group"] == record["cell"]["space_group_found"] == 166
    assert record["cell"]["formula"] == "Li3 Co3 O6"
    assert record["cell"]["density_g_cm3"] == pytest.approx(4.97, abs=0.1)
    assert record["problems"] == []
    assert Path(record["file"]).is_file()
    text = run("show", "LiCoO2")
    assert "Checks: passed" in text
    assert "166" in text
    assert "LiCoO2" in refused("show", "LiCoO22")


def test_show_tells_what_is_wrong_with_a_sheet(folder: Path) -> None:
    folder.mkdir(parents=True)
    text = (LIBRARY_FOLDER / "LiF.yaml").read_text().replace("name: LiF", "name: odd")
    (folder / "odd.yaml").write_text(text.replace("element: F", "element: Qq"))
    record = json.loads(run("show", "odd", "--json"))
    assert record["cell"] is None
    assert "Qq" in record["problems"][0]
    assert "Qq" in run("show", "odd")


def test_a_cif_becomes_a_phase_of_the_library(folder: Path, tmp_path: Path) -> None:
    original = load_phase("Li3PS4-gamma")
    write_structure(build(original, primitive=True), tmp_path / "mine.cif")
    record = json.loads(run("add", "mine.cif", "--role", "electrolyte", "--json"))
    assert record["file"] == str(folder / "mine.yaml")
    facts = load_phase("mine")
    assert check_phase(facts) == []
    assert facts.space_group == original.space_group
    assert facts.roles == ("electrolyte",)
    assert facts.oxidation_states == {"Li": 1, "P": 5, "S": -2}
    assert len(facts.sites) == len(original.sites)
    rows = json.loads(run("list", "--role", "electrolyte", "--json"))
    assert ("mine", "user") in {(row["name"], row["origin"]) for row in rows}


def test_oxidation_states_can_be_named(folder: Path, tmp_path: Path) -> None:
    cell = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(4.2), [{"Li": 0.375, "Fe": 0.625}, "O"], [[0] * 3, [0.5] * 3]
    )
    write_structure(cell, tmp_path / "mixed.cif")
    run("add", "mixed.cif", "--state", "Fe=2.6")
    assert load_phase("mixed").oxidation_states == {"Li": 1, "Fe": 2.6, "O": -2}
    assert "not neutral" in refused("add", "mixed.cif", "--name", "b", "--state", "Fe=4")
    assert "ELEMENT=CHARGE" in refused("add", "mixed.cif", "--name", "b", "--state", "Fe")
    # A guess that is only nearly neutral will do to order by, and is no fact of a sheet.
    nearly = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.0), [{"Li": 0.33, "Mg": 0.32}, "Cl"], [[0] * 3, [0.5] * 3]
    )
    write_structure(nearly, tmp_path / "nearly.cif")
    run("add", "nearly.cif")
    assert load_phase("nearly").oxidation_states is None


def test_a_sheet_is_taken_with_another_name(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text((LIBRARY_FOLDER / "LiCoO2.yaml").read_text())
    assert "Kept as 'LCO-mine'" in run("add", "x.yaml", "--name", "LCO-mine").replace("\n", " ")
    mine, shipped = load_phase("LCO-mine"), load_phase("LiCoO2")
    assert mine.sha256 == shipped.sha256
    assert mine.model_copy(update={"name": "LiCoO2"}) == shipped


@pytest.mark.parametrize(
    "name", ["LiCoO2", "Li6PS5Cl", "Li3PS4-gamma", "Nb2O5-B", "LiNb0.5Ta0.5O3"]
)
def test_a_sheet_made_from_the_primitive_cell_is_the_same_crystal(name: str) -> None:
    facts = load_phase(name)
    made = sheet_from_structure(
        build(facts, primitive=True), "made", source="x", oxidation_states=facts.oxidation_states
    )
    assert made.space_group == facts.space_group
    assert check_phase(made) == []
    ours, theirs = build(made), build(facts)
    assert ours.density == pytest.approx(theirs.density, rel=1e-4)


def test_taken_names_need_force(folder: Path, tmp_path: Path) -> None:
    write_structure(build(load_phase("LiF")), tmp_path / "LiF.cif")
    assert "--force" in refused("add", "LiF.cif")  # a shipped phase has the name
    assert not folder.exists()
    run("add", "LiF.cif", "--force")
    assert load_phase("LiF").source.startswith("file LiF.cif")
    before = (folder / "LiF.yaml").read_text()
    assert "exists" in refused("add", "LiF.cif", "--role", "coating")
    assert (folder / "LiF.yaml").read_text() == before
    run("add", "LiF.cif", "--role", "coating", "--force")
    assert load_phase("LiF").roles == ("coating",)


SHEET = {
    "name: LiF": ("name: a/b", "cannot name a phase"),
    "formula: LiF": ("formula: Li2F", "add up to"),
    "space_group: 225": ("space_group: 216", "space group"),
    "element: F": ("element: Qq", "Qq"),
    "roles:": ("rolls:", "rolls"),
    "source:": ("builds_from: nowhere\nsource:", "nowhere"),
}


@pytest.mark.parametrize("change", SHEET)
def test_nothing_is_written_when_a_check_fails(change: str, folder: Path, tmp_path: Path) -> None:
    text = (LIBRARY_FOLDER / "LiF.yaml").read_text()
    assert change in text
    new, words = SHEET[change]
    (tmp_path / "x.yaml").write_text(text.replace(change, new))
    assert words in refused("add", "x.yaml", "--force")
    assert not folder.exists()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.cif", None, "no file"),
        ("none.yaml", None, "no file"),
        ("a.yaml", "name: [", "no YAML"),
        ("a.yaml", "- 1\n", "no description"),
        ("a.yaml", "&a [*a]\n", "no description"),
        ("a.yaml", "[" * 1500, "no YAML|deep"),
        ("a.pdb", "x", "format"),
    ],
)
def test_files_that_are_no_phase(
    name: str, content: str | None, words: str, folder: Path, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    message = refused("add", name)
    assert any(word in message for word in words.split("|")), message
    assert not folder.exists()


def test_overlapping_atoms_and_bad_roles_are_refused(folder: Path, tmp_path: Path) -> None:
    cell = Lattice.cubic(5)
    write_structure(Structure(cell, ["Li", "Li"], [[0] * 3, [0.05, 0, 0]]), tmp_path / "x.cif")
    assert "Angstrom apart" in refused("add", "x.cif")
    close = Structure(cell, ["O", "O"], [[0] * 3, [0.16, 0, 0]])
    write_structure(close, tmp_path / "y.cif")
    assert "covalent-radius sums" in refused("add", "y.cif")
    write_structure(build(load_phase("LiF")), tmp_path / "z.cif")
    assert "no role" in refused("add", "z.cif", "--role", "wizard")
    assert not folder.exists()


def test_a_folder_that_cannot_be_made_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("INTERLITH_LIBRARY", str(tmp_path / "file"))
    write_structure(build(load_phase("LiF")), tmp_path / "x.cif")
    with pytest.raises(OutputError, match="INTERLITH_LIBRARY"):
        add_phase(tmp_path / "x.cif")


def test_texts_of_any_kind_survive_the_sheet(tmp_path: Path) -> None:
    facts = load_phase("LiNb0.5Ta0.5O3").model_copy(
        update={"name": "n", "source": "a: 'b' # c\nd", "notes": "é {x} - [y]", "voltage_v": 1.0}
    )
    (tmp_path / "n.yaml").write_text(sheet_text(facts), encoding="utf-8")
    assert load_phase("n", tmp_path) == facts
