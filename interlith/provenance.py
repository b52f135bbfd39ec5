"""What produced a result: versions, machine, seed, time."""

from __future__ import annotations

import hashlib
import platform
from datetime import UTC, datetime
from pathlib import Path

from interlith.records import Record

RECORDED = ("interlith", "numpy", "scipy", "highspy", "pymatgen", "jobflow", "ase")


def file_sha256(path: Path) -> str:
    """Hash of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Provenance(Record):
    """Software and circumstances of one result."""

    created: str
    versions: dict[str, str]
    python: str
    machine: str
    seed: int | None = None
    wall_time_s: float | None = None


def provenance(seed: int | None = None, wall_time_s: float | None = None) -> Provenance:
    """Collect the versions of what is installed; absent packages are left out."""
    from importlib.metadata import PackageNotFoundError, version

    versions = {}
    for package in RECORDED:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return Provenance(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions,
        python=platform.python_version(),
        machine=f"{platform.system()} {platform.machine()}",
        seed=seed,
        wall_time_s=wall_time_s,
    )
