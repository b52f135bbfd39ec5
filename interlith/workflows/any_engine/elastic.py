"""Elastic tensors with any engine; VASP's strained cells are a flow, read by the same function."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from jobflow import Flow, Job, Response, job

from interlith.analysis.elasticity import needed_strains, point_group
from interlith.analysis.moduli import ElasticRecord
from interlith.engines.identity import Potential, PotentialIdentity
from interlith.errors import FailureError, InputError
from interlith.workflows.any_engine.calculations import RelaxSettings, with_task
from interlith.workflows.any_engine.records import (
    CalculationRecord,
    as_structure,
    atoms_of,
    structure_of,
)
from interlith.workflows.elastic import (
    ElasticSettings,
    double_precision,
    elastic_tensor,
    strained,
)

TIGHT = {"EDIFF": 1e-6, "LREAL": False}
"""Of VASP's strained cells: MP's tolerance is too wide for differences of stress."""
SAME_CELL_ANGSTROM = 1e-7


def elastic_of(
    structure: Any, engine: str, settings: ElasticSettings | None = None
) -> ElasticRecord:
    """Elastic tensor with a calculator engine.

    Raises
    ------
    InputError, FailureError
        As :func:`interlith.workflows.elastic.elastic_tensor`.
    """
    chosen = double_precision(with_task(engine, "cell_relax"))
    return elastic_tensor(atoms_of(structure), chosen, settings)


@job
def elastic_job(structure: Any, engine: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Elastic tensor with a calculator engine."""
    return elastic_of(structure, engine, _settings(settings)).to_json()


@job
def strains_job(structure: Any, engine: str, settings: dict[str, Any], name: str) -> Any:
    """VASP on the strained cells that the relaxed crystal's symmetry needs, and the fit."""
    from interlith.workflows.any_engine.vasp_jobs import vasp_flow

    crystal, chosen = as_structure(structure), _settings(settings)
    cells = [structure_of(cell) for cell in strained_cells(crystal, chosen.strain)]
    relaxing = RelaxSettings(fmax_ev_per_angstrom=chosen.fmax_ev_per_angstrom)
    steps = [
        vasp_flow(cell, tight(engine), "relax", f"{name}: strain {number}", relaxing)
        for number, cell in enumerate(cells, 1)
    ]
    fit = fit_job(crystal, cells, [step.output for step in steps], settings)
    fit.name = f"{name}: fit"
    return Response(replace=Flow([*steps, fit], output=fit.output, name=name))


@job
def fit_job(
    structure: Any, cells: list[Any], records: list[Any], settings: dict[str, Any]
) -> dict[str, Any]:
    """Fit the stresses of cells that were computed one by one."""
    made = [CalculationRecord.model_validate(record) for record in records]
    return fit_records(structure, cells, made, _settings(settings)).to_json()


def vasp_elastic_flow(structure: Any, engine: str, settings: dict[str, Any], name: str) -> Flow:
    """Relax the cell, strain it, fit.

    Raises
    ------
    InputError
        If the settings ask for what is computed only with calculators.
    """
    from interlith.workflows.any_engine.vasp_jobs import vasp_flow

    chosen = _settings(settings)
    if chosen.symmetry != "crystal" or not chosen.relax_ions or chosen.rattle_angstrom:
        raise InputError(
            "elastic tensors by VASP take the crystal's own symmetry, with relaxed ions and no "
            "rattle; leave these settings out"
        )
    first: list[Any] = []
    if chosen.relax_cell:
        relaxing = RelaxSettings(fmax_ev_per_angstrom=chosen.fmax_ev_per_angstrom)
        first = [vasp_flow(structure, tight(engine), "cell_relax", f"{name}: cell", relaxing)]
        structure = first[0].output["structure"]
    rest: Job = strains_job(structure, engine, settings, name)
    rest.name = f"{name}: strains"
    return Flow([*first, rest], output=rest.output, name=name)


def strained_cells(structure: Any, strain: float) -> list[Any]:
    """Both signs of each strain that the crystal's symmetry needs, as ASE atoms."""
    atoms = atoms_of(structure)
    modes = needed_strains(point_group(atoms)[1])
    return [strained(atoms, sign * strain * np.eye(6)[mode]) for mode in modes for sign in (1, -1)]


def fit_records(
    structure: Any,
    cells: Sequence[Any],
    records: Sequence[CalculationRecord],
    settings: ElasticSettings,
) -> ElasticRecord:
    """The tensor from stresses that are already there.

    Raises
    ------
    FailureError
        If a calculation has no stress or did not relax.
    """
    for number, record in enumerate(records, 1):
        if record.stress_ev_per_angstrom3 is None or record.status != "ok":
            raise FailureError(
                f"strain {number} has no stress that counts: {record.reason or 'none was written'}"
            )
    stored = [
        (atoms_of(cell).cell.array, np.array(record.stress_ev_per_angstrom3))
        for cell, record in zip(cells, records, strict=True)
    ]
    engine = Potential(_identity(records[0]), lambda **_: _Stored(stored))
    held = ElasticSettings(strain=settings.strain, relax_ions=False, relax_cell=False)
    found = elastic_tensor(atoms_of(structure), engine, held)
    told = {"ions": "relaxed", "fmax_ev_per_angstrom": settings.fmax_ev_per_angstrom}
    return found.model_copy(update=told)


class _Stored(Calculator):
    """Stresses of known cells."""

    implemented_properties = ["stress"]  # noqa: RUF012 - ASE says list

    def __init__(self, stored: list[tuple[Any, Any]]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # ASE
        self.stored = stored

    def calculate(
        self,
        atoms: Any = None,
        properties: Any = ("stress",),
        system_changes: Any = all_changes,
    ) -> None:
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]  # ASE
        for cell, stress in self.stored:
            if np.allclose(cell, atoms.cell.array, atol=SAME_CELL_ANGSTROM):
                xx, yy, zz = np.diag(stress)
                shear = (stress[1, 2], stress[0, 2], stress[0, 1])
                self.results = {"stress": np.array([xx, yy, zz, *shear])}
                return
        raise FailureError("a strain that was not computed is asked for; the symmetry changed")


def tight(engine: str) -> str:
    """VASP with tolerances that differences of stress need; the user's own settings win."""
    name, _, text = engine.partition(":")
    options = json.loads(text or "{}")
    options["incar"] = {**TIGHT, **options.get("incar", {})}
    return f"{name}:{json.dumps(options)}"


def _settings(values: dict[str, Any]) -> ElasticSettings:
    try:
        return ElasticSettings(**values)
    except TypeError as error:
        allowed = ", ".join(ElasticSettings.__dataclass_fields__)
        raise InputError(f"elastic settings {values}: {error}; allowed are {allowed}") from error


def _identity(record: CalculationRecord) -> PotentialIdentity:
    known = record.identity
    return PotentialIdentity(
        name=str(known.get("name", record.engine)),
        sha256=str(known.get("sha256", "")),
        versions={str(known.get("name", record.engine)): str(known.get("version"))},
        dtype="float64",
        device="cpu",
        licence="",
        functional=str(known.get("functional", "")),
        corrections=str(known.get("corrections", "")),
    )
