"""Structures and short trajectories as the page's 3D view takes them.

>>> from ase.build import bulk
>>> view = view_of_atoms(bulk("Li", cubic=True), name="li", group="built", title="Li")
>>> view.positions.shape
(1, 2, 3)
"""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from interlith.analysis.reactive_records import Snapshot
from interlith.analysis.study_results import StudyResults
from interlith.errors import InputError, InterlithError
from interlith.formatting import with_subscript_characters

if TYPE_CHECKING:
    from ase import Atoms

FloatArray = npt.NDArray[np.float64]
MOST_FRAMES = 40
MOST_PLACES = 12_000
"""Atoms times frames of one trajectory: 100 kB on the page."""
MOST_VIEWS = 24
MOST_TRAJECTORIES = 4
STEPS_ANGSTROM = (0.01, 0.1, 1.0)
"""Grids of which the finest is taken whose 16-bit integers reach every atom."""


@dataclass(frozen=True)
class View:
    """One structure, or several frames of one.

    Attributes
    ----------
    name : str
        Unique among the views.
    group : str
        Which part of the page shows it: ``built``, ``reactive`` or ``moves``.
    title, alt : str
        For the list, and for who cannot see it.
    symbols : tuple of str
    cell : (3, 3)
        Angstrom; zero where there is none.
    positions : (n_frames, n_atoms, 3)
        Angstrom, wrapped into the cell.
    regions : tuple of str or None
        Region of each atom.
    times_ps : tuple of float
        Of each frame; empty for a structure.
    picture : bytes
        A still picture (PNG), empty where there is none.
    """

    name: str
    group: str
    title: str
    alt: str
    symbols: tuple[str, ...]
    cell: FloatArray
    positions: FloatArray
    regions: tuple[str, ...] | None = None
    times_ps: tuple[float, ...] = ()
    picture: bytes = b""

    def data(self) -> dict[str, Any]:
        """What the page's script reads; places as integers on a grid, in base64."""
        elements = list(dict.fromkeys(self.symbols))
        names = list(dict.fromkeys(self.regions or ()))
        step = _grid(self.positions)
        return {
            "title": with_subscript_characters(self.title),
            "alt": self.alt,
            "elements": [[e, *_look(e), n] for e, n in _counted(elements, self.symbols)],
            "kinds": _bytes(np.array([elements.index(s) for s in self.symbols], dtype="<u1")),
            "regions": [
                [name, _region_colour(name, names), n]
                for name, n in _counted(names, self.regions or ())
            ],
            "region_of": _bytes(
                np.array([names.index(r) for r in self.regions or ()], dtype="<u1")
            ),
            "cell": np.round(self.cell, 4).tolist(),
            "step": step,
            "frames": len(self.positions),
            "places": _bytes(np.round(self.positions / step).astype("<i2")),
            "times_ps": [round(t, 4) for t in self.times_ps],
        }


def views_of(
    results: StudyResults, files: Mapping[str, str | bytes], near: Path | None = None
) -> list[View]:
    """Every built interface, and the trajectories that are still where the records say.

    Parameters
    ----------
    files : mapping
        Content of the study's structure files (extxyz ones are read), by path in its folder.
    near : Path, optional
        Folder that relative paths of trajectories start from.
    """
    found: list[View] = []
    for search in results.structures:
        for cell in search.candidates:
            path = next((p for p in cell.files.values() if p.endswith(".extxyz")), None)
            content = files.get(path) if path else None
            if isinstance(content, str) and len(found) < MOST_VIEWS:
                title = f"{search.a} | {search.b}, {cell.n_atoms} atoms"
                found += _unless_unreadable(
                    partial(view_of_text, content, str(path), "built", title)
                )
    return found + _dynamics(results, near or Path()) + _reactive(results, near or Path())


def view_of_text(text: str, path: str, group: str, title: str) -> View:
    """A structure file of one frame (extxyz).

    Raises
    ------
    InputError
        If it cannot be read.
    """
    from ase.io import read

    try:
        atoms = read(io.StringIO(text), index=0, format="extxyz")
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise InputError(f"the structure {path} cannot be read: {error}") from error
    if isinstance(atoms, list):
        raise InputError(f"the structure {path} holds no frame")
    return view_of_atoms(atoms, name=PurePosixPath(path).stem, group=group, title=title)


def view_of_atoms(atoms: Atoms, *, name: str, group: str, title: str) -> View:
    """A structure with its still picture."""
    from interlith.report.structure_pictures import picture_of

    regions = _regions(atoms.arrays.get("region"))
    view = _view(
        name, group, title, atoms.get_chemical_symbols(), atoms.cell.array,
        atoms.positions[None], regions, (),
    )  # fmt: skip
    return replace(view, picture=picture_of(atoms, title))


def view_of_trajectory(path: Path, *, name: str, group: str, title: str) -> View:
    """Frames of an H5MD file, evenly chosen, with a picture of the last.

    Raises
    ------
    InputError
        If it is not an H5MD file.
    """
    from ase import Atoms

    from interlith.h5md import H5mdReader
    from interlith.report.structure_pictures import picture_of

    with H5mdReader(path) as reader:
        most = max(2, min(MOST_FRAMES, MOST_PLACES // reader.n_atoms, reader.n_frames))
        chosen = np.unique(np.linspace(0, reader.n_frames - 1, most).astype(int))
        places = np.concatenate([reader.positions(int(i), int(i) + 1) for i in chosen])
        cell = reader.cells(int(chosen[-1]), int(chosen[-1]) + 1)[0]
        step_ps = (reader.time_step_fs or 0.0) / 1000
        times = tuple(float(i) * step_ps for i in chosen)
        view = _view(name, group, title, reader.symbols, cell, places, reader.regions, times)
    last = Atoms(view.symbols, positions=view.positions[-1], cell=view.cell, pbc=True)
    if view.regions is not None:
        last.set_array("region", np.array(view.regions))
    caption = f"{title}, {times[-1]:g} ps" if times[-1] else title
    return replace(view, picture=picture_of(last, caption))


def _dynamics(results: StudyResults, near: Path) -> list[View]:
    """The hottest run of each material whose framework held."""
    found = []
    for place, record in enumerate(results.diffusion):
        runs = [run for run in record.runs if run.framework_intact is not False]
        for run in reversed(runs):
            path = _existing(run.trajectory.path if run.trajectory else None, near)
            if path is None:
                continue
            title = f"{record.formula} at {run.temperature_k:g} K"
            shown = _frames(path, f"moves-{place}", "moves", title)
            if shown:
                found += shown
                break
    return found[:MOST_TRAJECTORIES]


def _reactive(results: StudyResults, near: Path) -> list[View]:
    """Frames of each reactive run of an interface, from its trajectory or its snapshots."""
    found: list[View] = []
    for record in results.reactivity:
        pair = " | ".join(name for name in (record.a, record.b) if name)
        for run in record.runs:
            name = f"reactive-{len(found)}"
            title = f"{pair} at {run.temperature_k:g} K, seed {run.seed}"
            path = _existing(run.trajectory, near)
            shown = [] if path is None else _frames(path, name, "reactive", title)
            if not shown and run.snapshots:
                shown = [_of_snapshots(run.snapshots, name, title)]
            found += shown
    return found[:MOST_TRAJECTORIES]


def _of_snapshots(snapshots: Sequence[Snapshot], name: str, title: str) -> View:
    """Atoms at a few moments, as a record holds them."""
    from ase import Atoms

    from interlith.report.structure_pictures import picture_of

    last = snapshots[-1]
    view = _view(
        name, "reactive", title, last.symbols, np.array(last.cell),
        np.array([one.positions for one in snapshots]), _regions(last.regions),
        tuple(one.time_ps for one in snapshots),
    )  # fmt: skip
    atoms = Atoms(view.symbols, positions=view.positions[-1], cell=view.cell, pbc=True)
    if view.regions is not None:
        atoms.set_array("region", np.array(view.regions))
    return replace(view, picture=picture_of(atoms, f"{title}, {last.time_ps:g} ps"))


def _frames(path: Path, name: str, group: str, title: str) -> list[View]:
    return _unless_unreadable(lambda: view_of_trajectory(path, name=name, group=group, title=title))


def _unless_unreadable(make: Callable[[], View]) -> list[View]:
    """A view, or none: a damaged file must not cost the results of a study."""
    try:
        return [make()]
    except (InterlithError, OSError, ValueError, KeyError, RuntimeError):
        return []


def _existing(path: str | None, near: Path) -> Path | None:
    if path is None or Path(path).suffix not in (".h5", ".h5md"):
        return None
    return next((one for one in (Path(path), near / path) if one.is_file()), None)


def _view(
    name: str,
    group: str,
    title: str,
    symbols: Sequence[str],
    cell: FloatArray,
    positions: FloatArray,
    regions: Sequence[str] | None,
    times_ps: tuple[float, ...],
) -> View:
    counts = Counter(symbols)
    amounts = ", ".join(f"{n} {element}" for element, n in counts.items())
    layers = Counter(regions or ())
    within = "; regions: " + ", ".join(f"{r} ({n})" for r, n in layers.items()) if layers else ""
    moving = f"; {len(positions)} frames to {times_ps[-1]:g} ps" if times_ps else ""
    return View(
        name=name,
        group=group,
        title=title,
        alt=f"{title}: {amounts}{within}{moving}.",
        symbols=tuple(symbols),
        cell=np.asarray(cell, dtype=np.float64),
        positions=_wrapped(np.asarray(positions, dtype=np.float64), np.asarray(cell)),
        regions=None if regions is None else tuple(regions),
        times_ps=times_ps,
    )


def _wrapped(positions: FloatArray, cell: FloatArray) -> FloatArray:
    if abs(np.linalg.det(cell)) < 1e-6:
        return positions
    fractions = (positions @ np.linalg.inv(cell) + 1e-6) % 1.0 - 1e-6
    inside: FloatArray = fractions @ cell
    return inside


def _regions(labels: Any) -> tuple[str, ...] | None:
    if labels is None or any(label is None for label in labels):
        return None
    return tuple(str(label) for label in labels)


def _counted(names: Sequence[str], all_of_them: Iterable[str]) -> list[tuple[str, int]]:
    counts = Counter(all_of_them)
    return [(name, counts[name]) for name in names]


def _look(symbol: str) -> tuple[str, float]:
    """Colour and radius (Angstrom), those of the still pictures."""
    from ase.data import atomic_numbers, covalent_radii
    from ase.data.colors import jmol_colors
    from matplotlib.colors import to_hex

    from interlith.report.structure_pictures import RADIUS_SHARE

    z = atomic_numbers[symbol]
    return to_hex(jmol_colors[z]), round(RADIUS_SHARE * float(covalent_radii[z]), 3)


def _region_colour(name: str, names: Sequence[str]) -> str:
    from interlith.report.structure_pictures import region_colours

    return region_colours(names)[name]


def _grid(positions: FloatArray) -> float:
    reach = float(np.abs(positions).max(initial=0.0))
    return next((step for step in STEPS_ANGSTROM if reach / step < 32_767), STEPS_ANGSTROM[-1])


def _bytes(values: npt.NDArray[Any]) -> str:
    return base64.b64encode(values.tobytes()).decode()


def lighter(views: Sequence[View]) -> list[View]:
    """The same with fewer frames, and a still of the first of each group only."""
    first = {view.group: view for view in reversed(views)}
    return [
        replace(
            view,
            positions=view.positions[::4],
            times_ps=view.times_ps[::4],
            picture=view.picture if view is first[view.group] else b"",
        )
        for view in views
    ]


def views_json(views: Sequence[View]) -> str:
    """Several views as one JSON text."""
    return json.dumps([view.data() for view in views], ensure_ascii=False, allow_nan=False)
