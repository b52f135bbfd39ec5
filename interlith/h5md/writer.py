"""Writing H5MD frame by frame; the file on disk is whole at every moment."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from interlith import __version__
from interlith.errors import InputError, OutputError
from interlith.h5md.journal import PagedFile, journal_path, recover, sync_folder

CHUNK_BYTES = 256 * 1024
BUFFER_BYTES = 16 * 1024 * 1024
"""Frames are committed unasked when so many bytes wait in memory."""
OBSERVABLES = {"potential_energy": "eV", "kinetic_energy": "eV", "temperature": "K"}


class H5mdWriter:
    """Appends frames to an H5MD file in transactions (see :mod:`interlith.h5md.journal`).

    Frames wait in memory until :meth:`commit`; memory is bounded, since many waiting frames are
    committed unasked.

    Parameters
    ----------
    path : Path or str
        A file made by :meth:`create`; what a killed process left undone is finished first.

    Raises
    ------
    InputError
        If the file is absent or was not written by this class.
    """

    def __init__(self, path: Path | str) -> None:
        import h5py

        self.path = Path(path)
        if not self.path.is_file():
            raise InputError(f"there is no trajectory '{path}'; make one with H5mdWriter.create")
        recover(self.path)
        try:
            with h5py.File(self.path, "r") as file:
                position = file["particles/all/position"]
                self._committed = int(position["value"].shape[0])
                self._n_atoms = int(position["value"].shape[1])
                self._fs_per_step = float(position["time"].attrs["fs_per_step"])
        except (OSError, KeyError) as error:
            raise InputError(f"'{path}' is not a trajectory of interlith: {error}") from error
        self._waiting: list[_Frame] = []

    @classmethod
    def create(
        cls,
        path: Path | str,
        symbols: Sequence[str],
        *,
        time_step_fs: float,
        steps_per_frame: int = 1,
        pbc: Sequence[bool] | npt.NDArray[np.bool_] = (True, True, True),
        masses: npt.NDArray[np.float64] | None = None,
        regions: Sequence[str] | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> H5mdWriter:
        """Make a file without frames, in place of any that is there.

        Parameters
        ----------
        time_step_fs : float
            Time from one frame to the next.
        steps_per_frame : int
            Steps of the integrator from one frame to the next.
        regions : sequence of str, optional
            A label for each atom.
        parameters : mapping, optional
            What made the trajectory; goes as JSON into attributes.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        target = Path(path)
        temporary = target.with_name(target.name + ".new")
        try:
            _lay_out(temporary, symbols, time_step_fs, steps_per_frame, pbc)
            _describe(temporary, masses, regions, parameters or {})
            journal_path(target).unlink(missing_ok=True)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, target)
            sync_folder(target.parent)
        except OSError as error:
            raise OutputError(f"cannot write the trajectory '{target}': {error}") from error
        return cls(target)

    @property
    def frames(self) -> int:
        """Frames appended so far, on disk or waiting."""
        return self._committed + len(self._waiting)

    def append(
        self,
        step: int,
        positions: npt.NDArray[np.float64],
        cell: npt.NDArray[np.float64],
        observables: Mapping[str, float] | None = None,
    ) -> None:
        """Take a frame; it is on disk after :meth:`commit`.

        Parameters
        ----------
        step : int
            Step of the integrator.
        positions : (n_atoms, 3) Angstrom, unwrapped
        cell : (3, 3) Angstrom, rows are the cell vectors
        observables : mapping, optional
            Of ``potential_energy``, ``kinetic_energy`` (eV) and ``temperature`` (K).
        """
        if positions.shape != (self._n_atoms, 3):
            raise InputError(
                f"positions of shape {positions.shape} for a trajectory of {self._n_atoms} atoms"
            )
        self._waiting.append(
            _Frame(step, positions.astype(np.float32), np.array(cell), dict(observables or {}))
        )
        if len(self._waiting) * positions.size * 4 > BUFFER_BYTES:
            self.commit()

    def describe(self, parameters: Mapping[str, Any]) -> None:
        """Replace what made the trajectory, such as the settings of a run that is made longer.

        Raises
        ------
        OutputError
            If there is no room; the file is as it was.
        """
        import h5py

        with PagedFile(self.path) as pages:
            with h5py.File(pages, "r+") as file:
                own = file.require_group("parameters/interlith")
                for name, value in parameters.items():
                    own.attrs[name] = json.dumps(value)
            pages.commit()

    def commit(self) -> int:
        """Bring all waiting frames to the disk; the number of frames there.

        Raises
        ------
        OutputError
            If there is no room; the frames on disk are whole and the waiting ones still wait.
        """
        if self._waiting:
            self._rewrite(self._committed, self._waiting)
            self._committed += len(self._waiting)
            self._waiting = []
        return self._committed

    def truncate(self, frames: int) -> None:
        """Keep the first ``frames`` frames only; waiting frames are dropped."""
        if not 0 <= frames <= self._committed:
            raise InputError(f"cannot keep {frames} of {self._committed} frames of '{self.path}'")
        self._waiting = []
        if frames < self._committed:
            self._rewrite(frames, [])
            self._committed = frames

    def _rewrite(self, start: int, frames: list[_Frame]) -> None:
        import h5py

        stop = start + len(frames)
        with PagedFile(self.path) as pages:
            with h5py.File(pages, "r+") as file:
                for dataset, values in _columns(file, frames, self._fs_per_step):
                    dataset.resize(stop, axis=0)
                    if frames:
                        dataset[start:stop] = values
            pages.commit()


class _Frame:
    def __init__(
        self,
        step: int,
        positions: npt.NDArray[np.float32],
        cell: npt.NDArray[np.float64],
        observables: dict[str, float],
    ) -> None:
        self.step, self.positions, self.cell = step, positions, cell
        self.observables = observables


def _columns(file: Any, frames: list[_Frame], fs_per_step: float) -> list[tuple[Any, Any]]:
    steps = np.array([frame.step for frame in frames], dtype=np.int64)
    particles, observables = file["particles/all"], file["observables"]
    return [
        (particles["position/value"], [frame.positions for frame in frames]),
        (particles["box/edges/value"], [frame.cell for frame in frames]),
        (particles["position/step"], steps),
        (particles["position/time"], steps * fs_per_step),
        *(
            (observables[f"{name}/value"], [f.observables.get(name, np.nan) for f in frames])
            for name in OBSERVABLES
        ),
    ]


def _lay_out(
    path: Path,
    symbols: Sequence[str],
    time_step_fs: float,
    steps_per_frame: int,
    pbc: Sequence[bool] | npt.NDArray[np.bool_],
) -> None:
    import h5py
    from ase.data import atomic_numbers

    n = len(symbols)
    with h5py.File(path, "w") as file:
        particles = file.create_group("particles/all")
        position = particles.create_group("position")
        rows = max(1, min(1024, CHUNK_BYTES // (12 * n)))
        _growing(position, "value", (n, 3), "f4", rows).attrs["unit"] = "Angstrom"
        _growing(position, "step", (), "i8", 1024)
        time = _growing(position, "time", (), "f8", 1024)
        time.attrs["unit"] = "fs"
        time.attrs["fs_per_step"] = time_step_fs / steps_per_frame
        time.attrs["fs_per_frame"] = time_step_fs
        box = particles.create_group("box")
        box.attrs["dimension"] = 3
        box.attrs["boundary"] = ["periodic" if periodic else "none" for periodic in pbc]
        edges = box.create_group("edges")
        _growing(edges, "value", (3, 3), "f8", 64).attrs["unit"] = "Angstrom"
        particles["species"] = np.array([atomic_numbers[s] for s in symbols], dtype=np.int64)
        groups = [edges]
        for name, unit in OBSERVABLES.items():
            groups.append(file.create_group(f"observables/{name}"))
            _growing(groups[-1], "value", (), "f8", 1024).attrs["unit"] = unit
        for group in groups:  # one and the same array of times for all, by hard links
            group["step"], group["time"] = position["step"], position["time"]


def _growing(group: Any, name: str, shape: tuple[int, ...], dtype: str, rows: int) -> Any:
    return group.create_dataset(
        name, (0, *shape), dtype=dtype, maxshape=(None, *shape), chunks=(rows, *shape)
    )


def _describe(
    path: Path,
    masses: npt.NDArray[np.float64] | None,
    regions: Sequence[str] | None,
    parameters: Mapping[str, Any],
) -> None:
    import h5py

    with h5py.File(path, "r+") as file:
        header = file.create_group("h5md")
        header.attrs["version"] = [1, 1]
        header.create_group("author").attrs["name"] = "unknown"
        creator = header.create_group("creator")
        creator.attrs["name"], creator.attrs["version"] = "interlith", __version__
        particles = file["particles/all"]
        if masses is not None:
            particles["mass"] = np.asarray(masses, dtype=np.float64)
            particles["mass"].attrs["unit"] = "u"
        if regions is not None:
            particles["region"] = np.array([str(r) for r in regions], dtype=object)
        own = file.create_group("parameters/interlith")
        for name, value in parameters.items():
            own.attrs[name] = json.dumps(value)
