"""``interlith elastic``, ``thermal`` and ``adhesion``: stiffness, heat, and what holds together."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from interlith.cli.common import (
    JsonOption,
    print_json,
    print_tables,
    progress_bar,
    table,
    write_json,
)
from interlith.errors import InputError
from interlith.formatting import format_value

MaterialArgument = Annotated[str, typer.Argument(help="Library name, formula or structure file.")]
PotentialOption = Annotated[
    str, typer.Option("--potential", "-p", help="Potential by name; learned ones run in double.")
]
RecordOption = Annotated[
    Path | None, typer.Option("--out", "-o", help="File for the record, as JSON.")
]


def elastic(
    material: MaterialArgument,
    potential_name: PotentialOption = "7net-0",
    strain: Annotated[float, typer.Option(help="Strain, taken with both signs.")] = 0.005,
    symmetry: Annotated[
        str, typer.Option(help="crystal (its own), cubic (imposed, along x, y, z) or none.")
    ] = "crystal",
    clamped: Annotated[
        bool, typer.Option("--clamped", help="Hold the ions in strained cells.")
    ] = False,
    rattle: Annotated[
        float, typer.Option(help="Rattle before relaxing, A, to leave a saddle of symmetry.")
    ] = 0.0,
    as_given: Annotated[
        bool, typer.Option("--as-given", help="Keep the cell as it is; else relax it first.")
    ] = False,
    out: RecordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Elastic tensor, moduli of the polycrystal, anisotropy, Debye temperature."""
    from interlith.workflows.elastic import ElasticSettings
    from interlith.workflows.elastic import elastic as run

    settings = ElasticSettings(
        strain=strain,
        symmetry=symmetry,  # type: ignore[arg-type]  # it is checked there
        relax_ions=not clamped,
        relax_cell=not as_given,
        rattle_angstrom=rattle,
    )
    with progress_bar(f"strains of {material}", sys.stderr.isatty()) as progress:
        record = run(material, potential_name, settings, progress=progress)
    data = record.to_json()
    write_json(data, out)
    if as_json:
        print_json(data)
        return
    print_tables(*_elastic_lines(data))


def thermal(
    material: MaterialArgument,
    potential_name: PotentialOption = "7net-0",
    min_length: Annotated[float, typer.Option(help="Least edge of the supercell, A.")] = 8.0,
    out: RecordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Thermal expansion and heat capacity from phonons at seven volumes (needs phonopy)."""
    from interlith.workflows.thermal import ThermalSettings
    from interlith.workflows.thermal import thermal as run

    settings = ThermalSettings(min_length_angstrom=min_length)
    with progress_bar(f"phonons of {material}", sys.stderr.isatty()) as progress:
        record = run(material, potential_name, settings, progress=progress)
    data = record.to_json()
    write_json(data, out)
    if as_json:
        print_json(data)
        return
    if data["status"] != "ok":
        print_tables(f"{data['material']}: no answer: {data['reason']}")
        return
    print_tables(
        f"{data['material']} with {data['potential']['name']}, {data['method']}:",
        f"  linear expansion at 300 K {data['linear_expansion_300k_per_k']:.3g} 1/K",
        f"  heat capacity at 300 K {data['heat_capacity_300k_j_per_kg_k']:.0f} J/kg/K",
        f"  density at 300 K {data['density_300k_g_cm3']:.3f} g/cm3",
    )


def adhesion(
    materials: Annotated[
        list[str],
        typer.Argument(help="Two crystals of an interface, or a stack of several, from below."),
    ],
    potential_name: Annotated[
        str, typer.Option("--potential", "-p", help="Potential by name.")
    ] = "7net-0",
    plane: Annotated[
        list[str] | None,
        typer.Option(help="Plane of each, such as 0,0,1, once per crystal; else low ones."),
    ] = None,
    thickness: Annotated[float, typer.Option(help="Least thickness of each layer, A.")] = 10.0,
    max_atoms: Annotated[int, typer.Option(help="Atom budget of the cell.")] = 300,
    max_strain: Annotated[float, typer.Option(help="Largest strain of a layer.")] = 0.05,
    rigid: Annotated[bool, typer.Option("--rigid", help="Leave all atoms where they are.")] = False,
    registry: Annotated[
        float | None, typer.Option(help="Scan lateral shifts on a grid this fine, A.")
    ] = None,
    liquid: Annotated[
        float | None, typer.Option(help="Surface energy of a wetting liquid, J/m2.")
    ] = None,
    out: RecordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Work of adhesion, interface and strain energy, wetting, and which joint lets go first."""
    from interlith.workflows.adhesion import adhesion as run
    from interlith.workflows.adhesion_settings import AdhesionSettings

    settings = AdhesionSettings(
        relax_ions=not rigid,
        registry_spacing_angstrom=registry,
        liquid_surface_energy_j_m2=liquid,
    )
    record, _ = run(
        materials,
        potential_name,
        settings,
        millers=_planes(plane, len(materials)),
        thickness_angstrom=thickness,
        max_atoms=max_atoms,
        max_strain=max_strain,
    )
    data = record.to_json()
    write_json(data, out)
    if as_json:
        print_json(data)
        return
    print_tables(*_adhesion_lines(data))


def _planes(texts: list[str] | None, count: int) -> tuple[tuple[int, int, int], ...] | None:
    from interlith.cli.build_common import planes

    found = planes(texts, "--plane")
    if found is not None and len(found) != count:
        raise InputError(f"{len(found)} --plane for {count} materials; give one for each")
    return found


def _adhesion_lines(data: dict[str, Any]) -> list[Any]:
    joints = [
        [
            f"{one['lower']} | {one['upper']}",
            format_value(one["work_of_adhesion_j_m2"], None, "J/m2"),
            format_value(one["rigid_work_j_m2"], None, "J/m2"),
            format_value(one["interface_energy_j_m2"], None, "J/m2"),
            one["reason"] or "",
        ]
        for one in data["joints"]
    ]
    layers = [
        [
            f"{one['region']} ({one['material']})",
            format_value(one["surface_energy_j_m2"], None, "J/m2"),
            format_value(one["cohesion_j_m2"], None, "J/m2"),
            format_value(one["strain_energy_j_m2"], None, "J/m2"),
            one["reason"] or "",
        ]
        for one in data["layers"]
    ]
    lines: list[Any] = [
        f"{data['formula']}, {data['area_angstrom2']:.1f} A2, {data['potential']['name']}, "
        f"{data['calculations']} calculations",
        table("Joints", ("joint", "work of adhesion", "unrelaxed", "interface energy", ""), joints),
        table("Layers", ("layer", "surface energy", "cohesion", "strain energy", ""), layers),
    ]
    if data["weakest"] is not None:
        lines.append(
            f"lets go first: {data['weakest']['where']}, {data['weakest']['work_j_m2']:.2f} J/m2 "
            f"({data['weakest']['note']})"
        )
    if data["contact_angle"] is not None:
        angle = data["contact_angle"]
        lines.append(f"contact angle {angle['angle_deg']:.0f} degrees: {angle['regime']}")
    if data["corrugation_j_m2"] is not None:
        lines.append(f"lateral shifts change the energy by {data['corrugation_j_m2']:.3f} J/m2")
    return lines


def _elastic_lines(data: dict[str, Any]) -> list[Any]:
    head = (
        f"{data['material']} with {data['potential']['name']}: {data['ions']} ions, point group "
        f"{data['symmetry']}, {data['calculations']} calculations"
    )
    rows = [[*(f"{value:.2f}" for value in row)] for row in data["stiffness_gpa"]]
    tensor = table("Stiffness, GPa (xx, yy, zz, yz, xz, xy)", ("xx yy zz yz xz xy".split()), rows)
    if data["status"] != "ok" or data["moduli"] is None:
        return [head, tensor, f"no answer: {data['reason']}"]
    found, error = data["moduli"], data["residual_gpa"]
    held = data["suppression"]
    lines = [
        head,
        tensor,
        *(
            f"{name}: {format_value(found[key], error, 'GPa')}"
            for name, key in (
                ("bulk modulus", "bulk_gpa"),
                ("shear modulus", "shear_gpa"),
                ("Young's modulus", "youngs_gpa"),
            )
        ),
        f"Poisson ratio {found['poisson_ratio']:.3f}, bulk/shear (Pugh) {found['pugh_ratio']:.2f}, "
        f"universal anisotropy {found['universal_anisotropy']:.2f}"
        + ("" if found["zener_ratio"] is None else f", Zener ratio {found['zener_ratio']:.2f}"),
        "Young's modulus along "
        + ", ".join(f"[{k}] {v:.1f}" for k, v in data["directional_youngs_gpa"].items())
        + f" GPa; {found['youngs_min_gpa']:.1f} to {found['youngs_max_gpa']:.1f} over all",
        f"density {data['density_g_cm3']:.3f} g/cm3, Debye temperature "
        f"{data['debye_temperature_k']:.0f} K",
        f"shear modulus over that of Li {held['ratio']:.2f}, of which more than {held['needed']:g} "
        f"is {held['note']}",
    ]
    return lines
