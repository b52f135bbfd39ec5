"""One member of a committee drives a run, the others judge frames of it afterwards.

A committee costs as much as its members together. For dynamics one of them moves the atoms, and on
a few stored frames all of them say how far they disagree.

>>> from interlith.workflows.committee import member_names
>>> member_names("lpscl")[0], member_names("7net-0")
('lpscl-1', ('7net-0',))
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from interlith.analysis.committee import CommitteeSpread, frame_spread, summed
from interlith.engines.md import MDRecord
from interlith.engines.ml.shipped_models import shipped_card, shipped_models
from interlith.engines.potentials import Potential, potential
from interlith.h5md import H5mdReader

FRAMES = 20
"""Frames of a run that the whole committee looks at."""
FILE = "committee.json"


def member_names(name: str) -> tuple[str, ...]:
    """Names of a committee's members as potentials; the name itself where it is none."""
    if name.startswith("mace:"):
        listed, hash_sign, head = name.removeprefix("mace:").partition("#")
        paths = [part for part in listed.split(",") if part]
        return tuple(f"mace:{path}{hash_sign}{head}" for path in paths) or (name,)
    shipped = shipped_models().get(name, [])
    return tuple(path.stem for path in shipped) if len(shipped) > 1 else (name,)


def driver(name: str, *, dtype: str | None = None) -> Potential:
    """What moves the atoms when ``name`` is asked for: a committee's first member, or itself.

    Raises
    ------
    InputError
        As :func:`interlith.engines.potentials.potential`; every member is looked at.
    """
    members = member_names(name)
    if len(members) > 1:
        potential(name)  # refuses members that do not belong together
    return potential(members[0], dtype=dtype)


def judge(name: str, outcome: MDRecord, frames: int = FRAMES) -> CommitteeSpread | None:
    """What the committee ``name`` says of a run; None where it is no committee.

    Kept as ``committee.json`` beside the trajectory, and computed again only for other frames or
    other models.

    Parameters
    ----------
    outcome : MDRecord
        Of a run that :func:`driver` moved.
    frames : int
        How many, evenly over the run; the first frame is left out.
    """
    members = member_names(name)
    if len(members) < 2:
        return None
    whole = potential(name)
    identities = [_named(potential(member)) for member in members]
    path = Path(outcome.trajectory.path)
    kept = path.with_name(FILE)
    known = _known(kept)
    if (
        known is not None
        and known.trajectory_sha256 == outcome.trajectory.sha256
        and [known.driver, *known.judges] == identities
    ):
        return known
    with H5mdReader(path) as reader:
        found = _look(whole, reader, frames)
    spread = CommitteeSpread(
        temperature_k=outcome.settings.temperature_k,
        seed=outcome.settings.seed,
        committee=name,
        driver=identities[0],
        judges=tuple(identities[1:]),
        trajectory_sha256=outcome.trajectory.sha256,
        card_force_rmse_ev_per_angstrom=_card_error(name),
        **found,
    )
    kept.write_text(json.dumps(spread.to_json(), indent=1), encoding="utf-8")
    return spread


def _look(committee: Potential, reader: H5mdReader, frames: int) -> dict[str, Any]:
    """Spread on frames evenly over a trajectory."""
    from ase import Atoms

    last = reader.n_frames - 1
    chosen = np.unique(np.linspace(min(1, last), last, frames).round().astype(int))
    calculator = committee.calculator(stress=False, elements=set(reader.symbols))
    rows, spread_rms, force_rms = [], [], []
    for frame in map(int, chosen):
        atoms = Atoms(
            list(reader.symbols),
            positions=reader.positions(frame, frame + 1)[0],
            cell=reader.cells(frame, frame + 1)[0],
            pbc=reader.pbc,
        )
        atoms.calc = calculator
        forces = atoms.get_forces()
        spread = np.asarray(calculator.results["forces_std"])
        time_ps = frame * (reader.time_step_fs or 0.0) / 1000
        rows.append(frame_spread(time_ps, spread, float(calculator.results["energy_std"])))
        spread_rms.append(float(np.sqrt(np.mean(spread**2))))
        force_rms.append(float(np.sqrt(np.mean((forces**2).sum(axis=1)))))
    return {"frames": tuple(rows), **summed(rows, spread_rms, force_rms)}


def _card_error(name: str) -> float | None:
    """Force error that the data card of a shipped committee states for its last check."""
    if name not in shipped_models():
        return None
    errors = shipped_card(name)["rounds"][-1]["errors"]
    return errors[-1]["force_rmse_mev_per_angstrom"] / 1000 if errors else None


def _named(one: Potential) -> dict[str, Any]:
    identity = one.identity
    return {"name": identity.name, "sha256": identity.sha256, "files": list(identity.files)}


def _known(path: Path) -> CommitteeSpread | None:
    try:
        return CommitteeSpread.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError):
        return None
