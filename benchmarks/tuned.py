"""Cells and elastic moduli by the committee `lpscl` and by the one tuned on GPAW frames.

``python benchmarks/tuned.py lpscl-1 lpscl-dft-1 7net-l3i5`` prints a table with a column for each
potential (any; one member of a committee does): volume of a formula unit, bulk, shear and Young's
modulus of the polycrystal. Five crystals, a minute each with a MACE of this size.
"""

from __future__ import annotations

import sys

import numpy as np

from interlith.analysis.references import parse_formula
from interlith.workflows.elastic import elastic

MATERIALS = ("Li2S", "LiCl", "Li3P", "Li3PS4-gamma", "Li6PS5Cl")


def table(potentials: list[str]) -> list[str]:
    """Lines of the table."""
    lines = [
        "| material | " + " | ".join(f"{name}: A3, K, G, E" for name in potentials) + " |",
        "|" + "---|" * (1 + len(potentials)),
    ]
    for material in MATERIALS:
        columns = [_column(material, name) for name in potentials]
        lines.append(f"| {material} | " + " | ".join(columns) + " |")
    return lines


def _column(material: str, potential: str) -> str:
    record = elastic(material, potential)
    if record.moduli is None or record.cell is None:
        return str(record.reason)
    units = record.n_atoms / sum(parse_formula(material.split("-")[0]).values())
    volume = abs(np.linalg.det(np.array(record.cell))) / units
    moduli = record.moduli
    return f"{volume:.1f}, {moduli.bulk_gpa:.1f}, {moduli.shear_gpa:.1f}, {moduli.youngs_gpa:.1f}"


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("name at least one potential: python benchmarks/tuned.py lpscl-1 lpscl-dft-1")
    print("\n".join(table(sys.argv[1:])))
