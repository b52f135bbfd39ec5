"""Barriers of a crystal's hops, from its name on."""

from __future__ import annotations

from pathlib import Path

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from interlith.engines.neb import BandSettings, find_barrier
from interlith.errors import InputError
from interlith.workflows.neb import HopOptions, migration_barriers

COPPER = HopOptions(ion="Cu", max_distance_angstrom=3.0, min_length_angstrom=7.0)


def test_copper_has_one_vacancy_hop_and_its_barrier(tmp_path: Path) -> None:
    told: list[str] = []
    found = migration_barriers(
        "Cu", "emt", COPPER, BandSettings(images=1), folder=tmp_path, progress=told.append
    )
    assert found.status == "ok"
    (hop,) = found.hops
    assert hop.multiplicity == 12
    assert hop.barrier is not None
    assert hop.barrier.forward_ev == pytest.approx(hop.barrier.reverse_ev, abs=1e-5)
    edge = (4 * found.bulk.volume_a3_per_atom) ** (1 / 3)
    start = bulk("Cu", a=edge, cubic=True) * (2, 2, 2)
    end = start.copy()
    end.positions[1] = start.positions[0]
    del start[0], end[0]
    by_hand = find_barrier(start, end, EMT(), BandSettings(images=1))
    assert found.lowest_ev == pytest.approx(by_hand.forward_ev, abs=2e-3)
    assert found.bulk.converged
    assert found.potential["name"] == "emt"
    assert Path(hop.barrier.band.path).is_file()
    assert len(hop.barrier.band.sha256) == 64
    assert "0.7" in told[0]
    assert found.to_json()["hops"][0]["barrier"]["settings"]["images"] == 1


def test_a_hop_without_an_answer_says_why() -> None:
    """Two steps are not enough, and the barrier is not counted."""
    found = migration_barriers("Cu", "emt", COPPER, BandSettings(images=1, max_steps=2))
    assert found.status == "no_answer"
    assert found.lowest_ev is None
    assert "left after" in found.reason


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="holds no Al"):
        migration_barriers("Cu", "emt", HopOptions(ion="Al"))
    with pytest.raises(InputError, match="does not know Li"):
        migration_barriers("Cu", "emt", HopOptions(ion="Li"))
    with pytest.raises(InputError, match="disordered"):
        migration_barriers("Li6PS5Cl-cubic", "emt")
    with pytest.raises(InputError, match="no potential"):
        migration_barriers("Cu", "nonesuch")


@pytest.mark.slow
@pytest.mark.ml
def test_a_vacancy_in_lithium_moves_easily() -> None:
    """7net-0: 0.090 eV in a cell of 53 atoms, the same both ways."""
    options = HopOptions(ion="Li", max_distance_angstrom=3.2, min_length_angstrom=9.5)
    found = migration_barriers("Li", "7net-0", options, BandSettings(images=1))
    assert found.status == "ok"
    assert found.hops[0].multiplicity == 8
    assert found.hops[0].barrier.n_atoms == 53
    assert found.lowest_ev == pytest.approx(0.090, abs=0.02)
