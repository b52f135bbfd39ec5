"""Migration barriers as a study and its report hold them: each hop with its profile."""

from __future__ import annotations

from typing import Any

from interlith.records import Record, Status


class HopProfile(Record):
    """One hop.

    Attributes
    ----------
    multiplicity : int
        Hops like this one that leave a site.
    forward_ev, reverse_ev : float or None
        Barriers; None where there is no answer, and then the reason says why.
    converged : bool
        Whether the band came to rest: a barrier of one that did not is a number to look at, no
        result.
    coordinate_angstrom, energies_ev : tuple of float
        Along the path, relative to the start.
    """

    label: str
    ion: str
    kind: str
    distance_angstrom: float
    multiplicity: int
    status: Status
    reason: str | None
    converged: bool
    forward_ev: float | None
    reverse_ev: float | None
    coordinate_angstrom: tuple[float, ...]
    energies_ev: tuple[float, ...]
    n_atoms: int | None


class BarrierSummary(Record):
    """Hops of one crystal.

    Attributes
    ----------
    lowest_ev : float or None
        Of the converged hops; no activation energy of transport.
    """

    schema_version: int = 1
    formula: str
    material: str
    potential: dict[str, Any]
    status: Status
    reason: str | None
    lowest_ev: float | None
    hops: tuple[HopProfile, ...]
    hops_left_out: int
    note: str
