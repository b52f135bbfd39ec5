"""What a ladder of temperatures is asked to do: imported by the study without loading an engine."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

EQUILIBRATION_PS = 5.0


class DiffusionSettings(BaseModel):
    """What a ladder of temperatures does.

    Attributes
    ----------
    time_ps, equilibration_ps : float
        Length of each run, and what is left out of the analysis at its start: if not given, 5 ps,
        or half of a run shorter than 10.
    seeds : int
        Independent runs at each temperature.
    min_length_angstrom : float
        The cell is repeated until its faces are at least this far apart.
    volume : str
        "relaxed": cell and atoms relaxed with the potential at 0 K; "as_given": as it is. No
        thermal expansion in either.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    potential: str = "7net-0"
    temperatures_k: tuple[float, ...] = (500.0, 600.0, 700.0, 800.0)
    time_ps: float = Field(50.0, gt=0, allow_inf_nan=False)
    equilibration_ps: float = Field(EQUILIBRATION_PS, ge=0, allow_inf_nan=False)
    timestep_fs: float = Field(2.0, gt=0, le=10)
    frame_every: int = Field(25, ge=1)
    seeds: int = Field(1, ge=1, le=100)
    seed: int = Field(0, ge=0)
    mobile: str = "Li"
    min_length_angstrom: float = Field(9.5, gt=0, allow_inf_nan=False)
    max_atoms: int = Field(400, ge=2)
    volume: Literal["relaxed", "as_given"] = "relaxed"

    @field_validator("temperatures_k")
    @classmethod
    def _real_temperatures(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if not values or not all(0 < one < math.inf for one in values):
            raise ValueError("temperatures are finite and above 0 K; give at least one")
        if len(set(values)) < len(values):
            raise ValueError("a temperature comes twice; for more runs at each, raise seeds")
        return values

    @model_validator(mode="before")
    @classmethod
    def _short_runs(cls, given: Any) -> Any:
        """Half of a short run is left out where nothing was said."""
        if not isinstance(given, Mapping) or given.get("equilibration_ps") is not None:
            return given
        kept = {name: value for name, value in given.items() if name != "equilibration_ps"}
        time_ps = kept.get("time_ps")
        if isinstance(time_ps, (int, float)) and 0 < time_ps < 2 * EQUILIBRATION_PS:
            kept["equilibration_ps"] = time_ps / 2
        return kept

    @model_validator(mode="after")
    def _something_is_left(self) -> Self:
        if self.equilibration_ps >= self.time_ps:
            raise ValueError(
                f"equilibration_ps {self.equilibration_ps:g} leaves nothing of time_ps "
                f"{self.time_ps:g}; run longer or leave out less"
            )
        return self

    @property
    def n_steps(self) -> int:
        """Steps of each run."""
        return max(1, round(self.time_ps * 1000 / self.timestep_fs))
