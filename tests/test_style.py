"""Habits that can be read off the text: gates for a few, a report for the size budgets."""

from __future__ import annotations

import ast
import re
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = "interlith"
AIM_LINES, SPLIT_LINES, FUNCTION_LINES = 170, 500, 60
MAY_CATCH_ALL = {"cli", "workflows"}  # the command line and the job boundary turn errors to records

# Joined here, so that this file does not name them either.
REGISTRY_HOSTS = [
    ".".join(parts)
    for parts in [
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("anaconda", "org"),
        ("download", "pytorch", "org"),
        ("npmjs", "org"),
        ("deb", "debian", "org"),
    ]
]
CITATION = re.compile(r"\[([A-Z][A-Za-z]+(?:19|20)\d\d[a-z]?)\]_")


class StyleBudgetWarning(UserWarning):
    """Something is longer than the budget: a place to look, not a failure."""


def _modules(root: Path) -> Iterator[tuple[str, str]]:
    """Yield the name below the root and the text of every module of a package folder."""
    for path in sorted(root.rglob("*.py")):
        yield path.relative_to(root).as_posix(), path.read_text()


def find_bare_catches(file: str, text: str) -> list[str]:
    """Find handlers of everything (``except:``, ``except Exception``) outside their rooms."""
    if file.partition("/")[0] in MAY_CATCH_ALL:
        return []
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ExceptHandler):
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            names = {ast.unparse(c).removeprefix("builtins.") if c else "all" for c in caught}
            if names & {"all", "Exception", "BaseException"}:
                found.append(f"{file}:{node.lineno}: catches everything; name what can go wrong")
    return found


def find_asserts(file: str, text: str) -> list[str]:
    """Find ``assert``, which ``python -O`` removes and which gives no advice."""
    return [
        f"{file}:{node.lineno}: assert; raise an error of {PACKAGE}.errors that says what to do"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Assert)
    ]


def find_registry_hosts(file: str, text: str) -> list[str]:
    """Find names of package registries' hosts: where packages come from is the user's choice."""
    return [
        f"{file}:{number}: names the registry host {host}"
        for number, line in enumerate(text.splitlines(), 1)
        for host in REGISTRY_HOSTS
        if host in line.lower()
    ]


def find_unknown_citations(file: str, text: str, known: set[str]) -> list[str]:
    """Find citations such as ``[Zhu2015]_`` whose key is not in the bibliography."""
    return [
        f"{file}: cites {key}, which docs/references.bib does not hold"
        for key in sorted(set(CITATION.findall(text)) - known)
    ]


def find_long_ones(file: str, text: str) -> list[str]:
    """Find files and functions past the budget at which they are to be split."""
    found = []
    if (lines := text.count("\n")) > SPLIT_LINES:
        found.append(f"{file}: {lines} lines, split before {SPLIT_LINES}")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            lines = node.end_lineno - node.lineno + 1
            if lines > FUNCTION_LINES:
                name = f"{file}:{node.lineno} {node.name}"
                found.append(f"{name}: {lines} lines, split before {FUNCTION_LINES}")
    return found


def _bibliography_keys(repository: Path) -> set[str]:
    text = (repository / "docs" / "references.bib").read_text()
    return set(re.findall(r"^@\w+\{([^,\s]+),", text, flags=re.MULTILINE))


@pytest.mark.parametrize("find", [find_bare_catches, find_asserts, find_registry_hosts])
def test_the_package_keeps_the_habit(find, repository: Path) -> None:
    found = [line for module in _modules(repository / PACKAGE) for line in find(*module)]
    assert not found, "\n" + "\n".join(found)


def test_every_citation_is_in_the_bibliography(repository: Path) -> None:
    known = _bibliography_keys(repository)
    assert known
    modules = _modules(repository / PACKAGE)
    found = [line for module in modules for line in find_unknown_citations(*module, known)]
    assert not found, "\n" + "\n".join(found)


def test_no_file_of_the_checkout_names_a_registry_host(repository: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=repository,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    found = []
    for file in filter(None, listed.stdout.split("\0")):
        path = repository / file
        if path.is_file() and b"\0" not in (content := path.read_bytes())[:1024]:
            found += find_registry_hosts(file, content.decode(errors="replace"))
    assert not found, "\n" + "\n".join(found)


def test_report_what_is_longer_than_its_budget(repository: Path) -> None:
    modules = dict(_modules(repository / PACKAGE))
    over = sum(text.count("\n") > AIM_LINES for text in modules.values())
    print(f"{over} of {len(modules)} files are past the aim of {AIM_LINES} lines")
    for long_one in (line for module in modules.items() for line in find_long_ones(*module)):
        warnings.warn(long_one, StyleBudgetWarning, stacklevel=1)


@pytest.mark.parametrize(
    ("file", "text", "count"),
    [
        ("analysis/hull.py", "try:\n    f()\nexcept Exception:\n    pass", 1),
        ("analysis/hull.py", "try:\n    f()\nexcept (OSError, BaseException):\n    pass", 1),
        ("analysis/hull.py", "try:\n    f()\nexcept:\n    pass", 1),
        ("analysis/hull.py", "try:\n    f()\nexcept (OSError, ValueError):\n    pass", 0),
        ("workflows/jobs.py", "try:\n    f()\nexcept Exception:\n    pass", 0),
        ("cli/main.py", "try:\n    f()\nexcept Exception:\n    pass", 0),
    ],
)
def test_catching_everything_is_found(file: str, text: str, count: int) -> None:
    assert len(find_bare_catches(file, text)) == count


def test_the_other_finders_find() -> None:
    assert find_asserts("units.py", "x = 1\nassert x") == [
        "units.py:2: assert; raise an error of interlith.errors that says what to do"
    ]
    assert len(find_registry_hosts("setup.cfg", f"index = https://{REGISTRY_HOSTS[0]}/x")) == 1
    cited = '"""See [Zhu2015]_ and [Nobody1999]_ but not row[Index2]."""'
    (unknown,) = find_unknown_citations("units.py", cited, {"Zhu2015"})
    assert "Nobody1999" in unknown
    body = "    x = 1\n"
    assert not find_long_ones("units.py", "def f():\n" + body * (FUNCTION_LINES - 1))
    assert len(find_long_ones("units.py", "def f():\n" + body * FUNCTION_LINES)) == 1
    assert len(find_long_ones("units.py", "x = 1\n" * (SPLIT_LINES + 1))) == 1
