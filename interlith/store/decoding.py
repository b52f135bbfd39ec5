"""Documents are data: which code a document may name.

jobflow and maggma turn ``{"@module": ..., "@class": ...}`` back into objects by importing the
module. A document that somebody else could write must not choose what is imported, so everything
read from a store passes :func:`check_modules` first.
"""

from __future__ import annotations

import os
from typing import Any

from interlith.store.errors import ForeignDocumentError

KNOWN = (
    "ase",
    "atomate2",
    "chgnet",
    "custodian",
    "datetime",
    "emmet",
    "interlith",
    "jobflow",
    "mace",
    "maggma",
    "monty",
    "numpy",
    "pandas",
    "pint",
    "pymatgen",
    "sevenn",
    "torch",
    "uuid",
)
"""Packages whose classes a document may name."""
VARIABLE = "INTERLITH_TRUSTED_MODULES"
"""Further packages, comma-separated: those of a user's own jobs."""

FUNCTION_DENIED = ("system", "popen", "eval", "exec", "load", "loads", "loadfn", "run", "call")


def check_modules(data: Any) -> None:
    """Refuse a document that names code outside of the known packages.

    Parameters
    ----------
    data : any
        Dictionaries, lists and scalars, as read from the store.

    Raises
    ------
    ForeignDocumentError
        Naming the module.
    """
    waiting = [data]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            if "@module" in found:
                _check(found)
            waiting.extend(found.values())
        elif isinstance(found, list | tuple):
            waiting.extend(found)


def _check(found: dict[str, Any]) -> None:
    module = found["@module"]
    if module == "" or module is None:  # jobflow writes this for plain data kept as a blob
        return
    known = {*KNOWN, *os.environ.get(VARIABLE, "").replace(" ", "").split(",")} - {""}
    if not isinstance(module, str) or module.partition(".")[0] not in known:
        raise ForeignDocumentError(
            f"a stored document names code of '{module}', which is not loaded from a store; known "
            f"are {', '.join(sorted(known))}. If it is your own, add its package to {VARIABLE}"
        )
    name = found.get("@callable", "")
    if isinstance(name, str) and name.rpartition(".")[2] in FUNCTION_DENIED:
        raise ForeignDocumentError(
            f"a stored document asks for the function {module}.{name}, which could run anything; "
            "it is not loaded"
        )
