"""Calculated topotactic limits: what voltages obey, with Lennard-Jones; with 7net-0 when slow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pymatgen.core import Structure

from interlith.analysis.insertion_voltages import (
    against_direct,
    average_voltage,
    limits,
    with_voltages,
)
from interlith.errors import FailureError, InputError
from interlith.structures.framework import FrameworkChange
from interlith.workflows.topotactic import TopotacticOptions, li_counts, topotactic


@pytest.fixture(scope="module")
def held() -> Any:
    """Li2S with its sulfur held, by a toy potential: quick, and wrong on purpose."""
    options = TopotacticOptions(low=1, high=3, framework="held", max_steps=40)
    return topotactic("Li2S", "lj", options)


def test_steps_run_from_least_to_most_lithium(held: Any) -> None:
    assert [step.formula for step in held.steps] == ["LiS", "Li2S", "Li3S"]
    assert [step.li_per_formula for step in held.steps] == [1, 2, 3]
    assert held.steps[1].average_voltage_v is None
    assert held.potential["name"] == "lj"
    assert len(held.potential["sha256"]) == 64


def test_a_held_framework_stays(held: Any) -> None:
    for step in held.steps:
        assert step.framework.volume_change == pytest.approx(0.0, abs=1e-9)
        assert step.framework.rms_displacement_angstrom == pytest.approx(0.0, abs=1e-6)
        assert step.arrangements_intact == step.arrangements


def test_voltages_come_from_the_energies(held: Any) -> None:
    less, own, more = (step.energy_ev_per_formula for step in held.steps)
    assert held.reduction_potential_v == pytest.approx(held.lithium_ev_per_atom - (more - own))
    assert held.oxidation_potential_v == pytest.approx(held.lithium_ev_per_atom - (own - less))
    assert (held.delithiated, held.lithiated) == ("LiS", "Li3S")
    document = held.to_json()
    for key in ("reduction_potential_v", "oxidation_potential_v", "delithiated", "lithiated"):
        assert key in document
    assert document["sigma"] is None
    assert "no standard uncertainty" in document["uncertainty"]


def test_the_same_seed_gives_the_same_voltages(held: Any) -> None:
    options = TopotacticOptions(low=1, high=3, framework="held", max_steps=40)
    again = topotactic("Li2S", "lj", options)
    assert [s.energy_ev_per_formula for s in again.steps] == [
        s.energy_ev_per_formula for s in held.steps
    ]


def test_average_is_the_mean_of_the_steps() -> None:
    """A host with 2 V for the first Li and 1 V for the second averages 1.5 V over both."""
    base = topotactic("LiCl", "lj", TopotacticOptions(low=0, framework="held", max_steps=5, high=1))
    template = base.steps[0]
    energies = {0.0: 0.0, 1.0: -2.0 - 1.9, 2.0: -2.0 - 1.0 - 3.8}
    steps = [
        template.model_copy(update={"li_per_formula": x, "energy_ev_per_formula": e})
        for x, e in energies.items()
    ]
    filled = with_voltages(steps, own_li=0.0, lithium_ev=-1.9)
    assert [s.step_voltage_v for s in filled] == [None, pytest.approx(2.0), pytest.approx(1.0)]
    assert filled[2].average_voltage_v == pytest.approx(1.5)
    assert limits(filled, 0.0).reduction_potential_v == pytest.approx(2.0)
    assert limits(filled, 0.0).oxidation_potential_v is None
    down = with_voltages(steps, own_li=2.0, lithium_ev=-1.9)
    assert [s.step_voltage_v for s in down] == [pytest.approx(2.0), pytest.approx(1.0), None]
    assert limits(down, 2.0).oxidation_potential_v == pytest.approx(1.0)


def test_a_framework_that_falls_apart_ends_its_side(monkeypatch: pytest.MonkeyPatch) -> None:
    from interlith.workflows import topotactic as module

    real = module.framework_change

    def collapsed(before: Structure, after: Structure) -> FrameworkChange:
        change = real(before, after)
        bad = after.composition["Li"] < 2
        return change.model_copy(update={"intact": False, "formed": ("S-S",)} if bad else {})

    monkeypatch.setattr(module, "framework_change", collapsed)
    found = topotactic("Li2S", "lj", TopotacticOptions(low=0, high=3, max_steps=10))
    assert found.status == "diagnosis"
    assert found.oxidation_potential_v is None
    assert found.delithiated is None
    assert found.wide_oxidation_v is None
    assert found.reduction_potential_v is not None
    assert "LiS falls apart (bonds formed: 1 S-S)" in found.reason
    assert [step.formula for step in found.steps] == ["LiS", "Li2S", "Li3S"]  # S was not tried
    alone = topotactic("Li2S", "lj", TopotacticOptions(low=1, high=2, max_steps=10))
    assert alone.status == "no_answer"


def test_a_relaxation_that_runs_away_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    from interlith.workflows import topotactic as module

    real = module.relax

    def fragile(atoms: Any, *arguments: Any, **keywords: Any) -> Any:
        if list(atoms.symbols).count("Li") == 3:
            raise FailureError("ran away")
        return real(atoms, *arguments, **keywords)

    monkeypatch.setattr(module, "relax", fragile)
    options = TopotacticOptions(low=1, high=3, framework="held", max_steps=10)
    found = topotactic("Li2S", "lj", options)
    assert found.status == "diagnosis"
    assert "ran away" in found.reason
    assert found.reduction_potential_v is None
    assert found.oxidation_potential_v is not None


def test_a_calculation_that_was_cut_short_goes_on(
    held: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from interlith.workflows import topotactic as module

    real, calls = module.relax, [0]

    def counted(*arguments: Any, **keywords: Any) -> Any:
        calls[0] += 1
        if calls[0] == 4:
            raise KeyboardInterrupt
        return real(*arguments, **keywords)

    monkeypatch.setattr(module, "relax", counted)
    options = TopotacticOptions(low=1, high=3, framework="held", max_steps=40)
    with pytest.raises(KeyboardInterrupt):
        topotactic("Li2S", "lj", options, folder=tmp_path)
    kept = {path.name.partition("-")[0] for path in tmp_path.iterdir()}
    assert kept == {"Li2S1", "Li1S1"}
    found = topotactic("Li2S", "lj", options, folder=tmp_path)
    whole = calls[0] - 4  # what was left, without the three that were kept
    assert [s.energy_ev_per_formula for s in found.steps] == pytest.approx(
        [s.energy_ev_per_formula for s in held.steps], abs=1e-9
    )
    damaged = next(path for path in tmp_path.iterdir() if path.name.startswith("Li3S1"))
    damaged.write_text(damaged.read_text()[:100])
    again = topotactic("Li2S", "lj", options, folder=tmp_path)
    assert calls[0] == 4 + whole + 1  # only the damaged one
    assert again.reduction_potential_v == pytest.approx(found.reduction_potential_v, abs=1e-9)
    other = TopotacticOptions(low=1, high=2, framework="held", max_steps=39)
    topotactic("Li2S", "lj", other, folder=tmp_path)
    assert calls[0] > 4 + whole + 1  # other settings share nothing


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(4, 11, ([5, 4], [7, 8, 9, 10, 11])), (6, 7, ([], [7])), (None, 6, ([5, 4], []))],
)
def test_contents(low: float | None, high: float, expected: tuple[list[int], list[int]]) -> None:
    assert li_counts(own=6, formulas=1, options=TopotacticOptions(low=low, high=high)) == expected


def test_limits_inside_the_direct_window_are_doubted(held: Any) -> None:
    low, high = held.reduction_potential_v, held.oxidation_potential_v
    assert against_direct(held, low + 0.5, high - 0.5, 0.0) == held
    assert against_direct(held, low - 0.5, high + 0.5, None) == held  # the set does not hold it
    doubted = against_direct(held, low - 0.5, high + 0.5, 0.0)
    assert doubted.status == "diagnosis"
    assert "goes in" in doubted.reason
    assert "comes out" in doubted.reason
    # 0.2 eV per atom, 0.6 eV for Li2S, above the hull moves either limit by 0.6 V
    assert against_direct(held, low - 0.5, high + 0.5, 0.2) == held


def test_many_contents_become_larger_steps() -> None:
    options = TopotacticOptions(low=0, high=7, most_contents=3)
    assert li_counts(own=28, formulas=4, options=options) == ([18, 8, 0], [])


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="does not hold"):
        topotactic("Li2S", "lj", TopotacticOptions(low=3, high=4))
    with pytest.raises(InputError, match="does not hold"):
        topotactic("Li2S", "lj", TopotacticOptions(low=1, high=float("inf")))
    with pytest.raises(InputError, match="less than one Li"):
        topotactic("Li2S", "lj", TopotacticOptions(low=1.9, high=2.1))
    with pytest.raises(InputError, match="no framework"):
        topotactic("Li", "lj")
    with pytest.raises(InputError, match="more than max_atoms=10"):
        topotactic("Li3PS4-gamma", "lj", TopotacticOptions(max_atoms=10))
    with pytest.raises(InputError, match="no potential"):
        topotactic("Li2S", "nonesuch")
    with pytest.raises(InputError, match="different"):
        average_voltage((1.0, 0.0), (1.0, 0.0), 0.0)


@pytest.mark.slow
@pytest.mark.ml
def test_argyrodite_takes_and_gives_lithium_with_its_framework_kept() -> None:
    """7net-0: 0.71 V in, 2.56 V out; wider than the 1.7 to 2.0 V of direct decomposition."""
    found = topotactic("Li6PS5Cl", "7net-0", TopotacticOptions(low=5, high=7, arrangements=2))
    assert found.status == "ok"
    assert all(step.intact for step in found.steps)
    assert found.reduction_potential_v == pytest.approx(0.71, abs=0.1)
    assert found.oxidation_potential_v == pytest.approx(2.56, abs=0.1)
