"""Settings of the terms of one difference: those of the whole, whatever its parts would get."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111

from interlith.engines.electronic import gpaw_calculator
from interlith.engines.electronic.live_gpaw import Answer, NotConvergedError
from interlith.engines.electronic.settings import settings_for
from interlith.workflows.any_engine.delta import Frames, delta_correction
from interlith.workflows.any_engine.same_settings import differences, shared_engines


def nickel_and_oxide() -> list[Atoms]:
    """A metal in contact with an oxide, and each side alone in the same cell."""
    metal = fcc111("Ni", (1, 1, 3), a=3.5, periodic=True)
    metal.set_cell([*metal.cell.array[:2], [0, 0, 18.0]])
    metal.set_initial_magnetic_moments(None)
    places = [[0, 0, 8], [1.2, 0.7, 9], [0, 0, 10.0]]
    oxide = Atoms("Li2O", positions=places, cell=metal.cell, pbc=True)
    return [metal + oxide, metal, oxide]


def options(engine: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(engine.partition(":")[2])
    return found


def test_all_terms_get_the_settings_of_the_whole() -> None:
    every = nickel_and_oxide()
    whole = settings_for(every[0], "static")
    alone = [settings_for(part, "static") for part in every[1:]]
    assert len({one.kpoints for one in (whole, *alone)}) == 3  # what is to be mended
    made = [options(one) for one in shared_engines("gpaw", every)]
    for one in made:
        assert one["cutoff_ev"] == 800
        assert tuple(one["kpoints"]) == whole.kpoints
        assert (one["smearing"], one["smearing_ev"]) == (whole.smearing, whole.smearing_ev)
        assert one["spin_polarised"]
    assert [one["hubbard_u_ev"] for one in made] == [{"Ni": 6.2}, {"Ni": 6.2}, {}]
    assert [one["datasets"] for one in made] == [{"Li": "3"}, {}, {"Li": "3"}]
    moments = list(whole.magnetic_moments)
    assert [one["magnetic_moments"] for one in made] == [moments, moments[:3], [0.0, 0.0, 0.0]]
    assert {one["task"] for one in made} == {"static"}


def test_the_hardest_element_sets_the_cutoff_of_all() -> None:
    cell = [5.0, 5.0, 30.0]
    soft = Atoms("Li3PS4", positions=[(0, 0, 2.0 * i) for i in range(8)], cell=cell, pbc=True)
    hard = Atoms("LiCoO2", positions=[(2, 2, 2.0 * i) for i in range(4)], cell=cell, pbc=True)
    assert settings_for(soft).cutoff_ev < settings_for(hard).cutoff_ev
    made = [options(one) for one in shared_engines("gpaw", [soft + hard, soft, hard])]
    assert [one["cutoff_ev"] for one in made] == [800, 800, 800]
    assert [one["hubbard_u_ev"] for one in made] == [{"Co": 3.32}, {}, {"Co": 3.32}]


def test_what_was_asked_for_stays_and_other_cells_keep_the_density() -> None:
    slab, cell = fcc111("Al", (1, 1, 4), a=4.05, vacuum=7.0, periodic=True), bulk("Al", a=4.05)
    made = [options(one) for one in shared_engines('gpaw:{"cutoff_ev": 500}', [slab, cell])]
    assert [one["cutoff_ev"] for one in made] == [500, 500]
    assert tuple(made[1]["kpoints"]) == settings_for(cell, kpoint_density_angstrom=5.0).kpoints
    engine = 'gpaw:{"kpoints": [6, 6, 1], "spin_polarised": false}'
    made = [options(one) for one in shared_engines(engine, [slab, cell])]
    assert made[0]["kpoints"] == [6, 6, 1]
    length = 2 * np.pi * np.linalg.norm(slab.cell.reciprocal()[0])
    due = 2 * np.pi * np.linalg.norm(cell.cell.reciprocal()[0]) * 6 / length
    assert made[1]["kpoints"] == [int(np.ceil(due - 1e-9))] * 3
    assert not made[1]["spin_polarised"]


def test_a_radical_makes_all_terms_spin_polarised() -> None:
    cell = [8.0, 8.0, 20.0]
    pieces = [
        Atoms("OH", positions=[(0, 0, z), (0, 0, z + 1)], cell=cell, pbc=True) for z in (2, 9)
    ]
    whole = pieces[0] + pieces[1]
    assert not settings_for(whole).spin_polarised
    made = [options(one) for one in shared_engines("gpaw", [whole, *pieces])]
    assert all(one["spin_polarised"] for one in made)
    assert [sum(one["magnetic_moments"]) for one in made] == pytest.approx([0, 1, 1])


def test_other_engines_keep_their_names() -> None:
    assert shared_engines("7net-0", nickel_and_oxide()) == ["7net-0"] * 3


def test_only_shared_elements_are_compared() -> None:
    oxide = {"xc": "PBE", "cutoff_ev": 800.0, "hubbard_u_ev": {"Co": 3.32}, "datasets": {"Li": "3"}}
    sulfide = {"xc": "PBE", "cutoff_ev": 800.0, "datasets": {"Li": "3", "P": "5", "S": "6"}}
    assert differences(("LiCoO2", oxide), ("Li3PS4", sulfide)) == []
    assert differences(("LiCoO2", oxide), ("CoS", {**sulfide, "datasets": {}})) == [
        "hubbard_u_ev of Co 3.32 and 0.0"
    ]
    found = differences(
        ("LiCoO2", oxide), ("Li2S", {**sulfide, "cutoff_ev": 600.0, "datasets": {}})
    )
    assert found == ["cutoff_ev 800.0 and 600.0", "datasets of Li 3 and None"]
    assert differences(("LiCoO2", None), ("Li2S", sulfide)) == []


class FakeSolver:
    """An energy without electrons; the SCF of the frames named needs its last cure."""

    def __init__(self, *slow: str) -> None:
        self.slow = slow
        self.seen: dict[str, Any] = {}

    def solve(self, atoms: Atoms, settings: Any, log: Path, *, stress: bool = True) -> Answer:
        formula = atoms.get_chemical_formula()
        if formula in self.slow and settings.smearing_ev < 0.1:
            raise NotConvergedError("slow")
        self.seen[formula] = settings
        n = len(atoms)
        results = {"energy": -1.0 * n, "free_energy": -1.0 * n, "forces": np.zeros((n, 3))}
        return Answer({**results, "stress": np.zeros(6)}, 5)

    def close(self) -> None:
        """Nothing to give back."""


@pytest.mark.dft
@pytest.mark.parametrize("kept", [True, False])
def test_a_correction_takes_one_set_of_settings(
    kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gpaw")
    solver = FakeSolver()
    monkeypatch.setattr(gpaw_calculator, "solver_for", lambda settings: solver)
    whole, *parts = nickel_and_oxide()
    frames = Frames(whole, [(part, 1.0) for part in parts])
    found = delta_correction(frames, "lj", "gpaw", tmp_path if kept else None)
    assert (found.status, found.dft_j_per_m2) == ("ok", pytest.approx(0.0, abs=1e-12))
    used = list(solver.seen.values())
    assert len(used) == 3
    for name in ("cutoff_ev", "kpoints", "smearing_ev", "spin_polarised"):
        assert len({getattr(one, name) for one in used}) == 1
    assert solver.seen["Ni3"].hubbard_u_ev == {"Ni": 6.2}


@pytest.mark.dft
def test_a_term_that_needed_other_settings_is_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gpaw")
    solver = FakeSolver("Ni3")
    monkeypatch.setattr(gpaw_calculator, "solver_for", lambda settings: solver)
    whole, *parts = nickel_and_oxide()
    frames = Frames(whole, [(part, 1.0) for part in parts])
    found = delta_correction(frames, "lj", "gpaw", tmp_path)
    assert (found.status, found.correction_j_per_m2) == ("no_answer", None)
    assert "interface and part 1" in (found.reason or "")
    assert "smearing_ev 0.05 and 0.15" in (found.reason or "")
