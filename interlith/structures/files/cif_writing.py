"""Crystals to CIF: P1, atoms in order, with what is needed to get the same structure back.

Besides the cell a file carries its orientation (``_atom_sites_Cartn_tran_matrix_ij`` of the core
dictionary) and the region labels (columns ``_atom_site_interlith_*``); others ignore both.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from interlith import __version__
from interlith.structures.files.cif_text import REGION_TAGS
from interlith.structures.regions import Regions, has_regions

if TYPE_CHECKING:
    from pymatgen.core import Structure


def cif_of(structure: Structure) -> str:
    """Text of a CIF in P1, in the order of the atoms; elements only, no oxidation states."""
    lattice = structure.lattice
    composition = structure.composition.get_el_amt_dict()
    lines = [
        f"data_{re.sub('[^A-Za-z0-9]', '', structure.composition.reduced_formula)[:60] or 'cell'}",
        f"_audit_creation_method 'interlith {__version__}'",
        "_chemical_formula_sum '" + " ".join(f"{e}{n:.10g}" for e, n in composition.items()) + "'",
    ]
    for edge, length in zip("abc", lattice.abc, strict=True):
        lines.append(f"_cell_length_{edge} {length:.12f}")
    for angle, degrees in zip(("alpha", "beta", "gamma"), lattice.angles, strict=True):
        lines.append(f"_cell_angle_{angle} {degrees:.12f}")
    lines.append(f"_cell_volume {lattice.volume:.8f}")
    for i in range(3):
        for j in range(3):
            value = lattice.matrix[j, i]
            lines.append(f"_atom_sites_Cartn_tran_matrix_{i + 1}{j + 1} {value:.14f}")
    lines += [
        "_space_group_name_H-M_alt 'P 1'",
        "_space_group_IT_number 1",
        "loop_",
        "_space_group_symop_operation_xyz",
        "'x, y, z'",
        "loop_",
        "_atom_site_label",
        "_atom_site_type_symbol",
        "_atom_site_fract_x",
        "_atom_site_fract_y",
        "_atom_site_fract_z",
        "_atom_site_occupancy",
    ]
    labels: list[str] = [""] * len(structure)
    if has_regions(structure):
        lines += REGION_TAGS.values()
        rows = Regions.of(structure).rows()
        labels = [f" '{name}' {away!r} {'yes' if mobile else 'no'}" for name, away, mobile in rows]
    for i, site in enumerate(structure):
        lines += _atom_rows(site, i + 1, labels[i])
    return "\n".join(lines) + "\n"


def _atom_rows(site: Any, index: int, label: str) -> list[str]:
    x, y, z = site.frac_coords
    return [
        f"{element.symbol}{index} {element.symbol} {x:.14f} {y:.14f} {z:.14f} {amount:.8g}{label}"
        for element, amount in site.species.items()
    ]
