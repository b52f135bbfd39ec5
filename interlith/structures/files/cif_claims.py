"""What a CIF claims about its crystal, held against the atoms: formula, space group, charges."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError
from interlith.structures.checks import space_group_number
from interlith.structures.files.cif_text import Items, declared_number

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = npt.NDArray[np.float64]

FORMULA_TOLERANCE = 0.02
"""Largest difference between stated and found share of an element."""


def require_formula(items: Items, structure: Structure, name: str) -> None:
    """Hold the atoms against ``_chemical_formula_sum``.

    Raises
    ------
    InputError
        If the shares of an element differ.
    """
    from pymatgen.core import Composition

    stated = items.text("_chemical_formula_sum")
    if stated is None:
        return
    parts = re.findall(r"([A-Z][a-z]?)(\d*\.?\d*)(?:\(\d+\))?", stated)
    whole = "".join(f"{element}{amount}" for element, amount in parts)
    if not parts or re.sub(r"[\s'\"]|\(\d+\)", "", stated) != whole:
        return  # not in the form of the dictionary: nothing to hold against
    amounts: dict[str, float] = {}
    for element, amount in parts:
        amounts[element] = amounts.get(element, 0.0) + float(amount or 1)
    found = structure.composition.fractional_composition.get_el_amt_dict()
    total = sum(amounts.values())
    if total <= 0:
        return
    for element in {*amounts, *found}:
        if abs(amounts.get(element, 0.0) / total - found.get(element, 0.0)) > FORMULA_TOLERANCE:
            formula = Composition(structure.composition.get_el_amt_dict()).formula
            raise InputError(
                f"{name}: the file states the formula {stated} and its atoms with their symmetry "
                f"add up to {formula}; atoms, occupancies or symmetry operations are missing or "
                "wrong (correct _chemical_formula_sum if it is that)"
            )


def require_declared_group(
    items: Items,
    structure: Structure,
    rotations: FloatArray,
    translations: FloatArray,
    name: str,
) -> None:
    """Hold the space group that the file names against its operations, or its atoms.

    Raises
    ------
    InputError
        If it is the group of neither.
    """
    import spglib

    declared = declared_number(items)
    if declared is None:
        return
    kind = spglib.get_spacegroup_type_from_symmetry(
        rotations.astype(np.intc), translations, lattice=structure.lattice.matrix
    )
    found = None if kind is None else kind.number
    if found == declared:
        return
    if len(rotations) == 1 and space_group_number(structure) == declared:
        return  # all atoms listed, and the name of the group they have
    raise InputError(
        f"{name}: broken symmetry: the file names space group {declared}, its symmetry operations "
        f"are those of {found if found is not None else 'no group'}; export it again with all of "
        "them, or correct _space_group_IT_number"
    )


def oxidation_states_of(
    items: Items, structure: Structure, amounts: Mapping[str, float]
) -> dict[str, float] | None:
    """Oxidation states that the file gives; None unless one for each element, neutral together.

    Parameters
    ----------
    amounts : mapping
        Type symbol (``Fe2+``) to atoms in the cell; an element in several states gets their mean.
    """
    symbols = items.column("_atom_type_symbol")
    texts = items.column("_atom_type_oxidation_number")
    if not symbols or not texts or len(symbols) != len(texts):
        return None
    stated: dict[str, float] = {}
    for symbol, text in zip(symbols, texts, strict=True):
        if re.fullmatch(r"[-+]?\d+(\.\d+)?", text) is None:
            return None
        if stated.setdefault(symbol, float(text)) != float(text):
            return None
    states: dict[str, float] = {}
    held = structure.composition.get_el_amt_dict()
    for element in held:
        own = {s: z for s, z in stated.items() if _letters(s) == element}
        there = {s: n for s, n in amounts.items() if _letters(s) == element}
        if len(set(own.values())) == 1:
            states[element] = next(iter(own.values()))
        elif there and set(there) <= set(own):
            states[element] = sum(own[s] * n for s, n in there.items()) / sum(there.values())
        else:
            return None  # not stated, or in several states that the sites do not tell apart
    charge = sum(states[element] * amount for element, amount in held.items())
    return states if math.isclose(charge, 0, abs_tol=0.01 * len(structure)) else None


def _letters(symbol: str) -> str:
    found = re.match(r"[A-Za-z]*", symbol)
    return found[0].capitalize() if found is not None else ""
