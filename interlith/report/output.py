"""Writing a result folder: all of it, or nothing."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from interlith.analysis.study_results import StudyResults
from interlith.errors import OutputError
from interlith.report.html import Report, compose
from interlith.report.tables import data_files
from interlith.report.views import View, views_of

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

    Every figure goes to ``figures`` (SVG, PNG, CSV), every table to ``data`` (CSV), and a picture
    of each structure beside its file.

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
        views = views_of(results, files or {}, folder.parent)
        report = compose(results, views)
        _write(fresh / "report.html", report.page)
        for name, content in (dict(files or {}) | _further(results, views, report)).items():
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


def write_page(report: Report, path: Path, folder: str) -> None:
    """Write a page, and its figures into a folder beside it.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    files = {f"{folder}/{n}": c for d in report.figures for n, c in d.files().items()}
    try:
        for name, content in files.items():
            (path.parent / name).parent.mkdir(parents=True, exist_ok=True)
            _write(path.parent / name, content)
        fresh = path.with_name(f".{path.name}.new")
        _write(fresh, report.page)
        fresh.replace(path)
    except OSError as error:
        raise OutputError(
            f"cannot write {path} ({error.strerror or error}); choose another place with --out"
        ) from error


def _further(results: StudyResults, views: list[View], report: Report) -> dict[str, str | bytes]:
    """Pictures of the structures, figures for papers, tables; by path in the folder."""
    pictures = {view.name: view.picture for view in views if view.group == "built"}
    found: dict[str, str | bytes] = {}
    for search in results.structures:
        for cell in search.candidates:
            path = next((p for p in cell.files.values() if p.endswith(".extxyz")), "")
            still = pictures.get(PurePosixPath(path).stem)
            if still:
                found[str(PurePosixPath(path).with_suffix(".png"))] = still
    for drawing in report.figures:
        found |= {f"figures/{name}": content for name, content in drawing.files().items()}
    return found | {f"data/{name}": text for name, (text, _) in data_files(results).items()}


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
