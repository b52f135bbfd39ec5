"""The wheel carries the code and every data file beside it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path


def test_the_wheel_holds_every_file_of_the_package(repository: Path, tmp_path: Path) -> None:
    offline = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    pip_wheel = [sys.executable, "-m", "pip", "wheel", *offline]
    subprocess.run([*pip_wheel, "--wheel-dir", str(tmp_path), str(repository)], check=True)
    (wheel,) = tmp_path.glob("interlith-*.whl")
    packed = {n for n in zipfile.ZipFile(wheel).namelist() if n.startswith("interlith/")}
    files = {
        path.relative_to(repository).as_posix()
        for path in (repository / "interlith").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    files |= {f"interlith/{path.relative_to(repository)}" for path in repository.glob("examples/*")}
    assert files
    assert packed == files
