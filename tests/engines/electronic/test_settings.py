"""Settings by task and chemistry, moments and U: known answers, no SCF."""

from __future__ import annotations

from typing import Any

import pytest
from ase import Atoms
from ase.build import bulk, molecule

from interlith.engines.electronic.hubbard import gpaw_setups, hubbard_u
from interlith.engines.electronic.magnetism import starting_moments
from interlith.engines.electronic.settings import bonding, grid, settings_for
from interlith.errors import InputError
from interlith.structures.library import build, load_phase


def _cell(formula: str) -> Atoms:
    made = Atoms(formula)
    made.set_positions([(i * 2.0, 0, 0) for i in range(len(made))])
    made.set_cell([2.0 * len(made), 4.0, 4.0])
    made.pbc = True
    return made


def test_a_metal_gets_dense_k_points_and_a_salt_fewer() -> None:
    metal = settings_for(bulk("Li", "bcc", a=3.44))
    salt = settings_for(bulk("LiCl", "rocksalt", a=5.13))
    assert (metal.bonding, salt.bonding) == ("metal", "insulator")
    assert metal.kpoint_density_angstrom == 5.0
    assert salt.kpoint_density_angstrom < metal.kpoint_density_angstrom
    assert not salt.spin_polarised
    assert salt.symmetry


def test_the_grid_has_at_least_the_density_and_follows_the_cell() -> None:
    cubic = bulk("LiCl", "rocksalt", a=5.0, cubic=True)  # 2 pi / 5 = 1.257 per Angstrom
    assert grid(cubic, 3.0) == (4, 4, 4)
    assert grid(cubic * (1, 1, 2), 3.0) == (4, 4, 2)
    cubic.pbc = (True, True, False)
    assert grid(cubic, 3.0) == (4, 4, 1)


@pytest.mark.parametrize(
    ("formula", "task", "cutoff"),
    [
        ("Li2O", "cell_relax", 800),
        ("LiF", "static", 800),
        ("CoS", "relax", 800),
        ("Li2S", "cell_relax", 600),
        ("Li2O", "md", 600),
        ("Li2S", "md", 400),
    ],
)
def test_the_cutoff_follows_the_hardest_element_and_the_task(
    formula: str, task: str, cutoff: float
) -> None:
    assert settings_for(_cell(formula), task).cutoff_ev == cutoff  # type: ignore[arg-type]


def test_symmetry_is_off_where_atoms_move_freely() -> None:
    salt = bulk("LiCl", "rocksalt", a=5.13)
    assert [settings_for(salt, task).symmetry for task in ("md", "neb")] == [False, False]


def test_overrides_win_and_unknown_ones_are_refused() -> None:
    salt = bulk("LiCl", "rocksalt", a=5.13)
    chosen = settings_for(salt, "static", cutoff_ev=333.0, kpoint_density_angstrom=1.0)
    assert chosen.cutoff_ev == 333
    assert chosen.kpoints == grid(salt, 1.0)
    with pytest.raises(InputError, match="cutof_ev"):
        settings_for(salt, "static", cutof_ev=333.0)
    with pytest.raises(InputError, match="cutoff_ev"):
        settings_for(salt, "static", cutoff_ev=-1.0)
    with pytest.raises(InputError, match="there are static, relax"):
        settings_for(salt, "statics")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kpoint_density_angstrom": "abc"}, "'abc' is no positive number"),
        ({"kpoint_density_angstrom": float("inf")}, "no positive number"),
        ({"kpoints": [0, 1, 1]}, r"'kpoints.0' is 0: should be greater than or equal to 1"),
        ({"hubbard_u_ev": {"Li": -1}}, r"'hubbard_u_ev.Li' is -1: should be greater"),
        ({"mixer": {"name": "foo"}}, "no mixer has this name; there are msr1, pulay"),
        ({"eigensolver": "foo"}, "'foo': should be 'ppcg', 'davidson'"),
        ({"cutoff_ev": float("inf")}, "finite"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        settings_for(bulk("LiCl", "rocksalt", a=5.13), "static", **wrong)


def test_there_is_one_k_point_across_a_dipole_layer() -> None:
    slab = _cell("Li2O")
    assert settings_for(slab, dipole_correction=True).kpoints == (
        *settings_for(slab).kpoints[:2],
        1,
    )
    given = settings_for(slab, dipole_correction=True, kpoints=(2, 2, 2))
    assert given.kpoints == (2, 2, 2)  # refused by the check


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        settings_for(bulk("Li")).cutoff_ev = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("elements", "kind"),
    [
        ({"Li", "Al"}, "metal"),
        ({"Li", "P", "S"}, "insulator"),
        ({"Li", "Co", "O"}, "unknown"),
        ({"Ti", "N"}, "unknown"),
        ({"S"}, "insulator"),
    ],
)
def test_bonding_by_elements(elements: set[str], kind: str) -> None:
    assert bonding(elements) == kind


@pytest.mark.parametrize(
    ("formula", "kind"),
    [
        ("Li6PS5Cl", "insulator"),
        ("Li3P", "unknown"),
        ("Li2S", "insulator"),
        ("Li11PS5Cl", "insulator"),  # phosphorus takes three more
        ("Li15PS5Cl", "metal"),
        ("Li74P3S15Cl3", "metal"),  # lithium metal on Li6PS5Cl
        ("LiC6", "unknown"),
    ],
)
def test_an_electrode_in_contact_is_a_metal(formula: str, kind: str) -> None:
    assert bonding(Atoms(formula).get_chemical_symbols()) == kind


def test_a_metal_contact_has_no_unpaired_electron() -> None:
    contact = Atoms("Li15PS5Cl", cell=(7, 7, 20), pbc=True)
    assert sum(contact.numbers) % 2 == 1
    made = settings_for(contact, "md")
    assert not made.spin_polarised
    assert made.kpoints == (3, 3, 1)


def test_u_only_in_oxides_and_fluorides() -> None:
    assert hubbard_u({"Li", "Co", "O"}) == {"Co": 3.32}
    assert hubbard_u({"Fe", "F"}) == {"Fe": 5.3}
    assert hubbard_u({"Fe", "P", "O", "Li"}) == {"Fe": 5.3}
    for without in ({"Co", "S"}, {"Fe"}, {"Li", "Ti", "O"}, {"Fe", "Cl"}):
        assert hubbard_u(without) == {}
    assert gpaw_setups({"Co": 3.32}, scaled=False) == {"Co": ":d,3.32,0"}
    with pytest.raises(InputError, match="zero or more"):
        gpaw_setups({"Co": -1.0}, scaled=False)


def test_empty_and_full_shells_have_no_spin() -> None:
    for formula in ("LiNbO3", "V2O5", "MoO3", "Li2O", "ZnO", "TiO2"):
        made = settings_for(_cell(formula))
        assert not made.spin_polarised, formula
        assert made.magnetic_moments == ()


@pytest.mark.parametrize(
    ("formula", "element", "moment"),
    [("MnO", "Mn", 5.0), ("Fe2O3", "Fe", 5.0), ("NiO", "Ni", 2.0), ("LiCoO2", "Co", 0.6)],
)
def test_open_shells_start_high_spin_and_cobalt_three_low(
    formula: str, element: str, moment: float
) -> None:
    cell = _cell(formula)
    by_atom = dict(zip(cell.get_chemical_symbols(), starting_moments(cell), strict=True))
    assert by_atom[element] == moment
    assert by_atom["O"] == 0


@pytest.mark.parametrize(
    ("formula", "element", "moment"),
    [
        ("Dy2O3", "Dy", 5.0),
        ("Li3HoCl6", "Ho", 4.0),
        ("Li3ErCl6", "Er", 3.0),
        ("TmCl3", "Tm", 2.0),
        ("Li3YbCl6", "Yb", 1.0),
        ("YbCl2", "Yb", 0.0),
        ("Yb", "Yb", 0.0),
        ("CeCl3", "Ce", 1.0),
        ("CeO2", "Ce", 0.0),
        ("Ce", "Ce", 0.0),
        ("Gd2O3", "Gd", 7.0),
        ("LaCl3", "La", 0.0),
    ],
)
def test_lanthanides_have_their_unpaired_f_electrons(
    formula: str, element: str, moment: float
) -> None:
    """Seven f orbitals are filled singly before they are paired: Er(III), 4f11, has three left."""
    cell = _cell(formula)
    by_atom = dict(zip(cell.get_chemical_symbols(), starting_moments(cell), strict=True))
    assert by_atom[element] == moment
    assert settings_for(cell).spin_polarised == (moment > 0)


def test_antiferromagnetic_moments_cancel() -> None:
    cell = _cell("Ni4O4")
    assert sum(starting_moments(cell, "antiferromagnetic")) == 0
    assert sum(abs(m) for m in starting_moments(cell, "antiferromagnetic")) == 8


def test_a_metal_in_two_states_has_the_moments_of_each() -> None:
    spinel = build(load_phase("Co3O4")).get_primitive_structure().to_ase_atoms(msonable=False)
    moments = starting_moments(spinel)
    cobalt = [i for i, symbol in enumerate(spinel.symbols) if symbol == "Co"]
    near = [int((spinel.get_distances(i, range(len(spinel)), mic=True) < 2.2).sum()) - 1
            for i in cobalt]  # fmt: skip
    assert sorted(zip(near, (moments[i] for i in cobalt), strict=True)) == [
        (4, 3.0), (4, 3.0), (6, 0.6), (6, 0.6), (6, 0.6), (6, 0.6),
    ]  # fmt: skip
    signed = starting_moments(spinel, "antiferromagnetic")
    assert sorted(m for m in signed if abs(m) > 1) == [-3.0, 3.0]
    assert sum(signed) == pytest.approx(0)


def test_a_state_between_two_low_spin_ones_is_low_spin() -> None:
    cells = [
        build(load_phase(name)).get_primitive_structure().to_ase_atoms(msonable=False)
        for name in ("LiCo2O4-spinel", "LiMn2O4")
    ]
    assert set(starting_moments(cells[0])) == {0.0, 0.6}
    assert set(starting_moments(cells[1])) == {0.0, 3.5}


def test_moments_that_the_atoms_carry_are_kept() -> None:
    iron = bulk("Fe", cubic=True)
    iron.set_initial_magnetic_moments([2.0, -2.0])
    assert settings_for(iron).magnetic_moments == (2.0, -2.0)


def test_oxygen_molecule_is_a_triplet_and_an_odd_electron_gets_spin() -> None:
    oxygen = molecule("O2", vacuum=4.0, pbc=True)
    assert sum(settings_for(oxygen).magnetic_moments) == 2
    radical = molecule("OH", vacuum=4.0, pbc=True)
    assert settings_for(radical).spin_polarised
    assert sum(settings_for(radical).magnetic_moments) == pytest.approx(1.0)
    assert not settings_for(bulk("Li")).spin_polarised  # a metal pairs its electrons in bands
