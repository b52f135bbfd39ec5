"""A structure and its labels survive every file format, and others can read the files."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import ase.io
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure
from pymatgen.io.lammps.data import LammpsData

from interlith.errors import InputError, OutputError
from interlith.structures.files import formats
from interlith.structures.files.formats import from_atoms, read_structure, to_atoms, write_structure
from interlith.structures.library import PhaseFacts, build, load_phase
from interlith.structures.regions import Regions, label

FILES = {"cif": "x.cif", "poscar": "POSCAR", "extxyz": "x.extxyz", "lammps": "x.lmp"}
ELEMENTS = ("Li", "O", "Co", "Ni", "P", "La")


def _labelled(structure: Structure) -> Structure:
    names = [("anode", "electrolyte", "coating")[i % 3] for i in range(len(structure))]
    return label(structure, names, [0.0, 2.1])


def _same(one: Structure, other: Structure) -> None:
    assert [s.symbol for s in one.species] == [s.symbol for s in other.species]
    np.testing.assert_allclose(one.lattice.matrix, other.lattice.matrix, atol=1e-9)
    np.testing.assert_allclose(one.cart_coords, other.cart_coords, atol=1e-8)


@st.composite
def structures(draw: st.DrawFn) -> Structure:
    """Any cell with room in it, left- or right-handed; any order of species; any labels."""
    entry = st.floats(-9, 9, allow_nan=False).map(lambda x: round(x, 7))
    cell = np.array(draw(st.lists(entry, min_size=9, max_size=9))).reshape(3, 3)
    cell += np.diag(draw(st.sampled_from([(12.0, 12.0, 12.0), (12.0, 12.0, -12.0)])))
    faces = np.linalg.norm(np.cross(cell[[1, 2, 0]], cell[[2, 0, 1]]), axis=1).max()
    if abs(np.linalg.det(cell)) < faces:
        cell = np.diag([5.0, 6.0, 7.0])
    n = draw(st.integers(1, 6))
    symbols = draw(st.lists(st.sampled_from(ELEMENTS), min_size=n, max_size=n))
    numbers = st.lists(st.floats(-1.5, 2.5), min_size=3, max_size=3)
    places = np.array(draw(st.lists(numbers, min_size=n, max_size=n))) / 7
    places += np.arange(n)[:, None] * np.array([0.137, 0.271, 0.618])  # apart from each other
    structure = Structure(cell, symbols, places)
    if not draw(st.booleans()):
        return structure
    name = st.from_regex(r"[A-Za-z][A-Za-z0-9_.+-]{0,9}", fullmatch=True)
    regions = Regions(
        tuple(draw(st.lists(name, min_size=n, max_size=n))),
        np.array(draw(st.lists(st.floats(0, 99), min_size=n, max_size=n))),
        np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n))),
    )
    return regions.attach(structure)


@pytest.mark.parametrize("fmt", FILES)
@given(structure=structures())
@example(
    structure=_labelled(Structure(np.diag([4.0, 4.0, -4.0]), ["Li", "O"], [[0] * 3, [0.5] * 3]))
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_structure_survives_the_round_trip(
    fmt: str, structure: Structure, tmp_path: Path
) -> None:
    back = read_structure(write_structure(structure, tmp_path / FILES[fmt]))
    _same(structure, back)
    if "region" not in structure.site_properties:
        assert back.site_properties == {}
        return
    assert Regions.of(structure) == Regions.of(back)


@pytest.mark.parametrize("fmt", FILES)
@pytest.mark.parametrize("name", ["LiCoO2", "Li6PS5Cl", "Li3PS4-gamma"])
def test_ase_and_pymatgen_read_the_same_atoms_in_the_same_order(
    fmt: str, name: str, tmp_path: Path
) -> None:
    structure = _labelled(build(load_phase(name)))
    file = write_structure(structure, tmp_path / FILES[fmt])
    names = {"cif": "cif", "poscar": "vasp", "extxyz": "extxyz", "lammps": "lammps-data"}
    atoms = ase.io.read(file, format=names[fmt])
    assert atoms.get_chemical_symbols() == [s.symbol for s in structure.species]
    np.testing.assert_allclose(
        atoms.get_all_distances(mic=True), structure.distance_matrix, atol=1e-6
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if fmt == "lammps":
            theirs = LammpsData.from_file(str(file), atom_style="atomic").structure
        elif fmt == "extxyz":
            theirs = from_atoms(atoms)
        else:
            theirs = Structure.from_file(file)
    assert theirs.composition == structure.composition
    assert theirs.volume == pytest.approx(structure.volume)
    if fmt == "extxyz":
        assert Regions.of(atoms).names == Regions.of(structure).names


@pytest.mark.parametrize("fmt", FILES)
def test_files_of_others_are_read(fmt: str, tmp_path: Path) -> None:
    structure = build(load_phase("LiCoO2"))
    file = tmp_path / FILES[fmt]
    if fmt in ("cif", "poscar"):
        structure.to(str(file), fmt=fmt)
    else:
        options = {"masses": True} if fmt == "lammps" else {}
        kind = "lammps-data" if fmt == "lammps" else "extxyz"
        ase.io.write(file, to_atoms(structure), format=kind, **options)
    back = read_structure(file)
    assert back.composition == structure.composition
    assert back.volume == pytest.approx(structure.volume, rel=1e-6)


def test_symmetry_of_a_foreign_cif_is_unfolded(tmp_path: Path) -> None:
    structure = build(load_phase("LiCoO2"))
    structure.to(str(tmp_path / "x.cif"), symprec=0.01)
    assert "x, y, z" in (tmp_path / "x.cif").read_text()
    back = read_structure(tmp_path / "x.cif")
    assert back.composition == structure.composition
    assert back.density == pytest.approx(structure.density, rel=1e-4)


def test_lammps_gets_small_tilts_along_its_axes(tmp_path: Path) -> None:
    cell = Lattice.from_parameters(5, 6, 7, 35, 50, 40).matrix
    structure = Structure(cell, ["Li", "O"], [[0.1, 0.2, 0.3], [0.6, 0.7, 0.8]])
    file = write_structure(structure, tmp_path / "x.lmp")
    atoms = ase.io.read(file, format="lammps-data")
    box = atoms.cell.array
    assert np.all(np.abs(np.triu(box, 1)) < 1e-12)
    for row, against in ((1, 0), (2, 0), (2, 1)):
        assert abs(box[row, against]) <= 0.5 * box[against, against] + 1e-6
    assert "interlith rotation" in file.read_text()
    _same(structure, read_structure(file))


def test_a_cell_as_lammps_wants_it_is_written_as_it_is(tmp_path: Path) -> None:
    structure = Structure(np.diag([4.0, 5.0, 6.0]), ["Li"], [[0.2, 0.2, 1.4]])
    assert "interlith rotation" not in write_structure(structure, tmp_path / "x.lmp").read_text()


DISORDERED = {
    "name": "x", "formula": "Li2P0.8Sn0.2S", "space_group": 225, "roles": [], "source": "made up",
    "lattice": {"a": 6, "b": 6, "c": 6},
    "sites": [
        {"element": "S", "xyz": [0, 0, 0]},
        {"occupants": {"P": 0.8, "Sn": 0.2}, "xyz": [0.5, 0.5, 0.5]},
        {"element": "Li", "xyz": [0.25, 0.25, 0.25]},
    ],
}  # fmt: skip


def test_partial_occupancies_go_into_a_cif_and_nowhere_else(tmp_path: Path) -> None:
    structure = build(PhaseFacts.model_validate(DISORDERED))
    back = read_structure(write_structure(_labelled(structure), tmp_path / "x.cif"))
    assert [site.species for site in back] == [site.species for site in structure]
    assert Regions.of(back) == Regions.of(_labelled(structure))
    for file in ("POSCAR", "x.xyz", "x.lmp"):
        with pytest.raises(InputError, match="interlith build order"):
            write_structure(structure, tmp_path / file)
    assert [p.name for p in tmp_path.iterdir()] == ["x.cif"]
    with pytest.raises(InputError, match="order it first"):
        to_atoms(structure)


def test_the_last_frame_of_a_trajectory_is_read(tmp_path: Path) -> None:
    frames = [to_atoms(_labelled(build(load_phase("LiCl")))) for _ in range(3)]
    frames[-1].positions += 0.25
    ase.io.write(tmp_path / "t.xyz", frames, format="extxyz")
    np.testing.assert_allclose(
        read_structure(tmp_path / "t.xyz").cart_coords, frames[-1].positions, atol=1e-7
    )


def test_poscar_flavours(tmp_path: Path) -> None:
    text = (
        "rock salt, Cartesian, selective\n-64.0\n2 0 0\n0 2 0\n0 0 2\nLi Cl\n1 1\nSelective\n"
        "Cartesian\n0 0 0 T T F anode 1.5 mobile\n1 1 1 F F F cathode 0.0 fixed\n\n0 0 0\n0 0 0\n"
    )
    (tmp_path / "CONTCAR").write_text(text)
    structure = read_structure(tmp_path / "CONTCAR")
    assert structure.volume == pytest.approx(64)
    np.testing.assert_allclose(structure.cart_coords[1], [2, 2, 2])
    assert Regions.of(structure).names == ("anode", "cathode")


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("POSCAR", "x\n1\n4 0 0\n0 4 0\n0 0 4\n1 1\nDirect\n0 0 0\n.5 .5 .5\n", "elements"),
        ("POSCAR", "x\n1\n4 0 0\n0 4 0\n8 8 0\nLi\n1\nDirect\n0 0 0\n", "volume"),
        ("POSCAR", "x\n1\n4 0 0\n0 4 0\n0 0 4\nLi\n999999999999\nDirect\n0 0 0\n", "atoms"),
        ("POSCAR", "x\n1\n4 0 0\n0 4 0\n0 0 4\nLi\n2\nDirect\n0 0 0\n", "announces"),
        ("POSCAR", "x\n1\n4 0 0\n0 4 0\n0 0 4\nXx\n1\nDirect\n0 0 0\n", "no element"),
        ("POSCAR", "x\n1\n4 0 0\n0 4 0\n0 0 4\nLi\n1\nDirect\n0 0 nan\n", "no number"),
        ("POSCAR", "x\n1\n4 0 0\n0 4 0\n0 0 nan\nLi\n1\nDirect\n0 0 0\n", "not finite"),
        ("POSCAR", "x\n1\n4 0 0\n0 4 0\n0 0 4\nVa\n1\nDirect\n0 0 0\n", "leave out vacancies"),
        ("POSCAR", "x\n1\n4 0 0\n0 4 0\n0 0 4\nD\n1\nDirect\n0 0 0\n", "isotope D"),
        ("POSCAR", "hello\n", "cannot be read"),
        ("a.xyz", "1\nno cell\nLi 0 0 0\n", "Lattice"),
        ("a.xyz", "3\nx\nLi 0 0 0\n", "announces"),
        ("a.xyz", '1\nLattice="4 0 0 0 4 0 0 0 1e9"\nLi 0 0 0\n', "long"),
        ("a.xyz", '1\nLattice="4 0 0 0 4 0 0 4 0"\nLi 0 0 0\n', "volume"),
        ("a.xyz", '1\nLattice="4 0 0 0 4 0 0 0 4"\nX 0 0 0\n', "dummy atoms"),
        ("a.xyz", '1\nLattice="4 0 0 0 4 0 0 0 4"\nD 0 0 0\n', "isotope D"),
        ("a.xyz", '1\nLattice="4 0 0 0 4 0 0 0 4"\nQq 0 0 0\n', "no element"),
        ("a.lmp", "x\n\n1 atoms\n", "no box"),
        (
            "a.lmp",
            "x\n0 4 xlo xhi\n0 4 ylo yhi\n0 4 zlo zhi\nMasses\n\n1 2.014 # D\n\nAtoms\n\n1 1 0 0 0",
            "isotope D",
        ),
        ("a.lmp", "x\n0 4 xlo xhi\n0 4 ylo yhi\n0 4 zlo zhi\n", "no atoms"),
        ("a.lmp", "x\n0 4 xlo xhi\n0 4 ylo yhi\n0 4 zlo zhi\nMasses\n\n1 7.9\n", "mass"),
        (
            "a.lmp",
            "x\n0 4 xlo xhi\n0 4 ylo yhi\n0 4 zlo zhi\nMasses\n\n1 6.94\nAtoms # sphere\n\n1 1 0 0",
            "style",
        ),
        (
            "a.lmp",
            "x\n0 4 xlo xhi\n0 4 ylo yhi\n0 4 zlo zhi\nMasses\n\n1 6.94\n\nAtoms\n\n1 2 0 0 0",
            "Masses does not list",
        ),
        ("a.data", "", "empty"),
        ("a.cif", "x" * 30_000, "lines"),
    ],
)  # fmt: skip
def test_broken_files_are_told_what_is_wrong(
    file: str, text: str, words: str, tmp_path: Path
) -> None:
    (tmp_path / file).write_text(text)
    with pytest.raises(InputError, match=words):
        read_structure(tmp_path / file)


def test_a_suffix_says_more_than_the_name(tmp_path: Path) -> None:
    structure = build(load_phase("LiCl"))
    for name in ("POSCAR_LiCl.cif", "CONTCAR relaxed.cif"):
        assert write_structure(structure, tmp_path / name).read_text().startswith("data_")
        assert read_structure(tmp_path / name).composition == structure.composition
    assert formats.format_of("POSCAR_2") == formats.format_of("CONTCAR.relaxed") == "poscar"


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "a.cif").write_bytes(b"\xff\xfe\x00\x81")
    (tmp_path / "big.cif").write_bytes(b"#\n" * 3_000_000)
    for name, words in [
        ("a.cif", "UTF-8"), ("none.cif", "no file"), ("big.cif", "MB"), (".", "does not say"),
    ]:  # fmt: skip
        with pytest.raises(InputError, match=words):
            read_structure(tmp_path / name)
    with pytest.raises(InputError, match="is a folder"):
        read_structure(tmp_path, "cif")


def test_formats_and_places_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    structure = build(load_phase("LiCl"))
    with pytest.raises(InputError, match=r"\.cif"):
        write_structure(structure, tmp_path / "x.pdb")
    with pytest.raises(InputError, match="choose one of"):
        write_structure(structure, tmp_path / "x.cif", "pdb")
    with pytest.raises(OutputError, match="cannot write"):
        write_structure(structure, tmp_path / "no" / "x.cif")
    write_structure(structure, tmp_path / "x.cif")
    before = (tmp_path / "x.cif").read_text()

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(formats.os, "fsync", full)
    with pytest.raises(OutputError, match="No space"):
        write_structure(build(load_phase("LiF")), tmp_path / "x.cif")
    assert (tmp_path / "x.cif").read_text() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.cif"]


def test_half_labelled_structures_are_not_written(tmp_path: Path) -> None:
    structure = build(load_phase("LiCl"))
    structure.add_site_property("region", ["anode"] * 8)
    with pytest.raises(InputError, match="missing"):
        write_structure(structure, tmp_path / "x.cif")
