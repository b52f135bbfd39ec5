"""Any ASE calculator by its dotted name, and ASE's own toys."""

from __future__ import annotations

import hashlib
import importlib
import json
from functools import partial
from importlib import metadata, util
from pathlib import Path
from typing import Any

from interlith.engines.identity import UNSTATED, Potential, PotentialIdentity
from interlith.engines.ml.model_files import file_sha256
from interlith.engines.ml.torch_setup import resolve_dtype, settle_threads
from interlith.errors import InputError, MissingDependencyError

TOYS = {
    "emt": ("ase.calculators.emt.EMT", {}),
    "lj": (
        "ase.calculators.lj.LennardJones",
        {"sigma": 2.5, "epsilon": 0.1, "rc": 7.5, "smooth": True},
    ),
}
EMT_ELEMENTS = tuple("H C N O Al Ni Cu Pd Ag Pt Au".split())


def toy(name: str, device: str, dtype: str | None) -> Potential:
    """``emt`` or ``lj``, for tests."""
    _only_cpu(name, device)
    version = metadata.version("ase")
    identity = PotentialIdentity(
        name=name,
        sha256=hashlib.sha256(f"ase {name} {version}".encode()).hexdigest(),
        versions={"ase": version},
        dtype=resolve_dtype(dtype, "float64", name, ("float64",)),
        device="cpu",
        licence="LGPL-2.1 (ase); toy potential for tests",
        functional="none: an empirical potential",
        corrections="none",
        elements=EMT_ELEMENTS if name == "emt" else (),
    )
    return Potential(identity, partial(_calculator, *TOYS[name]))


def from_dotted_name(name: str, device: str, dtype: str | None) -> Potential:
    """``ase:module.Class`` or ``ase:module.Class{"argument": 1}``.

    The calculator sets its own device and number type, through its arguments. Files named by the
    arguments are hashed into the identity.

    Raises
    ------
    InputError
        If the name or its arguments cannot be read.
    MissingDependencyError
        If its package is not installed.
    """
    dotted, arguments = _parse(name)
    package = dotted.partition(".")[0]
    if util.find_spec(package) is None:
        raise MissingDependencyError(
            f"'{name}' needs the package {package}, which is not installed; install the "
            "distribution that has it, or correct the name"
        )
    chosen = str(arguments.get("device", "cpu"))
    if device not in ("auto", chosen):
        raise InputError(f"device '{device}' for '{name}': say so in its arguments, if it has any")
    if dtype is not None:
        raise InputError(f"dtype '{dtype}' for '{name}': say so in its arguments, if it has any")
    files = tuple(str(Path(value).resolve()) for value in _files(arguments))
    versions = _versions(package)
    text = json.dumps(
        [dotted, arguments, versions, [file_sha256(Path(file)) for file in files]], sort_keys=True
    )
    identity = PotentialIdentity(
        name=name,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        versions=versions,
        dtype=str(arguments.get("default_dtype", arguments.get("dtype", "as its class chooses"))),
        device=chosen,
        licence=UNSTATED,
        functional=UNSTATED,
        corrections=UNSTATED,
        files=files,
    )
    return Potential(identity, partial(_calculator, dotted, arguments), ("energy", "forces"))


def _parse(name: str) -> tuple[str, dict[str, Any]]:
    dotted, brace, rest = name.removeprefix("ase:").partition("{")
    if not all(part.isidentifier() for part in dotted.split(".")) or "." not in dotted:
        raise InputError(
            f"'{name}' is no dotted name; write ase:module.Class, with arguments as JSON: "
            'ase:ase.calculators.lj.LennardJones{"sigma": 2.5}'
        )
    if not brace:
        return dotted, {}
    try:
        arguments = json.loads(brace + rest)
    except json.JSONDecodeError as error:
        raise InputError(f"the arguments of '{name}' are no JSON object: {error}") from error
    return dotted, dict(arguments)


def _files(arguments: dict[str, Any]) -> list[str]:
    """The strings among the arguments that are files."""
    found: list[str] = []
    for value in arguments.values():
        values = value if isinstance(value, list) else [value]
        found += [item for item in values if isinstance(item, str) and Path(item).is_file()]
    return found


def _versions(package: str) -> dict[str, str]:
    distributions = metadata.packages_distributions().get(package, [])
    return {name: metadata.version(name) for name in sorted({*distributions, "ase"})}


def _only_cpu(name: str, device: str) -> None:
    if device not in ("cpu", "auto"):
        raise InputError(f"device '{device}' for the potential '{name}': it runs on the cpu only")


def _calculator(
    dotted: str,
    arguments: dict[str, Any],
    *,
    stress: bool,
    elements: tuple[str, ...] | None,
) -> Any:
    """``stress`` and ``elements`` are not passed on: ASE has no common way to say them."""
    settle_threads()
    module, _, kind = dotted.rpartition(".")
    try:
        made = getattr(importlib.import_module(module), kind)
    except (ImportError, AttributeError) as error:
        raise InputError(f"there is no calculator {dotted}: {error}") from error
    try:
        return made(**arguments)
    except (TypeError, ValueError, OSError) as error:
        raise InputError(f"{dotted} does not take {json.dumps(arguments)}: {error}") from error
