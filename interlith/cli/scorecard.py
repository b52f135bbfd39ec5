"""``interlith scorecard``: one page per electrolyte, with methods, errors and the literature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from interlith.cli.common import (
    ExcludeOption,
    JsonOption,
    ReferenceOption,
    SchemeOption,
    elements_in,
    print_json,
    print_tables,
    reference_from,
    reference_line,
    table,
)
from interlith.errors import InputError
from interlith.formatting import format_value

if TYPE_CHECKING:
    from interlith.records import Record

    Kind = TypeVar("Kind", bound=Record)


def scorecard(
    formulas: Annotated[list[str], typer.Argument(help="Formulas or library names.")],
    potential_name: Annotated[
        str | None,
        typer.Option("--potential", "-p", help="Potential for the elastic tensor (minutes)."),
    ] = None,
    topotactic: Annotated[
        bool, typer.Option("--topotactic", help="Topotactic window too (minutes).")
    ] = False,
    thermal: Annotated[
        bool, typer.Option("--thermal", help="Expansion and heat capacity too (minutes to hours).")
    ] = False,
    dynamics: Annotated[bool, typer.Option("--dynamics", help="Conductivity too (hours).")] = False,
    elastic: Annotated[
        list[Path] | None, typer.Option(help="Records of `interlith elastic --json`.")
    ] = None,
    thermal_file: Annotated[
        list[Path] | None, typer.Option(help="Records of `interlith thermal --json`.")
    ] = None,
    diffusion: Annotated[
        list[Path] | None, typer.Option(help="Records of `interlith diffusion --json`.")
    ] = None,
    band_edges: Annotated[
        list[Path] | None, typer.Option(help="Line-ups of levels with Li metal by DFT, as JSON.")
    ] = None,
    reference: ReferenceOption = "default",
    scheme: SchemeOption = None,
    exclude: ExcludeOption = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of dynamics.")] = Path(
        "scorecard"
    ),
    as_json: JsonOption = False,
) -> None:
    """Everything that can be computed of electrolytes, beside what the literature has."""
    from interlith.analysis.atmosphere import AIR_ELEMENTS
    from interlith.analysis.band_edges import LineUpRecord
    from interlith.analysis.diffusion_results import DiffusionRecord
    from interlith.analysis.hull import Hull
    from interlith.analysis.moduli import ElasticRecord
    from interlith.analysis.thermal import ThermalRecord
    from interlith.workflows.scorecard import ScorecardOptions, composition_of
    from interlith.workflows.scorecard import scorecard as make

    options = ScorecardOptions(
        potential=potential_name,
        topotactic=topotactic,
        thermal=thermal,
        dynamics=dynamics,
        elastic=tuple(_read(path, ElasticRecord) for path in elastic or ()),
        thermal_records=tuple(_read(path, ThermalRecord) for path in thermal_file or ()),
        diffusion=tuple(_read(path, DiffusionRecord) for path in diffusion or ()),
        band_edges=tuple(_read(path, LineUpRecord) for path in band_edges or ()),
        folder=out,
    )
    energies = reference_from(
        reference,
        scheme,
        exclude,
        None,
        None,
        None,
        lambda: elements_in([composition_of(name) for name in formulas]) | AIR_ELEMENTS,
    )
    data = make(formulas, Hull(energies), options).to_json()
    if as_json:
        print_json(data)
        return
    for formula in formulas:
        _show([one for one in data["rows"] if one["formula"] == formula])
    print_tables(reference_line(data["reference"]))


def _show(rows: Sequence[dict[str, Any]]) -> None:
    """A line for each quantity; methods, sources and reasons are notes below, each said once."""
    notes: list[str] = []

    def note(text: str | None) -> str:
        if not text:
            return ""
        if text not in notes:
            notes.append(text)
        return f"[{notes.index(text) + 1}]"

    columns = ("quantity", "value", "literature", "how")
    lines = [[*_line(one, note)] for one in rows]
    print_tables(
        table(rows[0]["formula"], columns, lines),
        *(f"[{number}] {text}" for number, text in enumerate(notes, 1)),
    )


def _read(path: Path, kind: type[Kind]) -> Kind:
    from pydantic import ValidationError

    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    except ValidationError as error:
        raise InputError(
            f"{path} is no {kind.__name__}: {error.error_count()} fields do not fit; give the "
            "output of the command with --json"
        ) from error


def _line(one: dict[str, Any], note: Callable[[str | None], str]) -> list[str]:
    value, unit, known = one["value"], one["unit"], one["literature_value"]
    if one["status"] not in ("ok", "diagnosis"):
        shown, how = one["status"].replace("_", " "), note(one["reason"])
    else:
        shown = format_value(value, one["sigma"], unit) if _is_number(value) else str(value)
        how = note(one["method"]) + note(one["reason"] if one["status"] == "diagnosis" else None)
    beside = "" if known is None else f"{known} {unit} {note(one['source'])}"
    return [one["quantity"].replace("_", " "), shown, beside, how]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
