"""Remaking a reference set: one job per phase of the structure library, then one data file.

>>> from interlith.workflows.reference import build_reference_set
>>> build_reference_set("my-set", names=["Li", "LiCl", "Cl2"])  # doctest: +SKIP

A finished phase is one JSON file in the work folder, written in one go; a later run takes it up
again as long as structure, potentials and settings are the same. So a run that was killed goes
on where it stopped, and a changed structure is the only one computed anew.
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

from interlith.engines.potentials import potential
from interlith.errors import OutputError
from interlith.structures.library import LIBRARY_FOLDER, list_phases, load_phase
from interlith.workflows.reference_data import write_data_file
from interlith.workflows.reference_phase import (
    PhaseResult,
    ReferenceSettings,
    phase_key,
    relax_phase,
)

DATA_FILE = "reference.json"


@dataclass
class ReferenceSetMaker(Maker):
    """Flow that relaxes phases of the library and collects them into one data file.

    Attributes
    ----------
    settings : ReferenceSettings
        Potentials, tolerances and the rattle.
    library : str
        Folder of the YAML files.
    set_name : str
        Name written into the data file.
    """

    name: str = "reference set"
    settings: ReferenceSettings = field(default_factory=ReferenceSettings)
    library: str = str(LIBRARY_FOLDER)
    set_name: str = "sevennet-l3i5-v1"

    def make(
        self, folder: str | Path, names: Sequence[str] | None = None, *, progress: bool = False
    ) -> Flow:
        """Build the flow.

        Parameters
        ----------
        folder : path
            Work folder of the per-phase files; the data file is written there too.
        names : list of str, optional
            Phases; all of the library by default.
        progress : bool
            One line per phase on stderr.

        Raises
        ------
        InputError
            If a name is not in the library.
        """
        names = list(names or _ordered_phases(Path(self.library)))
        for name in names:
            load_phase(name, Path(self.library))
        folder = str(Path(folder).resolve())
        jobs: list[Job] = []
        for i, name in enumerate(names):
            place = {"position": i + 1, "total": len(names)} if progress else None
            one = phase_job(name, folder, self.library, self.settings.model_dump(), place)
            one.update_metadata({"phase": name})
            one.name = f"relax {name}"
            jobs.append(one)
        collected = collect_job(
            [one.output for one in jobs],
            folder,
            self.library,
            self.settings.model_dump(),
            self.set_name,
        )
        return Flow([*jobs, collected], output=collected.output, name=self.name)


def _ordered_phases(library: Path) -> list[str]:
    """Phases with one atom a site: the others need an ordering before they have an energy."""
    return [name for name in list_phases(library) if load_phase(name, library).is_ordered]


@job
def phase_job(
    name: str,
    folder: str,
    library: str,
    settings: dict[str, Any],
    place: dict[str, int] | None = None,
) -> dict[str, Any]:
    """Relax one phase unless its file is there already; the output is a short summary."""
    begin = time.monotonic()
    result = finish_phase(name, Path(folder), Path(library), ReferenceSettings(**settings))
    if place:
        _report(result, place, begin)
    return {"name": name, "status": result.status, "reason": result.reason}


@job
def collect_job(
    summaries: list[dict[str, Any]],
    folder: str,
    library: str,
    settings: dict[str, Any],
    set_name: str,
) -> dict[str, Any]:
    """Write the data file from the per-phase files."""
    results = [read_phase(Path(folder) / f"{one['name']}.json") for one in summaries]
    target = Path(folder) / DATA_FILE
    write_data_file(
        target, [r for r in results if r], Path(library), ReferenceSettings(**settings), set_name
    )
    failed = [one for one in summaries if one["status"] != "ok"]
    return {"file": str(target), "n_phases": len(summaries), "failed": failed}


def build_reference_set(
    folder: str | Path,
    names: Sequence[str] | None = None,
    *,
    progress: bool = True,
    maker: ReferenceSetMaker | None = None,
) -> dict[str, Any]:
    """Run the whole flow in this process; resumes what the folder already holds.

    Returns
    -------
    dict
        ``file`` (the data file), ``n_phases`` and ``failed`` (name, status, reason).

    Raises
    ------
    OutputError
        If the folder cannot be written.
    MissingDependencyError
        If the potentials are not installed.
    FailureError
        If no data file came about, for example because an element has no zero.
    """
    from interlith.workflows.local import run_flow

    maker = maker or ReferenceSetMaker()
    for name in (maker.settings.first, maker.settings.second):
        potential(name)  # refuses an unknown or not installed one before anything is written
    folder = Path(folder).resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot write into {folder} ({error.strerror}); name a folder of your own"
        ) from error
    flow = maker.make(folder, names, progress=progress)
    output: dict[str, Any] = run_flow(flow)
    return output


def finish_phase(
    name: str, folder: Path, library: Path, settings: ReferenceSettings
) -> PhaseResult:
    """The phase's result from its file if it still holds, otherwise relaxed now and written."""
    facts = load_phase(name, library)
    path = folder / f"{name}.json"
    known = read_phase(path)
    if known and known.status == "ok" and known.key == phase_key(facts, settings):
        return known
    result = relax_phase(facts, settings)
    write_atomically(path, json.dumps(result.to_json(), indent=1))
    return result


def read_phase(path: Path) -> PhaseResult | None:
    """A per-phase file, or None if there is none or it is not of this version."""
    try:
        return PhaseResult.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError, ValueError):
        return None


def write_atomically(path: Path, text: str) -> None:
    """Write a whole file or none of it.

    Raises
    ------
    OutputError
        If the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OutputError(f"cannot write {path} ({error.strerror})") from error


_begun: dict[int, float] = {}


def _report(result: PhaseResult, place: dict[str, int], begin: float) -> None:
    """One line on stderr with the time left, judged from the phases done so far."""
    now = time.monotonic()
    if place["position"] == 1:
        _begun[place["total"]] = begin
    elapsed = now - _begun.get(place["total"], begin)
    left = elapsed / place["position"] * (place["total"] - place["position"])
    text = result.reason or ", ".join(
        f"{name} {energy:.4f} eV/atom" for name, energy in result.energy_ev_per_atom.items()
    )
    print(
        f"[{place['position']}/{place['total']}] {result.name}: {text} "
        f"({now - begin:.0f} s, about {left / 60:.0f} min left)",
        file=sys.stderr,
        flush=True,
    )
