"""When the DFT set may answer, and that the shipped one is whole and never mixed."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from interlith.analysis import reference_coverage
from interlith.analysis.builtin_reference import (
    BUILTIN,
    DATA_FOLDER,
    energy_name,
    load_builtin,
    phase_rows,
)
from interlith.analysis.reference_catalog import ALIASES, AUTO, load_reference, set_for
from interlith.analysis.reference_coverage import builtin_coverage, coverage
from interlith.analysis.references import ReferenceSet, build_reference, parse_formula
from interlith.errors import InputError
from interlith.structures.library import list_phases
from interlith.workflows.reference_dft_data import HUBBARD_NAME

POTENTIAL, DFT = BUILTIN


def _set(**energies: float) -> ReferenceSet:
    formulas = list(energies)
    return build_reference(
        [parse_formula(formula) for formula in formulas],
        [energies[formula] for formula in formulas],
        name="toy",
        sha256="0" * 64,
        scheme="none",
    )


FULL = _set(Li=0, S=0, Li2S=-1.3, LiS4=-0.1)


def test_a_set_covers_itself() -> None:
    record = coverage(FULL, FULL, ["Li", "S"])
    assert record.covered
    assert not record.missing
    assert set(record.required) == {"Li", "S", "Li2S"}  # LiS4 is above the line Li2S-S


def test_one_missing_stable_phase_is_enough_to_fail() -> None:
    without = _set(Li=0, S=0, LiS4=-0.1)
    record = coverage(without, FULL, ["Li", "S"])
    assert not record.covered
    assert record.missing == ("Li2S",)
    assert coverage(without, FULL, ["S"]).covered


def test_an_unstable_phase_may_be_missing() -> None:
    assert coverage(_set(Li=0, S=0, Li2S=-1.2), FULL, ["Li", "S"]).covered


def test_an_element_that_is_missing_is_named() -> None:
    record = coverage(FULL, FULL, ["Li", "S", "Co"])
    assert not record.covered
    assert record.missing == ("Co",)
    assert record.unknown_elements == ("Co",)


def test_nothing_is_covered_where_nobody_knows_what_is_stable() -> None:
    larger = _set(Li=0, S=0, Li2S=-1.3, Ni=0)
    record = coverage(larger, FULL, ["Li", "S", "Ni"])
    assert not record.missing
    assert record.unknown_elements == ("Ni",)
    assert not record.covered


def test_auto_takes_one_whole_set() -> None:
    for elements in (["Li", "Cl"], ["Li", "P", "S", "Cl", "O", "Co", "La", "Zr"]):
        name = set_for(elements)
        reference = load_reference(AUTO, elements=elements)
        assert reference.name == name
        assert (name == DFT) == builtin_coverage(elements).covered
    with pytest.raises(InputError, match="by the elements"):
        load_reference(AUTO)


def test_the_crystal_of_an_element_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    crystals = {POTENTIAL: {"P": {"P-fibrous": -5.40, "P-black": -5.37}}}
    monkeypatch.setattr(reference_coverage, "element_crystals", lambda name: crystals[name])
    crystals[DFT] = {"P": {"P-black": -5.33}}  # 30 meV/atom above the other in the potential's set
    record = builtin_coverage(["Li", "P"])
    assert not record.covered
    assert record.missing[-1] == "P-fibrous"
    assert "P-fibrous" in record.required
    crystals[POTENTIAL]["P"]["P-black"] = -5.395  # as good as the lowest one
    assert builtin_coverage(["Li", "P"]).missing == ()
    assert builtin_coverage(["Li", "S"]).covered


def test_short_names() -> None:
    assert load_reference("pbe").name == DFT
    assert load_reference("ml").name == load_reference("default").name == POTENTIAL
    assert set(ALIASES.values()) == {POTENTIAL, DFT}


def _content() -> dict[str, object]:
    content: dict[str, object] = json.loads((DATA_FOLDER / f"{DFT}.json").read_text())
    return content


def test_one_kind_of_energy_makes_the_set() -> None:
    content = _content()
    assert energy_name(content) == "gpaw-pbe"
    rows = phase_rows(DFT)
    assert all("gpaw-pbe" in row["energy_ev_per_atom"] for row in rows)
    zeros = content["elements"]
    assert isinstance(zeros, dict)
    assert all(zero["source"].startswith("GPAW") for zero in zeros.values())


@pytest.mark.parametrize("row", phase_rows(DFT), ids=lambda row: row["name"])
def test_every_row_is_complete(row: dict[str, object]) -> None:
    assert row["name"] in list_phases()
    energies = row["energy_ev_per_atom"]
    assert isinstance(energies, dict)
    assert all(np.isfinite(energy) and energy < 0 for energy in energies.values())
    assert row["source"]


def test_planned_phases_are_held_or_said_to_be_missing() -> None:
    content = _content()
    held = {row["name"] for row in phase_rows(DFT)}
    missing = content["missing"]
    assert isinstance(missing, list)
    names = {one["name"] for one in missing}
    assert not held & names
    assert len(held | names) == content["planned"]
    assert int(str(content["planned"])) >= 250


def test_phases_with_u_enter_a_hull_with_a_correction_of_their_own_or_not_at_all() -> None:
    content = _content()
    aside, schemes = content["set_aside"], content["schemes"]
    assert isinstance(aside, list)
    assert isinstance(schemes, dict)
    own = {
        one["name"].split()[0] for one in schemes["MP2020"] if one["name"].endswith(HUBBARD_NAME)
    }
    assert not any(one["name"].endswith(HUBBARD_NAME) for one in schemes["none"])
    assert all(set(row["hubbard_u_ev"]) - own for row in aside)
    assert all(set(row["hubbard_u_ev"] or ()) <= own for row in phase_rows(DFT))
    assert not {row["name"] for row in aside} & {row["name"] for row in phase_rows(DFT)}


def test_cells_lie_beside_the_energies() -> None:
    text = (DATA_FOLDER / f"{DFT}-results.json").read_text()
    cells = {one["name"]: one["cell"] for one in json.loads(text)["results"]}
    for row in phase_rows(DFT):
        cell = cells[row["name"]]
        volume = abs(np.linalg.det(np.array(cell["cell"]))) / len(cell["elements"])
        assert volume == pytest.approx(row["volume_a3_per_atom"], rel=1e-4)


def test_our_own_datasets_are_those_that_were_used() -> None:
    from interlith.engines.electronic.datasets import OWN_FOLDER

    content = _content()
    settings, hashes = content["settings"], content["datasets"]
    assert isinstance(settings, dict)
    assert isinstance(hashes, dict)
    assert set(settings["datasets"]) <= set(hashes)
    for element, tag in settings["datasets"].items():
        digest = hashlib.sha256((OWN_FOLDER / f"{element}.{tag}.PBE.gz").read_bytes()).hexdigest()
        assert hashes[element] == digest


@pytest.mark.parametrize(("formula", "ev_per_atom"), [("Li2O", -1.833), ("LiCl", -1.821)])
def test_raw_formation_energies_are_those_of_pbe(formula: str, ev_per_atom: float) -> None:
    """Materials Project raw PBE: ml-reference-set.md section 3, and the 2019 set for LiCl."""
    reference = load_builtin(DFT, "none")
    phase = reference.find(parse_formula(formula))
    assert phase is not None
    assert reference.energies[phase] == pytest.approx(ev_per_atom, abs=0.015)
