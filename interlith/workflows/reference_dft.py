"""A DFT reference set: one job per phase, in an order that completes chemical systems early.

>>> from interlith.workflows.reference_dft import build_dft_reference_set
>>> build_dft_reference_set("my-pbe-set", names=["Li", "LiCl", "Cl2"])  # doctest: +SKIP

The work folder holds ``geometry/NAME.json`` (relaxed with the embedded potential),
``calculations/NAME/`` (GPAW's records and logs) and ``energies/NAME.json``, the finished phase. A
later run takes up what is there: a finished phase is not touched, a finished calculation of a
killed phase is read back.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobflow.core.flow import Flow
from jobflow.core.job import Job, job
from jobflow.core.maker import Maker
from pydantic import ValidationError

from interlith.analysis.builtin_reference import BUILTIN, DATA_FOLDER
from interlith.errors import OutputError
from interlith.structures.library import LIBRARY_FOLDER, load_phase
from interlith.workflows.reference import finish_phase, write_atomically
from interlith.workflows.reference_dft_phase import (
    DftPhaseResult,
    DftReferenceSettings,
    compute_phase,
    dft_phase_key,
)

DATA_FILE = "reference.json"
DFT_SET = BUILTIN[1]
GEOMETRIES, CALCULATIONS, ENERGIES = "geometry", "calculations", "energies"


@dataclass
class DftReferenceSetMaker(Maker):
    """Flow that computes phases of the library with DFT and collects them into one data file.

    Attributes
    ----------
    settings : DftReferenceSettings
        Engine, cut-off, k points and the relaxation before.
    library : str
        Folder of the YAML files.
    set_name : str
        Name written into the data file.
    """

    name: str = "DFT reference set"
    settings: DftReferenceSettings = field(default_factory=DftReferenceSettings)
    library: str = str(LIBRARY_FOLDER)
    set_name: str = "gpaw-pbe-v1"

    def make(
        self, folder: str | Path, names: Sequence[str] | None = None, *, progress: bool = False
    ) -> Flow:
        """Build the flow.

        Parameters
        ----------
        folder : path
            Work folder; the data file is written there too.
        names : list of str, optional
            Phases, computed in this order; the whole plan by default.
        progress : bool
            One line per phase on stderr, with the time left.

        Raises
        ------
        InputError
            If a name is not in the library.
        """
        from interlith.workflows.reference_plan import costs, planned_phases

        library = Path(self.library)
        names = list(names or planned_phases(library))
        weights = costs(names, library)
        place = str(Path(folder).resolve())
        settings = self.settings.model_dump(mode="json")
        jobs: list[Job] = []
        for i, name in enumerate(names):
            left = {
                "position": i + 1,
                "total": len(names),
                "weight": weights[i],
                "left": sum(weights[i + 1 :]),
            }
            one = dft_phase_job(name, place, self.library, settings, left if progress else None)
            one.update_metadata({"phase": name})
            one.name = f"energy of {name}"
            jobs.append(one)
        outputs = [one.output for one in jobs]
        collected = collect_dft_job(outputs, place, self.library, settings, self.set_name)
        return Flow([*jobs, collected], output=collected.output, name=self.name)


@job
def dft_phase_job(
    name: str,
    folder: str,
    library: str,
    settings: dict[str, Any],
    place: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Compute one phase unless its file is there already; the output is a short summary."""
    begin = time.monotonic()
    result = finish_dft_phase(name, Path(folder), Path(library), DftReferenceSettings(**settings))
    if place:
        _report(result, place, time.monotonic() - begin)
    return {"name": name, "status": result.status, "reason": result.reason}


@job
def collect_dft_job(
    summaries: list[dict[str, Any]],
    folder: str,
    library: str,
    settings: dict[str, Any],
    set_name: str,
) -> dict[str, Any]:
    """Write the data file from the finished phases."""
    from interlith.workflows.reference_dft_data import write_dft_data_file

    place = Path(folder)
    results = [read_dft_phase(place / ENERGIES / f"{one['name']}.json") for one in summaries]
    target = place / DATA_FILE
    write_dft_data_file(
        target, [r for r in results if r], Path(library), DftReferenceSettings(**settings), set_name
    )
    failed = [one for one in summaries if one["status"] != "ok"]
    return {"file": str(target), "n_phases": len(summaries), "failed": failed}


def build_dft_reference_set(
    folder: str | Path,
    names: Sequence[str] | None = None,
    *,
    progress: bool = True,
    maker: DftReferenceSetMaker | None = None,
    go_on: bool = False,
) -> dict[str, Any]:
    """Run the whole flow in this process; resumes what the folder already holds.

    Parameters
    ----------
    go_on : bool
        Take the phases that the shipped set holds over into the folder first.

    Returns
    -------
    dict
        ``file`` (the data file), ``n_phases`` and ``failed`` (name, status, reason).

    Raises
    ------
    OutputError
        If the folder cannot be written.
    MissingDependencyError
        If GPAW or the potentials are not installed.
    FailureError
        If no data file came about, for example because an element has no zero.
    """
    from interlith.engines.electronic.datasets import require_gpaw
    from interlith.engines.potentials import potential
    from interlith.workflows.local import run_flow
    from interlith.workflows.reference_dft_data import unpack_results

    maker = maker or DftReferenceSetMaker()
    require_gpaw()
    for name in (maker.settings.geometry.first, maker.settings.geometry.second):
        potential(name)
    folder = Path(folder).resolve()
    try:
        for part in (GEOMETRIES, CALCULATIONS, ENERGIES):
            (folder / part).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot write into {folder} ({error.strerror}); name a folder of your own"
        ) from error
    if go_on:
        unpack_results(DATA_FOLDER / f"{DFT_SET}-results.json", folder / ENERGIES)
    flow = maker.make(folder, names, progress=progress)
    output: dict[str, Any] = run_flow(flow)
    return output


def finish_dft_phase(
    name: str, folder: Path, library: Path, settings: DftReferenceSettings
) -> DftPhaseResult:
    """The phase's result from its file if it still holds, otherwise computed now and written."""
    facts = load_phase(name, library)
    path = folder / ENERGIES / f"{name}.json"
    known = read_dft_phase(path)
    if known and known.status == "ok" and known.key == dft_phase_key(facts, settings):
        return known
    geometry = finish_phase(name, folder / GEOMETRIES, library, settings.geometry)
    result = compute_phase(facts, geometry, settings, folder / CALCULATIONS / name)
    write_atomically(path, json.dumps(result.to_json(), indent=1))
    return result


def read_dft_phase(path: Path) -> DftPhaseResult | None:
    """A finished phase, or None if there is none or it is not of this version."""
    try:
        return DftPhaseResult.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError, ValueError):
        return None


_spent = {"seconds": 0.0, "weight": 0.0}
SHORT_S = 0.5
"""A phase that took less was read from its file and says nothing about the time left."""


def _report(result: DftPhaseResult, place: dict[str, Any], seconds: float) -> None:
    """One line on stderr with the time left, from the seconds per estimated cost so far."""
    if seconds > SHORT_S:
        _spent["seconds"] += seconds
        _spent["weight"] += place["weight"]
    rate = _spent["seconds"] / _spent["weight"] if _spent["weight"] else 0.0
    energy = result.energy_ev_per_atom
    text = result.reason if energy is None else f"{energy:.4f} eV/atom, {result.magnetic_order}"
    print(
        f"[{place['position']}/{place['total']}] {result.name}: {text} "
        f"({seconds:.0f} s, about {rate * place['left'] / 60:.0f} min left)",
        file=sys.stderr,
        flush=True,
    )
