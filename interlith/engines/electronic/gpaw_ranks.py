"""GPAW in MPI processes of its own: a worker that is started once and asked again and again.

The worker (``python -m interlith.engines.electronic.gpaw_worker`` under ``mpirun``) keeps its wave
functions between questions. Questions and answers are one JSON document a line.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from interlith.engines.electronic.live_gpaw import Answer, NotConvergedError
from interlith.engines.electronic.records import DftStructure
from interlith.errors import FailureError, MissingDependencyError

if TYPE_CHECKING:
    from ase import Atoms

    from interlith.engines.electronic.settings import DftSettings

WORKER = "interlith.engines.electronic.gpaw_worker"
MARK = "interlith-answer "
ARRAYS = ("forces", "stress", "magmoms")
LAST_WORDS = 2000


@dataclass
class RankedGpaw:
    """A solver in ``ranks`` MPI processes."""

    ranks: int
    _process: subprocess.Popen[str] | None = None
    _errors: IO[str] | None = field(default=None, repr=False)

    def solve(
        self, atoms: Atoms, settings: DftSettings, log: Path, *, stress: bool = True
    ) -> Answer:
        """Energy, forces, moments and, where asked, stress.

        Raises
        ------
        NotConvergedError
            If the SCF steps ran out.
        FailureError
            If GPAW gave up, or its processes died.
        MissingDependencyError
            If there is no ``mpirun``.
        """
        question = {
            "structure": DftStructure.of(atoms).model_dump(),
            "settings": settings.model_dump(),
            "log": str(log.resolve()),
            "stress": stress,
        }
        found = self._ask(json.dumps(question))
        if "not_converged" in found:
            raise NotConvergedError(found["not_converged"])
        if "failed" in found:
            raise FailureError(found["failed"])
        results = {
            name: np.array(value) if name in ARRAYS else value
            for name, value in found.pop("results").items()
        }
        return Answer(results=results, **found)

    def close(self) -> None:
        """End the processes."""
        process, self._process = self._process, None
        if process is not None:
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        if self._errors is not None:
            self._errors.close()
            self._errors = None

    def _ask(self, question: str) -> dict[str, Any]:
        process = self._started()
        if process.stdin is None or process.stdout is None:
            raise FailureError("the MPI worker has no pipes")
        try:
            process.stdin.write(question + "\n")
            process.stdin.flush()
        except OSError as error:
            raise FailureError(f"the MPI worker is gone: {self._last_words()}") from error
        for line in process.stdout:  # other lines are MPI's own messages
            if line.startswith(MARK):
                answer: dict[str, Any] = json.loads(line.removeprefix(MARK))
                return answer
        raise FailureError(f"the MPI worker died: {self._last_words()}")

    def _started(self) -> subprocess.Popen[str]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        import tempfile

        self.close()
        self._errors = tempfile.TemporaryFile("w+")  # closed in close()
        self._process = subprocess.Popen(
            mpi_command(self.ranks),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=_environment(),
        )
        return self._process

    def _last_words(self) -> str:
        if self._errors is None:
            return "it said nothing"
        self._errors.seek(0)
        words = self._errors.read().strip()[-LAST_WORDS:]
        self.close()
        return words or "it said nothing"


def mpi_command(ranks: int) -> list[str]:
    """The command that starts the worker.

    Raises
    ------
    MissingDependencyError
        If there is no ``mpirun``.
    """
    if shutil.which("mpirun") is None:
        raise MissingDependencyError(
            f"ranks={ranks} needs mpirun; on Debian or Ubuntu 'apt-get install openmpi-bin', or "
            "leave ranks at 1"
        )
    return ["mpirun", "-n", str(ranks), sys.executable, "-m", WORKER]


def _environment() -> dict[str, str]:
    """One thread a process, more processes than cores if asked, and root may run them."""
    return {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "GPAW_MPI_BACKEND": "cgpaw",
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_rmaps_base_oversubscribe": "1",
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    }
