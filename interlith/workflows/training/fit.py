"""One fit by mace-torch's own trainer, in a process of its own.

The command line is built here and nothing else of the trainer is touched, so that a data card can
state it and anyone can run it again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Any, Literal

from interlith.errors import FailureError, MissingDependencyError
from interlith.workflows.training.data import ENERGY, FORCES, STRESS
from interlith.workflows.training.settings import FitSettings

Stage = Literal["first", "refit", "final"]
TRAINER = "mace.cli.run_train"
TRAINER_PROCESS = "interlith.workflows.training.trainer_process"
LAST_LINES = 5


@dataclass(frozen=True)
class FitJob:
    """What one fit starts from.

    Attributes
    ----------
    folder : path
        Where the trainer writes; everything in it may be deleted but the model.
    element_energies : dict
        eV, the same in every round: refitted ones would shift a model that starts from the last.
    start_from : path or None
        Model of the round before, for a refit.
    """

    name: str
    stage: Stage
    seed: int
    folder: Path
    train: Path
    valid: Path
    test: Path
    element_energies: dict[str, float]
    settings: FitSettings
    start_from: Path | None = None

    @property
    def epochs(self) -> tuple[int, int]:
        """Number of epochs, and the one at which stage two begins."""
        fit = self.settings
        return {
            "first": (fit.epochs, fit.stage_two_epoch),
            "refit": (fit.refit_epochs, fit.refit_stage_two_epoch),
            "final": (fit.final_epochs, fit.final_stage_two_epoch),
        }[self.stage]


FitProgress = Callable[[int, int], None]
Fit = Callable[[FitJob, FitProgress | None], Path]


def arguments(job: FitJob) -> list[str]:
    """Arguments of ``mace_run_train``; paths as given."""
    fit = job.settings
    epochs, stage_two = job.epochs
    rate = fit.learning_rate if job.start_from is None else fit.refit_learning_rate
    options: dict[str, Any] = {
        "name": job.name,
        "seed": job.seed,
        "work_dir": job.folder,
        "device": "cpu",
        "default_dtype": "float32",
        "train_file": job.train,
        "valid_file": job.valid,
        "test_file": job.test,
        "energy_key": ENERGY,
        "forces_key": FORCES,
        "stress_key": STRESS,
        "E0s": _by_number(job.element_energies),
        "batch_size": fit.batch_size,
        "valid_batch_size": 10,
        "lr": rate,
        "scaling": "rms_forces_scaling",
        "loss": "stress",
        "compute_stress": True,
        "energy_weight": fit.energy_weight,
        "forces_weight": fit.forces_weight,
        "stress_weight": fit.stress_weight,
        "max_num_epochs": epochs,
        "ema_decay": 0.99,
        "start_swa": stage_two,
        "swa_energy_weight": fit.stage_two_energy_weight,
        "swa_forces_weight": fit.forces_weight,
        "swa_stress_weight": fit.stress_weight,
        "eval_interval": _evaluated_every(epochs, stage_two),
        "error_table": "PerAtomRMSE",
        "num_workers": 0,
        "plot": False,
    }
    options |= _architecture(fit) if job.start_from is None else _warm_start(job.start_from)
    given = [part for key, value in options.items() for part in (f"--{key}", str(value))]
    return [*given, "--ema", "--amsgrad", "--swa"]


def _evaluated_every(epochs: int, stage_two: int) -> int:
    """A checkpoint is written where the trainer evaluates, and stage two must get one."""
    met = any(epoch % 5 == 0 for epoch in range(stage_two, epochs))
    return 5 if epochs >= 10 and met else 1


def _architecture(fit: FitSettings) -> dict[str, Any]:
    return {
        "model": "ScaleShiftMACE",
        "r_max": fit.r_max_angstrom,
        "num_radial_basis": fit.radial_functions,
        "num_interactions": fit.interactions,
        "hidden_irreps": fit.hidden_irreps,
        "max_ell": fit.max_ell,
        "correlation": fit.correlation,
        "MLP_irreps": "16x0e",
        "radial_MLP": list(fit.radial_mlp),
    }


def _warm_start(model: Path) -> dict[str, Any]:
    return {"foundation_model": model, "multiheads_finetuning": False}


def _by_number(energies: dict[str, float]) -> str:
    from ase.data import atomic_numbers

    pairs = sorted((int(atomic_numbers[symbol]), energy) for symbol, energy in energies.items())
    return "{" + ", ".join(f"{number}: {energy:.5f}" for number, energy in pairs) + "}"


def mace_fit(job: FitJob, progress: FitProgress | None = None) -> Path:
    """Run the trainer and return the model of its second stage.

    Raises
    ------
    MissingDependencyError
        If mace-torch is not installed.
    FailureError
        If the trainer failed; the message holds its last lines and names its log.
    """
    if util.find_spec("mace") is None:
        raise MissingDependencyError(
            "training needs mace-torch, which is not installed; run pip install 'interlith[ml]'"
        )
    job.folder.mkdir(parents=True, exist_ok=True)
    log = job.folder / "trainer.log"
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    leaving = [TRAINER_PROCESS, str(os.getpid())]
    command = [sys.executable, "-m", *leaving, TRAINER, *arguments(job)]
    with log.open("w") as file:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        try:
            code = _follow(process, file, job.epochs[0], progress)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    model = job.folder / "checkpoints" / f"{job.name}_run-{job.seed}_stagetwo.model"
    if code != 0 or not model.exists():
        last = " | ".join(log.read_text().strip().splitlines()[-LAST_LINES:])
        raise FailureError(f"the trainer ended with code {code}: {last} (all of it in {log})")
    return model


def _follow(
    process: subprocess.Popen[str], file: Any, epochs: int, progress: FitProgress | None
) -> int:
    for line in process.stdout or ():
        file.write(line)
        file.flush()
        _, found, rest = line.partition("Epoch ")
        number = rest.partition(":")[0]
        if found and number.isdigit() and progress is not None:
            progress(min(int(number) + 1, epochs), epochs)
    return process.wait()
