"""Writing a result folder: all of it, or nothing."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from interlith.analysis.study_results import StudyResults
from interlith.errors import OutputError
from interlith.report.html import render

MARKER = "results.json"


def check_writable(folder: Path) -> None:
    """Refuse a result folder that cannot be written, before any work is done.

    Raises
    ------
    OutputError
        If the parent is no writable folder, or the folder holds something else.
    """
    parent = folder.resolve().parent
    if not parent.is_dir():
        raise OutputError(f"the folder {parent} does not exist; create it or choose another --out")
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; choose another folder with --out")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARKER).exists():
        raise OutputError(
            f"the folder {folder} holds other files; choose an empty or new one with --out"
        )
    try:
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=parent):
            pass
    except OSError as error:
        raise OutputError(
            f"cannot write in {parent} ({error.strerror}); choose another folder with --out"
        ) from error


def write_results(
    results: StudyResults, folder: Path, files: Mapping[str, str | bytes] | None = None
) -> None:
    """Write ``results.json``, ``report.html`` and further files, replacing an earlier result.

    Everything is written into a new folder beside the target first, so that a full disk leaves
    the earlier result untouched and no half-written one.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    folder = folder.resolve()
    try:
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise OutputError(
            f"cannot write in {folder.parent} ({error.strerror}); choose another folder with --out"
        ) from error
    try:
        _write(fresh / MARKER, json.dumps(results.to_json(), indent=1, allow_nan=False))
        _write(fresh / "report.html", render(results))
        for name, content in (files or {}).items():
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            _write(fresh / name, content)
        fresh.chmod(0o755)
        _swap(fresh, folder)
    except OSError as error:
        raise OutputError(
            f"cannot write the results to {folder} ({error.strerror or error}); nothing was left "
            "there. Free some space or choose another folder with --out, and run again"
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _write(path: Path, content: str | bytes) -> None:
    with path.open("wb") as file:
        file.write(content.encode("utf-8") if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())


def _swap(fresh: Path, folder: Path) -> None:
    if not folder.exists():
        fresh.rename(folder)
        return
    old = folder.with_name(f".{folder.name}.old-{os.getpid()}")
    folder.rename(old)
    try:
        fresh.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
