"""The data card of a training: what was done, with which errors, and what it does not cover."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from interlith.engines.ml.shipped_models import MODELS_FOLDER
from interlith.errors import InputError
from interlith.provenance import Provenance
from interlith.records import Record
from interlith.workflows.training.data import ErrorRow

CARD_FILE = "card.json"
CARD_TEXT = "card.md"
MOST_REASONS = 5


class ModelFile(Record):
    """A model file by name and content."""

    file: str
    sha256: str
    size_bytes: int


class FitRecord(Record):
    """One fit.

    Attributes
    ----------
    command : str
        Arguments of ``mace_run_train``, paths relative to the training's folder.
    inputs : str
        Hash of command, frames and starting weights: the fit is done again when it changes.
    test : rows
        On frames of the training's own split. They are neighbours of frames that were trained:
        optimistic.
    """

    name: str
    seed: int
    command: str
    started_from: str | None
    epochs: int
    train_frames: int
    train_atoms: int
    valid_frames: int
    test_frames: int
    wall_s: float
    inputs: str
    model: ModelFile
    test: tuple[ErrorRow, ...]


class RunRecord(Record):
    """One molecular dynamics run of a model.

    Attributes
    ----------
    stopped : str or None
        Why it ended early.
    inputs : str
        Hash of model, system and settings: the run is done again when it changes.
    """

    system: str
    temperature_k: float
    frames: int
    atoms: int
    ps: float
    milliseconds_per_step: float
    stopped: str | None
    inputs: str


class RoundRecord(Record):
    """Dynamics of a model, labelled by the teacher: frames the model had not seen.

    Attributes
    ----------
    within_bounds : bool
        Whether force error and mean energy error of all frames together stay below the bounds.
    """

    name: str
    model: str
    runs: tuple[RunRecord, ...]
    errors: tuple[ErrorRow, ...]
    within_bounds: bool


class MemberErrors(Record):
    """Errors of one member on the frames of the last check."""

    model: str
    errors: tuple[ErrorRow, ...]


class DataCard(Record):
    """Everything about a trained committee.

    Attributes
    ----------
    status : str
        ``within_bounds`` if the last check met the bounds, otherwise ``outside_bounds``.
    functional, corrections : str
        The teacher's.
    failed : dict
        Why the teacher gave no label, for each frame without one, by step.
    rounds : tuple of RoundRecord
        In order; the last is the check of the final committee, whose frames are never trained.
    members : tuple of MemberErrors
        Every member on the frames of the last check; made by the first member's dynamics.
    started_from : tuple of ModelFile
        The models that were tuned, if the training began with some.
    before, after : tuple of MemberErrors
        Of those models and of the members on the same frames: of what is held out, run by the
        first of the models that were tuned.
    """

    schema_version: int = 1
    name: str
    status: Literal["within_bounds", "outside_bounds"]
    settings: dict[str, Any]
    teacher: dict[str, Any]
    functional: str
    corrections: str
    licence: str
    elements: tuple[str, ...]
    element_energies_ev: dict[str, float]
    frames: dict[str, dict[str, int]]
    dropped: dict[str, int]
    failed: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    fits: tuple[FitRecord, ...]
    rounds: tuple[RoundRecord, ...]
    members: tuple[MemberErrors, ...]
    models: tuple[ModelFile, ...]
    limits: tuple[str, ...]
    provenance: Provenance
    started_from: tuple[ModelFile, ...] = ()
    before: tuple[MemberErrors, ...] = ()
    after: tuple[MemberErrors, ...] = ()


def model_file(path: Path) -> ModelFile:
    """Name, hash and size of a file."""
    content = path.read_bytes()
    return ModelFile(
        file=path.name, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content)
    )


def register(folder: Path, target: Path) -> list[Path]:
    """Copy a finished committee: its models, ``NAME-card.json`` and ``NAME-card.md``.

    Parameters
    ----------
    folder : path
        Of a finished training.
    target : path
        Folder of models, such as the package's own.

    Raises
    ------
    InputError
        If there is no card, or a model is not the one that it describes.
    """
    try:
        card = DataCard.model_validate_json((folder / CARD_FILE).read_text())
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise InputError(f"{folder} holds no finished training: {error}") from error
    target.mkdir(parents=True, exist_ok=True)
    made = []
    for model in card.models:
        source = folder / model.file
        if not source.exists() or model_file(source) != model:
            raise InputError(f"{source} is not the model that {CARD_FILE} describes; train again")
        made.append(Path(shutil.copyfile(source, target / model.file)))
        beside = source.with_suffix(".yaml")
        if beside.exists() and target.resolve() != MODELS_FOLDER:  # those have their card
            made.append(Path(shutil.copyfile(beside, target / beside.name)))
    for suffix, text in (("json", json.dumps(card.to_json(), indent=1)), ("md", card_text(card))):
        path = target / f"{card.name}-card.{suffix}"
        path.write_text(text)
        made.append(path)
    return made


def write_model_card(model: Path, card: DataCard) -> None:
    """What ``mace:PATH`` says of a model: functional, corrections and licence, ``NAME.yaml``."""
    import yaml

    said = {
        "functional": f"{card.functional} ({_origin(card)} {card.teacher.get('name')})",
        "corrections": card.corrections,
        "licence": card.licence,
    }
    model.with_suffix(".yaml").write_text(yaml.safe_dump(said), encoding="utf-8")


def card_text(card: DataCard) -> str:
    """The card for people, Markdown."""
    teacher = card.teacher
    lines = [
        f"# Data card: {card.name}",
        "",
        f"{len(card.models)} MACE models for {'-'.join(card.elements)}, {_origin(card)} "
        f"{teacher.get('name')} (weights sha256 `{teacher.get('sha256')}`). Last check: "
        f"{card.status.replace('_', ' ')}.",
        "",
        "## Models",
        "",
        *_table(
            ("file", "sha256", "bytes"), [(m.file, m.sha256, m.size_bytes) for m in card.models]
        ),
        "",
        "Energies of the elements by least squares, the same in all fits (eV): "
        + ", ".join(f"{symbol} {value:.5f}" for symbol, value in card.element_energies_ev.items()),
        "",
        "## Errors on frames that no model was trained on",
        "",
        "Each round's dynamics was run by the model of the round before and labelled by the "
        "teacher. Energy is model minus teacher.",
    ]
    for one in card.rounds:
        lines += ["", f"### {one.name}: dynamics of {one.model}", "", *_error_table(one.errors)]
        lines += [
            f"{run.system} at {run.temperature_k:g} K stopped: {run.stopped}"
            for run in one.runs
            if run.stopped
        ]
    lines += _before_and_after(card)
    lines += ["", "Members of the committee on the frames of the last check:", ""]
    lines += _error_table(
        [
            row.model_copy(update={"group": member.model})
            for member in card.members
            for row in member.errors
            if row.group == "all"
        ]
    )
    lines += ["", "## Frames", "", *_frames_table(card), "", "## Fits", ""]
    for fit in card.fits:
        lines += _fit_lines(fit)
    lines += ["## Limits", "", *(f"- {limit}" for limit in card.limits), ""]
    versions = ", ".join(f"{k} {v}" for k, v in card.provenance.versions.items())
    lines += [f"Made {card.provenance.created} with {versions}.", ""]
    return "\n".join(lines)


def _origin(card: DataCard) -> str:
    if not card.started_from:
        return "distilled from"
    files = ", ".join(f"{one.file} (`{one.sha256[:12]}`)" for one in card.started_from)
    return f"tuned from {files} on labels of"


def _before_and_after(card: DataCard) -> list[str]:
    """Mean over the members of each committee, on the same frames."""
    if not card.before:
        return []
    rows = []
    for number, first in enumerate(card.before[0].errors):
        old, new = ([one.errors[number] for one in some] for some in (card.before, card.after))
        rows.append(
            (
                first.group,
                first.frames,
                *(f"{_mean(some, 'force_rmse_mev_per_angstrom'):.0f}" for some in (old, new)),
                *(f"{_mean(some, 'energy_rmse_mev_per_atom'):.1f}" for some in (old, new)),
            )
        )
    head = ("group", "frames", "F before, meV/A", "F after", "E before, meV/atom", "E after")
    return [
        "",
        "### Before and after",
        "",
        "Mean over the members on the same frames: what is held out, run by the first of the "
        "models that were tuned (energies with its elements' energies moved to the teacher's).",
        "",
        *_table(head, rows),
    ]


def _mean(rows: Sequence[ErrorRow], name: str) -> float:
    return sum(float(getattr(row, name)) for row in rows) / len(rows)


def _error_table(rows: Iterable[ErrorRow]) -> list[str]:
    head = ("group", "frames", "E rmse meV/atom", "E mean", "F rmse meV/A", "F relative", "stress")
    return _table(
        head,
        [
            (
                row.group,
                row.frames,
                f"{row.energy_rmse_mev_per_atom:.1f}",
                f"{row.energy_mean_mev_per_atom:+.1f}",
                f"{row.force_rmse_mev_per_angstrom:.0f}",
                f"{100 * row.force_relative:.0f} %",
                "" if row.stress_rmse_gpa is None else f"{row.stress_rmse_gpa:.2f} GPa",
            )
            for row in rows
        ],
    )


def _frames_table(card: DataCard) -> list[str]:
    stages = list(card.frames)
    groups = sorted({group for stage in stages for group in card.frames[stage]})
    rows: list[tuple[object, ...]] = [
        (group, *(card.frames[stage].get(group, 0) for stage in stages)) for group in groups
    ]
    rows.append(("dropped for large forces", *(card.dropped.get(stage, 0) for stage in stages)))
    rows.append(("not labelled", *(len(card.failed.get(stage, ())) for stage in stages)))
    reasons = sorted({reason for some in card.failed.values() for reason in some})
    said = [f"Not labelled: {reason}" for reason in reasons[:MOST_REASONS]]
    return [*_table(("group", *stages), rows), *(["", *said] if said else [])]


def _fit_lines(fit: FitRecord) -> list[str]:
    start = f", from {fit.started_from}" if fit.started_from else ""
    overall = next((row for row in fit.test if row.group == "all"), None)
    own = (
        f"; own test split {overall.energy_rmse_mev_per_atom:.1f} meV/atom, "
        f"{overall.force_rmse_mev_per_angstrom:.0f} meV/A (optimistic)"
        if overall
        else ""
    )
    return [
        f"**{fit.name}**, seed {fit.seed}{start}: {fit.train_frames} frames "
        f"({fit.train_atoms} atoms), {fit.epochs} epochs, {fit.wall_s:.0f} s{own}.",
        "",
        f"    mace_run_train {fit.command}",
        "",
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    return [
        "| " + " | ".join(head) + " |",
        "|" + " --- |" * len(head),
        *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows),
    ]
