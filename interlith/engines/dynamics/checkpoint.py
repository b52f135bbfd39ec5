"""Checkpoints that are whole or not there, each with the one before it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from interlith.errors import FailureError, OutputError
from interlith.h5md.journal import sync_folder

NAME = "checkpoint"
SCHEMA_VERSION = 1
_MAGIC = b"interlith checkpoint 1 "


@dataclass(frozen=True)
class Checkpoint:
    """A moment of a run.

    Attributes
    ----------
    facts : dict
        What goes as JSON: step, frames, settings, random state, ...
    arrays : dict
        Positions, momenta, cell, state of thermostat and barostat, in double precision.
    """

    facts: dict[str, Any]
    arrays: dict[str, npt.NDArray[np.float64]]


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write ``checkpoint`` and keep the one before as ``checkpoint.bak``.

    The new one is written and flushed under another name and then renamed, so a process that is
    killed leaves one whole checkpoint at least.

    Raises
    ------
    OutputError
        If it cannot be written; those on disk stay.
    """
    buffer = io.BytesIO()
    facts = np.frombuffer(json.dumps(checkpoint.facts).encode(), dtype=np.uint8)
    np.savez(buffer, facts=facts, **checkpoint.arrays)  # type: ignore[arg-type]  # numpy's stub
    body = buffer.getvalue()
    target, temporary = folder / NAME, folder / f"{NAME}.part"
    try:
        with temporary.open("wb") as file:
            file.write(_MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            os.replace(target, folder / f"{NAME}.bak")
        os.replace(temporary, target)
        sync_folder(folder)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OutputError(
            f"the checkpoint in '{folder}' could not be written ({error.strerror}); the one "
            "before and all frames are kept: make room and run again"
        ) from error


def load_checkpoint(folder: Path) -> tuple[Checkpoint | None, str | None]:
    """The latest checkpoint that is whole, and what is to be said about it.

    Returns
    -------
    Checkpoint or None
        None if the run has not written any.
    str or None
        A note when the latest was damaged and the one before is used.

    Raises
    ------
    FailureError
        If there are checkpoints and all are damaged.
    """
    damaged = False
    for name in (NAME, f"{NAME}.bak"):
        path = folder / name
        if not path.exists():
            continue
        found = _read(path)
        if found is not None:
            note = "the last checkpoint was damaged; the one before it was used"
            return found, note if damaged else None
        damaged = True
    if damaged:
        raise FailureError(
            f"every checkpoint in '{folder}' is damaged, so the run cannot go on; its trajectory "
            "can be read still. Start again in a new folder"
        )
    return None, None


def _read(path: Path) -> Checkpoint | None:
    content = path.read_bytes()
    header, _, body = content.partition(b"\n")
    if header != _MAGIC + hashlib.sha256(body).hexdigest().encode():
        return None
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (ValueError, zipfile.BadZipFile):
        return None
    return Checkpoint(json.loads(arrays.pop("facts").tobytes()), arrays)
