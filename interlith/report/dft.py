"""What does DFT add? Band gaps of interphase products, and contacts recomputed as they stand."""

from __future__ import annotations

from interlith.analysis.dft_results import ContactCorrection, DftResults
from interlith.analysis.study_results import StudyResults
from interlith.report.elements import Content, Html, bullets, formula, number, part, table, tag


def dft(results: StudyResults) -> Html:
    """Answer what DFT adds; nothing where the study did not ask."""
    if not results.dft:
        return Html("")
    pieces = [piece for one in results.dft for piece in _one(one)]
    return part("dft", "What does DFT add?", *pieces)


def _one(record: DftResults) -> list[Content]:
    parts: list[Content] = [tag("p", f"Engine: {record.engine}.")]
    if record.gaps is not None:
        rows: list[list[Content]] = [
            [formula(gap.formula), number(gap.gap_ev, None, "eV"), gap.method]
            for gap in record.gaps.gaps
        ]
        rows += [[formula(one.formula), "", one.reason] for one in record.gaps.failures]
        parts.append(
            table("Band gaps; semilocal ones are lower bounds", ("Phase", "Gap", "By"), rows)
        )
    changes = [
        f"{one.a} | {one.b}: {one.before}, now {one.after} ({one.reason})"
        for one in record.interphases
        if one.changed
    ]
    if record.interphases:
        parts.append(bullets(changes or ["No interphase changes its class with these gaps."]))
    if record.contacts:
        parts += [
            table(
                "Work of separation, as the frames stand",
                ("Contact", "Potential", "DFT", "Status"),
                [_contact(one) for one in record.contacts],
            ),
            tag("p", f"Corrected: {record.contacts[0].correction.corrects}.", class_="soft"),
        ]
    if record.failures:
        parts.append(bullets(list(record.failures)))
    return parts


def _contact(one: ContactCorrection) -> list[Content]:
    said = one.correction
    return [
        f"{one.a} | {one.b}",
        number(one.work_of_separation_potential_j_per_m2, None, "J/m²"),
        number(one.work_of_separation_j_per_m2, None, "J/m²"),
        said.status if said.reason is None else f"{said.status}: {said.reason}",
    ]
