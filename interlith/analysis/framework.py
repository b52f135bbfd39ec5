"""Did the framework survive the run: neither molten nor broken.

The rule: atoms bonded within 1.25 covalent-radius sums in the first tenth of the run keep at
least 95 % of these bonds (no longer than 1.3 times the first length in the last tenth, median of
the frames kept), and the skeleton - the framework without the ligands of such bonds, so that
polyanions may turn - is on average less than 1 Angstrom (rms) away from where it was.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from interlith.analysis.displacements import Paths
from interlith.records import Record

FloatArray = npt.NDArray[np.float64]

BOND_RADII = 1.25
BROKEN_STRETCH = 1.3
BONDS_KEPT = 0.95
SKELETON_RMSD_ANGSTROM = 1.0
LIGANDS = frozenset({"N", "O", "F", "P", "S", "Cl", "Se", "Br", "Te", "I", "H"})
CENTRES_OF = {"P": {"S", "O", "Se", "N"}, "S": {"O", "F"}, "Cl": {"O"}, "N": {"O", "H"}}
"""Non-metals that are centres towards these neighbours; other elements are towards any ligand."""


class FrameworkCheck(Record):
    """How the framework at the end compares with that at the start."""

    intact: bool
    reason: str | None
    skeleton_rmsd_angstrom: float
    bonds: int
    bonds_kept: float | None


def check_framework(paths: Paths) -> FrameworkCheck | None:
    """Compare the framework's last tenth with its first; None if there is no framework."""
    frames = paths.framework_frames
    if not frames.size or len(frames) < 2:
        return None
    half = len(frames) // 2
    early, late = frames[:half], frames[-half:]
    symbols = [paths.symbols[int(i)] for i in paths.framework_indices]
    bonds = _bonds(early, symbols, paths)
    kept = None
    if len(bonds):
        before = np.median(_lengths(early, bonds, paths), axis=0)
        after = np.median(_lengths(late, bonds, paths), axis=0)
        kept = float(np.mean(after <= BROKEN_STRETCH * before))
    skeleton = np.ones(len(symbols), dtype=bool)
    skeleton[bonds[:, 1]] = False
    moved = (late.mean(axis=0) - early.mean(axis=0))[skeleton]
    rmsd = float(np.sqrt((moved**2).sum(axis=1).mean())) if skeleton.any() else 0.0
    reason = None
    if kept is not None and kept < BONDS_KEPT:
        reason = f"{100 * (1 - kept):.0f} % of the {len(bonds)} bonds of the framework broke"
    elif rmsd > SKELETON_RMSD_ANGSTROM:
        reason = f"the framework moved by {rmsd:.1f} Angstrom (rms) and is not that of the start"
    return FrameworkCheck(
        intact=reason is None,
        reason=reason,
        skeleton_rmsd_angstrom=rmsd,
        bonds=len(bonds),
        bonds_kept=kept,
    )


def _bonds(early: FloatArray, symbols: list[str], paths: Paths) -> npt.NDArray[np.int64]:
    """Pairs (centre, ligand) bonded in most of the early frames."""
    from ase.data import atomic_numbers, covalent_radii

    radius = np.array([covalent_radii[atomic_numbers.get(s, 1)] for s in symbols])
    pairs = [
        (a, b)
        for b, ligand in enumerate(symbols)
        if ligand in LIGANDS
        for a, centre in enumerate(symbols)
        if centre != ligand and (centre not in LIGANDS or ligand in CENTRES_OF.get(centre, ()))
    ]
    if not pairs:
        return np.empty((0, 2), dtype=np.int64)
    found = np.array(pairs, dtype=np.int64)
    limit = BOND_RADII * (radius[found[:, 0]] + radius[found[:, 1]])
    near = np.median(_lengths(early, found, paths), axis=0) <= limit
    chosen: npt.NDArray[np.int64] = found[near]
    return chosen


def _lengths(frames: FloatArray, pairs: npt.NDArray[np.int64], paths: Paths) -> FloatArray:
    """Distances (frames, pairs) to the nearest image."""
    inverse = np.linalg.inv(paths.mean_cell)
    lengths = np.empty((len(frames), len(pairs)))
    for row, frame in enumerate(frames):
        apart = (frame[pairs[:, 1]] - frame[pairs[:, 0]]) @ inverse
        apart -= np.where(paths.periodic, np.round(apart), 0.0)
        lengths[row] = np.linalg.norm(apart @ paths.mean_cell, axis=1)
    return lengths
