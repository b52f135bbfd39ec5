"""What was built? The explicit interfaces of the structure stage, with links to their files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from interlith.analysis.study_results import StudyResults
from interlith.report.commands import interface_command, made, potential_engine, stage
from interlith.report.elements import (
    Content,
    Html,
    formula,
    number,
    part,
    table,
    tag,
    wide,
)
from interlith.report.viewer import viewer
from interlith.report.views import View


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
                    [_plane(cell.miller.a), " | ", _plane(cell.miller.b)],
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
    return part(
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


def built_views(results: StudyResults, views: Sequence[View]) -> Html:
    """The built cells to look at from all sides, coloured by region."""
    shown = [view for view in views if view.group == "built"]
    settings = stage(results, "structures")
    command = interface_command(results.structures[0], settings) if results.structures else None
    more = "  # and so for each pair" if len(results.structures) > 1 else ""
    return viewer(
        "built-3d",
        shown,
        "The cells of the table, as built: discs or spheres of 0.62 covalent radii, coloured by "
        "region or element; lines are the cell (Å on the axes of the still pictures). Nothing is "
        "relaxed unless a potential is named.",
        made(command and command + more, _builder(results)) if shown else None,
    )


def _builder(results: StudyResults) -> str:
    named = {potential_engine(s.potential) for s in results.structures if s.potential}
    ranked = f", ranked with {', '.join(sorted(named))}" if named else ""
    return f"lattice matching of interlith{ranked}"


def _plane(indices: tuple[int, int, int]) -> Html:
    return tag("span", "(" + " ".join(map(str, indices)) + ")", class_="number")


def _links(files: dict[str, str]) -> list[Content]:
    """Links to the files beside the page, and to the picture."""
    paths = [*files.values()]
    paths += [str(PurePosixPath(paths[0]).with_suffix(".png"))] if paths else []
    links: list[Content] = []
    for path in paths:
        links += [tag("a", PurePosixPath(path).suffix[1:], href=path), " "]
    return links
