"""The MPI side of :mod:`interlith.engines.electronic.gpaw_ranks`: reads questions, prints answers.

Every rank runs this module; rank 0 reads a line and hands it to the others.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from interlith.engines.electronic.gpaw_ranks import MARK
from interlith.engines.electronic.live_gpaw import LiveGpaw, NotConvergedError
from interlith.engines.electronic.records import DftStructure
from interlith.engines.electronic.settings import DftSettings
from interlith.errors import FailureError


def main() -> None:
    """Answer until the input ends."""
    from gpaw.mpi import broadcast, world

    live = LiveGpaw()
    while True:
        line = broadcast(sys.stdin.readline() if world.rank == 0 else None, 0, comm=world)
        if not line:
            break
        answer = _answer(live, json.loads(line))
        if world.rank == 0:
            print(MARK + json.dumps(answer), flush=True)
    live.close()


def _answer(live: LiveGpaw, question: dict[str, Any]) -> dict[str, Any]:
    atoms = DftStructure.model_validate(question["structure"]).atoms()
    settings = DftSettings.model_validate(question["settings"])
    try:
        found = live.solve(atoms, settings, Path(question["log"]), stress=question["stress"])
    except NotConvergedError as error:
        return {"not_converged": str(error)}
    except FailureError as error:
        return {"failed": str(error)}
    results = {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in found.results.items()
    }
    return {
        "results": results,
        "iterations": found.iterations,
        "band_gap_ev": found.band_gap_ev,
        "fermi_level_ev": found.fermi_level_ev,
    }


if __name__ == "__main__":
    main()
