"""Crystals of the library shaken as heat would shake them: what atoms of a phase look like warm.

Independent normal displacements, larger for light atoms and with the root of the temperature, and
a little expansion. Real vibrations are correlated (bonds are stiffer than this), so the spread is a
generous one. The amplitude is a choice: 0.14 Angstrom along each axis for Li at 300 K, 0.08 for S.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = npt.NDArray[np.float64]

RMS_300K_ANGSTROM = 0.085
AT_MASS = 30.0
MASS_POWER = 0.35
EXPANSION_PER_K = 2e-5
STRAIN_SPREAD = 0.005
LEAST_ATOMS, LEAST_EDGE_ANGSTROM = 60, 9.0


def amplitude_angstrom(symbol: str, temperature_k: float) -> float:
    """Root mean square displacement of an element along each axis."""
    from pymatgen.core import Element

    lightness = (AT_MASS / float(Element(symbol).atomic_mass)) ** MASS_POWER
    return float(RMS_300K_ANGSTROM * lightness * np.sqrt(temperature_k / 300.0))


def shaken(
    crystal: Structure, temperature_k: float, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, list[str]]:
    """Positions (n, 3), cell (3, 3) and elements of a warm crystal."""
    symbols = [site.specie.symbol for site in crystal]
    sizes = {symbol: amplitude_angstrom(symbol, temperature_k) for symbol in set(symbols)}
    moves = rng.normal(size=(len(symbols), 3)) * np.array([sizes[s] for s in symbols])[:, None]
    stretch = 1 + EXPANSION_PER_K * temperature_k + STRAIN_SPREAD * rng.normal()
    return (crystal.cart_coords + moves) * stretch, crystal.lattice.matrix * stretch, symbols


def repeated(
    crystal: Structure,
    least_atoms: int = LEAST_ATOMS,
    least_edge_angstrom: float = LEAST_EDGE_ANGSTROM,
) -> Structure:
    """The crystal repeated until it has enough atoms and edges long enough."""
    lengths = np.array(crystal.lattice.abc)
    times = np.maximum(np.ceil(least_edge_angstrom / lengths).astype(int), 1)
    while len(crystal) * int(np.prod(times)) < least_atoms:
        times[int(np.argmin(lengths * times))] += 1
    return crystal.make_supercell(np.diag(times), in_place=False)
