"""Dynamics and barriers with any engine."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from jobflow import Flow, JobStore, run_locally
from maggma.stores import MemoryStore
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from interlith.engines.md import MDRecord, MDSettings
from interlith.engines.neb import BandRecord, BandSettings, find_barrier
from interlith.errors import InputError
from interlith.h5md.reader import H5mdReader
from interlith.workflows.any_engine.calculations import relaxation, static
from interlith.workflows.any_engine.vasp_band import path_job
from interlith.workflows.makers import md_maker, neb_maker

pytestmark = [
    pytest.mark.filterwarnings("ignore:cd is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:No POTCAR file:UserWarning"),
    pytest.mark.filterwarnings("ignore::pymatgen.io.vasp.sets.BadInputSetWarning"),
]
VASP = 'vasp:{"potcar_spec": true}'
SETTINGS = {"temperature_k": 300, "steps": 20, "frame_every": 5, "timestep_fs": 2.0}


def alloy() -> Structure:
    """Copper and aluminium in turn, so that VASP's order of sites differs from ours."""
    atoms = bulk("Cu", cubic=True) * (2, 1, 1)
    atoms.symbols[1::2] = "Al"
    return AseAtomsAdaptor.get_structure(atoms)


def run(step: Any, folder: Path) -> dict[str, Any]:
    store = JobStore(MemoryStore())
    flow = Flow([step], output=step.output)
    run_locally(
        flow, store=store, log=False, create_folders=True, root_dir=folder, ensure_success=True
    )
    return flow.output.resolve(store)


def test_dynamics_of_a_potential(tmp_path: Path) -> None:
    record = MDRecord.model_validate(
        run(md_maker("emt", SETTINGS, folder=tmp_path / "md").make(alloy()), tmp_path)
    )
    assert (record.status, record.trajectory.frames) == ("finished", 5)
    assert record.potential.name == "emt"


def test_dynamics_of_vasp_end_in_the_same_record(
    tmp_path: Path, fake_vasp: Callable[..., Any]
) -> None:
    """The stand-in runs NVE with EMT; file and record must tell of exactly that."""
    fake = fake_vasp(dynamics={"MDALGO": 1, "NSW": 20, "POTIM": 2.0, "IBRION": 0, "ISYM": 0})
    maker = md_maker(VASP, SETTINGS | {"ensemble": "nve"}, folder=tmp_path / "md")
    record = MDRecord.model_validate(run(maker.make(alloy()), tmp_path))
    assert record.status == "finished"
    assert record.trajectory.frames == 4
    assert record.trajectory.time_step_fs == 10.0
    assert record.potential.name == "vasp"
    assert record.potential.functional == "PBE"
    assert record.wall_s == 1.5
    assert abs(record.energy_drift_mev_per_atom_per_ps) < 20
    with H5mdReader(tmp_path / "md" / "trajectory.h5") as file:
        assert file.symbols == tuple(site.specie.symbol for site in alloy())
        positions = file.positions(0, 4)
        energies = file.observable("potential_energy", 0, 4)
        kelvin = file.observable("temperature", 0, 4)
    atoms = AseAtomsAdaptor.get_atoms(alloy(), msonable=False)
    atoms.calc = EMT()
    for row in range(4):  # the energies belong to the positions, atom by atom
        atoms.positions = positions[row]
        free = atoms.get_potential_energy() - 0.25  # the stand-in's smearing
        assert energies[row] == pytest.approx(free, abs=2e-4)
    assert np.abs(np.diff(positions, axis=0)).max() < 0.5  # unwrapped
    assert record.mean_temperature_k == pytest.approx(kelvin.mean(), rel=0.5)
    assert len(fake.ran) == 1


def test_packed_files_and_a_cut_off_run_are_read(
    tmp_path: Path, fake_vasp: Callable[..., Any]
) -> None:
    from interlith.workflows.any_engine.aimd import import_vasp_run

    fake_vasp(dynamics={"NSW": 20})
    maker = md_maker(VASP, SETTINGS | {"ensemble": "nve"}, folder=tmp_path / "md")
    whole = MDRecord.model_validate(run(maker.make(alloy()), tmp_path))
    (source,) = tmp_path.glob("job_*/vasprun.xml")
    text = source.read_text()
    half = text[: text.index("<calculation>", len(text) // 2) + 40]
    (tmp_path / "cut").mkdir()
    with gzip.open(tmp_path / "cut" / "vasprun.xml.gz", "wt") as file:
        file.write(half)
    settings = whole.settings.model_copy(update={"frame_every": 1})
    cut = import_vasp_run(tmp_path / "cut", tmp_path / "half", settings, whole.potential)
    assert cut.status == "interrupted"
    assert 2 < cut.steps_done < 20
    assert "of 20 steps" in cut.reason
    assert cut.ns_per_day is None
    assert "wall time" in cut.notes[-1]
    with pytest.raises(InputError, match=r"no vasprun\.xml"):
        import_vasp_run(tmp_path / "half", tmp_path / "none", settings, whole.potential)


def test_what_vasp_cannot_do_is_refused() -> None:
    for wrong in ({"ensemble": "nvt_bussi"}, {"velocities": "keep"}):
        with pytest.raises(InputError, match="VASP"):
            md_maker(VASP, {"ensemble": "nvt_nose_hoover", **wrong}).make(alloy())
    with pytest.raises(InputError):
        md_maker("emt", {"temperatur_k": 300}).make(alloy())


def vacancy() -> tuple[Structure, Structure]:
    start = bulk("Cu", cubic=True) * (2, 2, 2)
    end = start.copy()
    end.positions[1] = start.positions[0]
    del start[0], end[0]
    return AseAtomsAdaptor.get_structure(start), AseAtomsAdaptor.get_structure(end)


def test_a_barrier_of_a_potential_is_the_engines(tmp_path: Path) -> None:
    start, end = vacancy()
    found = BandRecord.model_validate(
        run(neb_maker("emt", {"images": 1}).make(start, end), tmp_path)
    )
    due = find_barrier(
        AseAtomsAdaptor.get_atoms(start, msonable=False),
        AseAtomsAdaptor.get_atoms(end, msonable=False),
        EMT(),
        BandSettings(images=1),
    )
    assert found.forward_ev == pytest.approx(due.forward_ev, abs=1e-6)


def test_a_barrier_of_vasp_ends_in_the_same_record(
    tmp_path: Path, fake_vasp: Callable[..., Any]
) -> None:
    """The stand-in relaxes the ends and leaves the image where the path put it."""
    fake = fake_vasp(
        end={"ISIF": 2, "EDIFFG": -0.02, "ISYM": 0},
        band={"IMAGES": 1, "LCLIMB": True, "SPRING": -5},
    )
    start, end = vacancy()
    found = BandRecord.model_validate(
        run(neb_maker(VASP, {"images": 1}).make(start, end), tmp_path)
    )
    ends = [relaxation(one, "emt", cell=False) for one in (start, end)]
    first, middle, _ = (
        static(image, "emt").energy_ev
        for image in path_job.original(ends[0].structure, ends[1].structure, 1)
    )
    assert found.status == "ok"
    assert found.reaction_ev == pytest.approx(0, abs=1e-3)
    assert found.forward_ev == pytest.approx(middle - first, abs=0.02)
    assert found.coordinate_angstrom[-1] == pytest.approx(2.6, abs=0.2)
    kinds = [name.partition(":")[2].split()[0] for name, _ in fake.ran]
    assert kinds == ["end", "end", "band"]
    shared = ("ENCUT", "ISPIN", "ISMEAR", "PREC", "LREAL")
    assert len({tuple(incar[key] for key in shared) for _, incar in fake.ran}) == 1


def test_settings_reach_the_engine() -> None:
    assert MDSettings.read(SETTINGS).steps == 20
