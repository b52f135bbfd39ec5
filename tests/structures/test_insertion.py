"""Empty sites, ions in and out, and whether a framework survived."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from interlith.errors import InputError
from interlith.structures.framework import framework_change
from interlith.structures.insertion import insert_ions, remove_ions, void_sites
from interlith.structures.library import build, load_phase


def _phase(name: str, *, primitive: bool = True) -> Structure:
    return build(load_phase(name), primitive=primitive)


def _fcc() -> Structure:
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.0), ["Cu"], [[0, 0, 0]])


def test_fcc_has_its_octahedra_and_tetrahedra() -> None:
    """4 octahedral voids at a/2 and 8 tetrahedral ones at a sqrt(3)/4 from the atoms."""
    voids = void_sites(_fcc(), "Cu", min_ratio=0.1, merge_angstrom=0.5)
    assert len(voids) == 12
    counts = [int((voids.orbit == orbit).sum()) for orbit in (0, 1)]
    assert counts == [4, 8]
    ratio = voids.ratio[0] / voids.ratio[-1]
    assert ratio == pytest.approx(0.5 / (np.sqrt(3) / 4))


def test_the_empty_tetrahedra_of_tetragonal_garnet_are_found() -> None:
    """The sites that the cubic garnet fills in part: 8 in the primitive cell, one orbit."""
    voids = void_sites(_phase("Li7La3Zr2O12-tetragonal"))
    assert int((voids.orbit == 0).sum()) == 8


def test_no_room_is_no_site() -> None:
    assert len(void_sites(_phase("Cu"))) == 0


def test_the_cell_chosen_does_not_matter() -> None:
    small, large = (
        void_sites(_phase("LiGe2P3O12")),
        void_sites(_phase("LiGe2P3O12", primitive=False)),
    )
    assert len(large) == 3 * len(small)
    assert large.orbit.max() == small.orbit.max()


def test_ions_go_where_charges_want_them() -> None:
    cell, charges = _phase("Li2S"), {"Li": 1.0, "S": -2.0}
    (only,) = insert_ions(cell, 1, charges=charges)
    assert only.structure.formula == "Li3 S1"
    assert only.structure[-1].frac_coords.round(6).tolist() == [0.0, 0.0, 0.0]
    assert only.close_pairs == 0


def test_what_symmetry_makes_alike_comes_once() -> None:
    garnet = _phase("Li7La3Zr2O12-tetragonal")
    charges = load_phase("Li7La3Zr2O12-tetragonal").oxidation_states
    found = remove_ions(garnet, 1, charges=charges, keep=10)
    assert len(found) == 3  # 8a, 16f and 32g
    energies = [one.coulomb_ev for one in found]
    assert energies == sorted(energies)


@pytest.mark.parametrize("count", [1, 6, 10])
def test_the_same_seed_gives_the_same_cells(count: int) -> None:
    """10 of 62 voids are annealed, 1 is enumerated."""
    cell, charges = _phase("LiGe2P3O12"), load_phase("LiGe2P3O12").oxidation_states
    first = insert_ions(cell, count, charges=charges, keep=2, seed=3)
    second = insert_ions(cell, count, charges=charges, keep=2, seed=3)
    assert first
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.structure.frac_coords, other.structure.frac_coords)
        assert one.close_pairs == 0
        assert len(one.structure) == len(cell) + count


def test_the_crystal_given_stays_as_it_is() -> None:
    cell = _phase("Li6PS5Cl")
    before = cell.copy()
    insert_ions(cell, 2, charges={"Li": 1, "P": 5, "S": -2, "Cl": -1})
    remove_ions(cell, 2)
    assert cell == before


def test_what_cannot_be_done_is_refused() -> None:
    cell = _phase("Li2S")
    with pytest.raises(InputError, match="1 empty sites"):
        insert_ions(cell, 2)
    with pytest.raises(InputError, match="holds 2 Li and 3"):
        remove_ions(cell, 3)
    with pytest.raises(InputError, match="oxidation state for S"):
        insert_ions(cell, 1, charges={"Li": 1})
    with pytest.raises(InputError, match="at least 1"):
        insert_ions(cell, 0)
    with pytest.raises(InputError, match="min_ratio"):
        void_sites(cell, min_ratio=-1)
    with pytest.raises(InputError, match="disordered"):
        void_sites(_phase("Li6PS5Cl-cubic"))


def test_a_framework_drifts_swells_and_stays() -> None:
    before = _phase("Li6PS5Cl")
    after = before.copy()
    after.translate_sites(list(range(len(after))), [0.45, 0.52, 0.1])
    after.scale_lattice(before.volume * 1.1)
    after.remove_sites([0, 1])
    change = framework_change(before, after)
    assert change.intact
    assert change.rms_displacement_angstrom == pytest.approx(0.0, abs=1e-6)
    assert change.volume_change == pytest.approx(0.1)
    assert change.words() == "framework intact"


def test_a_broken_tetrahedron_is_seen() -> None:
    before = _phase("Li6PS5Cl")
    after = before.copy()
    phosphorus = next(i for i, s in enumerate(after) if s.specie.symbol == "P")
    bonded = [s.index for s in after.get_neighbors(after[phosphorus], 2.3)]
    assert len(bonded) == 4
    away = after[bonded[0]].coords - after[phosphorus].coords
    away -= np.round(away @ np.linalg.inv(after.lattice.matrix)) @ after.lattice.matrix
    after.translate_sites([bonded[0]], 0.6 * away, frac_coords=False)
    change = framework_change(before, after)
    assert not change.intact
    assert change.broken == ("P-S",)
    assert "1 P-S" in change.words()


def test_bonds_to_periodic_images_count() -> None:
    """One sulfur to the cell: pressed together, it bonds to its own twelve images."""
    before = _phase("Li2S")
    after = before.copy()
    after.scale_lattice(0.2 * before.volume)
    assert framework_change(before, after).formed == ("S-S",) * 6


def test_frameworks_must_be_the_same_atoms() -> None:
    with pytest.raises(InputError, match="no common framework"):
        framework_change(_phase("Li2S"), _phase("LiCl"))
