"""One maker for each task, whatever the engine: a flow is written once.

The engine is a name: a potential (``7net-0``, ``mace:/a.model``), ``gpaw`` or ``gpaw:{...}``,
``vasp`` or ``vasp:{...}``. Potentials and GPAW are one calculator each and one job; VASP goes
through atomate2's makers and ends in the same record.

>>> from jobflow import Flow
>>> from pymatgen.core import Lattice, Structure
>>> from interlith.workflows.local import run_flow
>>> copper = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.7), ["Cu"], [[0, 0, 0]])
>>> relax = relax_maker("emt").make(copper)
>>> energy = static_maker("emt").make(relax.output["structure"])
>>> curve = eos_maker("emt").make(energy.output["structure"])
>>> found = run_flow(Flow([relax, energy, curve], output=curve.output))
>>> found["status"], round(found["bulk_modulus_gpa"])
('ok', 134)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jobflow import Flow, Job, Maker, OnMissing, job

from interlith.engines.dynamics.settings import MDSettings
from interlith.engines.neb import BandSettings
from interlith.errors import FailureError
from interlith.workflows.any_engine.calculations import (
    RelaxSettings,
    is_vasp,
    relaxation,
    static,
    with_grid_of,
)
from interlith.workflows.any_engine.dynamics import band, dynamics
from interlith.workflows.any_engine.eos import (
    VOLUME_FACTORS,
    check_factors,
    eos_record,
    scaled,
)
from interlith.workflows.any_engine.records import as_structure

Step = Job | Flow


@dataclass
class StaticMaker(Maker):
    """Energy, forces and stress as the atoms stand.

    Attributes
    ----------
    folder : str or None
        Keeps the record of a calculator engine, which is read back when the job runs again.
    """

    engine: str
    name: str = "static"
    folder: str | None = None

    def make(self, structure: Any) -> Step:
        """Job or flow whose output is a ``CalculationRecord`` as plain data."""
        if is_vasp(self.engine):
            from interlith.workflows.any_engine.vasp_jobs import vasp_flow

            return vasp_flow(structure, self.engine, "static", self.name)
        return _named(static_job(structure, self.engine, self.folder), self.name)


@dataclass
class RelaxMaker(Maker):
    """Relaxed atoms, and cell if ``cell``.

    Attributes
    ----------
    settings : dict
        Of :class:`RelaxSettings`. For VASP left empty, bulk relaxations end as the Materials
        Project's do.
    """

    engine: str
    cell: bool = True
    settings: dict[str, Any] = field(default_factory=dict)
    name: str = "relax"
    folder: str | None = None

    def make(self, structure: Any) -> Step:
        """Job or flow whose output is a ``CalculationRecord`` as plain data."""
        if is_vasp(self.engine):
            from interlith.workflows.any_engine.vasp_jobs import vasp_flow

            kind: Any = "cell_relax" if self.cell else "relax"
            chosen = RelaxSettings.model_validate(self.settings) if self.settings else None
            return vasp_flow(structure, self.engine, kind, self.name, chosen)
        made = relax_job(structure, self.engine, self.cell, self.settings, self.folder)
        return _named(made, self.name)


@dataclass
class EosMaker(Maker):
    """Equation of state: atoms relaxed (or held) at several volumes, all lengths scaled alike.

    Attributes
    ----------
    point : Maker or None
        Makes each point; a relaxation of the atoms with the same engine if left out.
    """

    engine: str
    factors: tuple[float, ...] = VOLUME_FACTORS
    point: StaticMaker | RelaxMaker | None = None
    name: str = "equation of state"

    def make(self, structure: Any) -> Flow:
        """Flow whose output is an ``EosRecord`` as plain data."""
        check_factors(self.factors)
        cells = _named(scale_job(structure, list(self.factors), self.engine), f"{self.name}: cells")
        points = [
            self._point(cells, i, f"{self.name}: volume {factor:g}")
            for i, factor in enumerate(self.factors)
        ]
        curve = _named(
            eos_job(
                self.engine,
                cells.output["formula"],
                cells.output["n_atoms"],
                [point.output for point in points],
            ),
            f"{self.name}: curve",
        )
        curve.config.on_missing_references = OnMissing.NONE  # a failed volume is left out
        return Flow([cells, *points, curve], output=curve.output, name=self.name)

    def _point(self, cells: Job, number: int, name: str) -> Step:
        structure = cells.output["structures"][number]
        settings = RelaxSettings().to_json()  # said, so that VASP relaxes as tightly as the others
        if self.point is not None:
            return replace(self.point, name=name).make(structure)
        if is_vasp(self.engine):
            return RelaxMaker(self.engine, False, settings, name).make(structure)
        return _named(relax_job(structure, cells.output["engine"], False, settings, None), name)


@dataclass
class MdMaker(Maker):
    """Molecular dynamics into a folder: ``trajectory.h5`` and a record, for every engine.

    Attributes
    ----------
    settings : dict
        Of :class:`interlith.engines.md.MDSettings`.
    folder : str
        Made if absent; a run that was interrupted goes on there. VASP runs where its job runs and
        leaves the converted trajectory here.
    """

    engine: str
    settings: dict[str, Any] = field(default_factory=dict)
    folder: str = "md"
    name: str = "molecular dynamics"

    def make(self, structure: Any) -> Step:
        """Job or flow whose output is an ``MDRecord`` as plain data."""
        MDSettings.read(self.settings)
        if is_vasp(self.engine):
            from interlith.workflows.any_engine.aimd import vasp_md_flow

            return vasp_md_flow(structure, self.engine, self.settings, self.folder, self.name)
        return _named(md_job(structure, self.engine, self.settings, self.folder), self.name)


@dataclass
class NebMaker(Maker):
    """Barrier between two structures of one cell, ends relaxed first.

    Attributes
    ----------
    settings : dict
        Of :class:`interlith.engines.neb.BandSettings`.
    folder : str or None
        Keeps the band of a calculator engine.
    """

    engine: str
    settings: dict[str, Any] = field(default_factory=dict)
    folder: str | None = None
    name: str = "barrier"

    def make(self, start: Any, end: Any) -> Step:
        """Job or flow whose output is a ``BandRecord`` as plain data."""
        settings = BandSettings.model_validate(self.settings)
        if is_vasp(self.engine):
            from interlith.workflows.any_engine.vasp_band import vasp_band_flow

            return vasp_band_flow(start, end, self.engine, settings, self.name)
        return _named(neb_job(start, end, self.engine, self.settings, self.folder), self.name)


@dataclass
class ElasticMaker(Maker):
    """Elastic tensor: relax, strain, relax the ions, fit within the crystal's symmetry.

    Attributes
    ----------
    settings : dict
        Of :class:`interlith.workflows.elastic.ElasticSettings`.
    """

    engine: str
    settings: dict[str, Any] = field(default_factory=dict)
    name: str = "elastic tensor"

    def make(self, structure: Any) -> Step:
        """Job or flow whose output is an ``ElasticRecord`` as plain data."""
        from interlith.workflows.any_engine.elastic import elastic_job, vasp_elastic_flow

        if is_vasp(self.engine):
            return vasp_elastic_flow(structure, self.engine, self.settings, self.name)
        return _named(elastic_job(structure, self.engine, self.settings), self.name)


def static_maker(engine: str, **options: Any) -> StaticMaker:
    """Maker of single points."""
    return StaticMaker(engine, **options)


def relax_maker(engine: str, *, cell: bool = True, **options: Any) -> RelaxMaker:
    """Maker of relaxations, of the cell too unless told not to."""
    return RelaxMaker(engine, cell=cell, **options)


def eos_maker(
    engine: str, *, factors: Sequence[float] = VOLUME_FACTORS, **options: Any
) -> EosMaker:
    """Maker of equations of state."""
    return EosMaker(engine, factors=tuple(factors), **options)


def md_maker(
    engine: str,
    settings: dict[str, Any] | None = None,
    *,
    folder: str | Path = "md",
    **options: Any,
) -> MdMaker:
    """Maker of molecular dynamics."""
    return MdMaker(engine, settings or {}, str(folder), **options)


def neb_maker(engine: str, settings: dict[str, Any] | None = None, **options: Any) -> NebMaker:
    """Maker of migration barriers."""
    return NebMaker(engine, settings or {}, **options)


def elastic_maker(
    engine: str, settings: dict[str, Any] | None = None, **options: Any
) -> ElasticMaker:
    """Maker of elastic tensors."""
    return ElasticMaker(engine, settings or {}, **options)


def _named(made: Job, name: str) -> Job:
    made.name = name
    return made


@job
def static_job(structure: Any, engine: str, folder: str | None) -> dict[str, Any]:
    """Single point."""
    return static(structure, engine, folder=folder).to_json()


@job
def relax_job(
    structure: Any, engine: str, cell: bool, settings: dict[str, Any], folder: str | None
) -> dict[str, Any]:
    """Relaxation."""
    chosen = RelaxSettings.model_validate(settings)
    return relaxation(structure, engine, cell=cell, settings=chosen, folder=folder).to_json()


@job
def scale_job(structure: Any, factors: list[float], engine: str) -> dict[str, Any]:
    """Cells of other volumes, and the engine with one grid of k points for all of them."""
    crystal = as_structure(structure)
    return {
        "structures": scaled(crystal, factors),
        "formula": crystal.composition.formula.replace(" ", ""),
        "n_atoms": len(crystal),
        "engine": with_grid_of(engine, crystal, "relax"),
    }


@job
def eos_job(engine: str, formula: str | None, n_atoms: int, points: list[Any]) -> dict[str, Any]:
    """Curve through the points."""
    if formula is None:
        raise FailureError("the step before gave no structure: its own message says why")
    return eos_record(engine, formula, n_atoms, points).to_json()


@job
def md_job(structure: Any, engine: str, settings: dict[str, Any], folder: str) -> dict[str, Any]:
    """Molecular dynamics."""
    return dynamics(structure, engine, MDSettings.read(settings), folder).to_json()


@job
def neb_job(
    start: Any, end: Any, engine: str, settings: dict[str, Any], folder: str | None
) -> dict[str, Any]:
    """Migration barrier."""
    return band(start, end, engine, BandSettings.model_validate(settings), folder).to_json()
