"""Results of ``interlith diffusion`` and ``analyze``: runs, curves, the Arrhenius line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from interlith.analysis.arrhenius import ArrheniusFit, fit_runs
from interlith.analysis.committee import CommitteeSpread
from interlith.analysis.crossing_records import CrossingRun
from interlith.analysis.regional_results import RegionalRun
from interlith.analysis.transport import TransportAnalysis
from interlith.analysis.transport_records import TransportRun
from interlith.provenance import Provenance
from interlith.records import Record


class MsdCurve(Record):
    """Mean squared displacement of one run at lags even in log time.

    Attributes
    ----------
    self_angstrom2, collective_angstrom2 : tuple
        Per mobile atom; collective is that of the charge, per mobile atom.
    sigma_angstrom2 : tuple
        Standard error of the self curve, None outside of the lags of the fit.
    """

    temperature_k: float
    lag_ps: tuple[float, ...]
    self_angstrom2: tuple[float, ...]
    collective_angstrom2: tuple[float, ...]
    sigma_angstrom2: tuple[float | None, ...]


class MDOutcome(Record):
    """How the dynamics behind a run went."""

    temperature_k: float
    seed: int
    status: str
    reason: str | None
    time_ps: float
    mean_temperature_k: float | None
    ns_per_day: float | None
    folder: str


class DiffusionRecord(Record):
    """Diffusion of one material at several temperatures.

    Attributes
    ----------
    potential : dict or None
        Identity of what moved the atoms (of a committee its first member); None where
        trajectories from elsewhere were analysed.
    committee : tuple of CommitteeSpread
        How far the members of a committee disagree on frames of each run.
    regions : tuple of RegionalRun
        Diffusion region by region or by depth, where it was asked for.
    crossings : tuple of CrossingRun
        Transport across the interfaces, where it was asked for.
    cell : dict
        Atoms, lengths and how the volume was chosen.
    arrhenius : ArrheniusFit or None
        None with ``arrhenius_reason``.
    """

    schema_version: int = 1
    formula: str
    material: str
    potential: dict[str, Any] | None
    cell: dict[str, Any]
    settings: dict[str, Any]
    runs: tuple[TransportRun, ...]
    dynamics: tuple[MDOutcome, ...]
    arrhenius: ArrheniusFit | None
    arrhenius_reason: str | None
    curves: tuple[MsdCurve, ...]
    committee: tuple[CommitteeSpread, ...] = ()
    regions: tuple[RegionalRun, ...] = ()
    crossings: tuple[CrossingRun, ...] = ()
    provenance: Provenance


def msd_curve(analysis: TransportAnalysis) -> MsdCurve:
    """The curve of a run as a record."""
    errors = np.full(len(analysis.lag_ps), np.nan)
    if len(analysis.fit_lag_ps):  # a run without an answer may have no fit
        errors = np.interp(
            analysis.lag_ps, analysis.fit_lag_ps, analysis.fit_sigma_angstrom2, np.nan, np.nan
        )
    return MsdCurve(
        temperature_k=analysis.run.temperature_k,
        lag_ps=tuple(float(x) for x in analysis.lag_ps),
        self_angstrom2=tuple(float(x) for x in analysis.msd_angstrom2),
        collective_angstrom2=tuple(float(x) for x in analysis.collective_msd_angstrom2),
        sigma_angstrom2=tuple(None if np.isnan(x) else float(x) for x in errors),
    )


def diffusion_record(
    analyses: Sequence[TransportAnalysis],
    *,
    formula: str,
    material: str,
    provenance: Provenance,
    potential: dict[str, Any] | None = None,
    cell: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    dynamics: Sequence[MDOutcome] = (),
    committee: Sequence[CommitteeSpread] = (),
    regions: Sequence[RegionalRun] = (),
    crossings: Sequence[CrossingRun] = (),
) -> DiffusionRecord:
    """Put runs together and fit the Arrhenius line through those with an answer."""
    ordered = sorted(analyses, key=lambda one: one.run.temperature_k)
    runs = [one.run for one in ordered]
    arrhenius, reason = fit_runs(runs)
    return DiffusionRecord(
        formula=formula,
        material=material,
        potential=potential,
        cell=cell or {},
        settings=settings or {},
        runs=tuple(runs),
        dynamics=tuple(dynamics),
        arrhenius=arrhenius,
        arrhenius_reason=reason,
        curves=tuple(msd_curve(one) for one in ordered),
        committee=tuple(sorted(committee, key=lambda one: one.temperature_k)),
        regions=tuple(regions),
        crossings=tuple(crossings),
        provenance=provenance,
    )
