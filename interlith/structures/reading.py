"""From what a user names to a structure: a library name, a formula or a file.

>>> from interlith.structures.reading import read_material
>>> read_material("LiCl").source
'library phase LiCl'
"""

from __future__ import annotations

import math
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from interlith.errors import InputError
from interlith.structures.checks import require_no_overlap
from interlith.structures.files.cif_text import PARSE_ERRORS
from interlith.structures.files.formats import (
    POSCAR_NAMES,
    SUFFIXES,
    format_of,
    parse_content,
    read_text,
)
from interlith.structures.library import (
    LIBRARY_FOLDER,
    PhaseFacts,
    build,
    load_phase,
    user_folders,
)

if TYPE_CHECKING:
    from pymatgen.core import Composition, Structure

MOST_GUESSES = 100_000
"""Combinations of oxidation states that are gone through for a formula."""
LONGEST_NAME = 1000
BYSTANDERS = {"product", "element"}
"""Roles of phases that are in the library for their energies."""


@dataclass(frozen=True)
class Material:
    """A structure and where it comes from.

    Attributes
    ----------
    name : str
        Of the library phase, or the stem of the file.
    structure : Structure
        Conventional cell of a library phase, or the cell of the file; may be disordered.
    facts : PhaseFacts or None
        None for a file.
    source : str
        Where it comes from, in words, with the choice made if there was one.
    oxidation_states : dict or None
        Of each element: stated, or guessed for files; None where there is no neutral guess.
    path : Path or None
        Of the file; None for a phase of the library.
    """

    name: str
    structure: Structure
    facts: PhaseFacts | None
    source: str
    oxidation_states: dict[str, float] | None
    path: Path | None = None

    @property
    def asked(self) -> str:
        """What a command takes for this material: the name of the phase, or the path."""
        return self.name if self.path is None else str(self.path)


def read_material(
    name_or_path: str | Path, *, for_slabs: bool = False, for_dynamics: bool = False
) -> Material:
    """Find and read a material.

    Parameters
    ----------
    name_or_path : str or Path
        In this order: name of a library phase; path to a CIF, POSCAR, extended XYZ or LAMMPS data
        file; formula of library phases. Of several phases of a formula an ordered one in use is
        taken before others, and the source names them all.
    for_slabs : bool
        Take the phase that slabs are cut from where a sheet names one (``builds_from``).
    for_dynamics : bool
        Take the phase whose site disorder ions move in where a sheet names one (``moves_as``).

    Raises
    ------
    InputError
        If there is no such phase or file, or the file holds no sound crystal.
    """
    found = _find(name_or_path, for_slabs)
    if not for_dynamics or found.facts is None or found.facts.moves_as is None:
        return found
    facts = load_phase(found.facts.moves_as)
    source = f"library phase {facts.name}, the disorder that ions of {found.name} move in"
    return Material(facts.name, build(facts), facts, source, facts.oxidation_states)


def _find(name_or_path: str | Path, for_slabs: bool) -> Material:
    text = str(name_or_path).strip()
    if not text or len(text) > LONGEST_NAME:
        raise InputError(
            f"a name of {len(text)} characters is no material; give a library name, a formula or "
            "a path"
        )
    paths = _phase_paths()
    if isinstance(name_or_path, str) and text in paths:
        return _from_library(load_phase(text), (), for_slabs)
    if isinstance(name_or_path, Path) or _looks_like_a_path(text):
        return _from_file(Path(name_or_path))
    found = _with_formula(text, paths, for_slabs)
    if found:
        return _from_library(found[0], tuple(one.name for one in found[1:]), for_slabs)
    try:
        facts = load_phase(text[:100])  # it is none, and the message names near ones
    except InputError as error:
        raise InputError(
            f"{error}. A path to a CIF, POSCAR or extended XYZ file is taken too"
        ) from error
    return _from_library(facts, (), for_slabs)


def plain_name(material: str | Path) -> str:
    """What a folder is called after a material: a file's name without its suffix, else as given.

    >>> plain_name("cells/my.cell.cif"), plain_name("Li5.5PS4.5Cl1.5")
    ('my.cell', 'Li5.5PS4.5Cl1.5')
    """
    path = Path(material)
    return path.stem if path.suffix.lower() in SUFFIXES else path.name


def require_ordered(structure: Structure, name: str) -> None:
    """Refuse partial occupancies where whole atoms are needed.

    Parameters
    ----------
    name : str
        Of the phase, or the path of the file (:attr:`Material.asked`).

    Raises
    ------
    InputError
        If a site is partly filled or shared; the message says how to order the structure.
    """
    if structure.is_ordered:
        return
    mixed = [site.species_string for site in structure if not site.is_ordered]
    known = name in _phase_paths() or _looks_like_a_path(name)
    command = f"interlith build order {shlex.quote(name) if known else 'FILE'}"
    raise InputError(
        f"{name} is disordered ({len(mixed)} of {len(structure)} sites are partly filled or "
        f"shared, such as {mixed[0]}) and atoms are needed here; make ordered cells of it first: "
        f"`{command}`"
    )


def guess_oxidation_states(composition: Composition) -> dict[str, float] | None:
    """Mean oxidation state of each element in the likeliest neutral combination, by pymatgen.

    Where amounts are no whole numbers each element has one of its states, and the combination
    nearest to neutral is taken if that is within 0.02 e per atom. None if there is none, or there
    are too many combinations to go through. Elements by themselves are 0.
    """
    from pymatgen.core import Element

    amounts = composition.element_composition.reduced_composition.get_el_amt_dict()
    if len(amounts) == 1:
        return dict.fromkeys(amounts, 0.0)
    if any(abs(amount - round(amount)) > 1e-6 for amount in amounts.values()):
        return _guess_of_parts(amounts)
    combinations = 1
    for symbol, amount in amounts.items():
        element = Element(symbol)
        states = len(element.icsd_oxidation_states or element.common_oxidation_states)
        combinations *= math.comb(round(amount) + states - 1, max(states - 1, 0))
    if combinations > MOST_GUESSES:
        return None
    try:
        guesses = composition.element_composition.oxi_state_guesses(max_sites=-1)
    except PARSE_ERRORS:
        return None
    return {key: float(value) for key, value in guesses[0].items()} if guesses else None


def _guess_of_parts(amounts: dict[str, float]) -> dict[str, float] | None:
    from pymatgen.core import Element

    from interlith.structures.disorder.doping import ANIONS, guess_states

    open_ones = [Element(symbol) for symbol in amounts if symbol not in ANIONS]
    combinations = math.prod(
        len(one.common_oxidation_states) + len(one.oxidation_states) for one in open_ones
    )
    if combinations > MOST_GUESSES:
        return None
    try:
        return guess_states("the structure", amounts, {})
    except InputError:
        return None


def _phase_paths() -> dict[str, Path]:
    """File of each library phase; the user's come before the shipped ones."""
    paths: dict[str, Path] = {}
    for folder in [*user_folders(), LIBRARY_FOLDER]:
        for path in sorted(folder.glob("*.yaml")):
            paths.setdefault(path.stem, path)
    return paths


def _looks_like_a_path(text: str) -> bool:
    named = Path(text).suffix.lower() in SUFFIXES or text.upper() in POSCAR_NAMES
    return named or os.sep in text or "/" in text or os.path.isfile(text)


def _from_library(facts: PhaseFacts, others: tuple[str, ...], for_slabs: bool) -> Material:
    source = f"library phase {facts.name}"
    if others:
        source += f" (of the same formula are {', '.join(others)})"
    seen = {facts.name}
    while for_slabs and facts.builds_from is not None and facts.builds_from not in seen:
        seen.add(facts.builds_from)
        source = f"library phase {facts.builds_from}, from which slabs of {facts.name} are cut"
        facts = load_phase(facts.builds_from)
    return Material(facts.name, build(facts), facts, source, facts.oxidation_states)


def _with_formula(text: str, paths: dict[str, Path], for_slabs: bool) -> list[PhaseFacts]:
    """Phases of a formula, the one to take first."""
    from pymatgen.core import Composition

    try:
        wanted = Composition(text).fractional_composition
    except PARSE_ERRORS:
        return []
    found = []
    for name, path in paths.items():
        if _elements(_formula_line(path)) != {element.symbol for element in wanted}:
            continue
        facts = load_phase(name)
        if Composition(facts.formula).fractional_composition.almost_equals(wanted, rtol=1e-4):
            found.append(facts)

    def order(facts: PhaseFacts) -> tuple[bool, bool, bool, bool, str]:
        return (
            for_slabs and facts.builds_from is None,
            not facts.is_ordered,
            set(facts.roles) <= BYSTANDERS,
            facts.name != facts.formula,
            facts.name,
        )

    return sorted(found, key=order)


def _formula_line(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    line = re.search(r"^formula:\s*(.*)$", text, re.MULTILINE)
    return line[1] if line else ""


def _elements(formula: str) -> set[str]:
    return set(re.findall(r"[A-Z][a-z]?", formula))


def _from_file(path: Path) -> Material:
    kind = format_of(path)
    content = parse_content(read_text(path, latin=kind == "cif"), kind, str(path))
    structure = content.structure
    require_no_overlap(structure, str(path))
    states = content.oxidation_states or guess_oxidation_states(structure.composition)
    name = plain_name(path)
    return Material(name, structure, None, f"file {path}", states, path)
