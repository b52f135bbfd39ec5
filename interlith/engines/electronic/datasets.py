"""GPAW's PAW datasets: which elements there are, valence electrons, sha256."""

from __future__ import annotations

import gzip
import hashlib
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from interlith.errors import InputError, MissingDependencyError
from interlith.records import Record

HOW_TO_INSTALL = (
    "GPAW is not installed. On Debian or Ubuntu: 'apt-get install g++ libopenblas-dev libxc-dev "
    "libopenmpi-dev openmpi-bin', then 'pip install gpaw gpaw-data' (or 'pip install "
    "interlith[dft]')"
)
HEAD_BYTES = 4096
OWN_FOLDER = Path(__file__).parent / "paw"
"""Datasets that GPAW does not ship, made by its own generator; ``paw/README.md`` says how."""


class Dataset(Record):
    """One PAW dataset.

    Attributes
    ----------
    valence_electrons : int
        Electrons that are not frozen.
    """

    element: str
    xc: str
    valence_electrons: int
    sha256: str
    generator: str


def require_gpaw() -> None:
    """Say how to install GPAW where it is missing.

    Raises
    ------
    MissingDependencyError
        With the exact lines.
    """
    for package in ("gpaw", "gpaw_data"):
        if find_spec(package) is None:
            raise MissingDependencyError(HOW_TO_INSTALL)


@cache
def dataset_elements(xc: str = "PBE") -> tuple[str, ...]:
    """Elements with a dataset for the functional, by atomic number."""
    from ase.data import atomic_numbers

    ending = f".{xc}.gz"
    names = {path.name.removesuffix(ending) for path in _folder().glob(f"*{ending}")}
    return tuple(sorted((n for n in names if n in atomic_numbers), key=atomic_numbers.get))  # type: ignore[arg-type]


@cache
def dataset(element: str, xc: str = "PBE", tag: str | None = None) -> Dataset:
    """The dataset that GPAW uses for an element, or one of our own by its tag.

    Raises
    ------
    InputError
        If there is none, with the elements that have one.
    """
    path = _folder() / f"{element}.{xc}.gz"
    if tag is not None:
        path = OWN_FOLDER / f"{element}.{tag}.{xc}.gz"
        if not path.is_file():
            own = sorted(p.name.removesuffix(f".{xc}.gz") for p in OWN_FOLDER.glob(f"*.{xc}.gz"))
            raise InputError(
                f"no {xc} dataset '{tag}' of {element} comes with this package; there are "
                f"{', '.join(own)}"
            )
    if not path.is_file():
        known = dataset_elements(xc)
        raise InputError(
            f"GPAW has no {xc} dataset for {element}; there are {len(known)}, for: "
            f"{', '.join(known)}. Use another engine (vasp, or a potential) for this material"
        )
    with gzip.open(path, "rt", encoding="utf-8") as file:
        head = file.read(HEAD_BYTES)
    valence = re.search(r'<atom [^>]*valence="([\d.]+)"', head)
    generator = re.search(r'<generator type="([^"]*)" name="([^"]*)"', head)
    if valence is None:
        raise InputError(f"{path} is no PAW dataset that GPAW wrote; reinstall gpaw-data")
    return Dataset(
        element=element,
        xc=xc,
        valence_electrons=round(float(valence[1])),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        generator=" ".join(generator.groups()) if generator else "",
    )


def _folder() -> Path:
    require_gpaw()
    from importlib import import_module

    return Path(str(import_module("gpaw_data").datapath()))
