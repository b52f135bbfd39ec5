"""``kill -9`` at random moments: the trajectory is the one of a run that was left alone."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import h5py
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator

from interlith.engines.dynamics.checkpoint import load_checkpoint
from interlith.engines.md import MDSettings, run_md
from interlith.engines.potentials import Potential, potential
from interlith.h5md import H5mdReader
from interlith.h5md.journal import journal_path

KILLS = 20
FRAME_EVERY = 2
CHECKPOINT_EVERY = 6  # so often that kills fall into them
ENDLESS = 1_000_000


class PairLennardJones(Calculator):
    """Lennard-Jones between nearest images: 0.5 ms for 108 atoms, where ASE's own takes 20."""

    implemented_properties = ("energy", "forces")

    def calculate(self, atoms=None, properties=None, system_changes=None) -> None:
        super().calculate(atoms, properties, system_changes)
        lengths = self.atoms.cell.lengths()
        between = self.atoms.positions[:, None] - self.atoms.positions[None]
        between -= lengths * np.round(between / lengths)
        squares = np.square(between).sum(axis=2)
        np.fill_diagonal(squares, np.inf)
        sixth = (2.3**2 / squares) ** 3
        pulls = 24 * 0.2 * (2 * sixth**2 - sixth) / squares
        self.results = {
            "energy": float(2 * 0.2 * (sixth**2 - sixth).sum()),
            "forces": np.einsum("ij,ijx->ix", pulls, between),
        }


def _work(ensemble: str, folder: str, steps: int) -> None:
    settings = MDSettings(
        ensemble=ensemble,
        temperature_k=600,
        steps=steps,
        frame_every=FRAME_EVERY,
        checkpoint_every=CHECKPOINT_EVERY,
    )
    lennard_jones = Potential(potential("lj").identity, lambda **_: PairLennardJones())
    record = run_md(_start(), lennard_jones, settings, folder)
    assert record.status == "finished"


def _start() -> Atoms:
    return bulk("Cu", cubic=True) * (3, 3, 3)


def _check_readable(folder: Path) -> int:
    """Frames on disk: not fewer than the checkpoint knows, none twice, none out of turn."""
    trajectory = folder / "trajectory.h5"
    if not trajectory.exists():
        return 0
    saved, _ = load_checkpoint(folder)
    with H5mdReader(trajectory) as frames:
        assert np.array_equal(frames.steps(), FRAME_EVERY * np.arange(frames.n_frames))
        assert np.isfinite(frames.positions()).all()
        assert frames.n_frames >= (0 if saved is None else saved.facts["frames"])
        count = frames.n_frames
    if not journal_path(trajectory).exists():  # then any program can open it
        with h5py.File(trajectory) as file:
            assert file["particles/all/position/value"].shape[0] == count
    return count


@pytest.mark.parametrize("ensemble", ["nve", "nvt_langevin"])
def test_twenty_kills_change_nothing(ensemble: str) -> None:
    context, random = multiprocessing.get_context("fork"), np.random.default_rng(7)
    counts = []
    _work(ensemble, "warm", 1)  # the forks need not import anything any more
    for _ in range(KILLS):
        process = context.Process(target=_work, args=(ensemble, "run", ENDLESS))
        process.start()
        process.join(timeout=random.uniform(0.02, 0.25))
        assert process.is_alive()
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        counts.append(_check_readable(Path("run")))
    assert counts[-1] > 20, f"the kills came before there was anything to lose: {counts}"
    end = FRAME_EVERY * CHECKPOINT_EVERY * (counts[-1] // CHECKPOINT_EVERY + 5)
    for folder in ("run", "whole"):
        _work(ensemble, folder, end)
    whole, survived = load_checkpoint(Path("whole"))[0], load_checkpoint(Path("run"))[0]
    assert whole is not None
    assert survived is not None
    assert whole.facts["step"] == survived.facts["step"] == end
    difference = np.abs(whole.arrays["positions"] - survived.arrays["positions"]).max()
    assert difference < 1e-10
    assert np.abs(whole.arrays["positions"] - _start().positions).max() > 0.1
    with H5mdReader("whole/trajectory.h5") as one, H5mdReader("run/trajectory.h5") as other:
        assert np.array_equal(one.steps(), FRAME_EVERY * np.arange(end // FRAME_EVERY + 1))
        assert np.array_equal(one.steps(), other.steps())
        assert np.array_equal(one.positions(), other.positions())
    print(f"{counts[-1]} frames survived the last kill; largest difference {difference} Angstrom")
