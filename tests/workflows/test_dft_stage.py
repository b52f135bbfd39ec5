"""The stage dft of a study, with a stand-in for the electrons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ase.build import fcc100

from interlith.analysis.dft_results import DftResults
from interlith.analysis.electronic_character import ComputedGap, electronic_character
from interlith.analysis.interphase import classify_interphase
from interlith.analysis.study_results import Interface
from interlith.errors import FailureError, InputError
from interlith.records import Amount
from interlith.structures.files.formats import from_atoms, structure_text
from interlith.structures.regions import label
from interlith.workflows import dft_stage
from interlith.workflows.dft_settings import DftStage
from interlith.workflows.dft_stage import check_dft, correct_contact, products, run_dft
from interlith.workflows.study import Study


def study_interfaces() -> list[Interface]:
    from interlith.workflows.assess import assess_interface

    study = Study.model_validate({"name": "x", "electrolyte": "Li3PS4", "anode": "Li"})
    made = assess_interface(study, ("anode", "Li"), ("electrolyte", "Li3PS4"))
    interphase = classify_interphase([Amount(formula="LiP5", amount=1)])
    return [made.model_copy(update={"interphase": interphase})]


def stand_in(gap: float) -> Any:
    """Gaps without electrons: what is tested is what becomes of them."""
    from interlith.analysis.dft_results import GapFailure, GapsRecord
    from interlith.provenance import provenance

    def gaps(phases: Any, engine: str, folder: Path, **_: Any) -> GapsRecord:
        return GapsRecord(
            engine=engine,
            gaps=tuple(ComputedGap(formula=p, gap_ev=gap, method="test") for p in phases),
            failures=(GapFailure(formula="XX", reason="no such crystal"),),
            provenance=provenance(),
        )

    return gaps


def test_only_what_is_not_known_is_asked_for() -> None:
    wanted = products(study_interfaces(), every=False)
    assert "LiP5" in wanted
    assert electronic_character("LiP5").gap_ev is None
    assert "Li3P" in wanted
    assert not {"Li", "Li2S"} & set(wanted)
    assert set(wanted) < set(products(study_interfaces(), every=True))


@pytest.mark.parametrize(("gap", "after"), [(0.0, "mixed-conducting"), (1.2, "passivating")])
def test_a_computed_gap_decides_the_interphase(
    gap: float, after: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dft_stage, "band_gaps", stand_in(gap))
    found = run_dft(DftStage(), study_interfaces(), (), tmp_path)
    assert found.interphases[0].before == "unknown"  # LiP5 has no known gap
    assert found.interphases[0].after == after
    assert "XX" in found.failures[0]
    assert DftResults.model_validate(found.to_json()) == found


def two_sides() -> Any:
    """Copper on gold layers, one interface, under vacuum; region labels as the builder sets."""
    slab = fcc100("Cu", (1, 1, 6), a=3.9, vacuum=8.0, periodic=True)
    slab.symbols[3:] = "Au"
    slab.positions[3:, 2] += 0.3
    height = float(slab.positions[2:4, 2].mean())
    names = ["anode"] * 3 + ["electrolyte"] * 3
    return label(from_atoms(slab), names, [height / slab.cell[2, 2]])


def test_labels_of_regions_survive_a_relaxation() -> None:
    from interlith.structures.regions import Regions
    from interlith.workflows.any_engine.calculations import RelaxSettings, relaxation

    found = relaxation(two_sides(), "emt", cell=False, settings=RelaxSettings(max_steps=2))
    assert Regions.of(found.crystal()) == Regions.of(two_sides())


def test_a_contact_is_corrected_and_kept(tmp_path: Path) -> None:
    text = structure_text(two_sides(), "extxyz")
    built = [{"record": {"a": "Cu", "b": "Au"}, "files": {"cu-au.extxyz": text, "cu-au.cif": ""}}]
    settings = DftStage(
        engine="emt", gaps="none", correct_contacts=True, potential="lj", relax_steps=0
    )
    found = run_dft(settings, (), built, tmp_path)
    (contact,) = found.contacts
    assert (contact.a, contact.b) == ("Cu", "Au")
    assert contact.correction.interfaces == 1
    assert contact.work_of_separation_j_per_m2 > 0.5  # metals hold together
    assert contact.correction.correction_j_per_m2 == pytest.approx(
        contact.work_of_separation_potential_j_per_m2 - contact.work_of_separation_j_per_m2
    )
    assert len(list((tmp_path / "contacts" / "cu-au").glob("*.json"))) == 3
    again = run_dft(settings, (), built, tmp_path)
    assert again.contacts[0].work_of_separation_j_per_m2 == contact.work_of_separation_j_per_m2


def test_a_contact_too_large_is_a_failure_and_stops_nothing(tmp_path: Path) -> None:
    text = structure_text(two_sides(), "extxyz")
    built = [{"record": {"a": "Cu", "b": "Au"}, "files": {"cu-au.extxyz": text}}]
    settings = DftStage(engine="emt", gaps="none", correct_contacts=True, contact_max_atoms=5)
    found = run_dft(settings, (), built, tmp_path)
    assert found.contacts == ()
    assert "6 atoms" in found.failures[0]
    assert "structures" in run_dft(settings, (), (), tmp_path).failures[0]


def test_the_potential_relaxes_first(tmp_path: Path) -> None:
    from interlith.structures.files.formats import to_atoms

    settings = DftStage(engine="emt", gaps="none", potential="emt", relax_steps=50)
    found = correct_contact(settings, ("Cu", "Au"), to_atoms(two_sides()), tmp_path)
    assert found.correction.correction_j_per_m2 == pytest.approx(0, abs=1e-9)
    assert found.correction.frames[0].largest_force_dft_ev_per_angstrom < 0.05


def test_settings_are_checked_before_anything_runs() -> None:
    with pytest.raises(InputError, match=r"dft\.potential"):
        check_dft(DftStage(engine="emt", gaps="none", potential="nonesuch"))
    with pytest.raises(InputError, match="no band gaps"):
        check_dft(DftStage(engine="emt"))
    with pytest.raises(InputError, match="run as jobs"):
        check_dft(DftStage(engine="vasp", gaps="none"))
    with pytest.raises(ValueError, match="gapz"):
        DftStage.model_validate({"gapz": "all"})


def test_one_phase_without_a_gap_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crystal that is not known, one that is too large, and one whose electrons fail."""
    from interlith.engines.potentials import potential
    from interlith.workflows.any_engine import electronic

    def fail(*_: Any) -> Any:
        raise FailureError("the SCF did not converge")

    monkeypatch.setattr(electronic, "calculator_engine", lambda *_: potential("emt"))
    monkeypatch.setattr(electronic, "_levels", fail)
    found = electronic.band_gaps(["LiCl", "Xx9", "Li6PS5Cl", "LiCl"], "gpaw", tmp_path, max_atoms=4)
    assert found.gaps == ()
    reasons = {failure.formula: failure.reason for failure in found.failures}
    assert "SCF" in reasons["LiCl"]
    assert len(reasons) == 3


def test_the_job_takes_what_the_other_jobs_gave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interfaces among the outputs are found, failures passed over, and a failure is a record."""
    from interlith.workflows.dft_stage import dft_job

    monkeypatch.setattr(dft_stage, "band_gaps", stand_in(1.2))
    asked = {"name": "x", "electrolyte": "Li3PS4", "anode": "Li", "stages": {"dft": {}}}
    parts = [{"interface": one.to_json()} for one in study_interfaces()]
    made = dft_job.original(asked, [*parts, {"failure": {}}], str(tmp_path))
    assert DftResults.model_validate(made["dft"]).interphases[0].b == "Li3PS4"

    def broken(*_: Any, **__: Any) -> Any:
        raise FailureError("no GPAW here")

    monkeypatch.setattr(dft_stage, "band_gaps", broken)
    assert "no GPAW here" in dft_job.original(asked, parts, str(tmp_path))["failure"]["reason"]
