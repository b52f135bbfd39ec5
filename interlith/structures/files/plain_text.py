"""POSCAR and extended XYZ, and region labels as words behind the line of an atom."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from interlith.errors import InputError
from interlith.structures.checks import require_cell
from interlith.structures.files.cif_text import element_of
from interlith.structures.regions import KEYS, Regions, has_regions

if TYPE_CHECKING:
    from pymatgen.core import Structure

MOST_ATOMS = 50_000


def label_notes(structure: Structure) -> list[str]:
    """Region labels of each atom as words behind a line; empty where there are none."""
    if not has_regions(structure):
        return [""] * len(structure)
    rows = Regions.of(structure).rows()
    return [f" {name} {away!r} {'mobile' if mobile else 'fixed'}" for name, away, mobile in rows]


def attach_notes(structure: Structure, notes: list[list[str]], name: str) -> Structure:
    """Undo :func:`label_notes`: words behind each atom to labels; other words are no labels.

    Raises
    ------
    InputError
        If only some atoms have labels.
    """
    notes = [words[-3:] for words in notes]
    labelled = [
        len(words) >= 3 and words[2] in ("mobile", "fixed") and _is_number(words[1])
        for words in notes
    ]
    if not any(labelled):
        return structure
    if not all(labelled):
        raise InputError(
            f"{name}: {labelled.count(False)} of {len(labelled)} atoms have no region label behind "
            "their line; label all or none"
        )
    regions = Regions(
        tuple(words[0] for words in notes),
        np.array([float(words[1]) for words in notes]),
        np.array([words[2] == "mobile" for words in notes]),
    )
    return regions.attach(structure)


def _is_number(word: str) -> bool:
    try:
        return bool(np.isfinite(float(word)))
    except ValueError:
        return False


def poscar_of(structure: Structure) -> str:
    """Text of a POSCAR of VASP 5.

    A species that comes again gets a block of its own, so that the order
    stays; labels stand behind the element of each line.
    """
    symbols = [site.specie.symbol for site in structure]
    starts = [i for i, one in enumerate(symbols) if i == 0 or one != symbols[i - 1]]
    ends = [*starts[1:], len(symbols)]
    rows = ["  ".join(f"{x:.14f}" for x in row) for row in structure.lattice.matrix]
    notes = label_notes(structure)
    sites = [
        "  ".join(f"{x:.14f}" for x in site.frac_coords) + f"  {symbol}{note}"
        for site, symbol, note in zip(structure, symbols, notes, strict=True)
    ]
    head = [
        f"{structure.composition.formula} written by interlith",
        "1.0",
        *rows,
        " ".join(symbols[i] for i in starts),
        " ".join(str(end - start) for start, end in zip(starts, ends, strict=True)),
        "Direct",
    ]
    return "\n".join([*head, *sites]) + "\n"


def parse_poscar(text: str, name: str) -> Structure:
    """Read a POSCAR of VASP 5; velocities and what follows are left out.

    Raises
    ------
    InputError
        If it names no elements, or cell or counts are none.
    """
    from pymatgen.core import Structure

    lines = [line.split() for line in text.splitlines()]
    scales = [float(word) for word in lines[1][:3] if _number_like(word)]
    cell = np.array([[float(word) for word in line[:3]] for line in lines[2:5]])
    volume = abs(float(np.linalg.det(cell)))
    if not scales or 0 in scales:
        raise InputError(f"{name}: the second line of this POSCAR is no scale; write 1.0")
    if scales[0] < 0 < volume:
        scales = [(-scales[0] / volume) ** (1 / 3)]
    factor = np.array(scales if len(scales) == 3 else scales[:1] * 3)
    require_cell(cell * factor, name)
    words = [word.partition("_")[0].partition("/")[0] for word in lines[5]]
    if not words or words[0].isdigit():
        raise InputError(
            f"{name} does not name its elements (POSCAR of VASP 4); add the line of element "
            "symbols above the line of counts"
        )
    kinds = [element_of(word, word, name) for word in words]
    counts = [int(word) for word in lines[6][: len(kinds)]]
    if min(counts) < 0 or not 0 < sum(counts) <= MOST_ATOMS:
        raise InputError(f"{name} has {sum(counts)} atoms; 1 to {MOST_ATOMS} are read")
    symbols = [kind for kind, n in zip(kinds, counts, strict=True) for _ in range(n)]
    at = 8 if lines[7][0][0] in "sS" else 7
    cartesian = lines[at][0][0] in "cCkK"
    body = lines[at + 1 : at + 1 + len(symbols)]
    if len(body) < len(symbols):
        raise InputError(f"{name} announces {len(symbols)} atoms and lists {len(body)}")
    places = np.array([[float(word) for word in line[:3]] for line in body])
    structure = Structure(
        cell * factor,
        symbols,
        places * factor if cartesian else places,
        coords_are_cartesian=cartesian,
    )
    return attach_notes(structure, [line[3:] for line in body], name)


def _number_like(word: str) -> bool:
    return re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eEdD][-+]?\d+)?", word) is not None


def extxyz_of(structure: Structure) -> str:
    """Text of one extended XYZ frame, with the region labels as columns."""
    cell = " ".join(f"{x:.14g}" for x in structure.lattice.matrix.ravel())
    periodic = " ".join("T" if one else "F" for one in structure.lattice.pbc)
    columns = "species:S:1:pos:R:3"
    labels = [""] * len(structure)
    if has_regions(structure):
        columns += f":{KEYS[0]}:S:1:{KEYS[1]}:R:1:{KEYS[2]}:L:1"
        rows = Regions.of(structure).rows()
        labels = [f" {name} {away!r} {'T' if mobile else 'F'}" for name, away, mobile in rows]
    sites = [
        f"{site.specie.symbol} " + " ".join(f"{x:.12f}" for x in site.coords) + note
        for site, note in zip(structure, labels, strict=True)
    ]
    head = f'Lattice="{cell}" Properties={columns} pbc="{periodic}"'
    return "\n".join([str(len(structure)), head, *sites]) + "\n"


def parse_extxyz(text: str, name: str) -> Structure:
    """Read the last frame of an extended XYZ file: species, positions and region labels.

    Raises
    ------
    InputError
        If it gives no cell, fewer atoms than announced, or only some of the labels.
    """
    from pymatgen.core import Lattice, Structure

    lines = text.splitlines()
    at, n = 0, int(lines[0])
    while any(line.strip() for line in lines[at + 2 + n :]) and n > 0:
        at, n = at + 2 + n, int(lines[at + 2 + n])
    body = [line.split() for line in lines[at + 2 : at + 2 + n]]
    if n <= 0 or len(body) < n or n > MOST_ATOMS:
        raise InputError(f"{name} announces {n} atoms and lists {len(body)}; 1 to {MOST_ATOMS}")
    facts = _key_values(lines[at + 1])
    if "lattice" not in facts:
        raise InputError(f'{name} gives no cell; add Lattice="..." to its second line')
    cell = np.array([float(word) for word in facts["lattice"].split()]).reshape(3, 3)
    require_cell(cell, name)
    columns = _columns(facts.get("properties", "species:S:1:pos:R:3"))
    kind = columns["species" if "species" in columns else "element"]
    x = columns["pos"]
    flags = facts.get("pbc", "T T T").split()
    structure = Structure(
        Lattice(cell, pbc=tuple(flag.lower() in ("t", "true", "1") for flag in flags)),  # type: ignore[arg-type]  # checked by pymatgen
        [element_of(line[kind], str(i), name) for i, line in enumerate(body, 1)],
        [[float(word) for word in line[x : x + 3]] for line in body],
        coords_are_cartesian=True,
    )
    present = [key in columns for key in KEYS]
    if not any(present):
        return structure
    if not all(present):
        raise InputError(f"{name}: of the region labels {', '.join(KEYS)} some are missing")
    labels = [[line[columns[key]] for line in body] for key in KEYS]
    return Regions(
        tuple(labels[0]),
        np.array([float(word) for word in labels[1]]),
        np.array([word in ("T", "True", "true", "1") for word in labels[2]]),
    ).attach(structure)


def _key_values(line: str) -> dict[str, str]:
    pattern = r"""([A-Za-z_][\w-]*)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"']+))"""
    return {key.lower(): a or b or c for key, a, b, c in re.findall(pattern, line)}


def _columns(properties: str) -> dict[str, int]:
    """First column of each property of an extended XYZ file."""
    words = properties.split(":")
    starts, at = {}, 0
    for key, width in zip(words[::3], words[2::3], strict=True):
        starts[key] = at
        at += int(width)
    return starts
