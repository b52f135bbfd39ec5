"""``interlith examples``: studies that run as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from interlith.cli.common import JsonOption, print_json, print_tables, table
from interlith.errors import InputError, OutputError


def examples(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="What to copy, or all.")
    ] = None,
    to: Annotated[Path, typer.Option("--to", help="Folder that gets the files.")] = Path("."),
    as_json: JsonOption = False,
) -> None:
    """List the shipped studies, or copy some of them with the energies that they need."""
    found = _shipped()
    if not names:
        if as_json:
            print_json(list(found.values()))
            return
        rows = [[name, example["about"]] for name, example in found.items()]
        print_tables(
            table("Studies: interlith examples NAME copies one", ("name", "what it is"), rows)
        )
        return
    wanted = list(found) if names == ["all"] else list(dict.fromkeys(names))
    unknown = [name for name in wanted if name not in found]
    if unknown:
        raise InputError(f"no example '{unknown[0]}'; there are {', '.join(found)}, and all")
    copied = [_copy(found[name], to) for name in wanted]
    if as_json:
        print_json(copied)
        return
    for example in copied:
        print_tables(f"{', '.join(example['files'])}: {example['command']}")


def folder() -> Path:
    """Where the studies lie: within the installed package, or in a checkout beside it."""
    package = Path(__file__).parents[1]
    packed = package / "examples"
    return packed if packed.is_dir() else package.parent / "examples"


def _shipped() -> dict[str, dict[str, Any]]:
    """Name, first comment and files of each study, in order of the names.

    Raises
    ------
    OutputError
        If the folder is missing from the installation.
    """
    studies = sorted(folder().glob("*.yaml"))
    if not studies:
        raise OutputError(f"the examples are missing from {folder()}; install interlith again")
    return {path.stem: _read(path) for path in studies}


def _read(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")
    comment: list[str] = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        comment.append(line.removeprefix("#").strip())
    beside = [file.name for file in path.parent.glob("*.csv") if file.name in text]
    return {"name": path.stem, "about": " ".join(comment), "files": [path.name, *beside]}


def _copy(example: dict[str, Any], to: Path) -> dict[str, Any]:
    """Copy the files of a study; what is there already must be the same.

    Raises
    ------
    InputError
        If a file of this name says something else.
    OutputError
        If the folder cannot be written.
    """
    for name in example["files"]:
        content, target = (folder() / name).read_bytes(), to / name
        try:
            to.mkdir(parents=True, exist_ok=True)
            if target.exists() and target.read_bytes() != content:
                raise InputError(f"{target} is there with other contents; move it, or name --to")
            target.write_bytes(content)
        except OSError as error:
            raise OutputError(f"cannot write {target} ({error.strerror}); name --to") from error
    files = [str(to / name) for name in example["files"]]
    return {**example, "files": files, "command": f"interlith assess {files[0]}"}
