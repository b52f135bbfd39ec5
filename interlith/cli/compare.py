"""``interlith compare FOLDER...``: several studies on one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from interlith.cli.common import JsonOption, print_json, print_tables, table
from interlith.errors import InputError, InterlithError
from interlith.formatting import format_value, two_digits

if TYPE_CHECKING:
    from interlith.analysis.study_results import StudyResults

RESULTS = "results.json"


def compare(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="FOLDER...", help="Result folders of `interlith assess`."),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The page to write; figures go beside it.")
    ] = Path("comparison.html"),
    as_json: JsonOption = False,
) -> None:
    """Compare studies that were assessed: windows, reactions, diffusion, coatings on one page."""
    from interlith.report.comparison import compare_page, overview, same_reference
    from interlith.report.output import write_page

    studies = read_studies(folders)
    rows, same = overview(studies), same_reference(studies)
    figures = f"{out.stem}-figures"
    write_page(compare_page(studies, figures), out, figures)
    if as_json:
        print_json({"same_reference": same, "page": str(out), "rows": rows})
        return
    columns = ("study", "electrolyte", "window, V", "with the anode", "with the cathode",
               "conductivity, 300 K", "coatings that pass")  # fmt: skip
    print_tables(table("Studies", columns, [_cells(row) for row in rows]))
    if not same:
        print_tables("The studies stand on different reference energies: compare with care.")
    print_tables(f"Page: {out.resolve()}")


def read_studies(folders: Sequence[Path]) -> dict[str, StudyResults]:
    """Results by name; studies of one name are told apart by their folders.

    Raises
    ------
    InputError
        If there are fewer than two, or a folder holds no results of a study.
    """
    if len({folder.resolve() for folder in folders}) < 2:
        raise InputError(
            "a comparison needs two result folders or more, such as a-results b-results"
        )
    read = [(folder, _read(folder)) for folder in folders]
    names = [results.name for _, results in read]
    labels = [
        name if names.count(name) == 1 else f"{name} ({folder})"
        for name, (folder, _) in zip(names, read, strict=True)
    ]
    return {label: results for label, (_, results) in zip(labels, read, strict=True)}


def _read(folder: Path) -> StudyResults:
    import json

    from interlith.store.kinds import read_record

    path = folder / RESULTS if folder.is_dir() else folder
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder} holds no {RESULTS} that can be read ({error}); give folders that "
            "`interlith assess` wrote"
        ) from error
    try:
        found: Any = read_record("study", data)
    except (InterlithError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} is no result of a study that this version reads: {error}; assess the study "
            "again"
        ) from error
    return cast("StudyResults", found)


def _cells(row: dict[str, Any]) -> list[str]:
    low = format_value(row["reduction_potential_v"], row["sigma_reduction_v"], "V")
    high = format_value(row["oxidation_potential_v"], row["sigma_oxidation_v"], "V")
    contacts = [
        _reaction(row[f"reaction_{role}_ev_per_atom"], row[f"sigma_{role}_ev_per_atom"])
        for role in ("anode", "cathode")
    ]
    passed, of = row["coatings_passed"], row["coatings_screened"]
    return [
        row["study"],
        row["electrolyte"] or "",
        f"{low} to {high}",
        *contacts,
        _conductivity(row),
        "" if of is None else f"{passed} of {of}",
    ]


def _conductivity(row: dict[str, Any]) -> str:
    value, low = row["conductivity_300k_ms_cm"], row["conductivity_low95_ms_cm"]
    if value is None:
        return ""
    ends = [low, row["conductivity_high95_ms_cm"]]
    known = "" if low is None else f" (95 %: {' to '.join(map(two_digits, ends))})"
    return f"{two_digits(value)} mS/cm{known}"


def _reaction(energy: float | None, sigma: float | None) -> str:
    if energy is None:
        return ""
    return format_value(1000 * energy, None if sigma is None else 1000 * sigma, "meV/atom")
