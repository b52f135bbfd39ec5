"""The user's own phases: a structure or a sheet, checked and kept in the user's folder.

>>> from interlith.structures.library import build, load_phase
>>> facts = sheet_from_structure(build(load_phase("LiCl")), "my-salt", source="an example")
>>> facts.space_group, [site.element for site in facts.sites]
(225, ['Li', 'Cl'])
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from interlith.errors import InputError, OutputError
from interlith.structures.checks import (
    CHARGE_TOLERANCE,
    check_phase,
    require_cell,
    require_no_overlap,
)
from interlith.structures.files.cif_text import PARSE_ERRORS
from interlith.structures.files.formats import read_text, write_text
from interlith.structures.library import (
    LIBRARY_FOLDER,
    PhaseFacts,
    Role,
    build,
    list_phases,
    load_phase,
    symmetry_cell,
    user_folders,
)
from interlith.structures.reading import read_material

if TYPE_CHECKING:
    from pymatgen.core import Structure

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
SYMPREC_ANGSTROM = 0.01
SHEET_SUFFIXES = (".yaml", ".yml")
SAME_VOLUME = 1e-3


def add_phase(
    file: Path,
    *,
    name: str | None = None,
    roles: Sequence[str] | None = None,
    states: Mapping[str, float] | None = None,
    force: bool = False,
) -> tuple[PhaseFacts, Path]:
    """Check a phase and keep it in the first of the user's folders.

    Parameters
    ----------
    file : Path
        A sheet as in the library (YAML), or a CIF, POSCAR, extended XYZ or LAMMPS data file, of
        which a sheet is made with the symmetry that spglib finds within 0.01 Angstrom.
    name : str, optional
        By default the one of the sheet, or the stem of the file.
    roles : sequence of str, optional
        By default those of the sheet, or none.
    states : mapping, optional
        Oxidation states that come before those of the sheet or the file, and before guessed ones.
    force : bool
        Replace a phase of this name that the user has, or have this one used in place of a shipped
        one.

    Returns
    -------
    facts : PhaseFacts
    path : Path
        Where it is kept.

    Raises
    ------
    InputError
        If the file cannot be read, a check fails, or the name is taken; nothing is written.
    OutputError
        If the folder cannot be written.
    """
    known = read_roles(roles) if roles is not None else None
    facts = _from_sheet(file) if file.suffix.lower() in SHEET_SUFFIXES else _from_file(file, name)
    changes: dict[str, Any] = {"name": name, "roles": known}
    if states:
        changes["oxidation_states"] = _with_states(facts, states)
    facts = facts.model_copy(update={k: v for k, v in changes.items() if v is not None})
    if NAME.fullmatch(facts.name) is None:
        raise InputError(
            f"'{facts.name}' cannot name a phase: use up to 100 letters, digits and . _ + -; "
            "choose one with --name"
        )
    problems = sheet_problems(facts)
    if problems:
        raise InputError(f"{file} is not taken into the library: {'; '.join(problems)}")
    folder = user_folders()[0]
    path = folder / f"{facts.name}.yaml"
    if not force:
        _require_free(facts.name, path)
    _make_folder(folder)
    write_text(path, sheet_text(facts))
    return facts, path


def origin_of(name: str) -> tuple[str, Path]:
    """Whether a phase is the ``user``'s or ``shipped``, and its file."""
    for folder in user_folders():
        if (folder / f"{name}.yaml").is_file():
            return "user", folder / f"{name}.yaml"
    return "shipped", LIBRARY_FOLDER / f"{name}.yaml"


def sheet_problems(facts: PhaseFacts) -> list[str]:
    """What is wrong with a sheet that someone wrote: elements, then everything of the library."""
    from pymatgen.core import Composition, Element

    elements = {element for site in facts.sites for element in site.species}
    unknown = sorted(one for one in elements if not Element.is_valid_symbol(one))
    if unknown:
        return [f"no element is called {', '.join(unknown)}"]
    try:
        Composition(facts.formula)
        structure = build(facts)
        require_cell(structure.lattice.matrix, "the sheet")
        require_no_overlap(structure, "the sheet")
        for other in (facts.builds_from, facts.moves_as):
            if other is not None:
                load_phase(other)
        return check_phase(facts)
    except InputError as error:
        return [str(error)]
    except PARSE_ERRORS as error:
        return [f"the crystal cannot be built ({error})"]


def sheet_from_structure(
    structure: Structure,
    name: str,
    *,
    roles: Sequence[str] = (),
    source: str,
    oxidation_states: dict[str, float] | None = None,
    notes: str = "",
) -> PhaseFacts:
    """A sheet with one atom of each orbit of the symmetry that spglib finds.

    Parameters
    ----------
    structure : Structure
        Any cell of the crystal; it comes back in the standard cell of its space group, or as it
        is where it has no symmetry.
    name, roles, source, oxidation_states, notes
        As in the sheet.

    Raises
    ------
    InputError
        If the sheet does not give the crystal back (positions that are symmetric only nearly).
    """
    lattice, positions, kinds, symmetry = _standard(structure)
    formula = structure.composition.element_composition
    facts = PhaseFacts.model_validate(
        {
            "name": name,
            "formula": _formula(formula),
            "space_group": symmetry["space_group"],
            "hall": symmetry["hall"],
            "lattice": lattice,
            "sites": [
                _site(kinds[i], positions[i], symmetry["wyckoffs"].get(i))
                for i in symmetry["representatives"]
            ],
            "oxidation_states": oxidation_states,
            "roles": read_roles(roles),
            "source": source,
            "notes": notes,
        }
    )
    back = build(facts)
    per_atom = structure.volume / structure.composition.num_atoms
    same = abs(back.volume / back.composition.num_atoms / per_atom - 1) < SAME_VOLUME
    shares = back.composition.fractional_composition
    if not same or not shares.almost_equals(formula.fractional_composition, rtol=1e-4):
        raise InputError(
            f"{name}: unfolding its symmetry (space group {facts.space_group}) does not give the "
            f"crystal back ({back.composition.formula}); its atoms are symmetric only nearly. "
            "Refine the symmetry of the file first"
        )
    return facts


def sheet_text(facts: PhaseFacts) -> str:
    """YAML of a sheet, in the manner of the library: one line for the lattice and each site."""
    import yaml

    def inline(value: Any) -> str:
        text = yaml.safe_dump(
            value, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True
        )
        return str(text).removesuffix("\n").removesuffix("\n...")

    content = facts.model_dump(mode="json", exclude_defaults=True)
    content["roles"] = list(facts.roles)
    lines = []
    for key, value in content.items():
        if key == "sites":
            lines.append("sites:")
            sites = [site.model_dump(mode="json", exclude_none=True) for site in facts.sites]
            lines += [f"  - {inline(site)}" for site in sites]
        else:
            if key == "lattice":
                value = facts.lattice.model_dump()
            lines.append(f"{key}: {inline(value)}")
    return "\n".join(lines) + "\n"


def read_roles(roles: Sequence[str]) -> tuple[Role, ...]:
    """Roles as the sheets know them, each once.

    Raises
    ------
    InputError
        If one is not known.
    """
    known = get_args(Role)
    unknown = [role for role in roles if role not in known]
    if unknown:
        raise InputError(f"'{unknown[0]}' is no role; choose from {', '.join(known)}")
    return tuple(role for role in known if role in roles)


def _from_sheet(file: Path) -> PhaseFacts:
    import yaml
    from pydantic import ValidationError

    text = read_text(file)
    try:
        return PhaseFacts.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise InputError(f"{file} is no YAML ({error})") from error
    except RecursionError as error:
        raise InputError(f"{file} is nested too deeply for a sheet") from error
    except ValidationError as error:
        said = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}"
            for one in error.errors()[:5]
        )
        raise InputError(f"{file} is no description of a phase: {said}") from error


def _with_states(facts: PhaseFacts, states: Mapping[str, float]) -> dict[str, float]:
    """States of a sheet with the ones given; where it has none, the rest guessed to go with them.

    What does not add up is left to :func:`sheet_problems`.
    """
    from pymatgen.core import Composition

    from interlith.structures.disorder.doping import guess_states

    if facts.oxidation_states is not None:
        return {**facts.oxidation_states, **states}
    amounts = Composition(facts.formula).get_el_amt_dict()
    return guess_states(facts.formula, amounts, states) | dict(states)


def _from_file(file: Path, name: str | None) -> PhaseFacts:
    material = read_material(file)
    states = material.oxidation_states
    cell = material.structure.composition.get_el_amt_dict()
    charge = sum((states or {}).get(e, 0.0) * x for e, x in cell.items())
    if abs(charge) >= CHARGE_TOLERANCE * len(material.structure):
        states = None  # guessed, and good enough to order by only
    return sheet_from_structure(
        material.structure,
        name if name is not None else material.name,
        source=f"file {file.name} of the user, symmetry found by spglib",
        oxidation_states=states,
    )


def _standard(structure: Structure) -> tuple[dict[str, float], Any, list[Any], dict[str, Any]]:
    """Lattice, positions, occupants and symmetry of the standard cell."""
    import spglib

    cell = symmetry_cell(structure)
    species = [site.species.get_el_amt_dict() for site in structure]
    found = spglib.get_symmetry_dataset(cell, symprec=SYMPREC_ANGSTROM)
    again = None
    if found is not None and found.number > 1:
        standard: Any = (found.std_lattice, found.std_positions, found.std_types)
        again = spglib.get_symmetry_dataset(
            standard, symprec=SYMPREC_ANGSTROM, hall_number=found.hall_number
        )
    if found is None or again is None or again.number != found.number:
        plain: dict[str, Any] = {
            "space_group": 1,
            "hall": None,
            "wyckoffs": {},
            "representatives": list(range(len(structure))),
        }
        return _lattice(structure.lattice.matrix), structure.frac_coords, species, plain
    of_number = {int(number): species[i] for i, number in enumerate(cell[2])}
    first = np.unique(again.equivalent_atoms, return_index=True)[1].tolist()
    counts = np.bincount(again.equivalent_atoms)
    wyckoffs = {i: f"{counts[again.equivalent_atoms[i]]}{again.wyckoffs[i]}" for i in first}
    symmetry = {
        "space_group": int(found.number),
        "hall": int(found.hall_number),
        "wyckoffs": wyckoffs,
        "representatives": first,
    }
    kinds = [of_number[int(number)] for number in found.std_types]
    return _lattice(found.std_lattice), found.std_positions, kinds, symmetry


def _lattice(matrix: Any) -> dict[str, float]:
    from pymatgen.core import Lattice

    names = ("a", "b", "c", "alpha", "beta", "gamma")
    values = Lattice(matrix).parameters
    return {name: round(float(value), 8) for name, value in zip(names, values, strict=True)}


def _formula(composition: Any) -> str:
    amounts = composition.get_el_amt_dict()
    if all(abs(amount - round(amount)) < 1e-8 for amount in amounts.values()):
        return str(composition.reduced_formula)
    return "".join(f"{element}{amount:.8g}" for element, amount in amounts.items())


def _site(occupants: dict[str, float], position: Any, wyckoff: str | None) -> dict[str, Any]:
    site: dict[str, Any] = {}
    if len(occupants) == 1 and abs(next(iter(occupants.values())) - 1) < 1e-6:
        site["element"] = next(iter(occupants))
    else:
        site["occupants"] = {element: round(x, 8) for element, x in occupants.items()}
    site["xyz"] = [round(float(x), 8) for x in position]
    if wyckoff is not None:
        site["wyckoff"] = wyckoff
    return site


def _require_free(name: str, path: Path) -> None:
    """Refuse a name that is taken, in the user's folder or among the shipped phases."""
    if path.exists():
        raise InputError(
            f"{path} exists; choose another name with --name, or replace it with --force"
        )
    if name in list_phases():
        raise InputError(
            f"the library has a phase '{name}'; choose another name with --name, or have yours "
            "used in its place with --force"
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot make the folder {folder} ({error.strerror or error}); name another one in "
            "INTERLITH_LIBRARY"
        ) from error
