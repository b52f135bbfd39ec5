"""``interlith build``: files in every format, JSON that keeps its contract, mistakes in words."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from pymatgen.core import Lattice, Structure

import interlith
from interlith.cli.build import app
from interlith.errors import InputError
from interlith.structures.checks import closest_pair
from interlith.structures.files.formats import read_structure, write_structure
from interlith.structures.library import build, load_phase
from interlith.structures.regions import Regions
from interlith.workflows import crystals
from interlith.workflows.structures import Built


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "interlith", "build", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=folder, timeout=120, check=False
    )


def answer(folder: Path, *arguments: str) -> dict[str, Any]:
    done = run(folder, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_interfaces_keep_the_contract_and_come_in_every_format(tmp_path: Path) -> None:
    data = answer(
        tmp_path, "interface", "Li", "LiCl", "--count", "2", "--out", "made",
        "--format", "cif,poscar,extxyz,lammps",
    )  # fmt: skip
    assert len(data["candidates"]) == 2
    assert data["considered"] == 2 + sum(row["count"] for row in data["dropped"])
    for row in data["candidates"]:
        assert set(row["miller"]) == set(row["termination"]) == set(row["excess"]) == {"a", "b"}
        assert {"a", "b", "von_mises"} <= set(row["strain"])
        assert abs(row["strain"]["a"]) <= 0.05
        assert row["min_distance_ratio"] >= 0.7
        assert row["energy_ev"] is None
        structures = {kind: read_structure(tmp_path / path) for kind, path in row["files"].items()}
        first = structures["cif"]
        for structure in structures.values():
            assert [s.specie.symbol for s in structure] == [s.specie.symbol for s in first]
            assert Regions.of(structure).names == Regions.of(first).names
        assert len(first) == row["n_atoms"]
        picture = (tmp_path / row["file"]).with_suffix(".png")
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_table_says_what_was_kept_and_why_the_rest_was_dropped(tmp_path: Path) -> None:
    done = run(tmp_path, "interface", "Li", "LiCl", "--count", "1", "--no-picture")
    assert done.returncode == 0, done.stderr
    for word in ("Li_LiCl_01.cif", "terminations", "Considered", "kept", "ranked below"):
        assert word in done.stdout


def test_energies_rank_the_shifts(tmp_path: Path) -> None:
    data = answer(
        tmp_path, "interface", "Li", "LiCl", "--count", "1", "--miller-a", "0,0,1", "--miller-b",
        "0,0,1", "--max-area", "30", "--thickness-a", "4", "--thickness-b", "4", "--rank", "lj",
        "--registries", "2", "--no-picture",
    )  # fmt: skip
    best = data["candidates"][0]
    energies = [one["energy_ev"] for one in best["registries"]]
    assert best["energy_ev"] == energies[0] == min(energies)
    assert data["potential"]["name"] == "lj"
    assert data["potential"]["sha256"]


def test_other_cells(tmp_path: Path) -> None:
    bulk = answer(tmp_path, "bulk", "LiCl", "--repeat", "2,1,1", "--no-picture")
    assert bulk["candidates"][0]["n_atoms"] == 16
    slabs = answer(tmp_path, "slab", "Li2S", "--miller", "1,1,1", "--no-picture")
    assert len(slabs["candidates"]) == 3
    assert all(abs(row["charge_e"]) < 1e-6 for row in slabs["candidates"])
    glass = answer(tmp_path, "glass", "Li3PS4", "--density", "1.8", "--atoms", "64", "--no-picture")
    assert glass["density_g_cm3"] == pytest.approx(1.8, rel=0.02)
    assert glass["protocol"]["melt_temperature_k"] > 1000
    boundary = answer(tmp_path, "grain-boundary", "Li3OCl", "--sigma", "5", "--no-picture")
    assert boundary["candidates"][0]["angle_deg"] == pytest.approx(36.87, abs=0.01)
    stack = answer(
        tmp_path, "stack", "Li:6:anode", "LiF:6:coating", "LiCl:6:electrolyte", "--no-picture"
    )
    assert [layer["region"] for layer in stack["layers"]] == ["anode", "coating", "electrolyte"]


def test_two_orderings_with_one_seed_are_identical(tmp_path: Path) -> None:
    arguments = ("order", "Li6PS5Cl-cubic", "--anti-site", "0.5", "--count", "1", "--no-picture")
    rows = [answer(tmp_path, *arguments, "--out", out) for out in ("one", "two")]
    texts = [(tmp_path / row["candidates"][0]["file"]).read_bytes() for row in rows]
    assert texts[0] == texts[1]
    assert rows[0]["composition_error"] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("interface", "Li", "Unobtainium"), "Unobtainium"),
        (("interface", "Li", "Li6PS5Cl-cubik"), "Li6PS5Cl-cubic"),
        (("interface", "Li", "Li5.5PS4.5Cl1.5"), "interlith build order"),
        (("interface", "Li", "LiCl", "--miller-a", "0,0,0"), "names no plane"),
        (("interface", "Li", "LiCl", "--miller-a", "1,x"), "three integers"),
        (("interface", "Li", "LiCl", "--thickness-a", "-3"), "--thickness-a"),
        (("interface", "Li", "LiCl", "--max-atoms", "3"), "budget"),
        (
            ("interface", "Li", "LiCl", "--max-strain", "1e-5", "--max-area", "20"),
            "loosen --max-strain or --max-area",
        ),
        (("interface", "Li", "LiCl", "--format", "pdb"), "choose from"),
        (("interface", "Li", "LiCl", "--relax"), "--rank"),
        (("interface", "Li", "LiCl", "--rank", "gap"), "no potential"),
        (("slab", "LiCl", "--miller", "1,1,1", "--termination", "9"), "no termination 9"),
        (("slab", "LiCl", "--miller", "1,1,1", "--thickness", "0"), "thickness"),
        (("stack", "Li:8:anode"), "at least two"),
        (("stack", "Li:8:anode", "LiF"), "no thickness"),
        (("stack", "Li:8:anode:0,0,1:x", "LiF:8"), "5 fields"),
        (("order", "Li6PS5Cl-cubic", "--site", "Sn=P"), "--formula"),
        (("order", "Li6PS5Cl-cubic", "--state", "Li"), "ELEMENT=CHARGE"),
        (("order", "Li6PS5Cl-cubic", "--state", "Na=1"), "no Na here"),
        (("bulk", "Li6PS5Cl-cubic", "--format", "cif,poscar"), "poscar cannot hold"),
        (("bulk", "LiCl", "--repeat", "2"), "no repeat of a cell"),
        (("order", "Li6PS5Cl-cubic", "--anti-site", "2"), "anti"),
        (("order", "Li6PS5Cl-cubic", "--max-atoms", "5"), "atoms"),
        (("glass", "Li3PS4", "--density", "12"), "density"),
        (("grain-boundary", "Li3OCl", "--sigma", "4"), "sigma"),
        (("bulk", "LiCl", "--repeat", "0,1,1"), "positive"),
        (("bulk", "LiCl", "--repeat", "9,9,9"), "budget"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_words(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = run(tmp_path, *arguments, "--out", "made")
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "made").exists()


def test_a_cif_with_overlapping_atoms_is_refused(tmp_path: Path) -> None:
    from pymatgen.core import Lattice, Structure

    cell = Structure(Lattice.cubic(4.0), ["Li", "Cl"], [[0, 0, 0], [0.05, 0, 0]])
    cell.to(str(tmp_path / "bad.cif"))
    done = run(tmp_path, "slab", "bad.cif", "--miller", "0,0,1")
    assert done.returncode == 2
    assert "Li" in done.stderr
    assert "Cl" in done.stderr


def test_no_folder_can_be_made_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "made").write_text("a file")
    done = run(tmp_path, "bulk", "LiCl", "--out", "made/here")
    assert done.returncode == 2
    assert "made is a file" in done.stderr


def test_the_anode_has_a_closest_pair(tmp_path: Path) -> None:
    (cell,) = answer(tmp_path, "bulk", "Li", "--no-picture")["candidates"]
    assert cell["closest_pair"] == "Li-Li"
    assert cell["min_distance_ratio"] == pytest.approx(1.1597)


def test_a_cell_without_pairs_has_no_closest_one(tmp_path: Path) -> None:
    cell = Structure(Lattice.cubic(5.0), [{"Li": 0.5}], [[0, 0, 0]])
    write_structure(cell, tmp_path / "half.cif")
    record = crystals.bulk(str(tmp_path / "half.cif")).record.candidates[0]
    assert record.min_distance_ratio is record.closest_pair is None


def test_a_primitive_cell_is_the_same_crystal(tmp_path: Path) -> None:
    ideal = build(load_phase("LiCoO2"))
    ideal.make_supercell([2, 1, 1])
    moved = ideal.copy()
    moved.perturb(0.1, seed=1)
    for name, cell, n_atoms in (("ideal", ideal, 4), ("moved", moved, len(moved))):
        write_structure(cell, tmp_path / f"{name}.cif")
        (made,) = crystals.bulk(str(tmp_path / f"{name}.cif"), primitive=True).structures.values()
        assert len(made) == n_atoms
        assert closest_pair(made)[0] == pytest.approx(closest_pair(cell)[0], abs=1e-4)


def test_the_format_decides_what_a_file_holds() -> None:
    built = Built(None, {"POSCAR x": build(load_phase("LiCl"))})
    texts = built.texts(("cif", "poscar"))
    assert texts["POSCAR x.cif"].startswith("data_")
    assert "Direct" in texts["POSCAR x.vasp"]


def test_files_with_mixed_states_are_ordered_once_these_are_named(tmp_path: Path) -> None:
    cell = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(4.2), [{"Li": 0.375, "Fe": 0.625}, "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )
    file = str(write_structure(cell, tmp_path / "half.cif"))
    with pytest.raises(InputError, match="--state"):
        crystals.ordered(file, max_atoms=16, count=1)
    with pytest.raises(InputError, match=re.escape(file)):
        crystals.slabs(file, (0, 0, 1))
    record = crystals.ordered(file, states={"Fe": 2.6}, max_atoms=16, count=1).record
    assert record.composition_error == pytest.approx(0)
    assert record.candidates[0].formula == "Li3Fe5O8"


def test_rounded_anti_sites_are_told(tmp_path: Path) -> None:
    done = run(
        tmp_path, "order", "Li6PS5Cl-cubic", "--anti-site", "0.1", "--max-atoms", "13", "--count",
        "1", "--no-picture",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Anti-site fraction: asked 0.1, made 0; a larger --max-atoms" in done.stdout
    assert "0.77 % of the atoms too many or few" in done.stdout
    record = crystals.ordered("Li6PS5Cl-cubic", anti_site=0.1, max_atoms=13, count=1).record
    assert (record.anti_site_asked, record.anti_site_made) == (0.1, 0.0)
    assert record.misplaced == pytest.approx(0.1 / 13)


def test_slabs_say_what_their_cuts_sever(tmp_path: Path) -> None:
    record = crystals.slabs("LiCl", (0, 0, 1)).record.candidates[0]
    # Each Li of the rock salt gives a sixth of its charge to each of its bonds.
    assert record.severed_valence_per_nm2 == pytest.approx(record.broken_bonds_per_nm2 / 6)
    done = run(tmp_path, "slab", "LiCl", "--miller", "0,0,1", "--no-picture")
    words = " ".join(done.stdout.split())
    assert "valence/nm2" in words
    assert "polyanion" in words


def test_messages_name_options_that_there_are() -> None:
    folder = Path(interlith.__file__).parent / "structures"
    known: set[str] = set()
    for name in ("interface", "stack", "order", "slab", "bulk"):
        command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]  # a group
        known.update(option for one in command.params for option in one.opts)
    for path in [*folder.glob("interfaces/*.py"), *folder.glob("disorder/*.py")]:
        named = set(re.findall(r"--[a-z][a-z-]+", path.read_text(encoding="utf-8")))
        assert named <= known, path.name
