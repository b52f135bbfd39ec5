"""Strained slabs put on top of each other: layers, joints, and the cell that holds them.

A layer is a slab in the in-plane lattice that all layers of a cell share. A joint says how the next
layer sits on the one below: a lateral shift and a gap. Closing the stack with a joint from the last
layer to the next image of the first makes a periodic cell. Its third vector takes up the lateral
shift that this joint asks for, so both interfaces of a periodic cell can have their own registry.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from interlith.structures.interfaces.contacts import contact_distances

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from interlith.structures.surfaces.slabs import Slab

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SURFACE_DEPTH_ANGSTROM = 4.0
"""Atoms deeper than this below a surface touch nothing beyond it."""
ON_LATTICE = 1e-6
SAME_TURN = 1e-4
UPSIDE_DOWN = np.diag([1.0, -1.0])
"""In-plane part of the rotation by 180 degrees about x."""


@dataclass(frozen=True, eq=False)
class Flip:
    """An operation that turns a layer upside down onto itself.

    Attributes
    ----------
    in_plane : (2, 2)
        x -> in_plane @ x + offset on lateral coordinates (Angstrom), while z is mirrored.
    """

    in_plane: FloatArray
    offset: FloatArray


@dataclass(frozen=True, eq=False)
class Layer:
    """A slab strained into the common in-plane lattice.

    Attributes
    ----------
    name : str
        Region: what the layer is in the cell, such as "electrolyte".
    material : str
        Name of the crystal.
    slab : Slab
        The slab before it was repeated and strained.
    supercell : (2, 2)
        Rows count in-plane lattice vectors of the slab's crystal (turned upside down if flipped).
    deformation : (3, 3)
        Gradient from the slab's frame to the cell's frame, rotation included.
    lattice : (2, 2)
        The crystal's own in-plane primitive lattice after the deformation, rows, Angstrom.
    symbols : tuple of str
        Elements.
    positions : (n, 3)
        Angstrom in the cell's frame; heights run from 0 (lowest plane) to ``thickness``.
    states : dict
        Oxidation state of each element, where known.
    """

    name: str
    material: str
    slab: Slab
    flipped: bool
    supercell: IntArray
    deformation: FloatArray
    lattice: FloatArray
    symbols: tuple[str, ...]
    positions: FloatArray
    states: Mapping[str, float] = field(default_factory=dict)
    flips: tuple[Flip, ...] = ()

    @property
    def thickness(self) -> float:
        """Distance between the outermost planes, Angstrom."""
        return float(self.positions[:, 2].max())

    def lower_surface(self) -> tuple[FloatArray, list[str]]:
        """Atoms near the bottom, heights counted from the lowest plane."""
        near = self.positions[:, 2] < SURFACE_DEPTH_ANGSTROM
        return self.positions[near], [s for s, kept in zip(self.symbols, near, strict=True) if kept]

    def upper_surface(self) -> tuple[FloatArray, list[str]]:
        """Atoms near the top, heights counted from the topmost plane (zero and negative)."""
        points = self.positions - [0, 0, self.thickness]
        near = points[:, 2] > -SURFACE_DEPTH_ANGSTROM
        return points[near], [s for s, kept in zip(self.symbols, near, strict=True) if kept]


@dataclass(frozen=True, eq=False)
class Joint:
    """How an upper layer sits on a lower one.

    Attributes
    ----------
    shift : (2,)
        Lateral offset of the upper layer's origin against the lower's, Angstrom.
    gap : float
        Distance between the two outermost planes, Angstrom.
    """

    shift: FloatArray
    gap: float


def place_layer(
    name: str,
    material: str,
    slab: Slab,
    cell: FloatArray,
    supercell: IntArray,
    *,
    flipped: bool = False,
    states: Mapping[str, float] | None = None,
    poisson_ratio: float | None = None,
) -> Layer:
    """Repeat a slab, strain it into a cell, and turn it upside down if asked.

    Parameters
    ----------
    slab : Slab
        In-plane lattice vectors along its first two axes, surface normal along z.
    cell : (2, 2)
        Common in-plane lattice vectors as rows, Angstrom.
    supercell : (2, 2)
        Rows that count the slab's in-plane vectors (see :func:`in_plane_lattice`).
    poisson_ratio : float or None
        With it the thickness answers the in-plane strain as under plane stress,
        e_zz = -nu / (1 - nu) (e_xx + e_yy); without it heights stay.
    """
    own = in_plane_lattice(slab, flipped)
    lateral = np.asarray(np.linalg.solve(supercell @ own, cell).T, dtype=np.float64)
    stretch = 1.0
    if poisson_ratio is not None:
        stretches = np.linalg.svd(lateral, compute_uv=False)
        stretch -= poisson_ratio / (1 - poisson_ratio) * float((stretches - 1).sum())
    deformation = np.zeros((3, 3))
    deformation[:2, :2], deformation[2, 2] = lateral, stretch
    turn = np.diag([1.0, -1.0, -1.0]) if flipped else np.eye(3)
    base = slab.structure.cart_coords @ turn.T
    translations = _translations(supercell) @ own
    repeated = np.repeat(base[None], len(translations), axis=0)
    repeated[:, :, :2] += translations[:, None, :]
    positions = repeated.reshape(-1, 3) @ deformation.T
    positions[:, 2] -= positions[:, 2].min()
    symbols = [site.specie.symbol for site in slab.structure] * len(translations)
    return Layer(
        name=name,
        material=material,
        slab=slab,
        flipped=flipped,
        supercell=supercell,
        deformation=deformation,
        lattice=own @ lateral.T,
        symbols=tuple(symbols),
        positions=positions,
        states=dict(states or {}),
        flips=_carried_flips(slab, lateral, cell, flipped),
    )


def in_plane_lattice(slab: Slab, flipped: bool) -> FloatArray:
    """In-plane lattice of a slab as it lies in the cell, right-handed rows, Angstrom.

    Upside down, (a, b) becomes (a', -b') with a' and b' turned by 180 degrees about x.
    """
    rows: FloatArray = np.array(slab.structure.lattice.matrix[:2, :2])
    return flipped_lattice(rows) if flipped else rows


def flipped_lattice(rows: FloatArray) -> FloatArray:
    """A right-handed in-plane lattice after a turn by 180 degrees about x."""
    turned = rows @ UPSIDE_DOWN
    return np.array([turned[0], -turned[1]])


def equal_joint(below: Layer, above: Layer, joint: Joint, cell: FloatArray) -> Joint | None:
    """The closing joint that makes the second interface the image of the first.

    None unless both layers can be turned upside down by operations with the same in-plane part
    that also carry the cell onto itself. Inversion centres and mirror planes always do.

    Notes
    -----
    Let x -> W x + w turn each layer onto itself. Turned upside down about the lower layer, the
    upper one at shift s lies at W s + w_lower - w_upper below it, which is minus the shift of the
    next lower layer on the upper one.
    """
    for one, other in itertools.product(below.flips, above.flips):
        if np.allclose(one.in_plane, other.in_plane, atol=SAME_TURN) and _keeps(one.in_plane, cell):
            return Joint(-(one.in_plane @ joint.shift + one.offset - other.offset), joint.gap)
    return None


def stack_layers(
    layers: Sequence[Layer],
    joints: Sequence[Joint],
    cell: FloatArray,
    *,
    closing: Joint | None = None,
    vacuum_angstrom: float = 0.0,
) -> tuple[Structure, tuple[int, ...], tuple[float, ...]]:
    """Put layers on top of each other.

    Parameters
    ----------
    joints : sequence
        One fewer than layers.
    closing : Joint or None
        From the last layer to the next image of the first; without it ``vacuum_angstrom``
        separates them.

    Returns
    -------
    Structure
        Atoms layer by layer from the bottom; c may be tilted.
    tuple of int
        Layer of each atom.
    tuple of float
        Heights of the interface planes (mid-gap), Angstrom; the closing one included.
    """
    from pymatgen.core import Lattice, Structure

    base, offset = 0.0, np.zeros(2)
    positions: list[FloatArray] = []
    heights: list[float] = []
    for index, layer in enumerate(layers):
        if index:
            joint = joints[index - 1]
            offset = offset + joint.shift
            heights.append(base + joint.gap / 2)
            base += joint.gap
        positions.append(layer.positions + np.array([offset[0], offset[1], base]))
        base += layer.thickness
    matrix = np.zeros((3, 3))
    matrix[:2, :2] = cell
    if closing is None:
        matrix[2, 2] = base + vacuum_angstrom
    else:
        lateral = offset + closing.shift
        lateral = lateral - np.round(lateral @ np.linalg.inv(cell)) @ cell
        matrix[2] = [lateral[0], lateral[1], base + closing.gap]
        heights.append(base + closing.gap / 2)
    structure = Structure(
        Lattice(matrix),
        [symbol for layer in layers for symbol in layer.symbols],
        np.concatenate(positions),
        coords_are_cartesian=True,
    )
    owner = tuple(i for i, layer in enumerate(layers) for _ in layer.symbols)
    return structure, owner, tuple(heights)


def touching(below: Layer, above: Layer) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Atoms next to an interface and their touching distances, for ``touching_gap``."""
    lower, lower_symbols = below.upper_surface()
    upper, upper_symbols = above.lower_surface()
    contacts = contact_distances(lower_symbols, upper_symbols, below.states, above.states)
    return lower, upper, contacts


def _translations(supercell: IntArray) -> FloatArray:
    """Lattice points within a supercell, as multiples of the small cell's vectors."""
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) @ supercell
    low, high = corners.min(axis=0), corners.max(axis=0)
    grid = np.array(
        [(i, j) for i in range(low[0], high[0] + 1) for j in range(low[1], high[1] + 1)],
        dtype=float,
    )
    fractional = grid @ np.linalg.inv(supercell)
    inside = ((fractional > -ON_LATTICE) & (fractional < 1 - ON_LATTICE)).all(axis=1)
    return grid[inside]


def _carried_flips(
    slab: Slab, lateral: FloatArray, cell: FloatArray, flipped: bool
) -> tuple[Flip, ...]:
    """The slab's own upside-down operations in the cell's frame, those that survive the strain."""
    kept = []
    for own in slab.flips:
        turn, offset = own.lateral, own.offset
        if flipped:
            turn, offset = UPSIDE_DOWN @ turn @ UPSIDE_DOWN, UPSIDE_DOWN @ offset
        carried = lateral @ turn @ np.linalg.inv(lateral)
        if np.allclose(carried @ carried.T, np.eye(2), atol=SAME_TURN) and _keeps(carried, cell):
            kept.append(Flip(carried, lateral @ offset))
    return tuple(kept)


def _keeps(turn: FloatArray, cell: FloatArray) -> bool:
    """Whether an in-plane operation carries the lattice onto itself."""
    images = (cell @ turn.T) @ np.linalg.inv(cell)
    return bool(np.allclose(images, np.round(images), atol=SAME_TURN))
