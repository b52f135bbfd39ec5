"""Stages of a study that a potential computes: dynamics, insertion, barriers; each is one job.

Each keeps its files in a folder named after the study and goes on there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobflow import job

from interlith.analysis.study_results import StudyFailure
from interlith.errors import InputError, InterlithError, MissingDependencyError
from interlith.workflows.study import Study


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


def guarded(step: str, subject: str, work: Callable[[], Any]) -> dict[str, Any]:
    """Result of a step, or the failure as a record: one bad material stops nothing else."""
    try:
        return {step: work()}
    except InterlithError as error:
        failure = StudyFailure(step=step, subject=subject, reason=str(error))
        return {"failure": failure.to_json()}


def run_dynamics(study: Study, place: str, workers: int) -> dict[str, Any]:
    """Li diffusion in the electrolyte."""
    from interlith.workflows.diffusion import diffusion

    settings, folder = _asked(study, "md"), stage_folder(place, study, "md")
    crystal = study.crystal(study.electrolyte)
    return diffusion(crystal, settings, folder, workers=workers).to_json()


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


def _asked(study: Study, stage: str) -> Any:
    settings = getattr(study.stages, stage)
    if settings is None:
        raise InputError(f"the study has no stage '{stage}'; add it under stages")
    return settings


@job
def diffusion_job(study: dict[str, Any], place: str, workers: int) -> dict[str, Any]:
    """Li diffusion in the electrolyte; goes on with what the folder holds."""
    asked = Study.model_validate(study)
    return guarded("diffusion", asked.electrolyte, lambda: run_dynamics(asked, place, workers))


@job
def insertion_job(study: dict[str, Any], place: str) -> dict[str, Any]:
    """Topotactic limits of the electrolyte; goes on with what the folder holds."""
    asked = Study.model_validate(study)
    return guarded("topotactic", asked.electrolyte, lambda: run_insertion(asked, place))


@job
def barriers_job(study: dict[str, Any], place: str) -> dict[str, Any]:
    """Barriers of single hops in the electrolyte; goes on with what the folder holds."""
    asked = Study.model_validate(study)
    return guarded("barriers", asked.electrolyte, lambda: run_barriers(asked, place))


def calculated_jobs(study: Study, data: dict[str, Any], place: str, workers: int) -> list[Any]:
    """A job for each calculated stage of a study."""
    made = {
        "md": lambda: diffusion_job(data, place, workers),
        "topotactic": lambda: insertion_job(data, place),
        "barriers": lambda: barriers_job(data, place),
    }
    jobs = []
    for stage, _ in study.calculated():
        jobs.append(made[stage]())
        jobs[-1].name = f"{stage} {study.electrolyte}"
    return jobs
