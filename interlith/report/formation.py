"""What forms? Ladder, contacts, mixing lines, every reaction."""

from __future__ import annotations

from collections.abc import Sequence

from interlith.analysis.study_results import Interface, StudyResults
from interlith.analysis.windows import WindowRecord
from interlith.report.commands import made_from_hull, react_command, window_command
from interlith.report.elements import (
    MOST_ROWS,
    Content,
    Html,
    bullets,
    figure,
    formula,
    left_out,
    markup,
    middle,
    milli,
    number,
    part,
    table,
    tag,
    wide,
)
from interlith.report.figures import ladder_plot, reaction_curves
from interlith.report.readings import contacts, electrolyte_of


def formation(results: StudyResults) -> Html:
    """Answer what forms: ladder, contacts, mixing lines, reactions."""
    electrolyte = electrolyte_of(results)
    parts: list[Content] = []
    if electrolyte is not None and electrolyte.window is not None:
        parts += _ladder(results, electrolyte.window)
    parts += [_contact(results, interface) for interface in contacts(results)]
    if results.interfaces:
        parts.append(
            part(
                "reactions",
                "Every reaction",
                *_curves(results),
                _closed_table(results.interfaces),
                _open_table(results.interfaces),
            )
        )
    return markup(parts)


def _ladder(results: StudyResults, window: WindowRecord) -> list[Html]:
    rows: list[list[Content]] = [
        [
            number(step.voltage_v, None, "V"),
            step.direction,
            wide(formula(step.reaction)),
            middle(step.passivation or ""),
        ]
        for step in window.ladder
    ]
    picture = figure(
        ladder_plot(window),
        "Each plateau is a voltage at which the material changes; its products are named "
        "beside it. Orange: Li leaves; blue: Li is taken up. The "
        "uncertainty of a step is about that of the window's limits.",
        made_from_hull(results, window_command(results, [window.formula])),
    )
    if not rows:
        return [tag("p", formula(window.formula), " has no step in the voltage range.")]
    columns = ("Voltage vs Li/Li⁺", "Direction", "Reaction", "What it means for growth")
    listed = table("Decomposition ladder, balanced reactions", columns, rows)
    return [part("ladder", [formula(window.formula), " step by step"], picture, listed)]


def _contact(results: StudyResults, interface: Interface) -> Html:
    closed = interface.closed
    energy = number(milli(closed.energy_ev_per_atom), milli(closed.sigma_ev_per_atom), "meV/atom")
    lines: list[Content] = [["Reaction energy, nothing exchanged with outside: ", energy]]
    if closed.mixing_fraction_a is not None:
        share = f"{100 * closed.mixing_fraction_a:.0f} % of the atoms from "
        lines.append(["Strongest with ", share, formula(interface.a)])
    volume = closed.volume
    if volume is not None:
        change = number(100 * volume.relative_change, None, "%")
        lines.append(["Volume change ", change, " (", volume.source, ")"])
        if volume.interphase_nm_per_uah_cm2 is not None:
            thick = number(volume.interphase_nm_per_uah_cm2, None, "nm")
            lines.append(["Interphase grown per 1 µAh/cm² of Li: ", thick])
    elif closed.mixing_fraction_a is not None:
        lines.append("Volume change: not known (a phase without a reliable volume)")
    found = interface.interphase
    if found is not None:
        word = tag("strong", found.interphase_class)
        lines.append(["Interphase: ", word, " – ", formula(found.reason)])
    return part(
        f"contact-{interface.role_a}",
        [formula(interface.a), " | ", formula(interface.b), " (", interface.role_a, ")"],
        tag("p", formula(closed.reaction), class_="reaction"),
        bullets(lines),
        tag(
            "p",
            made_from_hull(results, react_command(results, interface.a, interface.b)),
            class_="soft",
        ),
    )


def _curves(results: StudyResults) -> list[Html]:
    """One figure for each neighbour that coatings meet, and one for the bare contacts."""
    groups: dict[tuple[str, str], list[Interface]] = {}
    for interface in results.interfaces:
        bare = "coating" not in (interface.role_a, interface.role_b)
        neighbour = ("electrodes", "") if bare else (interface.role_b, interface.b)
        groups.setdefault(neighbour, []).append(interface)
    drawn: list[Html] = []
    for (role, other), members in groups.items():
        title = f"Coatings with {other}, the {role}" if other else "Electrodes with the electrolyte"
        drawing = reaction_curves(members[:30], f"reactions-{role}", title)
        drawn.append(
            figure(
                drawing,
                [
                    formula(title) if other else title,
                    ". Energy along the mixing line; dots are balanced reactions, the "
                    "orange one is the strongest. One energy scale for all panels.",
                    " The strongest has its standard uncertainty."
                    if any(m.closed.sigma_ev_per_atom is not None for m in members)
                    else None,
                    f" The first 30 of {len(members)}." if len(members) > 30 else None,
                ],
                made_from_hull(results, _pairs_command(results, members)),
            )
        )
    return drawn


def _pairs_command(results: StudyResults, members: Sequence[Interface]) -> str:
    """The command of the first pair; the others are asked for in the same way."""
    first = members[0]
    command = react_command(results, first.a, first.b)
    return command if len(members) == 1 else f"{command}  # and so for each pair"


def _pair(interface: Interface) -> Html:
    return Html(f"{formula(interface.a)} | {formula(interface.b)}")


def _closed_table(interfaces: Sequence[Interface]) -> Html:
    rows: list[list[Content]] = [
        [
            _pair(i),
            number(
                milli(i.closed.energy_ev_per_atom), milli(i.closed.sigma_ev_per_atom), "meV/atom"
            ),
            wide(formula(i.closed.reaction)),
            "–"
            if i.closed.volume is None
            else number(100 * i.closed.volume.relative_change, None, "%"),
        ]
        for i in interfaces[:MOST_ROWS]
    ]
    columns = ("Pair", "Energy", "Reaction", "Volume change")
    return table(["Closed reactions at their strongest", left_out(interfaces)], columns, rows)


def _open_table(interfaces: Sequence[Interface]) -> Html:
    rows: list[list[Content]] = [
        [
            _pair(i),
            number(o.voltage_v, None, "V"),
            number(milli(o.mutual.per_atom.energy_ev), None, "meV/atom"),
            number(milli(o.total.per_atom.energy_ev), None, "meV/atom"),
            number(o.capacity_mah_per_g, None, "mAh/g")
            if o.capacity_mah_per_g is not None
            else "–",
            wide(formula(o.reaction)),
        ]
        for i in interfaces[:MOST_ROWS]
        for o in i.open
    ]
    if not rows:
        return Html("")
    columns = ("Pair", "At", "Mutual", "Total", "Li taken up by the first", "Mutual reaction")
    caption = (
        "Reactions open to Li at the cathode's voltages. Total counts what each material would "
        "do alone at that voltage as well; mutual does not. Per atom of the materials."
    )
    return table([caption, left_out(interfaces)], columns, rows)
