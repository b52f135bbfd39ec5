"""``interlith build bulk``, ``order``, ``slab``, ``glass`` and ``grain-boundary``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlith.cli.build_common import (
    DEFAULT_FOLDER,
    FormatOption,
    MaxAtomsOption,
    OutOption,
    PictureOption,
    RankOption,
    SeedOption,
    StateOption,
    check_folder,
    checked_formats,
    considered_lines,
    oxidation_states,
    plane,
    plane_text,
    triple,
    write_all,
)
from interlith.cli.common import JsonOption, print_json, print_tables, table
from interlith.errors import InputError
from interlith.formatting import format_value

if TYPE_CHECKING:
    from interlith.structures.cell_records import OrderingRecord

Material = Annotated[str, typer.Argument(help="Library name, formula or structure file.")]


def bulk(
    material: Material,
    repeat: Annotated[str, typer.Option(help="Cells along a, b, c.")] = "1,1,1",
    primitive: Annotated[bool, typer.Option(help="Start from the primitive cell.")] = False,
    max_atoms: MaxAtomsOption = 400,
    out: OutOption = DEFAULT_FOLDER,
    formats: FormatOption = "cif",
    picture: PictureOption = True,
    as_json: JsonOption = False,
) -> None:
    """A crystal of the library or a file, repeated."""
    from interlith.workflows import crystals

    kinds = checked_formats(formats)
    times = triple(repeat, "--repeat", "repeat of a cell", "2,2,2")
    check_folder(out)
    built = crystals.bulk(
        material,
        repeat=times,
        primitive=primitive,
        max_atoms=max_atoms,
        formats=kinds,
        folder=str(out),
    )
    title = f"Bulk {built.record.material}"
    _finish(built, out, kinds, picture, as_json, title, BULK_COLUMNS, ())


def order(
    material: Material,
    formula: Annotated[
        str | None, typer.Option(help="Dope the crystal to this composition first.")
    ] = None,
    site: Annotated[
        list[str] | None, typer.Option(help="DOPANT=HOST: the element that it replaces.")
    ] = None,
    state: StateOption = None,
    anti_site: Annotated[
        float | None, typer.Option(help="Argyrodites: fraction of free-sulfide sites with halide.")
    ] = None,
    max_atoms: MaxAtomsOption = 200,
    count: Annotated[int, typer.Option(help="Arrangements to keep.")] = 5,
    rank: RankOption = None,
    relax: Annotated[bool, typer.Option(help="Relax the best with it.")] = False,
    seed: SeedOption = 0,
    out: OutOption = DEFAULT_FOLDER,
    formats: FormatOption = "cif",
    picture: PictureOption = True,
    as_json: JsonOption = False,
) -> None:
    """Ordered cells of a disordered or doped crystal."""
    from interlith.workflows import crystals

    if relax and rank is None:
        raise InputError("--relax needs a potential; name one with --rank, for example 7net-0")
    kinds = checked_formats(formats)
    sites = dict(_replacement(text) for text in site or ())
    states = oxidation_states(state)
    check_folder(out)
    built = crystals.ordered(
        material,
        formula=formula,
        sites=sites or None,
        states=states,
        anti_site=anti_site,
        max_atoms=max_atoms,
        count=count,
        seed=seed,
        rank_by=rank,
        relax_best=relax,
        formats=kinds,
        folder=str(out),
    )
    record = built.record
    lines = [
        f"Asked {record.formula_asked}, made {record.formula_made}: composition error "
        f"{100 * record.composition_error:.2f} % of the atoms",
        *_site_lines(record),
        f"{record.method}: {record.considered} arrangements looked at, {record.duplicates} of them "
        "duplicates; Ewald energies compare arrangements of one composition only",
        *record.notes,
    ]
    title = f"Orderings of {record.material}"
    _finish(built, out, kinds, picture, as_json, title, ORDER_COLUMNS, lines)


def _site_lines(record: OrderingRecord) -> list[str]:
    """What rounding to whole atoms did to the occupancies, and to the anti-sites asked for."""
    lines = []
    if record.misplaced:
        lines.append(
            f"Occupancies: up to {100 * record.misplaced:.2f} % of the atoms too many or few of an "
            "element on one kind of site"
        )
    asked, made = record.anti_site_asked, record.anti_site_made
    if asked is not None and made is not None:
        short = abs(asked - made) > 1e-3
        more = "; a larger --max-atoms may come nearer" if short else ""
        lines.append(f"Anti-site fraction: asked {asked:g}, made {made:.3g}{more}")
    return lines


def slab(
    material: Material,
    miller: Annotated[str, typer.Option(help="Plane, H,K,L.")],
    thickness: Annotated[float, typer.Option(help="Least thickness, A.")] = 10.0,
    termination: Annotated[
        int | None, typer.Option(help="Number of the termination; else one slab of each.")
    ] = None,
    vacuum: Annotated[float, typer.Option(help="Vacuum, A.")] = 15.0,
    repair: Annotated[bool, typer.Option(help="Rid polar faces of their charge.")] = True,
    max_atoms: MaxAtomsOption = 400,
    out: OutOption = DEFAULT_FOLDER,
    formats: FormatOption = "cif",
    picture: PictureOption = True,
    as_json: JsonOption = False,
) -> None:
    """Slabs of a plane, one for each inequivalent termination."""
    from interlith.workflows import crystals

    kinds = checked_formats(formats)
    indices = plane(miller, "--miller")
    check_folder(out)
    built = crystals.slabs(
        material,
        indices,
        min_thickness_angstrom=thickness,
        termination=termination,
        vacuum_angstrom=vacuum,
        repair=repair,
        max_atoms=max_atoms,
        formats=kinds,
        folder=str(out),
    )
    record = built.record
    title = f"Slabs of {record.material} {plane_text(indices)}"
    lines = considered_lines(record.to_json(), len(record.candidates))
    _finish(built, out, kinds, picture, as_json, title, SLAB_COLUMNS, lines)


def glass(
    formula: Annotated[str, typer.Argument(help="Composition, such as Li3PS4.")],
    density: Annotated[float, typer.Option(help="Target density, g/cm3.")],
    atoms: Annotated[int, typer.Option(help="Atoms in the cubic cell.")] = 200,
    units: Annotated[
        bool, typer.Option("--units/--no-units", help="Keep PS4, PO4 and the like whole.")
    ] = True,
    seed: SeedOption = 0,
    out: OutOption = DEFAULT_FOLDER,
    formats: FormatOption = "cif",
    picture: PictureOption = True,
    as_json: JsonOption = False,
) -> None:
    """A random packing to melt and quench, and the protocol of it."""
    from interlith.workflows import crystals

    kinds = checked_formats(formats)
    check_folder(out)
    built = crystals.glass(
        formula, density, atoms, seed=seed, units=units, formats=kinds, folder=str(out)
    )
    record, steps = built.record, built.record.protocol
    write_all(built.structures, out, kinds, picture)
    if as_json:
        print_json(record.to_json())
        return
    print_tables(
        f"{record.file}: {record.formula}, {record.density_g_cm3:.3f} g/cm3, "
        f"{record.polyanions} whole units, closest {record.closest_pair} at "
        f"{format_value(record.min_distance_ratio, digits=2)} covalent-radius sums",
        f"This is a packing, not yet a glass: melt at {steps.melt_temperature_k:g} K for "
        f"{steps.melt_ps:g} ps, cool at {steps.cooling_rate_k_per_ps:g} K/ps to "
        f"{steps.final_temperature_k:g} K, hold {steps.final_ps:g} ps",
    )


def grain_boundary(
    material: Material,
    sigma: Annotated[int, typer.Option(help="Sigma of the boundary.")],
    axis: Annotated[str, typer.Option(help="Tilt axis, H,K,L.")] = "0,0,1",
    boundary_plane: Annotated[
        str | None, typer.Option("--plane", help="Boundary plane; else the simplest.")
    ] = None,
    thickness: Annotated[float, typer.Option(help="Least thickness of a grain, A.")] = 10.0,
    max_atoms: MaxAtomsOption = 400,
    rank: RankOption = None,
    out: OutOption = DEFAULT_FOLDER,
    formats: FormatOption = "cif",
    picture: PictureOption = True,
    as_json: JsonOption = False,
) -> None:
    """Symmetric tilt boundaries of a cubic crystal, two in a cell."""
    from interlith.workflows import crystals

    kinds = checked_formats(formats)
    along = plane(axis, "--axis", "axis")
    through = None if boundary_plane is None else plane(boundary_plane, "--plane")
    check_folder(out)
    built = crystals.grain_boundary(
        material,
        sigma,
        along,
        through,
        min_grain_angstrom=thickness,
        max_atoms=max_atoms,
        rank_by=rank,
        formats=kinds,
        folder=str(out),
    )
    title = f"Sigma {sigma} tilt boundary of {built.record.material}"
    _finish(built, out, kinds, picture, as_json, title, BOUNDARY_COLUMNS, ())


BULK_COLUMNS = {
    "formula": "formula",
    "n_atoms": "atoms",
    "density_g_cm3": "g/cm3",
    "min_distance_ratio": "closest/radii",
}
ORDER_COLUMNS = BULK_COLUMNS | {
    "ewald_ev_per_atom": "Ewald eV/atom",
    "energy_ev_per_atom": "energy eV/atom",
}
SLAB_COLUMNS = {
    "n_atoms": "atoms",
    "termination": "top as cut",
    "symmetric": "faces alike",
    "tasker": "Tasker",
    "broken_bonds_per_nm2": "cut bonds/nm2",
    "severed_valence_per_nm2": "cut valence/nm2",
    "breaks_polyanion": "cuts polyanion",
    "excess_per_nm2": "excess/nm2",
    "removed": "removed",
    "moved": "moved",
    "charge_e": "charge e",
}
BOUNDARY_COLUMNS = BULK_COLUMNS | {
    "plane": "plane",
    "angle_deg": "angle",
    "area_angstrom2": "A2",
}
"""Fields of a record that the terminal shows after the file, where the record has them."""


def _finish(
    built: Any,
    out: Any,
    kinds: Sequence[str],
    picture: bool,
    as_json: bool,
    title: str,
    columns: Mapping[str, str],
    lines: Sequence[Any],
) -> None:
    write_all(built.structures, out, kinds, picture)
    data = built.record.to_json()
    if as_json:
        print_json(data)
        return
    rows = data["candidates"]
    shown = [key for key in columns if any(row.get(key) not in (None, {}) for row in rows)]
    cells = [[Path(row["file"]).name, *(_cell(row.get(key)) for key in shown)] for row in rows]
    heads = ["file", *(columns[key] for key in shown)]
    print_tables(table(f"{title} in {out}", heads, cells), *lines)


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.4g}"
        case list():
            return plane_text(value)
        case dict():
            signed = any(isinstance(n, float) for n in value.values())
            texts = [f"{el} {n:+.1f}" if signed else f"{n} {el}" for el, n in value.items() if n]
            return ", ".join(texts) or "none"
        case _:
            return str(value)


def _replacement(text: str) -> tuple[str, str]:
    parts = [part.strip() for part in text.split("=")]
    if len(parts) != 2 or not all(parts):
        raise InputError(f"--site '{text}' is no replacement; write DOPANT=HOST, such as Sn=P")
    return parts[0], parts[1]
