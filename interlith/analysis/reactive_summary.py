"""What all runs of an interface say together: reacted or not, growth, energy, Li consumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from interlith.analysis.environments.bonds import LIGANDS
from interlith.analysis.growth import (
    GrowthFit,
    LithiumConsumed,
    RateArrhenius,
    growth_law,
    lithium_consumed,
    rate_arrhenius,
)
from interlith.analysis.reactive_counts import ION, FloatArray
from interlith.analysis.reactive_limit import ReactionLimit
from interlith.analysis.reactive_records import CellFacts, ReactiveRun, TimeSeries

REACTED = 0.05
"""Share of broken polyanions of a region, averaged over runs, from which it has reacted."""
REACTED_EV_PER_FORMULA = 0.5
"""Where there are no polyanions: energy released by then, above what settling gives."""
REACTED_PER_AREA = 0.02
"""Li atoms, or bonds of anions, per Angstrom2 of contact that changed, without polyanions."""
MET = 0.25
"""Share of intact polyanions below which the two fronts are taken to have met."""
SOUND = ("finished", "interrupted")
LEAST_LAYERS = 3
LEAST_TEMPERATURES = 3
LEAST_LITHIUM = 0.1
"""Share of the metal that must be left for the reservoir not to have run low."""


def summarise(
    runs: Sequence[ReactiveRun], cell: CellFacts, limit: ReactionLimit | None
) -> dict[str, Any]:
    """Fields of a :class:`ReactivityRecord` that join the runs."""
    whole = [run for run in runs if run.series is not None and run.status in SOUND]
    if not whole:
        why = "; ".join(f"seed {run.seed} {run.status}: {run.reason}" for run in runs)
        return _empty("no_answer", f"no run stayed an interface to its end: {why}")
    status, reason = outcome(whole, cell)
    kelvin = sorted({run.temperature_k for run in whole})
    fits = [growth(whole, cell, one) for one in kelvin]
    fit, what = fits[-1]
    line, no_line = _arrhenius(kelvin, [one for one, _ in fits])
    released = _mean([_last(run.series.energy_released_ev_per_formula) for run in whole
                      if run.series is not None])  # fmt: skip
    full = None if limit is None else limit.energy_ev_per_formula
    return {
        "status": status,
        "reason": reason,
        "growth": fit,
        "growth_of": what,
        "growth_arrhenius": line,
        "growth_arrhenius_reason": no_line,
        "lithium": consumed(whole, cell, limit),
        "energy_released_ev_per_formula": released,
        "energy_share_of_limit": None if not full or released is None else released / -full,
        "notes": tuple(notes(whole, cell)),
    }


def _empty(status: str, reason: str) -> dict[str, Any]:
    return {
        "status": status,
        "reason": reason,
        "growth": None,
        "growth_of": None,
        "lithium": None,
        "energy_released_ev_per_formula": None,
        "energy_share_of_limit": None,
        "notes": (),
    }


def outcome(runs: Sequence[ReactiveRun], cell: CellFacts) -> tuple[str, str]:
    """Whether anything reacted, and by what that is judged."""
    broken = _broken_at_end(runs)
    if broken:
        shares = [
            f"{100 * share:.0f} % of the polyanions and shells{f' of {name}' if name else ''}"
            for name, share in broken.items()
        ]
        reacted = max(broken.values()) > REACTED
        said = f"{' and '.join(shares)} are broken at the end"
        return ("reacted" if reacted else "no_reaction"), said
    released = _mean([_last(run.series.energy_released_ev_per_formula)
                      - _early(run.series.energy_released_ev_per_formula)
                      for run in runs if run.series is not None])  # fmt: skip
    gave = (released or 0.0) > REACTED_EV_PER_FORMULA
    energy = f"{released or 0.0:+.2f} eV per formula unit were released after the start"
    if not cell.lithium_metal_atoms:
        return _by_contacts([run.series for run in runs if run.series is not None],
                            2 * cell.area_angstrom2, gave, energy)  # fmt: skip
    lost = _mean([_metal_lost(run) for run in runs])
    per_area = (lost or 0.0) / (2 * cell.area_angstrom2)
    said = (
        f"no polyanions to count; per Angstrom2 of contact {max(per_area, 0.0):.3f} Li left the "
        f"metal, and {energy}"
    )
    return ("reacted" if per_area > REACTED_PER_AREA and gave else "no_reaction"), said


def _broken_at_end(runs: Sequence[ReactiveRun]) -> dict[str, float]:
    """Share of broken centres by region; under an empty name where one region has any."""
    ends: dict[str, list[float]] = {}
    for run in runs:
        if run.series is not None and run.series.intact:
            by_region = run.series.intact_of
            chosen = by_region if len(by_region) > 1 else {"": run.series.intact}
            for name, intact in chosen.items():
                ends.setdefault(name, []).append(intact[-1])
    return {name: 1.0 - float(np.mean(shares)) for name, shares in ends.items()}


def _by_contacts(
    series: Sequence[TimeSeries], area_angstrom2: float, gave: bool, energy: str
) -> tuple[str, str]:
    """With neither polyanions nor Li metal: bonds of anions with anything but Li, and the energy.

    One without the other is no answer: energy alone may come from what is not counted, bonds alone
    from a contact that settles.
    """
    changed = [one for one in (_bonds_changed(single) for single in series) if one is not None]
    per_area = float(np.mean(changed)) / area_angstrom2 if changed else 0.0
    bonds = (
        f"{per_area:.3f} bonds of anions (Li left out) changed per Angstrom2 of contact"
        if changed
        else "there are no bonds but those of Li"
    )
    said = f"no polyanions and no Li metal to count; {bonds}, and {energy}"
    if gave == (per_area > REACTED_PER_AREA):
        return ("reacted" if gave else "no_reaction"), said
    return "no_answer", f"{said}: one without the other does not tell; look at the last frames"


def _bonds_changed(series: TimeSeries) -> float | None:
    """Bonds of anions gained or lost, whichever is more; None where there never were any."""
    known = [
        values
        for name, values in series.bonds.items()
        if any(part in LIGANDS for part in name.split("-")) and ION not in name.split("-")
    ]
    steps = [_last(values) - _early(values) for values in known]
    if not steps:
        return None
    return max(sum(step for step in steps if step > 0), -sum(step for step in steps if step < 0))


def _arrhenius(
    kelvin: Sequence[float], fits: Sequence[GrowthFit | None]
) -> tuple[RateArrhenius | None, str | None]:
    """Activation energy where every temperature has a rate of one law."""
    rates = [fit for fit in fits if fit is not None and fit.is_rate]
    if len(kelvin) < LEAST_TEMPERATURES:
        return None, f"{len(kelvin)} temperatures; {LEAST_TEMPERATURES} are needed"
    if len(rates) < len(kelvin):
        return None, f"{len(rates)} of {len(kelvin)} temperatures have a rate, the others a shape"
    chosen = [fit.linear if fit.law == "linear" else fit.parabolic for fit in rates]
    known = [one for one in chosen if one is not None]
    return rate_arrhenius(list(kelvin), known)


def growth(
    runs: Sequence[ReactiveRun], cell: CellFacts, temperature_k: float
) -> tuple[GrowthFit | None, str | None]:
    """Law of the thickness over all seeds of a temperature."""
    own = [run for run in runs if run.temperature_k == temperature_k]
    found = [one for one in (_thickness(run) for run in own) if one is not None]
    if not found:
        return None, None
    caveats = []
    if any(one.met for one in found):
        caveats.append("the fronts from both sides met; what came later is left out")
    layers = max(
        sum(one.side == side for one in run.layers) for run in own for side in ("lower", "upper")
    )
    if layers < LEAST_LAYERS:
        caveats.append(f"{layers} layers of polyanions per side are too few for a rate")
    fit = growth_law(
        [(one.times_ps, one.thickness_nm) for one in found],
        starved=cell.reservoir == "starves" or any(one.starved for one in found),
        caveats=caveats,
    )
    return fit, f"{found[0].what} at {temperature_k:g} K"


@dataclass(frozen=True, eq=False)
class _Growth:
    """Thickness per interface of one run, as long as it can grow freely."""

    times_ps: FloatArray
    thickness_nm: FloatArray
    what: str
    met: bool
    starved: bool


def _thickness(run: ReactiveRun) -> _Growth | None:
    """Thickness until the fronts meet or the metal is nearly used up."""
    series = run.series
    if series is None or not series.intact or not run.layers:
        return None
    times, intact = np.array(series.times_ps), np.array(series.intact)
    metal, grown = np.array(series.metal_lithium), np.array(series.interphase_nm)
    what = "interphase" if len(grown) else "depth of broken polyanions"
    thick = grown if len(grown) else np.array(series.converted_nm)
    low = (metal < LEAST_LITHIUM * _early(series.metal_lithium)) & bool(len(grown))
    if series.intact_of:  # fronts meet in one region, whatever is left of another
        intact = np.min([np.array(one) for one in series.intact_of.values()], axis=0)
    ends = np.flatnonzero((intact < MET) | low)
    end = int(ends[0]) if len(ends) else len(times)
    return _Growth(
        times[:end], thick[:end], what, bool(len(ends)) and bool(intact[end] < MET),
        bool(len(ends)) and bool(low[end]),
    )  # fmt: skip


def consumed(
    runs: Sequence[ReactiveRun], cell: CellFacts, limit: ReactionLimit | None
) -> LithiumConsumed | None:
    """Li that left the metal per area against the thickness of interphase grown meanwhile."""
    pairs = []
    for run in runs:
        lost, grown = _metal_lost(run), _grown(run)
        if lost is not None and grown is not None:
            pairs.append((lost / 2.0, grown))
    if not pairs or cell.lithium_metal_atoms == 0:
        return None
    atoms, thick = (float(np.mean([pair[i] for pair in pairs])) for i in (0, 1))
    stoichiometric = None if limit is None else limit.nm_per_uah_cm2
    return lithium_consumed(atoms, cell.area_angstrom2, thick, stoichiometric)


def _metal_lost(run: ReactiveRun) -> float | None:
    """Li metal atoms gone since the contact settled, both interfaces together."""
    if run.series is None or not any(run.series.metal_lithium):
        return None
    return _early(run.series.metal_lithium) - _last(run.series.metal_lithium)


def _grown(run: ReactiveRun) -> float | None:
    """Thickness per interface gained since the contact settled."""
    if run.series is None or not run.series.interphase_nm:
        return None
    return _last(run.series.interphase_nm) - _early(run.series.interphase_nm)


def _starved(run: ReactiveRun) -> bool:
    if run.series is None or not any(run.series.metal_lithium):
        return False
    return _last(run.series.metal_lithium) < LEAST_LITHIUM * _early(run.series.metal_lithium)


def notes(runs: Sequence[ReactiveRun], cell: CellFacts) -> list[str]:
    """What a reader must know before using a number."""
    found = []
    if cell.reservoir == "starves":
        found.append(
            f"the cell has {cell.lithium_per_formula or 0:.1f} Li of metal per formula unit and "
            f"full reduction takes {cell.lithium_needed_per_formula:g}: the reaction will starve"
        )
    if cell.reservoir == "not checked":
        found.append("whether there is enough Li metal is not known: no reference energies")
    low = [run for run in runs if _starved(run)]
    if low and cell.reservoir != "starves":
        found.append(f"nearly all Li metal was used up in {len(low)} of {len(runs)} runs")
    worst = max((run.max_temperature_k or 0.0) - run.temperature_k for run in runs)
    found.append(
        f"heat of reaction took a cell at most {worst:.0f} K above the thermostat; picoseconds in "
        "a cell of nanometres, one orientation, no defects"
    )
    return found


def _early(values: Sequence[float]) -> float:
    """Mean over the first few per cent, the first point left out."""
    part = max(2, len(values) // 25)
    return float(np.mean(values[1 : part + 1] or values))


def _last(values: Sequence[float]) -> float:
    part = max(1, len(values) // 20)
    return float(np.mean(values[-part:]))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [one for one in values if one is not None]
    return float(np.mean(known)) if known else None
