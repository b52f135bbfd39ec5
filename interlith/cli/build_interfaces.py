"""``interlith build interface`` and ``build stack``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
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
    check_folder,
    checked_formats,
    considered_lines,
    plane,
    plane_text,
    planes,
    validated,
    write_all,
)
from interlith.cli.common import JsonOption, print_json, print_tables, progress_bar, table
from interlith.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

BrokenOption = Annotated[
    bool,
    typer.Option(
        "--allow-broken-polyanions/--no-allow-broken-polyanions",
        help="Also cut through covalent bonds such as P-S.",
    ),
]


def interface(
    a: Annotated[str, typer.Argument(help="Lower material: library name, formula or file.")],
    b: Annotated[str, typer.Argument(help="Upper material.")],
    miller_a: Annotated[
        list[str] | None, typer.Option(help="Plane of the lower one, H,K,L; may be repeated.")
    ] = None,
    miller_b: Annotated[
        list[str] | None, typer.Option(help="Plane of the upper one, H,K,L; may be repeated.")
    ] = None,
    max_miller: Annotated[int, typer.Option(help="Largest index where no plane is named.")] = 1,
    thickness_a: Annotated[float, typer.Option(help="Least thickness of the lower, A.")] = 10.0,
    thickness_b: Annotated[float, typer.Option(help="Least thickness of the upper, A.")] = 10.0,
    max_atoms: MaxAtomsOption = 400,
    max_strain: Annotated[float, typer.Option(help="Largest strain of either side.")] = 0.05,
    max_area: Annotated[float, typer.Option(help="Largest area, A2.")] = 400.0,
    share_a: Annotated[
        float | None, typer.Option(help="Part of the misfit the lower takes; else by stiffness.")
    ] = None,
    vacuum: Annotated[
        float | None, typer.Option(help="One interface with this vacuum, A; else two, periodic.")
    ] = None,
    count: Annotated[int, typer.Option(help="Interfaces to build.")] = 5,
    registries: Annotated[int, typer.Option(help="Lateral shifts to keep for each.")] = 5,
    allow_broken_polyanions: BrokenOption = False,
    region_a: Annotated[
        str | None, typer.Option(help="Name of the lower region; else its role in the library.")
    ] = None,
    region_b: Annotated[str | None, typer.Option(help="Name of the upper region.")] = None,
    rank: RankOption = None,
    relax: Annotated[bool, typer.Option(help="Relax the best shifts with it.")] = False,
    seed: SeedOption = 0,
    out: OutOption = DEFAULT_FOLDER,
    formats: FormatOption = "cif",
    picture: PictureOption = True,
    as_json: JsonOption = False,
) -> None:
    """Interfaces of two crystals: matched, terminated, registered, ranked."""
    from interlith.structures.interfaces.plans import InterfaceOptions
    from interlith.workflows.structures import interfaces, two_sides

    if relax and rank is None:
        raise InputError("--relax needs a potential; name one with --rank, for example 7net-0")
    kinds = checked_formats(formats)
    options = validated(
        InterfaceOptions,
        miller_a=planes(miller_a, "--miller-a"),
        miller_b=planes(miller_b, "--miller-b"),
        max_miller=max_miller,
        thickness_a_angstrom=thickness_a,
        thickness_b_angstrom=thickness_b,
        max_atoms=max_atoms,
        max_strain=max_strain,
        max_area_angstrom2=max_area,
        share_a=share_a,
        vacuum_angstrom=vacuum,
        count=count,
        registries=registries,
        allow_broken_polyanions=allow_broken_polyanions,
        seed=seed,
    )
    check_folder(out)
    sides = two_sides(a, b, region_a, region_b)
    with progress_bar(f"{a} | {b}", shown=rank is not None and sys.stderr.isatty()) as progress:
        built = interfaces(
            *sides,
            options,
            rank_by=rank,
            relax_best=relax,
            formats=kinds,
            folder=str(out),
            progress=progress,
        )
    write_all(built.structures, out, kinds, picture)
    data = built.record.to_json()
    if as_json:
        print_json(data)
        return
    print_tables(
        interface_table(f"Interfaces of {data['a']} and {data['b']}", data["candidates"]),
        *considered_lines(data, len(data["candidates"])),
        f"Strain: {data['strain_sharing']}",
    )


def stack(
    layers: Annotated[
        list[str],
        typer.Argument(help="From the bottom: MATERIAL:THICKNESS[:REGION[:H,K,L]], A."),
    ],
    periodic: Annotated[
        bool, typer.Option(help="Join the last layer to the first; else vacuum.")
    ] = False,
    vacuum: Annotated[float, typer.Option(help="Vacuum where not periodic, A.")] = 15.0,
    max_atoms: MaxAtomsOption = 400,
    max_strain: Annotated[float, typer.Option(help="Largest strain of any layer.")] = 0.05,
    max_area: Annotated[float, typer.Option(help="Largest area, A2.")] = 300.0,
    max_miller: Annotated[int, typer.Option(help="Largest index where no plane is named.")] = 1,
    allow_broken_polyanions: BrokenOption = False,
    out: OutOption = DEFAULT_FOLDER,
    formats: FormatOption = "cif",
    picture: PictureOption = True,
    as_json: JsonOption = False,
) -> None:
    """Stacks such as anode, coating, electrolyte, coating, cathode in one cell."""
    from interlith.structures.interfaces.stacks import StackOptions
    from interlith.workflows.structures import stack as build_one

    kinds = checked_formats(formats)
    options = validated(
        StackOptions,
        periodic=periodic,
        vacuum_angstrom=vacuum,
        max_atoms=max_atoms,
        max_strain=max_strain,
        max_area_angstrom2=max_area,
        max_miller=max_miller,
        allow_broken_polyanions=allow_broken_polyanions,
    )
    check_folder(out)
    sheets = [_sheet(text, number) for number, text in enumerate(layers, start=1)]
    built = build_one(sheets, options, formats=kinds, folder=str(out))
    write_all(built.structures, out, kinds, picture)
    data = built.record.to_json()
    if as_json:
        print_json(data)
        return
    print_tables(
        table(
            f"Stack {data['file']}: {data['n_atoms']} atoms, {data['area_angstrom2']:.1f} A2, "
            f"largest strain {100 * data['largest_strain']:.1f} %",
            ("region", "material", "plane", "termination", "thickness A", "atoms", "strain %"),
            [_layer_cells(layer) for layer in data["layers"]],
        ),
        *considered_lines(data, 1),
    )


def interface_table(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Terminal table of interfaces."""
    return table(
        title,
        ("file", "atoms", "A2", "planes", "terminations", "strain %", "closest", "energy eV"),
        [_interface_cells(row) for row in rows],
    )


def _interface_cells(row: Mapping[str, Any]) -> list[str]:
    strain = row["strain"]
    return [
        row["file"],
        str(row["n_atoms"]),
        f"{row['area_angstrom2']:.1f}",
        f"{plane_text(row['miller']['a'])} {plane_text(row['miller']['b'])}",
        f"{row['termination']['a']} / {row['termination']['b']}",
        f"{100 * strain['a']:+.1f} {100 * strain['b']:+.1f}",
        f"{row['min_distance_ratio']:.2f} {row['closest_pair']}",
        "" if row["energy_ev"] is None else f"{row['energy_ev']:.2f}",
    ]


def _layer_cells(layer: Mapping[str, Any]) -> list[str]:
    x, y, xy = (100 * value for value in layer["strain"])
    return [
        layer["region"],
        layer["material"],
        plane_text(layer["miller"]),
        layer["termination"],
        f"{layer['thickness_angstrom']:.1f}",
        str(layer["n_atoms"]),
        f"{x:+.1f} {y:+.1f} {xy:+.1f}",
    ]


def _sheet(text: str, number: int) -> Any:
    from interlith.structures.interfaces.stacks import Sheet
    from interlith.workflows.structures import side

    name, *rest = text.split(":")
    if len(rest) > 3:
        raise InputError(
            f"layer '{text}' has {len(rest) + 1} fields; write MATERIAL:THICKNESS[:REGION[:H,K,L]]"
        )
    try:
        thickness = float(rest[0])
    except (IndexError, ValueError) as error:
        raise InputError(
            f"layer '{text}' has no thickness; write MATERIAL:THICKNESS[:REGION[:H,K,L]], for "
            "example LiNbO3:8:coating"
        ) from error
    region = rest[1] if len(rest) > 1 and rest[1] else f"layer-{number}"
    miller = plane(rest[2], "layer") if len(rest) > 2 else None
    return Sheet(side(region, name), thickness, miller)
