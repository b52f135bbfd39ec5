"""The elastic flow beside atomate2's: same potential, same forces, one process, CPU time."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ase import Atoms
from pymatgen.io.ase import AseAtomsAdaptor

from interlith.engines.ml.shipped_models import MODELS_FOLDER
from interlith.engines.potentials import list_potentials, potential
from interlith.structures.library import build, load_phase
from interlith.workflows.elastic import ElasticSettings, elastic_tensor

Note = Callable[[str, str, str, bool], None]
FMAX = 1e-4
MODEL = "lpscl-1"
ASKED = 1.5


def _theirs(structure: Any, folder: Path) -> tuple[float, float]:
    """CPU seconds of atomate2's flow as it comes, but for the forces, and its bulk modulus."""
    from atomate2.forcefields.flows.elastic import ElasticMaker
    from atomate2.forcefields.jobs import ForceFieldRelaxMaker
    from jobflow import run_locally

    name = Path(potential(MODEL).identity.files[0]).name
    common: dict[str, Any] = {
        "force_field_name": {"@module": "mace.calculators", "@callable": "MACECalculator"},
        "calculator_kwargs": {
            "model_paths": str(MODELS_FOLDER / name),
            "device": "cpu",
            "default_dtype": "float64",
        },
        "relax_kwargs": {"fmax": FMAX},
        "fix_symmetry": True,
    }
    maker = ElasticMaker(
        bulk_relax_maker=ForceFieldRelaxMaker(relax_cell=True, **common),
        elastic_relax_maker=ForceFieldRelaxMaker(relax_cell=False, **common),
    )
    begin = time.process_time()
    answers = run_locally(
        maker.make(structure), create_folders=True, root_dir=folder, ensure_success=True, log=False
    )
    seconds = time.process_time() - begin
    documents = [one.output for outputs in answers.values() for one in outputs.values()]
    (found,) = [one for one in documents if hasattr(one, "derived_properties")]
    return seconds, float(found.derived_properties.k_vrh)


@pytest.mark.parametrize("name", ["Li2S", "Li3P", "Li3PS4-gamma"])
def test_elastic_tensor_beside_atomate2(name: str, tmp_path: Path, note: Note) -> None:
    pytest.importorskip("mace")
    if MODEL not in list_potentials():
        pytest.skip(f"{MODEL} is not shipped")
    structure = build(load_phase(name)).get_primitive_structure()
    structure.remove_oxidation_states()
    cell = AseAtomsAdaptor.get_atoms(structure)
    atoms = Atoms(cell.symbols, cell=cell.cell, positions=cell.positions, pbc=True)
    engine = potential(MODEL, dtype="float64")
    engine.calculator().get_potential_energy(atoms)  # torch starts up outside the clock
    begin = time.process_time()
    record = elastic_tensor(atoms, engine, ElasticSettings(fmax_ev_per_angstrom=FMAX))
    ours = time.process_time() - begin
    theirs, bulk = _theirs(structure, tmp_path)
    assert record.moduli is not None
    assert record.moduli.bulk_gpa == pytest.approx(bulk, rel=0.03)
    ratio = theirs / ours
    note(
        f"elastic tensor of {name} ({len(atoms)} atoms, one shipped MACE in double precision, "
        f"forces to {FMAX:g} eV/A; CPU time)",
        f"{ours:.1f} s in {record.calculations} calculations, atomate2's ElasticMaker "
        f"{theirs:.1f} s: {ratio:.1f} times; bulk modulus {record.moduli.bulk_gpa:.1f} and "
        f"{bulk:.1f} GPa",
        f"{ASKED} times",
        ratio >= ASKED,
    )
    assert ratio >= ASKED
