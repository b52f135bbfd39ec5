"""``interlith reactivity``: what dynamics makes of an explicit interface."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlith.cli.common import (
    JsonOption,
    lasting,
    numbers,
    print_json,
    print_tables,
    progress_bar,
    table,
    typed,
)
from interlith.errors import FailureError, OutputError
from interlith.formatting import format_value

if TYPE_CHECKING:
    from rich.table import Table

    from interlith.analysis.reactive_records import ReactivityRecord

SHOWN_TIMES = 7
LINE_EVERY_S = 60.0


def reactivity(
    a: Annotated[str, typer.Argument(help="Lower material: library name, formula or file.")],
    b: Annotated[
        str | None, typer.Argument(help="Upper material; left out, A alone as the control.")
    ] = None,
    potential_name: Annotated[
        str, typer.Option("--potential", "--engine", "-p", help="Potential by name.")
    ] = "lpscl",
    temperature: Annotated[str, typer.Option(help="Temperatures, K.")] = "600",
    time_ps: Annotated[float, typer.Option(help="Length of each run, ps.")] = 20.0,
    max_time_ps: Annotated[
        float | None,
        typer.Option("--max-time-ps", help="Go on up to here while anything changes, ps."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs at each temperature.")] = 3,
    seed: Annotated[int, typer.Option(help="First seed.")] = 1,
    miller_a: Annotated[str | None, typer.Option(help="Plane of A, H,K,L.")] = None,
    miller_b: Annotated[str | None, typer.Option(help="Plane of B, H,K,L.")] = None,
    thickness: Annotated[
        float, typer.Option(help="Least thickness of a side that is no Li metal, A.")
    ] = 19.0,
    reservoir: Annotated[
        float, typer.Option(help="Li metal over what full reduction takes.")
    ] = 1.25,
    min_length: Annotated[
        float, typer.Option(help="Least side of the cell in the plane, A.")
    ] = 9.0,
    max_atoms: Annotated[int, typer.Option(help="Atom budget of the cell.")] = 300,
    max_strain: Annotated[float, typer.Option(help="Largest strain of either side.")] = 0.05,
    candidate: Annotated[int, typer.Option(help="Which interface of the search.")] = 1,
    relax_steps: Annotated[int, typer.Option(help="Steps of relaxation at most.")] = 150,
    teacher: Annotated[
        str | None,
        typer.Option(help="Potential that labels frames; else the model card's, or 7net-0."),
    ] = None,
    labels: Annotated[int, typer.Option(help="Frames to label; 0 for none.")] = 12,
    deviation_bound: Annotated[
        float, typer.Option(help="Force deviation beyond which an atom is outside, eV/A.")
    ] = 0.5,
    workers: Annotated[int, typer.Option(min=1, help="Runs side by side.")] = 2,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder (default: A-B-reactivity).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """React an explicit interface: what breaks, what forms, how thick, and whether to trust it.

    Both interfaces of a periodic cell, free to change its length along the normal. Call it again
    with the same folder to go on after an interruption, or to add time, seeds or temperatures.
    """
    from interlith.cli.build_common import plane
    from interlith.structures.reading import plain_name
    from interlith.workflows.reactive.settings import ReactivitySettings
    from interlith.workflows.reactivity import reactivity as run

    settings = ReactivitySettings.read(
        potential=potential_name,
        temperatures_k=numbers(temperature, "--temperature"),
        time_ps=time_ps,
        max_time_ps=max_time_ps,
        seeds=seeds,
        seed=seed,
        miller_a=None if miller_a is None else plane(miller_a, "--miller-a"),
        miller_b=None if miller_b is None else plane(miller_b, "--miller-b"),
        thickness_angstrom=thickness,
        reservoir_excess=reservoir,
        min_length_angstrom=min_length,
        max_atoms=max_atoms,
        max_strain=max_strain,
        candidate=candidate,
        relax_steps=relax_steps,
        teacher=teacher,
        label_frames=labels,
        deviation_bound_ev_per_angstrom=deviation_bound,
    )
    title = a if b is None else f"{a} | {b}"
    folder = out or Path("-".join(plain_name(one) for one in (a, b) if one) + "-reactivity")
    with progress_bar(title, sys.stderr.isatty()) as progress:
        watch = progress if sys.stderr.isatty() else _Lines()
        record = run(a, b, settings, folder, workers=workers, progress=watch, say=_say)
    _write_figures(record, folder)
    data = record.to_json()
    if as_json:
        print_json(data)
    else:
        print_tables(*lines(data), f"Figures and record: {folder}")
    interrupted = [one for one in record.runs if one.status == "interrupted"]
    if interrupted:
        raise FailureError(
            f"{len(interrupted)} of {len(record.runs)} runs were interrupted; go on with: {typed()}"
        )


class _Lines:
    """Progress as a line now and then, for a log."""

    def __init__(self) -> None:
        self._begun: tuple[float, int, int] | None = None
        self._shown = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._begun is None or self._begun[2] != total:  # another part
            self._begun, self._shown = (now, done, total), now
        if now - self._shown < LINE_EVERY_S:
            return
        self._shown = now
        began, first, _ = self._begun
        speed = (done - first) / (now - began)
        left = "" if speed <= 0 else f", {lasting((total - done) / speed)} left"
        print(f"interlith: {done} of {total}{left}", file=sys.stderr)


def _say(part: str) -> None:
    if not sys.stderr.isatty():
        print(f"interlith: {part}", file=sys.stderr)


def _write_figures(record: ReactivityRecord, folder: Path) -> None:
    from interlith.report.reactivity import pictures

    try:
        for name, content in pictures(record).items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise OutputError(
            f"cannot write figures into {folder} ({error.strerror}); choose another --out"
        ) from error


def lines(data: Mapping[str, Any]) -> list[Table | str]:
    """What a terminal shows of a record."""
    cell, limit = data["cell"], data["limit"]
    pair = data["a"] if data["b"] is None else f"{data['a']} | {data['b']}"
    found: list[Table | str] = [
        f"{pair}: {data['status'].replace('_', ' ')}"
        + ("" if data["reason"] is None else f" ({data['reason']})"),
        f"Cell: {cell['n_atoms']} atoms, {cell['area_angstrom2']:.0f} A2, "
        f"{cell['lengths_angstrom'][2]:.1f} A along the normal; {_reservoir(cell)}",
    ]
    if limit is not None:
        found.append(f"Thermodynamics: {limit['reaction']}{_limit_energy(data)}")
    found += [_run_table(run) for run in data["runs"] if run["series"] is not None]
    found += [_layer_table(data["runs"])] if any(r["layers"] for r in data["runs"]) else []
    found += [f"Seed {run['seed']}: {run['status']}: {run['reason']}"
              for run in data["runs"] if run["status"] != "finished"]  # fmt: skip
    found += growth_lines(data)
    return [*found, *trust_lines(data["trust"]), *data["notes"]]


def summary_lines(data: Mapping[str, Any]) -> list[str]:
    """A record in a few lines, for a study."""
    pair = data["a"] if data["b"] is None else f"{data['a']} | {data['b']}"
    trust = data["trust"]
    word = "trusted" if trust["trusted"] else f"not trusted: {'; '.join(trust['reasons'])}"
    said = f"{pair} in dynamics: {data['status'].replace('_', ' ')}"
    return [f"{said} ({data['reason']}); {word}", *growth_lines(data)]


def _reservoir(cell: Mapping[str, Any]) -> str:
    if cell["lithium_per_formula"] is None:
        return "no Li metal"
    needed = cell["lithium_needed_per_formula"]
    takes = "" if not needed else f", full reduction takes {needed:g}"
    return (
        f"Li metal {cell['lithium_per_formula']:.1f} per formula unit{takes}: {cell['reservoir']}"
    )


def _limit_energy(data: Mapping[str, Any]) -> str:
    full, released = data["limit"]["energy_ev_per_formula"], data["energy_released_ev_per_formula"]
    if not full:
        return ""
    share = data["energy_share_of_limit"]
    done = "" if released is None else f"; released {released:.1f} eV ({100 * share:.0f} %)"
    return f", {full:.1f} eV per formula unit{done}"


def _run_table(run: Mapping[str, Any]) -> Table:
    series = run["series"]
    times = series["times_ps"]
    chosen = sorted({round(i * (len(times) - 1) / (SHOWN_TIMES - 1)) for i in range(SHOWN_TIMES)})
    around = sorted(series["lithium_around"])
    columns = ("ps", "intact", *series["bonds"], *(f"Li around {e}" for e in around),
               "released eV", "length A", "Li metal")  # fmt: skip
    speed = run["ms_per_step"]
    title = f"{run['temperature_k']:g} K, seed {run['seed']}: {run['time_ps']:g} ps" + (
        ""
        if speed is None
        else f", {speed:.0f} ms a step, at most {run['max_temperature_k']:.0f} K"
    )
    return table(title, columns, [_row(series, i, around) for i in chosen])


def _row(series: Mapping[str, Any], i: int, around: Sequence[str]) -> list[str]:
    return [
        f"{series['times_ps'][i]:.1f}",
        f"{100 * series['intact'][i]:.0f} %" if series["intact"] else "",
        *(f"{values[i]:.0f}" for values in series["bonds"].values()),
        *(f"{series['lithium_around'][one][i]:.1f}" for one in around),
        f"{series['energy_released_ev_per_formula'][i]:.1f}",
        f"{series['length_angstrom'][i]:.1f}",
        f"{series['metal_lithium'][i]:.0f}",
    ]


def _layer_table(runs: Sequence[Mapping[str, Any]]) -> Table:
    rows = [
        [f"{run['seed']}", f"{one['side']} of {one['region']}", f"{one['depth_angstrom']:.1f}",
         f"{one['centres']}", *(_time(one[k]) for k in
                                ("first_broken_ps", "all_broken_ps", "all_bare_ps"))]
        for run in runs for one in run["layers"]
    ]  # fmt: skip
    columns = ("seed", "contact", "depth A", "centres", "first broken ps", "all broken ps",
               "all bare ps")  # fmt: skip
    return table("Polyanions layer by layer", columns, rows)


def _time(value: float | None) -> str:
    return "not yet" if value is None else f"{value:.1f}"


def growth_lines(data: Mapping[str, Any]) -> list[str]:
    """Law of growth and Li consumed, in words."""
    fit, found = data["growth"], []
    if fit is not None and fit["status"] != "ok":
        found.append(f"Growth: no answer: {fit['reason']}")
    elif fit is not None:
        rate = fit["linear"] if fit["law"] == "linear" else fit["parabolic"]
        low, high = rate["interval95"]
        found.append(
            f"Growth ({data['growth_of']}): {fit['law']}, exponent {fit['exponent']:.2f} (95 %: "
            f"{fit['exponent_interval95'][0]:.2f} to {fit['exponent_interval95'][1]:.2f}); as "
            f"{rate['law']} {format_value(rate['value'], rate['sigma'], rate['unit'])} (95 %: "
            f"{low:.2g} to {high:.2g}), {fit['thickness_end_nm']:.2f} nm at the end"
        )
        found += [f"  {one}" for one in fit["caveats"]]
    taken = data["lithium"]
    if taken is not None and taken["nm_per_uah_cm2"] is not None:
        due = taken["stoichiometric_nm_per_uah_cm2"]
        found.append(
            f"Li consumed: {taken['consumed_uah_cm2']:.3f} uAh/cm2 an interface for "
            f"{taken['thickness_nm']:.2f} nm: {taken['nm_per_uah_cm2']:.1f} nm per uAh/cm2"
            + ("" if due is None else f" (stoichiometric {due:.1f}): {taken['explanation']}")
        )
    return found


def trust_lines(trust: Mapping[str, Any]) -> list[str]:
    """Labels, drift, deviation and the verdict."""
    found, labels, drift = [], trust["labels"], trust["drift"]
    if labels is not None:
        by = ", ".join(f"{e} {v:.0f}" for e, v in labels["force_rmse_by_element"].items())
        found.append(
            f"{len(labels['frames'])} frames labelled by {labels['teacher']['name']}: forces "
            f"{labels['force_rmse_mev_per_angstrom']:.0f} meV/A (bound "
            f"{trust['bounds']['force_rmse_mev_per_angstrom']:g}; {by}), energies "
            f"{labels['energy_mean_mev_per_atom']:+.1f} meV/atom on average, {_span(labels)} "
            f"(bound {trust['bounds']['energy_mean_mev_per_atom']:g}), "
            f"{100 * labels['outside']:.1f} % of the atoms beyond the bound of the trained domain"
        )
    if drift is not None:
        found.append(
            f"Energy without a thermostat: {drift['drift_mev_per_atom_per_ps']:+.3f} meV/atom/ps "
            f"over {drift['time_ps']:.1f} ps (bound "
            f"{trust['bounds']['drift_mev_per_atom_per_ps']:g})"
        )
    found += deviation_lines(trust["deviation"])
    if trust["trusted"]:
        return [*found, "Trusted: within all bounds"]
    return [*found, "Not trusted: " + "; ".join(trust["reasons"])]


def _span(labels: Mapping[str, Any]) -> str:
    """Smallest and largest energy error of the frames."""
    errors = [frame["energy_error_mev_per_atom"] for frame in labels["frames"]]
    return f"from {min(errors):+.1f} to {max(errors):+.1f}"


def deviation_lines(deviation: Mapping[str, Any] | None) -> list[str]:
    """What the committee, or the teacher, says of single atoms."""
    if deviation is None:
        return []
    by = ", ".join(
        f"{name} {100 * share:.1f} %" for name, share in deviation["outside_by_region"].items()
    )
    kept = "" if not deviation["harvested"] else (
        f"; {deviation['harvested']} frames kept for labelling in {deviation['harvest_file']}"
    )  # fmt: skip
    scaled = "" if deviation["factor"] == 1 else f", times {deviation['factor']:.1f} as labels say,"
    return [
        f"Deviation by the {deviation['by']}{scaled} over {deviation['frames']} frames: "
        f"{1000 * deviation['mean_ev_per_angstrom']:.0f} meV/A on average, at most "
        f"{deviation['max_ev_per_angstrom']:.2f} eV/A ({deviation['worst']}); "
        f"{100 * deviation['outside']:.1f} % of the atoms beyond "
        f"{deviation['bound_ev_per_angstrom']:g} eV/A ({by}){kept}"
    ]
