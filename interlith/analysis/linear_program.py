"""One HiGHS solver object, reused: the small linear programs behind every hull question.

Each program is ``min cost @ y - slope * t`` over phase amounts ``y >= 0`` and one position ``t``,
subject to ``phases @ y - direction * t = origin``: the lowest energy of any phase mixture whose
composition lies on the line ``origin + t * direction``. See [Huangfu2018]_ in
``docs/references.bib`` for the solver.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from itertools import count

import highspy
import numpy as np
import numpy.typing as npt

from interlith.errors import SolverError

FloatArray = npt.NDArray[np.float64]

_OPTIMAL = highspy.HighsModelStatus.kOptimal


@dataclass(frozen=True)
class Vertex:
    """An optimal vertex of one program.

    Attributes
    ----------
    energy : float
        Cost of the phases alone (without the ``slope * t`` term), eV.
    position : float
        Value of ``t``.
    amounts : ndarray
        (n_phases,) amount of each phase, in the unit of the phase columns.
    """

    energy: float
    position: float
    amounts: FloatArray


class LineProgram:
    """The program above over a fixed set of phases, for any line, slope and interval.

    Parameters
    ----------
    phases : ndarray
        (n_elements, n_phases) composition columns.
    cost : ndarray
        (n_phases,) energy of one unit of each column, eV.

    Notes
    -----
    Presolve is off: the programs have a handful of rows, so presolve costs more than the
    solution. Successive solves on one line start from the last basis.
    """

    def __init__(self, phases: FloatArray, cost: FloatArray) -> None:
        self._n_rows, self._n_phases = phases.shape
        self._cost = np.ascontiguousarray(cost, dtype=np.float64)
        columns, rows = np.nonzero(phases.T)
        self._values = np.ascontiguousarray(phases.T[columns, rows])
        self._rows = rows.astype(np.int32)
        self._starts = np.searchsorted(columns, np.arange(self._n_phases + 1)).astype(np.int32)
        self._shared = _shared_solver()
        self._token = next(_tokens)

    def minimum(
        self,
        origin: FloatArray,
        direction: FloatArray,
        slope: float = 0.0,
        interval: tuple[float, float] = (0.0, 0.0),
    ) -> Vertex:
        """Solve for the lowest ``energy - slope * t`` with ``t`` in ``interval``.

        Raises
        ------
        SolverError
            If HiGHS reports anything but an optimum.
        """
        t_column = self._n_phases
        shared, solver = self._shared, self._shared.solver
        line = (self._token, origin.tobytes(), direction.tobytes())
        if line != shared.loaded:
            shared.loaded = None
            self._pass(origin, direction, slope, interval)
            shared.loaded = line
        else:
            solver.changeColCost(t_column, -slope)
            solver.changeColBounds(t_column, interval[0], interval[1])
        solver.run()
        if solver.getModelStatus() != _OPTIMAL:
            solver.clearSolver()
            solver.run()
        if solver.getModelStatus() != _OPTIMAL:
            status = solver.modelStatusToString(solver.getModelStatus())
            shared.loaded = None
            raise SolverError(
                f"the solver found no optimum ({status}) for {self._n_rows} elements and "
                f"{self._n_phases} phases; check that every element has a phase of its own"
            )
        values = np.asarray(solver.getSolution().col_value)
        amounts = values[:t_column]
        return Vertex(float(self._cost @ amounts), float(values[t_column]), amounts)

    def _pass(
        self,
        origin: FloatArray,
        direction: FloatArray,
        slope: float,
        interval: tuple[float, float],
    ) -> None:
        n = self._n_phases
        moved = np.flatnonzero(direction).astype(np.int32)
        lower = np.zeros(n + 1)
        upper = np.full(n + 1, highspy.kHighsInf)
        lower[n], upper[n] = interval
        starts = np.append(self._starts, self._starts[-1] + len(moved)).astype(np.int32)
        self._shared.solver.passModel(
            n + 1,
            self._n_rows,
            len(self._rows) + len(moved),
            int(highspy.MatrixFormat.kColwise),
            int(highspy.ObjSense.kMinimize),
            0.0,
            np.append(self._cost, -slope),
            lower,
            upper,
            origin,
            origin,
            starts,
            np.concatenate([self._rows, moved]),
            np.concatenate([self._values, -direction[moved]]),
            np.zeros(n + 1, dtype=np.int32),
        )


class _SharedSolver:
    """One solver per thread, and which program and line it holds at the moment."""

    def __init__(self) -> None:
        self.loaded: tuple[int, bytes, bytes] | None = None
        self.solver = highspy.Highs()
        for name, value in (
            ("output_flag", False),
            ("presolve", "off"),
            ("solver", "simplex"),
            ("simplex_strategy", 4),  # primal: along a line only costs change
            ("threads", 1),
            ("primal_feasibility_tolerance", 1e-10),
            ("dual_feasibility_tolerance", 1e-10),
        ):
            self.solver.setOptionValue(name, value)


_local = threading.local()
_tokens = count()


def _shared_solver() -> _SharedSolver:
    if not hasattr(_local, "shared"):
        _local.shared = _SharedSolver()
    shared: _SharedSolver = _local.shared
    return shared
