"""What a reactive run is asked to do: imported by the study without loading an engine."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from interlith.errors import InputError

Miller = tuple[int, int, int]


class ReactivitySettings(BaseModel):
    """What dynamics of an explicit interface does, and when it counts as trusted.

    Attributes
    ----------
    potential : str
        What moves the atoms; of a committee the first member.
    temperatures_k : tuple of float
        One run per temperature and seed.
    time_ps, max_time_ps : float
        Length of each run, and up to where it is extended while the observables still change;
        None: no extension.
    equilibration_ps : float
        Strongly damped dynamics at the temperature, at fixed cell, before the cell may move.
    thickness_angstrom : float
        Least thickness of each side that is no reservoir of Li metal.
    reservoir_excess : float
        Li metal in the cell over what full reduction takes.
    min_length_angstrom : float
        The cell is repeated in the plane until its sides are this far apart.
    candidate : int
        Which interface of the search, 1 is the best; see ``interlith build interface``.
    teacher : str or None
        Potential that labels frames of the runs; None: the one on a shipped model's data card
        (7net-l3i5 where that is DFT), else 7net-0, whose own runs 7net-l3i5 labels.
    label_frames : int
        Frames labelled, over all runs; a run is not called trusted with fewer than ten.
    deviation_bound_ev_per_angstrom : float
        An atom whose force the committee (or the teacher) disagrees on by more is outside the
        trained domain.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    potential: str = "lpscl"
    temperatures_k: tuple[float, ...] = (600.0,)
    time_ps: float = Field(20.0, gt=0)
    max_time_ps: float | None = Field(None, gt=0)
    equilibration_ps: float = Field(0.2, gt=0)
    timestep_fs: float = Field(2.0, gt=0, le=10)
    frame_every: int = Field(25, ge=1)
    seeds: int = Field(3, ge=1, le=100)
    seed: int = Field(1, ge=0)
    miller_a: Miller | None = None
    miller_b: Miller | None = None
    thickness_angstrom: float = Field(19.0, gt=0, le=200)
    reservoir_excess: float = Field(1.25, ge=0)
    min_length_angstrom: float = Field(9.0, gt=0)
    max_atoms: int = Field(300, ge=2)
    max_strain: float = Field(0.05, gt=0, le=0.2)
    candidate: int = Field(1, ge=1, le=20)
    relax_steps: int = Field(150, ge=1)
    teacher: str | None = None
    label_frames: int = Field(12, ge=0)
    nve_ps: float = Field(1.0, ge=0)
    force_bound_mev_per_angstrom: float = Field(110.0, gt=0)
    energy_bound_mev_per_atom: float = Field(12.0, gt=0)
    drift_bound_mev_per_atom_per_ps: float = Field(0.1, gt=0)
    deviation_bound_ev_per_angstrom: float = Field(0.5, gt=0)

    @field_validator("temperatures_k")
    @classmethod
    def _some(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not value or not all(0 < one < 10_000 for one in value):
            raise ValueError("give at least one temperature in K, such as [600]")
        return value

    @model_validator(mode="after")
    def _check(self) -> ReactivitySettings:
        if self.max_time_ps is not None and self.max_time_ps < self.time_ps:
            raise ValueError(f"max_time_ps {self.max_time_ps:g} is below time_ps {self.time_ps:g}")
        return self

    @classmethod
    def read(cls, **values: Any) -> ReactivitySettings:
        """Settings from options.

        Raises
        ------
        InputError
            If one is out of range.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "settings"
            raise InputError(f"{where} {first['input']!r}: {first['msg']}") from error

    def steps(self, time_ps: float) -> int:
        """Steps in a time."""
        return max(1, round(1000 * time_ps / self.timestep_fs))

    @property
    def budget_ps(self) -> float:
        """Time up to which a run may go on."""
        return self.time_ps if self.max_time_ps is None else self.max_time_ps
