"""Potentials are named exactly and cost nothing until a calculator is made."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from interlith.engines.potentials import list_potentials, potential
from interlith.errors import InputError


def test_an_unknown_potential_names_the_known() -> None:
    with pytest.raises(InputError, match="7net-l3i5"):
        potential("7net-1")


@pytest.mark.parametrize("name", ["emt", "lj"])
def test_toy_potentials_have_an_identity_and_run(name: str) -> None:
    from ase.build import bulk

    one = potential(name)
    assert len(one.identity.sha256) == 64
    atoms = bulk("Cu", a=3.6, cubic=True)
    atoms.calc = one.calculator()
    assert np.isfinite(atoms.get_potential_energy())
    assert atoms.get_stress().shape == (6,)
    assert one.calculator() is not atoms.calc


def test_every_name_listed_is_different() -> None:
    names = list_potentials()
    assert len(set(names)) == len(names)


@pytest.mark.ml
def test_naming_a_learned_potential_imports_no_torch() -> None:
    pytest.importorskip("sevenn")
    code = (
        "import sys; from interlith.engines.potentials import potential; "
        "a, b = potential('7net-0').identity, potential('7net-l3i5').identity; "
        "assert a.sha256 != b.sha256; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.ml
def test_forces_are_the_slope_of_the_energy() -> None:
    pytest.importorskip("sevenn")
    from ase.build import bulk

    atoms = bulk("LiCl", "rocksalt", a=5.2)
    atoms.positions[0, 0] += 0.2
    atoms.calc = potential("7net-0").calculator()
    force, step, energies = atoms.get_forces()[0, 0], 0.02, []
    for shift in (step, -2 * step):
        atoms.positions[0, 0] += shift
        energies.append(atoms.get_potential_energy())
    assert -(energies[0] - energies[1]) / (2 * step) == pytest.approx(force, rel=0.02)
