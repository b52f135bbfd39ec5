"""Elastic tensor of a crystal with any potential: relax, strain, relax the ions, fit.

>>> from ase.build import bulk
>>> record = elastic_tensor(bulk("Cu", cubic=True), potential("emt"))
>>> record.status, record.calculations < 30, round(record.moduli.bulk_gpa)
('ok', True, 135)
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from interlith.analysis.elasticity import (
    CUBIC_ROTATIONS,
    StiffnessFit,
    fit_stiffness,
    needed_strains,
    point_group,
    rotate_stiffness,
)
from interlith.analysis.moduli import (
    ElasticRecord,
    Moduli,
    compliance,
    debye_temperature_k,
    moduli,
    stable,
    suppression_ratio,
    youngs_modulus,
    zener_ratio,
)
from interlith.engines.potentials import Potential, potential
from interlith.engines.relax import rattle, relax
from interlith.errors import InputError
from interlith.provenance import provenance
from interlith.structures.reading import read_material, require_ordered
from interlith.units import GPA_PER_EV_PER_ANGSTROM3

if TYPE_CHECKING:
    from ase import Atoms

FloatArray = npt.NDArray[np.float64]
Symmetry = Literal["crystal", "cubic", "none"]
Progress = Callable[[int, int], None]

STRAIN = 0.005
FMAX_EV_PER_ANGSTROM = 0.003
MAX_STEPS = 500
LOOSE = 10.0
"""Forces this many times the tolerance after all steps are no small matter: no answer."""
SYMPREC = 1e-3
MOST_RATTLE_ANGSTROM = 1.0
DIRECTIONS = ("100", "110", "111")
AMU_PER_ANGSTROM3_IN_G_CM3 = 1.66053906660


@dataclass(frozen=True)
class ElasticSettings:
    """How the strains are made and the ions relaxed.

    Attributes
    ----------
    strain : float
        Engineering strain, taken with both signs.
    symmetry : {"crystal", "cubic", "none"}
        Point group of the tensor: the relaxed crystal's own; that of a cube along x, y, z for an
        ordered cell that stands for a cubic crystal with disorder; or none.
    relax_ions : bool
        False holds the atoms at their fractional coordinates (clamped ions).
    rattle_angstrom : float
        Before the first relaxation; 0 keeps the symmetry of the start.
    """

    strain: float = STRAIN
    fmax_ev_per_angstrom: float = FMAX_EV_PER_ANGSTROM
    max_steps: int = MAX_STEPS
    symmetry: Symmetry = "crystal"
    relax_ions: bool = True
    relax_cell: bool = True
    rattle_angstrom: float = 0.0

    def __post_init__(self) -> None:
        """Refuse strains that are no small strains.

        Raises
        ------
        InputError
            If the strain is not between 1e-5 and 0.03, the symmetry is not known, or the rattle,
            the tolerance or the number of steps is none.
        """
        if not 1e-5 <= self.strain <= 0.03:
            raise InputError(
                f"a strain of {self.strain:g} is not in the linear range; take 0.002 to 0.01"
            )
        if self.symmetry not in ("crystal", "cubic", "none"):
            raise InputError(f"symmetry '{self.symmetry}' is none of crystal, cubic and none")
        if not 0 <= self.rattle_angstrom <= MOST_RATTLE_ANGSTROM:
            raise InputError(
                f"a rattle of {self.rattle_angstrom:g} Angstrom; give 0 (none) to "
                f"{MOST_RATTLE_ANGSTROM:g}, such as 0.02"
            )
        if not 0 < self.fmax_ev_per_angstrom < math.inf or self.max_steps < 1:
            raise InputError(
                f"forces to {self.fmax_ev_per_angstrom:g} eV/Angstrom in {self.max_steps} steps; "
                "both are positive"
            )


def elastic(
    material: str, potential_name: str, settings: ElasticSettings | None = None, **keywords: Any
) -> ElasticRecord:
    """As :func:`elastic_tensor`, of a library phase, a formula or a file.

    Raises
    ------
    InputError
        If the material is not known or disordered, or the potential does not know its elements.
    """
    found = read_material(material)
    require_ordered(found.structure, found.name)
    atoms = found.structure.to_ase_atoms(msonable=False)
    return elastic_tensor(
        _primitive(atoms),
        double_precision(potential_name),
        settings,
        material=found.name,
        axes=_axes(atoms, settings or ElasticSettings()),
        **keywords,
    )


def _primitive(atoms: Atoms) -> Atoms:
    """The primitive cell in the same Cartesian axes, where there is a smaller one."""
    import spglib
    from ase import Atoms

    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    found = spglib.standardize_cell(cell, to_primitive=True, no_idealize=True, symprec=SYMPREC)
    if found is None or len(found[2]) >= len(atoms):
        return atoms
    return Atoms(numbers=found[2], cell=found[0], scaled_positions=found[1], pbc=True)


def conventional_axes(atoms: Atoms) -> FloatArray:
    """Rows of the conventional cell in the same Cartesian axes, by spglib, not idealised.

    The cell's own rows where they are those in another order; also where no symmetry is found.
    """
    import spglib

    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    found = spglib.standardize_cell(cell, to_primitive=False, no_idealize=True, symprec=SYMPREC)
    own: FloatArray = atoms.cell.array
    if found is None:
        return own
    axes = np.asarray(found[0], dtype=np.float64)
    counts = np.abs(own @ np.linalg.inv(axes))
    permuted = np.allclose(counts, counts.round(), atol=SYMPREC) and np.all(
        np.sort(counts.round(), axis=1) == [0, 0, 1]
    )
    return own if permuted else axes


def _axes(atoms: Atoms, settings: ElasticSettings) -> FloatArray:
    """Of a cube that is imposed, the cell as it is given stands for one."""
    return atoms.cell.array if settings.symmetry == "cubic" else conventional_axes(atoms)


def elastic_tensor(
    atoms: Atoms,
    engine: Potential,
    settings: ElasticSettings | None = None,
    *,
    material: str = "",
    axes: npt.ArrayLike | None = None,
    progress: Progress | None = None,
) -> ElasticRecord:
    """Elastic tensor from the stress under small strains of both signs.

    Parameters
    ----------
    atoms : Atoms
        A periodic crystal; left as it is. Relaxed first, unless the settings say otherwise.
    engine : Potential
        Any with stress; learned ones should run in double precision.
    axes : (3, 3), optional
        Rows that the directions [uvw] count; those of the conventional cell if left out.

    Returns
    -------
    ElasticRecord
        ``no_answer`` with a reason where a relaxation fails or the tensor is not stable.

    Raises
    ------
    InputError
        If the atoms are not periodic or the potential does not know an element.
    FailureError
        If the relaxation runs away.

    Notes
    -----
    Static, at 0 K: in conductors with mobile Li the elastic response at room temperature is
    softer, by 25 to 50 % in two cases studied with dynamics [Materzanini2023]_.
    """
    chosen = settings or ElasticSettings()
    begin = time.monotonic()
    if not all(atoms.pbc):
        raise InputError("an elastic tensor needs a crystal that is periodic in all directions")
    engine.check_elements(atoms.get_chemical_symbols())
    counted = _Counted(engine.calculator())
    rows = _axes(atoms, chosen) if axes is None else np.asarray(axes, dtype=np.float64)
    start = atoms
    if chosen.rattle_angstrom > 0:
        start = rattle(atoms, amplitude_angstrom=chosen.rattle_angstrom)
    doubts: list[str] = []
    if chosen.relax_cell:
        start = _relaxed(start, counted, chosen, True, "the crystal", doubts)
    name, turns = _symmetry(start, chosen.symmetry)
    fit = _measure(start, counted, turns, chosen, doubts, progress)
    return _record(start, fit, name, chosen, engine, counted, doubts, material, begin, rows)


def double_precision(name: str) -> Potential:
    """A potential by name in double precision, where it leaves the choice."""
    if name.startswith(("ase:", "gpaw", "emt", "lj")):
        return potential(name)
    return potential(name, dtype="float64")


class _Counted:
    """A calculator that counts how often it computed something new."""

    def __init__(self, calculator: Any) -> None:
        self.calculator, self.count = calculator, 0
        if "stress" not in getattr(calculator, "implemented_properties", ("stress",)):
            raise InputError("the potential gives no stress, and elastic constants need it")

    def stress_gpa(self, atoms: Atoms) -> FloatArray:
        """Voigt stress, tension positive."""
        working = atoms.copy()
        working.calc = self.calculator
        self.count += 1
        return np.array(working.get_stress(voigt=True)) * GPA_PER_EV_PER_ANGSTROM3


def _relaxed(
    atoms: Atoms,
    counted: _Counted,
    settings: ElasticSettings,
    cell: bool,
    what: str,
    doubts: list[str],
) -> Atoms:
    relaxed, record = relax(
        atoms,
        counted.calculator,
        fmax_ev_per_angstrom=settings.fmax_ev_per_angstrom,
        max_steps=settings.max_steps,
        cell=cell,
    )
    counted.count += record.steps + 1
    if not record.converged:
        relaxed.calc = counted.calculator
        force = float(np.abs(relaxed.get_forces()).max())
        relaxed.calc = None
        if force > LOOSE * settings.fmax_ev_per_angstrom:
            doubts.append(
                f"{what} has forces of {force:.3f} eV/Angstrom after {settings.max_steps} steps"
            )
        elif cell:
            stress = float(np.abs(counted.stress_gpa(relaxed)).max())
            per_atom = stress / GPA_PER_EV_PER_ANGSTROM3 * relaxed.get_volume() / len(relaxed)
            if per_atom > LOOSE * settings.fmax_ev_per_angstrom:  # as the optimizer weighs it
                doubts.append(
                    f"{what} has a stress of {stress:.2g} GPa after {settings.max_steps} steps"
                )
    return relaxed


def _symmetry(atoms: Atoms, wanted: Symmetry) -> tuple[str, FloatArray]:
    name, turns = point_group(atoms)
    if wanted == "crystal":
        return f"{name}, the crystal's own", turns
    if wanted == "cubic":
        return f"m-3m imposed on a cell of {name}", CUBIC_ROTATIONS
    return f"none imposed (crystal: {name})", np.eye(3)[None]


def _measure(
    atoms: Atoms,
    counted: _Counted,
    turns: FloatArray,
    settings: ElasticSettings,
    doubts: list[str],
    progress: Progress | None,
) -> StiffnessFit:
    """Half the difference of the stresses under strains of both signs, fitted.

    Where a symmetry is imposed that the cell does not have, all six strains are taken.
    """
    modes = range(6) if settings.symmetry == "cubic" else needed_strains(turns)
    strains, stresses = [], []
    for done, mode in enumerate(modes):
        voigt = np.zeros(6)
        voigt[mode] = settings.strain
        pair = []
        for sign in (1, -1):
            bent = strained(atoms, sign * voigt)
            if settings.relax_ions and len(atoms) > 1:
                bent = _relaxed(bent, counted, settings, False, f"strain {mode + 1}", doubts)
            pair.append(counted.stress_gpa(bent))
        strains.append(voigt)
        stresses.append((pair[0] - pair[1]) / 2)
        if progress is not None:
            progress(done + 1, len(modes))
    return fit_stiffness(np.array(strains), np.array(stresses), turns)


def strained(atoms: Atoms, voigt: npt.ArrayLike) -> Atoms:
    """A copy under a small engineering Voigt strain; fractional coordinates stay."""
    xx, yy, zz, yz, xz, xy = np.asarray(voigt, dtype=np.float64)
    tensor = np.array([[xx, xy / 2, xz / 2], [xy / 2, yy, yz / 2], [xz / 2, yz / 2, zz]])
    bent: Atoms = atoms.copy()
    bent.set_cell(atoms.cell.array @ (np.eye(3) + tensor), scale_atoms=True)
    return bent


def _record(
    atoms: Atoms,
    fit: StiffnessFit,
    symmetry: str,
    settings: ElasticSettings,
    engine: Potential,
    counted: _Counted,
    doubts: list[str],
    material: str,
    begin: float,
    axes: FloatArray,
) -> ElasticRecord:
    formula = atoms.get_chemical_formula(mode="metal", empirical=True)
    density = float(atoms.get_masses().sum() / atoms.get_volume()) * AMU_PER_ANGSTROM3_IN_G_CM3
    averages: Moduli | None = None
    reasons = list(doubts)
    if not stable(fit.stiffness_gpa):
        reasons.append("the stiffness is not positive definite: not a minimum of this potential")
    else:
        averages = moduli(fit.stiffness_gpa)
        if settings.symmetry != "cubic":  # which is imposed along x, y and z
            found = _zener(axes, fit.stiffness_gpa)
            averages = averages.model_copy(update={"zener_ratio": found})
    mass = float(atoms.get_masses().mean())
    return ElasticRecord(
        material=material or formula,
        formula=formula,
        n_atoms=len(atoms),
        status="no_answer" if reasons else "ok",
        reason="; ".join(reasons) or None,
        stiffness_gpa=_rows(fit.stiffness_gpa),
        sigma_gpa=_rows(fit.sigma_gpa),
        compliance_per_gpa=_rows(compliance(fit.stiffness_gpa)) if averages else None,
        residual_gpa=fit.residual_gpa,
        independent_constants=fit.n_independent,
        symmetry=symmetry,
        moduli=averages,
        directional_youngs_gpa=_directions(axes, fit.stiffness_gpa) if averages else {},
        density_g_cm3=density,
        debye_temperature_k=debye_temperature_k(
            averages.bulk_gpa, averages.shear_gpa, density, mass
        )
        if averages
        else None,
        suppression=suppression_ratio(averages.shear_gpa) if averages else None,
        cell=tuple((float(a), float(b), float(c)) for a, b, c in atoms.cell.array),
        ions="relaxed" if settings.relax_ions else "clamped",
        strain=settings.strain,
        fmax_ev_per_angstrom=settings.fmax_ev_per_angstrom,
        calculations=counted.count,
        potential=engine.identity.to_json(),
        provenance=provenance(None, time.monotonic() - begin),
    )


def _zener(axes: FloatArray, stiffness: FloatArray) -> float | None:
    """Zener's ratio in the axes of the cell where they are a cube's, else along x, y and z."""
    units = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    if not np.allclose(units @ units.T, np.eye(3), atol=SYMPREC):
        return zener_ratio(stiffness)
    return zener_ratio(rotate_stiffness(stiffness, units))


def _directions(axes: npt.ArrayLike, stiffness: FloatArray) -> dict[str, float]:
    """Young's modulus along directions counted in these axes."""
    counts = np.array([[int(digit) for digit in name] for name in DIRECTIONS])
    values = youngs_modulus(stiffness, counts @ np.asarray(axes))
    return {name: float(value) for name, value in zip(DIRECTIONS, values, strict=True)}


def _rows(matrix: FloatArray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(value) for value in row) for row in matrix)


def write_record(record: ElasticRecord, path: Path) -> None:
    """The record as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(record.model_dump_json(indent=1), encoding="utf-8")
