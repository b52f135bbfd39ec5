"""``interlith library list|show|add``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlith.cli.build_common import StateOption, oxidation_states
from interlith.cli.common import JsonOption, listed, print_json, print_tables, table
from interlith.errors import InputError

if TYPE_CHECKING:
    from interlith.structures.library import PhaseFacts

app = typer.Typer(
    help="Crystal structures: the shipped ones and your own.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list")
def list_library(
    role: Annotated[
        str | None,
        typer.Option(help="Only phases of this role, for example coating (several: a,b)."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the phases of the library; yours come before shipped ones of the same name."""
    from interlith.structures.library import list_phases, load_phase
    from interlith.structures.user_library import read_roles

    wanted = set(read_roles(listed(role))) if role is not None else None
    rows: list[dict[str, Any]] = []
    for name in list_phases():
        try:
            facts = load_phase(name)
        except InputError as error:
            rows.append({"name": name, "error": str(error)})
            continue
        if wanted is None or wanted & set(facts.roles):
            rows.append(_list_row(facts))
    if as_json:
        print_json(rows)
        return
    sound = [row for row in rows if "error" not in row]
    shown = [
        [
            row["name"],
            row["formula"],
            str(row["space_group"]),
            ", ".join(row["roles"]),
            "" if row["ordered"] else "disordered",
            row["origin"],
        ]
        for row in sound
    ]
    print_tables(
        table(
            f"{len(sound)} phases",
            ("name", "formula", "space group", "roles", "order", "from"),
            shown,
        ),
        *(f"Not readable: {row['error']}" for row in rows if "error" in row),
    )


def _list_row(facts: PhaseFacts) -> dict[str, Any]:
    from interlith.structures.user_library import origin_of

    return {
        "name": facts.name,
        "formula": facts.formula,
        "space_group": facts.space_group,
        "roles": list(facts.roles),
        "ordered": facts.is_ordered,
        "voltage_v": facts.voltage_v,
        "origin": origin_of(facts.name)[0],
    }


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Name of a phase in the library.")],
    as_json: JsonOption = False,
) -> None:
    """Show a phase: its sheet, what the cell holds, and whether it passes the checks."""
    from interlith.structures.library import load_phase

    record = _show_record(load_phase(name))
    if as_json:
        print_json(record)
        return
    _print_phase(record)


def _show_record(facts: PhaseFacts) -> dict[str, Any]:
    from interlith.structures.files.cif_text import PARSE_ERRORS
    from interlith.structures.user_library import origin_of, sheet_problems

    origin, path = origin_of(facts.name)
    record: dict[str, Any] = {"facts": facts.model_dump(mode="json"), "sha256": facts.sha256}
    record |= {"origin": origin, "file": str(path), "problems": sheet_problems(facts)}
    try:
        return record | {"cell": _cell(facts)}
    except (InputError, *PARSE_ERRORS):
        return record | {"cell": None}  # the problems say why


def _cell(facts: PhaseFacts) -> dict[str, Any]:
    from interlith.structures.checks import closest_pair, space_group_number
    from interlith.structures.library import build

    structure = build(facts)
    ratio, pair = closest_pair(structure)
    return {
        "formula": structure.composition.formula,
        "n_sites": len(structure),
        "n_atoms": float(structure.composition.num_atoms),
        "ordered": facts.is_ordered,
        "volume_angstrom3": float(structure.volume),
        "density_g_cm3": float(structure.density),
        "space_group_found": space_group_number(structure),
        "closest_pair": pair or None,
        "closest_pair_covalent_ratio": ratio if pair else None,
    }


def _print_phase(record: dict[str, Any]) -> None:
    facts, lattice = record["facts"], record["facts"]["lattice"]
    lines = [
        f"{facts['name']}: {facts['formula']}, space group {facts['space_group']}",
        "Roles: " + (", ".join(facts["roles"]) or "none"),
        "Lattice: a, b, c "
        + ", ".join(f"{lattice[edge]:.4f}" for edge in "abc")
        + " Å; angles "
        + ", ".join(f"{lattice[angle]:.2f}" for angle in ("alpha", "beta", "gamma"))
        + "°",
        *_cell_lines(record["cell"]),
    ]
    states = facts["oxidation_states"]
    if states:
        lines.append("Oxidation states: " + ", ".join(f"{el} {z:+g}" for el, z in states.items()))
    for key, words, unit in (
        ("voltage_v", "Typical voltage", "V vs Li/Li+"),
        ("temperature_k", "Lattice measured at", "K"),
        ("youngs_modulus_gpa", "Young's modulus", "GPa"),
    ):
        if facts[key] is not None:
            lines.append(f"{words}: {facts[key]:g} {unit}")
    if facts["builds_from"]:
        lines.append(f"Slabs are cut from: {facts['builds_from']}")
    if facts["moves_as"]:
        lines.append(f"Dynamics starts from: {facts['moves_as']}")
    lines.append(f"Source: {facts['source']}")
    if facts["notes"]:
        lines.append(f"Notes: {facts['notes']}")
    lines.append(f"File: {record['file']} ({record['origin']})")
    lines.append("Checks: " + ("; ".join(record["problems"]) or "passed"))
    rows = [
        [
            site["element"] or ", ".join(f"{el} {x:g}" for el, x in site["occupants"].items()),
            site["wyckoff"] or "",
            *(f"{x:.5f}" for x in site["xyz"]),
        ]
        for site in facts["sites"]
    ]
    print_tables(*lines, table("Sites", ("atoms", "Wyckoff", "x", "y", "z"), rows))


def _cell_lines(cell: dict[str, Any] | None) -> list[str]:
    if cell is None:
        return []
    order = "" if cell["ordered"] else " (disordered)"
    lines = [
        f"Cell: {cell['formula']} on {cell['n_sites']} sites{order}, "
        f"{cell['volume_angstrom3']:.2f} Å³, {cell['density_g_cm3']:.3f} g/cm3; "
        f"spglib finds space group {cell['space_group_found']}"
    ]
    if cell["closest_pair"]:
        lines.append(
            f"Closest atoms: {cell['closest_pair']}, "
            f"{cell['closest_pair_covalent_ratio']:.2f} covalent-radius sums apart"
        )
    return lines


@app.command("add")
def add(
    file: Annotated[
        Path, typer.Argument(help="Sheet (.yaml), or CIF, POSCAR, extended XYZ, LAMMPS data.")
    ],
    name: Annotated[str | None, typer.Option(help="Name to call it by.")] = None,
    role: Annotated[
        str | None, typer.Option(help="Role, for example electrolyte (several: a,b).")
    ] = None,
    state: StateOption = None,
    force: Annotated[
        bool, typer.Option("--force", help="Take the place of a phase of the same name.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check a phase and keep it in your folder (INTERLITH_LIBRARY, or the user's data folder)."""
    from interlith.structures.user_library import add_phase

    roles = listed(role) if role is not None else None
    states = oxidation_states(state)
    facts, path = add_phase(file, name=name, roles=roles, states=states, force=force)
    if as_json:
        print_json(_show_record(facts) | {"file": str(path), "origin": "user"})
        return
    print_tables(
        f"Kept as '{facts.name}' in {path}: {facts.formula}, space group {facts.space_group}, "
        f"{len(facts.sites)} sites listed"
    )
