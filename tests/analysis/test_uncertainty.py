"""Sampled uncertainties against the cases where the answer is known exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from interlith.analysis.hull import Hull
from interlith.analysis.references import CorrectionUncertainty, ReferenceSet
from interlith.analysis.uncertainty import reaction_sigma, window_sigma
from interlith.analysis.windows import stability_window


def _with_sigma(small: ReferenceSet, value: float) -> ReferenceSet:
    return replace(small, sigma=np.full(len(small), value))


def test_binary_window_inherits_the_sigma_of_its_energy(small: ReferenceSet) -> None:
    """Li2S: V = -3/2 E per atom, so sigma(V) = 3/2 sigma(E); 400 draws know it to 4 %."""
    hull = Hull(_with_sigma(small, 0.02))
    sigma = window_sigma(hull, stability_window(hull, "Li2S"), draws=400)
    assert sigma is not None
    assert sigma.oxidation_v == pytest.approx(0.03, rel=0.15)
    assert sigma.reduction_v == pytest.approx(0.0, abs=1e-6)


def test_shared_correction_moves_all_its_phases_together(small: ReferenceSet) -> None:
    """An S correction cancels in Li3PS4 + 5 Li -> 4 Li2S + P and not in Li2S -> 2 Li + S."""
    counts = np.zeros((len(small), 1))
    for phase in range(len(small)):
        parts = small.composition(phase)
        if len(parts) > 1:
            counts[phase, 0] = parts.get("S", 0.0) / sum(parts.values())
    hull = Hull(replace(small, corrections=CorrectionUncertainty(("S",), np.array([0.1]), counts)))
    kept = window_sigma(hull, stability_window(hull, "Li3PS4"), draws=200)
    moved = window_sigma(hull, stability_window(hull, "Li2S"), draws=200)
    assert kept is not None
    assert kept.reduction_v == pytest.approx(0.0, abs=1e-6)
    assert moved is not None
    assert moved.oxidation_v == pytest.approx(0.05, rel=0.2)


def test_set_without_uncertainty_gives_none(small: ReferenceSet) -> None:
    hull = Hull(small)
    assert window_sigma(hull, stability_window(hull, "Li2S")) is None
    assert reaction_sigma(hull, "Li", "Li3PS4") is None


def test_same_seed_same_answer(small: ReferenceSet) -> None:
    hull = Hull(_with_sigma(small, 0.02))
    window = stability_window(hull, "Li6PS5Cl")
    assert window_sigma(hull, window, seed=3) == window_sigma(hull, window, seed=3)
    assert window_sigma(hull, window, seed=3) != window_sigma(hull, window, seed=4)


def test_reaction_sigma_is_positive_where_something_reacts(small: ReferenceSet) -> None:
    hull = Hull(_with_sigma(small, 0.02))
    assert 0.001 < reaction_sigma(hull, "Li3PS4", "LiCoO2") < 0.05
