"""Relaxed structures kept in files, so that a long calculation goes on where it was cut short."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from interlith.engines.relax import RelaxationRecord
from interlith.errors import OutputError

if TYPE_CHECKING:
    from pymatgen.core import Structure

KEPT_DECIMALS = 6
"""Of the coordinates by which a kept relaxation is known again."""


def relaxation_file(folder: Path, start: Structure, *settings: Any) -> Path:
    """Where the relaxation of a structure lies: named by composition and all it depends on.

    Parameters
    ----------
    settings : plain values
        Hash of the potential, tolerances, whatever else changes the outcome.
    """
    digest = hashlib.sha256(json.dumps(settings).encode())
    digest.update(" ".join(site.specie.symbol for site in start).encode())
    for array in (start.lattice.matrix, start.cart_coords):
        digest.update((np.round(np.asarray(array), KEPT_DECIMALS) + 0.0).tobytes())
    name = start.composition.formula.replace(" ", "")
    return folder / f"{name}-{digest.hexdigest()[:16]}.json"


def write_relaxed(path: Path, structure: Structure, record: RelaxationRecord) -> None:
    """Keep a relaxed structure, whole or not at all.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    content = {"structure": structure.as_dict(), "relaxation": record.to_json()}
    part = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(content), encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        raise OutputError(
            f"cannot write {path} ({error.strerror}); make room or name another folder, and go on"
        ) from error


def read_relaxed(path: Path) -> tuple[Structure, RelaxationRecord] | None:
    """A kept relaxation; None if there is none, or it is not whole."""
    from pymatgen.core import Structure as Crystal

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        record = RelaxationRecord.model_validate(content["relaxation"])
        return Crystal.from_dict(content["structure"]), record
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError):
        return None
