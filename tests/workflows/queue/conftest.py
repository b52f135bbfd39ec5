"""A project on MongoDB for tests of queues: the endpoint of tests/store/wire.py, or a real one."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

OWN = "INTERLITH_TEST_MONGO_URI"


def _wire() -> Any:
    path = Path(__file__).parents[2] / "store" / "wire.py"
    spec = importlib.util.spec_from_file_location("interlith_wire", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def interlith(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "interlith", *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Asking:
    """Calls of ``interlith``: ``ask("status")`` is what its ``--json`` says."""

    def __call__(self, command: str, *arguments: str) -> Any:
        return json.loads(interlith(*command.split(), "--json", *arguments))

    plain = staticmethod(interlith)


@pytest.fixture
def ask() -> Asking:
    """The command line."""
    return Asking()


@pytest.fixture
def mongo_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project on MongoDB; its jobs and its queues are there too."""
    import pymongo

    name = f"interlith_test_{uuid.uuid4().hex[:10]}"
    server = None if os.environ.get(OWN) else _wire().WireServer()
    uri = os.environ.get(OWN) or server.uri  # type: ignore[union-attr]
    monkeypatch.setenv("INTERLITH_MONGO_URI", uri)
    for variable in ("JOBFLOW_CONFIG_FILE", "JFREMOTE_PROJECT", "JFREMOTE_PROJECTS_FOLDER"):
        monkeypatch.delenv(variable, raising=False)
    interlith("init", "--store", "mongo", "--database", name)
    names = [name, f"{name}_fireworks", f"{name}_remote"]
    (tmp_path / ".interlith" / "names.json").write_text(json.dumps(names))
    yield tmp_path
    for database in names:
        pymongo.MongoClient(uri).drop_database(database)
    if server is not None:
        server.__exit__()
