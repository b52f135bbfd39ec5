"""Every YAML of the structure library is a sound crystal; broken ones are refused in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from interlith.errors import InputError
from interlith.structures.checks import check_phase, closest_pair, space_group_number
from interlith.structures.library import (
    LIBRARY_FOLDER,
    PhaseFacts,
    build,
    list_phases,
    load_phase,
)

ROCK_SALT = {
    "name": "LiCl",
    "formula": "LiCl",
    "space_group": 225,
    "lattice": {"a": 5.14, "b": 5.14, "c": 5.14},
    "sites": [
        {"element": "Li", "xyz": [0, 0, 0]},
        {"element": "Cl", "xyz": [0.5, 0.5, 0.5]},
    ],
    "oxidation_states": {"Li": 1, "Cl": -1},
    "roles": ["product"],
    "source": "general crystallography, checked by relaxation",
}


@pytest.mark.parametrize("name", list_phases())
def test_every_phase_is_sound(name: str) -> None:
    facts = load_phase(name)
    assert check_phase(facts) == []
    assert facts.source.strip()
    assert facts.roles


@pytest.mark.parametrize("name", list_phases())
def test_reducing_to_the_primitive_cell_changes_nothing_intensive(name: str) -> None:
    facts = load_phase(name)
    whole, primitive = build(facts), build(facts, primitive=True)
    assert len(whole) % len(primitive) == 0
    shares = primitive.composition.fractional_composition
    assert shares.almost_equals(whole.composition.fractional_composition, rtol=1e-6)
    assert primitive.volume / len(primitive) == pytest.approx(whole.volume / len(whole), rel=1e-6)
    assert closest_pair(primitive)[0] == pytest.approx(closest_pair(whole)[0], abs=1e-3)


def test_the_closest_pair_is_found_however_far_apart_the_atoms_are() -> None:
    lithium = build(load_phase("Li"))
    ratio, pair = closest_pair(lithium)
    edge = lithium.lattice.a
    assert (ratio, pair) == (pytest.approx(edge * 3**0.5 / 2 / (2 * 1.28)), "Li-Li")
    wide = Structure(Lattice(8 * lithium.lattice.matrix), lithium.species, lithium.frac_coords)
    assert closest_pair(wide)[0] == pytest.approx(8 * ratio)
    # In LiH the nearest pair is Li-H, and Li-Li is closer by its radii.
    assert closest_pair(build(load_phase("LiH")))[1] == "Li-Li"
    never_both = Structure(Lattice.cubic(5.0), [{"Li": 0.5}], [[0, 0, 0]])
    assert closest_pair(never_both) == (float("inf"), "")


def test_every_file_is_listed_and_the_eighty_of_the_issue_are_there() -> None:
    assert len(list(LIBRARY_FOLDER.iterdir())) == len(list_phases())
    assert len(list_phases()) >= 80


def test_building_is_the_same_twice_and_moving_the_origin_changes_no_distance() -> None:
    facts = load_phase("Li3PS4-gamma")
    assert build(facts) == build(facts)
    moved = build(facts)
    moved.translate_sites(range(len(moved)), [0.13, 0.27, 0.41])
    assert closest_pair(moved)[0] == pytest.approx(closest_pair(build(facts))[0])


def test_rock_salt_has_eight_atoms_and_its_group() -> None:
    structure = build(PhaseFacts.model_validate(ROCK_SALT))
    assert structure.composition.get_el_amt_dict() == {"Li": 4.0, "Cl": 4.0}
    assert space_group_number(structure) == 225
    distances = structure.distance_matrix[0]
    assert np.isclose(np.sort(distances)[1], 5.14 / 2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"formula": "Li2Cl"}, "add up to"),
        ({"oxidation_states": {"Li": 2, "Cl": -1}}, "charge"),
        ({"oxidation_states": {"Li": 1}}, "oxidation states are given"),
        ({"lattice": {"a": 2.2, "b": 2.2, "c": 2.2}}, "apart"),
        ({"space_group": 216}, "space group"),
    ],
)
def test_a_wrong_phase_is_told_what_is_wrong(change: dict[str, object], words: str) -> None:
    problems = check_phase(PhaseFacts.model_validate(ROCK_SALT | change))
    assert any(words in problem for problem in problems), problems


def test_unknown_keys_and_wrong_names_are_refused(tmp_path: Path) -> None:
    (tmp_path / "A.yaml").write_text("name: A\nformulla: Li\n")
    with pytest.raises(InputError, match="formulla"):
        load_phase("A", tmp_path)
    (tmp_path / "B.yaml").write_text((LIBRARY_FOLDER / "Li.yaml").read_text())
    with pytest.raises(InputError, match="file stem and name"):
        load_phase("B", tmp_path)


def test_an_unknown_phase_names_its_neighbours() -> None:
    with pytest.raises(InputError, match="Li3PS4-gamma"):
        load_phase("Li3PS4-delta")


def test_a_hall_number_of_another_group_is_refused() -> None:
    with pytest.raises(InputError, match="not a setting"):
        build(PhaseFacts.model_validate(ROCK_SALT | {"hall": 1}))


def test_notes_do_not_change_the_hash_and_coordinates_do() -> None:
    facts = PhaseFacts.model_validate(ROCK_SALT)
    assert facts.sha256 == PhaseFacts.model_validate(ROCK_SALT | {"notes": "new"}).sha256
    larger = {"lattice": {"a": 5.2, "b": 5.2, "c": 5.2}}
    assert facts.sha256 != PhaseFacts.model_validate(ROCK_SALT | larger).sha256
