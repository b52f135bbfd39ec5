"""Bulk cells, orderings, slabs, glasses and grain boundaries as records with their structures.

>>> slabs("LiCl", (0, 0, 1), min_thickness_angstrom=8.0).record.candidates[0].stoichiometric
True
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from interlith.engines.potentials import potential
from interlith.errors import InputError
from interlith.provenance import provenance
from interlith.structures.cell_records import (
    CellRecord,
    CellsRecord,
    GlassRecord,
    OrderingRecord,
    SlabRecord,
    SlabsRecord,
    boundary_record,
    cell_facts,
    ordered_record,
    slab_record,
)
from interlith.structures.disorder.doping import dope, guess_states
from interlith.structures.disorder.glass import MeltQuench, pack_glass
from interlith.structures.disorder.orbits import read_formula
from interlith.structures.disorder.ordering import order
from interlith.structures.interfaces.records import drop_records
from interlith.structures.library import primitive_cell
from interlith.structures.reading import Material, read_material, require_ordered
from interlith.structures.surfaces.grain_boundaries import tilt_boundary
from interlith.structures.surfaces.slabs import make_slab
from interlith.structures.surfaces.terminations import terminations
from interlith.workflows.structures import (
    Built,
    energy_function,
    file_names,
    plain_name,
    relax_function,
)

if TYPE_CHECKING:
    from pymatgen.core import Structure

Triple = tuple[int, int, int]


def bulk(
    name_or_path: str,
    *,
    repeat: Triple = (1, 1, 1),
    primitive: bool = False,
    max_atoms: int = 400,
    formats: Sequence[str] = ("cif",),
    folder: str = "",
) -> Built[CellsRecord]:
    """A crystal as it stands in the library or a file, repeated.

    Raises
    ------
    InputError
        If it is not known or cannot be read, a repeat is not positive, or the cell has more atoms
        than the budget.
    """
    begin = time.monotonic()
    if min(repeat) < 1:
        raise InputError(f"a cell cannot be repeated {repeat} times; give three positive integers")
    material = read_material(name_or_path)
    cell = primitive_cell(material.structure) if primitive else material.structure
    n_atoms = len(cell) * repeat[0] * repeat[1] * repeat[2]
    if n_atoms > max_atoms:
        raise InputError(
            f"{material.name} repeated {repeat} has {n_atoms} sites, the budget is {max_atoms}; "
            "repeat it less or raise --max-atoms"
        )
    cell = cell.make_supercell(repeat, in_place=False)
    name = plain_name(material.name)
    record = CellRecord(**cell_facts(cell, file_names(name, formats, folder)))
    return _cells(material, (record,), {name: cell}, begin, None)


def ordered(
    name_or_path: str,
    *,
    formula: str | None = None,
    sites: Mapping[str, str] | None = None,
    states: Mapping[str, float] | None = None,
    anti_site: float | None = None,
    max_atoms: int = 200,
    count: int = 5,
    seed: int = 0,
    rank_by: str | None = None,
    relax_best: bool = False,
    formats: Sequence[str] = ("cif",),
    folder: str = "",
) -> Built[OrderingRecord]:
    """Ordered cells of a disordered crystal, or of a host doped to a formula.

    Parameters
    ----------
    formula : str, optional
        Composition to dope the crystal to, with it as the host.
    sites : mapping, optional
        Which element of the host a dopant replaces.
    states : mapping, optional
        Oxidation states that come before stated or guessed ones; means such as Co 3.5 are fine.
    anti_site : float, optional
        Argyrodites: fraction of the free-sulfide sites that hold the halogen.
    rank_by : str, optional
        Potential that ranks the arrangements; electrostatics alone without one.
    relax_best : bool
        Relax the best with it, and rank by the relaxed energy.

    Raises
    ------
    InputError
        If the material cannot be read, a state is of no element in it, sites are named without a
        formula, or as :func:`dope` and :func:`order`.
    """
    begin = time.monotonic()
    material = read_material(name_or_path)
    structure, known, notes = _disordered(material, formula, sites or {}, states or {})
    identity = potential(rank_by).identity.to_json() if rank_by else None
    found = order(
        structure,
        known,
        max_atoms=max_atoms,
        count=count,
        seed=seed,
        energy=energy_function(rank_by) if rank_by else None,
        relax=relax_function(rank_by) if rank_by and relax_best else None,
        anti_site=anti_site,
        formula=formula,
    )
    names = [
        f"{plain_name(formula or material.name)}_{i:02d}" for i, _ in enumerate(found.cells, 1)
    ]
    record = OrderingRecord(
        material=material.name,
        source=material.source,
        formula_asked=found.formula_asked,
        formula_made=found.formula_made,
        composition_error=found.composition_error,
        misplaced=round(found.misplaced, 12),
        anti_site_asked=anti_site,
        anti_site_made=found.anti_site,
        method=found.method,
        considered=found.n_considered,
        duplicates=found.n_duplicates,
        candidates=tuple(
            ordered_record(cell, file_names(name, formats, folder))
            for cell, name in zip(found.cells, names, strict=True)
        ),
        notes=notes,
        potential=identity,
        provenance=provenance(seed, time.monotonic() - begin),
    )
    return Built(record, {n: cell.structure for n, cell in zip(names, found.cells, strict=True)})


def _disordered(
    material: Material,
    formula: str | None,
    sites: Mapping[str, str],
    states: Mapping[str, float],
) -> tuple[Structure, dict[str, float] | None, tuple[str, ...]]:
    """What is to be ordered, its oxidation states, and how a formula was put onto it."""
    if sites and formula is None:
        named = ", ".join(f"{dopant}={replaced}" for dopant, replaced in sites.items())
        raise InputError(
            f"--site {named} says where dopants go, and no doped composition was named; add "
            "--formula, such as --formula Li6.2P0.8Sn0.2S5I"
        )
    known = _states(material, formula, states)
    if formula is None:
        return material.structure, known, ()
    doped = dope(material.structure, formula, known, sites=sites or None)
    placed = (str(placement) for placement in doped.placements)
    return doped.structure, doped.oxidation_states, (*placed, *doped.notes)


def _states(
    material: Material, formula: str | None, given: Mapping[str, float]
) -> dict[str, float] | None:
    """Oxidation states of a material with the ones given; the rest guessed to go with these."""
    amounts = {e: float(x) for e, x in material.structure.composition.get_el_amt_dict().items()}
    elements = {*amounts, *(read_formula(formula).get_el_amt_dict() if formula else ())}
    strange = sorted(set(given) - elements)
    if strange:
        raise InputError(
            f"--state {strange[0]}={given[strange[0]]:g}: there is no {strange[0]} here; name some "
            f"of {', '.join(sorted(elements))}"
        )
    if not given:
        return material.oxidation_states
    if material.oxidation_states is not None or formula is not None:
        return {**(material.oxidation_states or {}), **given}
    return guess_states(material.name, amounts, given)


def slabs(
    name_or_path: str,
    miller: Triple,
    *,
    min_thickness_angstrom: float = 10.0,
    termination: int | None = None,
    vacuum_angstrom: float = 15.0,
    repair: bool = True,
    max_atoms: int = 400,
    formats: Sequence[str] = ("cif",),
    folder: str = "",
) -> Built[SlabsRecord]:
    """A slab for each inequivalent termination of a plane, or for one of them.

    Both faces are equal where the crystal allows it; otherwise the slab has the bulk's composition.
    """
    begin = time.monotonic()
    material = read_material(name_or_path, for_slabs=True)
    require_ordered(material.structure, material.asked)
    states = material.oxidation_states
    cuts = terminations(material.structure, miller, oxidation_states=states)
    if termination is not None and not 0 <= termination < len(cuts):
        raise InputError(
            f"plane {miller} of {material.name} has no termination {termination}; there are "
            f"{', '.join(f'{cut.index} ({cut.label})' for cut in cuts)}"
        )
    made: dict[str, Structure] = {}
    records: list[SlabRecord] = []
    dropped: Counter[str] = Counter()
    for cut in cuts if termination is None else (cuts[termination],):
        try:
            slab = make_slab(
                material.structure,
                miller,
                cut,
                min_thickness_angstrom=min_thickness_angstrom,
                symmetric=cut.mirror_cut is not None,
                repair=repair and cut.tasker == 3,
                vacuum_angstrom=vacuum_angstrom,
                oxidation_states=states,
                max_atoms=max_atoms,
            )
        except InputError as error:
            dropped[str(error)] += 1
            continue
        plane = "".join(str(index).replace("-", "m") for index in slab.miller)
        name = f"{plain_name(material.name)}_{plane}_{cut.index}"
        made[name] = slab.structure
        records.append(slab_record(slab, file_names(name, formats, folder)))
    if not records:
        raise InputError("; ".join(dropped))
    record = SlabsRecord(
        material=material.name,
        source=material.source,
        candidates=tuple(records),
        considered=len(records) + sum(dropped.values()),
        dropped=drop_records(dropped),
        provenance=provenance(None, time.monotonic() - begin),
    )
    return Built(record, made)


def glass(
    formula: str,
    density_g_cm3: float,
    n_atoms: int,
    *,
    seed: int = 0,
    units: bool = True,
    formats: Sequence[str] = ("cif",),
    folder: str = "",
) -> Built[GlassRecord]:
    """A random packing to start a melt-quench from, and the protocol of it."""
    begin = time.monotonic()
    packed = pack_glass(formula, density_g_cm3, n_atoms, seed=seed, units=units)
    name = f"{plain_name(formula)}_glass_{seed}"
    record = GlassRecord(
        **cell_facts(packed.structure, file_names(name, formats, folder)),
        composition_error=packed.composition_error,
        polyanions=packed.n_units,
        protocol=MeltQuench(formula=formula, density_g_cm3=density_g_cm3, seed=seed),
        provenance=provenance(seed, time.monotonic() - begin),
    )
    return Built(record, {name: packed.structure})


def grain_boundary(
    name_or_path: str,
    sigma: int,
    axis: Triple,
    plane: Triple | None = None,
    *,
    min_grain_angstrom: float = 10.0,
    max_atoms: int = 400,
    rank_by: str | None = None,
    formats: Sequence[str] = ("cif",),
    folder: str = "",
) -> Built[CellsRecord]:
    """A cell with two symmetric tilt boundaries of a cubic crystal."""
    begin = time.monotonic()
    material = read_material(name_or_path, for_slabs=True)
    require_ordered(material.structure, material.asked)
    boundary = tilt_boundary(
        material.structure,
        sigma,
        axis,
        plane,
        min_grain_angstrom=min_grain_angstrom,
        max_atoms=max_atoms,
        energy=energy_function(rank_by) if rank_by else None,
    )
    name = f"{plain_name(material.name)}_sigma{sigma}"
    record = boundary_record(boundary, file_names(name, formats, folder))
    return _cells(material, (record,), {name: boundary.structure}, begin, None)


def _cells(
    material: Material,
    records: tuple[CellRecord, ...],
    structures: dict[str, Structure],
    begin: float,
    seed: int | None,
) -> Built[CellsRecord]:
    record = CellsRecord(
        material=material.name,
        source=material.source,
        candidates=records,
        provenance=provenance(seed, time.monotonic() - begin),
    )
    return Built(record, structures)
