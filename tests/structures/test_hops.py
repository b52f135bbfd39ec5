"""Hops: how many kinds, how long, and ends that fit together."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Structure

from interlith.errors import InputError
from interlith.structures.hops import interstitial_hops, multiples, vacancy_hops
from interlith.structures.library import build, load_phase


def _phase(name: str, *, primitive: bool = False) -> Structure:
    return build(load_phase(name), primitive=primitive)


# crystal, ion, reach, number of hops of each distinct kind that leave a site
KNOWN = [
    ("Cu", "Cu", 4.0, [12, 6]),  # fcc: first and second neighbours
    ("Li", "Li", 5.0, [8, 6, 12]),  # bcc
    ("Li2S", "Li", 4.5, [6, 12]),  # simple cubic of Li
    ("LiCl", "Li", 4.0, [12]),
]


@pytest.mark.parametrize("primitive", [True, False])
@pytest.mark.parametrize(("name", "ion", "reach", "expected"), KNOWN)
def test_neighbour_shells_are_the_hops(
    name: str, ion: str, reach: float, expected: list[int], primitive: bool
) -> None:
    hops = vacancy_hops(_phase(name, primitive=primitive), ion, max_distance_angstrom=reach)
    assert [hop.multiplicity for hop in hops] == expected
    lengths = [hop.distance_angstrom for hop in hops]
    assert lengths == sorted(lengths)


def test_shells_of_the_same_length_but_other_surroundings_stay_apart() -> None:
    """Second neighbours of Li in Li2S: with an empty octahedron between or with S."""
    hops = vacancy_hops(_phase("Li2S"), "Li", max_distance_angstrom=5.0)
    body = [hop for hop in hops if hop.distance_angstrom == pytest.approx(4.96, abs=0.03)]
    assert sorted(hop.multiplicity for hop in body) == [4, 4]


def test_ends_hold_the_same_atoms_and_one_moves() -> None:
    crystal = _phase("Li6PS5Cl")
    hops = vacancy_hops(crystal, "Li", max_distance_angstrom=3.5)
    assert len(hops) > 3
    for hop in hops:
        size = int(np.prod(multiples(crystal, 9.0)))
        assert len(hop.start) == len(hop.end) == len(crystal) * size - 1
        assert [s.specie for s in hop.start] == [s.specie for s in hop.end]
        shift = hop.end.cart_coords - hop.start.cart_coords
        assert np.abs(shift[:-1]).max() == 0
        assert np.linalg.norm(shift[-1]) == pytest.approx(hop.distance_angstrom, abs=1e-5)
        assert hop.start[-1].specie.symbol == "Li"
        for end in (hop.start, hop.end):  # the mover has left a vacancy behind
            assert np.sort(end.distance_matrix[-1])[1] > 1.9


def test_an_interstitial_jumps_between_voids() -> None:
    hops = interstitial_hops(_phase("Li2S"), "Li", max_distance_angstrom=4.5)
    assert [hop.multiplicity for hop in hops] == [12]
    assert hops[0].distance_angstrom == pytest.approx(5.72 / np.sqrt(2), abs=0.03)
    assert len(hops[0].start) == 12 * 8 + 1
    assert "interstitial" in hops[0].label


def test_interstitial_hops_of_fcc() -> None:
    """Octahedron to 8 tetrahedra, tetrahedron to 6, octahedron to 12, tetrahedron to 12."""
    hops = interstitial_hops(_phase("Cu"), "H", min_ratio=0.5, max_distance_angstrom=2.8)
    assert [hop.multiplicity for hop in hops] == [8, 6, 12, 12]
    assert hops[0].distance_angstrom / hops[2].distance_angstrom == pytest.approx(
        (np.sqrt(3) / 4) / np.sqrt(0.5), rel=1e-4
    )


def test_the_crystal_given_stays_as_it_is() -> None:
    crystal = _phase("Li2S")
    before = crystal.copy()
    vacancy_hops(crystal, "Li", max_distance_angstrom=3.0)
    interstitial_hops(crystal, "Li")
    assert crystal == before


def test_what_cannot_be_done_is_refused() -> None:
    with pytest.raises(InputError, match="holds no Na; it holds Li, S"):
        vacancy_hops(_phase("Li2S"), "Na")
    with pytest.raises(InputError, match="within 1 Angstrom"):
        vacancy_hops(_phase("Li2S"), "Li", max_distance_angstrom=1.0)
    with pytest.raises(InputError, match="disordered"):
        vacancy_hops(_phase("Li6PS5Cl-cubic"), "Li")
    with pytest.raises(InputError, match="no void"):
        interstitial_hops(_phase("Cu"), "Li")
    with pytest.raises(InputError, match="positive"):
        vacancy_hops(_phase("Li2S"), "Li", min_length_angstrom=-1)
    with pytest.raises(InputError, match="too small"):
        vacancy_hops(
            _phase("Cu", primitive=True), "Cu", max_distance_angstrom=2.7, min_length_angstrom=0.1
        )
