"""Credentials: from the environment or a file that only its owner reads, and never shown.

The address of a MongoDB server with user and password is one secret. It is read when a connection
is made and kept in no record, configuration or message.

>>> secret = Secret("mongodb://user:word@host/db")
>>> f"{secret}"
'***'
>>> redact("cannot reach mongodb://user:word@host/db")
'cannot reach mongodb://***@host/db'
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from interlith.errors import InputError

URI_VARIABLE = "INTERLITH_MONGO_URI"
FILE_VARIABLE = "INTERLITH_MONGO_FILE"
USER_PART = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^\s/@'\"]*(?:@[^\s/@'\"]*)*@")
WORDS = re.compile(
    r"(?i)((?:password|passwd|secret|token|api_?key)['\"]?\s*[=:]\s*['\"]?)[^\s,'\"&]+"
)


class Secret:
    """A text that prints, logs and pickles as nothing."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself; for the call that needs it, not for a variable."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        return Secret, ("***",)


def redact(text: str) -> str:
    """The text without user names and passwords of addresses, and without named secrets."""
    return WORDS.sub(r"\1***", USER_PART.sub(r"\g<scheme>***@", text))


def mongo_uri() -> Secret:
    """Address of the MongoDB server.

    Raises
    ------
    InputError
        If there is none, or others may read the file that holds it.
    """
    given = os.environ.get(URI_VARIABLE)
    if given:
        return Secret(given.strip())
    file = os.environ.get(FILE_VARIABLE)
    if file:
        return Secret(read_private(Path(file)))
    raise InputError(
        f"the address of the MongoDB server is not known; set {URI_VARIABLE} to "
        f"mongodb://USER:PASSWORD@HOST/DATABASE, or {FILE_VARIABLE} to a file with it (mode 0600)"
    )


def read_private(path: Path) -> str:
    """First line of a file that nobody else may read.

    Raises
    ------
    InputError
        If it cannot be read, is empty, or group or others have any right on it.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InputError(f"cannot read the credentials file {path} ({why})") from error
    if stat.S_IMODE(mode) & 0o077:
        raise InputError(
            f"the credentials file {path} has mode {stat.S_IMODE(mode):04o}, so others may read "
            f"it; run chmod 600 {path}"
        )
    if not text:
        raise InputError(f"the credentials file {path} is empty; its first line is the address")
    return text.splitlines()[0].strip()
