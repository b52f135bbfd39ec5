"""Product identification: speed, and right answers on crystals that are known."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from interlith.analysis.environments.classify import label_atoms
from interlith.analysis.environments.model import environment_model
from interlith.analysis.environments.thermal import repeated, shaken
from interlith.analysis.products import identify_products
from interlith.analysis.trajectories import from_arrays
from interlith.structures.library import build, load_phase

Note = Callable[[str, str, str, bool], None]
FRAMES, CORES = 60, 2
"""Frames that are timed; cores over which frames may be shared out."""


@pytest.fixture(scope="module")
def model():
    return environment_model(["Cl", "Li", "P", "S"])


def test_a_thousand_frames_of_five_hundred_atoms(model, note: Note) -> None:
    crystal = repeated(build(load_phase("Li6PS5Cl-24g")), 500, 19.0)
    rng = np.random.default_rng(0)
    frames = [shaken(crystal, 600.0, rng) for _ in range(FRAMES)]
    positions = np.array([one[0] for one in frames])
    run = from_arrays(positions, crystal.lattice.matrix, frames[0][2], 100.0)
    started = time.process_time()
    found = identify_products(run, model=model)
    spent = (time.process_time() - started) / FRAMES * 1000 / CORES * 500 / len(crystal)
    assert len(found.frames) == FRAMES
    note(
        "products: 1,000 frames x 500 atoms, everything (CPU time of 60 frames, on two cores)",
        f"{spent:.0f} s",
        "60 s",
        spent < 60,
    )
    assert spent < 60


def test_nothing_is_found_in_a_pristine_electrolyte(model, note: Note) -> None:
    crystal = repeated(build(load_phase("Li6PS5Cl-24g")), 400, 19.0)
    rng = np.random.default_rng(1)
    wrong = []
    for temperature in (300.0, 600.0, 800.0):
        positions, cell, symbols = shaken(crystal, temperature, rng)
        shares = label_atoms(model, positions, cell, symbols).fractions()
        wrong.append(sum(shares.get(one, 0.0) for one in ("Li2S", "Li3P", "LiCl", "Li")))
    note(
        "products: atoms of Li6PS5Cl at 300-800 K taken for Li2S, Li3P, LiCl or Li",
        f"{100 * max(wrong):.1f} %",
        "2 %",
        max(wrong) < 0.02,
    )
    assert max(wrong) < 0.02
