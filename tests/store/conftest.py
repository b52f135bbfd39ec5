"""Records to store, made without any calculation, and a database in the test's own folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from interlith.analysis.coatings import CoatingRow, ScreenCriteria, ScreenRecord, StepCount
from interlith.analysis.diffusion_results import DiffusionRecord
from interlith.analysis.interphase import InterphaseRecord
from interlith.analysis.reactions import EnergyAboveHull, ReactionRecord
from interlith.analysis.study_results import Component, Interface, StudyFailure, StudyResults
from interlith.analysis.transport_records import TransportRun
from interlith.analysis.windows import WindowRecord
from interlith.provenance import Provenance
from interlith.records import ReferenceIdentity
from interlith.store.project import init_project
from interlith.store.results import ResultsDatabase

REFERENCE = ReferenceIdentity(name="toy", sha256="ab" * 32, scheme="none", n_phases=9)


def provenance(created: str = "2026-01-02T03:04:05+00:00") -> Provenance:
    return Provenance(created=created, versions={"numpy": "2"}, python="3.11", machine="toy")


def window(
    formula: str = "Li3PS4", low: float = 1.7, high: float = 2.3, **more: Any
) -> WindowRecord:
    settings: dict[str, Any] = {
        "formula": formula,
        "reduction_potential_v": low,
        "oxidation_potential_v": high,
        "energy_above_hull_ev_per_atom": 0.0,
        "in_reference": True,
        "stable_mixture": (),
        "reduction": None,
        "oxidation": None,
        "ladder": (),
        "decomposition_energies": (),
        "reference": REFERENCE,
    } | more
    return WindowRecord(**settings)


def reaction(a: str = "Li", b: str = "Li3PS4", energy: float = -0.5) -> ReactionRecord:
    return ReactionRecord(
        a=a,
        b=b,
        energy_ev_per_atom=energy,
        mixing_fraction_a=0.5,
        products=(),
        reaction=f"{a} + {b}",
        kinks=(),
        endpoint_energy_above_hull=EnergyAboveHull(a=0.0, b=0.0),
        volume=None,
        reference=REFERENCE,
    )


def run(temperature_k: float, diffusivity: float | None) -> TransportRun:
    return TransportRun(
        temperature_k=temperature_k,
        status="ok" if diffusivity else "no_answer",
        reason=None if diffusivity else "too short",
        mobile="Li",
        n_mobile=24,
        self_diffusivity_cm2_s=diffusivity,
        sigma_cm2_s=diffusivity and diffusivity / 10,
        events=12.0,
    )


def diffusion(formula: str = "Li3PS4") -> DiffusionRecord:
    return DiffusionRecord(
        formula=formula,
        material=formula,
        potential={"name": "emt", "sha256": "cd" * 32, "dtype": "float64"},
        cell={"n_atoms": 32},
        settings={"time_ps": 5.0},
        runs=(run(400, None), run(500, 1e-6), run(600, 2e-6)),
        dynamics=(),
        arrhenius=None,
        arrhenius_reason="two temperatures",
        curves=(),
        provenance=provenance(),
    )


def screen() -> ScreenRecord:
    row = CoatingRow(
        coating="LiF",
        coating_class="halide",
        li_fraction=0.5,
        energy_above_hull_ev_per_atom=0.0,
        reduction_potential_v=0.0,
        oxidation_potential_v=6.3,
        reaction_electrolyte_ev_per_atom=-0.01,
        reaction_cathode_ev_per_atom=0.0,
        reaction_anode_ev_per_atom=None,
        passes={"oxidation": True},
        flags=(),
        rank=1,
    )
    return ScreenRecord(
        electrolyte="Li3PS4",
        cathode="LiCoO2",
        anode=None,
        criteria=ScreenCriteria(),
        rank_criteria=("x",),
        rows=(row,),
        counts=(StepCount(step="all", left=1),),
        failures=(),
        reference=REFERENCE,
    )


def study(name: str = "demo", electrolyte: str = "Li3PS4", high: float = 2.3) -> StudyResults:
    closed = reaction("Li", electrolyte)
    class_ = InterphaseRecord(
        interphase_class="passivating",
        reason="because",
        products=(),
        electrolyte=electrolyte,
        against="Li",
        voltage_v=0.0,
        reference=REFERENCE,
    )
    return StudyResults(
        name=name,
        study={"name": name, "electrolyte": electrolyte, "anode": "Li", "cathode": None},
        reference=REFERENCE,
        components=(
            Component(
                role="electrolyte", formula=electrolyte, window=window(electrolyte, high=high)
            ),
            Component(role="coating", formula="LiF", window=window("LiF", 0.0, 6.3)),
            Component(role="anode", formula="Li", window=None, reason="Li metal"),
        ),
        interfaces=(
            Interface(
                role_a="anode",
                role_b="electrolyte",
                a="Li",
                b=electrolyte,
                closed=closed,
                open=(),
                interphase=class_,
            ),
        ),
        coatings=screen(),
        atmosphere=(),
        diffusion=(diffusion(electrolyte),),
        failures=(StudyFailure(step="component", subject="Xx", reason="no such element"),),
        provenance=provenance(),
    )


@pytest.fixture
def make() -> type[Make]:
    """Makers of records."""
    return Make


class Make:
    window = staticmethod(window)
    reaction = staticmethod(reaction)
    diffusion = staticmethod(diffusion)
    screen = staticmethod(screen)
    study = staticmethod(study)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[ResultsDatabase]:
    """An empty embedded database."""
    with ResultsDatabase(init_project(tmp_path / "project")) as made:
        yield made


@pytest.fixture
def new_database(tmp_path: Path) -> Callable[[str], ResultsDatabase]:
    """Further databases by name."""

    def build(name: str) -> ResultsDatabase:
        return ResultsDatabase(init_project(tmp_path / name))

    return build
