"""What a reactive run of an explicit interface says: cell, time series, layers, trust."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from interlith.analysis.growth import GrowthFit, LithiumConsumed, RateArrhenius
from interlith.analysis.products import Comparison
from interlith.analysis.reactive_limit import ReactionLimit
from interlith.provenance import Provenance
from interlith.records import Record

RunStatus = Literal[
    "finished", "interrupted", "stopped", "failed", "delaminated", "exploded", "unlabelled"
]
ReservoirStatus = Literal["enough", "starves", "not needed", "no reservoir", "not checked"]


class CellFacts(Record):
    """The cell that is run.

    Attributes
    ----------
    faces : tuple of str
        Terminations of the lower and the upper slab's tops, as the builder names them.
    equal_interfaces : bool or None
        Whether the two interfaces are images of each other; None for one crystal alone.
    straightened_angstrom : float
        By how much the second interface was shifted in the plane so that c is along the normal.
    region_angstrom : dict
        Thickness of each region between the mid-planes of its contacts.
    formula_units : float
        Of the material that may react (the one that is not Li metal, else the upper).
    reservoir : str
        Whether the Li metal in the cell is enough for full reduction.
    relaxed_energy_ev : float
        Of the start, at 0 K.
    """

    formula: str
    n_atoms: int
    area_angstrom2: float
    lengths_angstrom: tuple[float, float, float]
    miller: dict[str, tuple[int, int, int]]
    faces: tuple[str, ...]
    equal_interfaces: bool | None
    largest_strain: float | None
    straightened_angstrom: float
    region_angstrom: dict[str, float]
    region_atoms: dict[str, int]
    formula_units: float
    lithium_metal_atoms: int
    lithium_per_formula: float | None
    lithium_needed_per_formula: float | None
    reservoir: ReservoirStatus
    relaxed_energy_ev: float
    relaxed: bool


class LayerFate(Record):
    """Centres of polyanions at one depth, on one side of a region.

    Attributes
    ----------
    depth_angstrom : float
        Below the nearest contact, at the start.
    first_broken_ps, all_broken_ps, all_bare_ps : float or None
        First time after which a centre of the layer stays broken, all do, and all have lost every
        ligand; None: not within the run.
    """

    region: str
    side: Literal["lower", "upper"]
    depth_angstrom: float
    centres: int
    first_broken_ps: float | None
    all_broken_ps: float | None
    all_bare_ps: float | None


class TimeSeries(Record):
    """What was counted over time, thinned out; same length everywhere.

    Attributes
    ----------
    intact : tuple of float
        Share of the polyanion centres with all their ligands; empty where there are none.
    intact_of : dict
        The same of each region that has any; empty in records written before it was kept.
    species, bonds, lithium_around : dict
        Number of centres by ligands; number of bonds by elements; mean number of Li around atoms
        of each other element.
    energy_released_ev_per_formula : tuple of float
        Relaxed start plus 3/2 k T per atom, minus the potential energy: positive when released.
    length_angstrom : tuple of float
        Of the cell along the normal.
    metal_lithium : tuple of float
        Li atoms bonded to nothing but Li.
    converted_nm : tuple of float
        Broken per interface: each region's share of broken centres times its thickness, added up.
    interphase_nm : tuple of float
        Per interface, the cell's length less intact electrolyte and Li metal, counted by atoms; it
        begins with the atoms of the metal that touch the electrolyte. Empty without Li metal.
    """

    times_ps: tuple[float, ...]
    temperature_k: tuple[float, ...]
    intact: tuple[float, ...]
    species: dict[str, tuple[float, ...]]
    bonds: dict[str, tuple[float, ...]]
    lithium_around: dict[str, tuple[float, ...]]
    energy_released_ev_per_formula: tuple[float, ...]
    length_angstrom: tuple[float, ...]
    metal_lithium: tuple[float, ...]
    converted_nm: tuple[float, ...]
    interphase_nm: tuple[float, ...] = ()
    intact_of: dict[str, tuple[float, ...]] = Field(default_factory=dict)


class EdgePoint(Record):
    """Composition profile of some frames, fitted with error functions.

    Attributes
    ----------
    interphase_nm : float or None
        Per interface: what is neither metal nor intact electrolyte, between the fitted edges.
    mixed_nm : float or None
        From 10 to 90 % of the step between the two sides, mean of both interfaces.
    """

    time_ps: float
    interphase_nm: float | None
    interphase_sigma_nm: float | None
    mixed_nm: float | None
    reason: str | None = None


class Snapshot(Record):
    """Atoms at a moment, to be drawn."""

    time_ps: float
    cell: tuple[tuple[float, float, float], ...]
    symbols: tuple[str, ...]
    regions: tuple[str, ...]
    positions: tuple[tuple[float, float, float], ...]


class DepthCounts(Record):
    """Atoms of each element per nm3, and share of intact centres, in layers along the normal."""

    from_ps: float
    to_ps: float
    heights_angstrom: tuple[float, ...]
    per_nm3: dict[str, tuple[float, ...]]
    intact_per_nm3: tuple[float, ...]


class ReactiveRun(Record):
    """One trajectory.

    Attributes
    ----------
    converged : bool
        The last quarter changed neither the count of intact centres nor the energy.
    last_good : str or None
        File with the last frame before a run came apart.
    """

    seed: int
    temperature_k: float
    status: RunStatus
    reason: str | None
    time_ps: float
    mean_temperature_k: float | None
    max_temperature_k: float | None
    wall_s: float
    ms_per_step: float | None
    trajectory: str | None
    trajectory_sha256: str | None
    converged: bool
    series: TimeSeries | None
    layers: tuple[LayerFate, ...]
    edges: tuple[EdgePoint, ...]
    depths: tuple[DepthCounts, ...]
    comparison: tuple[Comparison, ...]
    phases_at_end: dict[str, float]
    length_change: float | None
    snapshots: tuple[Snapshot, ...]
    last_good: str | None = None


class LabelledFrame(Record):
    """A frame of a run, labelled by the teacher."""

    seed: int
    temperature_k: float
    time_ps: float
    force_rmse_mev_per_angstrom: float
    energy_error_mev_per_atom: float
    largest_force_error_ev_per_angstrom: float


class LabelCheck(Record):
    """Errors of the potential on frames of its own runs, model minus teacher.

    Attributes
    ----------
    outside : float
        Share of the atoms whose force is off by more than the bound of the trained domain.
    """

    teacher: dict[str, Any]
    frames: tuple[LabelledFrame, ...]
    force_rmse_mev_per_angstrom: float
    force_relative: float
    force_rmse_by_element: dict[str, float]
    energy_mean_mev_per_atom: float
    energy_rmse_mev_per_atom: float
    outside: float


class DriftCheck(Record):
    """Energy conservation without a thermostat, from the last frame of a run."""

    time_ps: float
    drift_mev_per_atom_per_ps: float
    noise_mev_per_atom: float


class Deviation(Record):
    """Atoms whose force is uncertain beyond the bound.

    Attributes
    ----------
    by : str
        Where the deviation comes from: committee, or teacher where there is none.
    factor : float
        By which the committee's spread was multiplied, so that it is as large as the error against
        the teacher on the frames that have both; 1 where none has. Members that share data agree
        more than they are right.
    outside : float
        Share of the atoms of all frames looked at.
    outside_by_region, outside_by_element, mean_by_region : dict
        The same in parts, and the mean deviation in eV/A.
    worst : str
        The atom farthest out: element, region, time.
    harvested : int
        Frames with an atom beyond the bound, kept for labelling.
    """

    by: str
    factor: float
    bound_ev_per_angstrom: float
    frames: int
    mean_ev_per_angstrom: float
    max_ev_per_angstrom: float
    outside: float
    outside_by_region: dict[str, float]
    outside_by_element: dict[str, float]
    mean_by_region: dict[str, float]
    worst: str
    harvested: int
    harvest_file: str | None


class Trust(Record):
    """Whether the runs may be believed, and why not."""

    trusted: bool
    reasons: tuple[str, ...]
    bounds: dict[str, float]
    labels: LabelCheck | None
    drift: DriftCheck | None
    deviation: Deviation | None


class ReactivityRecord(Record):
    """Result of ``interlith reactivity``.

    Attributes
    ----------
    status : str
        ``reacted``, ``no_reaction``, or ``no_answer`` with a reason.
    limit : ReactionLimit or None
        What thermodynamics says; None with ``limit_reason``.
    growth : GrowthFit or None
        Over all seeds of the highest temperature.
    growth_arrhenius : RateArrhenius or None
        Through the rates at three temperatures or more, where all of them are rates.
    """

    schema_version: int = 1
    a: str
    b: str | None
    status: Literal["reacted", "no_reaction", "no_answer"]
    reason: str | None
    cell: CellFacts
    limit: ReactionLimit | None
    limit_reason: str | None
    runs: tuple[ReactiveRun, ...]
    growth: GrowthFit | None
    growth_of: str | None
    growth_arrhenius: RateArrhenius | None = None
    growth_arrhenius_reason: str | None = None
    lithium: LithiumConsumed | None
    energy_released_ev_per_formula: float | None
    energy_share_of_limit: float | None
    trust: Trust
    notes: tuple[str, ...]
    potential: dict[str, Any]
    settings: dict[str, Any]
    provenance: Provenance
