"""``interlith screen``: coatings between an electrolyte and a cathode."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlith.cli.common import (
    ExcludeOption,
    JsonOption,
    ReferenceOption,
    SchemeOption,
    ShiftExceptOption,
    ShiftOption,
    ShiftWithoutOption,
    elements_in,
    numbers,
    print_json,
    print_tables,
    progress_bar,
    reference_from,
    reference_line,
    table,
)
from interlith.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table


def screen(
    electrolyte: Annotated[str, typer.Option(help="The electrolyte.")],
    cathode: Annotated[str, typer.Option(help="The cathode.")],
    coatings: Annotated[str, typer.Option(help="all, a file with one formula a line, or A,B,C.")],
    anode: Annotated[str | None, typer.Option(help="The anode, for anode coatings.")] = None,
    voltage_range: Annotated[
        str, typer.Option(help="Voltages of the electrode, V: LOW,HIGH.")
    ] = "2.5,4.3",
    max_reaction: Annotated[
        float, typer.Option(help="Largest driving force that passes, eV/atom.")
    ] = 0.1,
    limit: Annotated[int, typer.Option(min=1, help="Rows to print (not with --json).")] = 25,
    reference: ReferenceOption = "default",
    scheme: SchemeOption = None,
    exclude: ExcludeOption = None,
    shift: ShiftOption = None,
    shift_except: ShiftExceptOption = None,
    shift_without: ShiftWithoutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Screen coatings: phase stability, window, reaction with both neighbours, Pareto rank."""
    from interlith.analysis.coatings import ScreenCriteria, lithium_phases, screen_coatings
    from interlith.analysis.hull import Hull
    from interlith.analysis.reference_catalog import AUTO, every_element
    from interlith.analysis.windows import check_range

    low, high = check_range(numbers(voltage_range, "--voltage-range", 2))  # type: ignore[arg-type]  # two by count
    if max_reaction <= 0:
        raise InputError(f"--max-reaction {max_reaction:g} must be positive, for example 0.1")
    every = coatings == "all"
    asked = [] if every else read_coatings(coatings)
    widest = every and reference == AUTO
    fixed = [f for f in (electrolyte, cathode, anode) if f]
    energies = reference_from(
        reference,
        scheme,
        exclude,
        shift,
        shift_except,
        shift_without,
        lambda: elements_in([*fixed, *asked]) | (every_element() if widest else set()),
    )
    candidates = lithium_phases(energies) if every else asked
    with progress_bar("coatings", shown=len(candidates) > 200) as progress:
        record = screen_coatings(
            Hull(energies, screening=len(candidates) > 200),
            candidates,
            electrolyte,
            cathode,
            anode,
            criteria=ScreenCriteria(
                voltage_range_v=(low, high), max_reaction_ev_per_atom=max_reaction
            ),
            only_stable=every,
            progress=progress,
        )
    data = record.to_json()
    if as_json:
        print_json(data)
        return
    print_tables(
        table("Funnel", ("step", "left"), [[c["step"], str(c["left"])] for c in data["counts"]]),
        coating_table(data["rows"][:limit]),
        *(f"{f['coating']}: {f['reason']}" for f in data["failures"]),
        reference_line(data["reference"]),
    )


def read_coatings(text: str) -> list[str]:
    """Formulas from a file (one a line, # starts a comment) or from ``A,B,C``.

    Raises
    ------
    InputError
        If the list is empty or the file cannot be read.
    """
    path = Path(text)
    if path.suffix in (".txt", ".csv", ".dat") or path.is_file():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise InputError(
                f"cannot read the coatings {path} ({why}); give a file with one "
                "formula a line, A,B,C or all"
            ) from error
        found = [line.split("#")[0].split(",")[0].strip() for line in lines]
        if found and found[0].lower() in ("formula", "coating"):
            found = found[1:]
    else:
        found = [part.strip() for part in text.split(",")]
    found = [formula for formula in found if formula]
    if not found:
        raise InputError(f"no coatings in '{text}'; give a file, A,B,C or all")
    return found


def coating_table(rows: list[dict[str, Any]]) -> Table:
    """Terminal table of a screen."""
    anode = any(row["reaction_anode_ev_per_atom"] is not None for row in rows)
    columns = ["front", "coating", "class", "reduction V", "oxidation V", "electrolyte", "cathode"]
    columns += ["anode"] if anode else []
    return table(
        "Coatings (reactions in meV/atom; front 1 = beaten by no other)",
        [*columns, "fails"],
        [_cells(row, anode) for row in rows],
    )


def _cells(row: dict[str, Any], anode: bool) -> list[str]:
    oxidation = row["oxidation_potential_v"]
    reactions = [row["reaction_electrolyte_ev_per_atom"], row["reaction_cathode_ev_per_atom"]]
    if anode:
        reactions.append(row["reaction_anode_ev_per_atom"])
    fails = [name.replace("_", " ") for name, passed in row["passes"].items() if passed is False]
    return [
        str(row["rank"]),
        row["coating"],
        row["class"],
        f"{row['reduction_potential_v']:.2f}",
        "no Li" if oxidation is None else f"{oxidation:.2f}",
        *(f"{energy * 1000:.0f}" for energy in reactions),
        ", ".join([*fails, *row["flags"]]) or "passes all",
    ]
