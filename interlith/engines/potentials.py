"""Machine-learned potentials by exact name: what they are, and an ASE calculator on demand.

A potential is its weight file: the sha256 travels with every energy, so that two models never
share a hull by accident. torch is imported only when a calculator is made.

>>> from interlith.engines.potentials import potential
>>> potential("emt").identity.name
'emt'
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from importlib import metadata, util
from pathlib import Path
from typing import Any

from interlith.errors import InputError, MissingDependencyError
from interlith.records import Record

_SEVENNET_FILES = {
    "7net-0": "SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth",
    "7net-l3i5": "SevenNet_l3i5/checkpoint_l3i5.pth",
}
_SEVENNET_LICENCE = "GPL-3.0 (sevenn 0.10 code and its wheel); the same weights are also MIT"


class PotentialIdentity(Record):
    """Names a potential exactly.

    Attributes
    ----------
    sha256 : str
        Hash of the weight file; of name and version for a potential without one.
    """

    name: str
    sha256: str
    versions: dict[str, str]
    dtype: str
    device: str
    licence: str


@dataclass(frozen=True)
class Potential:
    """A named potential; ``calculator()`` makes a new ASE calculator, importing what it needs."""

    identity: PotentialIdentity
    make: Callable[[], Any]

    def calculator(self) -> Any:
        """A new ASE calculator."""
        return self.make()


def list_potentials() -> list[str]:
    """Names that :func:`potential` takes."""
    return [*_SEVENNET_FILES, "emt", "lj"]


def potential(name: str) -> Potential:
    """A potential by name: ``7net-0``, ``7net-l3i5``, or ``emt`` and ``lj`` for tests.

    Raises
    ------
    InputError
        If there is none of this name.
    MissingDependencyError
        If it needs the extra ``ml``.
    """
    if name in _SEVENNET_FILES:
        return _sevennet(name)
    if name in ("emt", "lj"):
        return _toy(name)
    raise InputError(f"no potential is called '{name}'; there are {', '.join(list_potentials())}")


def settle_threads() -> None:
    """One passive thread a process, unless the environment says otherwise.

    Must run before torch is imported: two spinning threads on busy cores are 100 times slower
    than one.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@cache
def _sevennet(name: str) -> Potential:
    weights = _sevennet_folder() / _SEVENNET_FILES[name]
    identity = PotentialIdentity(
        name=name,
        sha256=hashlib.sha256(weights.read_bytes()).hexdigest(),
        versions={package: metadata.version(package) for package in ("sevenn", "torch", "ase")},
        dtype="float32",
        device="cpu",
        licence=_SEVENNET_LICENCE,
    )
    return Potential(identity, partial(_sevennet_calculator, weights))


def _sevennet_folder() -> Path:
    """Where the weights lie in the installed wheel, without importing torch."""
    found = util.find_spec("sevenn")
    if found is None or found.origin is None or util.find_spec("torch") is None:
        raise MissingDependencyError(
            "the SevenNet potentials need sevenn and torch, which are not installed; run "
            "pip install 'interlith[ml]'"
        )
    return Path(found.origin).parent / "pretrained_potentials"


def _sevennet_calculator(weights: Path) -> Any:
    settle_threads()
    import torch

    # e3nn 0.4 keeps a slice in its constants, which torch >= 2.6 refuses to unpickle untold.
    with torch.serialization.safe_globals([slice]):
        from sevenn.calculator import SevenNetCalculator

    return SevenNetCalculator(str(weights), device="cpu")


def _toy(name: str) -> Potential:
    version = metadata.version("ase")
    identity = PotentialIdentity(
        name=name,
        sha256=hashlib.sha256(f"ase {name} {version}".encode()).hexdigest(),
        versions={"ase": version},
        dtype="float64",
        device="cpu",
        licence="LGPL-2.1 (ase); toy potential for tests",
    )
    return Potential(identity, partial(_toy_calculator, name))


def _toy_calculator(name: str) -> Any:
    if name == "emt":
        from ase.calculators.emt import EMT

        return EMT()
    from ase.calculators.lj import LennardJones

    return LennardJones(sigma=2.5, epsilon=0.1, rc=7.5, smooth=True)
