"""Correction of a potential's interface energy by single DFT points on the same frames.

With E the energy of a whole frame, n copies of each bulk or slab that the interface is made of, and
A its area,

    gamma = (E(interface) - sum of n_i E(part i)) / A,
    correction = gamma(DFT, frames of the potential) - gamma(potential, same frames).

No atom moves: what is corrected is the energy at the potential's geometry, not the geometry, and
the zero of energy of either method cancels since both sides hold the same atoms. DFT settings
follow from the interface and are the same in all terms.

>>> from ase.build import bulk
>>> cell = bulk("Cu", cubic=True)
>>> record = delta_correction(Frames(cell * (1, 1, 4), [(cell, 4)]), "lj", "emt")
>>> record.status, round(record.correction_j_per_m2, 6) + 0.0
('ok', 0.0)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from interlith.analysis.dft_results import DeltaRecord, FrameEnergies
from interlith.errors import InputError
from interlith.provenance import provenance
from interlith.units import ELEMENTARY_CHARGE_C
from interlith.workflows.any_engine.calculations import calculator_engine
from interlith.workflows.any_engine.labelling import LabelRecord, label_frame, label_frames
from interlith.workflows.any_engine.records import inputs_hash
from interlith.workflows.any_engine.same_settings import TASK, differences, shared_engines

if TYPE_CHECKING:
    from ase import Atoms

J_PER_M2 = ELEMENTARY_CHARGE_C * 1e20
"""One eV per square Angstrom."""
BALANCE = 1e-6


@dataclass(frozen=True)
class Frames:
    """An interface and what it is made of, all as relaxed by the potential.

    Attributes
    ----------
    parts : sequence of (Atoms, float)
        Each bulk or slab, and how many times it is in the interface (a fraction where the
        part's cell is larger than its share).
    interfaces : int
        In the cell: two where it is periodic, one where it ends in vacuum.
    normal : int
        Cell vector across the interface.
    """

    interface: Atoms
    parts: Sequence[tuple[Atoms, float]]
    interfaces: int = 1
    normal: int = 2


def delta_correction(
    frames: Frames, potential: str, dft: str, folder: Path | str | None = None
) -> DeltaRecord:
    """Correct an interface energy by single DFT points.

    Parameters
    ----------
    potential, dft : str
        Engines; the potential should be the one that relaxed the frames.
    folder : Path, optional
        Keeps the DFT points, which are not computed again.

    Returns
    -------
    DeltaRecord
        "no_answer" when a point failed, or converged only with other settings than the rest, with
        the reason.

    Raises
    ------
    InputError
        If the parts do not add up to the interface, atom for atom.
    """
    _check(frames)
    every = [frames.interface, *(part for part, _ in frames.parts)]
    cheap_engine, dear_engine = (calculator_engine(one, TASK) for one in (potential, dft))
    cheap, dear = _labels(every, potential, None), _labels(every, dft, folder)
    rows, area = _rows(frames, cheap, dear), _area(frames)
    failed = [f"{row.name}: {row.reason}" for row in rows if row.reason]
    failed = failed or [*_unlike(rows, cheap), *_unlike(rows, dear)]
    common: dict[str, Any] = {
        "formula": frames.interface.get_chemical_formula(),
        "n_atoms": len(frames.interface),
        "area_angstrom2": area,
        "interfaces": frames.interfaces,
        "potential": cheap_engine.identity.to_json(),
        "dft": dear_engine.identity.to_json(),
        "frames": rows,
        "provenance": provenance(
            wall_time_s=sum(one.provenance.wall_time_s or 0.0 for one in (*cheap, *dear))
        ),
    }
    if failed:
        return DeltaRecord(status="no_answer", reason="; ".join(failed), **common)
    low, high = (_excess(rows, key) for key in ("potential_ev", "dft_ev"))
    each = J_PER_M2 / (area * frames.interfaces)
    return DeltaRecord(
        status="ok",
        potential_j_per_m2=low * each,
        dft_j_per_m2=high * each,
        correction_j_per_m2=(high - low) * each,
        correction_mev_per_atom=1000 * (high - low) / len(frames.interface),
        **common,
    )


def _check(frames: Frames) -> None:
    if frames.interfaces < 1 or frames.normal not in (0, 1, 2) or not frames.parts:
        raise InputError(
            f"{frames.interfaces} interfaces across cell vector {frames.normal} of "
            f"{len(frames.parts)} parts; give at least one interface and part, and a normal 0, 1, 2"
        )
    left: dict[str, float] = {}
    for atoms, n in ((frames.interface, -1.0), *frames.parts):
        for symbol in atoms.symbols:
            left[symbol] = left.get(symbol, 0.0) + n
    missing = {symbol: round(n, 4) for symbol, n in left.items() if abs(n) > BALANCE}
    if missing:
        raise InputError(
            f"the parts and the interface differ by {missing} atoms; the energy of an interface "
            "is that over parts with the same atoms"
        )


def _labels(every: Sequence[Atoms], name: str, folder: Path | str | None) -> list[LabelRecord]:
    """Each frame once, all with the settings of the first."""
    names = shared_engines(name, every)
    if folder is None:
        engines = {one: calculator_engine(one, TASK) for one in dict.fromkeys(names)}
        return [_label(frame, engines[one]) for frame, one in zip(every, names, strict=True)]
    if len(set(names)) == 1:
        return list(label_frames(every, name, folder).records)
    pairs = zip(every, names, strict=True)
    return [label_frames([frame], one, folder).records[0] for frame, one in pairs]


def _unlike(rows: Sequence[FrameEnergies], labels: Sequence[LabelRecord]) -> list[str]:
    """Parts that were computed in another way than the interface."""
    whole, *parts = ((label.formula, label.settings) for label in labels)
    unlike = [differences(whole, part) for part in parts]
    return [
        f"{rows[0].name} and {row.name} were computed with different settings: {'; '.join(one)}"
        for row, one in zip(rows[1:], unlike, strict=True)
        if one
    ]


def _label(frame: Atoms, engine: Any) -> LabelRecord:
    identity = engine.identity.to_json()
    calculator = engine.calculator(elements=set(frame.symbols))
    return label_frame(frame, calculator, identity, inputs_hash(frame, identity["sha256"]))


def _rows(
    frames: Frames, cheap: Sequence[LabelRecord], dear: Sequence[LabelRecord]
) -> tuple[FrameEnergies, ...]:
    copies = [1.0, *(float(n) for _, n in frames.parts)]
    return tuple(
        _row(number, n, low, high)
        for number, (n, low, high) in enumerate(zip(copies, cheap, dear, strict=True))
    )


def _row(number: int, copies: float, low: LabelRecord, high: LabelRecord) -> FrameEnergies:
    reason = "; ".join(str(one.reason) for one in (low, high) if one.status != "ok")
    rmse = largest = None
    if high.forces_ev_per_angstrom is not None:
        forces = np.array(high.forces_ev_per_angstrom)
        largest = float(np.linalg.norm(forces, axis=1).max())
        if low.forces_ev_per_angstrom is not None:
            rmse = float(np.sqrt(np.mean((forces - low.forces_ev_per_angstrom) ** 2)))
    return FrameEnergies(
        name="interface" if number == 0 else f"part {number}",
        formula=low.formula,
        n_atoms=low.n_atoms,
        copies=copies,
        potential_ev=low.energy_ev,
        dft_ev=high.energy_ev,
        reason=reason or None,
        largest_force_dft_ev_per_angstrom=largest,
        force_rmse_ev_per_angstrom=rmse,
    )


def _excess(rows: Sequence[FrameEnergies], key: str) -> float:
    return float(getattr(rows[0], key) - sum(row.copies * getattr(row, key) for row in rows[1:]))


def _area(frames: Frames) -> float:
    a, b = (frames.interface.cell.array[i] for i in range(3) if i != frames.normal)
    return float(np.linalg.norm(np.cross(a, b)))
