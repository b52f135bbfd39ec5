"""``interlith md``, ``interlith diffusion`` and ``interlith analyze``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlith.cli.common import (
    JsonOption,
    numbers,
    print_json,
    print_tables,
    progress_bar,
    table,
    typed,
    write_json,
)
from interlith.errors import FailureError, InputError
from interlith.formatting import format_value, two_digits

if TYPE_CHECKING:
    from rich.table import Table

    from interlith.analysis.diffusion_results import DiffusionRecord

PotentialOption = Annotated[
    str, typer.Option("--potential", "--engine", "-p", help="Potential by name.")
]
RECORD_FILE = "analysis.json"
MobileOption = Annotated[str, typer.Option(help="Element that moves.")]


def md(
    material: Annotated[str, typer.Argument(help="Structure file, library name or formula.")],
    potential_name: PotentialOption = "7net-0",
    ensemble: Annotated[
        str,
        typer.Option(
            help="nve, nvt_langevin, nvt_bussi, nvt_nose_hoover, npt_isotropic or npt_cell."
        ),
    ] = "nvt_langevin",
    temperature: Annotated[float, typer.Option(help="Temperature, K.")] = 300.0,
    temperature_end: Annotated[float | None, typer.Option(help="Ramp to this one, K.")] = None,
    pressure: Annotated[float, typer.Option(help="Pressure, GPa.")] = 0.0,
    time_ps: Annotated[float, typer.Option(help="Length, ps.")] = 10.0,
    timestep: Annotated[float, typer.Option(help="Time step, fs.")] = 2.0,
    frame_every: Annotated[int, typer.Option(help="Steps between frames.")] = 10,
    checkpoint_every: Annotated[int, typer.Option(help="Steps between checkpoints.")] = 1000,
    repeat: Annotated[str, typer.Option(help="Cells along a, b, c.")] = "1,1,1",
    seed: Annotated[int, typer.Option(help="Of the velocities and the thermostat.")] = 0,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of this run.")] = Path("md"),
    as_json: JsonOption = False,
) -> None:
    """Molecular dynamics that restarts: call it again with the same folder to go on."""
    from interlith.engines.md import MDSettings, run_md
    from interlith.structures.reading import read_material, require_ordered
    from interlith.workflows.committee import driver, judge

    settings = MDSettings.read(
        {
            "ensemble": ensemble,
            "temperature_k": temperature,
            "temperature_end_k": temperature_end,
            "pressure_gpa": pressure,
            "timestep_fs": timestep,
            "steps": max(1, round(1000 * time_ps / timestep)) if timestep > 0 else 1,
            "frame_every": frame_every,
            "checkpoint_every": checkpoint_every,
            "seed": seed,
        }
    )
    times = [int(n) for n in numbers(repeat, "--repeat", 3)]
    if min(times) < 1:
        raise InputError(f"--repeat {repeat}: give three positive integers, such as 2,2,1")
    found = read_material(material)
    require_ordered(found.structure, found.name)
    atoms = found.structure.make_supercell(times, in_place=False).to_ase_atoms(msonable=False)
    with progress_bar(f"{found.name} {temperature:g} K", sys.stderr.isatty()) as progress:
        record = run_md(
            atoms,
            driver(potential_name),
            settings,
            out,
            progress=lambda now: progress(now.step, now.steps),
        )
    data = record.to_json()
    spread = judge(potential_name, record)
    if spread is not None:
        data["committee"] = spread.to_json()
    if as_json:
        print_json(data)
    else:
        lines = [] if spread is None else committee_lines([data["committee"]])
        print_tables(*_md_lines(data), *lines)
    if record.status != "finished":
        how = f"go on with: {typed()}" if record.status == "interrupted" else "kept"
        raise FailureError(
            f"the run {record.status} after {record.time_ps:g} ps: {record.reason}; everything "
            f"written is in {out} ({how})"
        )


def diffusion(
    material: Annotated[str, typer.Argument(help="Library name, formula or structure file.")],
    potential_name: PotentialOption = "7net-0",
    temperatures: Annotated[str, typer.Option(help="Temperatures, K.")] = "500,600,700,800",
    time_ps: Annotated[float, typer.Option(help="Length of each run, ps.")] = 50.0,
    equilibration_ps: Annotated[
        float | None,
        typer.Option(
            "--equilibration-ps",
            help="Left out at the start of each, ps (default: 5, or half of a run below 10).",
        ),
    ] = None,
    timestep: Annotated[float, typer.Option(help="Time step, fs.")] = 2.0,
    frame_every: Annotated[int, typer.Option(help="Steps between frames.")] = 25,
    seeds: Annotated[int, typer.Option(help="Runs at each temperature.")] = 1,
    min_length: Annotated[float, typer.Option(help="Least distance of the cell's faces, A.")] = 9.5,
    max_atoms: Annotated[int, typer.Option(help="Atom budget of the cell.")] = 400,
    as_given: Annotated[
        bool, typer.Option("--as-given", help="Keep cell and atoms; else relax them first.")
    ] = False,
    mobile: MobileOption = "Li",
    workers: Annotated[int, typer.Option(min=1, help="Runs side by side.")] = 2,
    seed: Annotated[int, typer.Option(help="First seed.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder (default: MATERIAL-diffusion).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Diffusivity, conductivity and activation energy from a ladder of temperatures.

    Call it again with the same folder to go on after an interruption, or to add time,
    temperatures or seeds.
    """
    from pydantic import ValidationError

    from interlith.structures.reading import plain_name
    from interlith.workflows.diffusion import diffusion as run_ladder
    from interlith.workflows.diffusion_settings import DiffusionSettings

    try:
        settings = DiffusionSettings(
            potential=potential_name,
            temperatures_k=numbers(temperatures, "--temperatures"),
            time_ps=time_ps,
            **({} if equilibration_ps is None else {"equilibration_ps": equilibration_ps}),
            timestep_fs=timestep,
            frame_every=frame_every,
            seeds=seeds,
            seed=seed,
            mobile=mobile,
            min_length_angstrom=min_length,
            max_atoms=max_atoms,
            volume="as_given" if as_given else "relaxed",
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = f"{first['loc'][0]} {first['input']!r}: " if first["loc"] else ""
        raise InputError(f"{where}{first['msg']}") from error
    folder = out or Path(f"{plain_name(material)}-diffusion")
    with progress_bar(f"diffusion in {material}", sys.stderr.isatty()) as progress:
        record = run_ladder(material, settings, folder, workers=workers, progress=progress)
    _finish(record, folder, as_json)
    interrupted = [one for one in record.dynamics if one.status == "interrupted"]
    if interrupted:
        raise FailureError(f"{len(interrupted)} runs were interrupted; go on with: {typed()}")


def analyze(
    trajectories: Annotated[list[Path], typer.Argument(help="Trajectory files.")],
    temperature: Annotated[
        str, typer.Option(help="Temperature of each, K, in the order of the files.")
    ],
    mobile: MobileOption = "Li",
    charge: Annotated[float, typer.Option(help="Charge of a mobile ion, e.")] = 1.0,
    time_step: Annotated[
        float | None, typer.Option(help="Time between two frames, fs, where the file has none.")
    ] = None,
    equilibration_ps: Annotated[
        float | None, typer.Option("--equilibration-ps", help="Left out, ps; else found by a test.")
    ] = None,
    symbols: Annotated[
        str | None, typer.Option(help="Elements of LAMMPS types 1, 2, ...: Li,P,S.")
    ] = None,
    by_region: Annotated[
        bool,
        typer.Option("--regional", help="Region by region too, by the labels of the trajectory."),
    ] = False,
    regions: Annotated[
        Path | None,
        typer.Option(help="The same by the labels of this structure file (its first frame)."),
    ] = None,
    depth_bins: Annotated[
        str | None,
        typer.Option(help="Edges of bins of the distance to the interface, A: 0,5,10,20."),
    ] = None,
    crossings: Annotated[
        float | None,
        typer.Option(
            help="Count crossings between regions; one has crossed that comes this deep, A: 1.5."
        ),
    ] = None,
    interphase: Annotated[
        float | None,
        typer.Option(help="With --crossings, a region of this width about each interface, A."),
    ] = None,
    wrapped: Annotated[
        bool | None,
        typer.Option(
            "--wrapped/--unwrapped",
            help="Whether atoms come back on the other side of the cell (default: as the file "
            "tells).",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for figures and the record (analysis.json)."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Transport from trajectories of any program (H5MD, extxyz, XDATCAR, vasprun, LAMMPS)."""
    from interlith.workflows.analyze import analyze_files

    record = analyze_files(
        trajectories,
        numbers(temperature, "--temperature", len(trajectories)),
        mobile=mobile,
        charge_e=charge,
        time_step_fs=time_step,
        equilibration_ps=equilibration_ps,
        symbols=[part.strip() for part in symbols.split(",")] if symbols else None,
        regions=regions or by_region,
        depth_edges_angstrom=() if depth_bins is None else numbers(depth_bins, "--depth-bins"),
        crossing_margin_angstrom=crossings,
        interphase_angstrom=interphase,
        wrapped=wrapped,
    )
    if out is not None:
        write_json(record.to_json(), out / RECORD_FILE)
    _finish(record, out, as_json)


def _finish(record: DiffusionRecord, folder: Path | None, as_json: bool) -> None:
    if folder is not None:
        _write_figures(record, folder)
    data = record.to_json()
    if as_json:
        print_json(data)
        return
    print_tables(
        table(
            f"Transport of {data['runs'][0]['mobile']} in {data['formula']}",
            ("K", "D cm2/s", "sigma", "conductivity", "Haven", "framework", "status"),
            [_run_cells(run) for run in data["runs"]],
        ),
        *_regional_tables(data),
        *crossing_tables(data["crossings"]),
        *arrhenius_lines(data),
        *committee_lines(data["committee"]),
        *(f"{d['temperature_k']:g} K, seed {d['seed']}: {d['status']}, {d['reason']}"
          for d in data["dynamics"] if d["status"] != "finished"),
        *([f"Figures and record: {folder}"] if folder else []),
    )  # fmt: skip


def _write_figures(record: DiffusionRecord, folder: Path) -> None:
    from interlith.errors import OutputError
    from interlith.report.regional import regional_png
    from interlith.report.transport import arrhenius_png, msd_png

    pictures = {
        "msd.png": msd_png(record),
        "arrhenius.png": arrhenius_png(record),
        "regions.png": regional_png(record.regions),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in pictures.items():
            if content is not None:
                (folder / name).write_bytes(content)
    except OSError as error:
        raise OutputError(
            f"cannot write figures into {folder} ({error.strerror}); choose another --out"
        ) from error


def _run_cells(run: Mapping[str, Any]) -> list[str]:
    d, sigma = run["self_diffusivity_cm2_s"], run["sigma_cm2_s"]
    kept = {None: "not tested", True: "intact", False: "broken"}[run["framework_intact"]]
    conductivity = run["conductivity_ms_cm"]
    return [
        f"{run['temperature_k']:g}",
        "" if d is None else f"{d:.2e}",
        "" if sigma is None else f"{sigma:.1e}",
        ""
        if conductivity is None
        else format_value(conductivity, run["conductivity_sigma_ms_cm"], "mS/cm"),
        "" if run["haven_ratio"] is None else format_value(run["haven_ratio"], run["haven_sigma"]),
        kept,
        run["status"] if run["reason"] is None else f"{run['status']}: {run['reason']}",
    ]


def _regional_tables(data: Mapping[str, Any]) -> list[Table]:
    columns = ("part", "mobile atoms", "D in plane cm2/s", "D across cm2/s", "status")
    return [
        table(
            f"By {run['by']} at {run['temperature_k']:g} K",
            columns,
            [_regional_cells(row) for row in run["rows"]],
        )
        for run in data["regions"]
    ]


def _regional_cells(row: Mapping[str, Any]) -> list[str]:
    across = row["normal_diffusivity_cm2_s"]
    return [
        row["region"],
        f"{row['mean_mobile_atoms']:.1f}",
        format_value(row["self_diffusivity_cm2_s"], row["sigma_cm2_s"]),
        row["normal_reason"] or "none"
        if across is None
        else format_value(across, row["normal_sigma_cm2_s"]),
        row["status"] if row["reason"] is None else f"{row['status']}: {row['reason']}",
    ]


def crossing_tables(runs: Sequence[Mapping[str, Any]]) -> list[Table | str]:
    """Regions, planes and the sum of resistances of each run with counted crossings."""
    shown: list[Table | str] = []
    for run in runs:
        at = f"at {run['temperature_k']:g} K"
        shown += [
            table(
                f"Across the regions {at}",
                ("region", "Li", "stay ps", "in plane mS/cm", "across mS/cm", "Ohm cm2"),
                [_layer_cells(one) for one in run["regions"]],
            ),
            table(
                f"Crossings {at}, margin {run['margin_angstrom']:g} A",
                ("plane", "up", "down", "recrossed", "j0 mA/cm2", "Ohm cm2"),
                [_plane_cells(one) for one in run["planes"]],
            ),
            f"Once through the cell: {_resistance(run['total'])} Ohm cm2",
            *run["notes"],
        ]
    return shown


def _layer_cells(one: Mapping[str, Any]) -> list[str]:
    return [
        one["region"],
        f"{one['mean_mobile_atoms']:.1f}",
        _between(one["stay"]["mean_ps"], one["stay"]["interval95_ps"]) or one["stay"]["reason"],
        format_value(one["conductivity_in_plane_ms_cm"], one["conductivity_in_plane_sigma_ms_cm"]),
        format_value(one["conductivity_across_ms_cm"], one["conductivity_across_sigma_ms_cm"]),
        "conducts electrons" if one["metallic"] else _resistance(one["resistance"]),
    ]


def _plane_cells(one: Mapping[str, Any]) -> list[str]:
    recrossed = one["recrossed_fraction"]
    return [
        f"{one['below']} | {one['above']}",
        str(one["upward"]["events"]),
        str(one["downward"]["events"]),
        "" if recrossed is None else f"{100 * recrossed:.0f} %",
        format_value(one["exchange_current_ma_cm2"]),
        _resistance(one["resistance"]),
    ]


def _resistance(one: Mapping[str, Any]) -> str:
    if one["ohm_cm2"] is not None:
        return _between(one["ohm_cm2"], one["interval95_ohm_cm2"])
    least = one["at_least_ohm_cm2"]
    return str(one["reason"]) + ("" if least is None else f"; at least {two_digits(least)}")


def _between(value: float | None, interval: Sequence[float | None]) -> str:
    if value is None:
        return ""
    low, high = interval
    return f"{two_digits(value)} ({two_digits(low or 0)} to {two_digits(high) if high else 'any'})"


def committee_lines(spreads: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a committee says of the runs that its first member drove."""
    if not spreads:
        return []
    first = spreads[0]
    return [
        f"Driven by {first['driver']['name']} (sha256 {first['driver']['sha256'][:12]}), judged "
        f"by {', '.join(one['name'] for one in first['judges'])}:",
        *(
            f"{one['temperature_k']:g} K, seed {one['seed']}: force spread "
            f"{1000 * one['mean_ev_per_angstrom']:.0f} meV/A on average "
            f"({100 * one['relative']:.0f} % of the forces), at most "
            f"{1000 * one['max_ev_per_angstrom']:.0f} meV/A (at {one['worst_ps']:g} ps), over "
            f"{len(one['frames'])} frames"
            for one in spreads
        ),
        *_card_lines(first),
    ]


def _card_lines(spread: Mapping[str, Any]) -> list[str]:
    error = spread["card_force_rmse_ev_per_angstrom"]
    if error is None:
        return []
    return [
        f"The data card of {spread['committee']} has {1000 * error:.0f} meV/A against its teacher: "
        "members agree more than they are right"
    ]


def arrhenius_lines(data: Mapping[str, Any]) -> list[str]:
    """Activation energy and conductivity, or why there is none."""
    fit = data["arrhenius"]
    if fit is None:
        return [f"No activation energy: {data['arrhenius_reason']}"]
    lines = [
        f"Activation energy {format_value(fit['activation_energy_ev'], fit['sigma_ev'], 'eV')} "
        f"(95 %: {fit['interval95_ev'][0]:.3f} to {fit['interval95_ev'][1]:.3f})"
    ]
    if fit["conductivity_300k_ms_cm"] is not None:
        low, high = fit["interval95_ms_cm"]
        lines.append(
            "Conductivity at 300 K, extrapolated: "
            f"{two_digits(fit['conductivity_300k_ms_cm'])} mS/cm "
            f"(95 %: {two_digits(low)} to {two_digits(high)}), Nernst-Einstein"
        )
    return [*lines, *fit["flags"]]


def _md_lines(data: Mapping[str, Any]) -> Sequence[str]:
    file = data["trajectory"]
    mean = data["mean_temperature_k"]
    return [
        f"{data['status']}: {data['time_ps']:g} ps of {data['formula']}"
        + ("" if mean is None else f" at {mean:.0f} K"),
        f"{file['path']}: {file['frames']} frames, {file['time_step_fs']:g} fs apart",
        *data["notes"],
    ]
