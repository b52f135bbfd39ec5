"""The data file of a DFT reference set, written from its finished phases.

The format is that of :mod:`interlith.workflows.reference_data`, so the same reader makes formation
energies of it; ``energies`` names the energies that are the set's. What was planned is in the file
too, with the phases that are still missing, so that a set in the making can say what it covers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import interlith
from interlith.analysis.corrections import (
    MIXING_ANIONS,
    Correction,
    correction_counts,
    schemes_from_pymatgen,
)
from interlith.errors import FailureError
from interlith.structures.library import PhaseFacts, load_phase
from interlith.workflows.reference import write_atomically
from interlith.workflows.reference_data import FORMAT, dump
from interlith.workflows.reference_dft_phase import (
    FIRST_POTENTIAL_ONLY,
    DftPhaseResult,
    DftReferenceSettings,
    MagneticTry,
)
from interlith.workflows.reference_phase import RelaxedCell

ENERGIES = "gpaw-pbe"
NOTES = (
    "raw PBE(+U) energies from GPAW on cells of a machine-learned potential, corrected by the "
    "scheme named",
)
"""Short: these travel with every result."""
ABOUT = (
    "Geometry: relaxed with the embedded potential (see 'geometry'); no atom was moved by DFT. "
    "Solid O2 is relaxed with the first potential alone: the second has a spurious state for it.",
    "Zero of an element: its lowest crystal; of H, N, O, F, Cl, Br and I the crystal or the "
    "molecule in a box, whichever is lower.",
    "PAW datasets of gpaw-data, but for Li, P and S, which are made with GPAW's own generator: "
    "with the 1-electron Li of gpaw-data Li2O comes out 34, Li2S 10 and LiCl 5 meV/atom too high; "
    "its P and S have spheres that overlap with oxygen's (Li3PO4 21 meV/atom too high).",
    "U (MP2020's values) on Co, Cr, Fe, Mn, Mo, Ni, V, W where the compound holds O or F, with "
    "plain d occupations. The metal corrections of the schemes were fitted to another code's +U; "
    "what this code's needs beside them is fitted for each metal to the 2019 set's compounds "
    "(`benchmarks/fit_hubbard.py`). Phases of metals without such a number are set aside in the "
    "file and enter no hull.",
    "Magnetic order: ferromagnetic start; in small cells alternating moments too, the lower one "
    "counts and is named.",
)
HUBBARD_CORRECTIONS_EV = {"Co": (-0.479, 0.114), "Ni": (-0.025, 0.025)}
"""What GPAW's +U with plain occupations needs beside the schemes' own metal corrections, and its
uncertainty, eV for each atom of the metal: ``benchmarks/fit_hubbard.py``."""
HUBBARD_NAME = " (+U of this code)"
SIGMA = {"default_ev_per_atom": 0.015}
NO_MOMENT = 0.1


def write_dft_data_file(
    path: Path,
    results: Iterable[DftPhaseResult],
    library: Path,
    settings: DftReferenceSettings,
    set_name: str,
    planned: Sequence[str] = (),
) -> dict[str, Any]:
    """Collect finished phases into one file.

    Parameters
    ----------
    planned : list of str
        Names of every phase of the finished set; those of ``results`` if empty.

    Returns
    -------
    dict
        The content of the file.

    Raises
    ------
    FailureError
        If no phase has an energy.
    OutputError
        If the file cannot be written.
    """
    content = collect_dft(results, library, settings, set_name, planned)
    write_atomically(path, dump(content))
    return content


def collect_dft(
    results: Iterable[DftPhaseResult],
    library: Path,
    settings: DftReferenceSettings,
    set_name: str,
    planned: Sequence[str] = (),
) -> dict[str, Any]:
    """Content of the data file: identity, element zeros, schemes, phases, what is missing."""
    results = sorted(results, key=lambda one: one.name)
    done = [one for one in results if one.status == "ok"]
    if not done:
        raise FailureError("no phase has an energy, so there is no set to write")
    facts = {one.name: load_phase(one.name, library) for one in done}
    zeros = _zeros(done, facts)
    whole = [one for one in done if elements_of(facts[one.name]) <= set(zeros)]
    aside = [one for one in whole if set(one.hubbard_u_ev or ()) - set(HUBBARD_CORRECTIONS_EV)]
    rows = [_row(facts[one.name], one) for one in whole if one not in aside]
    held = {row["name"] for row in rows}
    failed = {one.name: str(one.reason) for one in results if one.status != "ok"}
    plan = sorted(set(planned) | {one.name for one in results})
    return {
        "format": FORMAT,
        "name": set_name,
        "created_with": {
            "interlith": interlith.__version__,
            "gpaw": ", ".join(sorted({one.gpaw_version for one in done})),
            **{
                package: metadata.version(package)
                for package in ("ase", "jobflow", "pymatgen", "spglib")
            },
        },
        "energies": ENERGIES,
        "xc": "PBE",
        "geometry": _geometry(settings),
        "settings": settings.model_dump(mode="json"),
        "datasets": _datasets(done),
        "notes": NOTES,
        "about": ABOUT,
        "sigma": SIGMA,
        "elements": zeros,
        "schemes": {
            name: [one.to_json() for one in (*scheme, *(own_corrections() if scheme else ()))]
            for name, scheme in schemes_from_pymatgen().items()
        },
        "phases": rows,
        "set_aside": [_row(facts[one.name], one) for one in aside],
        "failures": [{"name": name, "reason": reason} for name, reason in failed.items()],
        "planned": len(plan),
        "missing": [_missing(name, library, done) for name in plan if name not in held],
    }


def write_results(path: Path, results: Iterable[DftPhaseResult]) -> None:
    """Every finished phase whole (cell, tries, key), one a line, beside the data file."""
    rows = [
        one.to_json()
        for one in sorted(results, key=lambda one: one.name)
        if one.status == "ok" and one.cell is not None
    ]
    write_atomically(path, dump({"format": FORMAT, "results": rows}))


def unpack_results(path: Path, folder: Path) -> int:
    """Put the finished phases of :func:`write_results` into a folder that lacks them.

    Returns
    -------
    int
        How many were put there; each still has its key, so that one of other settings, geometry
        or datasets is computed again.
    """
    rows = json.loads(path.read_text(encoding="utf-8"))["results"]
    missing = [row for row in rows if not (folder / f"{row['name']}.json").is_file()]
    for row in missing:
        write_atomically(folder / f"{row['name']}.json", json.dumps(row, indent=1))
    return len(missing)


def own_corrections() -> tuple[Correction, ...]:
    """Corrections of this code's +U, which every scheme but the empty one gets."""
    return tuple(
        Correction(
            name=metal + HUBBARD_NAME,
            ev_per_atom=energy,
            sigma_ev=sigma,
            classes=tuple(f"{metal} in {anion}" for anion in MIXING_ANIONS),
        )
        for metal, (energy, sigma) in HUBBARD_CORRECTIONS_EV.items()
    )


def elements_of(facts: PhaseFacts) -> set[str]:
    """Elements of a phase."""
    return {element for site in facts.sites for element in site.species}


def _zeros(done: Sequence[DftPhaseResult], facts: dict[str, PhaseFacts]) -> dict[str, Any]:
    """Zero of every element that has a crystal in the set."""
    zeros: dict[str, Any] = {}
    for one in done:
        elements = elements_of(facts[one.name])
        if len(elements) > 1 or one.energy_ev_per_atom is None:
            continue
        (element,) = elements
        molecule = one.molecule_ev_per_atom
        choices = [(one.energy_ev_per_atom, "own crystal")]
        if molecule is not None:
            choices.append((molecule, "own molecule"))
        energy, kind = min(choices)
        known = zeros.get(element)
        if known is None or energy < known["ev_per_atom"]:
            zeros[element] = {
                "ev_per_atom": round(energy, 5),
                "kind": kind,
                "source": f"GPAW, {one.name}",
                "crystal_minus_molecule_ev_per_atom": None
                if molecule is None
                else round(one.energy_ev_per_atom - molecule, 4),
            }
    return dict(sorted(zeros.items()))


def _row(facts: PhaseFacts, result: DftPhaseResult) -> dict[str, Any]:
    """One phase as it stands in the file; energies and volumes per atom, counts per formula."""
    structure = _structure(result.cell)
    composition = structure.composition.reduced_composition.get_el_amt_dict()
    best = _best(result)
    return {
        "name": facts.name,
        "formula": facts.formula,
        "reduced_formula": structure.composition.reduced_formula,
        "composition": {element: float(n) for element, n in composition.items()},
        "energy_ev_per_atom": {
            ENERGIES: round(float(result.energy_ev_per_atom or 0.0), 5),
            "7net-l3i5": round(float(result.geometry_ev_per_atom or 0.0), 5),
        },
        "correction_counts": correction_counts(structure, facts.oxidation_states),
        "volume_a3_per_atom": round(structure.volume / len(structure), 4),
        "volume_reliable": facts.volume_reliable,
        "magnetic_order": _order(result),
        "moments": sorted({round(abs(m), 1) for m in best.moments or ()}, reverse=True)[:4],
        "hubbard_u_ev": result.hubbard_u_ev,
        "kpoints": best.kpoints,
        "band_gap_ev": None if best.band_gap_ev is None else round(best.band_gap_ev, 2),
        "source": facts.source,
        "flags": _flags(facts, result),
    }


def _best(result: DftPhaseResult) -> MagneticTry:
    return next(one for one in result.tries if one.order == result.magnetic_order)


def _order(result: DftPhaseResult) -> str:
    """The magnetic order, none where the moments died out."""
    moments = _best(result).moments or ()
    return result.magnetic_order if any(abs(m) > NO_MOMENT for m in moments) else "none"


def _structure(cell: RelaxedCell | None) -> Any:
    from pymatgen.core import Structure

    if cell is None:
        raise FailureError("a finished phase has no cell; remove its file and compute it again")
    return Structure(cell.cell, cell.elements, cell.fractional)


def _flags(facts: PhaseFacts, result: DftPhaseResult) -> list[str]:
    """What a user of this phase's energy should know, in words."""
    flags = []
    if _order(result) != "none":
        others = [t.order for t in result.tries if t.energy_ev_per_atom is not None]
        tried = " (the only order tried)" if len(others) == 1 else " (lower of two orders)"
        flags.append(_order(result) + tried)
    if facts.ordered_approximant:
        flags.append("ordered approximant of a disordered phase")
    if facts.name in FIRST_POTENTIAL_ONLY:
        flags.append("geometry of the first potential")
    best = _best(result)
    if best.reason:
        flags.append(best.reason)
    return flags


def _geometry(settings: DftReferenceSettings) -> dict[str, Any]:
    from interlith.engines.potentials import potential

    return {
        role: potential(name).identity.to_json()
        for role, name in (("first", settings.geometry.first), ("second", settings.geometry.second))
    }


def _datasets(done: Sequence[DftPhaseResult]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in done:
        found |= one.datasets
    return dict(sorted(found.items()))


def _missing(name: str, library: Path, done: Sequence[DftPhaseResult]) -> dict[str, str]:
    """A planned phase that the set does not hold, and why."""
    from pymatgen.core import Composition

    computed = next((one for one in done if one.name == name), None)
    why = "an element of it has no zero yet" if computed else "not computed yet"
    if computed and computed.hubbard_u_ev:
        why = "set aside: its U needs a metal correction fitted to this code"
    facts = load_phase(name, library)
    return {
        "name": name,
        "reduced_formula": str(Composition(facts.formula).reduced_formula),
        "why": why,
    }
