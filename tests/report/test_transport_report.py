"""The section on dynamics says which model moved the atoms and how far the others agree."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from interlith.analysis.committee import CommitteeSpread, FrameSpread
from interlith.analysis.diffusion_results import DiffusionRecord, diffusion_record
from interlith.provenance import provenance
from interlith.report.transport import transport

DRIVER = {"name": "toy-1", "sha256": "a" * 64, "files": ["toy-1.model"]}
JUDGE = {"name": "toy-2", "sha256": "b" * 64, "files": ["toy-2.model"]}


def _record(**more: Any) -> DiffusionRecord:
    return diffusion_record(
        [],
        formula="Li6PS5Cl",
        material="x",
        potential=DRIVER,
        provenance=provenance(0, 1.0),
        **more,
    )


def _spread(temperature_k: float) -> CommitteeSpread:
    row = FrameSpread(
        time_ps=2.0, mean_ev_per_angstrom=0.05, max_ev_per_angstrom=0.3, energy_mev_per_atom=1.5
    )
    return CommitteeSpread(
        temperature_k=temperature_k, seed=0, committee="toy", driver=DRIVER, judges=(JUDGE,),
        trajectory_sha256="c" * 64, frames=(row,), mean_ev_per_angstrom=0.05,
        max_ev_per_angstrom=0.3, relative=0.04, energy_mev_per_atom=1.5, worst_ps=2.0,
        card_force_rmse_ev_per_angstrom=0.077,
    )  # fmt: skip


def test_the_committee_is_named_and_its_spread_shown() -> None:
    record = _record(committee=[_spread(600), _spread(500)])
    assert [one.temperature_k for one in record.committee] == [500, 600]
    page = str(transport(SimpleNamespace(diffusion=(record,), study={})))
    assert "Agreement of the committee toy" in page
    assert f"toy-1 (SHA-256 {'a' * 12}) moved the atoms" in page
    assert f"toy-2 ({'b' * 12}) judged" in page
    assert "50.0 meV/Å" in page
    assert "300 meV/Å" in page
    assert "states 77 meV/Å against the teacher" in page
    assert page.index('<th scope="row">500 K') < page.index('<th scope="row">600 K')
    assert DiffusionRecord.model_validate(record.to_json()) == record


def test_a_single_potential_has_no_such_table() -> None:
    page = str(transport(SimpleNamespace(diffusion=(_record(),), study={})))
    assert "Agreement" not in page
    assert "toy-1" in page
