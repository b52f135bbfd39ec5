"""``interlith assess STUDY.yaml``: the main job."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlith.cli.common import (
    JsonOption,
    lasting,
    listed,
    missing_line,
    print_json,
    print_tables,
    progress_bar,
    reference_line,
    table,
)
from interlith.errors import InputError
from interlith.formatting import format_value

if TYPE_CHECKING:
    from interlith.workflows.study import Study

SECONDS_PER_INTERFACE = 3.0
"""Measured mean of the structure stage without a potential."""


def assess(
    study_file: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="The study.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Result folder (default: NAME-results).")
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(help="Stages to run, for example thermodynamics (which always runs)."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    store: Annotated[
        Path | None,
        typer.Option(help="Project to keep the results in (default: the one around, if any)."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Assess a whole study and write a folder with report.html and results.json."""
    from interlith.workflows.study import load_study

    study = load_study(study_file)
    _check_stages(only)
    if only is not None:
        from interlith.workflows.study import AVAILABLE_STAGES

        asked = {"thermodynamics", *listed(only)}
        left_out = {stage: None for stage in AVAILABLE_STAGES if stage not in asked}
        study = study.model_copy(update={"stages": study.stages.model_copy(update=left_out)})
    if dry_run:
        _show_plan(study, as_json)
        return
    folder = out or Path(f"{study.name}-results")
    from interlith.report.output import check_writable, write_results

    check_writable(folder)
    from interlith.analysis.study_results import StudyResults
    from interlith.workflows.assess import AssessMaker, check_study
    from interlith.workflows.local import run_flow

    check_study(study)
    with progress_bar(f"assess {study.name}", shown=sys.stderr.isatty()) as progress:
        output = run_flow(
            AssessMaker(work_folder=str(folder.parent)).make(study),
            lambda name, done, total: progress(done, total),
        )
    results = StudyResults.model_validate(output["results"])
    write_results(results, folder, output["files"])
    from interlith.store.studies import keep_study

    kept = keep_study(results, folder, store)
    if as_json:
        print_json(results.to_json())
        return
    _show(results.to_json())
    if kept:
        print_tables(f"Kept {len(kept)} records in the results database: interlith results query")
    print_tables(
        f"Report: {(folder / 'report.html').resolve()}",
        "Beside it: results.json, figures as SVG, PNG and CSV, tables (data)",
    )


def _check_stages(only: str | None) -> None:
    from interlith.workflows.study import AVAILABLE_STAGES

    for stage in listed(only):
        if stage not in AVAILABLE_STAGES:
            raise InputError(
                f"--only {stage} cannot be run; this version runs {', '.join(AVAILABLE_STAGES)}"
            )


def _show_plan(study: Study, as_json: bool) -> None:
    plan = _plan(study)
    if as_json:
        print_json(plan)
        return
    found, pairs = plan["components"], plan["interfaces"]
    total = plan["estimated_time_s"]
    print_tables(
        f"Study {study.name}: {plan['jobs']} jobs, {lasting(total)}, no GPU, "
        f"reference {plan['reference']}",
        table("Components", ("role", "formula"), [[c["role"], c["formula"]] for c in found]),
        "Interfaces: " + ", ".join(pairs),
        *(_cost_line(cost) for cost in plan["calculations"]),
        *_dft_line(study),
    )


def _dft_line(study: Study) -> list[str]:
    asked = study.stages.dft
    if asked is None:
        return []
    return [
        f"Stage dft, {asked.engine}: minutes to hours for each phase and cell that the other "
        "stages find; not in the time above"
    ]


def _plan(study: Study) -> dict[str, Any]:
    from interlith.workflows.assess import check_study, contacts, materials

    found = [{"role": role, "formula": formula} for role, formula in materials(study)]
    pairs = [f"{a[1]} | {b[1]}" for a, b in contacts(study)]
    n_jobs = len(found) + len(pairs) + 2 + bool(study.coatings and study.cathode)
    building = study.stages.structures is not None
    seconds = 120.0 if study.coatings == "all" else 2.0 + 0.3 * n_jobs
    if building:
        n_jobs += len(pairs)
        seconds += SECONDS_PER_INTERFACE * len(pairs)
    costs: list[dict[str, Any]] = []
    if study.calculated():
        from interlith.workflows.step_cost import stage_costs

        check_study(study)
        costs = [cost.to_json() for cost in stage_costs(study)]
    return {
        "name": study.name,
        "stages": [
            "thermodynamics",
            *(["structures"] if building else []),
            *(stage for stage, _ in study.calculated()),
            *(["dft"] if study.stages.dft is not None else []),
        ],
        "components": found,
        "interfaces": pairs,
        "jobs": n_jobs + len(costs) + (study.stages.dft is not None),
        "estimated_time_s": seconds + sum(cost["seconds"] or 0.0 for cost in costs),
        "calculations": costs,
        "reference": study.stages.thermodynamics.reference,
    }


def _cost_line(cost: Mapping[str, Any]) -> str:
    if cost["problem"] is not None:
        return f"Stage {cost['stage']} cannot run: {cost['problem']}"
    time = "time unknown" if cost["seconds"] is None else lasting(cost["seconds"])
    usual = "steps" if cost["stage"] in ("md", "reactivity") else "force calls, a usual number"
    return (
        f"Stage {cost['stage']}, {cost['call']['potential']}: {cost['force_calls']} {usual}, "
        f"{cost['side_by_side']} at a time: {time} ({cost['call']['basis']})"
    )


def _show(data: dict[str, Any]) -> None:
    parts: list[Any] = [
        table(
            "Windows vs Li/Li+",
            ("role", "material", "reduction", "oxidation", "first reduction products"),
            [_component_cells(component) for component in data["components"]],
        ),
        table(
            "Interfaces (closed); missing = known phases that the reference set lacks",
            ("pair", "energy", "reaction", "missing"),
            [_interface_cells(pair) for pair in data["interfaces"]],
        ),
    ]
    if data["coatings"]:
        from interlith.cli.screen import coating_table

        parts.append(coating_table(data["coatings"]["rows"][:25]))
    parts += [
        f"{pair['a']} | {pair['b']}: {pair['interphase']['interphase_class']} interphase: "
        f"{pair['interphase']['reason']}"
        for pair in data["interfaces"]
        if pair["interphase"]
    ]
    if data["structures"]:
        from interlith.cli.build_interfaces import interface_table

        rows = [row for search in data["structures"] for row in search["candidates"]]
        parts.append(interface_table("Explicit interfaces", rows))
    if data["reactivity"]:
        from interlith.cli.reactivity import summary_lines

        parts += [line for record in data["reactivity"] for line in summary_lines(record)]
    parts += [line for record in data["diffusion"] for line in _transport_lines(record)]
    parts += [
        f"Topotactic limits of {record['formula']} ({record['potential']['name']}): "
        f"{format_value(record['reduction_potential_v'], None, 'V')} to "
        f"{format_value(record['oxidation_potential_v'], None, 'V')}"
        + (f"; {record['status']}: {record['reason']}" if record["reason"] else "")
        for record in data["topotactic"]
    ]
    parts += [
        f"{hop['label']}: {format_value(hop['forward_ev'], None, 'eV', 3)} forth, "
        f"{format_value(hop['reverse_ev'], None, 'eV', 3)} back, {hop['status']}"
        + (f": {hop['reason']}" if hop["reason"] else "")
        for record in data["barriers"]
        for hop in record["hops"]
    ]
    parts += [
        f"Band gap of {gap['formula']}: {format_value(gap['gap_ev'], None, 'eV')} ({gap['method']})"
        for record in data["dft"]
        for gap in (record["gaps"] or {"gaps": []})["gaps"]
    ]
    parts += _doubts(data)
    lacking = {f for c in data["components"] for f in (c["window"] or {}).get("missing_phases", ())}
    if lacking:
        parts.append(missing_line(sorted(lacking)))
    parts += [f"No answer: {f['subject']} ({f['step']}): {f['reason']}" for f in data["failures"]]
    parts.append(reference_line(data["reference"]))
    print_tables(*parts)


def _doubts(data: dict[str, Any]) -> list[str]:
    """What air gives off, and what stands in the way of an answer."""
    from interlith.analysis.atmosphere import AtmosphereRecord

    lines = []
    for one in data["atmosphere"]:
        gases, status = AtmosphereRecord.model_validate(one).judged_gases()
        why = f" ({one['reason']})" if status != "ok" and one["reason"] else ""
        lines.append(f"Toxic gases of {one['formula']} in moist air: {gases}{why}")
    windows = [c["window"] for c in data["components"] if c["window"]]
    closed = [pair["closed"] for pair in data["interfaces"]]
    reasons = [one["reason"] for one in (*windows, *closed) if one["status"] == "diagnosis"]
    return [*lines, *dict.fromkeys(reasons)]


def _transport_lines(record: dict[str, Any]) -> list[str]:
    from interlith.cli.md import arrhenius_lines, committee_lines

    answered = sum(run["self_diffusivity_cm2_s"] is not None for run in record["runs"])
    return [
        f"Li in {record['formula']} ({record['potential']['name']}): {answered} of "
        f"{len(record['runs'])} temperatures with a diffusivity",
        *arrhenius_lines(record),
        *committee_lines(record["committee"]),
    ]


def _component_cells(component: dict[str, Any]) -> list[str]:
    window = component["window"]
    if window is None:
        return [component["role"], component["formula"], component["reason"], "", ""]
    sigma = window["sigma"] or {"reduction_v": None, "oxidation_v": None}
    below = window["reduction"]
    return [
        component["role"],
        component["formula"],
        format_value(window["reduction_potential_v"], sigma["reduction_v"], "V"),
        format_value(window["oxidation_potential_v"], sigma["oxidation_v"], "V"),
        " + ".join(p["formula"] for p in below["products"]) if below else "stable to 0 V",
    ]


def _interface_cells(pair: dict[str, Any]) -> list[str]:
    closed = pair["closed"]
    sigma = closed["sigma_ev_per_atom"]
    return [
        f"{pair['a']} | {pair['b']}",
        format_value(
            closed["energy_ev_per_atom"] * 1000,
            None if sigma is None else sigma * 1000,
            "meV/atom",
        ),
        closed["reaction"],
        str(len(closed["missing_phases"]) or ""),
    ]
