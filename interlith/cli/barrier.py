"""``interlith barrier MATERIAL``: migration barriers of single hops."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlith.cli.common import JsonOption, print_json, print_tables, table
from interlith.errors import InputError
from interlith.formatting import format_value

if TYPE_CHECKING:
    from interlith.engines.neb import BandSettings
    from interlith.workflows.neb import BarriersRecord, HopOptions


def barrier(
    material: Annotated[
        str, typer.Argument(help="Library name, formula or structure file; ordered.")
    ],
    potential_name: Annotated[
        str, typer.Option("--potential", "--engine", "-p", help="Potential by name.")
    ] = "7net-0",
    ion: Annotated[str, typer.Option(help="Element that hops.")] = "Li",
    kind: Annotated[str, typer.Option(help="vacancy or interstitial.")] = "vacancy",
    images: Annotated[int, typer.Option(help="Images between the ends of a band.")] = 5,
    max_distance: Annotated[float, typer.Option(help="Longest hop, A.")] = 3.5,
    min_length: Annotated[
        float | None, typer.Option(help="Least width of the supercell, A.")
    ] = None,
    most_hops: Annotated[int, typer.Option(help="Only the shortest so many.")] = 4,
    fmax: Annotated[float, typer.Option(help="Largest force left of a band, eV/A.")] = 0.05,
    max_steps: Annotated[int, typer.Option(help="Most steps of a band.")] = 200,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder (default: MATERIAL-barriers).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Barriers of vacancy or interstitial hops by nudged elastic bands.

    The bands are kept in the folder: call it again to go on after an interruption.
    """
    from interlith.structures.reading import plain_name
    from interlith.workflows.neb import migration_barriers

    folder = out or Path(f"{plain_name(material)}-barriers")
    options = {
        "ion": ion,
        "kind": kind,
        "max_distance_angstrom": max_distance,
        "most_hops": most_hops,
    } | ({} if min_length is None else {"min_length_angstrom": min_length})
    found = migration_barriers(
        material,
        potential_name,
        _options(options),
        _settings({"images": images, "fmax_ev_per_angstrom": fmax, "max_steps": max_steps}),
        folder=folder,
        progress=lambda line: typer.echo(line, err=True),
    )
    _write(found, folder)
    data = found.to_json()
    if as_json:
        print_json(data)
        return
    rows = [_cells(hop) for hop in data["hops"]]
    columns = ("hop", "length", "like it", "forward", "reverse", "images", "status")
    print_tables(
        table(f"Hops of {ion} in {data['formula']}, {data['potential']['name']}", columns, rows),
        "Lowest barrier: " + format_value(data["lowest_ev"], None, "eV", 3)
        + (f" ({data['hops_left_out']} longer hops were not looked at)"
           if data["hops_left_out"] else ""),
        f"Note: {data['note']}",
        f"Bands, profile and record: {folder}",
    )  # fmt: skip


def _options(values: Mapping[str, Any]) -> HopOptions:
    from pydantic import ValidationError

    from interlith.workflows.neb import HopOptions

    try:
        return HopOptions.model_validate(dict(values))
    except ValidationError as error:
        raise InputError(_first(error)) from error


def _settings(values: Mapping[str, Any]) -> BandSettings:
    from pydantic import ValidationError

    from interlith.engines.neb import BandSettings

    try:
        return BandSettings.model_validate(dict(values))
    except ValidationError as error:
        raise InputError(_first(error)) from error


def _first(error: Any) -> str:
    first = error.errors()[0]
    return f"{first['loc'][0]} {first['input']!r}: {first['msg']}"


def _write(found: BarriersRecord, folder: Path) -> None:
    from interlith.errors import OutputError
    from interlith.report.barriers import profile_png
    from interlith.workflows.neb import summary

    picture = profile_png(summary(found))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "barriers.json").write_text(json.dumps(found.to_json(), indent=1))
        if picture is not None:
            (folder / "profile.png").write_bytes(picture)
    except OSError as error:
        raise OutputError(
            f"cannot write into {folder} ({error.strerror}); choose another --out"
        ) from error


def _cells(hop: Mapping[str, Any]) -> list[str]:
    band = hop["barrier"] or {}
    return [
        hop["label"],
        f"{hop['distance_angstrom']:.2f} A",
        str(hop["multiplicity"]),
        format_value(band.get("forward_ev"), None, "eV", 3),
        format_value(band.get("reverse_ev"), None, "eV", 3),
        str(len(band.get("energies_ev", ()))),
        hop["status"] if hop["reason"] is None else f"{hop['status']}: {hop['reason']}",
    ]
