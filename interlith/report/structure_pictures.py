"""A picture of a structure: two views side by side in one PNG, with the regions of an interface.

What it takes is plain: a pymatgen structure or ASE atoms, with or without the region labels
(``region``) that interlith's own structures carry.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError, OutputError
from interlith.formatting import with_subscript_characters

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FloatArray = npt.NDArray[np.float64]

RADIUS_SHARE = 0.62
"""Of the covalent radius: small enough to see what is behind."""
FADE = 0.5
"""How far the colour of the farthest atom goes to white."""
FACE_ANGSTROM = 0.05
"""Atoms this near to a face of the cell are drawn on the opposite face too."""
LARGEST_SCALE = 0.5
"""Inches on paper for an Angstrom."""
TALL = 1.5
"""A cell this much higher than wide is drawn lying down."""
BAND_REACH_ANGSTROM = 2.5
"""A height farther than this from any atom is vacuum and belongs to no region."""
VOTERS = 5
"""Atoms nearest to a height that say to which region it belongs."""
MARGIN_ANGSTROM = 1.4
"""Room for the largest disc."""
DOTS_PER_INCH = 120
INK, PAPER = "#222222", "#ffffff"
SPARE_COLOURS = ("#56b4e9", "#e69f00", "#8a6d3b", "#5a5aa8", "#777777")


@dataclass(frozen=True)
class _Scene:
    """What is drawn: all lengths in Angstrom."""

    positions: FloatArray
    cell: FloatArray
    occupants: list[dict[str, float]]
    regions: tuple[str, ...] | None


def draw_structure(atoms_like: Any, path: Path | str, title: str | None = None) -> Path:
    """Draw a structure along two axes into one PNG file.

    Atoms are discs in the usual element colours, of 0.62 covalent radii, paler with depth; sites
    with several or missing atoms are cut like a cake. Regions are bands behind the atoms and
    rings around them.

    Parameters
    ----------
    atoms_like : pymatgen Structure or ASE Atoms
        Stacked along z if it is an interface.
    path : Path or str
        The PNG file; replaced as a whole.
    title : str, optional
        By default the formula and the number of atoms.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        If there are no atoms or the object is neither.
    OutputError
        If the file cannot be written.
    """
    content = picture_of(atoms_like, title)
    _write(Path(path), content)
    return Path(path)


def picture_of(atoms_like: Any, title: str | None = None) -> bytes:
    """The PNG that :func:`draw_structure` writes.

    Raises
    ------
    InputError
        If there are no atoms or the object is neither.
    """
    from interlith.report.svg import drawing_style

    scene = _scene(atoms_like)
    buffer = io.BytesIO()
    with drawing_style():
        name = _name(scene) if title is None else title
        figure = _figure(scene, with_subscript_characters(name))
        figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, facecolor=PAPER)
    return _with_palette(buffer)


def _name(scene: _Scene) -> str:
    amounts, n = _amounts(scene), len(scene.occupants)
    formula = "".join(
        f"{element}{x:.4g}" if abs(x - 1) > 1e-4 else element for element, x in amounts.items()
    )
    kind = "atom" if abs(sum(amounts.values()) - n) < 1e-4 else "site"
    return f"{formula}, {n} {kind}{'' if n == 1 else 's'}"


def _with_palette(picture: io.BytesIO) -> bytes:
    """The same PNG in 256 colours, which takes a third of the room; no metadata."""
    from PIL import Image

    small = io.BytesIO()
    with Image.open(picture) as image:
        image.convert("RGB").quantize(256).save(small, format="png", optimize=True)
    return small.getvalue()


def _scene(atoms_like: Any) -> _Scene:
    if hasattr(atoms_like, "arrays"):
        cell, positions = atoms_like.cell.array, atoms_like.positions
        occupants = [{symbol: 1.0} for symbol in atoms_like.get_chemical_symbols()]
        labels = atoms_like.arrays.get("region")
    elif hasattr(atoms_like, "lattice"):
        cell, positions = atoms_like.lattice.matrix, atoms_like.cart_coords
        occupants = [
            {element.symbol: float(share) for element, share in site.species.items()}
            for site in atoms_like
        ]
        labels = atoms_like.site_properties.get("region")
    else:
        raise InputError(
            f"a {type(atoms_like).__name__} cannot be drawn; give a pymatgen structure or ASE atoms"
        )
    if not occupants:
        raise InputError("a structure without atoms cannot be drawn")
    cell, positions = np.array(cell, dtype=np.float64), np.array(positions, dtype=np.float64)
    if abs(np.linalg.det(cell)) > 1e-6:
        wrapped = (positions @ np.linalg.inv(cell) + 1e-6) % 1.0 - 1e-6
        positions = wrapped @ cell
    whole = labels is not None and all(label is not None for label in labels)
    regions = tuple(str(label) for label in labels) if whole else None
    return _Scene(positions, cell, occupants, regions)


def _amounts(scene: _Scene) -> Counter[str]:
    """How many atoms of each element, in the order in which they come."""
    amounts: Counter[str] = Counter()
    for shares in scene.occupants:
        amounts.update(shares)
    return amounts


def _with_face_copies(scene: _Scene) -> _Scene:
    """The scene with atoms on a face of the cell drawn on the opposite one too."""
    if abs(np.linalg.det(scene.cell)) <= 1e-6:
        return scene
    fractional = scene.positions @ np.linalg.inv(scene.cell)
    on_face = np.abs(fractional) * np.linalg.norm(scene.cell, axis=1) < FACE_ANGSTROM
    places, owners = [scene.positions], [np.arange(len(scene.positions))]
    for step in [np.array([i, j, k]) for i in (0, 1) for j in (0, 1) for k in (0, 1)][1:]:
        copied = np.flatnonzero(np.all(on_face | (step == 0), axis=1))
        places.append(scene.positions[copied] + step @ scene.cell)
        owners.append(copied)
    owner = np.concatenate(owners)
    regions = None if scene.regions is None else tuple(scene.regions[i] for i in owner)
    return _Scene(np.vstack(places), scene.cell, [scene.occupants[i] for i in owner], regions)


def _corners(scene: _Scene) -> FloatArray:
    """Corners of the cell, or of a box around the atoms where there is no cell."""
    steps = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=np.float64)
    if abs(np.linalg.det(scene.cell)) > 1e-6:
        of_cell: FloatArray = steps @ scene.cell
        return of_cell
    low, high = scene.positions.min(axis=0) - 1.5, scene.positions.max(axis=0) + 1.5
    around: FloatArray = low + steps * (high - low)
    return around


def _figure(scene: _Scene, title: str) -> Figure:
    from matplotlib.figure import Figure

    corners = _corners(scene)
    spans = np.ptp(np.vstack([corners, scene.positions]), axis=0) + 2.0
    lying = spans[2] > TALL * max(spans[0], spans[1])
    if lying:
        scale = min(8.0 / spans[2], LARGEST_SCALE)
        tall = float(np.clip(scale * (spans[0] + spans[1]), 1.6, 9.0)) + 1.9
        figure = Figure(figsize=(9.0, tall), layout="constrained", facecolor=PAPER)
        panels = figure.subplots(2, 1, height_ratios=[spans[0], spans[1]])
    else:
        scale = min(7.6 / (spans[0] + spans[1]), LARGEST_SCALE)
        tall = float(np.clip(scale * spans[2], 2.5, 8.0)) + 1.7
        figure = Figure(figsize=(9.0, tall), layout="constrained", facecolor=PAPER)
        panels = figure.subplots(1, 2, width_ratios=[spans[0], spans[1]])
    colours = region_colours(scene.regions)
    drawn = _with_face_copies(scene)
    for panel, across, along in zip(panels, (0, 1), (1, 0), strict=True):
        _panel(panel, drawn, corners, across, along, lying, colours)
    figure.suptitle(title, fontsize=11, color=INK)
    _legend(figure, scene, colours)
    return figure


def _panel(
    axes: Axes,
    scene: _Scene,
    corners: FloatArray,
    across: int,
    along: int,
    lying: bool,
    colours: dict[str, str],
) -> None:
    """One view along an in-plane axis; z lies or stands."""
    from matplotlib.collections import LineCollection

    order = [2, across] if lying else [across, 2]
    _bands(axes, scene, colours, lying)
    ends = [(i, j) for i in range(8) for j in range(i + 1, 8) if bin(i ^ j).count("1") == 1]
    lines = [corners[[i, j]][:, order] for i, j in ends]
    axes.add_collection(LineCollection(lines, colors="#999999", linewidths=0.7, zorder=1))
    _atoms(axes, scene, order, along, colours)
    both = np.vstack([corners, scene.positions])[:, order]
    low, high = both.min(axis=0) - MARGIN_ANGSTROM, both.max(axis=0) + MARGIN_ANGSTROM
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    axes.set_aspect("equal")
    axes.set_xlabel(f"{'xyz'[order[0]]} (Å)")
    axes.set_ylabel(f"{'xyz'[order[1]]} (Å)")
    axes.set_title(f"along {'xyz'[along]}", loc="left", fontsize=9, color=INK)
    axes.tick_params(labelsize=8)


def _atoms(
    axes: Axes, scene: _Scene, order: list[int], along: int, colours: dict[str, str]
) -> None:
    """Discs from the back to the front; the viewer looks from -y, or from +x."""
    from ase.data import atomic_numbers, covalent_radii
    from ase.data.colors import jmol_colors
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Circle, Patch, Wedge

    depth = scene.positions[:, along] * (1 if along == 0 else -1)
    nearness = 1 - (depth.max() - depth) / max(float(np.ptp(depth)), 1e-9)
    patches: list[Patch] = []
    faces, rings = [], []
    for i in np.argsort(depth, kind="stable"):
        centre = scene.positions[i][order]
        shares = scene.occupants[i]
        numbers = {symbol: atomic_numbers[symbol] for symbol in shares}
        radius = RADIUS_SHARE * max(float(covalent_radii[z]) for z in numbers.values())
        pale = FADE * (1 - nearness[i])
        ring = INK if scene.regions is None else colours[scene.regions[i]]
        whole = len(shares) == 1 and next(iter(shares.values())) > 0.999
        colour = jmol_colors[next(iter(numbers.values()))] if whole else np.ones(3)
        patches.append(Circle((centre[0], centre[1]), radius))
        faces.append(_paler(colour, pale))
        rings.append(_paler(_rgb(ring), pale))
        start = 90.0
        for symbol, share in shares.items() if not whole else ():
            end = start + 360.0 * share
            patches.append(Wedge((centre[0], centre[1]), radius, start, end))
            faces.append(_paler(jmol_colors[numbers[symbol]], pale))
            rings.append(_paler(_rgb(ring), pale))
            start = end
    width = 0.5 if scene.regions is None else 0.9
    axes.add_collection(
        PatchCollection(patches, facecolors=faces, edgecolors=rings, linewidths=width, zorder=2)
    )


def _rgb(colour: str) -> FloatArray:
    from matplotlib.colors import to_rgb

    return np.array(to_rgb(colour), dtype=np.float64)


def _paler(colour: FloatArray, share: float) -> tuple[float, float, float]:
    red, green, blue = (float(x) for x in colour + (1 - colour) * share)
    return red, green, blue


def region_colours(regions: Sequence[str] | None) -> dict[str, str]:
    """The report's colours for the layers of a cell; others get those that are left."""
    from interlith.report.svg import BLUE, GREEN, PURPLE, VERMILLION

    known = {"anode": PURPLE, "electrolyte": BLUE, "cathode": VERMILLION, "coating": GREEN}
    names = list(dict.fromkeys(regions or ()))
    spare = [name for name in names if name not in known]
    return {
        name: known.get(name) or SPARE_COLOURS[spare.index(name) % len(SPARE_COLOURS)]
        for name in names
    }


def _bands(axes: Axes, scene: _Scene, colours: dict[str, str], lying: bool) -> None:
    draw = axes.axvspan if lying else axes.axhspan
    for low, high, name in _intervals(scene):
        draw(low, high, color=colours[name], alpha=0.13, linewidth=0, zorder=0)


def _intervals(scene: _Scene) -> list[tuple[float, float, str]]:
    """Stretches of z and the region they belong to, by the atoms nearest to each height."""
    if scene.regions is None:
        return []
    heights = scene.positions[:, 2]
    corners = _corners(scene)[:, 2]
    low, high = float(corners.min()), float(corners.max())
    n = max(int((high - low) / 0.2), 1)
    edges = np.linspace(low, high, n + 1)
    period = abs(float(scene.cell[2, 2]))
    away = 0.5 * (edges[:-1] + edges[1:])[:, None] - heights
    if period > 1e-6:
        away -= period * np.round(away / period)
    nearest = np.argsort(np.abs(away), axis=1, kind="stable")[:, :VOTERS]
    found: list[tuple[float, float, str]] = []
    for k in range(n):
        if abs(away[k, nearest[k, 0]]) > BAND_REACH_ANGSTROM:
            continue
        votes = Counter(scene.regions[i] for i in nearest[k])
        name = votes.most_common(1)[0][0]
        if found and found[-1][2] == name and abs(found[-1][1] - edges[k]) < 1e-9:
            found[-1] = (found[-1][0], float(edges[k + 1]), name)
        else:
            found.append((float(edges[k]), float(edges[k + 1]), name))
    return found


def _legend(figure: Figure, scene: _Scene, colours: dict[str, str]) -> None:
    """Elements with their amounts, then regions, in one row below the views."""
    from ase.data import atomic_numbers, covalent_radii
    from ase.data.colors import jmol_colors
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    amounts = _amounts(scene)
    handles: list[Any] = [
        Line2D(
            [], [], linestyle="none", marker="o", markeredgecolor=INK, markeredgewidth=0.5,
            markersize=4.5 + 4.0 * float(covalent_radii[atomic_numbers[symbol]]),
            markerfacecolor=tuple(jmol_colors[atomic_numbers[symbol]]),
            label=f"{symbol} {amount:.4g}",
        )
        for symbol, amount in amounts.items()
    ]  # fmt: skip
    counts = Counter(scene.regions or ())
    handles += [
        Patch(
            facecolor=(*_rgb(colour), 0.25),
            edgecolor=colour,
            label=f"{name} ({counts[name]})",
        )
        for name, colour in colours.items()
    ]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=min(len(handles), 8),
        fontsize=8.5,
        labelcolor=INK,
    )


def _write(path: Path, content: bytes) -> None:
    fresh: Path | None = None
    try:
        handle, made = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.resolve().parent)
        fresh = Path(made)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        fresh.chmod(0o644)
        fresh.replace(path)
    except OSError as error:
        if fresh is not None:
            fresh.unlink(missing_ok=True)
        raise OutputError(
            f"cannot write {path} ({error.strerror or error}); choose another place"
        ) from error
