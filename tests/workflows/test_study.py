"""The study file: what it accepts, what it refuses, and how it says so."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interlith.errors import InputError, StudyError
from interlith.workflows.study import load_study, resolve_material

EXAMPLE = Path(__file__).parents[2] / "examples" / "li-lpscl-lco.yaml"


def _study(folder: Path, text: str) -> Path:
    path = folder / "study.yaml"
    path.write_text(text)
    return path


def test_shipped_example_is_valid() -> None:
    study = load_study(EXAMPLE)
    assert study.electrolyte == "Li6PS5Cl"
    assert study.cathode.voltage_v == (3.0, 4.3)
    assert len(study.coatings) == 5


def test_bare_cathode_and_empty_stage(tmp_path: Path) -> None:
    study = load_study(
        _study(
            tmp_path,
            "name: a\nelectrolyte: Li3PS4\ncathode: LiCoO2\nstages: {thermodynamics: , dft: }\n",
        )
    )
    assert study.cathode.material == "LiCoO2"
    assert study.stages.dft.engine == "gpaw"


def test_later_stages_of_the_design_are_accepted(tmp_path: Path) -> None:
    text = (
        "name: a\nelectrolyte: Li6PS5Cl\nstages:\n  thermodynamics: {reference: default}\n"
        "  structures: {max_atoms: 300}\n  md: {potential: lpscl}\n"
    )
    study = load_study(_study(tmp_path, text))
    assert study.stages.md.potential == "lpscl"
    assert study.stages.structures.max_atoms == 300


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: a\nelectrolite: Li3PS4\n", "did you mean 'electrolyte'"),
        ("name: a\nelectrolyte: Li3PS4\nstages: {thermodynamic: {}}\n", "'thermodynamics'"),
        (
            "name: a\nelectrolyte: Li3PS4\ncathode: {material: LiCoO2, voltage: [3, 4]}\n",
            "did you mean 'voltage_v'",
        ),
        (
            "name: a\nelectrolyte: Li3PS4\ncathode: {material: LiCoO2, voltage_v: [4.3, 3]}\n",
            "reversed",
        ),
        ("name: a\n", "'electrolyte' is missing"),
        ("name: a/b\nelectrolyte: Li3PS4\n", "letters, digits"),
        ("- 1\n", "holds no study"),
        ("name: a\nelectrolyte: Li3PS4\ncoatings: LiF\n", "must be a list"),
        (
            "name: a\nelectrolyte: Li3PS4\ncathode: {material: LiCoO2, voltage_v: [3]}\n",
            "two numbers",
        ),
        ("name: a\nelectrolyte: Li3PS4\ncathode: {voltage_v: [3, 4]}\n", "needs material"),
        ("name: [a\n", "is no YAML"),
        ("name: a\nelectrolyte: Li3PS4\nstages: {thermodynamics: {draws: 0}}\n", "draws"),
        ("name: a\nelectrolyte: Li3PS4\nstages: {structures: {max_atom: 9}}\n", "'max_atoms'"),
        ("name: a\nelectrolyte: Li3PS4\nstages: {structures: {max_strain: -1}}\n", "max_strain"),
        (
            "name: a\nelectrolyte: Li3PS4\nstages: {structures: {thickness_angstrom: -2}}\n",
            "thickness_angstrom",
        ),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(StudyError, match=says):
        load_study(_study(tmp_path, text))


def test_materials_by_library_name_and_cif(tmp_path: Path) -> None:
    from pymatgen.core import Lattice, Structure

    Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.72), ["Li", "S"], [[0.25, 0.25, 0.25], [0, 0, 0]]
    ).to(filename=str(tmp_path / "own.cif"))
    assert resolve_material("own.cif", tmp_path) == "Li2S"
    assert resolve_material("Li3PS4-gamma", tmp_path) == "Li3PS4"
    assert resolve_material("Li6.2P0.8Sn0.2S5I", tmp_path) == "Li6.2P0.8Sn0.2S5I"


def test_a_name_or_a_file_stays_known_as_the_crystal(tmp_path: Path) -> None:
    from interlith.structures.files.formats import write_structure
    from interlith.structures.library import build, load_phase

    write_structure(build(load_phase("LiCl")), tmp_path / "salt.cif")
    text = "name: a\nelectrolyte: salt.cif\nanode: Li\ncathode: Li3PS4-gamma\n"
    study = load_study(_study(tmp_path, text))
    assert study.electrolyte == "LiCl"
    assert study.crystals["LiCl"] == str((tmp_path / "salt.cif").resolve())
    assert study.crystals["Li3PS4"] == "Li3PS4-gamma"


KEYS = ["name", "electrolyte", "anode", "cathode", "coatings", "stages", "crystals", "structures"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 500) | st.floats() | st.text(max_size=8)
    | st.sampled_from(["Li", "Li3PS4", "LiF", "all", "max_atoms", "Li6PS5Cl-cubic"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from([*KEYS, "max_atoms", "max_strain"]), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6))
def test_any_mapping_is_a_study_or_refused_in_words(
    tmp_path: Path, content: dict[str, object]
) -> None:
    whole = {"name": "a", "electrolyte": "Li3PS4"} | content
    path = _study(tmp_path, yaml.safe_dump(whole))
    try:
        study = load_study(path)
    except InputError as error:
        message = str(error)
        assert message
        return
    assert study.name
    assert study.electrolyte
