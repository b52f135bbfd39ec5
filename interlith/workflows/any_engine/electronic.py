"""Electronic checks with GPAW: band gaps, potential profiles, band edges across an interface.

>>> from interlith.structures.library import build, load_phase
>>> salt = build(load_phase("LiCl"), primitive=True)
>>> record = electronic_levels(salt, "gpaw", "licl-levels")  # doctest: +SKIP
>>> round(record.gap_ev, 1)  # doctest: +SKIP
6.3
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from interlith.analysis.band_edges import (
    BulkEdges,
    LineUpRecord,
    PotentialProfile,
    line_up,
    macroscopic_average,
    planar_average,
    potential_step,
)
from interlith.analysis.dft_results import GapFailure, GapsRecord
from interlith.analysis.electronic_character import ComputedGap
from interlith.errors import FailureError, InputError, InterlithError
from interlith.provenance import Provenance, provenance
from interlith.records import Record, Status
from interlith.workflows.any_engine.calculations import calculator_engine, with_task
from interlith.workflows.any_engine.records import (
    atoms_of,
    inputs_hash,
    keep,
    read_kept,
    structure_of,
)
from interlith.workflows.any_engine.same_settings import differences

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

GAPS_ARE_SMALL = (
    "semilocal functionals make band gaps too small, often by 40 %: a lower bound, and offsets of "
    "conduction bands carry the same error"
)
ENGINE = "gpaw"
BAND_EDGE_SETTINGS = ("xc", "cutoff_ev", "hubbard_scaled")
"""What decides a level besides U and datasets; smearing and k points of a bulk may be its own."""


class LevelsRecord(Record):
    """Levels and electrostatic potential of one structure.

    Attributes
    ----------
    status : str
        "diagnosis" where only a cure made it converge.
    gap_ev : float
        On the grid of k points, which holds Gamma; zero for a metal.
    valence_ev, conduction_ev, fermi_ev : float
        In the code's own zero; of a metal both edges are its Fermi level.
    mean_potential_ev : float
        Of the potential energy of an electron, over the cell.
    profile : PotentialProfile
        Along the normal.
    inputs : str
        Hash of what all follows from.
    """

    schema_version: int = 1
    status: Status
    reason: str | None = None
    limits: str = GAPS_ARE_SMALL
    formula: str
    n_atoms: int
    identity: dict[str, Any]
    settings: dict[str, Any]
    gap_ev: float
    valence_ev: float
    conduction_ev: float
    fermi_ev: float
    mean_potential_ev: float
    normal: int
    profile: PotentialProfile
    inputs: str
    provenance: Provenance

    def edges(self) -> BulkEdges:
        """Band edges against the mean potential."""
        return BulkEdges(
            formula=self.formula,
            valence_ev=self.valence_ev - self.mean_potential_ev,
            gap_ev=self.gap_ev,
        )

    def computed_gap(self) -> ComputedGap:
        """The gap as the interphase class takes it."""
        code = ", ".join(f"{k} {v}" for k, v in self.identity.get("versions", {}).items())
        return ComputedGap(
            formula=self.formula, gap_ev=self.gap_ev, method=f"{self.settings['xc']}, {code}"
        )


def electronic_levels(
    structure: Structure | dict[str, Any],
    engine: str = ENGINE,
    folder: Path | str | None = None,
    *,
    normal: int = 2,
) -> LevelsRecord:
    """Band edges and potential profile as the atoms stand.

    Parameters
    ----------
    engine : str
        ``gpaw`` or ``gpaw:{...}``.
    folder : Path, optional
        Keeps record and log; a finished record of the same inputs is read back.
    normal : int
        Cell vector that the profile runs across.

    Raises
    ------
    InputError
        If the engine has no electrons to ask for, or the structure cannot be computed.
    FailureError
        If the electrons did not converge.
    """
    if engine.partition(":")[0] != ENGINE or normal not in (0, 1, 2):
        raise InputError(
            f"levels from '{engine}' across cell vector {normal}: only gpaw gives them here, and "
            "across 0, 1 or 2"
        )
    begin, atoms = time.monotonic(), atoms_of(structure)
    chosen = calculator_engine(engine, "static")
    inputs = inputs_hash(atoms, "levels", chosen.identity, normal)
    kept = read_kept(folder, LevelsRecord, inputs)
    if kept is not None:
        return kept
    record = _levels(atoms, engine, chosen.identity.to_json(), normal, inputs, folder, begin)
    keep(folder, record)
    return record


def _levels(
    atoms: Atoms,
    engine: str,
    identity: dict[str, Any],
    normal: int,
    inputs: str,
    folder: Path | str | None,
    begin: float,
) -> LevelsRecord:
    import tempfile

    from interlith.engines.electronic.checks import check_gpaw_input
    from interlith.engines.electronic.live_gpaw import LiveGpaw
    from interlith.engines.electronic.settings import settings_for
    from interlith.engines.electronic.solving import solve

    options = json.loads(with_task(engine, "static").partition(":")[2]) | {"ranks": 1}
    settings = settings_for(atoms, options.pop("task"), **options)
    check_gpaw_input(atoms, settings)
    solver = LiveGpaw()
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(folder) if folder is not None else Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        try:
            _, used, attempts = solve(solver, atoms, settings, place / "levels.log", stress=False)
            low, high = (float(level) for level in solver.gpaw.get_homo_lumo())
            fermi = float(solver.gpaw.get_fermi_level())
            grid = np.asarray(solver.gpaw.get_electrostatic_potential())
        finally:
            solver.close()
    if not np.isfinite([low, high, fermi]).all():
        raise FailureError(
            f"{atoms.get_chemical_formula()} has no empty level to take a gap from; ask for more "
            "bands"
        )
    metal = high <= low
    cured = len(attempts) > 1
    return LevelsRecord(
        status="diagnosis" if cured else "ok",
        reason=f"converged at try {len(attempts)}: {attempts[-1].change}" if cured else None,
        formula=structure_of(atoms).composition.reduced_formula,
        n_atoms=len(atoms),
        identity=identity,
        settings=used.model_dump(mode="json"),
        gap_ev=0.0 if metal else high - low,
        valence_ev=fermi if metal else low,
        conduction_ev=fermi if metal else high,
        fermi_ev=fermi,
        mean_potential_ev=float(grid.mean()),
        normal=normal,
        profile=PotentialProfile.of(planar_average(grid, normal), _height(atoms, normal)),
        inputs=inputs,
        provenance=provenance(wall_time_s=time.monotonic() - begin),
    )


def interface_line_up(
    interface: LevelsRecord,
    a: LevelsRecord,
    b: LevelsRecord,
    windows_angstrom: tuple[tuple[float, float], tuple[float, float]],
    periods_angstrom: tuple[float, float],
) -> LineUpRecord:
    """Band edges of b against a across an interface, all three by one method.

    Parameters
    ----------
    interface : LevelsRecord
        Of the cell with both; its profile runs across the layers.
    a, b : LevelsRecord
        Of the bulks, strained as they are in the interface.
    windows_angstrom : two (from, to)
        Inside a's layer and b's layer, away from the boundary.
    periods_angstrom : (float, float)
        Distance of equal layers of a and of b.

    Raises
    ------
    InputError
        If functional, cut-off, or U or datasets of an element that two of them hold differ.
    """
    for one, other in ((interface, a), (interface, b), (a, b)):
        unlike = differences(
            (one.formula, one.settings), (other.formula, other.settings), BAND_EDGE_SETTINGS
        )
        if unlike:
            raise InputError(
                f"{one.formula} and {other.formula} were computed with different settings "
                f"({'; '.join(unlike)}); use one for all three, such as "
                'gpaw:{"cutoff_ev": 800}'
            )
    smooth = macroscopic_average(interface.profile, periods_angstrom)
    step = potential_step(smooth, *windows_angstrom)
    return line_up(a.edges(), b.edges(), step)


def band_gaps(
    phases: Sequence[str],
    engine: str = ENGINE,
    folder: Path | str = "gaps",
    *,
    max_atoms: int = 40,
    progress: Callable[[str], None] | None = None,
) -> GapsRecord:
    """Band gaps of phases by name, such as the products of a decomposition.

    Parameters
    ----------
    phases : sequence of str
        Formulas or names of the crystal library, or structure files.
    folder : Path
        One folder each; finished ones are not computed again.
    max_atoms : int
        Larger primitive cells are left out, with the reason.
    progress : callable, optional
        Gets a line for each phase.

    Raises
    ------
    InputError, MissingDependencyError
        If the engine cannot be used at all.
    """
    begin = time.monotonic()
    calculator_engine(engine, "static")
    gaps: list[ComputedGap] = []
    failures: list[GapFailure] = []
    for phase in dict.fromkeys(phases):
        try:
            record = electronic_levels(
                _primitive(phase, max_atoms), engine, Path(folder) / _folder_name(phase)
            )
            gaps.append(record.computed_gap())
            line = f"{phase}: {record.gap_ev:.2f} eV"
        except InterlithError as error:  # one phase must not stop the others
            failures.append(GapFailure(formula=phase, reason=str(error)))
            line = f"{phase}: {error}"
        if progress is not None:
            progress(line)
    return GapsRecord(
        engine=engine,
        gaps=tuple(gaps),
        failures=tuple(failures),
        provenance=provenance(wall_time_s=time.monotonic() - begin),
    )


def _primitive(phase: str, max_atoms: int) -> Structure:
    from interlith.structures.library import primitive_cell
    from interlith.structures.reading import read_material, require_ordered

    material = read_material(phase)
    require_ordered(material.structure, material.asked)
    cell = primitive_cell(material.structure)
    if len(cell) > max_atoms:
        raise InputError(
            f"the primitive cell of {phase} has {len(cell)} atoms, more than {max_atoms}; allow "
            "more if there is time for it"
        )
    return cell


def _folder_name(phase: str) -> str:
    return "".join(c if c.isalnum() or c in "-." else "_" for c in Path(phase).name)


def _height(atoms: Atoms, normal: int) -> float:
    area = np.linalg.norm(np.cross(*(atoms.cell.array[i] for i in range(3) if i != normal)))
    return float(atoms.get_volume() / area)
