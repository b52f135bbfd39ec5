"""Profiles and the error function through them, against steps that are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import erf

from interlith.analysis.profiles import (
    TEN_TO_NINETY,
    concentration_profile,
    fit_edge,
    heights_along_normal,
)
from interlith.errors import InputError

Z = np.arange(0.5, 60.0, 1.0)


def drawn(seed: int, middle: float, width: float, per_layer: int = 40):
    rng = np.random.default_rng(seed)
    share = 0.1 + 0.5 * 0.5 * (1 + erf((Z - middle) / (np.sqrt(2) * width)))
    return rng.binomial(per_layer, share), np.full(len(Z), per_layer)


def test_intervals_of_an_edge_hold_the_truth() -> None:
    held = []
    for seed in range(60):
        edge, reason = fit_edge(Z, *drawn(seed, 28.0, 5.0))
        assert reason is None
        assert edge is not None
        held.append(
            (
                abs(edge.position_angstrom - 28.0) < 1.96 * edge.sigma_angstrom,
                edge.mixed_layer_interval95_angstrom[0]
                < TEN_TO_NINETY * 5.0
                < edge.mixed_layer_interval95_angstrom[1],
            )
        )
    assert np.mean([a for a, _ in held]) > 0.87
    assert np.mean([b for _, b in held]) > 0.87


def test_a_falling_edge_is_an_edge() -> None:
    hits, tries = drawn(1, 40.0, 3.0)
    edge, _ = fit_edge(Z, hits[::-1], tries)
    assert edge is not None
    assert edge.position_angstrom == pytest.approx(20.0, abs=2.0)
    assert edge.high < edge.low


def test_no_step_is_no_edge() -> None:
    rng = np.random.default_rng(0)
    edge, reason = fit_edge(Z, rng.binomial(40, 0.5, len(Z)), np.full(len(Z), 40))
    assert edge is None
    assert reason
    edge, reason = fit_edge(Z[:3], [1, 2, 3], [4, 4, 4])
    assert edge is None
    assert "too few" in (reason or "")


def test_heights_do_not_mind_a_tilted_cell() -> None:
    cell = np.array([[4.0, 0, 0], [1.0, 5.0, 0], [2.0, 1.0, 20.0]])
    points = np.array([[0.1, 0.2, 0.25], [0.4, 0.9, 1.25]]) @ cell
    heights, length = heights_along_normal(points, cell)
    assert length == pytest.approx(20.0)
    assert heights == pytest.approx([5.0, 5.0])


def test_a_profile_counts_every_atom() -> None:
    rng = np.random.default_rng(0)
    cell = np.diag([6.0, 7.0, 31.0])
    points = rng.random((3, 50, 3)) @ cell
    found = concentration_profile(points, cell, ["Li"] * 30 + ["S"] * 20, 1.0)
    volume = 6.0 * 7.0 * found.length_angstrom / len(found.heights_angstrom) / 1000
    assert found.per_nm3["Li"].sum() * volume == pytest.approx(30)
    assert found.per_nm3["S"].sum() * volume == pytest.approx(20)
    shares = found.fraction("Li") + found.fraction("S")
    assert shares == pytest.approx(np.ones(len(shares)))
    with pytest.raises(InputError, match="positive"):
        concentration_profile(points, cell, ["Li"] * 50, 0.0)
