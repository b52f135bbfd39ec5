"""One structure solved with cures: every attempt recorded with its log."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from interlith.engines.electronic.cures import Cure, cured, cures
from interlith.engines.electronic.live_gpaw import Answer, LiveGpaw, NotConvergedError
from interlith.engines.electronic.records import Attempt
from interlith.errors import FailureError

if TYPE_CHECKING:
    from ase import Atoms

    from interlith.engines.electronic.settings import DftSettings


class Solver(Protocol):
    """What solves one structure: in this process, or in MPI processes."""

    def solve(
        self, atoms: Atoms, settings: DftSettings, log: Path, *, stress: bool = True
    ) -> Answer:
        """Energy, forces, stress and moments."""

    def close(self) -> None:
        """Give back memory, files and processes."""


def solver_for(settings: DftSettings) -> Solver:
    """A solver with as many processes as the settings ask for."""
    if settings.ranks == 1:
        return LiveGpaw()
    from interlith.engines.electronic.gpaw_ranks import RankedGpaw

    return RankedGpaw(settings.ranks)


class UnsolvedError(FailureError):
    """No attempt converged; carries the attempts."""

    def __init__(self, message: str, attempts: tuple[Attempt, ...], converging: bool) -> None:
        super().__init__(message)
        self.attempts = attempts
        self.converging = converging


def solve(
    solver: Solver,
    atoms: Atoms,
    settings: DftSettings,
    log: Path,
    *,
    stress: bool = True,
    with_cures: bool = True,
) -> tuple[Answer, DftSettings, tuple[Attempt, ...]]:
    """Solve, trying the cures of :func:`~interlith.engines.electronic.cures.cures` in turn.

    Parameters
    ----------
    log : path
        Of the first attempt; cure N writes ``NAME-cureN.log`` beside it.

    Returns
    -------
    Answer, DftSettings, tuple of Attempt
        The answer, the settings that gave it, and what was tried.

    Raises
    ------
    UnsolvedError
        If none converged.
    """
    attempts: list[Attempt] = []
    tries = (Cure({}), *(cures(settings) if with_cures else ()))
    for number, cure in enumerate(tries):
        chosen = cured(settings, cure) if cure.change else settings
        path = log if not number else log.with_name(f"{log.stem}-cure{number}{log.suffix}")
        begin = time.monotonic()
        try:
            answer = solver.solve(atoms, chosen, path, stress=stress)
        except NotConvergedError as error:
            attempts.append(_attempt(cure, path, begin, reason=str(error)))
            continue
        except FailureError as error:
            attempts.append(_attempt(cure, path, begin, reason=str(error)))
            raise UnsolvedError(f"{error}; see {path}", tuple(attempts), False) from error
        attempts.append(_attempt(cure, path, begin, iterations=answer.iterations))
        return answer, chosen, tuple(attempts)
    tried = "; ".join(", ".join(cure.change) or "as asked" for cure in tries)
    raise UnsolvedError(
        f"the SCF of {atoms.get_chemical_formula()} did not converge (tried: {tried}); the logs "
        f"are in {log.parent}",
        tuple(attempts),
        True,
    )


def _attempt(
    cure: Cure,
    path: Path,
    begin: float,
    *,
    iterations: int | None = None,
    reason: str | None = None,
) -> Attempt:
    return Attempt(
        change=cure.change,
        log=path.name,
        converged=reason is None,
        iterations=iterations,
        reason=reason,
        wall_s=time.monotonic() - begin,
    )
