"""Cells and elastic moduli by the committee `lpscl` and by the one tuned on GPAW frames.

``python benchmarks/tuned.py lpscl-1 lpscl-dft-1 7net-l3i5`` prints a table with a column for each
potential (any; one member of a committee does): volume of a formula unit, bulk, shear and Young's
modulus of the polycrystal. Five crystals, a minute each with a MACE of this size.

``python benchmarks/tuned.py --fixed lpscl-1 lpscl-dft-1 gpaw`` compares with DFT: pressure of the
library's cells and bulk modulus with all fractional coordinates held, from the pressures of cells
1 % longer and shorter, the same cells for all; half an hour of a core for GPAW.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from pymatgen.io.ase import AseAtomsAdaptor

from interlith.analysis.references import parse_formula
from interlith.engines.potentials import potential
from interlith.structures.reading import read_material
from interlith.units import GPA_PER_EV_PER_ANGSTROM3
from interlith.workflows.elastic import elastic

GPAW = 'gpaw:{"task":"md","cutoff_ev":600,"kpoint_density_angstrom":3}'
STRAIN = 0.01
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


def fixed_table(potentials: list[str]) -> list[str]:
    """Lines of the table of pressures and bulk moduli of the same cells."""
    lines = [
        "| material | " + " | ".join(f"{name}: P, K" for name in potentials) + " |",
        "|" + "---|" * (1 + len(potentials)),
    ]
    calculators = [potential(GPAW if name == "gpaw" else name).calculator() for name in potentials]
    for material in MATERIALS:
        columns = [_fixed(material, calculator) for calculator in calculators]
        lines.append(f"| {material} | " + " | ".join(columns) + " |")
    return lines


def _fixed(material: str, calculator: Any) -> str:
    cell = read_material(material).structure.get_primitive_structure()
    atoms = AseAtomsAdaptor.get_atoms(cell, msonable=False)
    pressures = []
    for strain in (-STRAIN, 0.0, STRAIN):
        bent = atoms.copy()
        bent.set_cell(atoms.cell * (1 + strain), scale_atoms=True)
        bent.calc = calculator
        stress = bent.get_stress(voigt=True)[:3].mean()
        pressures.append(-float(stress) * GPA_PER_EV_PER_ANGSTROM3)
    volumes = 3 * np.log([1 - STRAIN, 1 + STRAIN])
    bulk = -(pressures[2] - pressures[0]) / (volumes[1] - volumes[0])
    return f"{pressures[1]:+.2f}, {bulk:.1f}"


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1:] == ["--fixed"]:
        sys.exit("name at least one potential: python benchmarks/tuned.py lpscl-1 lpscl-dft-1")
    if sys.argv[1] == "--fixed":
        print("\n".join(fixed_table(sys.argv[2:])))
    else:
        print("\n".join(table(sys.argv[1:])))
