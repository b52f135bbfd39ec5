"""The structure builders with their energies bound: what the command line and the study stage run.

The builders take energies as functions; here a potential becomes such a function. A result is a
record and the structures that belong to it, by file name.

>>> from interlith.structures.library import build, load_phase
>>> energy_function("lj")(build(load_phase("Li"))) < 0
True
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from interlith.engines.potentials import potential
from interlith.engines.relax import relax
from interlith.provenance import provenance
from interlith.structures.disorder.ordering import order
from interlith.structures.energies import EnergyFunction, RelaxFunction
from interlith.structures.files.formats import format_of, structure_text
from interlith.structures.interfaces.plans import InterfaceOptions, Side
from interlith.structures.interfaces.records import (
    SearchRecord,
    StackRecord,
    search_record,
    stack_record,
)
from interlith.structures.interfaces.search import build_interfaces
from interlith.structures.interfaces.stacks import Sheet, StackOptions, build_stack
from interlith.structures.reading import Material, read_material, require_ordered

if TYPE_CHECKING:
    from pymatgen.core import Structure

Result = TypeVar("Result")
RELAX_FMAX_EV_PER_ANGSTROM = 0.1
RELAX_STEPS = 100
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Built(Generic[Result]):
    """A record and its structures, by file name without folder."""

    record: Result
    structures: dict[str, Structure]

    def texts(self, formats: Sequence[str]) -> dict[str, str]:
        """What the files hold, by file name without folder."""
        return {
            path: structure_text(structure, format_of(path, kind))
            for name, structure in self.structures.items()
            for kind, path in file_names(name, formats).items()
        }


def energy_function(name: str) -> EnergyFunction:
    """Energy of a cell (eV) by a named potential.

    Raises
    ------
    InputError, MissingDependencyError
        As :func:`interlith.engines.potentials.potential`.
    """
    calculator = potential(name).calculator()

    def energy(structure: Structure) -> float:
        atoms = structure.to_ase_atoms(msonable=False)
        atoms.calc = calculator
        return float(atoms.get_potential_energy())

    return energy


def relax_function(
    name: str,
    *,
    fmax_ev_per_angstrom: float = RELAX_FMAX_EV_PER_ANGSTROM,
    max_steps: int = RELAX_STEPS,
) -> RelaxFunction:
    """Relaxation of the atoms at fixed cell by a named potential."""
    calculator = potential(name).calculator()

    def relaxed(structure: Structure) -> tuple[Structure, float]:
        atoms, record = relax(
            structure.to_ase_atoms(msonable=False),
            calculator,
            fmax_ev_per_angstrom=fmax_ev_per_angstrom,
            max_steps=max_steps,
            cell=False,
        )
        moved = structure.copy()
        for index, point in enumerate(atoms.positions):
            moved.translate_sites(
                [index], point - structure[index].coords, frac_coords=False, to_unit_cell=False
            )
        return moved, record.energy_ev_per_atom * len(structure)

    return relaxed


ROLES = ("electrolyte", "anode", "cathode", "coating")
"""Roles that name a region, the first that a sheet has."""


def side(region: str | None, name_or_path: str) -> Side:
    """A crystal as one side of an interface.

    Parameters
    ----------
    region : str or None
        What it is called in the cell; None takes the crystal's role in the library, and its name
        where it has none there.

    Raises
    ------
    InputError
        If it is not known, cannot be read, or is disordered.
    """
    material = read_material(name_or_path, for_slabs=True)
    require_ordered(material.structure, material.asked)
    return Side(
        region=region or _role(material),
        material=material.name,
        bulk=material.structure,
        states=material.oxidation_states,
        youngs_modulus_gpa=material.facts.youngs_modulus_gpa if material.facts else None,
    )


def _role(material: Material) -> str:
    roles = material.facts.roles if material.facts else ()
    return next((role for role in ROLES if role in roles), "crystal")


def two_sides(
    a: str, b: str, region_a: str | None = None, region_b: str | None = None
) -> tuple[Side, Side]:
    """Both crystals of an interface, with region names that differ.

    Raises
    ------
    InputError
        As :func:`side`.
    """
    lower, upper = side(region_a, a), side(region_b, b)
    if lower.region == upper.region:
        lower = replace(lower, region=f"{lower.region}-a")
        upper = replace(upper, region=f"{upper.region}-b")
    return lower, upper


def ordered_side(region: str, name_or_path: str, max_atoms: int, seed: int = 0) -> Side:
    """As :func:`side`, but a disordered crystal is ordered first, by electrostatics.

    Parameters
    ----------
    max_atoms : int
        Of the interface; the ordered cell may have a third of it.

    Raises
    ------
    InputError
        If the crystal is not known, cannot be read, or cannot be ordered within the budget.
    """
    material = read_material(name_or_path, for_slabs=True)
    if material.structure.is_ordered:
        return side(region, name_or_path)
    ordering = order(
        material.structure,
        material.oxidation_states,
        max_atoms=max(max_atoms // 3, 1),
        count=1,
        seed=seed,
        keep_axes=True,
    )
    return Side(
        region=region,
        material=f"{material.name}-ordered",
        bulk=ordering.best.structure,
        states=material.oxidation_states,
        youngs_modulus_gpa=material.facts.youngs_modulus_gpa if material.facts else None,
    )


def interfaces(
    a: Side,
    b: Side,
    options: InterfaceOptions,
    *,
    rank_by: str | None = None,
    relax_best: bool = False,
    formats: Sequence[str] = ("cif",),
    folder: str = "",
    progress: Progress | None = None,
) -> Built[SearchRecord]:
    """Search, build and record the interfaces of two crystals.

    Parameters
    ----------
    rank_by : str, optional
        Potential that ranks lateral shifts and gaps.
    relax_best : bool
        Relax the best shifts with it.
    formats, folder
        Files that the record is to name, and where they are to be.
    """
    begin = time.monotonic()
    identity: dict[str, Any] | None = None
    energy: EnergyFunction | None = None
    relaxation: RelaxFunction | None = None
    if rank_by is not None:
        identity = potential(rank_by).identity.to_json()
        energy = energy_function(rank_by)
        relaxation = relax_function(rank_by) if relax_best else None
    search = build_interfaces(a, b, options, energy=energy, relax=relaxation, progress=progress)
    names = [
        f"{plain_name(a.material)}_{plain_name(b.material)}_{number:02d}"
        for number in range(1, len(search.candidates) + 1)
    ]
    record = search_record(
        search,
        [file_names(name, formats, folder) for name in names],
        provenance(options.seed, time.monotonic() - begin),
        identity,
    )
    cells = [candidate.structure for candidate in search.candidates]
    return Built(record, dict(zip(names, cells, strict=True)))


def stack(
    sheets: Sequence[Sheet],
    options: StackOptions,
    *,
    formats: Sequence[str] = ("cif",),
    folder: str = "",
) -> Built[StackRecord]:
    """Build and record a stack of layers."""
    begin = time.monotonic()
    built = build_stack(sheets, options)
    name = "_".join(plain_name(sheet.side.material) for sheet in sheets)
    record = stack_record(
        built,
        file_names(name, formats, folder),
        options.model_dump(mode="json"),
        provenance(None, time.monotonic() - begin),
    )
    return Built(record, {name: built.structure})


SUFFIXES = {"cif": ".cif", "poscar": ".vasp", "extxyz": ".extxyz", "lammps": ".lmp"}
"""Ending of a file in each format that structures are written in."""


def file_names(name: str, formats: Sequence[str], folder: str = "") -> dict[str, str]:
    """Path of a structure in each format."""
    return {fmt: str(Path(folder) / (name + SUFFIXES[fmt])) for fmt in formats}


def plain_name(name: str) -> str:
    """A material's name as a part of a file name."""
    return "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in name)
