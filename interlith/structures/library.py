"""Crystal structures as facts: one YAML file per phase under ``structures/library/``.

A file holds what a crystallographer would write down: space group, lattice, one atom per orbit,
oxidation states and where it comes from. The atoms are generated from the operations in spglib's
database, so nothing derived is stored.

>>> from interlith.structures.library import build, load_phase
>>> build(load_phase("Li2S")).composition.reduced_formula
'Li2S'
"""

from __future__ import annotations

import difflib
import hashlib
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from interlith.errors import InputError
from interlith.settings import data_folder

if TYPE_CHECKING:
    from pymatgen.core import Structure

LIBRARY_FOLDER = Path(__file__).parent / "library"
FULL_TOLERANCE = 1e-6
SAME_SITE_ANGSTROM = 0.02
"""Images of an atom closer than this are one atom."""

Role = Literal[
    "electrolyte", "anode", "cathode", "coating", "product", "element", "current collector"
]
FractionalCoordinates = Annotated[tuple[float, ...], Field(min_length=3, max_length=3)]
FloatArray = npt.NDArray[np.float64]


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LatticeFacts(_Facts):
    """Conventional cell: edges in Angstrom, angles in degrees."""

    a: float = Field(gt=0)
    b: float = Field(gt=0)
    c: float = Field(gt=0)
    alpha: float = Field(90.0, gt=0, lt=180)
    beta: float = Field(90.0, gt=0, lt=180)
    gamma: float = Field(90.0, gt=0, lt=180)


class SiteFacts(_Facts):
    """One site of an orbit, in fractional coordinates of the conventional cell.

    Either ``element`` (the site is full) or ``occupants``, such as ``{Li: 0.44}`` for a site that
    is partly empty or ``{P: 0.8, Sn: 0.2}`` for one that two elements share.
    """

    element: str | None = None
    occupants: dict[str, Annotated[float, Field(gt=0, le=1)]] | None = None
    xyz: FractionalCoordinates
    wyckoff: str | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> SiteFacts:
        if (self.element is None) == (self.occupants is None):
            raise ValueError("a site takes either element or occupants, and needs one of them")
        if self.occupants is not None and sum(self.occupants.values()) > 1 + FULL_TOLERANCE:
            raise ValueError(f"the occupants {self.occupants} of a site add up to more than 1")
        return self

    @property
    def species(self) -> dict[str, float]:
        """Occupancy of each element on the site."""
        return {str(self.element): 1.0} if self.occupants is None else self.occupants


class PhaseFacts(_Facts):
    """A crystal structure as it is written in the library.

    Notes
    -----
    Lattices may be experimental or relaxed; nothing may be concluded from the volume of a phase
    whose ``volume_reliable`` is false (molecular and layered crystals, artificial packings).

    Attributes
    ----------
    temperature_k : float or None
        At which the lattice was measured; None where it was not, or is not known.
    density_g_cm3 : float or None
        A density from somewhere else than this file's lattice, named in ``density_source``.
    voltage_v : float or None
        Typical operating voltage of an electrode, V vs Li/Li+.
    youngs_modulus_gpa : float or None
        Isotropic Young's modulus, named in ``modulus_source``; shares strain in interfaces.
    builds_from : str or None
        Name of the phase to cut slabs from instead of this one: the same material with the axes
        that Miller indices of the field refer to.
    moves_as : str or None
        Name of the phase that dynamics starts from instead of this one: the same material with the
        site disorder that its ions move in.
    """

    name: str
    formula: str
    space_group: int = Field(ge=1, le=230)
    hall: int | None = Field(None, ge=1, le=530)
    lattice: LatticeFacts
    sites: tuple[SiteFacts, ...] = Field(min_length=1)
    oxidation_states: dict[str, float] | None = None
    roles: tuple[Role, ...]
    source: str
    temperature_k: float | None = Field(None, gt=0)
    density_g_cm3: float | None = Field(None, gt=0)
    density_source: str = ""
    voltage_v: float | None = Field(None, ge=0)
    youngs_modulus_gpa: float | None = Field(None, gt=0)
    modulus_source: str = ""
    builds_from: str | None = None
    moves_as: str | None = None
    ordered_approximant: bool = False
    volume_reliable: bool = True
    notes: str = ""

    @property
    def sha256(self) -> str:
        """Hash of what decides the atoms (not of notes, roles or source)."""
        # Ordered phases hash as they did before sites knew of occupants.
        unused = {"sites": {"__all__": {"occupants"}}} if self.is_ordered else None
        facts = self.model_dump_json(
            include={"formula", "space_group", "hall", "lattice", "sites"}, exclude=unused
        )
        return hashlib.sha256(facts.encode()).hexdigest()

    @property
    def is_ordered(self) -> bool:
        """Whether every site is full and of one element."""
        return all(site.occupants is None for site in self.sites)


def user_folders() -> list[Path]:
    """Folders with the user's own phases: ``INTERLITH_LIBRARY`` (several, separated as in PATH).

    Left unset it is the folder ``library`` of the user's data folder. They may not exist.
    """
    named = os.environ.get("INTERLITH_LIBRARY")
    if named:
        return [Path(part) for part in named.split(os.pathsep) if part]
    return [data_folder() / "library"]


def list_phases(folder: Path | None = None) -> list[str]:
    """Names of all phases in a folder, sorted; without one, the user's and the shipped ones."""
    folders = [folder] if folder is not None else [*user_folders(), LIBRARY_FOLDER]
    return sorted({path.stem for place in folders for path in place.glob("*.yaml")})


def load_phase(name: str, folder: Path | None = None) -> PhaseFacts:
    """Read one phase, from a folder or from the user's and then the shipped library.

    Raises
    ------
    InputError
        If there is no such phase (the message has the nearest names), or its file does not
        validate.
    """
    folders = [folder] if folder is not None else [*user_folders(), LIBRARY_FOLDER]
    known = list_phases(folder)
    for place in folders if name in known else ():
        path = place / f"{name}.yaml"
        if path.is_file():
            return _read(path)
    near = [one for one in known if one.split("-")[0] == name.split("-")[0]]
    near += [one for one in difflib.get_close_matches(name, known, 5, 0.6) if one not in near]
    hint = f"; near names are {', '.join(near)}" if near else ""
    raise InputError(
        f"the structure library has no phase '{name}'{hint}; `interlith library list` names all "
        f"{len(known)}"
    )


def _read(path: Path) -> PhaseFacts:
    import yaml

    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        facts = PhaseFacts.model_validate(content)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise InputError(f"{path} is no description of a phase: {error}") from error
    if facts.name != path.stem:
        raise InputError(f"{path} describes '{facts.name}'; file stem and name must be the same")
    return facts


def build(facts: PhaseFacts, *, primitive: bool = False) -> Structure:
    """Generate the crystal from its orbits.

    Parameters
    ----------
    facts : PhaseFacts
        The phase.
    primitive : bool
        Reduce to the primitive cell; otherwise the cell as written.

    Returns
    -------
    Structure
        pymatgen structure, Angstrom; with partial occupancies where the facts have them.
    """
    from pymatgen.core import Lattice, Structure

    lattice = Lattice.from_parameters(**facts.lattice.model_dump())
    rotations, translations = _operations(facts)
    species: list[dict[str, float]] = []
    positions: list[FloatArray] = []
    for site in facts.sites:
        orbit = _orbit(np.asarray(site.xyz), rotations, translations, lattice.matrix)
        positions.extend(orbit)
        species.extend([site.species] * len(orbit))
    structure = Structure(lattice, species, positions)
    return _primitive(structure) if primitive else structure


def _primitive(structure: Structure) -> Structure:
    """The primitive cell, without idealising positions; oriented as spglib gives it."""
    import spglib
    from pymatgen.core import Structure

    found = spglib.standardize_cell(
        symmetry_cell(structure), to_primitive=True, no_idealize=True, symprec=1e-3
    )
    if found is None or len(found[2]) >= len(structure):
        return structure
    kinds = _kinds(structure)
    return Structure(found[0], [kinds[int(number) - 1] for number in found[2]], found[1])


def primitive_cell(structure: Structure) -> Structure:
    """The primitive cell with the shortest axes; atoms that differ by more than 0.001 A stay apart.

    The structure itself where it is primitive.
    """
    found = _primitive(structure)
    return found if found is structure else found.get_reduced_structure()


def symmetry_cell(structure: Structure) -> Any:
    """The cell as spglib takes it; sites with the same occupants get the same number."""
    kinds = _kinds(structure)
    numbers = [kinds.index(site.species) + 1 for site in structure]
    return structure.lattice.matrix, structure.frac_coords, numbers


def _kinds(structure: Structure) -> list[Any]:
    kinds: list[Any] = []
    for site in structure:
        if site.species not in kinds:
            kinds.append(site.species)
    return kinds


def _operations(facts: PhaseFacts) -> tuple[FloatArray, FloatArray]:
    import spglib

    hall = facts.hall or _first_hall(facts.space_group)
    kind = spglib.get_spacegroup_type(hall)
    if kind is None or kind.number != facts.space_group:
        raise InputError(
            f"'{facts.name}': Hall number {hall} is not a setting of space group "
            f"{facts.space_group}"
        )
    operations: Any = spglib.get_symmetry_from_database(hall)
    return operations["rotations"].astype(np.float64), operations["translations"]


@cache
def _first_hall(space_group: int) -> int:
    import spglib

    for hall in range(1, 531):
        kind = spglib.get_spacegroup_type(hall)
        if kind is not None and kind.number == space_group:
            return hall
    raise InputError(f"{space_group} is no space group; they run from 1 to 230")


def _orbit(
    position: FloatArray, rotations: FloatArray, translations: FloatArray, cell: FloatArray
) -> list[FloatArray]:
    """Distinct images of a position; images that all but coincide are averaged into one."""
    images = rotations @ position + translations
    groups: list[list[FloatArray]] = []
    for image in images:
        for group in groups:
            difference = image - group[0]
            difference -= np.round(difference)
            if np.linalg.norm(difference @ cell) < SAME_SITE_ANGSTROM:
                group.append(group[0] + difference)
                break
        else:
            groups.append([image])
    return [np.mean(group, axis=0) % 1.0 for group in groups]
