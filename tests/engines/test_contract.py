"""Every engine passes one battery; the battery itself catches engines that are wrong."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from interlith.engines import contract
from interlith.engines.contract import SINGLE, PotentialContract
from interlith.engines.potentials import potential
from interlith.engines.relax import rattle
from interlith.errors import FailureError


def _copper() -> Atoms:
    return rattle(bulk("Cu", cubic=True), amplitude_angstrom=0.15)


def _salt() -> Atoms:
    atoms = bulk("LiCl", "rocksalt", a=5.1)
    atoms.set_cell(
        atoms.cell.array @ [[1.02, 0.03, 0], [0, 0.98, 0.01], [0, 0, 1.0]], scale_atoms=True
    )
    return rattle(atoms * (2, 1, 1), amplitude_angstrom=0.15)


class TestEMT(PotentialContract):
    def make(self) -> Any:
        return potential("emt").calculator()

    def atoms(self) -> Atoms:
        return _copper()


class TestLennardJones(PotentialContract):
    def make(self) -> Any:
        return potential("lj").calculator()

    def atoms(self) -> Atoms:
        return _copper()


class _OnSalt(PotentialContract):
    def atoms(self) -> Atoms:
        return _salt()


@cache
def _from_file(name: str, elements: tuple[str, ...] | None = None) -> Any:
    """One calculator for a whole class: making it takes longer than the test."""
    return potential(name, dtype="float64").calculator(elements=elements)


@pytest.mark.ml
class TestSevenNet(_OnSalt):
    @pytest.fixture(autouse=True)
    def _learned(self, learned: Callable[..., Any]) -> None:
        self.learned = learned

    def make(self) -> Any:
        return self.learned("7net-0", "float64")


@pytest.mark.ml
class TestSevenNetSingle(TestSevenNet):
    within = SINGLE

    def make(self) -> Any:
        return self.learned("7net-0", None)


@pytest.mark.ml
class TestCHGNet(_OnSalt):
    @pytest.fixture(autouse=True)
    def _learned(self, learned: Callable[..., Any]) -> None:
        self.learned = learned

    def make(self) -> Any:
        return self.learned("chgnet", "float64")


@pytest.mark.ml
class TestCHGNetSingle(TestCHGNet):
    within = SINGLE

    def make(self) -> Any:
        return self.learned("chgnet", None)


@pytest.mark.ml
class TestMACE(_OnSalt):
    @pytest.fixture(autouse=True)
    def _files(self, mace_file: Callable[..., Path]) -> None:
        self.name = f"mace:{mace_file()}"

    def make(self) -> Any:
        return _from_file(self.name)


@pytest.mark.ml
class TestMACEWithVectors(TestMACE):
    @pytest.fixture(autouse=True)
    def _files(self, mace_file: Callable[..., Path]) -> None:
        self.name = f"mace:{mace_file(irreps='4x0e+4x1o')}"


@pytest.mark.ml
class TestCommittee(TestMACE):
    @pytest.fixture(autouse=True)
    def _files(self, mace_file: Callable[..., Path]) -> None:
        self.name = f"mace:{mace_file()},{mace_file(seed=1, r_max=3.5)}"


@pytest.mark.ml
class TestSlicedMACE(TestMACE):
    @pytest.fixture(autouse=True)
    def _files(self, mace_file: Callable[..., Path]) -> None:
        self.name = f"mace:{mace_file(numbers=(3, 9, 16, 17))}"

    def make(self) -> Any:
        return _from_file(self.name, ("Li", "Cl"))


class _Wrong(EMT):
    """EMT with one thing spoiled after every calculation."""

    def __init__(self, spoil: Callable[[_Wrong], None]) -> None:
        super().__init__()
        self.spoil = spoil

    def calculate(self, *arguments: Any, **named: Any) -> None:
        super().calculate(*arguments, **named)
        self.results = {key: np.array(value) for key, value in self.results.items()}
        self.spoil(self)


def _soften(calc: _Wrong) -> None:
    calc.results["forces"] *= 0.9


def _flip(calc: _Wrong) -> None:
    calc.results["stress"] *= -1


def _favour_x(calc: _Wrong) -> None:
    calc.results["energy"] += 0.1 * calc.atoms.cell.array[0, 0]


def _pin(calc: _Wrong) -> None:
    calc.results["energy"] += 0.1 * calc.atoms.positions[0, 0]


def _offset(calc: _Wrong) -> None:
    calc.results["energy"] += 1.0


def _nothing(calc: _Wrong) -> None:
    calc.results["energy"] = np.array(np.nan)


def _drift(calc: _Wrong) -> None:
    calc.calls = getattr(calc, "calls", 0) + 1
    calc.results["energy"] += 0.1 * calc.calls


@pytest.mark.parametrize(
    ("spoil", "check"),
    [
        (_soften, contract.check_forces),
        (_nothing, contract.check_forces),
        (_flip, contract.check_stress),
        (_favour_x, contract.check_rotation),
        (_pin, contract.check_translation),
        (_pin, contract.check_permutation),
        (_offset, contract.check_extensivity),
    ],
)
def test_the_battery_catches_a_wrong_engine(
    spoil: Callable[[_Wrong], None], check: Callable[..., None]
) -> None:
    check(EMT(), _copper())
    with pytest.raises(FailureError, match="contract"):
        check(_Wrong(spoil), _copper())


def test_the_battery_catches_an_engine_without_memory_of_its_answer() -> None:
    with pytest.raises(FailureError, match="again"):
        contract.check_repeats(lambda: _Wrong(_drift), _copper())


def test_the_battery_catches_an_engine_that_moves_the_callers_atoms() -> None:
    class Meddler(EMT):  # type: ignore[misc]
        def get_forces(self, atoms: Atoms) -> Any:
            atoms.positions += 0.01
            return super().get_forces(atoms)

    with pytest.raises(FailureError, match="changed the atoms"):
        contract.check_leaves_atoms(Meddler(), _copper())


def test_a_base_class_without_an_engine_says_so() -> None:
    with pytest.raises(NotImplementedError):
        PotentialContract().test_rotation()
