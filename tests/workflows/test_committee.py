"""One member of a committee moves the atoms, and all of them say how far they disagree."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from interlith.analysis.committee import CommitteeSpread, force_spread, frame_spread, summed
from interlith.engines.md import MDSettings, run_md
from interlith.engines.ml.shipped_models import shipped_card, shipped_models
from interlith.engines.potentials import potential
from interlith.workflows.committee import driver, judge, member_names


def test_members_by_name() -> None:
    assert member_names("emt") == ("emt",)
    assert member_names("mace:/a.model") == ("mace:/a.model",)
    assert member_names("mace:/a.model,/b.model#pbe") == ("mace:/a.model#pbe", "mace:/b.model#pbe")
    for name, files in shipped_models().items():
        expected = tuple(file.stem for file in files) if len(files) > 1 else (name,)
        assert member_names(name) == expected


def test_a_single_potential_drives_itself_and_is_not_judged() -> None:
    record = run_md(
        bulk("Cu", cubic=True), driver("emt"), MDSettings(steps=4, frame_every=2), "run"
    )
    assert record.potential == potential("emt").identity
    assert judge("emt", record) is None
    assert not Path("run/committee.json").exists()


def test_spread_is_the_standard_deviation_and_turns_with_the_forces() -> None:
    forces = np.random.default_rng(0).normal(size=(4, 5, 3))
    expected = [
        np.sqrt(sum(np.var(forces[:, atom, axis], ddof=1) for axis in range(3)))
        for atom in range(5)
    ]
    assert np.allclose(force_spread(forces), expected)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    assert np.allclose(force_spread(forces @ turn), expected)
    assert np.allclose(force_spread(forces + 7.0), expected)
    assert np.allclose(force_spread(np.repeat(forces[:1], 4, axis=0)), 0)


def test_the_worst_frame_is_named() -> None:
    rows = [frame_spread(t, np.array([0.1, s]), 0.002) for t, s in ((1.0, 0.2), (2.0, 0.5))]
    found = summed(rows, [0.1, 0.1], [1.0, 1.0])
    assert found["worst_ps"] == 2.0
    assert found["max_ev_per_angstrom"] == 0.5
    assert found["mean_ev_per_angstrom"] == pytest.approx(0.225)
    assert found["relative"] == pytest.approx(0.1)
    assert found["energy_mev_per_atom"] == pytest.approx(1.0)


@pytest.mark.ml
def test_the_first_member_drives_and_the_whole_committee_judges(tmp_path: Path) -> None:
    pytest.importorskip("mace")
    atoms = bulk("LiCl", "rocksalt", a=5.1, cubic=True)
    atoms.symbols[[0, 1]] = ["P", "S"]  # all elements, so that no model need be cut
    settings = MDSettings(steps=12, frame_every=4, timestep_fs=1.0)
    record = run_md(atoms, driver("lpscl"), settings, "run")
    assert record.potential.name == "lpscl-1"
    assert record.potential.files == ("interlith/engines/models/lpscl-1.model",)
    found = judge("lpscl", record)
    assert found is not None
    hashes = [potential(name).identity.sha256 for name in member_names("lpscl")]
    assert [found.driver["sha256"], *(one["sha256"] for one in found.judges)] == hashes
    assert found.driver["sha256"] == record.potential.sha256
    assert [row.time_ps for row in found.frames] == pytest.approx([0.004, 0.008, 0.012])
    card = shipped_card("lpscl")["rounds"][-1]["errors"][-1]
    assert card["group"] == "all"
    assert found.card_force_rmse_ev_per_angstrom == card["force_rmse_mev_per_angstrom"] / 1000
    forces = []
    from interlith.h5md import H5mdReader

    with H5mdReader("run/trajectory.h5") as frames:
        atoms.positions = frames.positions(3, 4)[0]
    for name in member_names("lpscl"):
        atoms.calc = potential(name).calculator(stress=False)
        forces.append(atoms.get_forces())
    assert found.frames[-1].max_ev_per_angstrom == pytest.approx(
        force_spread(forces).max(), rel=1e-3
    )
    kept = Path("run/committee.json")
    assert CommitteeSpread.model_validate_json(kept.read_text()) == found
    marked = json.loads(kept.read_text()) | {"note": "kept"}
    kept.write_text(json.dumps(marked))
    assert judge("lpscl", record).note == "kept"  # read back, not computed again
    assert judge("lpscl", record.model_copy(update={"trajectory": record.trajectory.model_copy(
        update={"sha256": "0" * 64})})).note != "kept"  # fmt: skip
