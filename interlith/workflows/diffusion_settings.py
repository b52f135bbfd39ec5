"""What a ladder of temperatures is asked to do: imported by the study without loading an engine."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class DiffusionSettings(BaseModel):
    """What a ladder of temperatures does.

    Attributes
    ----------
    time_ps, equilibration_ps : float
        Length of each run, and what is left out of the analysis at its start.
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
    time_ps: float = Field(50.0, gt=0)
    equilibration_ps: float = Field(5.0, ge=0)
    timestep_fs: float = Field(2.0, gt=0, le=10)
    frame_every: int = Field(25, ge=1)
    seeds: int = Field(1, ge=1, le=100)
    seed: int = Field(0, ge=0)
    mobile: str = "Li"
    min_length_angstrom: float = Field(9.5, gt=0)
    max_atoms: int = Field(400, ge=2)
    volume: Literal["relaxed", "as_given"] = "relaxed"

    @property
    def n_steps(self) -> int:
        """Steps of each run."""
        return max(1, round(self.time_ps * 1000 / self.timestep_fs))
