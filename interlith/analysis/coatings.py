"""Which coating survives on both sides: a funnel over candidates, ranked by Pareto front.

Steps, each with its count: phase stability, window against the electrode's voltage range,
reaction with the electrolyte, with the cathode (and the anode where one is given). The
thresholds are conventional choices, part of the result, and for the user to set.

>>> from interlith.analysis.hull import Hull
>>> from interlith.analysis.reference_catalog import load_reference
>>> hull = Hull(load_reference("default"))
>>> screen = screen_coatings(hull, ["LiNbO3", "Al2O3"], "Li6PS5Cl", "LiCoO2")
>>> [row.coating for row in screen.rows]
['LiNbO3', 'Al2O3']
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, Field

from interlith.analysis.coating_facts import classify_coating, element_flags
from interlith.analysis.hull import Compound, Hull
from interlith.analysis.reactions import closed_minimum
from interlith.analysis.references import ReferenceSet
from interlith.analysis.reservations import caution
from interlith.analysis.windows import ION, LithiationLine, check_range, window_limits
from interlith.errors import InputError, SolverError
from interlith.records import Record, ReferenceIdentity

SAME_LIMITS_V = 1e-4
"""Limits closer than this are one plateau."""


class ScreenCriteria(Record):
    """Thresholds of the funnel.

    ``max_energy_above_hull_ev_per_atom`` for phase stability; ``max_reaction_ev_per_atom`` is
    the largest driving force of either interface reaction (both positive numbers).
    """

    voltage_range_v: tuple[float, float] = (2.5, 4.3)
    max_energy_above_hull_ev_per_atom: float = 0.005
    max_reaction_ev_per_atom: float = 0.1


class CoatingRow(Record):
    """One candidate with every criterion that ranks it.

    In ``passes`` null is not known: the phase stability of a candidate that the set does not hold.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    coating: str
    coating_class: str = Field(alias="class")
    li_fraction: float
    energy_above_hull_ev_per_atom: float | None
    reduction_potential_v: float
    oxidation_potential_v: float | None
    reaction_electrolyte_ev_per_atom: float
    reaction_cathode_ev_per_atom: float
    reaction_anode_ev_per_atom: float | None
    passes: dict[str, bool | None]
    flags: tuple[str, ...]
    rank: int

    @property
    def passed(self) -> bool | None:
        """False if any criterion fails, else None if one is not known."""
        if False in self.passes.values():
            return False
        return None if None in self.passes.values() else True


class CoatingFailure(Record):
    """A candidate that could not be judged, and why."""

    coating: str
    reason: str


class StepCount(Record):
    """Candidates left after a step of the funnel.

    ``phase_stability_unknown`` is no step: those that the set does not hold, counted apart.
    """

    step: str
    left: int


class ScreenRecord(Record):
    """Result of :func:`screen_coatings`."""

    schema_version: int = 1
    electrolyte: str
    cathode: str
    anode: str | None
    criteria: ScreenCriteria
    rank_criteria: tuple[str, ...]
    rows: tuple[CoatingRow, ...]
    counts: tuple[StepCount, ...]
    failures: tuple[CoatingFailure, ...]
    reference: ReferenceIdentity


RANKED_BY = (
    "oxidation_potential_v (higher; no oxidation limit counts as highest)",
    "reaction_electrolyte_ev_per_atom (closer to 0)",
    "reaction_cathode_ev_per_atom (closer to 0)",
    "reaction_anode_ev_per_atom (closer to 0, where an anode is given)",
)


def lithium_phases(reference: ReferenceSet) -> list[str]:
    """Every Li-containing compound of a set, by formula."""
    reference.require_elements([ION])
    single = np.diff(reference.starts) == 1
    return [reference.formula(int(i)) for i in np.flatnonzero(reference.contains(ION) & ~single)]


def screen_coatings(
    hull: Hull,
    coatings: Sequence[str],
    electrolyte: str,
    cathode: str,
    anode: str | None = None,
    *,
    criteria: ScreenCriteria | None = None,
    only_stable: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> ScreenRecord:
    """Judge each candidate between an electrolyte and a cathode (and an anode).

    Parameters
    ----------
    hull : Hull
        The reference energies; make it with ``screening=True`` for long lists.
    coatings : sequence of str
        Candidate formulas. One that cannot be judged becomes a failure; the others still run.
    electrolyte, cathode, anode : str
        The neighbours; the anode is optional (anode coatings).
    criteria : ScreenCriteria, optional
        Thresholds and the electrode's voltage range.
    only_stable : bool
        Leave candidates that fail phase stability out of the rows (they stay in the counts).
    progress : callable, optional
        Called with (done, all).

    Returns
    -------
    ScreenRecord
        Rows in Pareto order: front 1 holds the candidates that no other beats in every criterion.

    Raises
    ------
    InputError
        If a neighbour cannot be used, or the voltage range is reversed.
    """
    criteria = criteria or ScreenCriteria()
    check_range(criteria.voltage_range_v)
    neighbours = [hull.compound(f) for f in (electrolyte, cathode, *([anode] if anode else []))]
    rows: list[CoatingRow] = []
    failures: list[CoatingFailure] = []
    for done, coating in enumerate(coatings):
        try:
            candidate = hull.compound(coating)
            if not only_stable or _is_stable(candidate, criteria):
                rows.append(_row(hull, candidate, neighbours, criteria))
        except (InputError, SolverError) as error:
            failures.append(CoatingFailure(coating=coating, reason=str(error)))
        if progress is not None:
            progress(done + 1, len(coatings))
    ranked = _ranked(rows)
    return ScreenRecord(
        electrolyte=electrolyte,
        cathode=cathode,
        anode=anode,
        criteria=criteria,
        rank_criteria=RANKED_BY if anode else RANKED_BY[:-1],
        rows=tuple(ranked),
        counts=tuple(_counts(ranked, len(coatings), len(failures))),
        failures=tuple(failures),
        reference=hull.reference.identity(),
    )


def _is_stable(candidate: Compound, criteria: ScreenCriteria) -> bool | None:
    above = candidate.energy_above_hull
    return None if above is None else above <= criteria.max_energy_above_hull_ev_per_atom


def _window(hull: Hull, candidate: Compound) -> tuple[float, float | None, tuple[str, ...]]:
    """Limits as ``stability_window`` has them, and its reason where they are those of another."""
    reduction, oxidation = window_limits(hull, candidate)
    if oxidation is None or oxidation - reduction > SAME_LIMITS_V:
        return reduction, oxidation, ()
    # on a plateau, perhaps beside the corner that the formula means
    place = LithiationLine(hull, candidate, whole=False).own_place()
    doubt = place.reason is not None and place.status == "diagnosis"
    return place.reduction, place.oxidation, (place.reason,) if doubt and place.reason else ()


def _row(
    hull: Hull, candidate: Compound, neighbours: list[Compound], criteria: ScreenCriteria
) -> CoatingRow:
    if set(candidate.composition) == {ION}:
        raise InputError("Li metal is no coating")
    reduction, oxidation, doubts = _window(hull, candidate)
    low, high = criteria.voltage_range_v
    reactions = [closed_minimum(hull, candidate, other)[0] for other in neighbours]
    mild = [energy >= -criteria.max_reaction_ev_per_atom for energy in reactions]
    passes = {
        "phase_stability": _is_stable(candidate, criteria),
        "window": reduction <= low and (oxidation is None or oxidation >= high),
        "electrolyte": mild[0],
        "cathode": mild[1],
    }
    if len(neighbours) > 2:
        passes["anode"] = mild[2]
    return CoatingRow(
        coating=candidate.formula,
        coating_class=classify_coating(candidate.composition),
        li_fraction=candidate.composition.get(ION, 0.0) / candidate.atoms,
        energy_above_hull_ev_per_atom=candidate.energy_above_hull,
        reduction_potential_v=reduction,
        oxidation_potential_v=oxidation,
        reaction_electrolyte_ev_per_atom=reactions[0],
        reaction_cathode_ev_per_atom=reactions[1],
        reaction_anode_ev_per_atom=reactions[2] if len(reactions) > 2 else None,
        passes=passes,
        flags=(*element_flags(candidate.composition), *doubts, *_gaps(hull, candidate)),
        rank=0,
    )


def _gaps(hull: Hull, candidate: Compound) -> tuple[str, ...]:
    missing = hull.reference.missing_phases([*candidate.composition, ION])
    found = (
        "not in the set; taken on its hull" if candidate.phase is None else None,
        caution(hull.reference, candidate.composition),
        f"set lacks {', '.join(missing)}" if missing else None,
    )
    return tuple(flag for flag in found if flag)


def _counts(rows: Iterable[CoatingRow], n_all: int, n_failed: int) -> list[StepCount]:
    left = list(rows)
    counts = [
        StepCount(step="candidates", left=n_all),
        StepCount(step="judged", left=n_all - n_failed),
    ]
    for step in ("phase_stability", "window", "electrolyte", "cathode", "anode"):
        if step == "anode" and all("anode" not in row.passes for row in left):
            continue
        unknown = sum(row.passes[step] is None for row in left)
        left = [row for row in left if row.passes[step]]
        counts.append(StepCount(step=step, left=len(left)))
        if unknown:
            counts.append(StepCount(step=f"{step}_unknown", left=unknown))
    return counts


def _ranked(rows: list[CoatingRow]) -> list[CoatingRow]:
    if not rows:
        return []
    merit = np.array(
        [
            [
                99.0 if row.oxidation_potential_v is None else row.oxidation_potential_v,
                row.reaction_electrolyte_ev_per_atom,
                row.reaction_cathode_ev_per_atom,
                row.reaction_anode_ev_per_atom or 0.0,
            ]
            for row in rows
        ]
    )
    rank = pareto_ranks(np.round(merit, 6))
    order = np.lexsort((-merit[:, 1:].sum(axis=1), rank))
    return [rows[i].model_copy(update={"rank": int(rank[i])}) for i in order]


def pareto_ranks(merit: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """(n,) front of each row of an (n, criteria) table where larger is better; 1 is the best.

    A row dominates another if it is nowhere worse and somewhere better.
    """
    n = len(merit)
    rank = np.zeros(n, dtype=np.int64)
    # a row can only be dominated by rows that come before it in this order
    order = np.lexsort(-merit.T[::-1])
    fronts: list[list[int]] = []
    for i in order:
        # whoever is dominated by a front is dominated by every earlier one: search by halves
        level = bisect_left(fronts, True, key=lambda front: not _dominated(merit[i], merit[front]))
        if level == len(fronts):
            fronts.append([])
        fronts[level].append(int(i))
        rank[i] = level + 1
    return rank


def _dominated(row: npt.NDArray[np.float64], others: npt.NDArray[np.float64]) -> bool:
    return bool(np.any(np.all(others >= row, axis=1) & np.any(others > row, axis=1)))
