"""One molecule out of a crystal, across cell boundaries; nets and mixtures have none."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from interlith.engines.molecules import isolated_molecule


def _crystal(shift: float) -> Atoms:
    atoms = molecule("H2O")
    atoms.set_cell([5.0, 5.5, 6.0])
    atoms.pbc = True
    atoms.positions += shift
    atoms.wrap()
    return atoms


@pytest.mark.parametrize("shift", [0.0, 2.5, 4.9])
def test_a_molecule_across_the_boundary_comes_out_whole(shift: float) -> None:
    found = isolated_molecule(_crystal(shift))
    assert found is not None
    assert np.allclose(
        np.sort(found.get_all_distances().ravel()),
        np.sort(molecule("H2O").get_all_distances().ravel()),
    )
    assert min(found.cell.lengths()) > 15


def test_metals_and_salts_have_no_molecules() -> None:
    assert isolated_molecule(bulk("Cu")) is None
    assert isolated_molecule(bulk("LiCl", "rocksalt", a=5.1)) is None


def test_a_mixture_has_no_single_molecule() -> None:
    mixed = _crystal(0.0) + Atoms("N2", positions=[[2.5, 2.5, 3], [2.5, 2.5, 4.1]])
    assert isolated_molecule(mixed) is None
