"""``interlith products``: what an interface turned into, beside what thermodynamics names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlith.cli.common import (
    JsonOption,
    ReferenceOption,
    print_json,
    print_tables,
    table,
    write_json,
)
from interlith.errors import InputError

if TYPE_CHECKING:
    from interlith.records import Amount

SHOWN = 11
"""Moments in the tables."""


def products(
    trajectory: Annotated[Path, typer.Argument(help="Trajectory file of any program.")],
    between: Annotated[
        str | None,
        typer.Option(help="The two materials that met, A,B: their predicted products beside."),
    ] = None,
    phases: Annotated[
        str | None, typer.Option(help="Library phases to look for, A,B,C; else all that fit.")
    ] = None,
    time_step: Annotated[
        float | None, typer.Option(help="Time between two frames, fs, where the file has none.")
    ] = None,
    every: Annotated[int, typer.Option(help="Frames to step by.")] = 1,
    reference: ReferenceOption = "default",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File for the record, as JSON.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Phases atom by atom, polyanions, bonds, and amounts over time in a trajectory."""
    from interlith.analysis.products import identify_products
    from interlith.analysis.trajectories import open_trajectory

    record = identify_products(
        open_trajectory(trajectory, time_step_fs=time_step),
        phases=None if phases is None else [one.strip() for one in phases.split(",")],
        predicted=_predicted(between, reference),
        every=every,
    )
    data = record.to_json()
    write_json(data, out)
    if as_json:
        print_json(data)
        return
    print_tables(*_lines(data))


def _predicted(between: str | None, reference: str) -> tuple[Amount, ...]:
    """Products of full reaction with Li, or of the strongest mixing of two other materials."""
    if between is None:
        return ()
    materials = [one.strip() for one in between.split(",")]
    if len(materials) != 2:
        raise InputError(f"--between takes two materials, A,B; '{between}' names {len(materials)}")
    from interlith.analysis.hull import Hull
    from interlith.analysis.reactive_limit import reaction_limit
    from interlith.cli.common import elements_in, reference_from

    energies = reference_from(
        reference, None, None, None, None, None, lambda: elements_in(materials)
    )
    return reaction_limit(Hull(energies), *materials).products


def _lines(data: dict[str, Any]) -> list[Any]:
    frames = data["frames"]
    chosen = sorted({round(i * (len(frames) - 1) / (SHOWN - 1)) for i in range(SHOWN)})
    found = {name for i in chosen for name in frames[i]["fractions"]}
    names = sorted(found, key=lambda name: (name == "amorphous", name))
    shares = [
        [
            f"{frames[i]['time_ps']:g}",
            *(f"{100 * frames[i]['fractions'].get(name, 0.0):.0f}" for name in names),
            _counts(frames[i]["polyanions"]),
            _counts(frames[i]["bonds"]),
        ]
        for i in chosen
    ]
    lines: list[Any] = [
        table("Atoms by phase, %", ("ps", *names, "centres", "bonds"), shares),
        data["method"],
    ]
    return [*_amount_tables(data["amounts"], frames, chosen), *lines]


def _amount_tables(
    rows: list[dict[str, Any]], frames: list[dict[str, Any]], chosen: list[int]
) -> list[Any]:
    """Predicted products side by side with what was found, and what the counts do not tell."""
    if not rows:
        return []
    simple = [one for one in rows if one["element"] is not None]
    found = [
        [
            f"{frames[i]['time_ps']:g}",
            *(f"{one['crystalline_units'][i]:.1f}" for one in rows),
            *(f"{one['like_units'][i]:.1f}" for one in simple),
            *(f"{one['lithium_around'][i]:.1f}" for one in simple),
        ]
        for i in chosen
    ]
    predicted = ", ".join(f"{one['predicted_units']:.3g} {one['phase']}" for one in rows)
    head = (
        "ps",
        *(f"{one['phase']} crystal" for one in rows),
        *(f"{one['phase']}-like" for one in simple),
        *(f"Li at {one['element']}" for one in simple),
    )
    notes = [
        f"{one['phase']}-like counts {one['element']} bonded to nothing but Li"
        + ("" if one["tells"] else ", as it was from the start: no sign of a reaction")
        + f"; Li at {one['element']} in the crystal: {one['crystal_lithium_around']:.1f}"
        for one in simple
        if one["crystal_lithium_around"] is not None
    ]
    return [table(f"Formula units; predicted: {predicted}", head, found), *notes]


def _counts(found: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in found.items())
