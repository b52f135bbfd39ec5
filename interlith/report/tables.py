"""The numbers of a report as comma-separated values, full precision, units in the header.

The same text stands behind the page's links, in the study's folder ``data``, and beside figures.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from interlith.analysis.barriers import HopProfile
from interlith.analysis.coatings import CoatingRow
from interlith.analysis.diffusion_results import DiffusionRecord
from interlith.analysis.study_results import Component, Interface, StudyResults

Row = list[object]


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Comma-separated values with a header; None is an empty cell."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return buffer.getvalue()


def data_files(results: StudyResults) -> dict[str, tuple[str, str]]:
    """Text and a word of explanation of every table that the study fills, by file name."""
    found = {
        "windows.csv": (windows(results.components), "stability windows"),
        "ladders.csv": (ladders(results.components), "decomposition steps"),
        "reactions.csv": (reactions(results.interfaces), "interface reactions"),
    }
    if results.coatings is not None:
        found["coatings.csv"] = (coatings(results.coatings.rows), "coating screen")
    if results.structures:
        found["interfaces.csv"] = (structures(results), "explicit interfaces")
    if results.diffusion:
        found["transport.csv"] = (transport(results.diffusion), "diffusion, run by run")
    if results.barriers:
        hops = [hop for record in results.barriers for hop in record.hops]
        found["hops.csv"] = (profiles(hops), "energy along single hops")
    return found


def windows(components: Iterable[Component]) -> str:
    """Limits of every material."""
    columns = (
        "role", "formula", "reduction_potential_v", "sigma_reduction_v", "oxidation_potential_v",
        "sigma_oxidation_v", "energy_above_hull_ev_per_atom", "reason",
    )  # fmt: skip
    rows: list[Row] = []
    for c in components:
        w = c.window
        if w is None:
            rows.append([c.role, c.formula, *[None] * 5, c.reason])
            continue
        reduction = w.sigma.reduction_v if w.sigma else None
        oxidation = w.sigma.oxidation_v if w.sigma else None
        above = w.energy_above_hull_ev_per_atom
        rows.append(
            [c.role, c.formula, w.reduction_potential_v, reduction, w.oxidation_potential_v,
             oxidation, above, w.reason]
        )  # fmt: skip
    return csv_text(columns, rows)


def ladders(components: Iterable[Component]) -> str:
    """Decomposition steps of every material."""
    rows = [
        [c.formula, s.voltage_v, s.direction, s.li_change_per_formula, s.reaction]
        for c in components
        if c.window is not None
        for s in c.window.ladder
    ]
    columns = ("formula", "voltage_v", "direction", "li_change_per_formula", "reaction")
    return csv_text(columns, rows)


def reactions(interfaces: Iterable[Interface]) -> str:
    """Strongest reaction of every pair, closed and open."""
    rows: list[Row] = []
    for i in interfaces:
        c = i.closed
        rows.append(
            [i.a, i.b, "closed", None, c.energy_ev_per_atom, c.sigma_ev_per_atom,
             c.mixing_fraction_a, c.reaction]
        )  # fmt: skip
        rows += [
            [i.a, i.b, "open", o.voltage_v, o.energy_ev_per_atom, None, o.mixing_fraction_a,
             o.reaction]
            for o in i.open
        ]  # fmt: skip
    columns = (
        "a", "b", "mode", "voltage_v", "energy_ev_per_atom", "sigma_ev_per_atom",
        "mixing_fraction_a", "reaction",
    )  # fmt: skip
    return csv_text(columns, rows)


def mixing_lines(interfaces: Iterable[Interface]) -> str:
    """Corners of the mixing line of every pair."""
    rows = [
        [i.a, i.b, k.mixing_fraction_a, k.energy_ev_per_atom, k.reaction]
        for i in interfaces
        for k in sorted(i.closed.kinks, key=lambda kink: kink.mixing_fraction_a)
    ]
    return csv_text(("a", "b", "mixing_fraction_a", "energy_ev_per_atom", "reaction"), rows)


def coatings(screened: Sequence[CoatingRow]) -> str:
    """Every criterion of every candidate."""
    dumped = [row.to_json() for row in screened]
    columns = [key for key in (dumped[0] if dumped else {}) if key not in ("passes", "flags")]
    steps = list(screened[0].passes) if screened else []
    rows: list[Row] = [
        [
            *(row[key] for key in columns),
            *(row["passes"][step] for step in steps),
            "; ".join(row["flags"]),
        ]
        for row in dumped
    ]
    return csv_text([*columns, *(f"passes_{step}" for step in steps), "flags"], rows)


def structures(results: StudyResults) -> str:
    """Explicit interfaces with their geometry."""
    rows: list[Row] = [
        [
            search.a, search.b, " ".join(map(str, cell.miller.a)),
            " ".join(map(str, cell.miller.b)), cell.n_atoms, cell.area_angstrom2, cell.strain.a,
            cell.strain.b, cell.min_distance_ratio, cell.energy_ev, cell.file,
        ]
        for search in results.structures
        for cell in search.candidates
    ]  # fmt: skip
    columns = (
        "a", "b", "miller_a", "miller_b", "n_atoms", "area_angstrom2", "strain_a", "strain_b",
        "min_distance_ratio", "energy_ev", "file",
    )  # fmt: skip
    return csv_text(columns, rows)


def transport(records: Iterable[DiffusionRecord]) -> str:
    """Every run of every material."""
    names = (
        "temperature_k", "status", "self_diffusivity_cm2_s", "sigma_cm2_s", "conductivity_ms_cm",
        "conductivity_sigma_ms_cm", "haven_ratio", "haven_sigma", "framework_intact", "events",
        "reason",
    )  # fmt: skip
    rows: list[Row] = [
        [
            record.formula,
            None if record.potential is None else record.potential["name"],
            *(getattr(run, name) for name in names),
        ]
        for record in records
        for run in record.runs
    ]
    return csv_text(("formula", "potential", *names), rows)


def displacements(record: DiffusionRecord) -> str:
    """Mean squared displacement of each run at each lag."""
    rows: list[Row] = [
        [curve.temperature_k, lag, own, sigma, together]
        for curve in record.curves
        for lag, own, sigma, together in zip(
            curve.lag_ps,
            curve.self_angstrom2,
            curve.sigma_angstrom2,
            curve.collective_angstrom2,
            strict=True,
        )
    ]
    columns = (
        "temperature_k", "lag_ps", "self_angstrom2", "sigma_angstrom2", "collective_angstrom2",
    )  # fmt: skip
    return csv_text(columns, rows)


def profiles(hops: Iterable[HopProfile]) -> str:
    """Energy along each path."""
    rows: list[Row] = [
        [hop.label, s, energy, hop.converged]
        for hop in hops
        for s, energy in zip(hop.coordinate_angstrom, hop.energies_ev, strict=True)
    ]
    return csv_text(("hop", "coordinate_angstrom", "energy_ev", "converged"), rows)
