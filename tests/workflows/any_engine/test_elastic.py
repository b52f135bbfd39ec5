"""Elastic tensors with any engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from jobflow import Flow, JobStore, run_locally
from maggma.stores import MemoryStore

from interlith.analysis.moduli import ElasticRecord
from interlith.engines.potentials import potential
from interlith.errors import FailureError, InputError
from interlith.workflows.any_engine.calculations import static
from interlith.workflows.any_engine.elastic import fit_records, strained_cells, tight
from interlith.workflows.any_engine.records import structure_of
from interlith.workflows.elastic import ElasticSettings, elastic_tensor
from interlith.workflows.makers import elastic_maker

pytestmark = [
    pytest.mark.filterwarnings("ignore:cd is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:No POTCAR file:UserWarning"),
    pytest.mark.filterwarnings("ignore::pymatgen.io.vasp.sets.BadInputSetWarning"),
]


def run(step: Any, folder: Path) -> ElasticRecord:
    store = JobStore(MemoryStore())
    flow = Flow([step], output=step.output)
    run_locally(
        flow, store=store, log=False, create_folders=True, root_dir=folder, ensure_success=True
    )
    return ElasticRecord.model_validate(flow.output.resolve(store))


def test_a_potential_goes_through_the_elastic_workflow(tmp_path: Path) -> None:
    copper = bulk("Cu", cubic=True)
    found = run(elastic_maker("emt").make(structure_of(copper)), tmp_path)
    due = elastic_tensor(copper, potential("emt"))
    assert np.allclose(found.stiffness_gpa, due.stiffness_gpa, atol=1e-6)


def test_vasp_ends_in_the_same_tensor(tmp_path: Path, fake_vasp: Callable[..., Any]) -> None:
    """The stand-in answers with EMT's stresses: the tensor must be EMT's."""
    fake = fake_vasp(
        cell={"ISIF": 3, "EDIFF": 1e-6, "EDIFFG": -0.003},
        strain={"ISIF": 2, "EDIFF": 1e-6, "LREAL": False},
    )
    copper = structure_of(bulk("Cu", a=3.65))
    found = run(elastic_maker('vasp:{"potcar_spec": true}').make(copper), tmp_path)
    due = elastic_tensor(bulk("Cu", a=3.65), potential("emt"))
    assert found.status == "ok"
    assert found.independent_constants == 3
    assert np.allclose(found.stiffness_gpa, due.stiffness_gpa, atol=1.0)
    assert found.ions == "relaxed"
    assert found.potential["name"] == "vasp"
    assert len(fake.ran) == 1 + 2 * 2  # the cell, and two strains of both signs for a cubic crystal


def test_a_strain_without_stress_is_a_failure() -> None:
    copper = structure_of(bulk("Cu", a=3.59))
    settings = ElasticSettings()
    cells = [structure_of(cell) for cell in strained_cells(copper, settings.strain)]
    records = [static(cell, "emt") for cell in cells]
    assert fit_records(copper, cells, records, settings).status == "ok"
    records[1] = records[1].model_copy(update={"stress_ev_per_angstrom3": None})
    with pytest.raises(FailureError, match="strain 2"):
        fit_records(copper, cells, records, settings)


def test_the_users_incar_wins() -> None:
    assert '"EDIFF": 1e-08' in tight('vasp:{"incar": {"EDIFF": 1e-8}}')
    assert '"LREAL": false' in tight("vasp")


def test_what_vasp_cannot_do_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="own symmetry"):
        elastic_maker("vasp", {"symmetry": "cubic"}).make(structure_of(bulk("Cu")))
    with pytest.raises(InputError, match="allowed are"):
        elastic_maker("vasp", {"strian": 0.01}).make(structure_of(bulk("Cu")))
