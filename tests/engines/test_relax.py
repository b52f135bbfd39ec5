"""Relaxation laws, with the effective medium potential."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from interlith.engines.potentials import potential
from interlith.engines.relax import rattle, relax
from interlith.errors import FailureError, InputError


def _emt() -> object:
    return potential("emt").calculator()


def test_copper_relaxes_to_one_lattice_from_both_sides() -> None:
    small, first = relax(bulk("Cu", a=3.5), _emt(), fmax_ev_per_angstrom=1e-4)
    large, second = relax(bulk("Cu", a=3.75), _emt(), fmax_ev_per_angstrom=1e-4)
    assert first.converged
    assert second.converged
    assert small.get_volume() == pytest.approx(large.get_volume(), rel=1e-3)
    assert first.volume_change > 0 > second.volume_change
    assert first.energy_ev_per_atom == pytest.approx(second.energy_ev_per_atom, abs=1e-5)


def test_doubling_the_cell_changes_nothing_per_atom() -> None:
    _, one = relax(bulk("Cu", a=3.7), _emt(), fmax_ev_per_angstrom=1e-4)
    _, eight = relax(bulk("Cu", a=3.7) * (2, 2, 2), _emt(), fmax_ev_per_angstrom=1e-4)
    assert eight.energy_ev_per_atom == pytest.approx(one.energy_ev_per_atom, abs=1e-6)
    assert eight.energy_gain_ev_per_atom == pytest.approx(one.energy_gain_ev_per_atom, abs=1e-5)


def test_the_callers_atoms_stay_and_the_cell_only_if_asked() -> None:
    atoms = bulk("Cu", a=3.8)
    before = atoms.copy()
    fixed, record = relax(atoms, _emt(), cell=False)
    assert atoms == before
    assert atoms.calc is None
    assert record.volume_change == 0
    assert np.allclose(fixed.cell, atoms.cell)


def test_too_few_steps_is_said() -> None:
    atoms = rattle(bulk("Cu", a=3.9, cubic=True), amplitude_angstrom=0.2)
    _, record = relax(atoms, _emt(), fmax_ev_per_angstrom=1e-4, max_steps=2)
    assert not record.converged
    assert record.steps == 2


def test_rattling_is_reproducible_and_moves_no_centre() -> None:
    atoms = bulk("Cu", cubic=True)
    assert np.array_equal(rattle(atoms, seed=3).positions, rattle(atoms, seed=3).positions)
    assert not np.allclose(rattle(atoms, seed=3).positions, rattle(atoms, seed=4).positions)
    assert np.allclose(rattle(atoms).positions.mean(axis=0), atoms.positions.mean(axis=0))
    assert np.array_equal(rattle(atoms, amplitude_angstrom=0).positions, atoms.positions)


def test_a_rattled_saddle_falls_below_the_symmetric_one() -> None:
    square = bulk("Cu", "sc", a=2.4)  # simple cubic copper: stationary by symmetry, unstable
    square *= (2, 2, 2)
    _, symmetric = relax(square, _emt())
    _, broken = relax(rattle(square, amplitude_angstrom=0.05), _emt(), max_steps=500)
    assert broken.energy_ev_per_atom < symmetric.energy_ev_per_atom - 0.05


def test_running_away_is_a_failure_with_words() -> None:
    with pytest.raises(FailureError, match="ran away"):
        relax(bulk("Cu", a=2.0), _emt(), max_steps=200)


@pytest.mark.parametrize("bad", [{"fmax_ev_per_angstrom": 0.0}, {"max_steps": 0}])
def test_nonsense_settings_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(InputError, match="positive"):
        relax(bulk("Cu"), _emt(), **bad)
