"""The elastic flow with a cheap engine, and failures that must have words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from interlith.engines.potentials import potential
from interlith.errors import InputError
from interlith.workflows.elastic import (
    ElasticSettings,
    conventional_axes,
    elastic,
    elastic_tensor,
    strained,
)

CLAMPED = ElasticSettings(relax_ions=False)


def test_copper_from_one_or_four_atoms() -> None:
    one = elastic_tensor(bulk("Cu", a=3.6), potential("emt"))
    four = elastic_tensor(bulk("Cu", cubic=True), potential("emt"))
    assert one.status == four.status == "ok"
    assert np.allclose(one.stiffness_gpa, four.stiffness_gpa, rtol=0.005, atol=0.1)
    assert four.symmetry.startswith("m-3m")
    assert four.calculations < 30
    assert four.moduli is not None
    assert four.moduli.zener_ratio == pytest.approx(3.15, abs=0.02)
    assert np.allclose(np.array(four.stiffness_gpa) @ four.compliance_per_gpa, np.eye(6))


def test_the_bulk_modulus_is_the_curvature_of_the_energy() -> None:
    from ase.eos import EquationOfState
    from ase.units import GPa

    record = elastic_tensor(bulk("Al", cubic=True), potential("emt"))
    crystal = bulk("Al", cubic=True)
    crystal.set_cell(record.cell, scale_atoms=True)
    volumes, energies = [], []
    for scale in np.linspace(0.99, 1.01, 7):
        swollen = crystal.copy()
        swollen.set_cell(crystal.cell.array * scale, scale_atoms=True)
        swollen.calc = potential("emt").calculator()
        volumes.append(swollen.get_volume())
        energies.append(swollen.get_potential_energy())
    modulus = EquationOfState(volumes, energies, eos="birchmurnaghan").fit()[2] / GPa
    assert record.moduli is not None
    assert record.moduli.bulk_gpa == pytest.approx(modulus, rel=0.02)


def test_ions_that_relax_make_it_softer() -> None:
    mixed = bulk("Cu", cubic=True) * (2, 1, 1)
    mixed.set_chemical_symbols(["Cu", "Cu", "Au", "Cu", "Cu", "Au", "Cu", "Cu"])
    free = elastic_tensor(mixed, potential("emt"))
    frozen = elastic_tensor(mixed, potential("emt"), CLAMPED)
    assert free.moduli is not None
    assert frozen.moduli is not None
    gap = np.linalg.eigvalsh(np.array(frozen.stiffness_gpa) - np.array(free.stiffness_gpa))
    assert gap.min() > -0.5
    assert gap.max() > 0.5


def test_an_unstable_crystal_is_no_answer() -> None:
    record = elastic_tensor(bulk("Cu", "bcc", a=2.87), potential("emt"))
    assert record.status == "no_answer"
    assert record.reason is not None
    assert "not positive definite" in record.reason
    assert record.moduli is None
    assert record.suppression is None


def test_a_cell_that_did_not_relax_is_no_answer() -> None:
    """Its forces vanish by symmetry: only the stress tells."""
    record = elastic_tensor(bulk("Cu", cubic=True, a=3.9), potential("emt"),
                            ElasticSettings(max_steps=2))  # fmt: skip
    assert record.status == "no_answer"
    assert "the crystal has a stress of" in (record.reason or "")


@pytest.mark.parametrize("suffix", ["cif", "vasp"])
def test_directions_are_those_of_the_conventional_cell(suffix: str, tmp_path: Path) -> None:
    """Whatever cell a file holds, and however it is turned."""
    from ase.io import write

    whole = elastic_tensor(bulk("Cu", cubic=True), potential("emt"))
    turned = bulk("Cu")
    turned.rotate(33, "z", rotate_cell=True)
    turned.rotate(20, "x", rotate_cell=True)
    write(tmp_path / f"primitive.{suffix}", turned)
    small = elastic(str(tmp_path / f"primitive.{suffix}"), "emt")
    assert whole.moduli is not None
    assert small.moduli is not None
    assert small.moduli.zener_ratio == pytest.approx(whole.moduli.zener_ratio, rel=0.01)
    for way in ("100", "110", "111"):
        expected = whole.directional_youngs_gpa[way]
        assert small.directional_youngs_gpa[way] == pytest.approx(expected, rel=0.01)
    assert whole.directional_youngs_gpa["110"] > 1.5 * whole.directional_youngs_gpa["100"]


def test_the_axes_of_a_file_stay_where_they_are_conventional() -> None:
    box = bulk("Cu", "bcc", a=3.0, cubic=True)
    box.set_cell(np.diag([3.0, 3.3, 3.0]), scale_atoms=True)  # c is the odd one out by convention
    assert np.allclose(conventional_axes(box), box.cell.array)
    cell = bulk("Cu", a=3.6)
    assert np.allclose(np.abs(conventional_axes(cell)).sum(axis=1), 3.6)


def test_strain_is_engineering_strain() -> None:
    bent = strained(bulk("Cu", cubic=True), [0, 0, 0, 0, 0, 0.02])
    x, y, _ = bent.cell.array
    cosine = x @ y / np.linalg.norm(x) / np.linalg.norm(y)
    assert np.arccos(cosine) == pytest.approx(np.pi / 2 - 0.02, abs=1e-5)


def test_bad_input() -> None:
    with pytest.raises(InputError, match="linear range"):
        ElasticSettings(strain=0.2)
    slab = bulk("Cu", cubic=True)
    slab.pbc = (True, True, False)
    with pytest.raises(InputError, match="periodic"):
        elastic_tensor(slab, potential("emt"))
    with pytest.raises(InputError, match="does not know Li"):
        elastic_tensor(bulk("Li"), potential("emt"))


@pytest.mark.slow
@pytest.mark.ml
def test_lithium_with_a_learned_potential() -> None:
    record = elastic_tensor(bulk("Li", cubic=True), potential("7net-0", dtype="float64"))
    assert record.moduli is not None
    assert record.moduli.zener_ratio == pytest.approx(4.95, abs=0.1)  # 8.52 measured
    assert record.directional_youngs_gpa["100"] == pytest.approx(5.6, abs=0.2)
