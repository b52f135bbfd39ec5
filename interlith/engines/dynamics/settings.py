"""What a molecular dynamics run is asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from interlith.errors import InputError
from interlith.records import Record

Ensemble = Literal[
    "nve", "nvt_langevin", "nvt_bussi", "nvt_nose_hoover", "npt_isotropic", "npt_cell"
]
CONSTANT_PRESSURE = ("npt_isotropic", "npt_cell")


class GuardSettings(Record):
    """Bounds past which a run is stopped; None switches a guard off.

    Attributes
    ----------
    max_temperature_k : float or None
        By default three times the highest temperature set, and at least 1000 K above it.
    min_distance_ratio : float or None
        Smallest distance of two atoms as a fraction of the sum of their covalent radii.
    max_step_angstrom : float or None
        Farthest that an atom may move in one step.
    max_drift_mev_per_atom_per_ps : float or None
        Slope of the total energy (NVE only), tested from 0.5 ps on.
    framework : tuple of str
        Elements that make up the framework; empty switches the next guard off.
    max_framework_rmsd_angstrom : float or None
        Root mean square displacement of the framework from its start, common drift removed, in
        fractional coordinates of the moving cell.
    """

    max_temperature_k: float | Literal["default"] | None = "default"
    min_distance_ratio: float | None = Field(default=0.45, gt=0, lt=1)
    max_step_angstrom: float | None = Field(default=0.5, gt=0)
    max_drift_mev_per_atom_per_ps: float | None = Field(default=10.0, gt=0)
    framework: tuple[str, ...] = ()
    max_framework_rmsd_angstrom: float | None = Field(default=1.5, gt=0)


class MDSettings(Record):
    """Everything but atoms and potential that a trajectory depends on.

    Attributes
    ----------
    ensemble : str
        ``nve``, ``nvt_langevin``, ``nvt_bussi``, ``nvt_nose_hoover`` (chain of three),
        ``npt_isotropic`` or ``npt_cell`` (Martyna-Tobias-Klein, all six cell parameters, or the
        lengths of the vectors named by ``free_axes``).
    temperature_k, temperature_end_k : float
        Temperature set; with an end it changes linearly over ``steps``.
    steps : int
        Steps in all, those before an interruption included.
    thermostat_time_fs, barostat_time_fs : float
        Time constants of Bussi's and of the Nose-Hoover chains.
    velocities : str
        ``draw`` them from Maxwell's distribution at ``temperature_k``, or ``keep`` the atoms'.
    frame_every, checkpoint_every : int
        Steps between frames and between checkpoints.
    guards : GuardSettings
        May be changed when a run goes on, as may ``steps`` where the temperature is constant.
    """

    ensemble: Ensemble = "nvt_langevin"
    temperature_k: float = Field(default=300.0, gt=0, allow_inf_nan=False)
    temperature_end_k: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    pressure_gpa: float = Field(default=0.0, allow_inf_nan=False)
    timestep_fs: float = Field(default=2.0, gt=0, le=20)
    steps: int = Field(default=1000, ge=1)
    friction_per_ps: float = Field(default=5.0, gt=0, allow_inf_nan=False)
    thermostat_time_fs: float = Field(default=100.0, gt=0, allow_inf_nan=False)
    barostat_time_fs: float = Field(default=1000.0, gt=0, allow_inf_nan=False)
    free_axes: tuple[bool, bool, bool] | None = None
    velocities: Literal["draw", "keep"] = "draw"
    seed: int = Field(default=0, ge=0)
    frame_every: int = Field(default=10, ge=1)
    checkpoint_every: int = Field(default=1000, ge=1)
    guards: GuardSettings = GuardSettings()

    @model_validator(mode="after")
    def _check(self) -> MDSettings:
        if self.ensemble == "nve" and self.temperature_end_k is not None:
            raise ValueError("an NVE run has no thermostat, so temperature_end_k has no meaning")
        if self.free_axes is not None and (self.ensemble != "npt_cell" or not any(self.free_axes)):
            raise ValueError("free_axes needs the ensemble npt_cell and at least one axis")
        if self.pressure_gpa and self.ensemble not in CONSTANT_PRESSURE:
            raise ValueError(f"pressure_gpa needs one of {', '.join(CONSTANT_PRESSURE)}")
        return self

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> MDSettings:
        """Settings from a mapping such as a study's.

        Raises
        ------
        InputError
            If a key is not known or a value out of range.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            wrong = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise InputError(f"MD settings cannot be used: {'; '.join(wrong)}") from error

    @property
    def constant_pressure(self) -> bool:
        """Whether the cell moves, which needs the stress."""
        return self.ensemble in CONSTANT_PRESSURE

    def target_k(self, step: int) -> float:
        """Temperature set at a step."""
        if self.temperature_end_k is None:
            return self.temperature_k
        share = min(1.0, step / self.steps)
        return self.temperature_k + share * (self.temperature_end_k - self.temperature_k)

    def differences(self, other: MDSettings) -> list[str]:
        """What keeps a run with these settings from being continued with others."""
        may_differ = {"guards"} | ({"steps"} if self.temperature_end_k is None else set())
        mine, theirs = self.to_json(), other.to_json()
        return [
            f"{name} was {mine[name]} and is now {theirs[name]}"
            for name in mine
            if name not in may_differ and mine[name] != theirs[name]
        ]
