"""Potential profiles with a known answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlith.analysis.band_edges import (
    BulkEdges,
    PotentialProfile,
    line_up,
    macroscopic_average,
    planar_average,
    potential_step,
)
from interlith.errors import InputError

LENGTH = 60.0
LEFT, RIGHT = (8.0, 22.0), (38.0, 52.0)


def two_layers(step: float = 1.5, periods: tuple[float, float] = (2.0, 2.5)) -> PotentialProfile:
    """Two layers of 30 Angstrom with cores of their own period, and a step between them."""
    z = np.arange(1200) * LENGTH / 1200
    left = -4 * np.cos(2 * np.pi * z / periods[0]) - 1.5 * np.sin(4 * np.pi * z / periods[0])
    right = step - 6 * np.cos(2 * np.pi * z / periods[1])
    return PotentialProfile.of(np.where(z < 30, left, right), LENGTH)


def test_the_step_of_a_made_up_profile_comes_back() -> None:
    smooth = macroscopic_average(two_layers(), (2.0, 2.5))
    step = potential_step(smooth, LEFT, RIGHT)
    assert step.status == "ok"
    assert step.step_ev == pytest.approx(1.5, abs=2e-3)
    assert max(step.ranges_ev) < 0.01


def test_smoothing_keeps_the_mean_and_a_rigid_shift_changes_nothing() -> None:
    profile = two_layers()
    smooth = macroscopic_average(profile, (2.0, 2.5))
    assert np.mean(smooth.values_ev) == pytest.approx(np.mean(profile.values_ev), abs=1e-12)
    moved = PotentialProfile.of(np.array(profile.values_ev) + 7.0, LENGTH)
    again = macroscopic_average(moved, (2.0, 2.5))
    due = potential_step(smooth, LEFT, RIGHT).step_ev
    assert potential_step(again, LEFT, RIGHT).step_ev == pytest.approx(due, abs=1e-12)
    rolled = PotentialProfile.of(np.roll(profile.values_ev, 300), LENGTH)  # by 15 Angstrom
    turned = macroscopic_average(rolled, (2.0, 2.5))
    wrapped = potential_step(turned, (LEFT[0] + 15, LEFT[1] + 15), (RIGHT[0] + 15, RIGHT[1] + 15))
    assert wrapped.step_ev == pytest.approx(due, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.floats(1.5, 6.0), st.floats(-3, 3))
def test_one_window_of_a_period_leaves_the_mean_of_a_crystal(period: float, level: float) -> None:
    """Whatever the period is in grid points."""
    z = np.arange(500) * 10 * period / 500
    crystal = level + np.cos(2 * np.pi * z / period) + 0.3 * np.sin(6 * np.pi * z / period)
    profile = PotentialProfile.of(crystal, 10 * period)
    smooth = np.array(macroscopic_average(profile, (period,)).values_ev)
    assert np.abs(smooth - level).max() < 1e-9


def test_windows_in_either_order_smooth_the_same() -> None:
    one = macroscopic_average(two_layers(), (2.0, 2.5))
    other = macroscopic_average(two_layers(), (2.5, 2.0))
    assert np.allclose(one.values_ev, other.values_ev)


def test_a_field_is_no_plateau() -> None:
    tilted = np.array(two_layers().values_ev) + np.linspace(0, 3, 1200)
    smooth = macroscopic_average(PotentialProfile.of(tilted, LENGTH), (2.0, 2.5))
    step = potential_step(smooth, LEFT, RIGHT)
    assert step.status == "no_answer"
    assert step.step_ev is None
    assert "field" in step.reason
    edges = BulkEdges(formula="X", valence_ev=0.0, gap_ev=1.0)
    assert line_up(edges, edges, step).valence_offset_ev is None


def flat_step(step: float):
    z = np.arange(100)
    return potential_step(
        PotentialProfile.of(np.where(z < 50, 0.0, step), 100.0), (10, 40), (60, 90)
    )


def test_the_same_bulk_on_both_sides_has_no_offset() -> None:
    edges = BulkEdges(formula="LiCl", valence_ev=0.7, gap_ev=6.3)
    found = line_up(edges, edges, flat_step(0.0))
    assert (found.valence_offset_ev, found.conduction_offset_ev) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("valence", "gap", "step", "alignment"),
    [
        (-1.0, 5.0, 0.0, "straddling"),  # b's gap holds a's: edges -1 and 4 around 0 and 2
        (0.5, 1.0, 0.0, "straddling"),  # inside a's
        (1.0, 2.0, 0.0, "staggered"),
        (-1.0, 2.0, 0.0, "staggered"),
        (1.0, 2.0, 1.5, "broken"),  # b's valence edge above a's conduction edge
        (-1.0, 2.0, -1.5, "broken"),
    ],
)
def test_alignments(valence: float, gap: float, step: float, alignment: str) -> None:
    a = BulkEdges(formula="A", valence_ev=0.0, gap_ev=2.0)
    b = BulkEdges(formula="B", valence_ev=valence, gap_ev=gap)
    found = line_up(a, b, flat_step(step))
    assert found.alignment == alignment
    assert found.valence_offset_ev == pytest.approx(valence + step)
    assert found.conduction_offset_ev == pytest.approx(valence + gap - 2.0 + step)
    other = line_up(b, a, flat_step(-step))  # the view from the other side
    assert other.valence_offset_ev == pytest.approx(-found.valence_offset_ev)
    assert other.alignment == found.alignment


def test_planes_are_averaged_along_the_axis() -> None:
    grid = np.random.default_rng(0).normal(size=(4, 5, 6))
    assert np.allclose(planar_average(grid, 1), grid.mean(axis=(0, 2)))


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="3-d grid"):
        planar_average(np.zeros((4, 4)), 0)
    with pytest.raises(InputError, match="fit in"):
        macroscopic_average(two_layers(), (80.0,))
    with pytest.raises(InputError, match="finite"):
        PotentialProfile.of([0.0, np.nan] * 5, 10.0)
    with pytest.raises(InputError, match="wider"):
        potential_step(two_layers(), (5.0, 5.001), RIGHT)
