"""``interlith dft``: check the installation, test convergence, run one calculation."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlith.cli.common import JsonOption, numbers, print_json, print_tables, table
from interlith.errors import FailureError, InputError

if TYPE_CHECKING:
    from rich.table import Table

app = typer.Typer(
    help="Density functional theory with GPAW: PBE, settings by task and chemistry.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="SETTING=VALUE, such as cutoff_ev=600 or ranks=2; repeatable."),
]
OutOption = Annotated[
    Path, typer.Option("--out", "-o", help="Folder; what is finished in it is not done again.")
]


@app.command("check")
def check(
    out: OutOption = Path("dft-check"), set_: SetOption = None, as_json: JsonOption = False
) -> None:
    """Relax LiCl and Li2S, compare them with experiment and say whether DFT works here."""
    from interlith.workflows.dft_check import run_check

    record = run_check(out, _settings(set_), progress=_progress)
    data = record.to_json()
    if as_json:
        print_json(data)
    else:
        print_tables(*_check_tables(data))
    if not record.passed:
        raise FailureError(f"the DFT check did not pass; the logs of its calculations are in {out}")


@app.command("converge")
def converge(
    material: Annotated[str, typer.Argument(help="Library name, formula or structure file.")],
    cutoffs: Annotated[str, typer.Option(help="Cut-offs, eV.")] = "400,500,600,700,800,1000",
    densities: Annotated[str, typer.Option(help="k-point densities, Angstrom.")] = "1.5,2,2.5,3,4",
    out: OutOption = Path("dft-convergence"),
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Energy and pressure against cut-off and k points."""
    from interlith.workflows.dft import ConvergenceMaker, ConvergenceRecord
    from interlith.workflows.local import run_flow

    maker = ConvergenceMaker(
        cutoffs_ev=numbers(cutoffs, "--cutoffs"),
        densities_angstrom=numbers(densities, "--densities"),
        settings=_settings(set_),
    )
    flow = maker.make(material, out)
    record = ConvergenceRecord.model_validate(run_flow(flow, progress=_progress))
    data = record.to_json()
    if as_json:
        print_json(data)
    else:
        print_tables(*_convergence_tables(data))
    if record.status == "no_answer":
        raise FailureError(
            f"{record.material}: {record.reason}; without the finest there is nothing to compare "
            f"with, the logs are in {out}"
        )


@app.command("run")
def run(
    material: Annotated[str, typer.Argument(help="Library name, formula or structure file.")],
    task: Annotated[str, typer.Option(help="static, relax or cell_relax.")] = "static",
    fmax: Annotated[float, typer.Option(help="Largest force left, eV/Angstrom.")] = 0.02,
    max_steps: Annotated[
        int, typer.Option(min=1, help="Of a relaxation, in all; more of them let it go on.")
    ] = 100,
    out: OutOption = Path("dft"),
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """One calculation of one material; killed or out of steps, it goes on when called again."""
    from interlith.workflows.dft import RUN_TASKS, run_material

    if task not in RUN_TASKS:
        raise InputError(f"--task {task}: there are {', '.join(RUN_TASKS)}")
    if fmax <= 0:
        raise InputError(f"--fmax {fmax:g}: give a positive force")
    record = run_material(
        material,
        task,
        out,
        fmax_ev_per_angstrom=fmax,
        max_steps=max_steps,
        settings=_settings(set_),
    )
    data = record.to_json()
    if as_json:
        print_json(data)
    else:
        print_tables(*_run_lines(data))
    if record.status != "converged":
        raise FailureError(f"{record.formula}: {record.status}, {record.reason}")


def _settings(texts: list[str] | None) -> dict[str, Any]:
    """``name=value`` pairs; the value is JSON, or text where it is none."""
    from interlith.engines.electronic.settings import DftSettings

    names = [name for name in DftSettings.model_fields if name != "task"]
    found: dict[str, Any] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if name == "task":
            raise InputError(f"--set {text}: the task is no setting; use 'dft run --task {value}'")
        if not equals or name not in names:
            raise InputError(
                f"--set {text}: write SETTING=VALUE; the settings are {', '.join(names)}"
            )
        try:
            found[name] = json.loads(value)
        except json.JSONDecodeError:
            found[name] = value
    return found


def _progress(name: str, done: int, total: int) -> None:
    print(f"[{done}/{total}] {name}", file=sys.stderr, flush=True)


def _check_tables(data: dict[str, Any]) -> list[Table | str]:
    compounds = [
        [
            one["formula"],
            _number(one["lattice_angstrom"], "{:.3f}"),
            f"{one['lattice_experiment_angstrom']:.3f}",
            _number(one["lattice_error"], "{:+.1%}"),
            _number(one["formation_energy_ev"], "{:.2f}"),
            f"{one['formation_experiment_ev']:.2f}",
            _number(one["formation_error_ev"], "{:+.2f}"),
            "yes" if one["passed"] else f"no ({one['reason'] or 'off the limits'})",
        ]
        for one in data["compounds"]
    ]
    runs = [
        [
            one["name"],
            one["status"],
            _number(one["energy_ev_per_atom"], "{:.4f}"),
            "" if one["steps"] is None else str(one["steps"]),
            str(one["cures"]),
            f"{one['wall_time_s']:.0f}",
        ]
        for one in data["calculations"]
    ]
    return [
        table(
            f"GPAW {data['gpaw']}, PBE, {data['scheme']} corrections, against experiment",
            ["", "a, A", "exp.", "", "dH, eV/f.u.", "exp.", "", "passed (1.5 %, 0.15 eV)"],
            compounds,
        ),
        table("Calculations", ["", "status", "eV/atom", "steps", "cures", "s"], runs),
        f"{data['datasets']} elements have a dataset; {data['wall_time_s']:.0f} s in all",
        "DFT works here" if data["passed"] else "DFT does not work as it should",
    ]


def _convergence_tables(data: dict[str, Any]) -> list[Table | str]:
    rows = [
        [
            one["varied"],
            f"{one['cutoff_ev']:g}",
            f"{one['kpoint_density_angstrom']:g}",
            "x".join(str(n) for n in one["kpoints"]),
            _number(one["energy_ev_per_atom"], "{:.4f}"),
            _number(one["difference_mev_per_atom"], "{:+.1f}"),
            _number(one["pressure_gpa"], "{:+.2f}"),
            f"{one['wall_time_s']:.0f}",
            one["status"],
        ]
        for one in data["points"]
    ]
    head = ["", "eV", "density, A", "k", "eV/atom", "meV/atom", "GPa", "s", "status"]
    cutoff, density = (
        _enough(data, *pair)
        for pair in (("cutoff", "cutoff_ev"), ("kpoints", "kpoint_density_angstrom"))
    )
    return [
        table(f"Convergence of {data['material']}", head, rows),
        f"Within {data['tolerance_mev_per_atom']:g} meV/atom of the finest: cut-off {cutoff}, "
        f"density {density}",
        *([] if data["reason"] is None else [f"{data['status']}: {data['reason']}"]),
    ]


def _enough(data: dict[str, Any], series: str, setting: str) -> str:
    """The smallest that is enough, or why there is none."""
    if data["enough"][setting] is not None:
        return f"{data['enough'][setting]:g}"
    points = [one for one in data["points"] if one["varied"] == series]
    lost = not points or points[-1]["energy_ev_per_atom"] is None
    return "not known" if lost else "only the largest"


def _run_lines(data: dict[str, Any]) -> list[Table | str]:
    rows = [
        ["status", data["status"] + (f" ({data['reason']})" if data["reason"] else "")],
        ["energy, eV/atom", _number(data["energy_ev_per_atom"], "{:.4f}")],
        ["volume, A3", f"{data['volume_angstrom3']:.2f}"],
        ["band gap, eV", _number(data["band_gap_ev"], "{:.2f}")],
        ["magnetic moment", _number(data["total_magnetic_moment"], "{:.2f}")],
        ["cut-off, eV", f"{data['settings']['cutoff_ev']:g}"],
        ["k points", "x".join(str(n) for n in data["settings"]["kpoints"])],
        ["Hubbard U, eV", str(data["settings"]["hubbard_u_ev"] or "none")],
        ["attempts", str(len(data["attempts"]))],
        ["time, s", f"{data['wall_time_s']:.0f}"],
        ["folder", data["folder"]],
    ]
    return [table(data["formula"], ["", ""], rows)]


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
