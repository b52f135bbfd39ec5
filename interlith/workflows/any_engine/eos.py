"""Equation of state with any engine: cells of other volumes, and the curve through them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from interlith.analysis.equation_of_state import FEWEST_POINTS, fit_equation_of_state
from interlith.errors import InputError
from interlith.provenance import Provenance, provenance
from interlith.records import Record, Status
from interlith.workflows.any_engine.records import CalculationRecord

if TYPE_CHECKING:
    from pymatgen.core import Structure

VOLUME_FACTORS = (0.94, 0.96, 0.98, 1.0, 1.02, 1.04, 1.06)


class EosRecord(Record):
    """Equation of state of a crystal.

    Attributes
    ----------
    volume_a3_per_atom : float or None
        Where the energy is lowest.
    dropped : tuple of str
        Volumes that gave no energy, and why.
    identity : dict
        Of the engine; one for all points.
    """

    schema_version: int = 1
    formula: str
    engine: str
    status: Status
    reason: str | None = None
    n_atoms: int
    volume_a3_per_atom: float | None = None
    energy_ev_per_atom: float | None = None
    bulk_modulus_gpa: float | None = None
    bulk_modulus_slope: float | None = None
    rms_ev_per_atom: float | None = None
    volumes_a3: tuple[float, ...] = ()
    energies_ev: tuple[float, ...] = ()
    dropped: tuple[str, ...] = ()
    identity: dict[str, Any]
    provenance: Provenance


def check_factors(factors: Sequence[float]) -> None:
    """Refuse volumes that make no curve.

    Raises
    ------
    InputError
        If there are too few different ones or one is far from 1.
    """
    if len(set(factors)) < FEWEST_POINTS or not all(0.5 < factor < 2 for factor in factors):
        raise InputError(
            f"volume factors {list(factors)}: give at least {FEWEST_POINTS} different ones "
            "between 0.5 and 2, such as 0.96, 0.98, 1, 1.02, 1.04"
        )


def scaled(structure: Structure, factors: Sequence[float]) -> list[Structure]:
    """The crystal at other volumes, all lengths alike; site properties are kept."""
    cells = []
    for factor in factors:
        cell = structure.copy()
        cell.scale_lattice(structure.volume * factor)
        cells.append(cell)
    return cells


def eos_record(engine: str, formula: str, n_atoms: int, points: Sequence[Any]) -> EosRecord:
    """The curve through calculations of one engine; those that failed are named.

    Parameters
    ----------
    points : sequence
        A :class:`CalculationRecord`, as itself or plain data, for each volume; None for a failed
        one.
    """
    records: list[CalculationRecord] = []
    dropped: list[str] = []
    for number, point in enumerate(points, 1):
        record = _read(point)
        if record is None:
            dropped.append(f"point {number}: its calculation failed")
        elif record.status != "ok":
            dropped.append(f"point {number} ({record.volume_a3:.2f} A^3): {record.reason}")
        else:
            records.append(record)
    common: dict[str, Any] = {
        "formula": formula,
        "engine": engine,
        "n_atoms": n_atoms,
        "dropped": tuple(dropped),
        "identity": records[0].identity if records else {},
        "provenance": provenance(
            wall_time_s=sum(record.provenance.wall_time_s or 0.0 for record in records)
        ),
    }
    if len(records) < FEWEST_POINTS:
        return EosRecord(
            status="no_answer",
            reason=f"{len(records)} of {len(points)} volumes have an energy, "
            f"{FEWEST_POINTS} are needed",
            **common,
        )
    fit = fit_equation_of_state(
        [record.volume_a3 for record in records], [record.energy_ev for record in records]
    )
    return EosRecord(
        status=fit.status,
        reason=fit.reason,
        volume_a3_per_atom=_per(fit.volume_a3, n_atoms),
        energy_ev_per_atom=_per(fit.energy_ev, n_atoms),
        bulk_modulus_gpa=fit.bulk_modulus_gpa,
        bulk_modulus_slope=fit.bulk_modulus_slope,
        rms_ev_per_atom=_per(fit.rms_ev, n_atoms),
        volumes_a3=fit.volumes_a3,
        energies_ev=fit.energies_ev,
        **common,
    )


def _per(value: float | None, n_atoms: int) -> float | None:
    return None if value is None else value / n_atoms


def _read(point: Any) -> CalculationRecord | None:
    if isinstance(point, CalculationRecord) or point is None:
        return point
    try:
        return CalculationRecord.model_validate(point)
    except ValidationError:
        return None
