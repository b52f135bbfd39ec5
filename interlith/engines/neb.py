"""Minimum-energy path between two crystals with any ASE calculator: a nudged elastic band.

Ends are relaxed at fixed cell, the band starts from an image-dependent pair potential along minimum
images (Smidstrup et al., J. Chem. Phys. 140, 214106, 2014), is relaxed with improved tangents
(Henkelman and Jonsson, ibid. 113, 9978, 2000), and then its highest image climbs to the saddle
(Henkelman, Uberuaga and Jonsson, ibid. 113, 9901, 2000). The band is written after every step, and
a run in the same folder goes on from it.

>>> from ase.build import bulk
>>> from interlith.engines.neb import BandSettings, find_barrier
>>> from interlith.engines.potentials import potential
>>> start = bulk("Cu", cubic=True) * (2, 2, 2)
>>> end = start.copy()
>>> end.positions[1] = start.positions[0]  # the neighbour of the vacancy jumps into it
>>> del start[0], end[0]
>>> band = find_barrier(start, end, potential("emt").calculator(), BandSettings(images=1))
>>> band.converged, round(band.forward_ev - band.reverse_ev, 6) + 0.0
(True, 0.0)
"""

from __future__ import annotations

import hashlib
import itertools
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from ase.calculators.calculator import Calculator, all_changes
from pydantic import Field

from interlith.engines.relax import relax
from interlith.errors import FailureError, InputError
from interlith.records import Record, Status

if TYPE_CHECKING:
    from ase import Atoms

FloatArray = npt.NDArray[np.float64]

SAME_PLACE_ANGSTROM = 0.3
"""Relaxed ends in which no atom differs by more are one minimum."""
LONGEST_STEP_ANGSTROM = 0.1
DIP_EV = 0.005
"""An inner image lower than both its neighbours by this much is a minimum of its own."""
BAND_FILE = "band.extxyz"


class BandSettings(Record):
    """How a band is relaxed.

    Attributes
    ----------
    images : int
        Between the ends; an odd number puts one on the saddle of a symmetric jump.
    fmax_ev_per_angstrom : float
        Largest force of the band across itself, and of the climbing image altogether.
    end_fmax_ev_per_angstrom : float
        Of the relaxed ends.
    climb : bool
        Let the highest image climb, once the band is down to ``climb_below_ev_per_angstrom``.
    """

    images: int = Field(default=5, ge=1, le=50)
    fmax_ev_per_angstrom: float = Field(default=0.05, gt=0)
    end_fmax_ev_per_angstrom: float = Field(default=0.02, gt=0)
    max_steps: int = Field(default=200, ge=1)
    spring_ev_per_angstrom2: float = Field(default=1.0, gt=0)
    climb: bool = True
    climb_below_ev_per_angstrom: float = Field(default=0.3, gt=0)


class BandFile(Record):
    """The band on disk."""

    path: str
    sha256: str
    images: int


class BandRecord(Record):
    """A path and its barriers.

    Attributes
    ----------
    forward_ev, reverse_ev : float or None
        From the highest image of either side; None where there is no answer.
    reaction_ev : float or None
        End minus start.
    coordinate_angstrom : tuple of float
        Length along the path in the space of all atoms, minimum images.
    energies_ev : tuple of float
        Relative to the start.
    intermediate_minimum : bool
        Whether the path dips in between: the jump is then two, and the barrier the larger one.
    largest_force_ev_per_angstrom : float or None
        What is left, of the band.
    """

    status: Status
    reason: str | None
    converged: bool
    forward_ev: float | None
    reverse_ev: float | None
    reaction_ev: float | None
    coordinate_angstrom: tuple[float, ...] = ()
    energies_ev: tuple[float, ...] = ()
    intermediate_minimum: bool = False
    largest_force_ev_per_angstrom: float | None = None
    steps: int = 0
    resumed: bool = False
    n_atoms: int
    settings: BandSettings
    band: BandFile | None = None
    wall_s: float


def find_barrier(
    start: Atoms,
    end: Atoms,
    calculator: Any,
    settings: BandSettings | None = None,
    folder: Path | None = None,
) -> BandRecord:
    """Barrier between two crystals of one cell.

    Parameters
    ----------
    start, end : Atoms
        Same atoms in the same order in the same cell; left as they are.
    calculator : ASE calculator
        Energies and forces.
    folder : Path, optional
        The band is kept there as ``band.extxyz`` after every step, and taken up from there.

    Returns
    -------
    BandRecord
        "no_answer" when both ends relax to the same place, "diagnosis" when the band did not
        converge or dips in between.

    Raises
    ------
    InputError
        If the ends do not fit together, or the folder holds another band.
    FailureError
        If energies or forces are not finite.
    """
    settings = settings or BandSettings()
    begin = time.monotonic()
    _check_ends(start, end)
    path = None if folder is None else Path(folder) / BAND_FILE
    images, resumed = _first_band(start, end, calculator, settings, path)
    moved = float(np.linalg.norm(_apart(images[0], images[-1]), axis=1).max())
    if moved < SAME_PLACE_ANGSTROM:
        reason = (
            f"both ends relax to the same place (no atom differs by more than {moved:.2f} "
            "Angstrom): one of the sites is no minimum"
        )
        return _no_answer(reason, settings, len(start), begin)
    band, force, steps = _relax_band(images, calculator, settings, path)
    energies = _energies(band)
    return _record(images, energies, force, steps, resumed, settings, path, begin)


class _Image(Calculator):
    """The shared model as seen by one image: remembers its own last energy and forces."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012 - ASE says list

    def __init__(self, model: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # ASE
        self.model = model

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Any = ("energy",),
        system_changes: Any = all_changes,
    ) -> None:
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]  # ASE
        working: Any = atoms.copy() if atoms is not None else None
        if working is None:
            raise InputError("an image of the band has no atoms")
        working.calc = self.model
        self.results = {
            "energy": float(working.get_potential_energy()),
            "forces": np.array(working.get_forces()),
        }


def path_coordinate(images: list[Atoms]) -> FloatArray:
    """Length along a path (Angstrom) at each image, from 0."""
    lengths = [np.linalg.norm(_apart(a, b)) for a, b in itertools.pairwise(images)]
    return np.concatenate([[0.0], np.cumsum(lengths)])


def _first_band(
    start: Atoms, end: Atoms, calculator: Any, settings: BandSettings, path: Path | None
) -> tuple[list[Atoms], bool]:
    from ase.mep import NEB

    if path is not None and path.is_file():
        return _read_band(path, start, settings), True
    ends = [
        relax(
            one,
            calculator,
            fmax_ev_per_angstrom=settings.end_fmax_ev_per_angstrom,
            max_steps=500,
            cell=False,
        )[0]
        for one in (start, end)
    ]
    images = [ends[0], *(ends[0].copy() for _ in range(settings.images)), ends[1]]
    NEB(images, method="improvedtangent").interpolate(method="idpp", mic=True)
    return images, False


def _relax_band(
    images: list[Atoms], calculator: Any, settings: BandSettings, path: Path | None
) -> tuple[Any, float, int]:
    """Relax the band in place; the band, the largest force left and the steps taken."""
    from ase.mep import NEB
    from ase.optimize import FIRE

    for image in images:
        image.calc = _Image(calculator)
    left, taken, force = settings.max_steps, 0, np.inf
    stages = [(False, settings.fmax_ev_per_angstrom)]
    if settings.climb:
        rough = max(settings.climb_below_ev_per_angstrom, settings.fmax_ev_per_angstrom)
        stages = [(False, rough), (True, settings.fmax_ev_per_angstrom)]
    for climb, fmax in stages:
        band = NEB(
            images,
            k=settings.spring_ev_per_angstrom2,
            climb=climb,
            method="improvedtangent",
        )
        optimizer = FIRE(band, logfile=None, maxstep=LONGEST_STEP_ANGSTROM)
        for _ in optimizer.irun(fmax=fmax, steps=max(left, 0)):
            force = _largest(band)
            if path is not None:
                _write_band(path, images)
        taken += optimizer.nsteps
        left -= optimizer.nsteps
    return band, force, taken


def _largest(band: Any) -> float:
    """Largest force of the band; costs nothing, the optimiser has just asked for it."""
    forces = np.asarray(band.get_forces())
    energies = _energies(band)
    if not np.isfinite(forces).all() or not np.isfinite(energies).all():
        raise FailureError(
            "energies or forces of the band are not finite: atoms came too close, or the "
            "potential does not know what it sees; look at the ends of the jump"
        )
    return float(np.linalg.norm(forces.reshape(-1, 3), axis=1).max())


def _strongest(image: Atoms) -> float:
    return float(np.linalg.norm(image.get_forces(), axis=1).max())


def _energies(band: Any) -> FloatArray:
    return np.asarray(band.energies, dtype=np.float64)


def _record(
    images: list[Atoms],
    energies: FloatArray,
    force: float,
    steps: int,
    resumed: bool,
    settings: BandSettings,
    path: Path | None,
    begin: float,
) -> BandRecord:
    relative = energies - energies[0]
    top = float(relative.max())
    converged = force <= settings.fmax_ev_per_angstrom
    dips = _dips(relative)
    reasons = (
        [] if converged else [f"a force of {force:.3f} eV/Angstrom is left after {steps} steps"]
    )
    left = max(_strongest(images[0]), _strongest(images[-1]))
    if left > 1.5 * settings.end_fmax_ev_per_angstrom:
        reasons.append(f"an end is not relaxed: a force of {left:.3f} eV/Angstrom is left")
    if dips:
        reasons.append("the path dips in between: there is a minimum on the way")
    if relative.argmax() in (0, len(relative) - 1):
        reasons.append("the highest image is an end: there is no barrier in between")
    return BandRecord(
        status="diagnosis" if reasons else "ok",
        reason="; ".join(reasons) or None,
        converged=converged,
        forward_ev=top,
        reverse_ev=top - float(relative[-1]),
        reaction_ev=float(relative[-1]),
        coordinate_angstrom=tuple(float(x) for x in path_coordinate(images)),
        energies_ev=tuple(float(x) for x in relative),
        intermediate_minimum=dips,
        largest_force_ev_per_angstrom=force,
        steps=steps,
        resumed=resumed,
        n_atoms=len(images[0]),
        settings=settings,
        band=None if path is None else _band_file(path, len(images)),
        wall_s=time.monotonic() - begin,
    )


def _dips(relative: FloatArray) -> bool:
    inner = relative[1:-1]
    low = (inner < relative[:-2] - DIP_EV) & (inner < relative[2:] - DIP_EV)
    return bool(low.any())


def _no_answer(reason: str, settings: BandSettings, n_atoms: int, begin: float) -> BandRecord:
    return BandRecord(
        status="no_answer",
        reason=reason,
        converged=False,
        forward_ev=None,
        reverse_ev=None,
        reaction_ev=None,
        n_atoms=n_atoms,
        settings=settings,
        wall_s=time.monotonic() - begin,
    )


def _apart(first: Atoms, second: Atoms) -> FloatArray:
    """Minimum-image displacements of all atoms."""
    from ase.geometry import find_mic

    vectors: FloatArray = find_mic(second.positions - first.positions, first.cell, first.pbc)[0]
    return vectors


def _check_ends(start: Atoms, end: Atoms) -> None:
    if list(start.symbols) != list(end.symbols):
        raise InputError(
            f"the ends hold {start.get_chemical_formula()} and {end.get_chemical_formula()}, or "
            "in another order; a path needs the same atoms in the same order"
        )
    if not np.allclose(start.cell.array, end.cell.array, atol=1e-6):
        raise InputError("the ends have different cells; a path needs one cell")


def _write_band(path: Path, images: list[Atoms]) -> None:
    """Whole file or none: the last band stays readable whenever the run dies."""
    from ase.io import write

    plain = [image.copy() for image in images]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    write(partial, plain, format="extxyz", write_info=False)
    os.replace(partial, path)


def _read_band(path: Path, start: Atoms, settings: BandSettings) -> list[Atoms]:
    from ase.io import read

    images: list[Atoms] = read(path, index=":", format="extxyz")  # type: ignore[assignment]  # ":" gives a list
    fits = (
        len(images) == settings.images + 2
        and list(images[0].symbols) == list(start.symbols)
        and np.allclose(images[0].cell.array, start.cell.array, atol=1e-5)
    )
    if not fits:
        raise InputError(
            f"{path} holds another band ({len(images)} images of "
            f"{images[0].get_chemical_formula() if images else 'nothing'}); move it away or choose "
            "another folder"
        )
    for image in images:
        image.set_constraint(start.constraints)
    return images


def _band_file(path: Path, images: int) -> BandFile:
    return BandFile(
        path=str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest(), images=images
    )
