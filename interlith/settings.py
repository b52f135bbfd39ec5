"""Folders that interlith uses, and the environment variables that move them."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Folder for parsed reference sets: ``INTERLITH_CACHE`` or the user's cache folder.

    Nothing is created here; whoever writes creates it. Everything in it may be deleted.
    """
    named = os.environ.get("INTERLITH_CACHE")
    if named:
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_cache_dir("interlith"))


def data_folder() -> Path:
    """Folder for what the user imported: ``INTERLITH_DATA`` or the user's data folder."""
    named = os.environ.get("INTERLITH_DATA")
    if named:
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_data_dir("interlith"))
