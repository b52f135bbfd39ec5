"""Reading H5MD in blocks: interlith's own files and those of other programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError
from interlith.h5md.journal import PagedFile, read_journal

ANGSTROM = {"": 1.0, "Angstrom": 1.0, "angstrom": 1.0, "A": 1.0, "Å": 1.0, "nm": 10.0, "pm": 0.01}
FEMTOSECONDS = {"": 1.0, "fs": 1.0, "ps": 1e3, "ns": 1e6}


class H5mdReader:
    """Frames of an H5MD file, any slice at a time; a context manager.

    Parameters
    ----------
    path : Path or str
        The file. It is not changed: a commit that a killed writer left half done is completed in
        memory. A file that a running job writes to may be read between its checkpoints.

    Attributes
    ----------
    n_frames, n_atoms : int
    symbols : tuple of str
    pbc : tuple of three bools
    time_step_fs : float or None
        Time from one frame to the next; None with fewer than two frames and nothing stated.
    regions : tuple of str or None
        Label of each atom.
    unwrapped : bool
        Whether atoms that leave the cell keep going: in interlith's own files, and with images.
    parameters : dict
        What made the trajectory (settings, potential, provenance), if interlith wrote it.

    Raises
    ------
    InputError
        If this is not an H5MD file, or its positions or species are missing.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._pages: PagedFile | None = None
        self._file = self._open()
        try:
            self._read_header()
        except (KeyError, IndexError, ValueError, TypeError) as error:
            self.close()
            raise InputError(
                f"'{path}' cannot be read as H5MD: {type(error).__name__} {error}"
            ) from error

    def positions(
        self, start: int = 0, stop: int | None = None, step: int = 1
    ) -> npt.NDArray[np.float64]:
        """Positions (n_frames, n_atoms, 3) in Angstrom, unwrapped."""
        chosen = slice(start, stop, step)
        found = self._position["value"][chosen].astype(np.float64) * self._angstrom
        if "image" in self._particles:
            images = self._particles["image/value"][chosen].astype(np.float64)
            found += np.einsum("fai,fij->faj", images, self.cells(start, stop, step))
        return np.asarray(found)

    def cells(
        self, start: int = 0, stop: int | None = None, step: int = 1
    ) -> npt.NDArray[np.float64]:
        """Cells (n_frames, 3, 3) in Angstrom; rows are the cell vectors."""
        chosen = slice(start, stop, step)
        edges = self._particles["box/edges"]
        count = len(range(*chosen.indices(self.n_frames)))
        if hasattr(edges, "shape"):  # the same for all frames
            found = np.repeat(np.asarray(edges, dtype=np.float64)[None], count, axis=0)
            scale = _scale(edges, ANGSTROM, self._angstrom)
        else:
            found = edges["value"][chosen].astype(np.float64)
            scale = _scale(edges["value"], ANGSTROM, self._angstrom)
        if found.ndim == 2:
            found = found[:, :, None] * np.eye(3)
        return np.asarray(found * scale)

    def steps(self, start: int = 0, stop: int | None = None) -> npt.NDArray[np.int64]:
        """Step of the integrator of each frame."""
        step = self._position["step"]
        if step.shape:
            return np.asarray(step[start:stop], dtype=np.int64)
        return np.arange(self.n_frames, dtype=np.int64)[start:stop] * int(step[()])

    def observable(
        self, name: str, start: int = 0, stop: int | None = None
    ) -> npt.NDArray[np.float64]:
        """Values of ``potential_energy``, ``kinetic_energy`` (eV) or ``temperature`` (K)."""
        if name not in self.observables:
            raise InputError(
                f"'{self.path}' has no observable '{name}', only {', '.join(self.observables)}"
            )
        return np.asarray(self._file[f"observables/{name}/value"][start:stop], dtype=np.float64)

    def blocks(self, frames: int = 256) -> Iterator[tuple[int, int]]:
        """Starts and stops of consecutive blocks of at most ``frames`` frames."""
        for start in range(0, self.n_frames, frames):
            yield start, min(start + frames, self.n_frames)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        if self._pages is not None:
            self._pages.close()

    def __enter__(self) -> H5mdReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self) -> Any:
        import h5py

        if not self.path.is_file():
            raise InputError(f"there is no trajectory '{self.path}'")
        try:
            if read_journal(self.path) is None:
                return h5py.File(self.path, "r")
            self._pages = PagedFile(self.path)
            return h5py.File(self._pages, "r")
        except OSError as error:
            raise InputError(f"'{self.path}' cannot be opened as HDF5: {error}") from error

    def _read_header(self) -> None:
        from ase.data import chemical_symbols

        groups = self._file["particles"]
        self._particles = groups["all" if "all" in groups else next(iter(groups))]
        self._position = self._particles["position"]
        self._angstrom = _scale(self._position["value"], ANGSTROM, 1.0)
        self.n_frames, self.n_atoms = map(int, self._position["value"].shape[:2])
        species = self._particles["species"]
        numbers = species if hasattr(species, "shape") else species["value"][0]
        self.symbols = tuple(chemical_symbols[int(number)] for number in numbers)
        boundary = [_text(b) for b in self._particles["box"].attrs["boundary"]]
        self.pbc = (boundary[0] == "periodic", boundary[1] == "periodic", boundary[2] == "periodic")
        self.time_step_fs = self._time_step()
        region = self._particles.get("region")
        self.regions = None if region is None else tuple(map(_text, region[:]))
        self.observables = tuple(self._file.get("observables", ()))
        creator = self._file.get("h5md/creator")
        name = None if creator is None else creator.attrs.get("name")
        self.unwrapped = "image" in self._particles or (
            name is not None and _text(name) == "interlith"
        )
        own = self._file.get("parameters/interlith")
        self.parameters = {} if own is None else {k: json.loads(v) for k, v in own.attrs.items()}

    def _time_step(self) -> float | None:
        time = self._position.get("time")
        if time is None:
            return None
        if "fs_per_frame" in time.attrs:
            return float(time.attrs["fs_per_frame"])
        scale = _scale(time, FEMTOSECONDS, 1.0)
        if not time.shape:
            return float(time[()]) * scale
        return float(time[1] - time[0]) * scale if len(time) > 1 else None


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _scale(dataset: Any, units: dict[str, float], default: float) -> float:
    unit = dataset.attrs.get("unit")
    if unit is None:
        return default
    if _text(unit) not in units:
        raise InputError(f"unit '{_text(unit)}' in the trajectory; known are {', '.join(units)}")
    return units[_text(unit)]
