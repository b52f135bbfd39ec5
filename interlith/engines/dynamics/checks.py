"""Checks before the first step: can these atoms be run, and is a run to go on the same run."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from interlith.engines.dynamics.checkpoint import SCHEMA_VERSION, Checkpoint
from interlith.engines.dynamics.settings import MDSettings
from interlith.engines.potentials import Potential
from interlith.errors import InputError
from interlith.h5md import H5mdReader

if TYPE_CHECKING:
    from ase import Atoms


def check_start(atoms: Atoms, settings: MDSettings) -> None:
    """Refuse atoms that an ensemble cannot treat."""
    if not len(atoms) or not np.isfinite(atoms.positions).all():
        raise InputError("MD needs atoms, with positions that are numbers")
    if settings.constant_pressure and not (atoms.pbc.all() and atoms.cell.rank == 3):
        raise InputError(f"{settings.ensemble} needs a cell that is periodic in all directions")
    if atoms.constraints and settings.ensemble in (
        "nvt_nose_hoover",
        "npt_isotropic",
        "npt_cell",
    ):
        raise InputError(
            f"{settings.ensemble} cannot hold atoms fixed; take nve, nvt_langevin or nvt_bussi, or "
            "remove the constraints"
        )
    if settings.velocities == "keep" and not atoms.get_kinetic_energy() > 0:
        raise InputError(
            "velocities 'keep', but the atoms are at rest: give them momenta or 'draw'"
        )


def check_same(
    saved: Checkpoint, potential: Potential, settings: MDSettings, start: str, folder: Path
) -> None:
    """Refuse to go on with anything but what the checkpoint was begun with."""
    facts = saved.facts
    if facts["schema"] > SCHEMA_VERSION:
        raise InputError(
            f"the checkpoint in '{folder}' was written by a newer interlith; update interlith"
        )
    wrong = MDSettings.model_validate(facts["settings"]).differences(settings)
    theirs, mine = facts["potential"], potential.identity
    if (theirs["name"], theirs["sha256"]) != (mine.name, mine.sha256):
        wrong.append(
            f"the potential was {theirs['name']} ({theirs['sha256'][:12]}) and is now {mine.name} "
            f"({mine.sha256[:12]})"
        )
    if facts["start_sha256"] != start:
        wrong.append("the atoms to start from are others")
    if settings.steps < facts["step"]:
        wrong.append(f"{facts['step']} steps are done already and steps={settings.steps}")
    if wrong:
        raise InputError(
            f"the run in '{folder}' cannot go on: {'; '.join(wrong)}. Give what it was begun with "
            "(more steps and other guards are allowed), or another folder"
        )


def start_sha256(atoms: Atoms, settings: MDSettings) -> str:
    """Hash of what the run starts from."""
    parts = [atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc, atoms.get_masses()]
    if settings.velocities == "keep":
        parts.append(atoms.get_momenta())
    digest = hashlib.sha256()
    for part in parts:
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def check_unused(trajectory: Path) -> None:
    """Refuse to write over frames that have lost their checkpoint."""
    if not trajectory.exists():
        return
    with H5mdReader(trajectory) as frames:
        count = frames.n_frames
    if count > 1:
        raise InputError(
            f"'{trajectory}' holds {count} frames and has no checkpoint to go on from; take "
            "another folder, or move it away"
        )
