"""Stages of a study that a potential computes: dynamics, insertion, barriers, interfaces.

Each keeps its files in a folder named after the study and goes on there.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobflow import job

from interlith.analysis.study_results import StudyFailure
from interlith.errors import InputError, InterlithError, MissingDependencyError
from interlith.workflows.study import Study
from interlith.workflows.walltime import going_on

TRACE_LINES = 12


def stage_folder(place: str, study: Study, stage: str) -> Path:
    """Where a stage keeps what it goes on from."""
    return Path(place) / f"{study.name}-{stage}"


def check_potentials(study: Study) -> None:
    """Refuse an unknown potential before anything runs; a package that is absent is no mistake.

    Raises
    ------
    InputError
        If a potential of a stage is unknown.
    """
    from interlith.engines.potentials import potential

    for stage, name in study.calculated():
        try:
            potential(name)
        except MissingDependencyError:
            continue  # the stage fails with its reason, and the rest runs
        except InputError as error:
            raise InputError(f"stages.{stage}: {error}") from error


def guarded(
    step: str, subject: str, work: Callable[[], Any], folder: Path | None = None
) -> dict[str, Any]:
    """Result of a step, or the failure as a record: one bad material stops nothing else.

    This is the boundary of a job: faults that nobody foresaw stop here too, with their trace.

    Parameters
    ----------
    folder : Path, optional
        Where the step keeps its files; named in the failure.
    """
    trace: list[str] = []
    try:
        return {step: work()}
    except InterlithError as error:
        reason = str(error)
    except Exception as error:
        reason = f"unexpected {type(error).__name__}: {error}; this is a fault of interlith"
        trace = traceback.format_exc().strip().splitlines()[-TRACE_LINES:]
    kept = str(folder) if folder is not None and folder.is_dir() else None
    failure = StudyFailure(
        step=step, subject=subject, reason=reason, folder=kept, trace=tuple(trace)
    )
    return {"failure": failure.to_json()}


def run_dynamics(study: Study, place: str, workers: int) -> dict[str, Any]:
    """Li diffusion in the electrolyte."""
    from interlith.workflows.diffusion import diffusion

    settings, folder = _asked(study, "md"), stage_folder(place, study, "md")
    crystal = study.crystal(study.electrolyte)
    found = diffusion(crystal, settings, folder, workers=workers)
    if any(one.status == "interrupted" for one in found.dynamics):
        raise KeyboardInterrupt  # Ctrl-C ended a run: it ends the study, which goes on from there
    return found.to_json()


def run_insertion(study: Study, place: str) -> dict[str, Any]:
    """Topotactic limits of the electrolyte."""
    from interlith.workflows.topotactic import TopotacticOptions, topotactic

    settings = _asked(study, "topotactic")
    options = TopotacticOptions.model_validate(settings.model_dump(exclude={"potential"}))
    folder = stage_folder(place, study, "topotactic")
    crystal = study.crystal(study.electrolyte)
    return topotactic(crystal, settings.potential, options, folder=folder).to_json()


def run_barriers(study: Study, place: str) -> dict[str, Any]:
    """Barriers of single hops in the electrolyte."""
    from interlith.engines.neb import BandSettings
    from interlith.workflows.neb import HopOptions, migration_barriers, summary

    settings = _asked(study, "barriers")
    values = settings.model_dump(exclude={"potential"})
    bands = {key: values.pop(key) for key in ("images", "fmax_ev_per_angstrom", "max_steps")}
    found = migration_barriers(
        study.crystal(study.electrolyte),
        settings.potential,
        HopOptions.model_validate(values),
        BandSettings.model_validate(bands),
        folder=stage_folder(place, study, "barriers"),
    )
    return summary(found).to_json()


def reactive_pairs(study: Study) -> tuple[tuple[str, str], ...]:
    """Materials whose contact the stage ``reactivity`` runs.

    Raises
    ------
    InputError
        If the study has none of the contacts asked for.
    """
    asked = _asked(study, "reactivity")
    ends = {
        "anode": study.anode,
        "cathode": study.cathode.material if study.cathode is not None else None,
    }
    found = [
        (material, study.electrolyte)
        for role, material in ends.items()
        if role in asked.contacts and material is not None
    ]
    if "coatings" in asked.contacts and study.coatings != "all":
        touched = [study.electrolyte, *(one for one in ends.values() if one is not None)]
        found += [(other, coating) for coating in study.coatings for other in touched]
    found += list(asked.pairs)
    if not found:
        raise InputError(
            f"stages.reactivity: the study has no {' or '.join(asked.contacts) or 'contact'}; name "
            "an anode, a cathode or coatings, or list pairs such as [[Li, Li2S]]"
        )
    return tuple((study.crystal(a), study.crystal(b)) for a, b in found)


def run_reactivity(study: Study, pair: tuple[str, str], place: str, workers: int) -> dict[str, Any]:
    """Dynamics of one contact."""
    from interlith.structures.reading import plain_name
    from interlith.workflows.reactive.settings import ReactivitySettings
    from interlith.workflows.reactivity import reactivity

    values = _asked(study, "reactivity").model_dump(exclude={"contacts", "pairs"})
    name = "-".join(map(plain_name, pair))
    folder = stage_folder(place, study, "reactivity") / name
    settings = ReactivitySettings.model_validate(values)
    return reactivity(*pair, settings, folder, workers=workers).to_json()


def _asked(study: Study, stage: str) -> Any:
    settings = getattr(study.stages, stage)
    if settings is None:
        raise InputError(f"the study has no stage '{stage}'; add it under stages")
    return settings


@job
def diffusion_job(study: dict[str, Any], place: str, workers: int) -> Any:
    """Li diffusion in the electrolyte; goes on with what the folder holds."""
    asked = Study.model_validate(study)

    def work() -> dict[str, Any]:
        folder = stage_folder(place, asked, "md")
        return guarded(
            "diffusion", asked.electrolyte, lambda: run_dynamics(asked, place, workers), folder
        )

    return going_on(work, lambda: diffusion_job(study, place, workers))


@job
def insertion_job(study: dict[str, Any], place: str) -> Any:
    """Topotactic limits of the electrolyte; goes on with what the folder holds."""
    asked = Study.model_validate(study)

    def work() -> dict[str, Any]:
        folder = stage_folder(place, asked, "topotactic")
        return guarded("topotactic", asked.electrolyte, lambda: run_insertion(asked, place), folder)

    return going_on(work, lambda: insertion_job(study, place))


@job
def barriers_job(study: dict[str, Any], place: str) -> Any:
    """Barriers of single hops in the electrolyte; goes on with what the folder holds."""
    asked = Study.model_validate(study)

    def work() -> dict[str, Any]:
        folder = stage_folder(place, asked, "barriers")
        return guarded("barriers", asked.electrolyte, lambda: run_barriers(asked, place), folder)

    return going_on(work, lambda: barriers_job(study, place))


@job
def reactivity_job(study: dict[str, Any], pair: tuple[str, str], place: str, workers: int) -> Any:
    """Dynamics of one contact; goes on with what the folder holds."""
    asked = Study.model_validate(study)
    both = (pair[0], pair[1])

    def work() -> dict[str, Any]:
        return guarded(
            "reactivity",
            " | ".join(both),
            lambda: run_reactivity(asked, both, place, workers),
            stage_folder(place, asked, "reactivity"),
        )

    return going_on(work, lambda: reactivity_job(study, pair, place, workers))


def calculated_jobs(study: Study, data: dict[str, Any], place: str, workers: int) -> list[Any]:
    """A job for each calculated stage of a study."""
    made = {
        "md": lambda: diffusion_job(data, place, workers),
        "topotactic": lambda: insertion_job(data, place),
        "barriers": lambda: barriers_job(data, place),
    }
    jobs: list[Any] = []
    for stage, _ in study.calculated():
        if stage == "reactivity":
            new = _reactivity_jobs(study, data, place, workers)
        else:
            new = [made[stage]()]
            new[0].name = f"{stage} {study.electrolyte}"
        for one in new:  # where a queue's status looks for progress
            one.update_metadata({"folder": str(stage_folder(place, study, stage).resolve())})
        jobs += new
    return jobs


def _reactivity_jobs(study: Study, data: dict[str, Any], place: str, workers: int) -> list[Any]:
    """One for each contact."""
    jobs = []
    for a, b in reactive_pairs(study):
        jobs.append(reactivity_job(data, (a, b), place, workers))
        jobs[-1].name = f"reactivity {a} | {b}"
    return jobs
