"""One flow, every engine: relax, then a single point, then the equation of state."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ase.calculators.emt import EMT
from jobflow import Flow, JobStore, run_locally
from maggma.stores import MemoryStore
from pymatgen.core import Lattice, Structure

from interlith.errors import FailureError, InputError, MissingDependencyError
from interlith.workflows.any_engine.eos import EosRecord
from interlith.workflows.any_engine.records import CalculationRecord
from interlith.workflows.makers import eos_maker, relax_maker, static_maker

pytestmark = [
    pytest.mark.filterwarnings("ignore:cd is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:No POTCAR file:UserWarning"),
    pytest.mark.filterwarnings("ignore::pymatgen.io.vasp.sets.BadInputSetWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),  # atoms on one place, for a test
]
FACTORS = (0.96, 0.98, 1.0, 1.02, 1.04)


def crystal(formula: str = "Cu", edge: float = 3.7) -> Structure:
    symbols = [formula] if formula.isalpha() and len(formula) <= 2 else formula.split("-")
    places = [[0, 0, 0], [0.5, 0.5, 0.5]][: len(symbols)]
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(edge), symbols, places)


def whole_flow(engine: str, structure: Structure, **eos: Any) -> Flow:
    """The one flow that every engine must run as it stands."""
    relax = relax_maker(engine).make(structure)
    energy = static_maker(engine).make(relax.output["structure"])
    curve = eos_maker(engine, factors=FACTORS, **eos).make(energy.output["structure"])
    return Flow([relax, energy, curve], name=f"everything with {engine}")


def run(flow: Flow, folder: Path) -> list[dict[str, Any]]:
    """Each step's output, in order."""
    store = JobStore(MemoryStore())
    run_locally(
        flow, store=store, log=False, create_folders=True, root_dir=folder, ensure_success=True
    )
    return [step.output.resolve(store) for step in flow.jobs]


def check(outputs: list[dict[str, Any]], engine: str) -> tuple[Any, Any, Any]:
    """What must hold whatever the engine is."""
    relaxed, energy = (CalculationRecord.model_validate(one) for one in outputs[:2])
    curve = EosRecord.model_validate(outputs[2])
    assert (relaxed.kind, energy.kind) == ("cell_relax", "static")
    assert relaxed.engine == energy.engine == curve.engine == engine
    assert relaxed.status == energy.status == curve.status == "ok"
    assert energy.energy_ev == pytest.approx(relaxed.energy_ev, abs=2e-3 * energy.n_atoms)
    assert energy.energy_ev == pytest.approx(energy.energy_ev_per_atom * energy.n_atoms)
    assert len(energy.forces_ev_per_angstrom) == energy.n_atoms
    assert curve.volume_a3_per_atom == pytest.approx(relaxed.volume_a3 / relaxed.n_atoms, rel=0.015)
    assert curve.energy_ev_per_atom == pytest.approx(energy.energy_ev_per_atom, abs=1e-3)
    assert relaxed.provenance.versions["ase"]
    return relaxed, energy, curve


def test_the_flow_runs_with_a_potential(tmp_path: Path) -> None:
    relaxed, energy, curve = check(run(whole_flow("emt", crystal()), tmp_path), "emt")
    atoms = energy.crystal().to_ase_atoms(msonable=False)
    atoms.calc = EMT()
    assert energy.energy_ev == pytest.approx(atoms.get_potential_energy(), abs=1e-9)
    assert energy.stress_ev_per_angstrom3[0][0] == pytest.approx(atoms.get_stress()[0], abs=1e-9)
    assert relaxed.identity["sha256"] == curve.identity["sha256"]
    assert 120 < curve.bulk_modulus_gpa < 150


def test_the_flow_runs_with_vasp_as_far_as_its_inputs(
    tmp_path: Path, fake_vasp: Callable[..., Any]
) -> None:
    """A stand-in checks the inputs and answers with EMT's numbers: the flow must give EMT's."""
    fake = fake_vasp(
        relax={"ISIF": 3, "ENCUT": 520.0, "IBRION": 2, "ISMEAR": -5},
        static={"NSW": 0, "ISMEAR": -5, "ENCUT": 520.0},
        volume={"ISIF": 2, "EDIFFG": -0.02, "NSW": 300},
    )
    engine = 'vasp:{"potcar_spec": true}'
    outputs = run(whole_flow(engine, crystal()), tmp_path)
    relaxed, energy, curve = check(outputs, engine)
    _, same_energy, same_curve = check(run(whole_flow("emt", crystal()), tmp_path), "emt")
    assert [name.partition(":")[0] for name, _ in fake.ran] == [
        "relax",
        "static",
        *["equation of state"] * 5,
    ]
    assert energy.energy_ev == pytest.approx(same_energy.energy_ev, abs=1e-3)
    assert curve.bulk_modulus_gpa == pytest.approx(same_curve.bulk_modulus_gpa, rel=0.02)
    assert relaxed.identity["name"] == "vasp"
    assert relaxed.identity["functional"] == "PBE"
    assert relaxed.identity["incar"]["ENCUT"] == 520
    assert relaxed.steps > 1


def test_vasp_gives_sites_back_in_the_order_they_came(
    tmp_path: Path, fake_vasp: Callable[..., Any]
) -> None:
    """VASP wants equal elements together; the record does not."""
    fake_vasp(static={"NSW": 0})
    mixed = Structure(
        Lattice.cubic(3.8),
        ["Cu", "Al", "Cu", "Al"],
        [[0, 0, 0], [0.5, 0.5, 0.02], [0.5, 0, 0.5], [0, 0.51, 0.5]],
    )
    step = static_maker('vasp:{"potcar_spec": true}').make(mixed)
    record = CalculationRecord.model_validate(run(Flow([step]), tmp_path)[0])
    atoms = mixed.to_ase_atoms(msonable=False)
    atoms.calc = EMT()
    assert record.energy_ev == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
    for found, due in zip(record.forces_ev_per_angstrom, atoms.get_forces(), strict=True):
        assert found == pytest.approx(tuple(due), abs=1e-6)
    for found, due in zip(
        record.stress_ev_per_angstrom3, atoms.get_stress(voigt=False), strict=True
    ):
        assert found == pytest.approx(tuple(due), abs=1e-6)
    assert [site.specie.symbol for site in record.crystal()] == ["Cu", "Al", "Cu", "Al"]


def test_vasp_names_the_functional_that_it_was_given(
    tmp_path: Path, fake_vasp: Callable[..., Any]
) -> None:
    """Two functionals never share a hash; what decides no energy changes none."""
    fake_vasp(static={"NSW": 0})
    found = {}
    for name, incar in {
        "plain": {},
        "cores": {"NCORE": 4},
        "solids": {"GGA": "PS"},
        "meta": {"METAGGA": "R2SCAN"},
        "hybrid": {"LHFCALC": True, "HFSCREEN": 0.2, "AEXX": 0.25},
        "more exchange": {"LHFCALC": True, "HFSCREEN": 0.2, "AEXX": 0.4},
        "dispersion": {"IVDW": 11},
    }.items():
        engine = f"vasp:{json.dumps({'potcar_spec': True, 'incar': incar})}"
        step = static_maker(engine).make(crystal())
        found[name] = CalculationRecord.model_validate(run(Flow([step]), tmp_path)[0]).identity
    assert [one["functional"] for one in found.values()] == [
        "PBE", "PBE", "PBEsol", "r2SCAN", "HSE06",
        "PBE with 0.4 exact exchange screened at 0.2/A", "PBE+D3",
    ]  # fmt: skip
    assert found["plain"]["sha256"] == found["cores"]["sha256"]
    assert len({one["sha256"] for one in found.values()}) == 6


def test_the_stand_in_refuses_other_inputs(tmp_path: Path, fake_vasp: Callable[..., Any]) -> None:
    fake_vasp(static={"NSW": 0, "ENCUT": 400.0})
    step = static_maker('vasp:{"potcar_spec": true}').make(crystal())
    with pytest.raises(RuntimeError):
        run(Flow([step]), tmp_path)


def test_a_job_that_runs_again_reads_its_record(tmp_path: Path) -> None:
    maker = static_maker("emt", folder=str(tmp_path / "kept"))
    first = run(Flow([maker.make(crystal())]), tmp_path)[0]
    again = run(Flow([maker.make(crystal())]), tmp_path)[0]
    other = run(Flow([maker.make(crystal(edge=3.65))]), tmp_path)[0]
    assert again["provenance"] == first["provenance"]
    assert other["energy_ev"] != first["energy_ev"]


def test_too_few_steps_are_a_diagnosis(tmp_path: Path) -> None:
    maker = relax_maker("emt", settings={"max_steps": 1})
    record = CalculationRecord.model_validate(run(Flow([maker.make(crystal())]), tmp_path)[0])
    assert record.status == "diagnosis"
    assert "1 steps" in record.reason


def test_a_failed_volume_is_left_out_and_named() -> None:
    from interlith.workflows.any_engine.calculations import static
    from interlith.workflows.any_engine.eos import eos_record, scaled

    cells = scaled(crystal(edge=3.6), (0.96, 0.98, 1.0, 1.02, 1.04))
    points = [static(cell, "emt") for cell in cells]
    found = eos_record("emt", "Cu4", 4, [None, *points[1:]])
    assert found.status == "ok"
    assert found.dropped == ("point 1: its calculation failed",)
    few = eos_record("emt", "Cu4", 4, [None, None, *points[2:]])
    assert few.status == "no_answer"
    assert few.volume_a3_per_atom is None


def test_bad_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="volume factors"):
        eos_maker("emt", factors=(0.98, 1.0, 1.02)).make(crystal())
    with pytest.raises(InputError, match="no JSON object"):
        static_maker("vasp:{system").make(crystal())
    from interlith.workflows.any_engine.calculations import static

    with pytest.raises(InputError, match="run as jobs"):
        static(crystal(), "vasp")
    with pytest.raises(InputError, match="does not know Li"):
        static(crystal("Li"), "emt")
    half = Structure(Lattice.cubic(3.7), [{"Cu": 0.5}], [[0, 0, 0]])
    with pytest.raises(InputError, match="partly filled"):
        static(half, "emt")
    close = Structure(Lattice.cubic(3.7), ["Cu", "Cu"], [[0, 0, 0], [0, 0, 0]])
    with pytest.raises(FailureError, match="no finite energy"):
        static(close, "emt")


def test_what_vasp_lacks_is_said_before_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pymatgen.core import SETTINGS

    from interlith.workflows.any_engine.vasp_jobs import prepare

    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match="VASP_CMD"):
        prepare(crystal(), "vasp", "static")
    (tmp_path / "vasp_std").write_text("#!/bin/sh\n")
    (tmp_path / "vasp_std").chmod(0o755)
    monkeypatch.setitem(SETTINGS, "PMG_VASP_PSP_DIR", str(tmp_path))
    with pytest.raises(MissingDependencyError, match="Cu_pv"):
        prepare(crystal(), "vasp", "static")
    potentials = tmp_path / "POT_GGA_PAW_PBE" / "Cu_pv"
    potentials.mkdir(parents=True)
    (potentials / "POTCAR").write_text("")
    assert len(prepare(crystal(), "vasp", "static").structure) == 4


def test_inputs_are_written_to_look_at(tmp_path: Path) -> None:
    from pymatgen.io.vasp.inputs import Incar

    from interlith.workflows.any_engine.vasp_jobs import write_vasp_inputs

    engine = 'vasp:{"system": "interface", "dispersion": true, "potcar_spec": true}'
    write_vasp_inputs(crystal("Li-Cl", 5.13), "relax", engine, tmp_path / "inputs")
    assert Incar.from_file(tmp_path / "inputs" / "INCAR")["IVDW"] == 12
    assert (tmp_path / "inputs" / "POTCAR.spec").read_text().split() == ["Li_sv", "Cl"]


@pytest.mark.slow
@pytest.mark.ml
def test_the_flow_runs_with_a_learned_potential(tmp_path: Path) -> None:
    primitive = crystal("Li-Cl", 5.1).get_primitive_structure()
    relaxed, _, curve = check(run(whole_flow("7net-0", primitive), tmp_path), "7net-0")
    assert (4 * relaxed.volume_a3) ** (1 / 3) == pytest.approx(5.15, rel=0.01)
    assert 30 < curve.bulk_modulus_gpa < 50  # 41.8; PBE and experiment are softer


@pytest.mark.slow
@pytest.mark.dft
def test_the_flow_runs_with_dft(tmp_path: Path) -> None:
    """The same flow; two atoms, few k points and a low cut-off, so the numbers are rough."""
    engine = 'gpaw:{"cutoff_ev": 450, "kpoints": [3, 3, 3]}'
    primitive = crystal("Li-Cl", 5.13).get_primitive_structure()
    relaxed, energy, curve = check(run(whole_flow(engine, primitive), tmp_path), engine)
    assert (4 * relaxed.volume_a3) ** (1 / 3) == pytest.approx(5.15, rel=0.015)
    assert 25 < curve.bulk_modulus_gpa < 40
    assert energy.settings["cutoff_ev"] == 450
    assert energy.identity["kind"] == "dft"
