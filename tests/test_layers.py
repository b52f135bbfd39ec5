"""Imports go one way, and heavy libraries load only where they are used.

The rules are the tables below; a new room is one line in ``ROOMS``. The checker reads syntax trees,
so a violation names its file, its line and the rule. The last tests measure the same from outside:
what a fresh interpreter has loaded after an import.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = "interlith"
GROUND = {"__init__", "errors", "formatting", "h5md", "provenance", "records", "settings", "units"}
EVERYTHING = {"ground", "structures", "engines", "analysis", "workflows", "store", "report", "cli"}

# room: the rooms it may import from
ROOMS: dict[str, set[str]] = {
    "ground": {"ground"},
    "structures": {"ground", "structures"},
    "engines": {"ground", "engines"},
    "analysis": {"ground", "structures", "analysis"},
    "workflows": {"ground", "structures", "engines", "analysis", "workflows"},
    "store": {"ground", "analysis", "store"},  # of analysis only the records
    "report": {"ground", "analysis", "report"},  # of analysis only the records
    "cli": EVERYTHING,
    "__main__": {"cli"},
}
RECORDS_ONLY = {"store", "report"}  # from analysis these take classes, by name
RECORD_NAME = re.compile(r"[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*")

TORCH = {"torch", "mace", "sevenn", "chgnet", "e3nn"}  # torch and what loads it
JOBFLOW = {"jobflow", "atomate2", "fireworks", "maggma", "jobflow_remote"}  # likewise
HEAVY = TORCH | JOBFLOW | {"pymatgen", "ase", "matplotlib", "scipy", "pandas"}

# room: libraries that it never imports, and libraries that it imports only inside functions
NEVER = {room: TORCH | JOBFLOW for room in ("ground", "structures", "analysis")}
LAZILY = {room: TORCH for room in ("engines", "workflows", "store", "report")} | {
    room: HEAVY for room in ("cli", "__main__")
}


@dataclass(frozen=True)
class Import:
    """One imported dotted name and where it stands."""

    name: str
    line: int
    at_import_time: bool  # outside every function, and not for the type checker alone


@dataclass(frozen=True)
class Violation:
    """A broken rule, as a reader wants to see it."""

    file: str
    line: int
    rule: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule}"


def _is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def _names(node: ast.AST, package: list[str]) -> list[str]:
    """Return what one node imports; ``package`` is the parent of the module it stands in."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        above = package[: len(package) - node.level + 1] if node.level else []
        base = ".".join([*above, *([node.module] if node.module else [])])
        return [f"{base}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        function = ast.unparse(node.func).rpartition(".")[2]
        if function in {"import_module", "__import__"} and isinstance(node.args[0].value, str):
            return [node.args[0].value]
    return []


def _imports(node: ast.AST, package: list[str], at_import_time: bool = True) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.expr):
            for name in _names(child, package):
                yield Import(name, child.lineno, at_import_time)
        if isinstance(child, ast.If) and _is_type_checking(child.test):
            for statement in child.body:
                yield from _imports(ast.Module([statement], []), package, False)
            yield from _imports(ast.Module(child.orelse, []), package, at_import_time)
            continue
        lazy = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _imports(child, package, at_import_time and not lazy)


def _room(parts: list[str]) -> str:
    """Return the room of a module given by the parts of its dotted name below the package."""
    first = parts[0] if parts else "__init__"
    return "ground" if first in GROUND else first


def _check_import(room: str, module: Import) -> Iterator[str]:
    top, _, rest = module.name.partition(".")
    if top != PACKAGE:
        if top in NEVER.get(room, ()):
            yield f"{room} never imports {top}"
        if module.at_import_time and top in LAZILY.get(room, ()):
            yield f"{room} imports {top} only inside functions"
        return
    parts = rest.split(".") if rest else []
    # `from interlith import __version__` names an attribute of the ground floor, not a room.
    target = _room(parts) if parts and parts[0] != "__version__" else "ground"
    if target not in ROOMS[room]:
        yield f"{room} may import from {', '.join(sorted(ROOMS[room]))}, not from {target}"
    elif room in RECORDS_ONLY and target == "analysis" and not RECORD_NAME.fullmatch(parts[-1]):
        yield f"{room} takes only records (classes) from analysis, not {parts[-1]}"


def find_violations(root: Path) -> list[Violation]:
    """Check every module of the package folder ``root``."""
    found = []
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        file = (Path(root.name) / relative).as_posix()
        room = _room([*relative.parts[:-1], relative.stem])
        if room not in ROOMS:
            found.append(Violation(file, 1, f"{room} is no room: add it to ROOMS with its rules"))
            continue
        tree = ast.parse(path.read_text(), filename=str(path))
        for module in _imports(tree, [PACKAGE, *relative.parts[:-1]]):
            found += [Violation(file, module.line, rule) for rule in _check_import(room, module)]
    return found


def test_the_package_keeps_the_rules(repository: Path) -> None:
    violations = find_violations(repository / PACKAGE)
    assert not violations, "\n" + "\n".join(map(str, violations))


# (file, text, line and part of the rule; None where the text is fine)
CASES = [
    ("errors.py", "from interlith.analysis import hull", (1, "not from analysis")),
    ("units.py", "import jobflow", (1, "never imports jobflow")),
    ("structures/slabs.py", "from interlith.engines import md", (1, "not from engines")),
    ("structures/slabs.py", "\ndef f():\n    import torch", (3, "never imports torch")),
    ("engines/md.py", "import ase\nimport torch.nn", (2, "torch only inside functions")),
    ("engines/md.py", "class A:\n    from mace import tools", (2, "only inside functions")),
    ("engines/md.py", "from interlith import structures", (1, "not from structures")),
    ("engines/md.py", "from ..structures.slabs import cut", (1, "not from structures")),
    ("analysis/hull.py", "from atomate2.ase import md", (1, "never imports atomate2")),
    ("analysis/hull.py", "import importlib\nimportlib.import_module('torch')", (2, "never")),
    ("analysis/hull.py", "from .. import workflows", (1, "not from workflows")),
    ("workflows/flow.py", "import interlith.report.page", (1, "not from report")),
    ("report/page.py", "from interlith.analysis.hull import solve", (1, "not solve")),
    ("report/page.py", "from interlith.store import database", (1, "not from store")),
    ("store/db.py", "from interlith.cli import main", (1, "not from cli")),
    ("cli/window.py", "from pymatgen.core import Composition", (1, "pymatgen only inside")),
    ("cli/window.py", "if True:\n    import scipy", (2, "scipy only inside")),
    ("helpers.py", "", (1, "helpers is no room")),
    ("helpers/__init__.py", "", (1, "helpers is no room")),
    ("errors.py", "from interlith import __version__\nimport numpy", None),
    ("structures/slabs.py", "from ase import Atoms\nfrom .cells import cut\n", None),
    ("engines/md.py", "def run():\n    import torch\n    from mace import tools", None),
    (
        "engines/md.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch",
        None,
    ),
    ("analysis/hull.py", "from interlith.structures.cells import cut", None),
    ("report/page.py", "from interlith.analysis.hull import WindowRecord", None),
    ("cli/window.py", "def run():\n    import pymatgen\n    import interlith.workflows", None),
    ("__main__.py", "from interlith.cli.main import main", None),
]


@pytest.mark.parametrize(("file", "text", "expected"), CASES)
def test_the_checker_sees(
    tmp_path: Path, file: str, text: str, expected: tuple[int, str] | None
) -> None:
    path = tmp_path / PACKAGE / file
    path.parent.mkdir(parents=True)
    path.write_text(text)
    violations = find_violations(tmp_path / PACKAGE)
    if expected is None:
        assert not violations
    else:
        (violation,) = violations
        line, rule = expected
        assert (violation.file, violation.line) == (f"{PACKAGE}/{file}", line)
        assert rule in violation.rule


def _loaded_after(statement: str, cwd: Path) -> set[str]:
    """Return the heavy libraries, folders and log handlers that a fresh interpreter ends with."""
    code = (
        f"{statement}\nimport logging, os, sys\n"
        f"print(*({HEAVY!r} & set(sys.modules)), *os.listdir(), *logging.getLogger().handlers)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, check=True, capture_output=True, text=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module", ["", *(f".{name}" for name in sorted(GROUND - {"__init__"})), ".cli.main"]
)
def test_importing_loads_nothing_heavy(
    module: str, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = repository / PACKAGE / module[1:].replace(".", "/")
    if not (path.is_dir() or path.with_suffix(".py").exists()):
        pytest.skip(f"there is no {PACKAGE}{module} yet")
    monkeypatch.setenv("PYTHONPATH", str(repository))
    assert _loaded_after(f"import {PACKAGE}{module}", tmp_path) == set()


def test_a_heavy_import_is_measured(tmp_path: Path) -> None:
    assert "scipy" in _loaded_after("import scipy", tmp_path)
