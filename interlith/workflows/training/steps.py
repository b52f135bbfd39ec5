"""The steps of a training; each is done once, and again when what it starts from changes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interlith.provenance import provenance
from interlith.structures.files.formats import write_text
from interlith.workflows.any_engine.labelling import teacher_labels
from interlith.workflows.training.card import (
    CARD_FILE,
    CARD_TEXT,
    DataCard,
    FitRecord,
    MemberErrors,
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
    write_frames,
)
from interlith.workflows.training.fit import Fit, Stage
from interlith.workflows.training.fit_steps import (
    Fits,
    Model,
    Progress,
    StartingModel,
    hash_of,
    read_record,
)
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


@dataclass
class Training:
    """The steps of one training; each reads its file if it is there and writes it if not."""

    settings: TrainSettings
    folder: Path
    tools: Tools
    progress: Progress | None = None
    element_energies: dict[str, float] = field(default_factory=dict)
    failed: dict[str, tuple[str, ...]] = field(default_factory=dict)

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
        final = self._members(kept, origins)
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
            failed={name: reasons for name, reasons in self.failed.items() if reasons},
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

    @property
    def _fits(self) -> Fits:
        return Fits(self.settings, self.folder, self.tools.fit, self.tools.student, self._tell)

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
            inputs = hash_of(model_file(source).sha256, list(frames))
            known: StartingModel | None = read_record(place / "start.json", StartingModel)
            if known is None or known.inputs != inputs:
                place.mkdir(parents=True, exist_ok=True)
                energies = self.tools.shift(source, self._fits.path(name), shifts)
                known = StartingModel(
                    name=name,
                    source=model_file(source),
                    model=model_file(self._fits.path(name)),
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
        fits = [] if start else [self._fit("round-0", "first", kept)]
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
                fits.append(self._fit(f"round-{number}", "refit", kept, model))
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
        labelled, reasons = teacher_labels(
            frames, self.tools.teacher(), self.tools.identity, path, tell
        )
        self.failed[name] = reasons
        return labelled

    def _fit(
        self, name: str, stage: Stage, kept: dict[str, list[Atoms]], start: Model | None = None
    ) -> FitRecord:
        frames = (frame for some in kept.values() for frame in some)
        seed, zeros = self.settings.seed, self.element_energies
        wanted = self._fits.prepared(name, stage, seed, frames, zeros, start_from=start)
        return self._fits.done([wanted])[0]

    def _members(self, kept: dict[str, list[Atoms]], origins: Sequence[Model]) -> list[FitRecord]:
        """The committee; with a common start its members each leave out a share of the frames."""
        settings = self.settings
        tuned = isinstance(origins[0], StartingModel)
        scratch = not tuned and settings.members_start == "scratch"
        wanted = [
            self._fits.prepared(
                f"member-{number}",
                "final",
                settings.seed + number,
                (frame for some in kept.values() for frame in some),
                self.element_energies,
                start_from=None if scratch else origins[(number - 1) % len(origins)],
                share=None if scratch or tuned else number,
            )
            for number in range(1, settings.members + 1)
        ]
        return self._fits.done(wanted)

    def _own(self, name: str, fit: Model, wanted: Sequence[Run]) -> tuple[list[Atoms], RoundRecord]:
        """Dynamics of a model, labels of its frames, and the model's errors on them."""
        calculator = self.tools.student(self._fits.model(fit))
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
            self.tools.student(self._fits.model(fit)),
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
        inputs = hash_of(
            model, run.system, run.temperature_k, run.number, settings.dynamics, settings.seed
        )
        known: RunRecord | None = read_record(record_path, RunRecord)
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
        calculator = self.tools.student(self._fits.model(fit))
        return MemberErrors(model=fit.name, errors=errors(frames, calculator))

    def _shipped(self, fit: FitRecord, name: str) -> Path:
        target = self.folder / name
        shutil.copyfile(self._fits.model(fit), target)
        return target
