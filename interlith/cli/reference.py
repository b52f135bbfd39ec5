"""``interlith reference list|show|build|coverage|import|compare``."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from interlith.cli.common import (
    ExcludeOption,
    JsonOption,
    SchemeOption,
    ShiftExceptOption,
    ShiftOption,
    ShiftWithoutOption,
    listed,
    print_json,
    print_tables,
    progress_bar,
    reference_from,
    reference_line,
    table,
)
from interlith.errors import InputError

app = typer.Typer(help="Reference energy sets.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_sets(as_json: JsonOption = False) -> None:
    """List the built-in and the imported sets."""
    from interlith.analysis.reference_catalog import available_sets

    rows = [record.to_json() for record in available_sets()]
    if as_json:
        print_json(rows)
        return
    shown = [[r["name"], str(r["n_phases"]), r["scheme"], r["sha256"][:12]] for r in rows]
    print_tables(table("Reference sets", ("name", "phases", "scheme", "sha256"), shown))


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Set name or file.")] = "default",
    elements: Annotated[
        str | None, typer.Option(help="Only phases of these elements, for example Li,P,S.")
    ] = None,
    scheme: SchemeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a set: identity, notes and the phases of some elements with their energies."""
    import numpy as np

    from interlith.analysis.hull import Hull
    from interlith.analysis.reference_catalog import load_reference

    reference = load_reference(name, scheme=scheme, elements=listed(elements))
    wanted = listed(elements) or reference.elements
    reference.require_elements(wanted)
    phases = reference.within(wanted)
    if len(phases) > 2000 and not elements:
        print_tables(reference_line(reference.identity().to_json()))
        raise InputError(f"{name} holds {len(phases)} phases; choose with --elements Li,P,S")
    hull = Hull(reference)
    rows = []
    for phase in phases[np.argsort([reference.formula(int(p)) for p in phases])]:
        formula = reference.formula(int(phase))
        sigma = None if reference.sigma is None else float(reference.sigma[phase])
        rows.append(
            {
                "formula": formula,
                "formation_energy_ev_per_atom": float(reference.energies[phase]),
                "energy_above_hull_ev_per_atom": hull.compound(formula).energy_above_hull,
                "sigma_ev_per_atom": sigma,
                "flags": reference.flags.get(formula, ""),
            }
        )
    identity = reference.identity().to_json()
    if as_json:
        print_json({"reference": identity, "phases": rows})
        return
    shown = [_phase_cells(row) for row in rows]
    print_tables(
        table(
            f"{reference.name}: {len(rows)} phases",
            ("formula", "formation eV/atom", "above hull meV/atom", "sigma meV/atom", "flags"),
            shown,
        ),
        *reference.notes,
        reference_line(identity),
    )


def _phase_cells(row: dict[str, Any]) -> list[str]:
    sigma = row["sigma_ev_per_atom"]
    above = row["energy_above_hull_ev_per_atom"]
    return [
        row["formula"],
        f"{row['formation_energy_ev_per_atom']:.3f}",
        "" if above is None else f"{above * 1000:.0f}",
        "none stated" if sigma is None else f"{sigma * 1000:.0f}",
        row["flags"],
    ]


@app.command("build")
def build(
    folder: Annotated[Path, typer.Argument(help="Work folder; a second run resumes in it.")],
    only: Annotated[
        str | None, typer.Option(help="Library names to compute, for example Li2S,LiCl.")
    ] = None,
    engine: Annotated[
        str,
        typer.Option(help="sevennet, or gpaw: PBE(+U) energies on the geometries of sevennet."),
    ] = "sevennet",
    set_name: Annotated[
        str | None, typer.Option("--set", help="Name written into the data file.")
    ] = None,
    go_on: Annotated[
        bool,
        typer.Option("--go-on", help="gpaw: take over what the shipped set has computed."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compute the crystal library and write a reference data file (resumes)."""
    started = time.monotonic()
    report = _builder(engine, set_name, go_on)(folder, names=list(listed(only)) or None)
    report["wall_time_s"] = time.monotonic() - started
    if as_json:
        print_json(report)
        return
    print_tables(
        f"Reference data: {report['file']} ({report['n_phases']} phases, "
        f"{report['wall_time_s']:.0f} s)",
        *(f"No answer: {f['name']}: {f['reason']}" for f in report["failed"]),
    )


def _builder(engine: str, set_name: str | None, go_on: bool) -> Callable[..., dict[str, Any]]:
    """What builds a set with the engine."""
    if go_on and engine != "gpaw":
        raise InputError("--go-on continues the DFT set; give it with --engine gpaw")
    if engine == "sevennet":
        from interlith.workflows.reference import ReferenceSetMaker, build_reference_set

        maker = ReferenceSetMaker()
        maker.set_name = set_name or maker.set_name
        return partial(build_reference_set, maker=maker)
    if engine == "gpaw":
        from interlith.workflows.reference_dft import DftReferenceSetMaker, build_dft_reference_set

        dft_maker = DftReferenceSetMaker()
        dft_maker.set_name = set_name or dft_maker.set_name
        return partial(build_dft_reference_set, maker=dft_maker, go_on=go_on)
    raise InputError(f"no reference set is built with '{engine}'; --engine takes sevennet or gpaw")


@app.command("coverage")
def coverage_of(
    elements: Annotated[str, typer.Argument(help="Chemical system, for example Li,P,S,Cl.")],
    as_json: JsonOption = False,
) -> None:
    """Say whether the DFT set covers a chemical system, and what it lacks there."""
    from interlith.analysis.reference_catalog import DFT_SET, POTENTIAL_SET
    from interlith.analysis.reference_coverage import builtin_coverage

    record = builtin_coverage(listed(elements))
    answer = record.to_json() | {"set": DFT_SET if record.covered else POTENTIAL_SET}
    if as_json:
        print_json(answer)
        return
    held = len(record.required) - len(set(record.missing) & set(record.required))
    print_tables(
        f"{'-'.join(record.elements)}: {DFT_SET} holds {held} of the {len(record.required)} phases "
        f"that are stable in {POTENTIAL_SET}; --reference auto takes {answer['set']}",
        *([f"Missing: {', '.join(record.missing)}"] if record.missing else []),
        *([f"Unknown to it: {', '.join(record.unknown_elements)}"] * bool(record.unknown_elements)),
    )


@app.command("import")
def import_set(
    file: Annotated[Path, typer.Argument(help=".csv[.gz] or .json[.gz] file.")],
    name: Annotated[str, typer.Option(help="Name to call it by.")],
    as_json: JsonOption = False,
) -> None:
    """Check a set and keep a copy under a name, for --reference NAME."""
    from interlith.analysis.reference_catalog import import_reference

    identity = import_reference(file, name).to_json()
    if as_json:
        print_json(identity)
        return
    print_tables(f"Kept as '{name}'.", reference_line(identity))


@app.command("compare")
def compare_sets(
    a: Annotated[str, typer.Argument(help="First set (name or file).")],
    b: Annotated[str, typer.Argument(help="Second set; differences are b minus a.")],
    windows: Annotated[
        str | None, typer.Option(help="Materials whose windows to compare, A,B,C.")
    ] = None,
    scheme: SchemeOption = None,
    scheme_b: Annotated[
        str | None, typer.Option(help="Scheme of the second set (default: as --scheme).")
    ] = None,
    exclude: ExcludeOption = None,
    shift: ShiftOption = None,
    shift_except: ShiftExceptOption = None,
    shift_without: ShiftWithoutOption = None,
    limit: Annotated[int, typer.Option(min=1, help="Parity rows to print.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Compare two sets: formation energies, and windows under both.

    --exclude and --shift apply to the second set.
    """
    from interlith.analysis.reference_catalog import load_reference
    from interlith.analysis.reference_compare import compare

    first = load_reference(a, scheme=scheme)
    second_scheme = scheme_b if scheme_b is not None else _scheme_for(b, scheme)
    second = reference_from(b, second_scheme, exclude, shift, shift_except, shift_without)
    with progress_bar("windows", shown=False):
        record = compare(first, second, formulas=list(listed(windows))).to_json()
    if record["n_common"] == 0:
        raise InputError(
            f"{a} and {b} have no compound in common, so there is nothing to compare; give sets "
            "that overlap (interlith reference show says what is in one)"
        )
    if as_json:
        print_json(record)
        return
    print_tables(
        f"{record['n_common']} common compounds: mean {_mev(record['mean_ev_per_atom'])}, "
        f"mean absolute {_mev(record['mean_absolute_ev_per_atom'])}, "
        f"median absolute {_mev(record['median_absolute_ev_per_atom'])}, "
        f"largest {_mev(record['max_ev_per_atom'])} meV/atom",
        table(
            "Formation energies, eV/atom",
            ("formula", "a", "b", "b - a, meV/atom"),
            [
                [
                    row["formula"],
                    f"{row['a_ev_per_atom']:.3f}",
                    f"{row['b_ev_per_atom']:.3f}",
                    _mev(row["difference_ev_per_atom"]),
                ]
                for row in record["rows"][:limit]
            ],
        ),
        *_window_tables(record["windows"]),
        "a: " + reference_line(record["a"]),
        "b: " + reference_line(record["b"]),
    )


def _scheme_for(which: str, scheme: str | None) -> str | None:
    """A CSV takes no scheme, so the one given for the first set is not passed on to it."""
    return None if which.removesuffix(".gz").endswith(".csv") else scheme


def _mev(energy: float) -> str:
    return f"{energy * 1000:+.1f}"


def _window_tables(rows: list[dict[str, Any]]) -> list[Any]:
    if not rows:
        return []
    shown = []
    for row in rows:
        if row["error"]:
            shown.append([row["formula"], row["error"], "", "", ""])
            continue
        cells = [row["formula"]]
        for side in ("a", "b"):
            low = row[side]["reduction_potential_v"]
            high = row[side]["oxidation_potential_v"]
            cells.append(f"{_volt(low)} to {_volt(high)}")
        cells += [_volt(row["reduction_difference_v"]), _volt(row["oxidation_difference_v"])]
        shown.append(cells)
    return [
        table("Windows, V vs Li/Li+", ("formula", "a", "b", "d reduction", "d oxidation"), shown)
    ]


def _volt(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
