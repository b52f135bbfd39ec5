"""``interlith react A B`` and ``interlith react --pairs FILE``."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, Any

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
    progress_bar,
    reference_from,
    reference_line,
    table,
)
from interlith.errors import InputError
from interlith.formatting import format_value


def react(
    materials: Annotated[list[str] | None, typer.Argument(help="The two compounds.")] = None,
    pairs: Annotated[
        Path | None, typer.Option(help="CSV with the columns a,b: many pairs, one process.")
    ] = None,
    voltage: Annotated[
        str | None,
        typer.Option(help="Open to Li at this voltage, or LOW,HIGH,STEP (V vs Li/Li+)."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes for --pairs.")] = 1,
    reference: ReferenceOption = "default",
    scheme: SchemeOption = None,
    exclude: ExcludeOption = None,
    shift: ShiftOption = None,
    shift_except: ShiftExceptOption = None,
    shift_without: ShiftWithoutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Reaction where two materials touch: closed, or open to Li at --voltage."""
    materials = materials or []
    asked = read_pairs(pairs) if pairs is not None else []
    if pairs is None and len(materials) != 2:
        raise InputError(
            f"got {len(materials)} materials; give two (interlith react Li Li6PS5Cl) or "
            "--pairs FILE.csv"
        )
    if pairs is not None and (materials or voltage):
        raise InputError("--pairs takes neither materials nor --voltage beside it")
    energies = reference_from(
        reference,
        scheme,
        exclude,
        shift,
        shift_except,
        shift_without,
        lambda: elements_in([*materials, *(f for pair in asked for f in pair)]),
    )
    if pairs is not None:
        rows = _many(energies, asked, workers)
        if as_json:
            print_json(rows)
            return
        doubts = dict.fromkeys(row["reason"] for row in rows if "reason" in row)
        print_tables(_pair_table(rows), *doubts, reference_line(energies.identity().to_json()))
        return
    results = _one(energies, materials[0], materials[1], voltage)
    if as_json:
        print_json(results[0] if len(results) == 1 else results)
        return
    for result in results:
        _show(result)
    print_tables(reference_line(energies.identity().to_json()))


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Read a CSV with the columns ``a`` and ``b``.

    Raises
    ------
    InputError
        If it cannot be read, has other columns or no rows.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            if "a" not in columns or "b" not in columns:
                raise InputError(
                    f"{path} has the columns {', '.join(columns) or 'none'}; it needs a and b"
                )
            rows = [((row["a"] or "").strip(), (row["b"] or "").strip()) for row in reader]
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}); give a CSV file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text ({error}); save it as UTF-8") from error
    if not rows:
        raise InputError(f"{path} has no rows; write one pair a line below the header a,b")
    return rows


def _many(energies: Any, pairs: list[tuple[str, str]], workers: int) -> list[dict[str, Any]]:
    from interlith.analysis.batch import react_pairs

    with progress_bar("pairs", shown=len(pairs) > 500) as progress:
        rows = react_pairs(energies, pairs, workers=workers, progress=progress)
        found = [row.to_json() for row in rows]
    for row in found:
        for why in ("error", "reason"):
            if row[why] is None:
                row.pop(why)
    return found


def _one(energies: Any, a: str, b: str, voltage: str | None) -> list[dict[str, Any]]:
    from interlith.analysis.hull import Hull
    from interlith.analysis.reactions import closed_reaction, open_reaction
    from interlith.analysis.uncertainty import reaction_sigma

    hull = Hull(energies)
    if voltage is None:
        record = closed_reaction(hull, a, b)
        sigma = reaction_sigma(hull, a, b)
        return [record.model_copy(update={"sigma_ev_per_atom": sigma}).to_json()]
    return [open_reaction(hull, a, b, v).to_json() for v in _voltages(voltage)]


def _voltages(text: str) -> list[float]:
    values = numbers(text, "--voltage")
    if min(values, default=0.0) < 0:
        raise InputError(
            f"--voltage '{text}' goes below 0 V vs Li/Li+, where Li metal plates; give 0 or more"
        )
    if len(values) == 1:
        return list(values)
    if len(values) != 3 or values[1] <= values[0] or values[2] <= 0:
        raise InputError(
            f"--voltage '{text}' must be one number or LOW,HIGH,STEP with LOW < HIGH and STEP > 0"
        )
    low, high, step = values
    return [low + i * step for i in range(int((high - low) / step + 1e-9) + 1)]


def _pair_table(rows: list[dict[str, Any]]) -> Any:
    shown = [
        [
            row["a"],
            row["b"],
            row["error"] if "error" in row else f"{row['energy_ev_per_atom'] * 1000:.0f}",
            ""
            if "error" in row
            else " + ".join(product["formula"] for product in row["products"]) or "no reaction",
        ]
        for row in rows
    ]
    return table("Closed reactions", ("a", "b", "meV/atom", "products"), shown)


def _capacity_line(result: dict[str, Any]) -> str:
    capacity = result["capacity_mah_per_g"]
    if result["mode"] == "closed":
        return f"  takes {capacity:.0f} mAh per g of the other reactant"
    way = "takes" if capacity >= 0 else "releases"
    return f"  {way} {abs(capacity):.0f} mAh per g of {result['a']} (Li of both counted)"


def _show(result: dict[str, Any]) -> None:
    above = result["endpoint_energy_above_hull"]
    energy = result["energy_ev_per_atom"]
    sigma = result.get("sigma_ev_per_atom")
    how = "closed" if result["mode"] == "closed" else f"open to Li at {result['voltage_v']:g} V"
    value = format_value(energy * 1000, None if sigma is None else sigma * 1000, "meV/atom")
    lines = [f"{result['a']} with {result['b']}, {how}: {value}", f"  {result['reaction']}"]
    if result["mode"] == "open":
        lines += [
            f"  {name} ({result[name]['label']}): "
            f"{result[name]['per_atom']['energy_ev'] * 1000:.0f} meV/atom, "
            f"{result[name]['per_non_lithium_atom']['energy_ev'] * 1000:.0f} meV per atom "
            "that is not Li"
            for name in ("total", "mutual")
        ]
    elif result["volume"]:
        volume = result["volume"]
        lines.append(f"  volume {volume['relative_change'] * 100:+.1f} %")
        if volume["interphase_nm_per_uah_cm2"]:
            lines[-1] += f", {volume['interphase_nm_per_uah_cm2']:.1f} nm per uAh/cm2 of Li"
    if result["capacity_mah_per_g"] is not None:
        lines.append(_capacity_line(result))
    for side in ("a", "b"):
        if above[side] is None:
            lines.append(f"  {result[side]} is not in the reference set; taken on its hull")
        elif above[side] > 0:
            lines.append(f"  {result[side]} is {above[side] * 1000:.0f} meV/atom above the hull")
    if result["reason"]:
        lines.append(f"  {result['status']}: {result['reason']}")
    if result["missing_phases"]:
        lines.append("  " + missing_line(result["missing_phases"]))
    kinks = [
        [f"{k['mixing_fraction_a']:.3f}", f"{k['energy_ev_per_atom'] * 1000:.0f}", k["reaction"]]
        for k in result["kinks"]
    ]
    print_tables(*lines, table("Mixing", ("fraction of a", "meV/atom", "reaction"), kinks))
