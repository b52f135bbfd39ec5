"""How large a document may be, checked before anything is written, in every store alike."""

from __future__ import annotations

from typing import Any

from interlith.store.errors import DocumentTooLargeError

LIMIT_BYTES = 15_000_000
"""Largest document; MongoDB's limit is 16 MiB = 16 777 216 bytes, its own fields included."""


def document_bytes(document: dict[str, Any]) -> int:
    """Size of a document as MongoDB stores it."""
    import bson

    return len(bson.encode(document))


def check_size(document: dict[str, Any], subject: str) -> None:
    """Refuse a document that comes near MongoDB's limit.

    Raises
    ------
    DocumentTooLargeError
        Naming the largest fields and what to do with them.
    """
    size = document_bytes(document)
    if size <= LIMIT_BYTES:
        return
    inner = document["record"] if isinstance(document.get("record"), dict) else document
    fields = sorted(
        ((document_bytes({"_": value}), name) for name, value in inner.items()), reverse=True
    )
    named = ", ".join(f"{name} ({each / 1e6:.1f} MB)" for each, name in fields[:3])
    raise DocumentTooLargeError(
        f"{subject} has {size / 1e6:.1f} MB and a document may have {LIMIT_BYTES / 1e6:.0f} MB "
        f"(MongoDB stops at 16.8); the largest fields are {named}. Keep arrays and trajectories as "
        "files (artefacts) and their hash in the record"
    )
