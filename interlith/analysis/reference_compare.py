"""How far two reference sets agree: formation energies, and windows under both.

>>> from interlith.analysis.builtin_reference import load_builtin
>>> from interlith.analysis.reference_compare import compare
>>> legacy = load_builtin("sevennet-l3i5-v1", scheme="none")
>>> modern = load_builtin("sevennet-l3i5-v1", scheme="zhu2015")
>>> compare(legacy, modern).max_ev_per_atom > 0.1
True
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from interlith.analysis.hull import Hull
from interlith.analysis.references import ReferenceSet
from interlith.errors import InterlithError
from interlith.records import Record, ReferenceIdentity


class ParityRow(Record):
    """One composition in both sets; the difference is b minus a."""

    formula: str
    a_ev_per_atom: float
    b_ev_per_atom: float
    difference_ev_per_atom: float


class WindowLimits(Record):
    """Stability limits of a material against Li, V vs Li/Li+."""

    reduction_potential_v: float | None
    oxidation_potential_v: float | None


class WindowRow(Record):
    """A window under both sets; ``error`` says why there is none."""

    formula: str
    a: WindowLimits | None = None
    b: WindowLimits | None = None
    reduction_difference_v: float | None = None
    oxidation_difference_v: float | None = None
    error: str | None = None


class ReferenceComparison(Record):
    """Parity of two reference sets.

    Attributes
    ----------
    robust_sigma_ev_per_atom : float or None
        Median absolute difference times 1.4826: the standard deviation of b against a, if the
        differences were normal, not swayed by a few wrong structures.
    """

    a: ReferenceIdentity
    b: ReferenceIdentity
    n_common: int
    mean_ev_per_atom: float | None
    mean_absolute_ev_per_atom: float | None
    median_absolute_ev_per_atom: float | None
    max_ev_per_atom: float | None
    robust_sigma_ev_per_atom: float | None
    rows: tuple[ParityRow, ...]
    windows: tuple[WindowRow, ...] = ()


WindowFunction = Callable[[Hull, str], WindowLimits]


def compare(
    a: ReferenceSet,
    b: ReferenceSet,
    *,
    formulas: Sequence[str] = (),
    window: WindowFunction | None = None,
) -> ReferenceComparison:
    """Compare formation energies over common compositions, and windows where asked.

    Parameters
    ----------
    a, b : ReferenceSet
        Differences are b minus a.
    formulas : list of str
        Materials whose windows are computed under both.
    window : callable, optional
        ``(hull, formula) -> WindowLimits``; :func:`li_window` by default.

    Notes
    -----
    Sets in different correction schemes differ by the scheme: compare like with like.
    """
    rows = parity_rows(a, b)
    differences = np.array([row.difference_ev_per_atom for row in rows])
    size = np.abs(differences)
    some = len(rows) > 0
    return ReferenceComparison(
        a=a.identity(),
        b=b.identity(),
        n_common=len(rows),
        mean_ev_per_atom=float(differences.mean()) if some else None,
        mean_absolute_ev_per_atom=float(size.mean()) if some else None,
        median_absolute_ev_per_atom=float(np.median(size)) if some else None,
        max_ev_per_atom=float(size.max()) if some else None,
        robust_sigma_ev_per_atom=float(1.4826 * np.median(size)) if some else None,
        rows=rows,
        windows=window_rows(a, b, formulas, window or li_window),
    )


def parity_rows(a: ReferenceSet, b: ReferenceSet) -> tuple[ParityRow, ...]:
    """Compounds that both sets hold, largest difference first."""
    small, large, swapped = (a, b, False) if len(a) <= len(b) else (b, a, True)
    rows = []
    for phase in range(len(small)):
        composition = small.composition(phase)
        if len(composition) < 2:
            continue
        other = large.find(composition)
        if other is None:
            continue
        pair = float(small.energies[phase]), float(large.energies[other])
        of_a, of_b = (pair[1], pair[0]) if swapped else pair
        rows.append(
            ParityRow(
                formula=small.formula(phase),
                a_ev_per_atom=of_a,
                b_ev_per_atom=of_b,
                difference_ev_per_atom=of_b - of_a,
            )
        )
    return tuple(sorted(rows, key=lambda row: -abs(row.difference_ev_per_atom)))


def window_rows(
    a: ReferenceSet, b: ReferenceSet, formulas: Sequence[str], window: WindowFunction
) -> tuple[WindowRow, ...]:
    """Windows of materials under both sets; a failure is a row with its reason."""
    hulls = Hull(a), Hull(b)
    return tuple(_window_row(hulls, formula, window) for formula in formulas)


def _window_row(hulls: tuple[Hull, Hull], formula: str, window: WindowFunction) -> WindowRow:
    try:
        of_a, of_b = (window(hull, formula) for hull in hulls)
    except InterlithError as error:
        return WindowRow(formula=formula, error=str(error))
    return WindowRow(
        formula=formula,
        a=of_a,
        b=of_b,
        reduction_difference_v=_difference(of_a.reduction_potential_v, of_b.reduction_potential_v),
        oxidation_difference_v=_difference(of_a.oxidation_potential_v, of_b.oxidation_potential_v),
    )


def _difference(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else b - a


def li_window(hull: Hull, formula: str) -> WindowLimits:
    """Stability limits from :mod:`interlith.analysis.windows`."""
    from interlith.analysis.windows import stability_window

    record = stability_window(hull, formula)
    return WindowLimits(
        reduction_potential_v=record.reduction_potential_v,
        oxidation_potential_v=record.oxidation_potential_v,
    )
