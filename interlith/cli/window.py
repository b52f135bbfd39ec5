"""``interlith window FORMULA...``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
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
    missing_line,
    numbers,
    print_json,
    print_tables,
    reference_from,
    reference_line,
    table,
)
from interlith.errors import InputError
from interlith.formatting import format_value
from interlith.records import Record

if TYPE_CHECKING:
    from interlith.analysis.hull import Hull
    from interlith.analysis.windows import WindowRecord


FRAMEWORK_COLUMNS = ("formula", "average voltage", "step voltage", "intact")


def window(
    formulas: Annotated[list[str], typer.Argument(help="Compounds, for example Li6PS5Cl.")],
    reference: ReferenceOption = "default",
    scheme: SchemeOption = None,
    exclude: ExcludeOption = None,
    shift: ShiftOption = None,
    shift_except: ShiftExceptOption = None,
    shift_without: ShiftWithoutOption = None,
    voltages: Annotated[
        str, typer.Option(help="Voltages for the decomposition energies, V vs Li/Li+.")
    ] = "0,5",
    voltage_range: Annotated[str, typer.Option(help="Range of the ladder, V: LOW,HIGH.")] = "0,5",
    topotactic: Annotated[
        Path | None,
        typer.Option(help="CSV or JSON of framework energies for the topotactic limits."),
    ] = None,
    topotactic_with: Annotated[
        str | None,
        typer.Option(
            help="Potential that relaxes the framework with more and less Li for the topotactic "
            "limits, for example 7net-0 (minutes)."
        ),
    ] = None,
    topotactic_folder: Annotated[
        Path | None,
        typer.Option(
            help="With --topotactic-with: keep every relaxation here; the same command goes on."
        ),
    ] = None,
    li_range: Annotated[
        str | None,
        typer.Option(
            help="With --topotactic-with: least and most Li per formula, LOW,HIGH; two less and "
            "two more if left out."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Stability window and decomposition ladder of compounds against Li."""
    from interlith.analysis.hull import Hull
    from interlith.analysis.windows import check_range

    low, high = check_range(numbers(voltage_range, "--voltage-range", 2))  # type: ignore[arg-type]  # two by count
    at = numbers(voltages, "--voltages")
    limits = _limits(topotactic, topotactic_with, li_range, topotactic_folder)
    energies = reference_from(
        reference,
        scheme,
        exclude,
        shift,
        shift_except,
        shift_without,
        lambda: elements_in(formulas),
    )
    hull = Hull(energies)
    rows = [_row(hull, formula, (low, high), at, limits, len(formulas)) for formula in formulas]
    if all("error" in row for row in rows):
        raise InputError("; ".join(row["error"] for row in rows))
    if as_json:
        print_json(rows[0] if len(rows) == 1 else rows)
        return
    for row in rows:
        _show(row)
    print_tables(reference_line(energies.identity().to_json()))


def _row(
    hull: Hull,
    formula: str,
    voltage_range: tuple[float, float],
    voltages: tuple[float, ...],
    limits: Callable[[WindowRecord], Record] | None,
    asked: int,
) -> dict[str, Any]:
    from interlith.analysis.uncertainty import window_sigma
    from interlith.analysis.windows import stability_window

    try:
        record = stability_window(hull, formula, voltage_range_v=voltage_range, voltages_v=voltages)
        row = record.model_copy(update={"sigma": window_sigma(hull, record)}).to_json()
        if limits is not None:
            row["topotactic"] = limits(record).to_json()
    except InputError as error:
        if asked == 1:
            raise
        return {"formula": formula, "error": str(error)}
    return row


def _limits(
    path: Path | None, potential: str | None, li_range: str | None, folder: Path | None = None
) -> Callable[[WindowRecord], Record] | None:
    """What finds the topotactic limits beside a window: a file of energies or a potential."""
    if path is not None and potential is not None:
        raise InputError(
            "--topotactic takes energies from a file and --topotactic-with calculates them; give "
            "one of the two"
        )
    if (li_range is not None or folder is not None) and potential is None:
        raise InputError("--li-range and --topotactic-folder go with --topotactic-with POTENTIAL")
    if path is not None:
        return partial(_from_file, path)
    if potential is None:
        return None
    ends = (None, None) if li_range is None else numbers(li_range, "--li-range", 2)
    if ends[0] is not None and ends[1] is not None and not 0 <= ends[0] <= ends[1]:
        raise InputError(f"--li-range '{li_range}' is negative or reversed; write LOW,HIGH: 4,11")
    return partial(_calculated, potential, ends[0], ends[1], folder)


def _from_file(path: Path, direct: WindowRecord) -> Record:
    from interlith.analysis.reference_catalog import load_reference
    from interlith.analysis.topotactic import frameworks_from, topotactic_window

    return topotactic_window(direct.formula, frameworks_from(load_reference(str(path))))


def _calculated(
    potential: str,
    low: float | None,
    high: float | None,
    folder: Path | None,
    direct: WindowRecord,
) -> Record:
    from interlith.analysis.insertion_voltages import against_direct
    from interlith.workflows.topotactic import TopotacticOptions, topotactic

    found = topotactic(
        direct.formula,
        potential,
        TopotacticOptions(low=low, high=high),
        folder=folder,
        progress=lambda line: typer.echo(line, err=True),
    )
    return against_direct(
        found,
        direct.reduction_potential_v,
        direct.oxidation_potential_v,
        direct.energy_above_hull_ev_per_atom,
    )


def _show(row: dict[str, Any]) -> None:
    if "error" in row:
        print_tables(f"{row['formula']}: {row['error']}")
        return
    sigma = row["sigma"] or {"reduction_v": None, "oxidation_v": None}
    reduction = format_value(row["reduction_potential_v"], sigma["reduction_v"], "V")
    oxidation = format_value(row["oxidation_potential_v"], sigma["oxidation_v"], "V")
    above = row["energy_above_hull_ev_per_atom"]
    lines = [
        f"{row['formula']}: stable from {reduction} to {oxidation} vs Li/Li+"
        + (f" ({row['reason']})" if row["reason"] else ""),
        f"  energy above hull {format_value(above * 1000, None, 'meV/atom')}"
        if above is not None
        else "  not in the reference set; taken on its hull, as "
        + " + ".join(f"{p['amount']:.4g} {p['formula']}" for p in row["stable_mixture"]),
    ]
    if row["missing_phases"]:
        lines.append("  " + missing_line(row["missing_phases"]))
    if row["topotactic"]:
        limits = row["topotactic"]
        lines.append(
            f"  topotactic: {format_value(limits['reduction_potential_v'], None, 'V')} "
            f"({limits['lithiated'] or 'no lithiated framework given'}) to "
            f"{format_value(limits['oxidation_potential_v'], None, 'V')} "
            f"({limits['delithiated'] or 'no delithiated framework given'})"
        )
        if limits.get("reason"):
            lines.append(f"  {limits['status']}: {limits['reason']}")
    steps = [
        [f"{s['voltage_v']:.2f}", s["direction"], s["reaction"], s["passivation"] or ""]
        for s in row["ladder"]
    ]
    energies = [
        [f"{e['voltage_v']:g}", f"{e['energy_ev_per_atom']:.3f}"]
        for e in row["decomposition_energies"]
    ]
    inserted = [
        [
            s["formula"],
            format_value(s["average_voltage_v"], None, "V"),
            format_value(s["step_voltage_v"], None, "V"),
            "yes" if s["framework"]["intact"] else "no",
        ]
        for s in (row["topotactic"] or {}).get("steps", ())
    ]
    print_tables(
        *lines,
        *([table("Framework kept", FRAMEWORK_COLUMNS, inserted)] if inserted else []),
        table("Ladder", ("V vs Li/Li+", "step", "reaction", "products"), steps),
        table("Decomposition energy", ("V vs Li/Li+", "eV/atom"), energies),
    )
