"""What was built? The explicit interfaces of the structure stage, with links to their files."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath

from interlith.analysis.study_results import StudyResults
from interlith.report.elements import (
    Content,
    Html,
    formula,
    number,
    section,
    table,
    tag,
    wide,
)


def built(results: StudyResults) -> Html:
    """Answer what was built; nothing where the study has no structure stage."""
    if not results.structures:
        return Html("")
    rows: list[list[Content]] = []
    dropped: Counter[str] = Counter()
    for search in results.structures:
        dropped.update({one.reason: one.count for one in search.dropped})
        for cell in search.candidates:
            strain = cell.strain
            worst = max(abs(strain.a), abs(strain.b))
            rows.append(
                [
                    wide([formula(search.a), " | ", formula(search.b)]),
                    f"{_plane(cell.miller.a)} | {_plane(cell.miller.b)}",
                    [formula(cell.termination.a), " | ", formula(cell.termination.b)],
                    str(cell.n_atoms),
                    number(cell.area_angstrom2, None, "Å²"),
                    number(100 * worst, None, "%"),
                    "two alike" if cell.equal_interfaces else "two" if cell.periodic else "one",
                    number(cell.min_distance_ratio),
                    _links(cell.files),
                ]
            )
    considered = sum(search.considered for search in results.structures)
    columns = (
        "Pair", "Planes", "Top planes as cut", "Atoms", "Area", "Largest strain", "Interfaces",
        "Closest pair / radii", "Files",
    )  # fmt: skip
    reasons: list[list[Content]] = [[reason, str(n)] for reason, n in dropped.most_common()]
    return section(
        "built",
        "What was built?",
        tag(
            "p",
            "Geometry only: lattices matched, terminations told apart by symmetry, lateral shifts "
            "where the surfaces fit into each other best. Nothing is relaxed unless a potential is "
            "named, so distances across the interface are starting values, without uncertainty.",
        ),
        table("Explicit interfaces, best of each pair first", columns, rows),
        table(f"What became of {considered} combinations", ("Reason", "Count"), reasons),
    )


def _plane(indices: tuple[int, int, int]) -> str:
    return "(" + " ".join(map(str, indices)) + ")"


def _links(files: dict[str, str]) -> list[Content]:
    """Links to the files beside the page, and to the picture."""
    paths = [*files.values()]
    paths += [str(PurePosixPath(paths[0]).with_suffix(".png"))] if paths else []
    made: list[Content] = []
    for path in paths:
        made += [tag("a", PurePosixPath(path).suffix[1:], href=path), " "]
    return made
