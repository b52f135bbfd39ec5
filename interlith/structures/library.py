"""Crystal structures as facts: one YAML file per phase under ``structures/library/``.

A file holds what a crystallographer would write down: space group, lattice, one atom per orbit,
oxidation states and where it comes from. The atoms are generated from the operations in spglib's
database, so nothing derived is stored.

>>> from interlith.structures.library import build, load_phase
>>> build(load_phase("Li2S")).composition.reduced_formula
'Li2S'
"""

from __future__ import annotations

import hashlib
import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from interlith.errors import InputError

if TYPE_CHECKING:
    from pymatgen.core import Structure

LIBRARY_FOLDER = Path(__file__).parent / "library"
SAME_SITE_ANGSTROM = 0.02
"""Images of an atom closer than this are one atom."""
SMALLEST_DISTANCE_RATIO = 0.6
"""Shortest allowed distance as a fraction of the sum of covalent radii."""
CHARGE_TOLERANCE = 0.01

Role = Literal["electrolyte", "anode", "cathode", "coating", "product", "element"]
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
    """One atom of an orbit, in fractional coordinates of the conventional cell."""

    element: str
    xyz: FractionalCoordinates
    wyckoff: str | None = None


class PhaseFacts(_Facts):
    """A crystal structure as it is written in the library.

    Notes
    -----
    Lattices may be experimental or relaxed; nothing may be concluded from the volume of a phase
    whose ``volume_reliable`` is false (molecular and layered crystals, artificial packings).
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
    ordered_approximant: bool = False
    volume_reliable: bool = True
    notes: str = ""

    @property
    def sha256(self) -> str:
        """Hash of what decides the atoms (not of notes, roles or source)."""
        facts = self.model_dump_json(include={"formula", "space_group", "hall", "lattice", "sites"})
        return hashlib.sha256(facts.encode()).hexdigest()


def list_phases(folder: Path = LIBRARY_FOLDER) -> list[str]:
    """Names of all phases in the library, sorted."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def load_phase(name: str, folder: Path = LIBRARY_FOLDER) -> PhaseFacts:
    """Read one phase of the library.

    Raises
    ------
    InputError
        If there is no such phase, or its file does not validate.
    """
    import yaml

    path = folder / f"{name}.yaml"
    if not path.is_file():
        near = [known for known in list_phases(folder) if known.split("-")[0] == name.split("-")[0]]
        hint = f"; the library has {', '.join(near)}" if near else ""
        raise InputError(
            f"the structure library has no phase '{name}'{hint}; list_phases() names all "
            f"{len(list_phases(folder))}"
        )
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        facts = PhaseFacts.model_validate(content)
    except (yaml.YAMLError, ValidationError) as error:
        raise InputError(f"{path} is no description of a phase: {error}") from error
    if facts.name != name:
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
        Ordered pymatgen structure, Angstrom.
    """
    from pymatgen.core import Lattice, Structure

    lattice = Lattice.from_parameters(**facts.lattice.model_dump())
    rotations, translations = _operations(facts)
    species: list[str] = []
    positions: list[FloatArray] = []
    for site in facts.sites:
        orbit = _orbit(np.asarray(site.xyz), rotations, translations, lattice.matrix)
        positions.extend(orbit)
        species.extend([site.element] * len(orbit))
    structure = Structure(lattice, species, positions)
    return _primitive(structure) if primitive else structure


def _primitive(structure: Structure) -> Structure:
    """The primitive cell, without idealising positions; oriented as spglib gives it."""
    import spglib
    from pymatgen.core import Structure

    numbers = [site.specie.Z for site in structure]
    cell: Any = (structure.lattice.matrix, structure.frac_coords, numbers)
    found = spglib.standardize_cell(cell, to_primitive=True, no_idealize=True, symprec=1e-3)
    if found is None or len(found[2]) >= len(structure):
        return structure
    species: Any = found[2]
    return Structure(found[0], species, found[1])


def check_phase(facts: PhaseFacts) -> list[str]:
    """Everything that is wrong with a phase, in words; empty if it is sound.

    The atoms must add up to the formula, oxidation states to no charge, no two atoms may be closer
    than 0.6 covalent-radius sums, and spglib must find the stated space group (a lattice written
    in P1 may have any).
    """
    structure = build(facts)
    problems = [*_composition_problems(facts, structure), *_charge_problems(facts, structure)]
    ratio, pair = closest_pair(structure)
    if ratio < SMALLEST_DISTANCE_RATIO:
        problems.append(f"{pair} are only {ratio:.2f} covalent-radius sums apart")
    found = space_group_number(structure)
    if found != facts.space_group and facts.space_group != 1:
        problems.append(f"spglib finds space group {found}, the file says {facts.space_group}")
    return problems


def closest_pair(structure: Structure) -> tuple[float, str]:
    """Shortest distance as a fraction of the covalent radii's sum, and the two elements."""
    from ase.data import covalent_radii

    radii = np.array([covalent_radii[site.specie.Z] for site in structure])
    centres, neighbours, _, distances = structure.get_neighbor_list(
        2.0 * SMALLEST_DISTANCE_RATIO * float(radii.max()) + 1.0
    )
    if len(distances) == 0:
        return math.inf, ""
    ratios = distances / (radii[centres] + radii[neighbours])
    worst = int(np.argmin(ratios))
    names = [structure[int(i)].specie.symbol for i in (centres[worst], neighbours[worst])]
    return float(ratios[worst]), "-".join(sorted(names))


def space_group_number(structure: Structure, symprec: float = 1e-2) -> int:
    """International number that spglib finds; 0 if it finds none."""
    import spglib

    numbers = [site.specie.Z for site in structure]
    cell: Any = (structure.lattice.matrix, structure.frac_coords, numbers)
    found = spglib.get_symmetry_dataset(cell, symprec=symprec)
    return 0 if found is None else int(found.number)


def _composition_problems(facts: PhaseFacts, structure: Structure) -> list[str]:
    from pymatgen.core import Composition

    stated = Composition(facts.formula).fractional_composition
    if structure.composition.fractional_composition.almost_equals(stated, rtol=1e-6):
        return []
    return [f"the sites add up to {structure.composition.formula}, the formula is {facts.formula}"]


def _charge_problems(facts: PhaseFacts, structure: Structure) -> list[str]:
    states = facts.oxidation_states
    if states is None:
        return []
    amounts = structure.composition.get_el_amt_dict()
    if set(states) != set(amounts):
        return [
            f"oxidation states are given for {sorted(states)}, the sites hold {sorted(amounts)}"
        ]
    charge = sum(states[element] * amount for element, amount in amounts.items()) / len(structure)
    return [] if abs(charge) < CHARGE_TOLERANCE else [f"the charge is {charge:+.3f} per atom"]


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
