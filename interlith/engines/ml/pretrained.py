"""SevenNet and CHGNet: weights that come inside an installed package, and own SevenNet files."""

from __future__ import annotations

from functools import partial
from importlib import util
from pathlib import Path
from typing import Any, NamedTuple

from interlith.engines.identity import UNSTATED, Potential, PotentialIdentity
from interlith.engines.ml.model_files import file_sha256, read_card, sevennet_elements
from interlith.engines.ml.torch_setup import (
    DTYPES,
    check_installed,
    resolve_device,
    resolve_dtype,
    versions_of,
)
from interlith.errors import InputError

MPTRJ_ELEMENTS = tuple(
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se "
    "Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb "
    "Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Ac Th Pa U Np Pu".split()
)
"""The elements of the Materials Project trajectories, which these models learned from."""

RAW_MPTRJ = "PBE and PBE+U (Materials Project settings)"
NO_CORRECTIONS = "none"


class _Weights(NamedTuple):
    package: str
    file: str
    corrections: str
    licence: str


_SEVENNET_LICENCE = "GPL-3.0 (sevenn 0.10 code and its wheel); the same weights are also MIT"
WEIGHTS = {
    "7net-0": _Weights(
        "sevenn",
        "pretrained_potentials/SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth",
        NO_CORRECTIONS,
        _SEVENNET_LICENCE,
    ),
    "7net-l3i5": _Weights(
        "sevenn",
        "pretrained_potentials/SevenNet_l3i5/checkpoint_l3i5.pth",
        NO_CORRECTIONS,
        _SEVENNET_LICENCE,
    ),
    "chgnet": _Weights(
        "chgnet",
        "pretrained/0.3.0/chgnet_0.3.0_e29f68s314m37.pth.tar",
        "MP2020 (already in its energies)",
        "BSD-3-Clause, modified (chgnet)",
    ),
}


def pretrained(name: str, device: str, dtype: str | None) -> Potential:
    """A potential of :data:`WEIGHTS`.

    Raises
    ------
    MissingDependencyError
        If its package is not installed.
    """
    entry = WEIGHTS[name]
    check_installed(name, entry.package, "torch")
    path = weights_path(name)
    identity = PotentialIdentity(
        name=name,
        sha256=file_sha256(path),
        versions=versions_of(entry.package, "torch", "ase"),
        dtype=resolve_dtype(dtype, "float32", name, DTYPES),
        device=resolve_device(device),
        licence=entry.licence,
        functional=RAW_MPTRJ,
        corrections=entry.corrections,
        elements=MPTRJ_ELEMENTS,
        files=(f"{entry.package}/{entry.file}",),
    )
    return Potential(identity, partial(_calculator, identity, path))


def sevennet_from_file(name: str, device: str, dtype: str | None) -> Potential:
    """``7net:/path/checkpoint.pth``: a SevenNet of one's own, such as one tuned with ``sevenn``.

    Functional, corrections and licence are what a file of the same name, ``.yaml``, says of it.

    Raises
    ------
    InputError
        If no file is named, there is none, or it is no SevenNet.
    MissingDependencyError
        If sevenn is not installed.
    """
    if name == "7net:":
        raise InputError("'7net:' names no file; write 7net:/path/to/file.pth")
    path = Path(name.removeprefix("7net:")).expanduser()
    elements = sevennet_elements(path)
    check_installed(name, "sevenn", "torch")
    card = read_card(path)
    identity = PotentialIdentity(
        name=name,
        sha256=file_sha256(path),
        versions=versions_of("sevenn", "torch", "ase"),
        dtype=resolve_dtype(dtype, "float32", name, DTYPES),
        device=resolve_device(device),
        licence=card.licence or UNSTATED,
        functional=card.functional or UNSTATED,
        corrections=card.corrections or UNSTATED,
        elements=elements,
        files=(str(path),),
    )
    return Potential(identity, partial(_calculator, identity, path))


def weights_path(name: str) -> Path:
    """Where the weights lie in the installed package, without importing it."""
    entry = WEIGHTS[name]
    found = util.find_spec(entry.package)
    if found is None or found.origin is None:
        raise FileNotFoundError(f"the package {entry.package} has no folder")
    return Path(found.origin).parent / entry.file


def _calculator(
    identity: PotentialIdentity, path: Path, *, stress: bool, elements: tuple[str, ...] | None
) -> Any:
    """``elements`` is not used: these models are not cut down."""
    from interlith.engines.ml.edge_calculator import EdgeCalculator

    if identity.name == "chgnet":
        from interlith.engines.ml.chgnet_models import CHGNetModel as Model
    else:
        from interlith.engines.ml.sevennet_models import SevenNetModel as Model  # type: ignore[assignment]
    model = Model(path, identity.device, identity.dtype)
    return EdgeCalculator([model], identity.name, stress=stress)
