"""Train a committee of MACE models on a teacher, judged by the frames of its own dynamics.

Sample, label, fit; then let the model run, label what it made, and fit again. A model's error on
a split of its own training set says little: the rounds end only when the error on frames of its own
dynamics stays below the bounds. Every step is a file in the folder, and a training that was
interrupted goes on after the last one.

    settings = read_train_settings(Path("lpscl-training.yaml").read_text())
    card = run_training(settings, "lpscl")

"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobflow.core.job import Job, job
from jobflow.core.maker import Maker
from pydantic import ValidationError

from interlith.engines.ml.mace_models import shift_element_energies
from interlith.engines.ml.shipped_models import MODELS_FOLDER, shipped_models
from interlith.engines.potentials import potential
from interlith.errors import InputError, OutputError
from interlith.structures.files.formats import write_text
from interlith.workflows.training.card import DataCard
from interlith.workflows.training.fit import mace_fit
from interlith.workflows.training.fit_steps import Progress
from interlith.workflows.training.settings import TrainSettings
from interlith.workflows.training.steps import Tools, Training

SETTINGS_FILE = "settings.json"
FIXED = ("name", "teacher", "start_from", "systems", "dynamics", "seed")
"""Settings that a folder keeps; when others change, the steps that they touch are done again."""
OF_THIS_MACHINE = ("files", "elements")
"""What a teacher's identity says that its hash does not need."""


def usual_tools(settings: TrainSettings) -> Tools:
    """The teacher by name, mace-torch's trainer and calculator.

    Raises
    ------
    InputError, MissingDependencyError
        As :func:`interlith.engines.potentials.potential`.
    """
    teacher = potential(settings.teacher)
    identity = {k: v for k, v in teacher.identity.to_json().items() if k not in OF_THIS_MACHINE}
    start = starting_models(settings.start_from) if settings.start_from else ()
    return Tools(
        teacher.calculator, identity, mace_fit, mace_calculator, start, shift_element_energies
    )


def starting_models(name: str) -> tuple[Path, ...]:
    """The model files of a MACE committee.

    Raises
    ------
    InputError, MissingDependencyError
        If there is no such potential, or it is no MACE.
    """
    shipped = shipped_models().get(name)
    if shipped is not None:
        return tuple(shipped)
    if not name.startswith("mace:"):
        raise InputError(
            f"start_from is '{name}'; only MACE models can be tuned: mace:FILE,FILE or one of "
            f"{', '.join(shipped_models())}"
        )
    return tuple(MODELS_FOLDER.parents[2] / file for file in potential(name).identity.files)


def mace_calculator(path: Path) -> Any:
    """ASE calculator of one MACE file."""
    return potential(f"mace:{path}").calculator()


def run_training(
    settings: TrainSettings,
    folder: str | Path,
    progress: Progress | None = None,
    *,
    tools: Tools | None = None,
) -> DataCard:
    """Train a committee; goes on where the folder's files end.

    Parameters
    ----------
    folder : path
        Gets ``card.json``, ``card.md`` and the models at its top, every step's files below.
    progress : callable, optional
        Called with (what is being done, how much is done, of how much).

    Returns
    -------
    DataCard
        Written as ``card.json`` too.

    Raises
    ------
    InputError
        If the folder holds a training with other settings, or a system cannot be built.
    FailureError
        If a label is not finite or the trainer fails.
    """
    tools = tools or usual_tools(settings)
    training = Training(settings, _prepared(Path(folder), settings), tools, progress)
    return training.run()


def _prepared(folder: Path, settings: TrainSettings) -> Path:
    """The folder, made if need be, with the settings in it."""
    path = folder / SETTINGS_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        known = TrainSettings.model_validate_json(path.read_text()) if path.exists() else settings
        differing = [key for key in FIXED if getattr(known, key) != getattr(settings, key)]
        if differing:
            raise InputError(
                f"{folder} holds a training with other {', '.join(differing)}; go on with the "
                "same, or name another folder"
            )
    except OSError as error:
        raise OutputError(
            f"cannot write into {folder} ({error.strerror}); name a folder of your own"
        ) from error
    except (ValidationError, UnicodeDecodeError) as error:
        raise InputError(f"{path} holds no training settings; name another folder") from error
    write_text(path, settings.model_dump_json(indent=1))
    return folder.resolve()


@dataclass
class TrainMaker(Maker):
    """Job that trains a committee in a folder and returns its data card."""

    settings: TrainSettings
    name: str = "train"

    def make(self, folder: str | Path) -> Job:
        """Build the job; run again on the same folder, it resumes."""
        made: Job = train_job(self.settings.model_dump(mode="json"), str(folder))
        made.name = f"{self.name} {self.settings.name}"
        return made


@job
def train_job(settings: dict[str, Any], folder: str) -> dict[str, Any]:
    """Train as :func:`run_training`; returns the card as plain data."""
    return run_training(TrainSettings.model_validate(settings), folder).to_json()
