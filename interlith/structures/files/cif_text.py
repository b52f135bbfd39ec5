"""From the text of a CIF to its items: numbers, symbols, symmetry operations.

Tokens come from pymatgen; what they mean, and what is wrong with them, is told here.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError

FloatArray = npt.NDArray[np.float64]

PARSE_ERRORS = (
    ValueError, KeyError, IndexError, TypeError, AttributeError, ArithmeticError, OSError,
    RuntimeError, StopIteration, AssertionError, re.error, SyntaxError,
)  # fmt: skip
"""What parsers of other packages raise on a file that is not what it should be."""
NUMBER = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?)(?:\(\d+\))?")
OPERATIONS = ("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz")
GROUP_NUMBERS = ("_space_group_it_number", "_symmetry_int_tables_number")
GROUP_SYMBOLS = (
    "_space_group_name_h-m_alt", "_symmetry_space_group_name_h-m", "_space_group_name_h-m_full",
)  # fmt: skip
HALL_SYMBOLS = ("_space_group_name_hall", "_symmetry_space_group_name_hall")
MONOCLINIC = range(3, 16)
UNKNOWN = ("", "?", ".")
ISOTOPES = {"D": "H", "T": "H"}
NO_ATOMS = ("va", "vac", "vacancy", "wat", "water", "du", "dum", "dummy", "x", "xx")
"""What files call an empty site, a water molecule or a dummy atom."""
TYPE_SYMBOL = re.compile(r"[A-Za-z]{1,2}[^A-Za-z]*")
"""An element, with its charge or a number."""
REGION_TAGS = {
    "region": "_atom_site_interlith_region",
    "interface_distance_angstrom": "_atom_site_interlith_interface_distance_angstrom",
    "mobile": "_atom_site_interlith_mobile",
}
MOST_OPERATIONS = 192
"""No space group has more per conventional cell."""


@dataclass(frozen=True)
class Items:
    """Items of the one data block that holds a crystal; tags in small letters, dots as in CIF 1."""

    name: str
    tags: dict[str, Any]

    def text(self, *tags: str) -> str | None:
        """First of some tags that has a value."""
        for tag in tags:
            value = self.tags.get(tag)
            if isinstance(value, str) and value.strip() not in UNKNOWN:
                return value.strip()
        return None

    def column(self, tag: str) -> list[str] | None:
        """A column of a loop; a single value is a column of one."""
        value = self.tags.get(tag)
        if value is None:
            return None
        return [value] if isinstance(value, str) else [str(one) for one in value]


def read_items(text: str, name: str) -> Items:
    """Items of the data block with atoms.

    Raises
    ------
    InputError
        If the text is no CIF, or holds no crystal or several.
    """
    from pymatgen.io.cif import CifFile

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            blocks = CifFile.from_str(text).data
    except PARSE_ERRORS as error:
        raise InputError(f"{name} cannot be read as CIF ({error}); export it again") from error
    found = []
    for header, block in blocks.items():
        tags = {str(key).lower().replace(".", "_"): value for key, value in block.data.items()}
        if any(tag.startswith("_atom_site_") and tag.endswith(("_x", "label")) for tag in tags):
            found.append(Items(header, tags))
    if not blocks:
        raise InputError(f"{name} is no CIF: no line starts with data_; give a CIF")
    if not found:
        raise InputError(f"{name} lists no atoms (no _atom_site_fract_x); give a crystal structure")
    if len(found) > 1:
        raise InputError(
            f"{name} holds {len(found)} crystals ({', '.join(i.name for i in found[:5])}); give "
            "each a file of its own"
        )
    return found[0]


def number(text: str, what: str, name: str) -> float:
    """A CIF number, without the uncertainty in brackets.

    Raises
    ------
    InputError
        If it is none.
    """
    found = NUMBER.fullmatch(text.strip())
    value = float(found[1]) if found else np.nan
    if not np.isfinite(value):
        raise InputError(f"{name}: {what} is '{text[:40]}', which is no number; correct the file")
    return value


def element_of(symbol: str | None, label: str, name: str) -> str:
    """Element of an atom from its type symbol (``Fe3+``), or from its label (``Fe1A``).

    A type symbol is an element as a whole, with a charge or a number at most. Labels are freer:
    ``OW1`` is oxygen.

    Raises
    ------
    InputError
        If there is none, or it is an isotope, a vacancy, a water molecule or a dummy atom.
    """
    from pymatgen.core import Element

    typed = symbol is not None and symbol not in UNKNOWN
    given = symbol if symbol is not None and typed else label
    word = re.match(r"[A-Za-z]*", given)
    letters = word[0].capitalize() if word is not None else ""
    if letters.lower() in NO_ATOMS:
        raise InputError(
            f"{name}: atom {label} ('{given}') is no element: leave out vacancies and dummy atoms "
            "(what is missing to an occupancy of 1 is empty), and write water as its O and H"
        )
    tries = [letters[:2], letters[:1]]
    if typed:
        tries = [letters] if TYPE_SYMBOL.fullmatch(given) else []
    for one in tries:
        if one in ISOTOPES:
            raise InputError(
                f"{name}: atom {label} is the isotope {one}; write {ISOTOPES[one]}, the potentials "
                "know elements"
            )
        if one in Element.__members__:
            return one
    raise InputError(
        f"{name}: atom {label} ('{given}') is no element; name each by its symbol (Fe, Fe3+; in a "
        "CIF as _atom_site_type_symbol), and leave out vacancies and dummy atoms"
    )


def operations(items: Items, cell: FloatArray, name: str) -> tuple[FloatArray, FloatArray]:
    """Rotations (m, 3, 3) and translations (m, 3) that a CIF declares, checked to be a group.

    Raises
    ------
    InputError
        If one cannot be read or does not map the lattice onto itself, if together they are no
        group or another one than the file names, or if they are neither given nor to be told
        from the name.
    """
    listed: Sequence[str] | None = None
    for tag in OPERATIONS:
        listed = listed or items.column(tag)
    if listed:
        rotations, translations = _parse(listed, name)
    else:
        rotations, translations = _of_group(items, cell, name)
    _require_metric(rotations, cell, name)
    _require_group(rotations, translations, name)
    return rotations, translations


def declared_number(items: Items) -> int | None:
    """Number of the space group that a CIF names; None if it names none."""
    text = items.text(*GROUP_NUMBERS)
    return int(text) if text is not None and re.fullmatch(r"\d{1,3}", text) else None


def _parse(listed: Sequence[str], name: str) -> tuple[FloatArray, FloatArray]:
    from pymatgen.core.operations import SymmOp

    if len(listed) > MOST_OPERATIONS:
        raise InputError(
            f"{name} lists {len(listed)} symmetry operations; no space group has more than "
            f"{MOST_OPERATIONS}"
        )
    rotations, translations = [], []
    for text in listed:
        try:
            operation = SymmOp.from_xyz_str(text.strip().strip("'\"").lower())
        except PARSE_ERRORS as error:
            raise InputError(f"{name}: cannot read the symmetry operation '{text}'") from error
        rotation = np.asarray(operation.rotation_matrix, dtype=np.float64)
        whole = np.allclose(rotation, np.round(rotation), atol=1e-6)
        if not whole or abs(abs(np.linalg.det(rotation)) - 1) > 1e-6:
            raise InputError(f"{name}: '{text}' is no symmetry operation, such as -x, y+1/2, -z")
        rotations.append(np.round(rotation))
        translations.append(np.asarray(operation.translation_vector, dtype=np.float64))
    return np.array(rotations), _exact_fractions(np.array(translations))


def _exact_fractions(translations: FloatArray) -> FloatArray:
    """0.33333 is one third: translations are multiples of 1/24."""
    exact = np.round(translations * 24) / 24
    return np.where(np.abs(exact - translations) < 2e-3, exact, translations)


def _of_group(items: Items, cell: FloatArray, name: str) -> tuple[FloatArray, FloatArray]:
    """Operations from spglib's database for the group that a file names without listing them."""
    import spglib

    number_given = declared_number(items)
    symbol, hall = items.text(*GROUP_SYMBOLS), items.text(*HALL_SYMBOLS)
    if number_given is None and symbol is None and hall is None:
        return np.eye(3)[None], np.zeros((1, 3))
    settings: list[tuple[FloatArray, FloatArray]] = []
    for loosely in (False, True):
        for one in _settings() if not settings else ():
            if number_given is not None and one.group != number_given:
                continue
            if hall is not None and _plain(hall) != one.hall:
                continue
            if symbol is not None and not one.is_called(symbol, loosely):
                continue
            found: Any = spglib.get_symmetry_from_database(one.index)
            rotations = found["rotations"].astype(np.float64)
            if _metric_error(rotations, cell).max() < METRIC_TOLERANCE:
                settings.append((rotations, found["translations"]))
    if len(settings) != 1:
        which = " ".join(str(one) for one in (symbol, number_given, hall) if one is not None)
        why = "is none that fits the cell" if not settings else "has several settings"
        raise InputError(
            f"{name} lists no symmetry operations, and the space group it names ({which}) {why}; "
            "add the loop _space_group_symop_operation_xyz"
        )
    rotations, translations = settings[0]
    return rotations, translations


def _plain(symbol: str) -> str:
    return re.sub(r"[\s_'\"]", "", symbol).lower()


@dataclass(frozen=True)
class _Setting:
    """A setting of a space group: Hall index, number, names, choice and Hall symbol.

    ``names`` are its own. ``loose`` adds the ones that it shares: the short symbol of a monoclinic
    group means the standard setting (unique axis b, cell choice 1), unless only another one fits.
    """

    index: int
    group: int
    names: frozenset[str]
    loose: frozenset[str]
    choice: str
    hall: str

    def is_called(self, symbol: str, loosely: bool) -> bool:
        plain, _, wanted = _plain(symbol).partition(":")
        if wanted and wanted != self.choice.lower():
            return False
        return plain in (self.loose if loosely or wanted else self.names)


@cache
def _settings() -> list[_Setting]:
    """Every setting that spglib knows."""
    import spglib

    rows = []
    for index in range(1, 531):
        kind = spglib.get_spacegroup_type(index)
        if kind is None:
            continue
        names = [*kind.international.split("="), kind.international_full]
        loose = {_plain(one) for one in (*names, kind.international_short)}
        own = loose
        if kind.number in MONOCLINIC:
            # P 1 21/n 1 is written P 21/n, too; without its ones it names one setting about b.
            bare = _plain(" ".join(part for part in names[-1].split() if part != "1"))
            loose.add(bare)
            own = {_plain(one) for one in names[1:]} | ({bare} if "b" in kind.choice else set())
        rows.append(
            _Setting(
                index, kind.number, frozenset(own), frozenset(loose), kind.choice,
                _plain(kind.hall_symbol),
            )
        )  # fmt: skip
    return rows


METRIC_TOLERANCE = 0.02


def _metric_error(rotations: FloatArray, cell: FloatArray) -> FloatArray:
    """How far each operation is from keeping lengths and angles, relative to the longest edge."""
    metric = cell @ cell.T
    turned = np.einsum("nji,jk,nkl->nil", rotations, metric, rotations)
    error: FloatArray = np.abs(turned - metric).max(axis=(1, 2)) / metric.max()
    return error


def _require_metric(rotations: FloatArray, cell: FloatArray, name: str) -> None:
    broken = int((_metric_error(rotations, cell) > METRIC_TOLERANCE).sum())
    if broken:
        raise InputError(
            f"{name}: broken symmetry: {broken} of {len(rotations)} symmetry operations do not map "
            "the cell onto itself; correct the cell's lengths and angles, or the operations"
        )


def _require_group(rotations: FloatArray, translations: FloatArray, name: str) -> None:
    """Refuse a list of operations that is not closed: some are missing or wrong."""

    def keys(turns: FloatArray, moves: FloatArray) -> list[bytes]:
        steps = np.round((moves % 1.0) * 240).astype(np.int64) % 240
        rows = np.concatenate([turns.reshape(-1, 9).astype(np.int64), steps], axis=1)
        return [row.tobytes() for row in rows]

    own = set(keys(rotations, translations))
    turns = np.einsum("aij,bjk->abik", rotations, rotations).reshape(-1, 3, 3)
    moves = np.einsum("aij,bj->abi", rotations, translations) + translations[:, None, :]
    missing = set(keys(turns, moves.reshape(-1, 3))) - own
    if missing:
        raise InputError(
            f"{name}: broken symmetry: the {len(own)} symmetry operations are no group, at least "
            f"{len(missing)} are missing or wrong; export the file again with all operations"
        )
