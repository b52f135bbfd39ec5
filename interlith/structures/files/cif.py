"""Crystals from CIF, with what the file says held against what it holds.

Atoms keep the order of the file, each followed by its symmetry images. The orientation of the cell
(``_atom_sites_Cartn_tran_matrix_ij`` of the core dictionary) and region labels (columns
``_atom_site_interlith_*``) are taken where the file has them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError
from interlith.structures.checks import close_pairs, require_cell, require_room
from interlith.structures.files.cif_claims import (
    oxidation_states_of,
    require_declared_group,
    require_formula,
)
from interlith.structures.files.cif_text import (
    REGION_TAGS,
    UNKNOWN,
    Items,
    element_of,
    number,
    operations,
    read_items,
)
from interlith.structures.regions import Regions

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = npt.NDArray[np.float64]

SAME_PLACE_ANGSTROM = 0.05
"""Images of an atom, or atoms that share a site, are within this of each other."""
MOST_IMAGES = 50_000
OCCUPANCY_TOLERANCE = 0.005
ROUNDING = 0.0015
"""0.333 three times is a full site."""


@dataclass(frozen=True)
class Content:
    """What a structure file holds.

    Attributes
    ----------
    structure : Structure
        The whole cell, with partial occupancies where the file has them.
    oxidation_states : dict or None
        As a CIF states them, one for each element.
    """

    structure: Structure
    oxidation_states: dict[str, float] | None


@dataclass(frozen=True)
class _Atom:
    label: str
    kind: str
    element: str
    xyz: FloatArray
    occupancy: float
    multiplicity: int | None
    region: tuple[str, float, bool] | None


def parse_cif(text: str, name: str) -> Content:
    """Build the crystal that a CIF describes.

    Parameters
    ----------
    text : str
        One data block with atoms.
    name : str
        What to call the file in messages.

    Raises
    ------
    InputError
        If the file is no CIF, lacks cell or atoms, has numbers or elements that are none or
        occupancies above 1, or if its symmetry operations, space group, multiplicities or formula
        do not belong to its atoms.
    """
    items = read_items(text, name)
    cell = _cell(items, name)
    atoms = _atoms(items, name)
    rotations, translations = operations(items, cell, name)
    if len(atoms) * len(rotations) > MOST_IMAGES:
        raise InputError(
            f"{name}: {len(atoms)} atoms and {len(rotations)} symmetry operations are more than "
            f"the {MOST_IMAGES} images that are read; give a smaller cell"
        )
    orbits = [_orbit(atom, rotations, translations, cell, name) for atom in atoms]
    _require_multiplicities(atoms, orbits, name)
    structure = _assemble(atoms, orbits, cell, name)
    require_formula(items, structure, name)
    require_declared_group(items, structure, rotations, translations, name)
    amounts: dict[str, float] = {}
    for atom, orbit in zip(atoms, orbits, strict=True):
        amounts[atom.kind] = amounts.get(atom.kind, 0.0) + atom.occupancy * len(orbit)
    return Content(structure, oxidation_states_of(items, structure, amounts))


def _cell(items: Items, name: str) -> FloatArray:
    from pymatgen.core import Lattice

    missing = [edge for edge in "abc" if items.text(f"_cell_length_{edge}") is None]
    if missing:
        raise InputError(
            f"{name} gives no cell (no _cell_length_{missing[0]}); add its lengths and angles"
        )
    lengths = [
        number(items.text(f"_cell_length_{edge}") or "", f"cell length {edge}", name)
        for edge in "abc"
    ]
    angles = [
        number(items.text(f"_cell_angle_{angle}") or "90", f"cell angle {angle}", name)
        for angle in ("alpha", "beta", "gamma")
    ]
    cosines = np.cos(np.radians(angles))
    gram = 1 - float(cosines @ cosines) + 2 * float(np.prod(cosines))
    if min(lengths) <= 0 or not all(0 < angle < 180 for angle in angles) or gram < 1e-6:
        raise InputError(
            f"{name}: lengths {lengths} Angstrom and angles {angles} degrees span no cell; "
            "correct them"
        )
    require_cell(np.diag(lengths), name)
    cell = _oriented(items, np.array(Lattice.from_parameters(*lengths, *angles).matrix), name)
    require_cell(cell, name)
    return cell


def _oriented(items: Items, cell: FloatArray, name: str) -> FloatArray:
    """The cell turned as the file says, if it says so and the two are the same cell."""
    tags = [f"_atom_sites_cartn_tran_matrix_{i}{j}" for i in (1, 2, 3) for j in (1, 2, 3)]
    texts = [items.text(tag) for tag in tags]
    if any(text is None for text in texts):
        return cell
    values = [number(text or "", tag, name) for text, tag in zip(texts, tags, strict=True)]
    turned = np.array(values).reshape(3, 3).T
    same = np.allclose(turned @ turned.T, cell @ cell.T, rtol=0, atol=1e-5 * np.max(cell**2))
    return turned if same else cell


def _atoms(items: Items, name: str) -> list[_Atom]:
    columns = {axis: items.column(f"_atom_site_fract_{axis}") for axis in "xyz"}
    absent = [axis for axis, values in columns.items() if not values]
    if absent:
        raise InputError(
            f"{name} gives no fractional coordinates (_atom_site_fract_{absent[0]}); export it "
            "again with them"
        )
    n = len(columns["x"] or [])
    symbols = items.column("_atom_site_type_symbol")
    labels = items.column("_atom_site_label") or symbols
    if labels is None:
        raise InputError(f"{name} does not say what its atoms are; add _atom_site_type_symbol")
    occupancies = items.column("_atom_site_occupancy")
    multiplicities = items.column("_atom_site_symmetry_multiplicity") or items.column(
        "_atom_site_site_symmetry_multiplicity"
    )
    regions = [items.column(tag.lower()) for tag in REGION_TAGS.values()]
    used = [*columns.values(), symbols, labels, occupancies, multiplicities, *regions]
    if any(one is not None and len(one) != n for one in used):
        raise InputError(f"{name}: the columns of its atoms differ in length; export it again")
    atoms = []
    for i in range(n):
        label = labels[i]
        xyz = [number(columns[axis][i], f"{axis} of atom {label}", name) for axis in "xyz"]  # type: ignore[index]  # none is absent
        occupancy = _occupancy(occupancies[i] if occupancies else ".", label, name)
        if occupancy == 0:
            continue
        atoms.append(
            _Atom(
                label,
                symbols[i] if symbols else label,
                element_of(symbols[i] if symbols else None, label, name),
                np.array(xyz),
                occupancy,
                _multiplicity(multiplicities[i]) if multiplicities else None,
                _region([one[i] for one in regions if one is not None], label, name),
            )
        )
    if not atoms:
        raise InputError(f"{name} lists no atoms; give a crystal structure")
    return atoms


def _occupancy(text: str, label: str, name: str) -> float:
    value = 1.0 if text in UNKNOWN else number(text, f"occupancy of atom {label}", name)
    if not 0 <= value <= 1 + OCCUPANCY_TOLERANCE:
        raise InputError(f"{name}: atom {label} has occupancy {value:g}; it runs from 0 to 1")
    return min(value, 1.0)


def _multiplicity(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,3}", text) else None


def _region(values: list[str], label: str, name: str) -> tuple[str, float, bool] | None:
    if not values or all(value in UNKNOWN for value in values):
        return None
    if len(values) != len(REGION_TAGS) or values[2] not in ("yes", "no"):
        raise InputError(
            f"{name}: the region labels of atom {label} are not whole; they take "
            f"{', '.join(REGION_TAGS.values())} (yes or no)"
        )
    distance = number(values[1], f"interface distance of atom {label}", name)
    return values[0], distance, values[2] == "yes"


def _orbit(
    atom: _Atom, rotations: FloatArray, translations: FloatArray, cell: FloatArray, name: str
) -> FloatArray:
    """Distinct images of an atom, in the order of the operations; coinciding ones are averaged."""
    if len(rotations) == 1:
        return atom.xyz[None]
    images = rotations @ atom.xyz + translations
    first = images[:, None, :] - images[None, :, :]
    first -= np.round(first)
    same = np.linalg.norm(first @ cell, axis=-1) < SAME_PLACE_ANGSTROM
    leaders = np.unique(np.argmax(same, axis=1))
    groups = same[leaders]
    if np.any(groups.sum(axis=0) != 1):
        raise InputError(
            f"{name}: broken symmetry: images of atom {atom.label} all but coincide; move the atom "
            "onto its special position, or well off it"
        )
    centres = [
        images[leader] - np.mean(first[leader][group], axis=0)
        for leader, group in zip(leaders, groups, strict=True)
    ]
    return np.array(centres) % 1.0


def _require_multiplicities(atoms: list[_Atom], orbits: list[FloatArray], name: str) -> None:
    for atom, orbit in zip(atoms, orbits, strict=True):
        if atom.multiplicity not in (None, len(orbit)):
            raise InputError(
                f"{name}: broken symmetry: the operations make {len(orbit)} atoms of "
                f"{atom.label}, the file says {atom.multiplicity}; its symmetry operations do not "
                "belong to its atoms"
            )


def _assemble(
    atoms: list[_Atom], orbits: list[FloatArray], cell: FloatArray, name: str
) -> Structure:
    """Sites of the cell; atoms at the same place share one if their occupancies allow it."""
    from pymatgen.core import Structure

    owner = np.concatenate([np.full(len(orbit), k) for k, orbit in enumerate(orbits)])
    positions = np.concatenate(orbits)
    require_room(cell, positions, name)
    occupants: list[dict[str, float]] = [{} for _ in positions]
    host = np.arange(len(positions))
    first, second, _ = close_pairs(cell, positions, SAME_PLACE_ANGSTROM)
    for i, j in sorted(zip(first.tolist(), second.tolist(), strict=True)):
        if i == j or atoms[owner[i]].occupancy + atoms[owner[j]].occupancy > 1 + 2e-2:
            one, other = atoms[owner[i]].label, atoms[owner[j]].label
            raise InputError(
                f"{name}: overlapping atoms: {one} and {other} (or symmetry images of them) are "
                "at the same place and their occupancies add up to more than 1. Does the file "
                "list symmetry copies of its atoms beside the operations that make them?"
            )
        host[j] = host[i]
    for i, k in enumerate(owner):
        held = occupants[host[i]]
        held[atoms[k].element] = held.get(atoms[k].element, 0.0) + atoms[k].occupancy
    kept = np.flatnonzero(host == np.arange(len(positions)))
    for i in kept:
        total = sum(occupants[i].values())
        if total > 1 + OCCUPANCY_TOLERANCE:
            raise InputError(
                f"{name}: the occupancies of the site of {atoms[owner[i]].label} add up to "
                f"{total:.3f}; at most 1 fits"
            )
        if total > 1 - ROUNDING:
            occupants[i] = {el: amount / total for el, amount in occupants[i].items()}
    structure = Structure(cell, [occupants[i] for i in kept], positions[kept])
    regions = [atoms[owner[i]].region for i in kept]
    if all(region is None for region in regions):
        return structure
    if any(region is None for region in regions):
        raise InputError(f"{name}: some atoms have region labels and some none; label all")
    names, distances, mobile = zip(*(r for r in regions if r is not None), strict=True)
    return Regions(names, np.array(distances), np.array(mobile)).attach(structure)
