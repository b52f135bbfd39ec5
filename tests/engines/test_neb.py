"""Bands on copper with the effective medium potential: symmetry, a scan, resuming, bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import add_adsorbate, bulk, fcc100
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms, FixedLine

from interlith.engines.neb import BandSettings, find_barrier, path_coordinate
from interlith.engines.relax import relax
from interlith.errors import FailureError, InputError


def _vacancy_jump() -> tuple[Atoms, Atoms]:
    start = bulk("Cu", cubic=True) * (2, 2, 2)
    end = start.copy()
    end.positions[1] = start.positions[0]
    del start[0], end[0]
    return start, end


def _scan(start: Atoms, end: Atoms, points: int) -> float:
    """Highest energy above the start with the mover held at points of the straight line."""
    ends = [relax(one, EMT(), fmax_ev_per_angstrom=0.01, cell=False)[0] for one in (start, end)]
    bottom = _energy(ends[0])
    highest = -np.inf
    for share in np.linspace(0.4, 0.6, points):
        image = ends[0].copy()
        image.positions += share * (ends[1].positions - ends[0].positions)
        image.set_constraint(FixAtoms([0]))
        relaxed = relax(image, EMT(), fmax_ev_per_angstrom=0.01, cell=False)[0]
        highest = max(highest, _energy(relaxed))
    return float(highest - bottom)


def _energy(atoms: Atoms) -> float:
    working = atoms.copy()
    working.calc = EMT()
    return float(working.get_potential_energy())


def test_a_vacancy_jump_is_the_same_both_ways_and_equals_a_scan() -> None:
    """The scan knows no band: the mover (atom 0) is held on the line, all others relax."""
    start, end = _vacancy_jump()
    before = start.positions.copy()
    band = find_barrier(start, end, EMT(), BandSettings(images=1, fmax_ev_per_angstrom=0.02))
    assert band.status == "ok"
    assert band.converged
    assert band.forward_ev == pytest.approx(band.reverse_ev, abs=1e-6)
    assert band.reaction_ev == pytest.approx(0.0, abs=1e-6)
    assert band.forward_ev == pytest.approx(_scan(start, end, 3), abs=2e-3)
    assert np.array_equal(start.positions, before)
    assert start.calc is None


@pytest.mark.slow
def test_more_images_find_the_same_saddle() -> None:
    barriers = []
    for images in (1, 4, 5):
        band = find_barrier(*_vacancy_jump(), EMT(), BandSettings(images=images))
        assert band.converged
        assert len(band.energies_ev) == len(band.coordinate_angstrom) == images + 2
        barriers.append(band.forward_ev)
    assert max(barriers) - min(barriers) < 3e-3


def _adatom_jump() -> tuple[Atoms, Atoms]:
    """A gold atom between neighbouring hollows of Al(100)."""
    ends = []
    for shift in (0, 1):
        slab = fcc100("Al", size=(2, 2, 3))
        add_adsorbate(slab, "Au", 1.7, "hollow")
        slab.center(axis=2, vacuum=4.0)
        slab.set_constraint(FixAtoms(mask=[atom.tag > 1 for atom in slab]))
        slab.positions[-1, 0] += shift * slab.cell[0, 0] / 2
        ends.append(slab)
    return ends[0], ends[1]


def test_the_barrier_of_an_adatom_is_that_of_the_bridge_site() -> None:
    """By symmetry the saddle between two hollows is the bridge: held there but for its height."""
    start, end = _adatom_jump()
    band = find_barrier(start, end, EMT(), BandSettings(images=3, fmax_ev_per_angstrom=0.03))
    assert band.converged
    bridge = start.copy()
    bridge.positions[-1] = 0.5 * (start.positions[-1] + end.positions[-1])
    bridge.set_constraint([*start.constraints, FixedLine([len(start) - 1], [0, 0, 1])])
    heights = [
        _energy(relax(one, EMT(), fmax_ev_per_angstrom=0.01, cell=False)[0])
        for one in (start, bridge)
    ]
    assert band.forward_ev == pytest.approx(heights[1] - heights[0], abs=3e-3)


def test_a_band_cut_short_goes_on_from_its_file(tmp_path: Path) -> None:
    ends = _adatom_jump()
    whole = find_barrier(*ends, EMT(), BandSettings(images=3))
    short = find_barrier(*ends, EMT(), BandSettings(images=3, max_steps=3), tmp_path)
    assert short.status == "diagnosis"
    assert "left after" in short.reason
    assert short.band is not None
    again = find_barrier(*ends, EMT(), BandSettings(images=3), tmp_path)
    assert again.resumed
    assert again.converged
    assert again.forward_ev == pytest.approx(whole.forward_ev, abs=3e-3)
    assert again.band.images == 5
    with pytest.raises(InputError, match="another band"):
        find_barrier(*ends, EMT(), BandSettings(images=5), tmp_path)


def test_ends_that_are_one_minimum_are_no_answer() -> None:
    start, _ = _vacancy_jump()
    end = start.copy()
    end.positions[0] += 0.1
    band = find_barrier(start, end, EMT(), BandSettings(images=1))
    assert band.status == "no_answer"
    assert band.forward_ev is None
    assert "same place" in band.reason


def test_ends_that_do_not_fit_are_refused() -> None:
    start, end = _vacancy_jump()
    with pytest.raises(InputError, match="same atoms"):
        find_barrier(start, end[1:], EMT())
    strained = end.copy()
    strained.set_cell(1.01 * end.cell, scale_atoms=True)
    with pytest.raises(InputError, match="different cells"):
        find_barrier(start, strained, EMT())


class _Nan(EMT):
    """Loses its mind once the mover is halfway."""

    def calculate(self, *arguments: Any, **keywords: Any) -> None:
        super().calculate(*arguments, **keywords)
        if 0.5 < self.atoms.positions[0, 1] < 1.3:
            self.results["forces"] = np.full_like(self.results["forces"], np.nan)


def test_a_potential_that_fails_on_the_way_is_a_failure() -> None:
    with pytest.raises(FailureError, match="not finite"):
        find_barrier(*_vacancy_jump(), _Nan(), BandSettings(images=1))


def test_the_coordinate_crosses_the_cell_the_short_way() -> None:
    start = Atoms("Cu", positions=[[0.1, 0, 0]], cell=[4, 4, 4], pbc=True)
    end = start.copy()
    end.positions[0, 0] = 3.9
    assert path_coordinate([start, end]).tolist() == pytest.approx([0.0, 0.2])
