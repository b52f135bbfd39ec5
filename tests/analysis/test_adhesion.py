"""Balances of adhesion, wetting, and the weakest place."""

from __future__ import annotations

import pytest

from interlith.analysis.adhesion import (
    J_PER_M2,
    Joint,
    LayerEnergies,
    contact_angle,
    interface_energy,
    surface_energy,
    weakest,
    work_of_adhesion,
)
from interlith.errors import InputError


def joint(lower: str, upper: str, work: float | None) -> Joint:
    return Joint(
        lower=lower,
        upper=upper,
        status="ok",
        work_of_adhesion_j_m2=work,
        rigid_work_j_m2=work or 0.0,
        opened_angstrom=0.0,
        height_angstrom=10.0,
    )


def layer(name: str, cohesion: float | None) -> LayerEnergies:
    return LayerEnergies(
        region=name,
        material=name,
        surface_energy_j_m2=cohesion and cohesion / 2,
        cohesion_j_m2=cohesion,
        strain_energy_ev_per_atom=0.0,
        strain_energy_j_m2=0.0,
        thickness_angstrom=10.0,
    )


def test_units() -> None:
    assert pytest.approx(16.0217663) == J_PER_M2


def test_dupre_closes() -> None:
    area, bulk_a, bulk_b = 25.0, -100.0, -60.0
    slab_a, slab_b, both = -97.0, -58.0, -157.5
    faces = surface_energy(slab_a, bulk_a, area), surface_energy(slab_b, bulk_b, area)
    work = work_of_adhesion(slab_a + slab_b, both, area)
    direct = (both - bulk_a - bulk_b) / area * J_PER_M2 - sum(faces)
    assert interface_energy(*faces, work) == pytest.approx(direct)


def test_two_interfaces_share_the_work() -> None:
    assert work_of_adhesion(0, -2, 10, 2) == pytest.approx(work_of_adhesion(0, -1, 10))


@pytest.mark.parametrize(
    ("work", "angle", "regime"),
    [
        (0.0, 180, "does not wet"),
        (0.5, 90, "partial"),
        (1.0, 0, "wets completely"),
        (3.0, 0, "wets completely"),
    ],
)
def test_young_and_dupre(work: float, angle: float, regime: str) -> None:
    found = contact_angle(work, 0.5)
    assert found.angle_deg == pytest.approx(angle)
    assert found.regime == regime


def test_the_weakest_place_may_be_a_layer() -> None:
    joints = [joint("a", "b", 1.0), joint("b", "c", 0.7)]
    found = weakest(joints, [layer("a", 2.0), layer("b", 0.5), layer("c", None)])
    assert found is not None
    assert found.where == "within b (b)"
    assert found.next_j_m2 == pytest.approx(0.7)
    assert weakest([joint("a", "b", None)], [layer("a", 2.0)]) is None


def test_a_place_without_an_answer_is_named_and_not_ranked() -> None:
    """A joint that did not relax keeps no rank, whatever number it carries."""
    sound = joint("a", "b", 1.0)
    loose = joint("b", "c", 0.1).model_copy(update={"status": "no_answer", "reason": "not relaxed"})
    found = weakest([sound, loose], [])
    assert found is not None
    assert found.where == "between a and b"
    assert "maybe weaker: between b and c" in found.note
    assert weakest([loose], []) is None


def test_bad_input() -> None:
    with pytest.raises(InputError, match="positive"):
        work_of_adhesion(0, -1, 0)
    with pytest.raises(InputError, match="not positive"):
        contact_angle(1.0, 0.0)
