"""Paths of the mobile atoms with drift removed, and their mean squared displacement at every lag.

The paths of a trajectory are collected block by block: only the mobile atoms are kept (32-bit, in
a scratch file where they are many), of the framework only its centre of mass and a few frames.

>>> import numpy as np
>>> straight = np.zeros((1, 3, 4)) + np.arange(4.0)
>>> msd_tensor(straight)[:, 0].round(6)
array([0., 1., 4., 9.])
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from interlith.analysis.trajectories import Trajectory
from interlith.errors import InputError

FloatArray = npt.NDArray[np.float64]
PathArray = npt.NDArray[np.floating]
Drift = Literal["framework", "all", "none"]

IN_MEMORY_BYTES = 600_000_000
"""Larger collections of paths go to a scratch file."""
FFT_BYTES = 200_000_000
"""Room for the transforms of one chunk of atoms."""
BLOCK_BYTES = 64_000_000
SNAPSHOTS = 10
"""Frames of the framework kept from the first and from the last tenth."""
PAIRS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
"""Components of a symmetric tensor in the order kept here."""


@dataclass(frozen=True, eq=False)
class Paths:
    """Paths of the mobile atoms and what is needed to judge the rest.

    Attributes
    ----------
    mobile : (n_mobile, 3, n_frames) float32
        Displacement from the first frame, Angstrom, drift removed.
    start : (n_mobile, 3)
        Positions in the first frame, Angstrom.
    mobile_indices, framework_indices : (n,) int
        Which atoms of the trajectory.
    symbols : tuple of str
        Of all atoms.
    time_step_fs : float
        Between frames.
    volume_angstrom3 : float
        Mean over the frames.
    mean_cell : (3, 3)
        Rows a, b, c; displacements are in the frame of this cell.
    periodic : tuple of bool
        Along a, b, c.
    framework_frames : (n_snapshots, n_framework, 3)
        The framework, drift removed, in frames of the first and of the last tenth.
    drift : str
        What was taken as at rest.
    """

    mobile: PathArray
    start: FloatArray
    mobile_indices: npt.NDArray[np.int64]
    framework_indices: npt.NDArray[np.int64]
    symbols: tuple[str, ...]
    time_step_fs: float
    volume_angstrom3: float
    mean_cell: FloatArray
    periodic: tuple[bool, bool, bool]
    framework_frames: FloatArray
    drift: Drift

    @property
    def n_frames(self) -> int:
        """Frames kept."""
        return int(self.mobile.shape[2])

    @property
    def n_mobile(self) -> int:
        """Mobile atoms."""
        return int(self.mobile.shape[0])

    def positions(self, start: int, stop: int) -> FloatArray:
        """Unwrapped positions (frames, n_mobile, 3) of the mobile atoms, Angstrom."""
        part = np.moveaxis(np.asarray(self.mobile[:, :, start:stop], dtype=np.float64), 2, 0)
        positions: FloatArray = part + self.start
        return positions


def read_paths(
    trajectory: Trajectory,
    mobile: str | Sequence[int] = "Li",
    *,
    drift: Drift | None = None,
    first: int = 0,
    last: int | None = None,
    stride: int = 1,
) -> Paths:
    """Collect the paths of the mobile atoms from a trajectory, in blocks.

    Parameters
    ----------
    trajectory : Trajectory
        From :func:`~interlith.analysis.trajectories.open_trajectory`.
    mobile : str or sequence of int
        Element of the mobile atoms, or their indices.
    drift : {"framework", "all", "none"}, optional
        What is held at rest: the centre of mass of all other atoms (default), of all atoms
        (default where there are no others), or nothing.
    first, last, stride : int
        Frames taken: ``first``, ``first + stride``, ... below ``last``.

    Returns
    -------
    Paths

    Raises
    ------
    InputError
        If there is no mobile atom, no framework to hold at rest, or too few frames.
    """
    indices = mobile_indices(trajectory.symbols, mobile)
    others = np.setdiff1d(np.arange(len(trajectory.symbols)), indices)
    drift = drift or ("framework" if others.size else "all")
    if drift == "framework" and not others.size:
        raise InputError(
            "every atom is mobile, so there is no framework to measure against; use drift 'all' "
            "(centre of mass of everything) or 'none'"
        )
    if stride < 1 or first < 0:
        raise InputError(f"frames from {first} in steps of {stride} make no sense; both count up")
    last = trajectory.n_frames if last is None else min(last, trajectory.n_frames)
    chosen = range(first, last, stride)
    if len(chosen) < 2:
        raise InputError(
            f"{len(chosen)} frames are chosen of {trajectory.n_frames}; at least two are needed"
        )
    at_rest = {"framework": others, "all": np.arange(len(trajectory.symbols))}.get(drift)
    weights = None if at_rest is None else (at_rest, _mass_fractions(trajectory.symbols, at_rest))
    return _collect(trajectory, indices, others, weights, chosen, drift)


def mobile_indices(symbols: Sequence[str], mobile: str | Sequence[int]) -> npt.NDArray[np.int64]:
    """Indices of the mobile atoms.

    Raises
    ------
    InputError
        If there is none, or an index is out of range or given twice.
    """
    if isinstance(mobile, str):
        found = np.flatnonzero([symbol == mobile for symbol in symbols])
        if not found.size:
            known = ", ".join(dict.fromkeys(symbols))
            raise InputError(f"the trajectory holds no {mobile}; its elements are {known}")
        return found.astype(np.int64)
    found = np.asarray(mobile, dtype=np.int64)
    if not found.size or np.unique(found).size != found.size:
        raise InputError("give each mobile atom once, and at least one")
    if found.min() < 0 or found.max() >= len(symbols):
        raise InputError(f"mobile atoms are numbered from 0 to {len(symbols) - 1}")
    return found


def _mass_fractions(symbols: Sequence[str], indices: npt.NDArray[np.int64]) -> FloatArray:
    from ase.data import atomic_masses, atomic_numbers

    masses = np.array([atomic_masses[atomic_numbers.get(symbols[int(i)], 1)] for i in indices])
    fractions: FloatArray = masses / masses.sum()
    return fractions


def _collect(
    trajectory: Trajectory,
    indices: npt.NDArray[np.int64],
    others: npt.NDArray[np.int64],
    at_rest: tuple[npt.NDArray[np.int64], FloatArray] | None,
    chosen: range,
    drift: Drift,
) -> Paths:
    store = _scratch((indices.size, 3, len(chosen)))
    keep = _snapshot_frames(len(chosen)) if others.size else set()
    snapshots, cells, volumes = [], np.zeros((3, 3)), 0.0
    start: FloatArray | None = None
    origin: FloatArray | None = None
    done = 0
    per_frame = 24 * len(trajectory.symbols)
    for block in trajectory.blocks(max(1, BLOCK_BYTES // per_frame), chosen):
        positions = block.positions
        frames = positions.shape[0]
        sound = np.isfinite(positions).all(axis=(1, 2))
        if not sound.all():
            raise InputError(
                f"frame {chosen[done + int(sound.argmin())]} of {trajectory.path} holds positions "
                "that are no numbers: the run exploded; analyse what came before (last)"
            )
        if at_rest is not None:
            centre = np.einsum("fad,a->fd", positions[:, at_rest[0]], at_rest[1])
            origin = centre[0] if origin is None else origin
            positions = positions - (centre - origin)[:, None, :]
        mobile = positions[:, indices]
        start = mobile[0].copy() if start is None else start
        store[:, :, done : done + frames] = np.moveaxis(mobile - start, 0, 2)
        snapshots += [positions[i, others] for i in range(frames) if done + i in keep]
        cells += block.cells.sum(axis=0)
        volumes += float(np.abs(np.linalg.det(block.cells)).sum())
        done += frames
    if start is None or done != len(chosen):
        raise InputError(
            f"{trajectory.path} gave {done} frames where {len(chosen)} were announced; the file "
            "is damaged or still being written"
        )
    return Paths(
        mobile=store,
        start=start,
        mobile_indices=indices,
        framework_indices=others,
        symbols=trajectory.symbols,
        time_step_fs=trajectory.time_step_fs * chosen.step,
        volume_angstrom3=volumes / done,
        mean_cell=cells / done,
        periodic=trajectory.periodic,
        framework_frames=np.array(snapshots).reshape(len(snapshots), others.size, 3),
        drift=drift,
    )


def _scratch(shape: tuple[int, int, int]) -> PathArray:
    """Array of 32-bit numbers, in an unnamed scratch file if large."""
    if 4 * int(np.prod(shape)) <= IN_MEMORY_BYTES:
        return np.empty(shape, dtype=np.float32)
    with tempfile.TemporaryFile(prefix="interlith-paths-") as file:
        return np.memmap(file, dtype=np.float32, mode="w+", shape=shape)


def _snapshot_frames(n_frames: int) -> set[int]:
    tenth = max(1, n_frames // 10)
    early = np.linspace(0, tenth - 1, min(SNAPSHOTS, tenth)).round().astype(int)
    return {int(i) for i in early} | {int(n_frames - 1 - i) for i in early}


def msd_tensor(paths: PathArray) -> FloatArray:
    """Mean squared displacement tensor at every lag, by fast Fourier transform.

    Parameters
    ----------
    paths : (n_atoms, 3, n_frames)
        Unwrapped, drift removed, Angstrom.

    Returns
    -------
    (n_frames, 6)
        xx, yy, zz, yz, xz, xy in Angstrom^2: mean over atoms and over all window starts.

    Notes
    -----
    Exact up to rounding (about 1e-12 of the largest squared distance); the last lags rest on one
    or few windows. One inverse transform serves all atoms, which go through in chunks.
    """
    from scipy import fft

    n_atoms, _, n_frames = paths.shape
    length = fft.next_fast_len(2 * n_frames, real=True)
    chunk = max(1, FFT_BYTES // (48 * length))
    spectra = np.zeros((6, length // 2 + 1))
    squares = np.zeros((6, n_frames))
    for begin in range(0, n_atoms, chunk):
        part = np.asarray(paths[begin : begin + chunk], dtype=np.float64)
        part = part - part.mean(axis=2, keepdims=True)
        waves = fft.rfft(part, n=length, axis=2)
        for row, (a, b) in enumerate(PAIRS):
            squares[row] += np.einsum("nf,nf->f", part[:, a], part[:, b])
            spectra[row] += np.einsum("nf,nf->f", waves[:, a].real, waves[:, b].real)
            spectra[row] += np.einsum("nf,nf->f", waves[:, a].imag, waves[:, b].imag)
    products = fft.irfft(spectra, n=length, axis=1)[:, :n_frames]
    summed = np.concatenate([np.zeros((6, 1)), np.cumsum(squares, axis=1)], axis=1)
    lag = np.arange(n_frames)
    ends = summed[:, n_frames - lag] + summed[:, -1:] - summed[:, lag]
    tensor: FloatArray = ((ends - 2 * products) / ((n_frames - lag) * n_atoms)).T
    tensor[0] = 0.0
    return tensor


def collective_path(paths: PathArray) -> FloatArray:
    """Sum of all displacements over the root of their number, (1, 3, n_frames).

    For independent atoms its mean squared displacement is that of one atom.
    """
    total = np.zeros((1, 3, paths.shape[2]))
    for path in paths:
        total[0] += path
    scaled: FloatArray = total / np.sqrt(paths.shape[0])
    return scaled
