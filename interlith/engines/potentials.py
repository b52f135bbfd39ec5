"""Potentials by exact name: what they are, and an ASE calculator on demand.

A potential is its weight file: the sha256 travels with every energy, so that two models never
share a hull by accident. torch is imported only when a calculator is made.

=============================  =====================================================
``7net-0``, ``7net-l3i5``      SevenNet; the weights are in the package ``sevenn``
``chgnet``                     CHGNet 0.3.0; the weights are in the package ``chgnet``
``7net:/a.pth``                a SevenNet file, such as one tuned with ``sevenn``
``mace:/a.model``              a MACE file
``mace:/a.model,/b.model``     a committee: mean, and standard deviations as results
``mace_mp:small``              a published MACE model from mace's cache
``ase:module.Class{"a": 1}``   any ASE calculator, with arguments as JSON
``gpaw``                       DFT: PBE with GPAW, settings by task and chemistry
``gpaw:{"task": "relax"}``     the same with a task and other settings as JSON
``emt``, ``lj``                toys for tests
=============================  =====================================================

>>> from interlith.engines.potentials import potential
>>> copper = potential("emt")
>>> copper.identity.name, copper.identity.dtype
('emt', 'float64')
>>> from ase.build import bulk
>>> atoms = bulk("Cu", a=3.6)
>>> atoms.calc = copper.calculator(stress=False)
>>> round(float(atoms.get_potential_energy()), 3)
-0.007
"""

from __future__ import annotations

from interlith.engines.ase_potentials import TOYS, from_dotted_name, toy
from interlith.engines.identity import Potential, PotentialIdentity
from interlith.engines.ml.mace_potentials import mace_from_files, mace_published, mace_shipped
from interlith.engines.ml.pretrained import WEIGHTS, pretrained, sevennet_from_file
from interlith.engines.ml.shipped_models import shipped_models
from interlith.engines.ml.torch_setup import settle_threads
from interlith.errors import InputError

__all__ = ["Potential", "PotentialIdentity", "list_potentials", "potential", "settle_threads"]


def _gpaw(name: str, device: str, dtype: str | None) -> Potential:
    from interlith.engines.electronic.gpaw_potential import gpaw_potential

    return gpaw_potential(name, device, dtype)


_BY_PREFIX = {
    "7net:": sevennet_from_file,
    "mace:": mace_from_files,
    "mace_mp:": mace_published,
    "ase:": from_dotted_name,
    "gpaw:": _gpaw,
}


def list_potentials() -> list[str]:
    """Plain names that :func:`potential` takes; the patterns such as ``mace:`` come on top."""
    return [*WEIGHTS, *shipped_models(), "gpaw", *TOYS]


def potential(name: str, *, device: str = "cpu", dtype: str | None = None) -> Potential:
    """A potential by name.

    Parameters
    ----------
    name : str
        As in the table above.
    device : {"cpu", "cuda", "auto"}
        ``auto`` takes CUDA where there is one.
    dtype : {"float32", "float64"}, optional
        Left out, learned potentials run in single precision: right for dynamics, while
        relaxations to tight forces and elastic constants want double.

    Raises
    ------
    InputError
        If there is none of this name, or its file, device or number type cannot be used.
    MissingDependencyError
        If it needs the extra ``ml``.
    """
    for prefix, make in _BY_PREFIX.items():
        if name.startswith(prefix):
            return make(name, device, dtype)
    if name in WEIGHTS:
        return pretrained(name, device, dtype)
    if name == "gpaw":
        return _gpaw(name, device, dtype)
    if name in TOYS:
        return toy(name, device, dtype)
    if name in shipped_models():
        return mace_shipped(name, device, dtype)
    raise InputError(
        f"no potential is called '{name}'; there are {', '.join(list_potentials())}, and by "
        "pattern mace:/path/to/file.model, 7net:/path/to/file.pth, mace_mp:NAME, ase:module.Class "
        "and gpaw:{JSON}"
    )
