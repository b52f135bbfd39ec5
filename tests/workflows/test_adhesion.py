"""Adhesion with a cheap engine: laws of parting a crystal, and a flow from end to end."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc100
from ase.calculators.calculator import Calculator, all_changes

from interlith.analysis.adhesion import surface_energy
from interlith.engines.potentials import Potential, potential
from interlith.engines.relax import relax
from interlith.errors import InputError
from interlith.workflows.adhesion import (
    adhesion,
    part,
    registry_surface,
    separation_curve,
)
from interlith.workflows.adhesion_settings import AdhesionSettings

LATTICE = 3.59
RIGID = AdhesionSettings(relax_ions=False)


def copper(layers: int):
    slab = fcc100("Cu", (1, 1, layers), a=LATTICE, vacuum=8.0)
    return slab, slab.positions[:, 2] < slab.positions[:, 2].mean()


def face(layers: int, settings: AdhesionSettings) -> float:
    """Surface energy of a slab by itself."""
    slab, _ = copper(layers)
    slab.pbc = True
    calculator = potential("emt").calculator()
    crystal = bulk("Cu", a=LATTICE)
    crystal.calc = calculator
    one = float(crystal.get_potential_energy())
    if settings.relax_ions:
        _, record = relax(slab, calculator, cell=False)
        energy = record.energy_ev_per_atom * len(slab)
    else:
        slab.calc = calculator
        energy = slab.get_potential_energy()
    area = float(slab.cell.array[0, 0] * slab.cell.array[1, 1])
    return surface_energy(energy, one * layers, area)


@pytest.mark.parametrize("settings", [RIGID, AdhesionSettings()])
def test_two_halves_of_a_crystal_cost_two_surfaces(settings: AdhesionSettings) -> None:
    slab, below = copper(12)
    found = part(slab, below, potential("emt"), settings)
    assert found.reason is None
    assert found.work_j_m2 == pytest.approx(2 * face(6, settings), rel=0.02)


def test_thickness_does_not_matter_from_eight_layers_on() -> None:
    works = [part(*copper(n), potential("emt"), RIGID).rigid_work_j_m2 for n in (8, 12, 16)]
    assert works == pytest.approx([works[-1]] * 3, rel=0.01)


def test_nothing_is_left_at_large_distance() -> None:
    slab, below = copper(8)
    left = separation_curve(slab, below, potential("emt"), [0.0, 1.0, 3.0, 10.0])
    rigid = part(slab, below, potential("emt"), RIGID).rigid_work_j_m2
    assert left[0] == pytest.approx(rigid, rel=1e-6)
    assert list(left) == sorted(left, reverse=True)
    assert left[-1] == pytest.approx(0.0, abs=1e-6)


def test_a_crystal_fits_itself_best_where_it_was() -> None:
    slab, below = copper(6)
    edge = slab.cell.array[0, 0]
    shifts = np.array([[0, 0], [0.5, 0], [0.5, 0.5], [1.0, 0]]) * edge
    values = registry_surface(slab, below, potential("emt"), shifts)
    assert values[0] == pytest.approx(0.0, abs=1e-9)
    assert values[3] == pytest.approx(0.0, abs=1e-6)  # a lattice vector
    assert min(values[1], values[2]) > 0.01


def test_an_interface_from_names() -> None:
    record, _ = adhesion(
        ["Cu", "Al"],
        "emt",
        AdhesionSettings(registry_spacing_angstrom=0.7, liquid_surface_energy_j_m2=1.0),
        millers=[(0, 0, 1), (0, 0, 1)],
        thickness_angstrom=6.0,
        max_strain=0.08,
        max_atoms=250,
    )
    assert record.status == "ok"
    (found,) = record.joints
    assert found.work_of_adhesion_j_m2 is not None
    assert found.work_of_adhesion_j_m2 > 0
    for one in record.layers:
        assert one.strain_energy_ev_per_atom is not None
        assert one.strain_energy_ev_per_atom > -1e-4
    faces = [one.surface_energy_j_m2 or 0.0 for one in record.layers]
    assert found.interface_energy_j_m2 == pytest.approx(sum(faces) - found.work_of_adhesion_j_m2)
    assert record.weakest is not None
    assert record.contact_angle is not None
    assert len(record.registry) > 1


def test_a_stack_lets_go_at_its_weakest_place() -> None:
    """Gold on both sides of aluminium: two joints of one work, and a place that lets go first."""
    record, structure = adhesion(
        ["Au", "Al", "Au"],
        "emt",
        millers=[(0, 0, 1)] * 3,
        thickness_angstrom=7.0,
        max_strain=0.03,
    )
    first, second = record.joints
    assert len(structure) == record.n_atoms
    assert (first.lower, first.upper, second.upper) == ("layer-1", "layer-2", "layer-3")
    assert first.work_of_adhesion_j_m2 == pytest.approx(second.work_of_adhesion_j_m2, rel=1e-6)
    works = [first.work_of_adhesion_j_m2, second.work_of_adhesion_j_m2]
    works += [one.cohesion_j_m2 for one in record.layers]
    assert record.weakest is not None
    assert record.weakest.work_j_m2 == min(works)
    assert record.weakest.next_j_m2 == sorted(works)[1]
    assert record.weakest.where.startswith("within")  # gold splits before it lets go of aluminium


SALT = 5.13
"""Edge of LiCl with 7net-0: it does not move on relaxing."""


def salt(layers: int) -> tuple[Atoms, np.ndarray]:
    """LiCl(001) of this many layers, two atoms in each."""
    symbols, positions = [], []
    for k in range(layers):
        for i in range(2):
            symbols.append("Li" if (i + k) % 2 == 0 else "Cl")
            positions.append([i * SALT / 2, 0.0, k * SALT / 2])
    half = SALT / 2
    cell = [[half, half, 0], [half, -half, 0], [0, 0, layers * half + 15]]
    slab = Atoms(symbols, positions, cell=cell, pbc=True)
    return slab, slab.positions[:, 2] < slab.positions[:, 2].mean()


@pytest.mark.slow
@pytest.mark.ml
@pytest.mark.parametrize(("settings", "layers"), [(RIGID, 8), (AdhesionSettings(), 12)])
def test_two_halves_of_salt_with_a_learned_potential(
    settings: AdhesionSettings, layers: int
) -> None:
    engine = potential("7net-0", dtype="float64")
    calculator = engine.calculator()
    found = part(*salt(layers), engine, settings)
    half, _ = salt(layers // 2)
    if settings.relax_ions:
        half, _ = relax(half, calculator, cell=False)
    half.calc = calculator
    crystal = bulk("LiCl", "rocksalt", a=SALT)
    crystal.calc = calculator
    own = float(crystal.get_potential_energy()) * layers / 2
    gamma = surface_energy(float(half.get_potential_energy()), own, SALT**2 / 2)
    assert found.work_j_m2 == pytest.approx(2 * gamma, rel=0.02)
    rigid = [part(*salt(n), engine, RIGID).rigid_work_j_m2 for n in (layers, layers + 4)]
    assert rigid[0] == pytest.approx(rigid[1], rel=0.01)
    assert separation_curve(*salt(layers), engine, [10.0]) == pytest.approx((0.0,), abs=1e-6)


class Repelled(Calculator):
    """Pushes the tagged atoms up, less the higher they are."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012 - ASE says list

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        upper = self.atoms.get_tags() == 1
        push = np.where(upper, np.exp(-(self.atoms.positions[:, 2] - 4.0) / 2), 0.0)
        self.results = {"energy": 2 * push.sum(), "forces": push[:, None] * [0.0, 0.0, 1.0]}


def test_an_interface_that_comes_apart_is_no_answer() -> None:
    slab, below = copper(4)
    slab.set_tags(np.where(below, 0, 1))
    engine = Potential(potential("emt").identity, lambda **_: Repelled())
    found = part(slab, below, engine)
    assert found.opened_angstrom > 2.0
    assert found.work_j_m2 is None
    assert found.reason is not None
    assert "came apart" in found.reason


def test_what_did_not_relax_has_no_work() -> None:
    """Two steps are not enough: no work, no interface energy, no angle, no weakest place."""
    short = AdhesionSettings(
        max_steps=2, fmax_ev_per_angstrom=0.005, liquid_surface_energy_j_m2=1.0
    )
    record, _ = adhesion(
        ["Cu", "Al"],
        "emt",
        short,
        millers=[(0, 0, 1), (0, 0, 1)],
        thickness_angstrom=5.0,
        max_strain=0.08,
        max_atoms=250,
    )
    assert record.status == "no_answer"
    (found,) = record.joints
    assert found.work_of_adhesion_j_m2 is None
    assert found.interface_energy_j_m2 is None
    assert "not relaxed to 0.005 eV/Angstrom in 2 steps" in (found.reason or "")
    assert record.weakest is None
    assert record.contact_angle is None
    copper_layer, aluminium = record.layers
    assert copper_layer.surface_energy_j_m2 is None
    assert copper_layer.cohesion_j_m2 is None
    assert "not relaxed" in (copper_layer.reason or "")
    assert aluminium.reason is None  # two steps are enough for it
    assert aluminium.cohesion_j_m2 is not None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"registry_spacing_angstrom": 0.0}, "--registry"),
        ({"registry_spacing_angstrom": float("nan")}, "--registry"),
        ({"liquid_surface_energy_j_m2": -1.0}, "--liquid"),
        ({"fmax_ev_per_angstrom": 0.0}, "tolerance"),
        ({"max_steps": 0}, "steps"),
    ],
)
def test_settings_are_refused_before_anything_runs(settings: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        AdhesionSettings(**settings)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"thickness_angstrom": -3.0}, "a thickness of -3"),
        ({"thickness_angstrom": float("nan")}, "a thickness of nan"),
        ({"max_strain": float("nan")}, "strain of nan; .* at most 0.2"),
        ({"max_strain": 0.5}, "strain of 0.5"),
    ],
)
def test_limits_are_finite(limits: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        adhesion(["Cu", "Al"], "emt", **limits)
    with pytest.raises(InputError, match=words):
        adhesion(["Cu", "Al", "Cu"], "emt", **limits)


def test_bad_input() -> None:
    slab, _ = copper(4)
    with pytest.raises(InputError, match="one side has none"):
        part(slab, [True] * 4, potential("emt"))
    with pytest.raises(InputError, match="two or more"):
        adhesion(["Cu"], "emt")
    with pytest.raises(InputError, match="does not know"):
        adhesion(["LiCl", "LiF"], "emt", millers=[(0, 0, 1), (0, 0, 1)])
