"""Fits as steps of a training: each is done once, and those that need not wait run side by side."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ValidationError

from interlith.errors import FailureError, InputError
from interlith.records import Record
from interlith.structures.files.formats import write_text
from interlith.workflows.training.card import FitRecord, ModelFile, model_file
from interlith.workflows.training.data import (
    ENERGY,
    FORCES,
    STRESS,
    Split,
    errors,
    split,
    write_frames,
)
from interlith.workflows.training.fit import Fit, FitJob, Stage, arguments
from interlith.workflows.training.settings import TrainSettings

if TYPE_CHECKING:
    from ase import Atoms

Progress = Callable[[str, int, int], None]


class StartingModel(Record):
    """A model that is tuned, with the elements' energies moved to the teacher's zeros."""

    name: str
    source: ModelFile
    model: ModelFile
    element_energies_ev: dict[str, float]
    inputs: str


Model = FitRecord | StartingModel


@dataclass(frozen=True)
class PreparedFit:
    """A fit whose frames are written; ``inputs`` is the hash of all that it starts from."""

    job: FitJob
    parts: Split
    command: str
    inputs: str
    started_from: str | None


@dataclass(frozen=True)
class Fits:
    """The fits of one training, in its folder.

    Attributes
    ----------
    fit : callable
        The trainer.
    student : callable
        Makes a calculator of a model's file.
    """

    settings: TrainSettings
    folder: Path
    fit: Fit
    student: Callable[[Path], Any]
    tell: Progress

    def path(self, name: str) -> Path:
        """Where the model of this name lies."""
        return self.folder / name / f"{name}.model"

    def model(self, fit: Model) -> Path:
        """The fit's model file, if it is still the one that was recorded.

        Raises
        ------
        InputError
            If it was exchanged or deleted.
        """
        path = self.path(fit.name)
        if not path.exists() or model_file(path).sha256 != fit.model.sha256:
            raise InputError(
                f"{path} is not the model that the record beside it describes; delete the "
                f"folder {path.parent} and what came after it, and run again"
            )
        return path

    def prepared(
        self,
        name: str,
        stage: Stage,
        seed: int,
        frames: Iterable[Atoms],
        element_energies: Mapping[str, float],
        *,
        start_from: Model | None = None,
        share: int | None = None,
    ) -> PreparedFit:
        """Write the frames of a fit; ``share`` is the one of a committee's shares left out."""
        parts = split(frames, self.settings.test_every)
        if share is not None:
            parts = parts.without_share(share, self.settings.members)
        folder = self.folder / name
        job = FitJob(
            name=name,
            stage=stage,
            seed=seed,
            folder=folder,
            train=folder / "train.xyz",
            valid=folder / "valid.xyz",
            test=folder / "test.xyz",
            element_energies=dict(element_energies),
            settings=self.settings.fit,
            start_from=self.model(start_from) if start_from else None,
        )
        write_frames(job.train, parts.train)
        write_frames(job.valid, parts.valid)
        write_frames(job.test, parts.test)
        command = shlex.join(arguments(self._relative(job)))
        origin = start_from and start_from.model.sha256
        inputs = hash_of(command, parts.train, parts.valid, origin)
        return PreparedFit(job, parts, command, inputs, start_from.name if start_from else None)

    def done(self, wanted: Sequence[PreparedFit]) -> list[FitRecord]:
        """Records of these fits; those not done before run side by side, one per processor.

        A fit that fails lets the running ones end, whose results are kept; the others do not
        begin. An interruption ends all of them.
        """
        known = {one.job.name: self._known(one) for one in wanted}
        missing = [one for one in wanted if known[one.job.name] is None]
        stopped = threading.Event()
        with ThreadPoolExecutor(side_by_side(len(missing))) as pool:
            running = {pool.submit(self._trained, one, stopped): one for one in missing}
            try:
                for future in as_completed(running):
                    one = running[future]
                    known[one.job.name] = self._recorded(one, *future.result())
            except FailureError:
                pool.shutdown(cancel_futures=True)
                for future, one in running.items():
                    if not future.cancelled() and future.exception() is None:
                        self._recorded(one, *future.result())
                raise
            except BaseException:
                stopped.set()
                pool.shutdown(cancel_futures=True)
                raise
        return [record for record in known.values() if record is not None]

    def _trained(self, wanted: PreparedFit, stopped: threading.Event) -> tuple[Path, float]:
        """The trainer's model and the seconds it took; runs in a thread of its own."""

        def tell(done: int, total: int) -> None:
            if stopped.is_set():
                raise FailureError(f"{wanted.job.name} was stopped")
            self.tell(f"{wanted.job.name}: epochs", done, total)

        begin = time.monotonic()
        return self.fit(wanted.job, tell), time.monotonic() - begin

    def _known(self, wanted: PreparedFit) -> FitRecord | None:
        record: FitRecord | None = read_record(wanted.job.folder / "fit.json", FitRecord)
        return record if record is not None and record.inputs == wanted.inputs else None

    def _recorded(self, wanted: PreparedFit, model: Path, seconds: float) -> FitRecord:
        job, parts = wanted.job, wanted.parts
        target = self.path(job.name)
        shutil.copyfile(model, target)
        record = FitRecord(
            name=job.name,
            seed=job.seed,
            command=wanted.command,
            started_from=wanted.started_from,
            epochs=job.epochs[0],
            train_frames=len(parts.train),
            train_atoms=sum(map(len, parts.train)),
            valid_frames=len(parts.valid),
            test_frames=len(parts.test),
            wall_s=round(seconds, 1),
            inputs=wanted.inputs,
            model=model_file(target),
            test=errors(parts.test, self.student(target)),
        )
        write_text(job.folder / "fit.json", json.dumps(record.to_json(), indent=1))
        return record

    def _relative(self, job: FitJob) -> FitJob:
        def short(path: Path) -> Path:
            return path.relative_to(self.folder)

        return replace(
            job,
            folder=short(job.folder),
            train=short(job.train),
            valid=short(job.valid),
            test=short(job.test),
            start_from=short(job.start_from) if job.start_from else None,
        )


def side_by_side(fits: int) -> int:
    """How many of these fits run at once: one per processor this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, min(fits, len(os.sched_getaffinity(0))))
    return max(1, min(fits, os.cpu_count() or 1))


def hash_of(*inputs: Any) -> str:
    """Hash of what a step starts from: plain values, settings, lists of labelled frames.

    Of a frame all that a fit reads counts: places, cell, boundaries, label and weight.
    """
    digest = hashlib.sha256()
    for one in inputs:
        if isinstance(one, list):
            for frame in one:
                for array in (frame.numbers, frame.positions, frame.cell.array, frame.pbc):
                    digest.update(np.ascontiguousarray(array).tobytes())
                for key in (FORCES, STRESS):
                    label = frame.arrays.get(key, frame.info.get(key, ()))
                    digest.update(np.asarray(label, dtype=float).tobytes())
                weight = frame.info.get("config_weight", 1.0)
                digest.update(repr((float(frame.info[ENERGY]), float(weight))).encode())
        elif isinstance(one, BaseModel):
            digest.update(one.model_dump_json(exclude_defaults=True).encode())
        else:
            digest.update(repr(one).encode())
        digest.update(b"|")
    return digest.hexdigest()


def read_record(path: Path, kind: Any) -> Any:
    """A step's record, or None if the step is not done (or its record is of another version)."""
    try:
        return kind.model_validate_json(path.read_text())
    except (OSError, UnicodeDecodeError, ValidationError):
        return None
