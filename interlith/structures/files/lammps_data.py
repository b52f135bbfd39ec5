"""LAMMPS data files (``atom_style atomic``, units metal) that give the same structure back.

LAMMPS wants a along x, b in the xy plane and small tilts. A cell that is otherwise is written in
other axes and turned; two comment lines then record the change, and reading undoes it. Masses are
named by element, and a comment behind each atom holds its element and its region labels.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError
from interlith.structures.checks import require_cell
from interlith.structures.files.cif_text import ISOTOPES, NO_ATOMS, element_of
from interlith.structures.files.plain_text import attach_notes, label_notes

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = npt.NDArray[np.floating[Any]]

LARGEST_TILT = 0.5 + 1e-6
"""Of the edge that it runs along; LAMMPS warns beyond a half."""
MASS_TOLERANCE = 0.05
SECTIONS = re.compile(r"(Masses|Atoms|Velocities|[A-Z][A-Za-z]*(?: [A-Z][A-Za-z]*)* ?Coeffs|Bonds)")
FIELDS = {"atomic": (1, 2), "charge": (1, 3), "molecular": (2, 3), "full": (2, 4)}
"""Columns of the type and of x in each atom style."""


def lammps_of(structure: Structure) -> str:
    """Text of a data file, atoms in order; elements only, full sites only."""
    from ase.data import atomic_masses, atomic_numbers

    axes, box, turn = _restricted(structure.lattice.matrix)
    positions = structure.cart_coords @ turn
    symbols = [site.specie.symbol for site in structure]
    kinds = list(dict.fromkeys(symbols))
    lines = [f"{structure.composition.formula} written by interlith"]
    if not np.array_equal(axes, np.eye(3)) or not np.array_equal(turn, np.eye(3)):
        lines += [
            "# interlith axes " + " ".join(f"{value:.0f}" for value in axes.ravel()),
            "# interlith rotation " + " ".join(f"{value:.15f}" for value in turn.ravel()),
        ]
    lines += ["", f"{len(symbols)} atoms", f"{len(kinds)} atom types", ""]
    for k, axis in enumerate("xyz"):
        lines.append(f"0.0 {box[k, k]:.12f} {axis}lo {axis}hi")
    lines.append(f"{box[1, 0]:.12f} {box[2, 0]:.12f} {box[2, 1]:.12f} xy xz yz")
    lines += ["", "Masses", ""]
    for k, kind in enumerate(kinds):
        lines.append(f"{k + 1} {atomic_masses[atomic_numbers[kind]]:.6f} # {kind}")
    lines += ["", "Atoms # atomic", ""]
    notes = label_notes(structure)
    for i, (symbol, (x, y, z)) in enumerate(zip(symbols, positions, strict=True)):
        place = f"{x:.12f} {y:.12f} {z:.12f}"
        lines.append(f"{i + 1} {kinds.index(symbol) + 1} {place} # {symbol}{notes[i]}")
    return "\n".join(lines) + "\n"


def _restricted(cell: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Axes (whole numbers), LAMMPS cell and rotation: ``axes @ cell @ rotation == box``."""
    axes: FloatArray = np.diag([1.0, 1.0, 1.0 if np.linalg.det(cell) > 0 else -1.0])
    lower: FloatArray = np.linalg.cholesky(axes @ cell @ (axes @ cell).T)
    for row, against in ((1, 0), (2, 1), (2, 0)):
        tilt = lower[row, against] / lower[against, against]
        if abs(tilt) > LARGEST_TILT:
            axes[row] -= np.round(tilt) * axes[against]
            lower[row] -= np.round(tilt) * lower[against]
    chosen = axes @ cell
    if np.allclose(chosen, lower, rtol=0, atol=1e-12):
        return axes, chosen, np.eye(3)
    rotation: FloatArray = np.linalg.solve(chosen, lower)
    return axes, lower, rotation


def parse_lammps(text: str, name: str) -> Structure:
    """Read a data file.

    Raises
    ------
    InputError
        If box, masses or atoms are missing, an element cannot be told from its mass, or the style
        is none of atomic, charge, molecular and full.
    """
    from pymatgen.core import Structure

    header, sections = _sections(text)
    box, origin = _box(header, name)
    elements = _elements(sections.get("Masses", []), name)
    numbers, symbols, positions, notes = _atoms(sections, elements, name)
    order = np.argsort(numbers, kind="stable")
    require_cell(box, name)
    axes, turn = _recorded(header)
    cell = np.linalg.solve(axes, box @ turn.T)
    places = (np.array(positions) - origin)[order] @ turn.T
    structure = Structure(cell, [symbols[i] for i in order], places, coords_are_cartesian=True)
    return attach_notes(structure, [notes[i][1:] for i in order], name)


def _sections(text: str) -> tuple[list[str], dict[str, list[str]]]:
    """Lines before the first section, and the lines that are not blank in each section."""
    header: list[str] = []
    found: dict[str, list[str]] = {}
    into = header
    for line in text.splitlines()[1:]:
        title = SECTIONS.fullmatch(line.partition("#")[0].strip())
        if title is not None:
            into = found[title[1]] = []
            if title[1] == "Atoms":
                into.append(line.partition("#")[2].strip())
        elif line.strip():
            into.append(line.strip())
    return header, found


def _box(header: list[str], name: str) -> tuple[FloatArray, FloatArray]:
    box, origin = np.zeros((3, 3)), np.zeros(3)
    seen = set()
    for line in header:
        words = line.partition("#")[0].split()
        for k, axis in enumerate("xyz"):
            if words[2:] == [f"{axis}lo", f"{axis}hi"]:
                low, high = float(words[0]), float(words[1])
                box[k, k], origin[k] = high - low, low
                seen.add(axis)
        if words[3:] == ["xy", "xz", "yz"]:
            box[1, 0], box[2, 0], box[2, 1] = (float(word) for word in words[:3])
    if len(seen) < 3:
        raise InputError(
            f"{name} gives no box (xlo xhi, ylo yhi, zlo zhi); give a LAMMPS data file with one"
        )
    return box, origin


def _recorded(header: list[str]) -> tuple[FloatArray, FloatArray]:
    """Axes and rotation that the comments record; those of no change otherwise."""
    found = {"axes": np.eye(3), "rotation": np.eye(3)}
    for line in header:
        words = line.split()
        if words[:2] == ["#", "interlith"] and len(words) == 12 and words[2] in found:
            found[words[2]] = np.array([float(word) for word in words[3:]]).reshape(3, 3)
    axes, turn = found["axes"], found["rotation"]
    whole = np.array_equal(axes, np.round(axes)) and abs(abs(np.linalg.det(axes)) - 1) < 1e-6
    proper = np.allclose(turn @ turn.T, np.eye(3), atol=1e-9)
    return (axes, turn) if whole and proper else (np.eye(3), np.eye(3))


def _elements(masses: list[str], name: str) -> dict[str, str]:
    """Element of each type, from the comment behind its mass or from the mass."""
    from ase.data import atomic_masses, atomic_numbers, chemical_symbols

    elements = {}
    for line in masses:
        values, _, comment = line.partition("#")
        words, remark = values.split(), comment.split()
        if remark and (remark[0] in {*atomic_numbers, *ISOTOPES} or remark[0].lower() in NO_ATOMS):
            elements[words[0]] = element_of(remark[0], f"type {words[0]}", name)
            continue
        off = np.abs(atomic_masses[1:] - float(words[1]))
        if not off.min() < MASS_TOLERANCE:
            raise InputError(
                f"{name}: no element has mass {words[1]}; name it behind the mass: "
                f"'{words[0]} {words[1]} # Li'"
            )
        elements[words[0]] = chemical_symbols[int(np.argmin(off)) + 1]
    return elements


def _atoms(
    sections: dict[str, list[str]], elements: dict[str, str], name: str
) -> tuple[list[int], list[str], list[list[float]], list[list[str]]]:
    """Numbers, elements, positions and comment words of the atoms, as they stand."""
    style, *lines = sections.get("Atoms", [""])
    if not lines:
        raise InputError(f"{name} lists no atoms (section Atoms); give a LAMMPS data file")
    style = style or {5: "atomic", 8: "atomic", 7: "full", 10: "full"}.get(
        len(lines[0].partition("#")[0].split()), ""
    )
    if style not in FIELDS:
        raise InputError(
            f"{name}: atom style '{style}' is not read; write one of {', '.join(FIELDS)} behind "
            "the word Atoms: 'Atoms # atomic'"
        )
    kind, x = FIELDS[style]
    found: tuple[list[int], list[str], list[list[float]], list[list[str]]] = ([], [], [], [])
    for line in lines:
        values, _, comment = line.partition("#")
        words: list[Any] = values.split()
        if words[kind] not in elements:
            raise InputError(
                f"{name}: atom {words[0]} is of type {words[kind]}, which Masses does not list"
            )
        found[0].append(int(words[0]))
        found[1].append(elements[words[kind]])
        found[2].append([float(word) for word in words[x : x + 3]])
        found[3].append(comment.split())
    return found
