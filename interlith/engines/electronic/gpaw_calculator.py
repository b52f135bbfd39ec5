"""An ASE calculator around GPAW that can be copied, pickled and named in a job."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from ase.calculators.calculator import Calculator, all_changes

from interlith.engines.electronic.checks import check_gpaw_input
from interlith.engines.electronic.settings import (
    DftSettings,
    Task,
    reciprocal_lengths,
    settings_for,
)
from interlith.engines.electronic.solving import Solver, UnsolvedError, solve, solver_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

    from interlith.engines.electronic.live_gpaw import Answer
    from interlith.engines.electronic.records import Attempt

KEEP_GRID_WITHIN = 0.15
"""Change of a reciprocal length up to which a structure keeps the k points of the one before."""


class GpawCalculator(Calculator):
    """GPAW with settings by task and chemistry.

    It holds settings only: copies share nothing, and a copy starts its own calculation. Cut-off,
    k points, moments, U and smearing come from the first atoms it is given and stay while the
    elements stay and the cell does not change by more than 15 %, so that a relaxation compares
    like with like. Wave functions are handed from step to step.

    Parameters
    ----------
    task : {"static", "relax", "cell_relax", "md", "neb"}
        Decides cut-off, k points and symmetry.
    log : path, optional
        GPAW's log, appended to; without one it is in a temporary folder that goes with the
        calculator, and stays where a calculation failed.
    stress : bool
        False leaves the stress out.
    settings : DftSettings or dict, optional
        All settings at once, used as they are for every structure.
    overrides
        Fields of :class:`~interlith.engines.electronic.settings.DftSettings`.

    Attributes
    ----------
    attempts : tuple of Attempt
        Of the last structure.
    history : tuple of Attempt
        Of every structure that did not converge at once.
    used : DftSettings or None
        What gave the last answer: the settings asked for, or those of a cure.
    altered : str or None
        How a cure changed what was computed, not only how.
    """

    def __init__(
        self,
        task: Task = "static",
        *,
        log: str | Path | None = None,
        stress: bool = True,
        settings: DftSettings | dict[str, Any] | None = None,
        **overrides: Any,
    ) -> None:
        Calculator.__init__(self)
        self.task: Task = task
        self.log = None if log is None else Path(log)
        self.stress = stress
        self.overrides = overrides
        self.fixed = None if settings is None else DftSettings.model_validate(_plain(settings))
        self.implemented_properties = ["energy", "free_energy", "forces", "magmom", "magmoms"]
        if stress:
            self.implemented_properties.append("stress")
        self._solver: Solver | None = None
        self._settings: DftSettings | None = None
        self._seen: tuple[list[int], npt.NDArray[np.float64]] | None = None
        self._temporary: str | None = None
        self.answer: Answer | None = None
        self.used: DftSettings | None = None
        self.altered: str | None = None
        self._asked: DftSettings | None = None
        self.attempts: tuple[Attempt, ...] = ()
        self.history: tuple[Attempt, ...] = ()

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Solve and keep energy, forces, stress and moments.

        Raises
        ------
        InputError
            If the structure cannot be computed (see :mod:`interlith.engines.electronic.checks`).
        UnsolvedError
            If no attempt converged.
        """
        Calculator.calculate(self, atoms, list(properties), list(system_changes))
        now: Any = self.atoms
        settings = self._settings_now(now)
        if self._solver is None:
            self._solver = solver_for(settings)
        try:
            self.answer, chosen, self.attempts = solve(
                self._solver, now, settings, self._log_path(), stress=self.stress
            )
        except UnsolvedError as error:
            self.attempts = error.attempts
            self.history += error.attempts
            self._temporary = None  # the log stays: it is all there is to look at
            raise
        if len(self.attempts) > 1:
            self.history += self.attempts
        self.used = chosen
        wider = self._asked is not None and chosen.smearing_ev != self._asked.smearing_ev
        self.altered = f"only with smearing {chosen.smearing_ev:g} eV" if wider else None
        self._settings = chosen  # a cure that helped is kept
        self.results = dict(self.answer.results)

    def forget(self) -> None:
        """Take the next structure's settings from it alone, as if it were the first."""
        self._settings = self._seen = None

    def close(self) -> None:
        """Close the log and give back memory and processes; the calculator can be used again."""
        if self._solver is not None:
            self._solver.close()
        self._solver = self._settings = self._seen = None
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = None

    def todict(self, skip_default: bool = True) -> dict[str, Any]:
        """The arguments that make this calculator."""
        return {
            "task": self.task,
            "log": None if self.log is None else str(self.log),
            "stress": self.stress,
            "settings": None if self.fixed is None else self.fixed.model_dump(mode="json"),
            **self.overrides,
        }

    def as_dict(self) -> dict[str, Any]:
        """As monty and jobflow store it."""
        return {"@module": "interlith.engines.dft", "@class": "GpawCalculator", **self.todict()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> GpawCalculator:
        """From :meth:`as_dict`."""
        return cls(**{key: value for key, value in data.items() if not key.startswith("@")})

    def __deepcopy__(self, memo: dict[int, Any]) -> GpawCalculator:
        return type(self)(**self.todict())

    def __reduce__(self) -> tuple[Any, ...]:
        return (_again, (self.todict(),))

    def __del__(self) -> None:
        if getattr(self, "_solver", None) is not None:
            self.close()

    def _settings_now(self, atoms: Atoms) -> DftSettings:
        numbers = [int(n) for n in (*atoms.numbers, *atoms.pbc)]
        lengths = reciprocal_lengths(atoms)
        if self._settings is not None and self._seen is not None:
            before, known = self._seen
            if before == numbers and np.allclose(lengths, known, rtol=KEEP_GRID_WITHIN):
                return self._settings
        settings = self.fixed or settings_for(atoms, self.task, **self.overrides)
        check_gpaw_input(atoms, settings)
        self._settings, self._seen, self._asked = settings, (numbers, lengths), settings
        return settings

    def _log_path(self) -> Path:
        if self.log is not None:
            return self.log
        if self._temporary is None:
            self._temporary = tempfile.mkdtemp(prefix="interlith-gpaw-")
        return Path(self._temporary) / "gpaw.log"


def _again(arguments: dict[str, Any]) -> GpawCalculator:
    return GpawCalculator(**arguments)


def _plain(settings: DftSettings | dict[str, Any]) -> dict[str, Any]:
    return settings.model_dump() if isinstance(settings, DftSettings) else settings
