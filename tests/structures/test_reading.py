"""What a user names becomes a structure, or a message that says what to do."""

from __future__ import annotations

import re
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition, Lattice, Structure

from interlith.errors import InputError
from interlith.structures.checks import close_pairs, require_no_overlap, space_group_number
from interlith.structures.files.formats import parse_content, write_structure
from interlith.structures.library import LIBRARY_FOLDER, build, load_phase
from interlith.structures.reading import (
    guess_oxidation_states,
    read_material,
    require_ordered,
)

ROCK_SALT = """data_LiCl
_cell_length_a 5.14(2)
_cell_length_b 5.14
_cell_length_c 5.14
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'F m -3 m'
_symmetry_Int_Tables_number 225
_chemical_formula_sum 'Li1 Cl1'
loop_
_symmetry_equiv_pos_as_xyz
{operations}
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_symmetry_multiplicity
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Li1 Li+ 4 0 0 0 1.0
Cl1 Cl- 4 0.5 0.5 0.5 1.0
"""


def _operations(hall: int) -> list[str]:
    import spglib
    from pymatgen.core.operations import SymmOp

    found = spglib.get_symmetry_from_database(hall)
    return [
        SymmOp.from_rotation_and_translation(turn, move).as_xyz_str()
        for turn, move in zip(found["rotations"], found["translations"], strict=True)
    ]


FM3M = _operations(523)
CIF = ROCK_SALT.format(operations="\n".join(f"'{one}'" for one in FM3M))
UNTYPED = CIF.replace("_atom_site_type_symbol\n", "").replace("Li1 Li+", "Li1A")
HEXAGONAL = (
    "data_x\n_cell_length_a 2.824\n_cell_length_b 2.824\n_cell_length_c 14.182\n"
    "_cell_angle_gamma 120\n_space_group_name_H-M_alt 'R -3 m:H'\nloop_\n_atom_site_label\n"
    "_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
    "Li1 0.3333 0.6667 0.1667\nCo1 0 0 0\nO1 0 0 0.2583\n"
)


def _read(text: str) -> Structure:
    return parse_content(text, "cif", "a.cif").structure


# --- names and formulas ----------------------------------------------------------------------


def test_a_name_is_a_library_phase() -> None:
    material = read_material("Li3PS4-gamma")
    assert material.facts == load_phase("Li3PS4-gamma")
    assert material.structure == build(load_phase("Li3PS4-gamma"))
    assert material.oxidation_states == {"Li": 1, "P": 5, "S": -2}


def test_a_formula_finds_its_phases_and_says_which_was_taken() -> None:
    material = read_material("S4PLi3")
    assert material.name == "Li3PS4-beta"
    assert "Li3PS4-gamma" in material.source
    assert read_material("S4PLi3") == material


def _own_phase(folder: Path, name: str, **changes: object) -> None:
    text = (LIBRARY_FOLDER / "LiF.yaml").read_text()
    text = re.sub(r"^name: .*$", f"name: {name}", text, flags=re.MULTILINE)
    for key, value in changes.items():
        text = re.sub(rf"^{key}: .*\n", "", text, flags=re.MULTILINE) + f"{key}: {value}\n"
    (folder / f"{name}.yaml").write_text(text)


def test_slabs_are_cut_from_the_phase_that_a_sheet_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERLITH_LIBRARY", str(tmp_path))
    _own_phase(tmp_path, "LiF-relaxed", builds_from="LiF-cubic")
    _own_phase(tmp_path, "LiF-cubic", builds_from="LiF-relaxed")  # a ring must not hang
    _own_phase(tmp_path, "LiF-none", builds_from="LiF-lost")
    assert read_material("LiF-relaxed").name == "LiF-relaxed"
    slab = read_material("LiF-relaxed", for_slabs=True)
    assert slab.name == "LiF-cubic"
    assert "LiF-relaxed" in slab.source
    with pytest.raises(InputError, match="LiF-lost"):
        read_material("LiF-none", for_slabs=True)


def test_dynamics_starts_from_the_disorder_that_a_sheet_names() -> None:
    assert read_material("Li6PS5Cl").structure.is_ordered
    moving = read_material("Li6PS5Cl", for_dynamics=True)
    assert moving.name == "Li6PS5Cl-cubic"
    assert not moving.structure.is_ordered
    assert "Li6PS5Cl move" in moving.source
    assert read_material("Li6PS5Cl-24g", for_dynamics=True).name == "Li6PS5Cl-24g"


def test_ordered_phases_in_use_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLITH_LIBRARY", str(tmp_path))
    _own_phase(tmp_path, "A-halite", formula="Li4F4", roles="[product]")
    _own_phase(tmp_path, "Z-halite", formula="Li4F4", roles="[coating]")
    (tmp_path / "broken.yaml").write_text("name: [")  # must not hide the others
    assert read_material("FLi").name in ("LiF", "Z-halite")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Li3PS4-delta", "Li3PS4-gamma"),
        ("Li6PS5Cll", "Li6PS5Cl"),
        ("no such thing", "interlith library list"),
        ("Li6PS5F", "A path to a CIF"),
        ("", "0 characters"),
        ("x.cif", "there is no file"),
        ("POSCAR", "there is no file"),
        ("folder/thing.pdb", r"\.cif"),
        ("a\0b.cif", "name of a file"),
        ("x" * 400 + ".cif", "cannot read"),
        ("x" * 400, "no phase"),
        ("x" * 4000, "4000 characters"),
    ],
)
def test_names_that_are_none(name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_material(name)


# --- files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["x.cif", "POSCAR", "x.extxyz", "x.lmp"])
def test_files_of_every_format_are_materials(file: str, tmp_path: Path) -> None:
    write_structure(build(load_phase("LiCoO2")), tmp_path / file)
    material = read_material(tmp_path / file)
    assert material.facts is None
    assert material.oxidation_states == {"Li": 1, "Co": 3, "O": -2}
    assert file in material.source
    assert read_material(str(tmp_path / file)).structure == material.structure


def test_a_cif_is_unfolded_by_its_operations() -> None:
    structure = _read(CIF)
    assert structure.composition.get_el_amt_dict() == {"Li": 4, "Cl": 4}
    assert space_group_number(structure) == 225


def test_a_cif_without_operations_is_unfolded_by_its_group() -> None:
    structure = _read(HEXAGONAL)
    assert structure.composition.get_el_amt_dict() == {"Li": 3, "Co": 3, "O": 6}
    assert space_group_number(structure) == 166
    number = HEXAGONAL.replace("_space_group_name_H-M_alt 'R -3 m:H'", "_space_group_IT_number 166")
    assert _read(number).composition == structure.composition
    with pytest.raises(InputError, match="several settings"):
        _read(CIF.partition("loop_")[0].replace("225", "227").replace("F m -3 m", "F d -3 m")
              + "loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n"
              "_atom_site_fract_z\nLi1 0 0 0\n")  # fmt: skip


MONOCLINIC = """data_x
_cell_length_a 5
_cell_length_b 6
_cell_length_c 7
_cell_angle_{angle} 105
_symmetry_space_group_name_H-M '{symbol}'
loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Li1 0.11 0.17 0.23
"""


@pytest.mark.parametrize(
    ("symbol", "whole", "angle"),
    [
        ("P 21/c", "P 1 21/c 1", "beta"),
        ("P 21/n", "P 1 21/n 1", "beta"),
        ("P 21/a", "P 1 21/a 1", "beta"),
        ("C 2/m", "C 1 2/m 1", "beta"),
        ("A 2/m", "A 1 2/m 1", "beta"),
        ("C 2/c", "C 1 2/c 1", "beta"),
        ("I 2/a", "I 1 2/a 1", "beta"),
        ("C c", "C 1 c 1", "beta"),
        ("P 21", "P 1 21 1", "beta"),
        ("P 21/m", "P 1 1 21/m", "gamma"),
        ("B 2/m", "B 1 1 2/m", "gamma"),
    ],
)
def test_a_short_monoclinic_symbol_is_the_standard_setting(
    symbol: str, whole: str, angle: str
) -> None:
    short = _read(MONOCLINIC.format(symbol=symbol, angle=angle))
    assert short == _read(MONOCLINIC.format(symbol=whole, angle=angle))
    assert space_group_number(short) > 2


def test_a_short_symbol_with_several_settings_is_still_refused() -> None:
    with pytest.raises(InputError, match="several settings"):
        _read(MONOCLINIC.format(symbol="P 21/c", angle="gamma"))


def test_labels_are_freer_than_types() -> None:
    assert _read(UNTYPED.replace("Cl1 Cl-", "CL1")) == _read(CIF)
    oxide = UNTYPED.replace("Cl1 Cl-", "OW1").replace("'Li1 Cl1'", "'Li1 O1'")
    assert _read(oxide).composition == Composition("Li4O4")


@pytest.mark.parametrize("author", ["'M\xfcller, J.'", "\x93M\xfcller\x94"])
def test_a_cif_of_before_utf8_is_read(author: str, tmp_path: Path) -> None:
    text = CIF.replace("data_LiCl\n", f"data_LiCl\n# {author}\n")
    (tmp_path / "a.cif").write_bytes(text.encode("latin-1"))
    assert read_material(tmp_path / "a.cif").structure == _read(CIF)
    (tmp_path / "POSCAR").write_bytes(b"M\xfcller\n1.0\n")
    with pytest.raises(InputError, match="UTF-8"):
        read_material(tmp_path / "POSCAR")


SHARED = CIF.replace("_chemical_formula_sum 'Li1 Cl1'\n", "")


def test_states_of_disordered_cifs(tmp_path: Path) -> None:
    iron = SHARED.replace("Li1 Li+ 4 0 0 0 1.0", "Li1 Li+ 4 0 0 0 0.375\nFe1 Fe2+ 4 0 0 0 0.25\n"
                          "Fe2 Fe3+ 4 0 0 0 0.375").replace("Cl1 Cl-", "O1 O2-")  # fmt: skip
    stated = (
        "loop_\n_atom_type_symbol\n_atom_type_oxidation_number\nFe2+ 2\nFe3+ 3\nLi+ 1\nO2- -2\n"
    )
    (tmp_path / "iron.cif").write_text(iron + stated)
    states = read_material(tmp_path / "iron.cif").oxidation_states
    assert states == {"Li": 1, "Fe": pytest.approx(2.6), "O": -2}
    # Types that do not tell the sites apart say nothing of the mean.
    plain = iron.replace("Fe1 Fe2+", "Fe1 Fe").replace("Fe2 Fe3+", "Fe2 Fe")
    (tmp_path / "plain.cif").write_text(plain + stated)
    assert read_material(tmp_path / "plain.cif").oxidation_states is None
    rounded = SHARED.replace("Li1 Li+ 4 0 0 0 1.0", "Li1 Li 4 0 0 0 .333\nMg1 Mg 4 0 0 0 .333")
    (tmp_path / "rounded.cif").write_text(rounded)
    found = read_material(tmp_path / "rounded.cif")
    assert found.oxidation_states == {"Li": 1, "Mg": 2, "Cl": -1}
    assert found.asked == str(tmp_path / "rounded.cif")


def test_oxidation_states_of_a_cif_are_taken_as_stated(tmp_path: Path) -> None:
    stated = "loop_\n_atom_type_symbol\n_atom_type_oxidation_number\nLi+ 1\nCl- -1\n"
    (tmp_path / "a.cif").write_text(CIF + stated)
    assert read_material(tmp_path / "a.cif").oxidation_states == {"Li": 1, "Cl": -1}
    (tmp_path / "b.cif").write_text(CIF + stated.replace("Cl- -1", "Cl- -2"))  # not neutral
    assert read_material(tmp_path / "b.cif").oxidation_states == {"Li": 1, "Cl": -1}


def test_shared_sites_are_one_site() -> None:
    shared = CIF.replace(
        "Cl1 Cl- 4 0.5 0.5 0.5 1.0", "Cl1 Cl 4 .5 .5 .5 0.7\nBr1 Br 4 .5 .5 .5 0.3"
    )
    structure = _read(shared.replace("Li1 Cl1", "Li1 Cl0.7 Br0.3"))
    assert len(structure) == 8
    assert structure[-1].species == Composition({"Cl": 0.7, "Br": 0.3})
    with pytest.raises(InputError, match="interlith build order FILE"):
        require_ordered(structure, "a")
    with pytest.raises(InputError, match=r"interlith build order 'of mine/a\.cif'"):
        require_ordered(structure, "of mine/a.cif")
    require_ordered(_read(CIF), "a")


def _without(text: str, start: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith(start)) + "\n"


BROKEN_CIFS = {
    "no data block": ("hello world\n", "no CIF"),
    "no atoms": (CIF.partition("loop_\n_atom_site")[0], "no atoms"),
    "no cell": (_without(CIF, "_cell_length_b"), "no cell"),
    "two crystals": (CIF + CIF.replace("data_LiCl", "data_2"), "2 crystals"),
    "cell is no number": (CIF.replace("5.14(2)", "long"), "no number"),
    "cell is nan": (CIF.replace("5.14(2)", "nan"), "no number"),
    "cell is negative": (CIF.replace("5.14(2)", "-5.14"), "span no cell"),
    "flat cell": (CIF.replace("_cell_angle_gamma 90", "_cell_angle_gamma 180"), "span no cell"),
    "thin cell": (CIF.replace("5.14(2)", "0.001"), "no volume"),
    "huge cell": (CIF.replace("5.14(2)", "5e200"), "long"),
    "no number": (CIF.replace("0.5 0.5 0.5", "0.5 half 0.5"), "no number"),
    "nan": (CIF.replace("0.5 0.5 0.5", "0.5 nan 0.5"), "no number"),
    "unknown position": (CIF.replace("0.5 0.5 0.5", "0.5 ? 0.5"), "no number"),
    "occupancy above 1": (CIF.replace("0.5 1.0", "0.5 1.2"), "occupancy 1.2"),
    "negative occupancy": (CIF.replace("0.5 1.0", "0.5 -0.2"), "runs from 0 to 1"),
    "no element": (CIF.replace("Cl1 Cl-", "Qq1 Qq"), "no element"),
    "vacancy": (CIF.replace("Cl1 Cl-", "X1 X"), "no element"),
    "vacancy of a label": (
        UNTYPED.replace("Cl1 Cl-", "Vac1"), "leave out vacancies",
    ),
    "vacancy of a type": (CIF.replace("Cl1 Cl-", "Cl1 Va"), "leave out vacancies"),
    "water": (CIF.replace("Cl1 Cl-", "O1 Wat"), "water as its O and H"),
    "dummy": (CIF.replace("Cl1 Cl-", "Du1 Du"), "dummy atoms"),
    "type of more letters": (CIF.replace("Cl1 Cl-", "Cl1 Clx-"), "no element"),
    "deuterium": (CIF.replace("Li1 Li+", "D1 D"), "isotope D"),
    "site too full": (CIF + "Br1 Br 4 0.5 0.5 0.5 0.5\n", "add up to more than 1"),
    "copies beside operations": (CIF + "Li2 Li+ 4 0 0.5 0.5 1.0\n", "overlapping atoms"),
    "wrong multiplicity": (CIF.replace("Cl- 4", "Cl- 8"), "multiplicity|file says 8"),
    "missing operation": (CIF.replace(f"'{FM3M[7]}'\n", ""), "no group"),
    "operation of another lattice": (
        CIF.replace("_cell_length_c 5.14", "_cell_length_c 6.2"), "broken symmetry",
    ),
    "unreadable operation": (CIF.replace(f"'{FM3M[7]}'", "'x, y, what'"), "symmetry operation"),
    "singular operation": (CIF.replace(f"'{FM3M[7]}'", "'x, x, z'"), "no symmetry operation"),
    "another group": (CIF.replace("225", "216"), "names space group 216"),
    "operations lost": (
        _without(ROCK_SALT.format(operations="'x, y, z'"), "_chemical").replace(" 4 ", " 1 "),
        "names space group 225",
    ),
    "formula": (CIF.replace("Li1 Cl1", "Li2 Cl1"), "formula"),
    "off its special position": (
        _without(CIF, "_chem").replace("4 0 0 0 1.", "? .02 0 0 1."), "coincide|apart",
    ),
    "no fractional coordinates": (CIF.replace("_fract_", "_Cartn_"), "fractional"),
    "ragged loop": (CIF + "Br1 Br 4\n", "cannot be read"),
    "group that is none": (
        HEXAGONAL.replace("R -3 m:H", "Q 7"), "is none that fits",
    ),
    "half a label": (
        CIF.replace("_atom_site_occupancy", "_atom_site_interlith_region"), "not whole",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN_CIFS)
def test_broken_cifs_are_told_what_is_wrong(case: str, tmp_path: Path) -> None:
    text, words = BROKEN_CIFS[case]
    (tmp_path / "a.cif").write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        read_material(tmp_path / "a.cif")
    assert "a.cif" in str(caught.value)


def test_overlapping_atoms_are_named_with_their_distance(tmp_path: Path) -> None:
    places = [[0, 0, 0], [0.5, 0.5, 0.5], [0.52, 0.5, 0.5]]
    write_structure(Structure(Lattice.cubic(5), ["Cl", "Li", "O"], places), tmp_path / "a.cif")
    with pytest.raises(InputError, match=r"Li \(atom 2\) and O \(atom 3\) are 0\.100 Angstrom"):
        read_material(tmp_path / "a.cif")


def test_split_sites_may_be_close_and_full_ones_not() -> None:
    split = Structure(
        Lattice.cubic(6), [{"Li": 0.5}, {"Li": 0.5}, "O"], [[0] * 3, [0.1, 0, 0], [0.5] * 3]
    )
    require_no_overlap(split, "x")
    full = Structure(Lattice.cubic(6), ["Li", "Li"], [[0] * 3, [0.1, 0, 0]])
    with pytest.raises(InputError, match=r"0\.600 Angstrom"):
        require_no_overlap(full, "x")
    alone = Structure(Lattice.from_parameters(0.6, 6, 6, 90, 90, 90), ["Li"], [[0] * 3])
    with pytest.raises(InputError, match="own periodic image"):
        require_no_overlap(alone, "x")


@given(
    st.lists(st.floats(-5, 5).map(lambda x: round(x, 4)), min_size=6, max_size=6),
    st.lists(st.floats(-1, 2), min_size=15, max_size=15),
    st.floats(0.3, 4.0),
)
@settings(max_examples=50)
def test_close_pairs_are_those_that_pymatgen_finds(
    skew: list[float], places: list[float], cutoff: float
) -> None:
    cell = np.diag([4.0, 5.0, 6.0])
    cell[np.tril_indices(3, -1)] = skew[:3]
    structure = Structure(cell, ["Li"] * 5, np.array(places).reshape(5, 3))
    first, second, distance = close_pairs(cell, structure.frac_coords, cutoff)
    centres, neighbours, _, theirs = structure.get_neighbor_list(cutoff, exclude_self=True)
    kept = centres <= neighbours
    near_the_edge = np.abs(theirs - cutoff) < 1e-6
    if near_the_edge.any() or np.any(theirs < 1e-6):
        return
    # pymatgen lists an atom's own images twice, and so does close_pairs
    assert len(distance) == int(kept.sum())
    np.testing.assert_allclose(np.sort(distance), np.sort(theirs[kept]), atol=1e-8)
    assert np.all(first <= second)


def test_oxidation_states_are_guessed_where_that_is_quick() -> None:
    def guess(formula: str) -> dict[str, float] | None:
        return guess_oxidation_states(Composition(formula))

    assert guess("Li7La3Zr2O12") == {"Li": 1, "La": 3, "Zr": 4, "O": -2}
    assert guess("Li") == {"Li": 0.0}
    assert guess("Li0.5CoO2") is None
    assert guess("Li5.496PS4.5Cl1.5") == {"Li": 1, "P": 5, "S": -2, "Cl": -1}
    start = time.perf_counter()
    guess("Mn100Fe77V31O233Li12")
    assert time.perf_counter() - start < 1.0


# --- fuzz ------------------------------------------------------------------------------------

SEEDS = [CIF.encode(), HEXAGONAL.encode(), CIF.replace(" 4 ", " ? ").encode()]
SPLICES = [
    b"nan", b"inf", b"-", b"1e999", b"9" * 30, b"loop_", b"data_x\n", b";", b"'", b'"', b"?", b".",
    b"_cell_length_a", b"\n", b"#", b"\xff", b"\0", b"0", b"_atom_site_fract_x", b"x,y,z",
    b"_space_group_IT_number 999", b"save_", b"1/0", b"x+1/0, y, z", b"{", b"\\", b"%", b"D",
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A CIF with a few bytes cut, doubled, swapped or replaced."""
    text = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(text)))
        end = min(len(text), at + draw(st.integers(0, 40)))
        piece = draw(st.one_of(st.sampled_from(SPLICES), st.binary(max_size=4)))
        kind = draw(st.sampled_from(["insert", "cut", "replace", "double", "lines"]))
        if kind == "insert":
            text = text[:at] + piece + text[at:]
        elif kind == "cut":
            text = text[:at] + text[end:]
        elif kind == "replace":
            text = text[:at] + piece + text[end:]
        elif kind == "double":
            text = text[:end] + text[at:end] + text[end:]
        else:
            lines = text.split(b"\n")
            i = draw(st.integers(0, len(lines) - 1))
            j = draw(st.integers(0, len(lines) - 1))
            lines[i], lines[j] = lines[j], lines[i]
            text = b"\n".join(lines)
    return text


def _a_structure_or_a_message(content: bytes, file: Path) -> None:
    file.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # pymatgen's own must not reach the user
        try:
            material = read_material(file)
        except InputError:
            return
    assert len(material.structure) > 0
    assert np.all(np.isfinite(material.structure.cart_coords))


@given(content=mutated())
@example(content=b"data_\n")
@example(content=b"data_x\nloop_\n")
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_mutilated_cif_is_a_structure_or_bad_input(content: bytes, tmp_path: Path) -> None:
    _a_structure_or_a_message(content, tmp_path / "fuzz.cif")


@pytest.mark.parametrize("file", ["POSCAR", "x.extxyz", "x.lmp"])
@given(data=st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_other_mutilated_files_are_a_structure_or_bad_input(
    file: str, data: st.DataObject, tmp_path: Path
) -> None:
    content = write_structure(build(load_phase("LiCoO2")), tmp_path / file).read_bytes()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        piece = data.draw(st.one_of(st.sampled_from(SPLICES), st.binary(max_size=4)))
        content = content[:at] + piece + content[at + data.draw(st.integers(0, 20)) :]
    _a_structure_or_a_message(content, tmp_path / file)


@given(content=st.binary(max_size=300))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_a_structure_or_bad_input(content: bytes, tmp_path: Path) -> None:
    _a_structure_or_a_message(content, tmp_path / "fuzz.cif")


def test_a_crowded_file_is_refused_before_it_takes_all_memory(tmp_path: Path) -> None:
    atoms = "".join(f"Li{i} Li 1 0.1 0.1 0.1 0.001\n" for i in range(5000))
    text = _without(ROCK_SALT.format(operations="x,y,z"), "_symmetry_Int").partition("Li1 Li+")[0]
    (tmp_path / "a.cif").write_text(text + atoms)
    start = time.perf_counter()
    with pytest.raises(InputError, match="cube of 1 Angstrom"):
        read_material(tmp_path / "a.cif")
    assert time.perf_counter() - start < 5
