"""The steps of a training; each is done once, and again when what it starts from changes."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from interlith.errors import InputError
from interlith.provenance import provenance
from interlith.records import Record
from interlith.workflows.any_engine.labelling import teacher_labels
from interlith.workflows.training.card import (
    CARD_FILE,
    CARD_TEXT,
    DataCard,
    FitRecord,
    MemberErrors,
    ModelFile,
    RoundRecord,
    RunRecord,
    card_text,
    model_file,
    write_model_card,
)
from interlith.workflows.training.data import (
    ENERGY,
    ErrorRow,
    counts,
    drop_violent,
    element_energies,
    errors,
    read_frames,
    read_labelled,
    split,
    write_frames,
)
from interlith.workflows.training.fit import Fit, FitJob, Stage, arguments
from interlith.workflows.training.sampling import (
    Run,
    base_frames,
    held_out_runs,
    runs,
    sample,
    teacher_runs,
)
from interlith.workflows.training.settings import TrainSettings

if TYPE_CHECKING:
    from ase import Atoms

Progress = Callable[[str, int, int], None]
LABELS = "labelled.xyz"
LIMITS = (
    "The errors are against the teacher; the teacher's own errors come on top.",
    "A frame outside the sampled compositions, temperatures and densities is extrapolation.",
)


@dataclass(frozen=True)
class Tools:
    """What the steps call: the teacher, the trainer, and a calculator for a trained model.

    Attributes
    ----------
    teacher : callable
        Makes the ASE calculator that labels.
    identity : dict
        Names the teacher exactly.
    start : tuple of Path
        Models to tune, if any.
    shift : callable
        Writes a copy of a model with its elements' energies shifted; returns these energies.
    """

    teacher: Callable[[], Any]
    identity: dict[str, Any]
    fit: Fit
    student: Callable[[Path], Any]
    start: tuple[Path, ...] = ()
    shift: Callable[[Path, Path, Mapping[str, float]], dict[str, float]] | None = None


class StartingModel(Record):
    """A model that is tuned, with the elements' energies moved to the teacher's zeros."""

    name: str
    source: ModelFile
    model: ModelFile
    element_energies_ev: dict[str, float]
    inputs: str


Model = FitRecord | StartingModel


@dataclass
class Training:
    """The steps of one training; each reads its file if it is there and writes it if not."""

    settings: TrainSettings
    folder: Path
    tools: Tools
    progress: Progress | None = None
    element_energies: dict[str, float] = field(default_factory=dict)

    def run(self) -> DataCard:
        """All steps and the card."""
        settings = self.settings
        given = [frame for name in settings.labelled for frame in read_labelled(Path(name))]
        base = self._base()
        kept = {"base": self._kept(base)}
        dropped = {"base": len(base) - len(kept["base"])}
        if given:
            kept["given"] = self._kept(given)
            dropped["given"] = len(given) - len(kept["given"])
        known = (frame for some in kept.values() for frame in some)
        settling = [frame for frame in known if "config_weight" not in frame.info]
        start = self._starting_models(settling)
        if not start:
            self.element_energies = element_energies(settling)
        fits, rounds = self._rounds(kept, dropped, start)
        checks = [*held_out_runs(settings.systems)]
        same = self._own("held-out", start[0], checks)[0] if start else []
        origins: list[Model] = [*start] or [fits[-1]]
        final = [
            self._fit_member(k, kept, origins[(k - 1) % len(origins)])
            for k in range(1, settings.members + 1)
        ]
        if settings.check == "all":
            checks += runs(settings.systems, settings.max_rounds + 1)
        made, record = self._own("check", final[0], checks)
        models = [
            self._shipped(fit, f"{settings.name}-{k}.model") for k, fit in enumerate(final, 1)
        ]
        card = DataCard(
            name=settings.name,
            status="within_bounds" if record.within_bounds else "outside_bounds",
            settings=settings.model_dump(mode="json", exclude_defaults=True),
            teacher=self.tools.identity,
            functional=str(self.tools.identity.get("functional", "")),
            corrections=str(self.tools.identity.get("corrections", "")),
            licence=settings.licence,
            elements=tuple(self.element_energies),
            element_energies_ev=self.element_energies,
            frames={name: dict(counts(some)) for name, some in (*kept.items(), ("check", made))},
            dropped=dropped,
            fits=(*fits, *final),
            rounds=(*rounds, record),
            members=tuple(self._member(fit, made) for fit in final),
            models=tuple(model_file(path) for path in models),
            limits=(*LIMITS, *settings.limits),
            provenance=provenance(settings.seed),
            started_from=tuple(one.source for one in start),
            before=tuple(self._member(one, same) for one in start),
            after=tuple(self._member(one, same) for one in final if start),
        )
        write_text(self.folder / CARD_FILE, json.dumps(card.to_json(), indent=1))
        write_text(self.folder / CARD_TEXT, card_text(card))
        for path in models:
            write_model_card(path, card)
        return card

    def _starting_models(self, frames: Sequence[Atoms]) -> list[StartingModel]:
        """The models to tune, with elements' energies fitted to the teacher's labels."""
        if not self.tools.start or self.tools.shift is None:
            return []
        away = [frame.copy() for frame in frames]
        calculator = self.tools.student(self.tools.start[0])
        for frame, other in zip(frames, away, strict=True):
            other.calc = calculator
            other.info[ENERGY] = float(frame.info[ENERGY]) - float(other.get_potential_energy())
        shifts = element_energies(away)
        made = []
        for number, source in enumerate(self.tools.start, 1):
            name = f"start-{number}"
            place = self.folder / name
            inputs = _hash(model_file(source).sha256, list(frames))
            known: StartingModel | None = _read_record(place / "start.json", StartingModel)
            if known is None or known.inputs != inputs:
                place.mkdir(parents=True, exist_ok=True)
                energies = self.tools.shift(source, self._model_path(name), shifts)
                known = StartingModel(
                    name=name,
                    source=model_file(source),
                    model=model_file(self._model_path(name)),
                    element_energies_ev=energies,
                    inputs=inputs,
                )
                write_text(place / "start.json", json.dumps(known.to_json(), indent=1))
            made.append(known)
        self.element_energies = made[0].element_energies_ev
        return made

    def _rounds(
        self,
        kept: dict[str, list[Atoms]],
        dropped: dict[str, int],
        start: Sequence[StartingModel],
    ) -> tuple[list[FitRecord], list[RoundRecord]]:
        """First fit, then dynamics, labels and refits; adds the frames to ``kept``."""
        settings, rounds = self.settings, list[RoundRecord]()
        fits = [] if start else [self._fit("round-0", "first", settings.seed, kept)]
        for number in range(1, settings.max_rounds + 1):
            name = f"own-{number}"
            model: Model = fits[-1] if fits else start[0]
            systems = [system for system in settings.systems if system.rounds >= number]
            made, record = self._own(name, model, runs(systems, number))
            rounds.append(record)
            kept[name] = self._kept(made)
            dropped[name] = len(made) - len(kept[name])
            if record.within_bounds and number >= settings.min_rounds:
                break
            if number < settings.max_rounds:
                fits.append(self._fit(f"round-{number}", "refit", settings.seed, kept, model))
        return fits, rounds

    def _tell(self, what: str, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(what, done, total)

    def _kept(self, frames: Sequence[Atoms]) -> list[Atoms]:
        return drop_violent(frames, self.settings.largest_force_rms_ev_per_angstrom)[0]

    def _base(self) -> list[Atoms]:
        systems = [system for system in self.settings.systems if not system.held_out]
        frames = [frame for system in systems for frame in base_frames(system, self.settings.seed)]
        wanted = teacher_runs(systems)
        for place, run in enumerate(wanted):
            self._tell(f"base: {run.label}", place, len(wanted))
            teacher, sha256 = self.tools.teacher(), str(self.tools.identity.get("sha256"))
            frames += self._run("base", run, teacher, sha256)[0]
        return self._labelled(frames, "base")

    def _labelled(self, frames: Sequence[Atoms], name: str) -> list[Atoms]:
        path = self.folder / name / LABELS
        tell = partial(self._tell, f"{name}: labels")
        path.parent.mkdir(parents=True, exist_ok=True)
        return teacher_labels(frames, self.tools.teacher(), self.tools.identity, path, tell)

    def _fit_member(self, number: int, kept: dict[str, list[Atoms]], origin: Model) -> FitRecord:
        name, seed = f"member-{number}", self.settings.seed + number
        if isinstance(origin, StartingModel):
            return self._fit(name, "final", seed, kept, origin)
        if self.settings.members_start == "scratch":
            return self._fit(name, "final", seed, kept)
        return self._fit(name, "final", seed, kept, origin, share=number)

    def _fit(
        self,
        name: str,
        stage: Stage,
        seed: int,
        kept: dict[str, list[Atoms]],
        start_from: Model | None = None,
        share: int | None = None,
    ) -> FitRecord:
        parts = split((f for frames in kept.values() for f in frames), self.settings.test_every)
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
            element_energies=self.element_energies,
            settings=self.settings.fit,
            start_from=self._model(start_from) if start_from else None,
        )
        write_frames(job.train, parts.train)
        write_frames(job.valid, parts.valid)
        write_frames(job.test, parts.test)
        command = shlex.join(arguments(self._relative(job)))
        inputs = _hash(command, parts.train, parts.valid, start_from and start_from.model.sha256)
        known: FitRecord | None = _read_record(folder / "fit.json", FitRecord)
        if known is not None and known.inputs == inputs:
            return known
        begin = time.monotonic()
        model = self.tools.fit(job, partial(self._tell, f"{name}: epochs"))
        shutil.copyfile(model, self._model_path(name))
        record = FitRecord(
            name=name,
            seed=seed,
            command=command,
            started_from=start_from.name if start_from else None,
            epochs=job.epochs[0],
            train_frames=len(parts.train),
            train_atoms=sum(map(len, parts.train)),
            valid_frames=len(parts.valid),
            test_frames=len(parts.test),
            wall_s=round(time.monotonic() - begin, 1),
            inputs=inputs,
            model=model_file(self._model_path(name)),
            test=errors(parts.test, self.tools.student(self._model_path(name))),
        )
        write_text(folder / "fit.json", json.dumps(record.to_json(), indent=1))
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

    def _model_path(self, name: str) -> Path:
        return self.folder / name / f"{name}.model"

    def _model(self, fit: Model) -> Path:
        """The fit's model file, if it is still the one that was recorded."""
        path = self._model_path(fit.name)
        if not path.exists() or model_file(path).sha256 != fit.model.sha256:
            raise InputError(
                f"{path} is not the model that the record beside it describes; delete the "
                f"folder {path.parent} and what came after it, and run again"
            )
        return path

    def _own(self, name: str, fit: Model, wanted: Sequence[Run]) -> tuple[list[Atoms], RoundRecord]:
        """Dynamics of a model, labels of its frames, and the model's errors on them."""
        calculator = self.tools.student(self._model(fit))
        frames: list[Atoms] = []
        records: list[RunRecord] = []
        for place, run in enumerate(wanted):
            self._tell(f"{name}: {run.label}", place, len(wanted))
            made, record = self._run(name, run, calculator, fit.model.sha256)
            frames += made
            records.append(record)
        labelled = self._labelled(frames, name)
        rows = errors(
            labelled,
            self.tools.student(self._model(fit)),
            lambda frame: f"{frame.info['group']} {frame.info['source']}",
        )
        return labelled, RoundRecord(
            name=name,
            model=fit.name,
            runs=tuple(records),
            errors=rows,
            within_bounds=self._within(rows),
        )

    def _run(
        self, stage: str, run: Run, calculator: Any, model: str
    ) -> tuple[list[Atoms], RunRecord]:
        """Frames of one run; ``model`` is the hash of what moves the atoms."""
        folder, settings = self.folder / stage, self.settings
        frames_path, record_path = folder / f"{run.label}.xyz", folder / f"{run.label}.json"
        inputs = _hash(
            model, run.system, run.temperature_k, run.number, settings.dynamics, settings.seed
        )
        known: RunRecord | None = _read_record(record_path, RunRecord)
        if known is not None and known.inputs == inputs:
            return (read_frames(frames_path) if known.frames else []), known
        tell = partial(self._tell, f"{stage}: steps of {run.label}")
        made = sample(run, calculator, settings.dynamics, settings.seed, tell)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / LABELS).unlink(missing_ok=True)
        if made.frames:
            write_frames(frames_path, made.frames)
        record = RunRecord(
            system=run.system.name,
            temperature_k=run.temperature_k,
            frames=len(made.frames),
            atoms=len(made.frames[0]) if made.frames else 0,
            ps=run.system.md_ps,
            milliseconds_per_step=round(1e3 * made.seconds_per_step, 2),
            stopped=made.stopped,
            inputs=inputs,
        )
        write_text(record_path, json.dumps(record.to_json(), indent=1))
        return made.frames, record

    def _within(self, rows: Sequence[ErrorRow]) -> bool:
        if not rows:
            return False
        overall, settings = rows[-1], self.settings
        return (
            overall.force_rmse_mev_per_angstrom <= settings.force_bound_mev_per_angstrom
            and abs(overall.energy_mean_mev_per_atom) <= settings.energy_bound_mev_per_atom
        )

    def _member(self, fit: Model, frames: Sequence[Atoms]) -> MemberErrors:
        calculator = self.tools.student(self._model(fit))
        return MemberErrors(model=fit.name, errors=errors(frames, calculator))

    def _shipped(self, fit: FitRecord, name: str) -> Path:
        target = self.folder / name
        shutil.copyfile(self._model(fit), target)
        return target


def _hash(*inputs: Any) -> str:
    """Hash of what a step starts from: plain values, settings, lists of labelled frames."""
    digest = hashlib.sha256()
    for one in inputs:
        if isinstance(one, list):
            for frame in one:
                digest.update(frame.numbers.tobytes())
                digest.update(frame.positions.tobytes())
                digest.update(repr(float(frame.info[ENERGY])).encode())
        elif isinstance(one, BaseModel):
            digest.update(one.model_dump_json(exclude_defaults=True).encode())
        else:
            digest.update(repr(one).encode())
        digest.update(b"|")
    return digest.hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write a file in one go."""
    part = path.with_suffix(path.suffix + ".part")
    part.write_text(text)
    os.replace(part, path)


def _read_record(path: Path, kind: Any) -> Any:
    """A step's record, or None if the step is not done (or its record is of another version)."""
    try:
        return kind.model_validate_json(path.read_text())
    except (OSError, UnicodeDecodeError, ValidationError):
        return None
