"""The MACE committees that come with the package, and how they were made.

>>> [path.name for path in shipped_models()["lpscl"]][:1]
['lpscl-1.model']
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from interlith.errors import FailureError, InputError

MODELS_FOLDER = Path(__file__).parents[1] / "models"


def shipped_models() -> dict[str, list[Path]]:
    """Model files of each shipped committee, and of each member under the file's own name.

    A committee costs as much as its members together; one member does for long dynamics.
    """
    found: dict[str, list[Path]] = {}
    for card in sorted(MODELS_FOLDER.glob("*-card.json")):
        files = [MODELS_FOLDER / entry["file"] for entry in json.loads(card.read_text())["models"]]
        found[card.name.removesuffix("-card.json")] = files
        found |= {file.stem: [file] for file in files}
    return found


def shipped_card(name: str) -> dict[str, Any]:
    """Data card of a shipped committee or of the one a member is of: errors by group, limits.

    Raises
    ------
    InputError
        If none of this name is shipped.
    """
    path = MODELS_FOLDER / f"{name}-card.json"
    if not path.exists():
        path = MODELS_FOLDER / f"{name.rpartition('-')[0]}-card.json"
    if name not in shipped_models():
        known = ", ".join(shipped_models()) or "none"
        raise InputError(f"no committee '{name}' is shipped; there are: {known}")
    card: dict[str, Any] = json.loads(path.read_text())
    return card


def check_shipped(name: str) -> None:
    """Compare the files of a shipped committee with the hashes on its card.

    Raises
    ------
    InputError
        If none of this name is shipped.
    FailureError
        If a file is absent or not the one that the card describes.
    """
    for entry in shipped_card(name)["models"]:
        path = MODELS_FOLDER / entry["file"]
        if not path.exists():
            raise FailureError(f"{path} is absent; install the package again")
        if hashlib.sha256(path.read_bytes()).hexdigest() != entry["sha256"]:
            raise FailureError(
                f"{path} is not the file that its data card describes; install the package again"
            )
