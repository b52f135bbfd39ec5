"""Small cells of Li that reacts with sulfide electrolytes, sampled and labelled with GPAW.

``python benchmarks/reacting_frames.py FOLDER --frames 100`` writes FOLDER/0000.xyz, ... one at a
time; started again, or in several shells at once, it takes the next number that nobody has. Every
number is one frame: a periodic Li | electrolyte cell of at most 32 atoms after 0.06 to 2.5 ps of
``lpscl-1`` at 500 to 1000 K (cell free along its normal), or, two of five, a random packing of
Li6PS5Cl or Li3PS4 with 1 to 10 Li more, molten at 1200 K and then held at 500 to 900 K. Each takes
40 to 120 s of a core.

``data/lpscl-dft-reacting-frames.extxyz`` was made by this recipe, its last four frames with these
random numbers and the others with different ones (its six frames of P2S5 by dynamics of
``data/lpscl-wide.model`` at 350 to 700 K); its labels have the settings below.
"""

from __future__ import annotations

import argparse
import itertools
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.io import write
from ase.md.langevin import Langevin
from ase.optimize import FIRE

from interlith.engines.potentials import potential
from interlith.errors import InputError
from interlith.structures.interfaces.plans import InterfaceOptions
from interlith.units import GPA_PER_EV_PER_ANGSTROM3
from interlith.workflows.any_engine.labelling import label_frames
from interlith.workflows.structures import interfaces, two_sides

ENGINE = 'gpaw:{"task":"md","kpoint_density_angstrom":1.8}'
SAMPLER = "lpscl-1"
PARTNERS = ("Li6PS5Cl", "Li6PS5Cl-24g", "Li3PS4-gamma", "Li3PS4-beta", "Li7PS6")
THICKNESSES_ANGSTROM = (3, 5, 8)
MOST_ATOMS = 32
PACKINGS = {
    "Li6PS5Cl": ({"Li": 6, "P": 1, "S": 5, "Cl": 1}, 254.0),
    "Li3PS4": ({"Li": 3, "P": 1, "S": 4}, 155.0),
}
"""Atoms and volume (A3) of a formula unit."""
LI_VOLUME_ANGSTROM3 = 18.0
SEED = 20261122
TIMESTEP_FS = 2.0
STEPS_AT_ONCE = 10
COMPRESSIBILITY_PER_GPA, BAROSTAT_FS = 0.05, 200.0


def thin_cells() -> list[tuple[str, Atoms]]:
    """Li | electrolyte cells, a few Angstrom thick, each with the name of the electrolyte."""
    found: dict[tuple[Any, ...], tuple[str, Atoms]] = {}
    for partner in PARTNERS:
        for a, b in itertools.product(THICKNESSES_ANGSTROM, repeat=2):
            options = InterfaceOptions(
                max_atoms=MOST_ATOMS,
                thickness_a_angstrom=a,
                thickness_b_angstrom=b,
                count=8,
                registries=1,
                max_strain=0.08,
            )
            try:
                built = interfaces(*two_sides("Li", partner), options)
            except InputError:  # none so small
                continue
            for cell in built.structures.values():
                atoms = Atoms(
                    [site.specie.symbol for site in cell],
                    positions=cell.cart_coords,
                    cell=cell.lattice.matrix,
                    pbc=True,
                )
                lengths = tuple(atoms.cell.lengths().round(1))
                key = (partner, atoms.get_chemical_formula(), lengths)
                found.setdefault(key, (partner, atoms))
    return list(found.values())


def interface_frame(
    cells: list[tuple[str, Atoms]], random: np.random.Generator, calculator: Any
) -> Atoms:
    """A thin cell some time into its reaction."""
    partner, cell = cells[int(random.integers(len(cells)))]
    atoms = cell.copy()
    atoms.positions += random.normal(scale=0.02, size=atoms.positions.shape)
    atoms.calc = calculator
    FIRE(atoms, logfile=None).run(fmax=0.05, steps=20)
    temperature = float(random.choice([500, 600, 800, 1000]))
    time_ps = float(np.exp(random.uniform(np.log(0.06), np.log(2.5))))
    run(atoms, temperature, time_ps, random, free_normal=True)
    atoms.info = {
        "group": f"Li-{partner}-{len(atoms)}",
        "source": f"own-{temperature:g}K-{time_ps:.2f}ps",
    }
    return atoms


def packing_frame(random: np.random.Generator, calculator: Any) -> Atoms:
    """A molten random packing of one electrolyte and lithium."""
    name = list(PACKINGS)[int(random.integers(len(PACKINGS)))]
    unit, volume = PACKINGS[name]
    more = int(random.integers(1, 11))
    units_of_it = 1 if name == "Li6PS5Cl" or more > 6 else int(random.integers(1, 3))
    symbols = [element for element, n in unit.items() for _ in range(n * units_of_it)]
    symbols += ["Li"] * more
    edge = (volume * units_of_it + LI_VOLUME_ANGSTROM3 * more) ** (1 / 3)
    shape = random.uniform(0.85, 1.2, 3)
    edges = edge * random.uniform(0.98, 1.03) * shape / shape.prod() ** (1 / 3)
    atoms = Atoms(symbols, cell=edges, pbc=True)
    atoms.set_scaled_positions(random.random((len(atoms), 3)))
    push_apart(atoms)
    atoms.calc = calculator
    FIRE(atoms, logfile=None).run(fmax=0.3, steps=150)
    run(atoms, 1200.0, 0.6, random)
    temperature = float(random.choice([500, 700, 900]))
    run(atoms, temperature, 0.6, random)
    atoms.info = {"group": f"{name}+{more}Li", "source": f"packing-{temperature:g}K"}
    return atoms


def push_apart(atoms: Atoms, least_angstrom: float = 2.1) -> None:
    """Move atoms that are too near away from each other."""
    for _ in range(300):
        away = atoms.get_all_distances(mic=True, vector=True)
        distances = np.linalg.norm(away, axis=-1) + 10 * np.eye(len(atoms))
        if distances.min() > 0.9 * least_angstrom:
            return
        overlap = np.clip(least_angstrom - distances, 0, None) / np.maximum(distances, 1e-3)
        atoms.positions -= 0.5 * (overlap[:, :, None] * away).sum(axis=1)
    raise ArithmeticError("the atoms could not be pushed apart")


def run(
    atoms: Atoms,
    temperature_k: float,
    time_ps: float,
    random: np.random.Generator,
    free_normal: bool = False,
) -> None:
    """Langevin dynamics; with ``free_normal`` the third axis follows its stress."""
    masses = atoms.get_masses()[:, None]
    momenta = np.sqrt(masses * units.kB * temperature_k) * random.normal(size=(len(atoms), 3))
    atoms.set_momenta(momenta - masses * momenta.sum(axis=0) / masses.sum())
    dynamics = Langevin(
        atoms,
        TIMESTEP_FS * units.fs,
        temperature_K=temperature_k,
        friction=0.005 / units.fs,
        rng=random,
        fixcm=False,
    )
    rate = COMPRESSIBILITY_PER_GPA * STEPS_AT_ONCE * TIMESTEP_FS / BAROSTAT_FS
    for _ in range(max(1, round(1000 * time_ps / TIMESTEP_FS / STEPS_AT_ONCE))):
        dynamics.run(STEPS_AT_ONCE)
        if not atoms.get_temperature() < 3 * temperature_k + 500:
            raise ArithmeticError("the cell exploded")
        if free_normal:
            kinetic = len(atoms) * units.kB * temperature_k / atoms.get_volume()
            pull = (atoms.get_stress(voigt=True)[2] - kinetic) * GPA_PER_EV_PER_ANGSTROM3
            cell = atoms.cell.array
            cell[2] *= 1 + float(np.clip(-pull * rate, -0.002, 0.002))
            atoms.set_cell(cell, scale_atoms=True)


def frame(number: int, cells: list[tuple[str, Atoms]], calculator: Any) -> Atoms:
    """The frame of a number, by random numbers of its own; another try where a cell explodes."""
    for attempt in range(20):
        random = np.random.default_rng([SEED, number, attempt])
        try:
            if number % 5 in (1, 3):
                atoms = packing_frame(random, calculator)
            else:
                atoms = interface_frame(cells, random, calculator)
        except ArithmeticError:
            continue
        atoms.calc = None
        atoms.arrays.pop("momenta", None)
        atoms.wrap()
        return atoms
    raise ArithmeticError(f"frame {number} exploded twenty times")


def label_each(folder: Path, numbers: Iterable[int], make: Callable[[int], Atoms]) -> None:
    """Label the frame of each number that nobody has yet, each in a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        claim, path = folder / f"{number:04d}.labels", folder / f"{number:04d}.xyz"
        owner = claim / "process"
        claim.mkdir(exist_ok=True)
        if path.exists() or (owner.exists() and alive(owner.read_text())):
            continue
        owner.write_text(str(os.getpid()))
        labels = label_frames([make(number)], ENGINE, claim / "records")
        if labels.frames:
            write(path, labels.frames, format="extxyz")
        record = labels.records[0]
        print(f"{path.name}: {record.formula}, {record.status}", flush=True)


def alive(process: str) -> bool:
    """Whether a process still runs; one that has not yet written its number does."""
    try:
        return not process or os.kill(int(process), 0) is None
    except OSError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--frames", type=int, default=100)
    asked = parser.parse_args()
    cells, calculator = thin_cells(), potential(SAMPLER).calculator()
    label_each(asked.folder, range(asked.frames), lambda number: frame(number, cells, calculator))


if __name__ == "__main__":
    main()
