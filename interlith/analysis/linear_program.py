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
_COLUMNWISE = int(highspy.MatrixFormat.kColwise)
_MINIMIZE = int(highspy.ObjSense.kMinimize)


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
    columns : (ndarray, ndarray, ndarray)
        Compositions as compressed columns: starts (n_phases + 1,), row and value of each entry.
    n_rows : int
        Number of elements.
    cost : ndarray
        (n_phases,) energy of one unit of each column, eV.

    Notes
    -----
    Presolve is off: the programs have a handful of rows, so presolve costs more than the
    solution. Successive solves on one line start from the last basis.
    """

    def __init__(
        self,
        columns: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], FloatArray],
        n_rows: int,
        cost: FloatArray,
    ) -> None:
        starts, rows, values = columns
        n, self._n_entries = len(cost), len(values)
        self._n_rows, self._n_phases = n_rows, n
        self._cost = cost
        # room for one more column, the position t, behind the phases
        self._starts = np.empty(n + 2, dtype=np.int32)
        self._starts[:-1] = starts
        self._rows = np.empty(self._n_entries + n_rows, dtype=np.int32)
        self._rows[: self._n_entries] = rows
        self._values = np.empty(self._n_entries + n_rows)
        self._values[: self._n_entries] = values
        self._costs = np.append(cost, 0.0)
        self._lower = np.zeros(n + 1)
        self._upper = np.full(n + 1, highspy.kHighsInf)
        self._integrality = np.zeros(n + 1, dtype=np.int32)
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
        moved = direction.nonzero()[0]
        end = self._n_entries + len(moved)
        self._rows[self._n_entries : end] = moved
        self._values[self._n_entries : end] = -direction[moved]
        self._starts[n + 1] = end
        self._costs[n] = -slope
        self._lower[n], self._upper[n] = interval
        self._shared.solver.passModel(
            n + 1,
            self._n_rows,
            end,
            _COLUMNWISE,
            _MINIMIZE,
            0.0,
            self._costs,
            self._lower,
            self._upper,
            origin,
            origin,
            self._starts,
            self._rows[:end],
            self._values[:end],
            self._integrality,
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
            ("simplex_scale_strategy", 0),  # atomic fractions need no scaling
            ("simplex_primal_edge_weight_strategy", 0),  # few rows: Dantzig's rule is enough
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
