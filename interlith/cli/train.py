"""``interlith train``: a committee of MACE models from a teacher's labels."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlith.cli.common import JsonOption, lasting, print_json, print_tables, table
from interlith.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from interlith.workflows.training.settings import TrainSettings

EXAMPLE = "lpscl-training.yaml"
LINE_EVERY_S = 30.0
"""Between lines of progress where stderr is no terminal."""


def train(
    settings_file: Annotated[
        Path | None, typer.Argument(metavar="SETTINGS.yaml", help="What to sample and to fit.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", "--out", "-o", help="Of this training (default: its name)."),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            "--teacher",
            "--potential",
            "--engine",
            "-p",
            help="Potential or DFT that labels, in place of the file's.",
        ),
    ] = None,
    register_in: Annotated[
        Path | None,
        typer.Option("--register", help="Folder that gets the models and their card, when done."),
    ] = None,
    example: Annotated[
        bool, typer.Option("--example", help="Print a settings file to start from, and stop.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be sampled and its cost, and stop.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Fit or distil a committee of MACE models, judged by the frames of its own dynamics.

    Call it again with the same folder to go on after an interruption.
    """  # fmt: skip
    if example:
        _print_example(as_json)
        return
    if settings_file is None:
        raise InputError(
            "give the settings of a training, SETTINGS.yaml; `interlith train --example` prints one"
        )
    settings = _read(settings_file, teacher)
    if dry_run:
        _plan(settings, as_json)
        return
    from interlith.workflows.train import run_training
    from interlith.workflows.training.card import register

    place = folder or Path(settings.name)
    with _progress(sys.stderr.isatty()) as progress:
        card = run_training(settings, place, progress).to_json()
    made = [str(path) for path in register(place, register_in)] if register_in else []
    named = ",".join(str((place / model["file"]).resolve()) for model in card["models"])
    if as_json:
        print_json(card | {"folder": str(place), "potential": f"mace:{named}", "registered": made})
        return
    print_tables(
        *_tables(card), f"Card: {place / 'card.md'}", f"Use it as --potential mace:{named}"
    )
    if made:
        print_tables("Registered: " + ", ".join(made))


def _read(path: Path, teacher: str | None) -> TrainSettings:
    from interlith.workflows.training.settings import read_train_settings

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(
            f"cannot read the settings {path} ({why}); `interlith train --example` prints some"
        ) from error
    settings = read_train_settings(text)
    return settings.model_copy(update={"teacher": teacher}) if teacher else settings


def _print_example(as_json: bool) -> None:
    from importlib.resources import files

    text = files("interlith.engines").joinpath("models", EXAMPLE).read_text(encoding="utf-8")
    if as_json:
        from interlith.workflows.training.settings import read_train_settings

        print_json(read_train_settings(text).model_dump(mode="json"))
        return
    sys.stdout.write(text)


def _plan(settings: TrainSettings, as_json: bool) -> None:
    from interlith.workflows.training.plan import training_plan

    plan = training_plan(settings, measure=True).to_json()
    if as_json:
        print_json(plan)
        return
    rows = [
        [
            one["name"],
            "held out" if one["held_out"] else one["kind"],
            str(one["atoms"]),
            str(one["base_frames"]),
            str(one["runs"]),
            str(one["own_frames"]),
        ]
        for one in plan["systems"]
    ]
    columns = ("system", "kind", "atoms", "base frames", "runs of a model", "their frames")
    total = plan["labels_total_s"]
    print_tables(
        table(f"Training {plan['name']}, teacher {plan['teacher']}", columns, rows),
        f"{plan['labels']} labels and {plan['teacher_steps']} steps of the teacher: "
        + ("time unknown" if total is None else lasting(total))
        + f" ({plan['label_basis']})",
        f"Dynamics of the models over {plan['rounds']} rounds: "
        f"{lasting(plan['dynamics_total_s'])}; {plan['fits']} fits: "
        f"{lasting(plan['fit_total_s'])} ({plan['fit_basis']})",
        "Fewer rounds are run when the error falls below the bounds.",
    )


@contextmanager
def _progress(shown: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each step with its time left on a terminal, else a line now and then."""
    if not shown:
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks: dict[str, Any] = {}

        def tell(what: str, done: int, total: int) -> None:
            detail = any(f": {word}" in what for word in ("labels", "epochs", "steps of"))
            step = what if detail else what.partition(":")[0]
            if step not in tasks:
                tasks[step] = bar.add_task(what, total=total)
            shown = "steps of" not in what or done < total  # one of many: gone when it is done
            bar.update(tasks[step], description=what, completed=done, total=total, visible=shown)

        yield tell


class _Lines:
    """Plain lines on stderr: each step when it starts and ends, and every half minute."""

    def __init__(self) -> None:
        self._said: dict[str, float] = {}
        self._begun: dict[str, float] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        begun = self._begun.setdefault(what, now)
        if done < total and now - self._said.get(what, -LINE_EVERY_S) < LINE_EVERY_S:
            return
        self._said[what] = now
        left = (now - begun) / done * (total - done) if done and now > begun else None
        more = "" if not left else f", {lasting(left)} left"
        print(f"{what} {done}/{total}{more}", file=sys.stderr, flush=True)


def _tables(card: Mapping[str, Any]) -> list[Table | str]:
    columns = ("group", "frames", "E rmse meV/atom", "E mean", "F rmse meV/A", "F relative")
    parts: list[Table | str] = [
        f"{card['name']}: {card['status'].replace('_', ' ')}, teacher {card['teacher']['name']}"
    ]
    for one in card["rounds"][-1:]:
        title = f"Errors on frames of the dynamics of {one['model']} ({one['name']})"
        parts.append(table(title, columns, [_error_cells(row) for row in one["errors"]]))
        parts += [
            f"{run['system']} at {run['temperature_k']:g} K stopped: {run['stopped']}"
            for run in one["runs"]
            if run["stopped"]
        ]
    members = [
        [member["model"], *_error_cells(member["errors"][-1])[1:]]
        for member in card["members"]
        if member["errors"]
    ]
    if members:
        parts.append(table("Members on the same frames", ("model", *columns[1:]), members))
    files = [[m["file"], m["sha256"][:12], f"{m['size_bytes'] / 1e6:.2f} MB"]
             for m in card["models"]]  # fmt: skip
    parts.append(table("Models", ("file", "sha256", "size"), files))
    return [*parts, *(f"Limit: {limit}" for limit in card["limits"])]


def _error_cells(row: Mapping[str, Any]) -> list[str]:
    return [
        row["group"],
        str(row["frames"]),
        f"{row['energy_rmse_mev_per_atom']:.1f}",
        f"{row['energy_mean_mev_per_atom']:+.1f}",
        f"{row['force_rmse_mev_per_angstrom']:.0f}",
        f"{100 * row['force_relative']:.0f} %",
    ]
