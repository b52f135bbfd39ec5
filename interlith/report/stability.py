"""Is it stable? Window bars, windows, driving forces at fixed voltages."""

from __future__ import annotations

from collections.abc import Sequence

from interlith.analysis.study_results import Component, StudyResults
from interlith.analysis.windows import Decomposition, DecompositionEnergy, WindowRecord
from interlith.report.commands import made_from_hull, window_command
from interlith.report.elements import (
    Content,
    Html,
    bullets,
    figure,
    formula,
    formulas,
    markup,
    middle,
    milli,
    number,
    table,
    tag,
)
from interlith.report.figures import CathodeRange, window_bars
from interlith.report.readings import cathode_range, limits, stable_between


def stability(results: StudyResults) -> Html:
    """Answer whether it is stable: window bars and table."""
    cathode = cathode_range(results)
    columns: list[Content] = ["Material", "Role", "Stable from", "to"]
    if cathode:
        low, high = cathode[1]
        columns.append(f"Stable over {low:g}–{high:g} V")
    columns += ["Below, it becomes", "Above, it becomes", "Energy above hull"]
    rows = [_window_row(component, cathode) for component in results.components]
    topotactic = [c.window for c in results.components if c.window and c.window.topotactic]
    named = [c.formula for c in results.components if c.window is not None]
    how = made_from_hull(results, window_command(results, named))
    return markup(
        [
            figure(
                window_bars(results.components, cathode),
                "Voltage between whose limits a material neither takes up nor releases Li; "
                f"{_uncertainty(results)}. An arrow marks a material whose limit is beyond the "
                "axis or that has none.",
                how,
            ),
            table("Stability windows, V vs Li/Li⁺, energy above hull set to zero", columns, rows),
            bullets(note for c in results.components if (note := _window_note(c))),
            _decomposition_energies(results.components),
            bullets(_topotactic(window) for window in topotactic),
        ]
    )


def _uncertainty(results: StudyResults) -> str:
    stated = any(c.window is not None and c.window.sigma is not None for c in results.components)
    if stated:
        return "whiskers and ± are one standard uncertainty, from the energies of the set"
    return "no uncertainty is drawn, since the reference set states none"


def _window_row(component: Component, cathode: CathodeRange | None) -> list[Content]:
    window = component.window
    name = formula(component.formula)
    if window is None:
        return [name, component.role, *["–"] * (6 if cathode else 5)]
    row: list[Content] = [name, component.role, *limits(window)]
    if cathode:
        row.append("yes" if stable_between(window, *cathode[1]) else "no")
    above = milli(window.energy_above_hull_ev_per_atom)
    return [
        *row,
        _becomes(window.reduction),
        _becomes(window.oxidation),
        "not in the set" if above is None else number(above, None, "meV/atom"),
    ]


def _window_note(component: Component) -> Html | None:
    """What a number of the row needs beside it."""
    window = component.window
    notes = [component.reason or (None if window else "no window")]
    if window is not None:
        notes.append(window.reason)
    known = [formula(note) for note in notes if note]
    if window is not None and not window.in_reference:
        mixture = formulas(p.formula for p in window.stable_mixture)
        known.append(Html(f"not in the reference set, taken as {mixture}"))
    if not known:
        return None
    return Html(f"{formula(component.formula)}: {'; '.join(known)}")


def _becomes(side: Decomposition | None) -> Html:
    return middle(formulas(p.formula for p in side.products)) if side else Html("–")


def _decomposition_energies(components: Sequence[Component]) -> Html:
    windows = [c.window for c in components if c.window and c.window.decomposition_energies]
    voltages = sorted({e.voltage_v for w in windows for e in w.decomposition_energies})
    if not voltages:
        return Html("")
    rows: list[list[Content]] = []
    for window in windows:
        found = {e.voltage_v: e for e in window.decomposition_energies}
        cells = [_driving_force(found[v]) if v in found else Html("–") for v in voltages]
        rows.append([formula(window.formula), *cells])
    return table(
        "Driving force of decomposition at fixed voltages vs Li/Li⁺, energy above hull included "
        "(negative: decomposes)",
        ["Material", *(Html(f"at {number(v, None, 'V')}") for v in voltages)],
        rows,
    )


def _driving_force(found: DecompositionEnergy) -> Html:
    energy = number(found.energy_ev_per_atom, None, "eV/atom")
    products = tag("span", formulas(p.formula for p in found.products), class_="soft")
    return middle([energy, Html("<br>"), products])


def _topotactic(window: WindowRecord) -> Html:
    found = window.topotactic
    if found is None:
        return Html("")
    return Html(
        f"{formula(window.formula)} with its framework kept: "
        f"{number(found.reduction_potential_v, None, 'V')} "
        f"({formula(found.lithiated or 'no lithiated framework')}) to "
        f"{number(found.oxidation_potential_v, None, 'V')} "
        f"({formula(found.delithiated or 'no delithiated framework')})"
    )
