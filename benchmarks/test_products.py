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


PAIRS = (
    ("LiCl", "Li2S"),
    ("Li2S", "Li3P"),
    ("Li", "Li2S"),
    ("Li", "Li6PS5Cl-24g"),
    ("Li6PS5Cl-24g", "Li2S"),
    ("Li3P", "LiCl"),
)
SKIN, CONTACT = 5.0, 5.0
"""Atoms nearer to an outer face are left out; nearer to the other crystal they count apart."""


def _stacked(lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two blocks one above the other in a wide box, and which atoms are far from outer faces."""
    low, high = lower - lower.min(axis=0), upper - upper.min(axis=0)
    inside = [
        (one[:, :2] > SKIN).all(axis=1) & (one[:, :2] < one[:, :2].max(axis=0) - SKIN).all(axis=1)
        for one in (low, high)
    ]
    inside[0] &= low[:, 2] > SKIN
    inside[1] &= high[:, 2] < high[:, 2].max() - SKIN
    high[:, 2] += low[:, 2].max() + 2.3
    positions = np.concatenate([low, high])
    return positions, np.concatenate(inside), np.diag(positions.max(axis=0) + 12.0)


def test_two_crystals_in_contact_are_told_apart(model, note: Note) -> None:
    rng = np.random.default_rng(5)
    inner, near, mistaken, total = [], [], 0, 0
    for names in PAIRS:
        for temperature in (300.0, 600.0):
            blocks = [
                shaken(repeated(build(load_phase(one)), 400, 20.0), temperature, rng)
                for one in names
            ]
            positions, inside, cell = _stacked(blocks[0][0], blocks[1][0])
            labels = label_atoms(model, positions, cell, [*blocks[0][2], *blocks[1][2]])
            found = np.array([labels.names[i] for i in labels.index])
            formulas = [model.formulas[model.phases.index(one)] for one in names]
            truth = np.repeat(formulas, [len(one[0]) for one in blocks])
            plane = blocks[0][0][:, 2].max() - blocks[0][0][:, 2].min() + 1.15
            contact = inside & (np.abs(positions[:, 2] - plane) < CONTACT)
            inner.append(float((found == truth)[inside & ~contact].mean()))
            near.append(float((found == truth)[contact].mean()))
            mistaken += int(((found != truth) & (found != "amorphous"))[inside].sum())
            total += int(inside.sum())
    note(
        "products: two crystals in contact, 6 pairs at 300 and 600 K, atoms labelled right",
        f"{100 * min(inner):.0f} % at least inside; {100 * min(near):.0f} to "
        f"{100 * max(near):.0f} % within 5 A of the contact, the rest amorphous; taken for another "
        f"phase {100 * mistaken / total:.1f} %",
        "90 % inside",
        min(inner) > 0.9,
    )
    assert min(inner) > 0.9
    assert mistaken < 0.02 * total
