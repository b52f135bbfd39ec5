"""Records of transport across interfaces: regions, planes between them, resistance per area."""

from __future__ import annotations

from interlith.analysis.crossing import Rate, Stay
from interlith.records import Record, Status

RULE = (
    "an atom belongs to the region whose core it visited last; the core leaves out the margin "
    "beside every plane, less what atoms go beyond it between frames"
)


class Resistance(Record):
    """Resistance of one part per area, with what it rests on.

    Attributes
    ----------
    ohm_cm2 : float or None
        None with a reason; ``at_least_ohm_cm2`` may be known all the same.
    interval95_ohm_cm2 : (float, float or None) or None
        None above: no bound.
    """

    status: Status
    reason: str | None = None
    ohm_cm2: float | None = None
    interval95_ohm_cm2: tuple[float, float | None] | None = None
    at_least_ohm_cm2: float | None = None
    method: str


class RegionTransport(Record):
    """One layer: its ions, how long they stay, how it conducts at the temperature of the run.

    Attributes
    ----------
    conductivity_in_plane_ms_cm, conductivity_across_ms_cm : float or None
        Nernst-Einstein from the diffusivity and the density of the region; layers of one name
        share them.
    metallic : bool
        The region holds mobile atoms only: its electrons conduct, and it adds no resistance.
    resistance : Resistance
        Of the core, which leaves out the margins; by the conductivity in the plane where the region
        is too thin to measure across, which the method then says.
    """

    region: str
    low_angstrom: float
    high_angstrom: float
    mean_mobile_atoms: float
    stay: Stay
    status: Status
    reason: str | None
    mobile_per_nm3: float | None
    conductivity_in_plane_ms_cm: float | None
    conductivity_in_plane_sigma_ms_cm: float | None
    conductivity_across_ms_cm: float | None
    conductivity_across_sigma_ms_cm: float | None
    across_reason: str | None
    metallic: bool
    resistance: Resistance


class PlaneCrossing(Record):
    """One plane between two layers.

    Attributes
    ----------
    upward, downward : Rate
        Per atom of the region that is left.
    plain_crossings : int
        From frame to frame, rattling included.
    recrossed_fraction : float or None
        Share of those that the rule does not count.
    resistance : Resistance
        From core to core: it holds a margin of either side.
    """

    below: str
    above: str
    height_angstrom: float
    upward: Rate
    downward: Rate
    plain_crossings: int
    recrossed_fraction: float | None
    exchange_current_ma_cm2: float | None
    resistance: Resistance


class CrossingRun(Record):
    """Transport across the interfaces of one run, at its temperature.

    Attributes
    ----------
    shift_angstrom : tuple of float
        By how much the core of each region begins nearer to its planes than the margin, for what
        is missed between frames: resistances and stays are then those of the margin itself.
    """

    temperature_k: float
    charge_e: float
    margin_angstrom: float
    shift_angstrom: tuple[float, ...] = ()
    rule: str = RULE
    time_ps: float
    discarded_ps: float
    regions: tuple[RegionTransport, ...]
    planes: tuple[PlaneCrossing, ...]
    total: Resistance
    notes: tuple[str, ...] = ()
