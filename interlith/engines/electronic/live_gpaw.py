"""A GPAW calculation that lives in this process: solves, keeps its density, closes its log."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from interlith.engines.electronic.gpaw_arguments import gpaw_arguments, prepared
from interlith.errors import FailureError, InterlithError

if TYPE_CHECKING:
    from ase import Atoms

    from interlith.engines.electronic.settings import DftSettings


GPAW_ERRORS = (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError)
"""What GPAW raises on input that it cannot take, its own errors being among the last."""


class NotConvergedError(FailureError):
    """The SCF ran out of steps."""


@dataclass(frozen=True)
class Answer:
    """What one SCF gave: ASE's property names to values, and the number of iterations."""

    results: dict[str, Any]
    iterations: int
    band_gap_ev: float | None = None
    fermi_level_ev: float | None = None


@dataclass
class LiveGpaw:
    """Solves one structure after another; neighbours in time share the density.

    Wave functions and density are handed on while elements, periodicity and settings stay.
    """

    _gpaw: Any = None
    _settings: DftSettings | None = None
    _numbers: list[int] = field(default_factory=list)
    _log: IO[str] | None = None

    def solve(
        self, atoms: Atoms, settings: DftSettings, log: Path, *, stress: bool = True
    ) -> Answer:
        """Energy, forces, moments and, where asked, stress.

        Raises
        ------
        NotConvergedError
            If the SCF steps ran out.
        FailureError
            If GPAW gave up for another reason.
        """
        from gpaw import ConvergenceError
        from gpaw.new.symmetry import SymmetryBrokenError

        try:
            if not self._fits(atoms, settings):
                self._start(atoms, settings, log)
            with _quiet_about_grids():
                try:
                    return self._collect(prepared(atoms, settings), stress)
                except SymmetryBrokenError:  # the atoms left the symmetry of those before
                    self._start(atoms, settings, log)
                    return self._collect(prepared(atoms, settings), stress)
        except ConvergenceError as error:
            self.close()
            raise NotConvergedError(
                f"the SCF of {atoms.get_chemical_formula()} did not converge in "
                f"{settings.scf_steps} steps"
            ) from error
        except InterlithError:
            self.close()
            raise
        except GPAW_ERRORS as error:
            self.close()
            raise FailureError(
                f"GPAW failed on {atoms.get_chemical_formula()}: {_first_line(error)}"
            ) from error

    @property
    def gpaw(self) -> Any:
        """GPAW's own object of the last structure, for its levels and potential; None if none."""
        return self._gpaw

    def close(self) -> None:
        """Let go of the wave functions and the log file."""
        self._gpaw = None
        self._settings = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def _fits(self, atoms: Atoms, settings: DftSettings) -> bool:
        return (
            self._gpaw is not None
            and settings == self._settings
            and [*atoms.numbers, *atoms.pbc] == self._numbers
        )

    def _start(self, atoms: Atoms, settings: DftSettings, log: Path) -> None:
        from gpaw import GPAW

        self.close()
        self._log = log.open("a", encoding="utf-8")
        self._gpaw = GPAW(**gpaw_arguments(settings), txt=self._log)
        self._settings = settings
        self._numbers = [*atoms.numbers, *atoms.pbc]

    def _collect(self, atoms: Atoms, stress: bool) -> Answer:
        gpaw = self._gpaw
        results: dict[str, Any] = {
            "energy": float(gpaw.get_property("energy", atoms)),
            "free_energy": float(gpaw.get_property("free_energy", atoms)),
            "forces": gpaw.get_property("forces", atoms),
        }
        if stress:
            results["stress"] = gpaw.get_property("stress", atoms)
        if self._settings is not None and self._settings.spin_polarised:
            results["magmom"] = float(gpaw.get_property("magmom", atoms))
            results["magmoms"] = gpaw.get_property("magmoms", atoms)
        if self._log is not None:
            self._log.flush()
        top, bottom = (float(level) for level in gpaw.get_homo_lumo())
        return Answer(
            results=results,
            iterations=int(gpaw.get_number_of_iterations()),
            band_gap_ev=max(0.0, bottom - top) if isfinite(bottom - top) else None,
            fermi_level_ev=float(gpaw.get_fermi_level()),
        )


def _first_line(error: Exception) -> str:
    """What GPAW says, or the line of its code that says nothing."""
    name, said = type(error).__name__, str(error).strip()
    if said:
        return f"{name} {said.splitlines()[0]}"
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{name} at '{where.line}' ({Path(where.filename).name}, line {where.lineno})"


@contextmanager
def _quiet_about_grids() -> Iterator[None]:
    """GPAW warns when it makes its grid fit the symmetry, which is no news to anyone."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Initial realspace grid")
        warnings.filterwarnings("ignore", message="Using symmetrized grid")
        yield
