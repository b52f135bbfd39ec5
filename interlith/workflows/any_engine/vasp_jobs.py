"""VASP through atomate2's makers, and a job that turns what it says into the common record."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from atomate2.vasp.jobs.base import BaseVaspMaker
from atomate2.vasp.jobs.mp import MPGGARelaxMaker, MPGGAStaticMaker
from jobflow import Flow, job

from interlith.engines.electronic.settings import Task
from interlith.engines.electronic.vasp_functional import functional_of
from interlith.engines.electronic.vasp_inputs import VaspOptions, read_vasp_options, vasp_input_set
from interlith.engines.electronic.vasp_setup import check_potentials, check_vasp_command
from interlith.errors import FailureError
from interlith.provenance import provenance
from interlith.structures.regions import Regions, has_regions
from interlith.units import GPA_PER_EV_PER_ANGSTROM3
from interlith.workflows.any_engine.calculations import RelaxSettings
from interlith.workflows.any_engine.records import (
    CalculationRecord,
    Kind,
    as_structure,
    atoms_of,
    inputs_hash,
    matrix,
    vectors,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pymatgen.core import Structure

GPA_PER_KBAR = 0.1
PLACE = "place"


@dataclass(frozen=True)
class Sorted:
    """A structure with equal elements together, as VASP wants it.

    Attributes
    ----------
    order : tuple of int
        Which site of the given structure each one was.
    """

    structure: Structure
    order: tuple[int, ...]


def sorted_sites(structure: Structure) -> Sorted:
    """Sort as pymatgen's input sets do, keeping where each site came from."""
    tagged = structure.copy()
    tagged.add_site_property(PLACE, list(range(len(structure))))
    made = tagged.get_sorted_structure()
    order = tuple(int(place) for place in made.site_properties[PLACE])
    made.remove_site_property(PLACE)
    return Sorted(made, order)


def vasp_flow(
    structure: Any, engine: str, kind: Kind, name: str, settings: RelaxSettings | None = None
) -> Flow:
    """Prepare, run, convert: a flow whose output is a :class:`CalculationRecord` as plain data.

    Parameters
    ----------
    structure : Structure or reference to one
    engine : str
        ``vasp`` or ``vasp:{...}``.
    """
    options = read_vasp_options(engine)
    ready = prepare_job(structure, engine, kind)
    maker: Any = _maker(kind, options, name, settings)
    run = maker.make(ready.output["structure"])
    record = record_job(run.output, structure, ready.output["order"], kind, engine)
    ready.name, record.name = f"{name}: check", f"{name}: record"
    return Flow([ready, run, record], output=record.output, name=name)


def _maker(
    kind: Kind, options: VaspOptions, name: str, settings: RelaxSettings | None
) -> BaseVaspMaker:
    made = MPGGAStaticMaker if kind == "static" else MPGGARelaxMaker
    fmax = None if settings is None else settings.fmax_ev_per_angstrom
    if settings is not None:
        options = options.model_copy(update={"incar": {"NSW": settings.max_steps, **options.incar}})
    inputs = vasp_input_set(kind, options, fmax_ev_per_angstrom=fmax)
    writing = {"potcar_spec": True} if options.potcar_spec else {}
    return made(name=name, input_set_generator=inputs, write_input_set_kwargs=writing)


@job
def prepare_job(structure: Any, engine: str, task: Task) -> dict[str, Any]:
    """Check that VASP can run here on this structure, and sort its sites.

    Raises
    ------
    InputError, MissingDependencyError
        Saying what is missing.
    """
    ready = prepare(as_structure(structure), engine, task)
    return {"structure": ready.structure, "order": list(ready.order)}


def prepare(structure: Structure, engine: str, task: Task) -> Sorted:
    """As :func:`prepare_job`."""
    options = read_vasp_options(engine)
    if not options.potcar_spec:
        check_vasp_command()
        elements = [element.symbol for element in structure.composition]
        check_potentials(elements, vasp_input_set(task, options))
    return sorted_sites(structure)


def write_vasp_inputs(
    structure: Structure, task: Task, engine: str, folder: Path | str, **settings: Any
) -> None:
    """Write the inputs that a task would run with, to look at or to run by other ways.

    Parameters
    ----------
    engine : str
        ``vasp:{"potcar_spec": true}`` writes the names of the potentials instead of them.
    settings
        Of :func:`interlith.engines.electronic.vasp_inputs.vasp_input_set`.

    Raises
    ------
    InputError, MissingDependencyError
        If an option is wrong or potentials are missing.
    """
    options = read_vasp_options(engine)
    inputs = vasp_input_set(task, options, **settings)
    if not options.potcar_spec:
        check_potentials([element.symbol for element in structure.composition], inputs)
    made = inputs.get_input_set(
        sorted_sites(as_structure(structure)).structure, potcar_spec=options.potcar_spec
    )
    made.write_input(str(folder))


@job
def record_job(
    document: Any, start: Any, order: list[int], kind: Kind, engine: str
) -> dict[str, Any]:
    """The common record of what atomate2 read from VASP's files."""
    return record_of_document(document, as_structure(start), order, kind, engine).to_json()


def record_of_document(
    document: Any, start: Structure, order: list[int], kind: Kind, engine: str
) -> CalculationRecord:
    """Turn an emmet ``TaskDoc`` into the common record, sites in the order that was given.

    Raises
    ------
    FailureError
        If the document has no energy or forces, or another number of sites.
    """
    from emmet.core.tasks import TaskDoc

    doc = document if isinstance(document, TaskDoc) else TaskDoc.model_validate(document)
    out = doc.output
    if out is None or out.energy is None or out.forces is None or out.structure is None:
        raise FailureError(f"VASP left no energy and forces in {doc.dir_name}; look at its OUTCAR")
    if len(out.structure) != len(order):
        raise FailureError(
            f"VASP's structure in {doc.dir_name} has {len(out.structure)} sites, the given one "
            f"{len(order)}"
        )
    back = np.argsort(order)
    structure = type(start).from_sites([out.structure[int(place)] for place in back])
    if has_regions(start):
        structure = Regions.of(start).attach(structure)
    forces = np.asarray(out.forces, float)[back]
    found = structure.site_properties.get("magmom")
    moments = (
        None if found is None or not np.any(np.abs(found) > 1e-3) else tuple(map(float, found))
    )
    if moments is None and found is not None:
        structure.remove_site_property("magmom")
    energy, reasons = float(out.energy), _unconverged(doc)
    return CalculationRecord(
        kind=kind,
        status="diagnosis" if reasons else "ok",
        reason="; ".join(reasons) or None,
        engine=engine,
        identity=vasp_identity(doc),
        formula=atoms_of(structure).get_chemical_formula(),
        n_atoms=len(structure),
        structure=structure.as_dict(),
        energy_ev=energy,
        energy_ev_per_atom=energy / len(structure),
        volume_a3=float(structure.volume),
        forces_ev_per_angstrom=vectors(forces),
        largest_force_ev_per_angstrom=float(np.linalg.norm(forces, axis=1).max()),
        stress_ev_per_angstrom3=stress_from_kbar(out.stress),
        magnetic_moments_bohr=moments,
        steps=None if kind == "static" else _steps(doc),
        inputs=inputs_hash(atoms_of(start), kind, engine),
        folder=None if doc.dir_name is None else str(doc.dir_name),
        provenance=provenance(wall_time_s=_wall_time(doc)),
    )


def stress_from_kbar(stress: Any) -> Any:
    """VASP's stress (kbar, pressure positive) as ours (eV/A^3, tension positive)."""
    if stress is None:
        return None
    return matrix(-np.asarray(stress, float) * GPA_PER_KBAR / GPA_PER_EV_PER_ANGSTROM3)


def vasp_identity(doc: Any) -> dict[str, Any]:
    """Code, version, potentials and inputs; the hash names what two energies must share."""
    run = (doc.calcs_reversed or [None])[0]
    inputs = None if run is None else run.input
    incar = dict(inputs.incar or {}) if inputs is not None else {}
    specs = (inputs.potcar_spec or []) if inputs is not None else []
    potentials = [str(spec.titel) for spec in specs]
    u_values = {} if inputs is None else dict(inputs.hubbards or {})
    functional, deciding = functional_of(incar, hubbard=any(u_values.values()))
    model = {
        "functional": functional,
        "cutoff_ev": incar.get("ENCUT"),
        "potentials": potentials,
        "hubbard_u_ev": u_values,
        "dispersion": incar.get("IVDW"),
        **({"functional_inputs": deciding} if deciding else {}),
    }
    text = json.dumps(model, sort_keys=True, default=str)
    return {
        "kind": "dft",
        "name": "vasp",
        "version": None if run is None else run.vasp_version,
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        **model,
        "incar": json.loads(json.dumps(incar, default=str)),
        "corrections": "none",
    }


def _unconverged(doc: Any) -> list[str]:
    """What VASP's own end of run says is not settled."""
    state = getattr(doc.state, "value", doc.state)
    if state in (None, "successful"):
        return []
    return [f"VASP's run is '{state}': its electrons or its relaxation did not converge"]


def _steps(doc: Any) -> int | None:
    run = (doc.calcs_reversed or [None])[0]
    steps = None if run is None else run.output.ionic_steps
    return None if steps is None else len(steps)


def _wall_time(doc: Any) -> float | None:
    stats = (doc.run_stats or {}).get("overall")
    return None if stats is None else float(stats.elapsed_time)
