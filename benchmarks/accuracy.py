"""Rewrite ``docs/accuracy.md``: the built-in set against the literature and the 2019 set.

``python benchmarks/accuracy.py`` needs the development references beside the repository.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from accuracy_dft import dft_section
from accuracy_experiment import experiment_section
from accuracy_teacher import teacher_section

from interlith.analysis.builtin_reference import BUILTIN, load_builtin
from interlith.analysis.hull import Hull
from interlith.analysis.reference_compare import parity_rows
from interlith.analysis.reference_files import load_csv
from interlith.analysis.references import parse_formula
from interlith.analysis.uncertainty import window_sigma
from interlith.analysis.windows import WindowRecord, stability_window
from interlith.records import Shift

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
NOT_IN_2015 = ("LiS4", "P2S7", "SCl", "Li7Ti10O24")
POLYSULFIDES = (*NOT_IN_2015[:3], "CoS2", "NiS2", "MnS2", "FeS2", "TiS3", "ZrS3")
OTHER_STRUCTURE = "Li2PS3"
METALS_3D = {"Co", "Ni", "Mn", "Fe", "Cr", "V"}
ELECTROLYTES = (
    "Li6PS5Cl Li6PS5Br Li6PS5I Li5.5PS4.5Cl1.5 Li5.7PS4.7Cl1.3 Li6.4PS5.4Cl0.6 Li4PS5Cl Li11PS5Cl "
    "Li6PS4.7O0.3Br Li6PS5Cl0.3F0.7 Li6.25PS4.75ClN0.25 Li3PS4 Li7P3S11 Li7P2S8I Li4P2S6 "
    "Li7La3Zr2O12 Li2PO2N Li2.88PO3.73N0.14 Li2.98PO3.3N0.46 Li3OCl Li3N LiZr2P3O12"
).split()
COATINGS = (
    "LiNbO3 Li3NbO4 Al2O3 LiAlO2 Li5AlO4 LiAl5O8 Li3PO4 LiPO3 Li4P2O7 Li2CO3 ZrO2 Li2ZrO3 "
    "LiF LiCl LiBr LiI Li2O Li2S Li3P"
).split()
PRODUCTS = (
    "LiP Li3P7 LiP7 P2S5 P4S9 Li2O2 Li2SO4 LiH LiOH La2O3 La2Zr2O7 Li6Zr2O7 Zr3O Nb2O5 LiNb3O8 "
    "LiPN2 P3N5 PNO AlPO4 P2O5"
).split()
COBALT = "LiCoO2 Li0.5CoO2 Co3O4 CoO CoS2 Co9S8".split()
LOWEST_V, HIGHEST_V = 0.005, 5.0
SHORTCOMINGS = (
    "* Nb-O: every Nb2O5 polymorph tried (B, M, R) lies 0.03 to 0.05 eV/atom above the 2019 set, "
    "Li8Nb2O9 (two ordering searches with one end) 0.03. It looks like the potential; it moves "
    "Li3NbO4, LiNb3O8 and Nb2O5 by 0.1 to 0.3 V. Oxides of Nb carry a sigma of 0.03 eV/atom.",
    "* Zr suboxides and Li-Al alloys: both sets hold neighbours on the hull within a few meV/atom "
    "(Zr3O and Zr4O, Li2Al and Li9Al4), so which one appears is decided below the error of either; "
    "most unequal steps of the Zr and Al rows are these.",
    "* LiPON above 2.7 V: N2O, a molecule, is 0.07 eV/atom too high and never appears.",
    "* Li2SO4 above 4.7 V: Li2S2O7 is a random packing, 0.03 eV/atom too high.",
    "* Not in the set: S7N, NO3, P2S2O3, Li4NCl, Zr2P2O9, Zr7P4, Zr14P9 (a dozen steps), and "
    "Li7P3S11, Li7P2S8I as phases of their own: their windows are those of their stable mixture.",
    "* LiCoO2: see the last table; do not take cathode windows from this set.",
)


@dataclass
class Row:
    """One material under both sets."""

    formula: str
    ours: WindowRecord
    theirs: WindowRecord
    sigma: tuple[float | None, float | None]

    @property
    def differences(self) -> list[float]:
        """Built-in minus 2019, V, of the limits that both have."""
        pairs = (
            (self.ours.reduction_potential_v, self.theirs.reduction_potential_v),
            (self.ours.oxidation_potential_v, self.theirs.oxidation_potential_v),
        )
        return [a - b for a, b in pairs if a is not None and b is not None]

    @property
    def steps(self) -> tuple[int, int]:
        """Ladder steps of the 2019 set with the same products in ours, and all of them."""
        theirs, ours = _steps(self.theirs), _steps(self.ours)
        return len(theirs & ours), len(theirs)


def _steps(window: WindowRecord) -> set[tuple[str, frozenset[str]]]:
    return {
        (step.direction, frozenset(p.formula for p in step.products))
        for step in window.ladder
        if LOWEST_V < step.voltage_v < HIGHEST_V
    }


def compare(ours: Hull, theirs: Hull, formulas: Iterable[str]) -> list[Row]:
    """Windows and ladders of the materials under two hulls."""
    rows = []
    for formula in formulas:
        mine = stability_window(ours, formula)
        sigma = window_sigma(ours, mine)
        rows.append(
            Row(
                formula,
                mine,
                stability_window(theirs, formula),
                (sigma.reduction_v, sigma.oxidation_v) if sigma else (None, None),
            )
        )
    return rows


def summary(rows: list[Row]) -> dict[str, float]:
    """Median and worst deviation of the limits that are not zero in both, and equal steps."""
    deviations = [
        abs(d)
        for row in rows
        for d, limit in zip(row.differences, _limits(row.theirs), strict=False)
        if abs(d) > 1e-6 or abs(limit) > 1e-6
    ]
    same = sum(row.steps[0] for row in rows)
    every = sum(row.steps[1] for row in rows)
    return {
        "n": len(deviations),
        "median": float(np.median(deviations)),
        "worst": float(max(deviations)),
        "same": same,
        "steps": every,
    }


def _limits(window: WindowRecord) -> list[float]:
    limits = (window.reduction_potential_v, window.oxidation_potential_v)
    return [limit for limit in limits if limit is not None]


def has_3d(formula: str) -> bool:
    """Whether a formula holds a 3d metal whose oxides the potential gets wrong."""
    return bool(METALS_3D & set(parse_formula(formula)))


def _volt(value: float | None, sigma: float | None = None) -> str:
    if value is None:
        return "none"
    return f"{value:.2f}" + (f" ± {sigma:.2f}" if sigma and sigma >= 0.005 else "")


def window_table(rows: list[Row]) -> list[str]:
    """Markdown rows, one a material."""
    lines = [
        "| material | built-in, V | 2019 set, V | difference, V | steps with equal products |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        ours = (
            f"{_volt(row.ours.reduction_potential_v, row.sigma[0])} to "
            f"{_volt(row.ours.oxidation_potential_v, row.sigma[1])}"
        )
        theirs = (
            f"{_volt(row.theirs.reduction_potential_v)} to "
            f"{_volt(row.theirs.oxidation_potential_v)}"
        )
        delta = ", ".join(f"{d:+.3f}" for d in row.differences)
        same, every = row.steps
        lines.append(f"| {row.formula} | {ours} | {theirs} | {delta} | {same} of {every} |")
    return lines


def literature_table(ours: Hull, theirs: Hull) -> list[str]:
    """The windows of Zhu 2015 that the built-in set covers."""
    known = json.loads((SHARED / "literature" / "zhu2015.json").read_text())["windows"]
    elements = set(ours.reference.elements)
    lines = ["| material | Zhu 2015, V | 2019 set, V | built-in, V |", "|---|---|---|---|"]
    for formula, (low, high) in known.items():
        there = stability_window(theirs, formula)
        cells = [f"{low:.2f} to {high:.2f}"]
        cells.append(
            f"{_volt(there.reduction_potential_v)} to {_volt(there.oxidation_potential_v)}"
        )
        if set(parse_formula(formula)) <= elements:
            here = stability_window(ours, formula)
            cells.append(
                f"{_volt(here.reduction_potential_v)} to {_volt(here.oxidation_potential_v)}"
            )
        else:
            cells.append("not covered")
        lines.append(f"| {formula} | {' | '.join(cells)} |")
    return lines


def page() -> tuple[str, dict[str, float]]:
    """The whole page and its summary over the materials without a 3d metal."""
    as_shipped = load_csv(SHARED / "reference" / "mp2019_ground_states.csv.gz").exclude(NOT_IN_2015)
    like_2015 = as_shipped.shift(
        Shift(element="S", ev_per_atom=0.66346, without=("O",), excepted=POLYSULFIDES)
    )
    legacy = load_builtin(BUILTIN[0], "MP2018")
    ours, theirs = Hull(legacy.exclude(["SCl"])), Hull(as_shipped)
    alike = Hull(legacy.exclude(["SCl", OTHER_STRUCTURE]))
    plain = [f for f in (*ELECTROLYTES, *COATINGS, *PRODUCTS) if not has_3d(f)]
    rows = compare(ours, theirs, plain)
    rows_alike = compare(alike, theirs, plain)
    cobalt = compare(ours, theirs, COBALT)
    parity = parity_rows(legacy, as_shipped)
    delta = np.array([row.difference_ev_per_atom for row in parity if not has_3d(row.formula)])
    figures, like = summary(rows), summary(rows_alike)
    magnetic = summary(cobalt)
    lines = [
        "# Accuracy of the built-in reference sets",
        "",
        "Written by `python benchmarks/accuracy.py` (needs the development references beside the "
        "repository).",
        "",
        f"Built-in: {legacy.name}, {len(legacy)} phases, sha256 {legacy.sha256[:16]}. Compared "
        "with the 2019 Materials Project ground states (85,014 formation energies, legacy "
        "corrections, CC BY 4.0), both without LiS4, P2S7, SCl and Li7Ti10O24, **in the same "
        "scheme**: the built-in set with the legacy corrections (`--scheme MP2018`). V vs Li/Li+; "
        "± is the set's own uncertainty.",
        "",
        "| | limits compared | median, V | worst, V | ladder steps with equal products |",
        "|---|---|---|---|---|",
        _summary_row("without 3d metals", figures),
        _summary_row("the same, without our Li4P2S6 crystal (see below)", like),
        _summary_row("with Co", magnetic),
        "",
        "Asked for materials without a 3d metal: median 0.03 V, worst 0.10 V, equal products in "
        "90 % of the steps.",
        "",
        "Limits that are 0 V in both are not counted. Our Li4P2S6 (P-31m) lies about "
        "0.13 eV/atom below the 2019 set's entry of that composition, another structure, so it "
        "appears in our ladders and not in theirs; that is a difference of the sets, not an error "
        "of the potential.",
        "",
        "## Where it falls short, and why",
        "",
        *SHORTCOMINGS,
        "",
        "## Literature",
        "",
        "Zhu, He and Mo 2015 used raw sulfides, so the built-in set is in scheme `zhu2015` and "
        "the 2019 set has its sulfide correction taken off.",
        "",
        *literature_table(Hull(load_builtin(BUILTIN[0], "zhu2015")), Hull(like_2015)),
        "",
        "## Every material without a 3d metal",
        "",
        *window_table(rows),
        "",
        "## With Co",
        "",
        "SevenNet knows no spin and was trained on GGA and GGA+U energies together: oxides of "
        "Co, Ni, Mn and Fe carry a sigma of 0.07 eV/atom.",
        "",
        *window_table(cobalt),
        "",
        "## Formation energies",
        "",
        f"{len(delta)} common compounds without 3d metals: mean {delta.mean() * 1000:+.1f}, mean "
        f"absolute {np.abs(delta).mean() * 1000:.1f}, median absolute "
        f"{np.median(np.abs(delta)) * 1000:.1f}, largest {np.abs(delta).max() * 1000:.0f} "
        "meV/atom (2019 minus built-in). The fifteen largest:",
        "",
        "| compound | built-in, eV/atom | 2019, eV/atom | difference, meV/atom | note |",
        "|---|---|---|---|---|",
        *(
            f"| {row.formula} | {row.a_ev_per_atom:.3f} | {row.b_ev_per_atom:.3f} | "
            f"{row.difference_ev_per_atom * 1000:+.0f} | {legacy.flags.get(row.formula, '')} |"
            for row in parity[:15]
        ),
        "",
        *experiment_section(),
        *dft_section(as_shipped, like_2015, SHARED),
        *teacher_section(),
    ]
    return "\n".join(lines), figures


def _summary_row(name: str, figures: dict[str, float]) -> str:
    share = 100 * figures["same"] / figures["steps"]
    return (
        f"| {name} | {figures['n']:.0f} | {figures['median']:.3f} | {figures['worst']:.3f} | "
        f"{figures['same']:.0f} of {figures['steps']:.0f} ({share:.0f} %) |"
    )


if __name__ == "__main__":
    text, result = page()
    (ROOT / "docs" / "accuracy.md").write_text(text, encoding="utf-8")
    print(_summary_row("without 3d metals", result))
