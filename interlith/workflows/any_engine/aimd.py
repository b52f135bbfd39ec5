"""Dynamics by VASP: atomate2's maker, and its files turned into the common trajectory and record.

:func:`import_vasp_run` does the same for a folder that VASP left behind by other ways.
"""

from __future__ import annotations

import gzip
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from atomate2.utils.path import strip_hostname
from atomate2.vasp.jobs.base import vasp_job
from atomate2.vasp.jobs.md import MDMaker
from emmet.core.types.enums import StoreTrajectoryOption
from jobflow import Flow, job

from interlith.analysis.trajectories import open_trajectory
from interlith.engines.dynamics.records import MDRecord, TrajectoryFile
from interlith.engines.dynamics.settings import MDSettings
from interlith.engines.electronic.vasp_inputs import read_vasp_options, vasp_input_set
from interlith.engines.identity import PotentialIdentity
from interlith.errors import FailureError, InputError
from interlith.h5md import H5mdWriter
from interlith.provenance import file_sha256, provenance
from interlith.units import BOLTZMANN_EV_PER_K
from interlith.workflows.any_engine.records import as_structure, keep
from interlith.workflows.any_engine.vasp_jobs import prepare_job, vasp_identity

ENSEMBLES: dict[str, Any] = {
    "nve": "nve",
    "nvt_nose_hoover": "nvt",
    "nvt_langevin": "langevin",
    "npt_cell": "npt",
}
TRAJECTORY = "trajectory.h5"
BLOCK = 100
OWN_START = "VASP drew the velocities by itself: the seed was not used"
ELAPSED = re.compile(r"Elapsed time \(sec\):\s*([\d.]+)")


@dataclass
class DynamicsMaker(MDMaker):
    """atomate2's maker, without the steps in the database: they are in the trajectory file."""

    @vasp_job
    def make(self, structure: Any, prev_dir: str | Path | None = None) -> Any:
        """Run VASP; the document keeps the last step."""
        running: Any = MDMaker.make
        response = running.original(self, structure, prev_dir)
        for run in response.output.calcs_reversed or []:
            run.output.ionic_steps = (run.output.ionic_steps or [])[-1:]
        return response


def vasp_md_flow(
    structure: Any, engine: str, settings: dict[str, Any], folder: str, name: str
) -> Flow:
    """Prepare, run, convert: a flow whose output is an ``MDRecord`` as plain data.

    Raises
    ------
    InputError
        If VASP has no such ensemble or start.
    """
    chosen, options = MDSettings.read(settings), read_vasp_options(engine)
    check_settings(chosen)
    inputs = vasp_input_set(
        "md",
        options,
        ensemble=ENSEMBLES[chosen.ensemble],
        temperature_k=(chosen.temperature_k, chosen.temperature_end_k or chosen.temperature_k),
        steps=chosen.steps,
        timestep_fs=chosen.timestep_fs,
        pressure_gpa=chosen.pressure_gpa,
        friction_per_ps=chosen.friction_per_ps,
    )
    ready = prepare_job(structure, engine, "md")
    maker: Any = DynamicsMaker(
        name=name,
        input_set_generator=inputs,
        write_input_set_kwargs={"potcar_spec": True} if options.potcar_spec else {},
        task_document_kwargs={"store_trajectory": StoreTrajectoryOption.NO},
    )
    run = maker.make(ready.output["structure"])
    record = trajectory_job(run.output, ready.output["order"], chosen.to_json(), folder)
    ready.name, record.name = f"{name}: check", f"{name}: trajectory"
    return Flow([ready, run, record], output=record.output, name=name)


def check_settings(settings: MDSettings) -> None:
    """Refuse what VASP cannot do or does differently.

    Raises
    ------
    InputError
        Naming what it can.
    """
    if settings.ensemble not in ENSEMBLES:
        raise InputError(
            f"VASP has no ensemble '{settings.ensemble}' here; choose {', '.join(ENSEMBLES)}"
        )
    if settings.velocities == "keep" or settings.free_axes is not None:
        raise InputError(
            "VASP's dynamics draw their own velocities and free all six cell parameters; leave "
            "out velocities: keep and free_axes, or use another engine"
        )


@job
def trajectory_job(
    document: Any, order: list[int], settings: dict[str, Any], folder: str
) -> dict[str, Any]:
    """Turn VASP's files into ``trajectory.h5`` and a record in ``folder``."""
    from emmet.core.tasks import TaskDoc

    doc = document if isinstance(document, TaskDoc) else TaskDoc.model_validate(document)
    if doc.dir_name is None:
        raise FailureError("VASP's document does not say where its files are")
    identity = vasp_identity(doc)
    known = as_structure(doc.structure) if doc.structure is not None else None
    elements = () if known is None else tuple(e.symbol for e in known.composition)
    named = PotentialIdentity(
        name="vasp",
        sha256=identity["sha256"],
        versions={"vasp": str(identity["version"])},
        dtype="float64",
        device="cpu",
        licence="VASP's, the user's own",
        functional=identity["functional"],
        corrections="none",
        elements=elements,
    )
    source = Path(strip_hostname(doc.dir_name))
    chosen = MDSettings.model_validate(settings)
    return import_vasp_run(source, folder, chosen, named, order=order).to_json()


def import_vasp_run(
    source: Path | str,
    folder: Path | str,
    settings: MDSettings,
    potential: PotentialIdentity,
    *,
    order: Sequence[int] | None = None,
) -> MDRecord:
    """Convert a folder of VASP dynamics.

    Parameters
    ----------
    source : Path
        Holds ``vasprun.xml``, packed or not; OUTCAR gives the wall time.
    folder : Path
        Gets ``trajectory.h5`` (unwrapped, every ``frame_every``-th step) and ``record.json``.
    settings : MDSettings
        What VASP was asked for.
    order : sequence of int, optional
        Which atom of the caller's each of VASP's is.

    Raises
    ------
    InputError
        If there is no ``vasprun.xml``, or it holds no steps.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    with unpacked(Path(source), "vasprun.xml") as path:
        trajectory = open_trajectory(path, time_step_fs=settings.timestep_fs)
        if not trajectory.n_frames:
            raise InputError(f"{source}/vasprun.xml holds no steps; VASP may have stopped at once")
        energies, kinetic = _energies(path)
        back = np.argsort(order) if order is not None else np.arange(len(trajectory.symbols))
        symbols = [trajectory.symbols[int(i)] for i in back]
        kelvin = _kelvin(kinetic, len(symbols))
        frames = _write(
            place / TRAJECTORY,
            trajectory,
            symbols,
            back,
            settings,
            potential,
            (energies, kinetic, kelvin),
        )
        steps = trajectory.n_frames
    wall_s = _wall_time(Path(source))
    record = _record(
        settings,
        potential,
        symbols,
        steps,
        kelvin,
        energies + kinetic,
        wall_s,
        _file(place / TRAJECTORY, frames, settings),
    )
    keep(place, record)
    return record


def _write(
    target: Path,
    trajectory: Any,
    symbols: list[str],
    back: Any,
    settings: MDSettings,
    potential: PotentialIdentity,
    observables: tuple[Any, Any, Any],
) -> int:
    every, names = settings.frame_every, ("potential_energy", "kinetic_energy", "temperature")
    writer = H5mdWriter.create(
        target,
        symbols,
        time_step_fs=settings.timestep_fs * every,
        steps_per_frame=every,
        parameters={"settings": settings.to_json(), "potential": potential.to_json()},
    )
    step = 0
    for block in trajectory.blocks(BLOCK, range(0, trajectory.n_frames, every), own_cells=True):
        for positions, cell in zip(block.positions, block.cells, strict=True):
            values = {
                name: float(column[step])
                for name, column in zip(names, observables, strict=True)
                if np.isfinite(column[step])
            }
            writer.append(step, positions[back], cell, values)
            step += every
    return writer.commit()


def _record(
    settings: MDSettings,
    potential: PotentialIdentity,
    symbols: list[str],
    steps: int,
    kelvin: Any,
    total: Any,
    wall_s: float | None,
    file: TrajectoryFile,
) -> MDRecord:
    from ase import Atoms

    finished, time_ps = steps >= settings.steps, steps * settings.timestep_fs / 1000
    known = kelvin[np.isfinite(kelvin)]
    times = np.arange(steps) * settings.timestep_fs / 1000
    drift = None
    if settings.ensemble == "nve" and steps > 2 and np.isfinite(total).all():
        drift = 1000 * float(np.polyfit(times, total, 1)[0]) / len(symbols)
    return MDRecord(
        status="finished" if finished else "interrupted",
        reason=None if finished else f"VASP did {steps} of {settings.steps} steps",
        guard=None,
        steps_done=steps,
        time_ps=time_ps,
        trajectory=file,
        settings=settings,
        potential=potential,
        formula=Atoms(symbols).get_chemical_formula(),
        mean_temperature_k=float(known.mean()) if len(known) else None,
        sigma_temperature_k=float(known.std()) if len(known) else None,
        energy_drift_mev_per_atom_per_ps=drift,
        wall_s=wall_s or 0.0,
        ns_per_day=86.4 * time_ps / wall_s if wall_s else None,
        fraction_outside_forces=None,
        notes=(OWN_START, *(() if wall_s else ("the wall time is not in OUTCAR",))),
        provenance=provenance(wall_time_s=wall_s),
    )


@contextmanager
def unpacked(folder: Path, name: str) -> Iterator[Path]:
    """The file, unpacked for a while if atomate2 has packed it."""
    plain, packed = folder / name, folder / f"{name}.gz"
    if plain.is_file():
        yield plain
        return
    if not packed.is_file():
        raise InputError(f"there is no {name} in {folder}; give the folder where VASP ran")
    with tempfile.TemporaryDirectory() as place:
        target = Path(place) / name
        with gzip.open(packed, "rb") as source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
        yield target


def _energies(path: Path) -> tuple[Any, Any]:
    """Free energy of the electrons, which the forces are the slope of, and kinetic energy (eV).

    One of each for a step; nan if absent.
    """
    potential: list[float] = []
    kinetic: list[float] = []
    try:
        for _, element in ElementTree.iterparse(path):
            if element.tag != "calculation":
                continue
            found = _numbers(element.find("energy"))
            potential.append(found.get("e_fr_energy", np.nan))
            kinetic.append(found.get("kinetic", np.nan))
            element.clear()
    except ElementTree.ParseError:
        pass  # a killed run leaves its last step open
    return np.array(potential), np.array(kinetic)


def _numbers(element: Any) -> dict[str, float]:
    """Names and numbers of an energy block; what is no number (stars of an overflow) is nan."""
    found: dict[str, float] = {}
    for one in () if element is None else element.findall("i"):
        try:
            found[str(one.get("name"))] = float(str(one.text))
        except ValueError:
            found[str(one.get("name"))] = np.nan
    return found


def _kelvin(kinetic: Any, n_atoms: int) -> Any:
    freedom = max(3 * n_atoms - 3, 1)
    return 2 * kinetic / (freedom * BOLTZMANN_EV_PER_K)


def _wall_time(folder: Path) -> float | None:
    try:
        with unpacked(folder, "OUTCAR") as path:
            found = ELAPSED.findall(path.read_text(errors="replace"))
    except InputError:
        return None
    return float(found[-1]) if found else None


def _file(path: Path, frames: int, settings: MDSettings) -> TrajectoryFile:
    return TrajectoryFile(
        path=str(path.resolve()),
        sha256=file_sha256(path),
        size_bytes=path.stat().st_size,
        frames=frames,
        time_step_fs=settings.timestep_fs * settings.frame_every,
    )
