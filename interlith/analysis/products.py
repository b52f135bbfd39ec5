"""What an interface turned into: phases atom by atom, bonds, clusters, over time and depth.

>>> from interlith.analysis.trajectories import from_arrays
>>> from interlith.structures.library import build, load_phase
>>> salt = build(load_phase("LiCl")) * 2
>>> symbols = [site.specie.symbol for site in salt]
>>> still = from_arrays(salt.cart_coords[None], salt.lattice.matrix, symbols, 100.0)
>>> found = identify_products(still, phases=("LiCl", "Li"))
>>> found.frames[0].fractions
{'LiCl': 1.0}
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from interlith.analysis.environments.bonds import (
    bare,
    bond_counts,
    bonded,
    coordination,
    polyanions,
)
from interlith.analysis.environments.classify import AMORPHOUS, Labels, label_atoms
from interlith.analysis.environments.fingerprint import CUTOFF_ANGSTROM
from interlith.analysis.environments.model import EnvironmentModel, environment_model
from interlith.analysis.environments.pairs import Pairs, near_pairs
from interlith.analysis.product_amounts import PhaseAmounts, phase_amounts
from interlith.analysis.profiles import heights_along_normal
from interlith.analysis.references import parse_formula
from interlith.errors import InputError
from interlith.records import Amount, Record

if TYPE_CHECKING:
    from interlith.analysis.trajectories import Trajectory

FloatArray = npt.NDArray[np.float64]

ION = "Li"
CLUSTER_ANGSTROM = 3.3
"""Atoms of one label this close are of one cluster."""
LARGEST_CLUSTERS = 10
BIN_ANGSTROM = 2.0
BLOCK_FRAMES = 64
METHOD = (
    "soft counts of each element at distances of 2 to 6 Angstrom around each atom, linear "
    "discriminants against shaken crystals of the library, averaged over neighbours within 3.6 "
    "Angstrom; 'amorphous' is nearer to no crystal"
)


class Cluster(Record):
    """Connected atoms of one label."""

    phase: str
    atoms: int
    composition: dict[str, int]


class FrameProducts(Record):
    """One frame.

    Attributes
    ----------
    fractions : dict
        Share of all atoms by label.
    confidence : dict
        Mean confidence of the atoms of each label.
    polyanions : dict
        Centres by their ligands, such as PS4, PS3, bare P.
    bonds : dict
        Numbers of P-P, S-S, M-S, M-P, P-O bonds.
    lithium_around : dict
        Mean number of Li around atoms of each other element.
    bare : dict
        By element, the share of its atoms bonded to nothing but Li.
    clusters : tuple
        The largest of crystalline labels.
    """

    time_ps: float
    fractions: dict[str, float]
    confidence: dict[str, float]
    polyanions: dict[str, int]
    bonds: dict[str, int]
    lithium_around: dict[str, float]
    bare: dict[str, float]
    clusters: tuple[Cluster, ...]


class DepthProfile(Record):
    """Share of the atoms of each label in layers along the normal, mean over some frames."""

    from_ps: float
    to_ps: float
    heights_angstrom: tuple[float, ...]
    atoms: tuple[float, ...]
    fractions: dict[str, tuple[float, ...]]


class Comparison(Record):
    """A predicted phase beside what was found in the last frames.

    Attributes
    ----------
    predicted_fraction : float
        Of the atoms of all predicted products.
    crystalline_fraction : float
        Atoms labelled as the phase, among all that are of no phase present at the start.
    element : str or None
        For a compound of Li and one other element: that element, whose environment shows the
        phase though nothing crystallised.
    converted_fraction : float or None
        Share of that element's atoms bonded to nothing but Li.
    """

    phase: str
    predicted_fraction: float
    crystalline_fraction: float
    element: str | None = None
    converted_fraction: float | None = None


class ProductsRecord(Record):
    """Result of :func:`identify_products`."""

    schema_version: int = 1
    phases: tuple[str, ...]
    frames: tuple[FrameProducts, ...]
    profiles: tuple[DepthProfile, ...]
    comparison: tuple[Comparison, ...]
    amounts: tuple[PhaseAmounts, ...] = ()
    method: str = METHOD


def identify_products(
    trajectory: Trajectory,
    *,
    phases: Sequence[str] | None = None,
    predicted: Sequence[Amount] = (),
    every: int = 1,
    start: int = 0,
    blocks: int = 4,
    model: EnvironmentModel | None = None,
) -> ProductsRecord:
    """Label every atom of every frame and add up.

    Parameters
    ----------
    trajectory : Trajectory
        Of an interface, its normal across a and b.
    phases : sequence of str, optional
        Library phases to look for; all ordered ones of these elements if left out.
    predicted : sequence of Amount
        Products that thermodynamics names, to be compared with the last quarter.
    every, start : int
        Frames to take.
    blocks : int
        Parts of the run, each with its profile over depth.

    Raises
    ------
    InputError
        If no frame is chosen, the library has no phase of these elements, or the predicted
        products hold an element that the cell has not.
    """
    if every < 1 or not 0 <= start < trajectory.n_frames:
        raise InputError(
            f"frames from {start} in steps of {every} of {trajectory.n_frames}: start within the "
            "trajectory and step by at least 1"
        )
    chosen = range(start, trajectory.n_frames, every)
    known = model or environment_model(sorted(set(trajectory.symbols)), phases)
    frames: list[FrameProducts] = []
    depths: list[_Depth] = []
    for block in trajectory.source.frames(chosen, BLOCK_FRAMES):  # as stored, with their own cells
        for positions, cell in zip(block.positions, block.cells, strict=True):
            time_ps = chosen[len(frames)] * trajectory.time_step_fs / 1000.0
            one, labels = _frame(trajectory, known, positions, cell, time_ps)
            frames.append(one)
            depths.append(_Depth(positions, cell, labels))
    profiles = _profiles(depths, [one.time_ps for one in frames], blocks)
    return ProductsRecord(
        phases=known.phases,
        frames=tuple(frames),
        profiles=profiles,
        comparison=_compare(frames, predicted),
        amounts=phase_amounts(
            predicted,
            trajectory.symbols,
            [one.fractions for one in frames],
            [one.bare for one in frames],
            [one.lithium_around for one in frames],
        ),
    )


def _frame(
    trajectory: Trajectory,
    model: EnvironmentModel,
    positions: FloatArray,
    cell: FloatArray,
    time_ps: float,
) -> tuple[FrameProducts, Labels]:
    symbols = trajectory.symbols
    pairs = near_pairs(positions, cell, CUTOFF_ANGSTROM, trajectory.periodic)
    labels = label_atoms(model, positions, cell, symbols, pairs=pairs)
    bonds = bonded(pairs, symbols)
    others = [element for element in sorted(set(symbols)) if element != ION]
    alone, kinds = bare(bonds, symbols), np.array(symbols)
    around = {one: float(coordination(bonds, symbols, one, ION).mean()) for one in others}
    record = FrameProducts(
        time_ps=time_ps,
        fractions=labels.fractions(),
        confidence={
            name: float(labels.confidence[labels.index == i].mean())
            for i, name in enumerate(labels.names)
            if (labels.index == i).any()
        },
        polyanions=dict(sorted(polyanions(bonds, symbols).items())),
        bonds=dict(sorted(bond_counts(bonds, symbols).items())),
        lithium_around=around,
        bare={one: float(alone[kinds == one].mean()) for one in others},
        clusters=clusters(labels, pairs, symbols),
    )
    return record, labels


def clusters(labels: Labels, pairs: Pairs, symbols: Sequence[str]) -> tuple[Cluster, ...]:
    """Connected atoms of one crystalline label, the largest first."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    near = pairs.within(CLUSTER_ANGSTROM)
    crystal = labels.index != labels.names.index(AMORPHOUS)
    same = (labels.index[near.first] == labels.index[near.second]) & crystal[near.first]
    n = len(labels.index)
    links = coo_matrix((np.ones(same.sum()), (near.first[same], near.second[same])), shape=(n, n))
    _, owner = connected_components(links, directed=False)
    sizes = np.bincount(owner[crystal], minlength=int(owner.max()) + 1)
    kinds = np.array(symbols)
    made = []
    for one in np.argsort(-sizes, kind="stable")[:LARGEST_CLUSTERS]:
        if sizes[one] < 2:
            break
        members = np.flatnonzero((owner == one) & crystal)
        made.append(
            Cluster(
                phase=labels.names[int(labels.index[members[0]])],
                atoms=len(members),
                composition=dict(sorted(Counter(map(str, kinds[members])).items())),
            )
        )
    return tuple(made)


class _Depth:
    """Labels by height of one frame, for profiles."""

    def __init__(self, positions: FloatArray, cell: FloatArray, labels: Labels) -> None:
        self.heights, self.length = heights_along_normal(positions, cell)
        self.index, self.names = labels.index, labels.names


def _profiles(
    depths: Sequence[_Depth], times: Sequence[float], blocks: int
) -> tuple[DepthProfile, ...]:
    made = []
    for part in np.array_split(np.arange(len(depths)), max(1, min(blocks, len(depths)))):
        own = [depths[int(i)] for i in part]
        length = float(np.mean([one.length for one in own]))
        count = max(1, round(length / BIN_ANGSTROM))
        table = np.zeros((count, len(own[0].names)))
        for one in own:
            layer = np.minimum((one.heights / one.length * count).astype(int), count - 1)
            np.add.at(table, (layer, one.index), 1.0)
        atoms = table.sum(axis=1)
        shares = table / np.maximum(atoms, 1)[:, None]
        made.append(
            DepthProfile(
                from_ps=times[int(part[0])],
                to_ps=times[int(part[-1])],
                heights_angstrom=tuple(float(x) for x in (np.arange(count) + 0.5) * length / count),
                atoms=tuple(float(x) for x in atoms / len(own)),
                fractions={
                    name: tuple(float(x) for x in shares[:, i])
                    for i, name in enumerate(own[0].names)
                    if table[:, i].any()
                },
            )
        )
    return tuple(made)


def _compare(
    frames: Sequence[FrameProducts], predicted: Sequence[Amount]
) -> tuple[Comparison, ...]:
    if not predicted:
        return ()
    last = frames[-max(1, len(frames) // 4) :]
    atoms = {
        one.formula: sum(parse_formula(one.formula).values()) * one.amount for one in predicted
    }
    initial = {name for name in frames[0].fractions if name not in atoms and name != AMORPHOUS}
    changed = 1 - float(np.mean([sum(f.fractions.get(n, 0.0) for n in initial) for f in last]))
    rows = []
    for one in predicted:
        labelled = float(np.mean([f.fractions.get(one.formula, 0.0) for f in last]))
        others = [e for e in parse_formula(one.formula) if e != ION]
        element = others[0] if len(others) == 1 and ION in parse_formula(one.formula) else None
        converted = None
        if element is not None:
            converted = float(np.mean([f.bare.get(element, 0.0) for f in last]))
        rows.append(
            Comparison(
                phase=one.formula,
                predicted_fraction=atoms[one.formula] / sum(atoms.values()),
                crystalline_fraction=labelled / changed if changed > 0 else 0.0,
                element=element,
                converted_fraction=converted,
            )
        )
    return tuple(rows)
