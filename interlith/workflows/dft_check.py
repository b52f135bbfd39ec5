"""Does DFT work here, and right? LiCl and Li2S against experiment, in a flow of small jobs.

Elements are computed with the same program and functional. Li and solid Cl2 are crystals; sulfur
is the S8 molecule, since its crystal has 32 atoms and PBE, which knows no dispersion, binds the
molecules by some 10 meV an atom only. The corrections of MP2020 [Wang2021]_ go on the anions.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from importlib import metadata
from math import cos, pi, sin, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobflow.core.flow import Flow
from jobflow.core.job import Job, job
from jobflow.core.maker import Maker

from interlith.analysis.corrections import (
    correction_counts,
    correction_energy,
    schemes_from_pymatgen,
)
from interlith.engines.dft import DftRecord
from interlith.engines.electronic.datasets import dataset_elements, require_gpaw
from interlith.provenance import Provenance, provenance
from interlith.records import Record
from interlith.workflows.dft import DftMaker, material_atoms

if TYPE_CHECKING:
    from ase import Atoms

SCHEME = "MP2020"
FMAX_EV_PER_ANGSTROM = 0.03
CUBIC_LATTICE_ANGSTROM = {"LiCl": 5.130, "Li2S": 5.710}
"""Room-temperature cells of the rock-salt and the anti-fluorite structure (handbook values)."""
FORMATION_EV = {"LiCl": -4.23, "Li2S": -4.57}
"""Experimental enthalpies of formation, eV per formula unit."""
LATTICE_LIMIT, FORMATION_LIMIT_EV = 0.015, 0.15
STRETCH = 1.02
"""The compounds start this much too wide, so that the relaxation has something to do."""
S8_BOND_ANGSTROM, S8_ANGLE_DEGREES = 2.06, 108.0
BOX_ANGSTROM = 3.5


class CheckedCompound(Record):
    """One compound of the check against experiment.

    Attributes
    ----------
    formation_energy_ev : float or None
        Per formula unit, with the corrections of the scheme.
    """

    formula: str
    status: str
    reason: str | None = None
    lattice_angstrom: float | None = None
    lattice_experiment_angstrom: float
    lattice_error: float | None = None
    formation_energy_ev: float | None = None
    raw_formation_energy_ev: float | None = None
    formation_experiment_ev: float
    formation_error_ev: float | None = None
    passed: bool


class CalculationSummary(Record):
    """One calculation of the check."""

    name: str
    status: str
    energy_ev_per_atom: float | None
    steps: int | None
    wall_time_s: float
    cures: int
    folder: str


class DftCheckRecord(Record):
    """Result of ``interlith dft check``.

    Attributes
    ----------
    datasets : int
        Elements that have a PBE dataset.
    """

    passed: bool
    gpaw: str
    datasets: int
    scheme: str = SCHEME
    compounds: tuple[CheckedCompound, ...]
    calculations: tuple[CalculationSummary, ...]
    wall_time_s: float
    provenance: Provenance


@dataclass
class DftCheckMaker(Maker):
    """Flow of the check: five calculations and their comparison with experiment.

    Attributes
    ----------
    settings : dict
        Fields of :class:`~interlith.engines.dft.DftSettings` that shall differ.
    """

    name: str = "dft check"
    settings: dict[str, Any] = field(default_factory=dict)

    def make(self, folder: str | Path) -> Flow:
        """The flow; its output is a :class:`DftCheckRecord` as plain data.

        Raises
        ------
        MissingDependencyError
            If GPAW is not installed, with the lines that install it.
        """
        require_gpaw()
        place = Path(folder).resolve()
        relaxed = DftMaker(
            task="cell_relax", fmax_ev_per_angstrom=FMAX_EV_PER_ANGSTROM, settings=self.settings
        )
        static = DftMaker(settings=self.settings)
        jobs: dict[str, Job] = {"Li": relaxed.make(material_atoms("Li")[1], place / "Li")}
        for name in FORMATION_EV:
            atoms = material_atoms(name)[1]
            atoms.set_cell(STRETCH * atoms.cell.array, scale_atoms=True)
            jobs[name] = relaxed.make(atoms, place / name)
        jobs["Cl2"] = static.make(material_atoms("Cl2")[1], place / "Cl2")
        jobs["S8"] = DftMaker(settings={**self.settings, "kpoints": (1, 1, 1)}).make(
            sulfur_ring(), place / "S8"
        )
        end = compare_job({name: one.output for name, one in jobs.items()})
        return Flow([*jobs.values(), end], output=end.output, name=self.name)


@job
def compare_job(outputs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The comparison from the calculations."""
    records = {name: DftRecord.model_validate(output) for name, output in outputs.items()}
    return compare(records).to_json()


def run_check(folder: str | Path, settings: dict[str, Any] | None = None, **more: Any) -> Any:
    """Run the check here; what the folder holds already is not computed again."""
    from interlith.workflows.local import run_flow

    begin = time.monotonic()
    flow = DftCheckMaker(settings=dict(settings or {})).make(folder)
    record = DftCheckRecord.model_validate(run_flow(flow, **more))
    return record.model_copy(update={"wall_time_s": time.monotonic() - begin})


def compare(records: dict[str, DftRecord]) -> DftCheckRecord:
    """Lattice constants and formation energies against experiment."""
    compounds = tuple(_compound(formula, records) for formula in FORMATION_EV)
    return DftCheckRecord(
        passed=all(compound.passed for compound in compounds),
        gpaw=metadata.version("gpaw"),
        datasets=len(dataset_elements()),
        compounds=compounds,
        calculations=tuple(
            CalculationSummary(
                name=name,
                status=record.status,
                energy_ev_per_atom=record.energy_ev_per_atom,
                steps=record.steps,
                wall_time_s=record.wall_time_s,
                cures=max(0, len(record.attempts) - 1),
                folder=record.folder,
            )
            for name, record in records.items()
        ),
        wall_time_s=sum(record.wall_time_s for record in records.values()),
        provenance=provenance(),
    )


def sulfur_ring() -> Atoms:
    """The S8 crown in a box, from its bond length and angle (crystal structure of alpha-S)."""
    from ase import Atoms

    second = 2 * S8_BOND_ANGSTROM * sin(S8_ANGLE_DEGREES / 2 * pi / 180)
    radius = second / sqrt(2)
    height = sqrt(S8_BOND_ANGSTROM**2 - (2 * radius * sin(pi / 8)) ** 2)
    ring = Atoms(
        "S8",
        positions=[
            (radius * cos(i * pi / 4), radius * sin(i * pi / 4), height * (i % 2)) for i in range(8)
        ],
        pbc=True,
    )
    ring.center(vacuum=BOX_ANGSTROM)
    return ring


def _compound(formula: str, records: dict[str, DftRecord]) -> CheckedCompound:
    from pymatgen.core import Composition

    known: dict[str, Any] = {
        "formula": formula,
        "lattice_experiment_angstrom": CUBIC_LATTICE_ANGSTROM[formula],
        "formation_experiment_ev": FORMATION_EV[formula],
    }
    sources = {"Li": records["Li"], "Cl": records["Cl2"], "S": records["S8"]}
    counts = {str(e): float(n) for e, n in Composition(formula).get_el_amt_dict().items()}
    compound = records[formula]
    used = [compound, *(sources[element] for element in counts)]
    if not all(record.status == "converged" for record in used):
        bad = next(record for record in used if record.status != "converged")
        return CheckedCompound(
            status=bad.status, reason=f"{bad.formula}: {bad.reason}", passed=False, **known
        )
    per_atom = {e: _energy(sources[e]) for e in counts}
    raw = _energy(compound) * sum(counts.values()) - sum(n * per_atom[e] for e, n in counts.items())
    formation = raw + _correction(compound, counts)
    lattice = (4 * compound.volume_angstrom3) ** (1 / 3)
    strain = lattice / CUBIC_LATTICE_ANGSTROM[formula] - 1
    error = formation - FORMATION_EV[formula]
    return CheckedCompound(
        status="converged",
        lattice_angstrom=lattice,
        lattice_error=strain,
        formation_energy_ev=formation,
        raw_formation_energy_ev=raw,
        formation_error_ev=error,
        passed=abs(strain) < LATTICE_LIMIT and abs(error) < FORMATION_LIMIT_EV,
        **known,
    )


def _energy(record: DftRecord) -> float:
    return float(record.energy_ev_per_atom or 0.0)


def _correction(record: DftRecord, counts: dict[str, float]) -> float:
    from pymatgen.io.ase import AseAtomsAdaptor

    structure = AseAtomsAdaptor.get_structure(record.structure.atoms())
    return correction_energy(schemes_from_pymatgen()[SCHEME], counts, correction_counts(structure))
