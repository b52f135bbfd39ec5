"""The stage of a study: which contacts it runs, and what is refused."""

from __future__ import annotations

import pytest

from interlith.errors import InputError
from interlith.workflows.calculated_stages import calculated_jobs, reactive_pairs
from interlith.workflows.study import Study

BASE = {"name": "demo", "electrolyte": "Li6PS5Cl", "anode": "Li", "cathode": "LiCoO2",
        "coatings": ["LiNbO3"]}  # fmt: skip


def study(**stage: object) -> Study:
    return Study.model_validate(BASE | {"stages": {"reactivity": stage}})


def test_contacts_of_a_study() -> None:
    assert reactive_pairs(study()) == (("Li", "Li6PS5Cl"),)
    every = reactive_pairs(study(contacts=["anode", "cathode", "coatings"]))
    assert ("LiCoO2", "Li6PS5Cl") in every
    assert ("Li6PS5Cl", "LiNbO3") in every
    assert ("LiCoO2", "LiNbO3") in every
    named = reactive_pairs(study(contacts=[], pairs=[["Li0.5CoO2", "LiNbO3"]]))
    assert named == (("Li0.5CoO2", "LiNbO3"),)
    with pytest.raises(InputError, match="list pairs"):
        reactive_pairs(Study.model_validate({"name": "x", "electrolyte": "Li2S", "stages": {
            "reactivity": {"contacts": ["cathode"]}}}))  # fmt: skip


def test_each_contact_is_a_job() -> None:
    asked = study(contacts=["anode", "cathode"], potential="7net-0")
    jobs = calculated_jobs(asked, asked.model_dump(mode="json", exclude_none=True), ".", 1)
    assert [one.name for one in jobs] == [
        "reactivity Li | Li6PS5Cl",
        "reactivity LiCoO2 | Li6PS5Cl",
    ]
    assert asked.calculated() == (("reactivity", "7net-0"),)


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ValueError, match="temperature"):
        study(temperature=600)
