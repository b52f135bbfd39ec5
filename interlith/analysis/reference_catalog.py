"""One door to every reference set: a name or a file, a scheme, exclusions and shifts."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from interlith.analysis.builtin_reference import (
    BUILTIN,
    is_data_file,
    load_builtin,
    reference_from_data,
)
from interlith.analysis.reference_files import load_csv
from interlith.analysis.references import ReferenceSet, parse_formula
from interlith.errors import FormulaError, InputError, OutputError, ReferenceSetError
from interlith.records import ReferenceIdentity, Shift
from interlith.settings import data_folder

DEFAULT = "default"
AUTO = "auto"
"""The DFT set where it covers the chemical system, otherwise the potential's."""
POTENTIAL_SET, DFT_SET = BUILTIN
ALIASES = {DEFAULT: POTENTIAL_SET, "ml": POTENTIAL_SET, "pbe": DFT_SET}


def load_reference(
    which: str = DEFAULT,
    *,
    scheme: str | None = None,
    exclude: Sequence[str] = (),
    shifts: Sequence[Shift] = (),
    elements: Iterable[str] = (),
) -> ReferenceSet:
    """Load a reference set.

    Parameters
    ----------
    which : str
        ``default`` or ``ml`` (the embedded potential's set), ``pbe`` (the DFT set), ``auto`` (see
        :func:`set_for`), a built-in name, a ``.csv[.gz]`` or ``.json[.gz]`` file, or ``mp``.
    scheme : str, optional
        Correction scheme; the set's own default if None. CSV files take none.
    exclude : sequence of str
        Formulas of phases to drop.
    shifts : sequence of Shift
        Energies added per atom of an element.
    elements : iterable of str
        All elements of the question (``mp`` and ``auto`` only).

    Raises
    ------
    InputError
        If the set, the scheme, an exclusion or a shift cannot be used.
    """
    reference = _load(which, scheme, elements).exclude(exclude)
    for shift in shifts:
        reference = reference.shift(shift)
    return reference


def _load(which: str, scheme: str | None, elements: Iterable[str]) -> ReferenceSet:
    if which == AUTO:
        which = set_for(elements)
    which = ALIASES.get(which, which)
    if which in BUILTIN:
        return load_builtin(which, scheme or "MP2020")
    if which == "mp":
        from interlith.analysis.reference_entries import load_materials_project

        return load_materials_project(elements, scheme or "MP2020")
    imported = _imported().get(which)
    if imported is not None:
        which = str(imported)
    name = which.removesuffix(".gz")
    if name.endswith(".csv"):
        if scheme not in (None, "none"):
            raise InputError(
                f"--scheme {scheme} cannot be applied to {which}: a CSV holds formation energies "
                "as they are; leave --scheme out, or give a JSON file of entries"
            )
        return load_csv(Path(which))
    if name.endswith(".json"):
        if is_data_file(Path(which)):
            return reference_from_data(Path(which), scheme or "MP2020")
        from interlith.analysis.reference_entries import load_json

        return load_json(Path(which), scheme or "MP2020")
    raise ReferenceSetError(
        f"no reference set '{which}'; use {', '.join(ALIASES)}, {AUTO}, {', '.join(BUILTIN)}, mp, "
        "or a file ending in .csv, .csv.gz, .json or .json.gz"
    )


def set_for(elements: Iterable[str]) -> str:
    """Name of the built-in set that ``auto`` means for the elements of one question.

    The DFT set if it holds every phase that the potential's set has stable among these elements
    (MP2020), the elements' crystals included; otherwise the potential's.

    Raises
    ------
    InputError
        If no elements are given.
    """
    from interlith.analysis.reference_coverage import builtin_coverage

    asked = set(elements)
    if not asked:
        raise InputError(
            f"'{AUTO}' chooses a set by the elements of a question and there is none here; name "
            f"{', '.join(ALIASES)}"
        )
    return DFT_SET if builtin_coverage(asked).covered else POTENTIAL_SET


def elements_of(formulas: Iterable[str]) -> set[str]:
    """Li and the elements of some formulas; an unreadable one adds none."""
    found = {"Li"}
    for formula in formulas:
        try:
            found |= parse_formula(formula).keys()
        except FormulaError:
            continue
    return found


def every_element() -> frozenset[str]:
    """Elements of the potential's set: what ``auto`` must cover where any of them may come up."""
    return frozenset(load_builtin(POTENTIAL_SET).elements)


def _imported() -> dict[str, Path]:
    folder = data_folder() / "references"
    if not folder.is_dir():
        return {}
    return {path.name.split(".")[0]: path for path in sorted(folder.iterdir()) if path.is_file()}


def import_reference(file: Path, name: str) -> ReferenceIdentity:
    """Check a CSV or JSON set and keep a copy, so that ``name`` loads it from anywhere.

    Raises
    ------
    InputError
        If the file cannot be used, the name is taken or not allowed.
    OutputError
        If the copy cannot be written.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise InputError(f"'{name}' cannot name a set; use letters, digits, dash and underscore")
    if name in (AUTO, "mp", *ALIASES, *BUILTIN):
        raise InputError(f"the name '{name}' is taken by interlith; choose another")
    identity = load_reference(str(file)).identity()
    suffix = "".join(file.suffixes[-2:] if file.suffix == ".gz" else file.suffixes[-1:])
    target = data_folder() / "references" / f"{name}{suffix}"
    temporary = target.with_name(f".{target.name}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, temporary)
        for old in (p for n, p in _imported().items() if n == name):
            old.unlink()
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OutputError(
            f"cannot keep the set in {target.parent} ({error.strerror}); set INTERLITH_DATA to a "
            "folder that can be written"
        ) from error
    return identity


def available_sets() -> list[ReferenceIdentity]:
    """Identities of the built-in and the imported sets."""
    return [load_reference(name).identity() for name in (*BUILTIN, *_imported())]


def parse_shift(text: str, excepted: Sequence[str] = (), without: Sequence[str] = ()) -> Shift:
    """Read ``S=0.66346``.

    Raises
    ------
    InputError
        If it is not ``ELEMENT=NUMBER``.
    """
    element, _, number = text.partition("=")
    try:
        value = float(number)
    except ValueError as error:
        raise InputError(
            f"cannot read the shift '{text}'; write ELEMENT=EV_PER_ATOM, for example S=0.66346"
        ) from error
    return Shift(
        element=element.strip(),
        ev_per_atom=value,
        excepted=tuple(excepted),
        without=tuple(without),
    )
