"""Strained crystals, labelled with GPAW, so that a tuned committee learns how stiff they are.

``python benchmarks/strained_frames.py FOLDER`` writes FOLDER/0000.xyz, ... one at a time, any
number of shells at once, 5 to 40 s of a core each. ``data/lpscl-dft-strained-frames.extxyz`` is all
of them in order.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from ase import Atoms
from pymatgen.io.ase import AseAtomsAdaptor
from reacting_frames import label_each

from interlith.structures.reading import read_material

CRYSTALS = {"Li3P": 14, "Li2S": 8, "LiCl": 8, "Li6PS5Cl": 10, "Li3PS4-gamma": 8, "Li": 4}
"""Frames of each."""
LARGEST_STRAIN = 0.03
RATTLE_ANGSTROM = 0.03
SEED = 20261123


def strained(name: str, number: int) -> Atoms:
    """A primitive cell under a random strain, every other one isotropic, with rattled atoms."""
    random = np.random.default_rng([SEED, list(CRYSTALS).index(name), number])
    cell = read_material(name).structure.get_primitive_structure()
    atoms = AseAtomsAdaptor.get_atoms(cell, msonable=False)
    if number % 2:
        strain = random.uniform(-LARGEST_STRAIN, LARGEST_STRAIN, (3, 3))
        strain = (strain + strain.T) / 2
    else:  # evenly from the shortest to the longest
        share = number / max(1, CRYSTALS[name] - 2)
        strain = LARGEST_STRAIN * (2 * share - 1) * np.eye(3)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    atoms.positions += random.normal(scale=RATTLE_ANGSTROM, size=atoms.positions.shape)
    atoms.info = {"group": name.split("-24g")[0], "source": "strained"}
    return atoms


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("name a folder: python benchmarks/strained_frames.py FOLDER")
    WANTED = [(name, number) for name, frames in CRYSTALS.items() for number in range(frames)]
    label_each(Path(sys.argv[1]), range(len(WANTED)), lambda k: strained(*WANTED[k]))
