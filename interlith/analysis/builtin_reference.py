"""Built-in reference sets: energies that come with the package, nothing to download.

A set is a data file of raw energies (one potential throughout), element zeros and correction
tables, written by :mod:`interlith.workflows.reference_data`; formation energies are made here,
in the scheme asked for. Reading one imports neither pymatgen nor torch.

>>> from interlith.analysis.builtin_reference import load_builtin
>>> reference = load_builtin("sevennet-l3i5-v1", scheme="MP2020")
>>> round(float(reference.energies[reference.find({"Li": 2, "S": 1})]), 1)
-1.5
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from interlith.analysis.corrections import Correction, choose_scheme, correction_energy
from interlith.analysis.references import CorrectionUncertainty, ReferenceSet, build_reference
from interlith.errors import ReferenceSetError

DATA_FOLDER = Path(__file__).parent / "data"
BUILTIN = ("sevennet-l3i5-v1", "gpaw-pbe-v1")
"""The embedded potential's set and the DFT set; an answer stands on one of them alone."""
DEFAULT_SCHEME = "MP2020"
FORMAT = 1

Row = Mapping[str, Any]


def load_builtin(name: str, scheme: str = DEFAULT_SCHEME) -> ReferenceSet:
    """A built-in set in a correction scheme.

    Parameters
    ----------
    name : str
        One of ``BUILTIN``.
    scheme : str
        ``MP2020``, ``zhu2015`` (S, Br and I uncorrected), ``none`` or ``MP2018``.

    Returns
    -------
    ReferenceSet
        Formation energies of the lowest polymorph of each composition, with the set's own sigma
        and the corrections' uncertainties.

    Raises
    ------
    ReferenceSetError
        If there is no such set.
    InputError
        If there is no such scheme.
    """
    return reference_from_data(_data_path(name), scheme)


def reference_from_data(path: Path, scheme: str = DEFAULT_SCHEME) -> ReferenceSet:
    """Like :func:`load_builtin`, from a data file that ``reference build`` wrote."""
    content, digest = _read(path)
    corrections = _scheme(content, scheme)
    rows = lowest_polymorphs(content)
    energies = [formation_energy(row, content, corrections) for row in rows]
    reference = build_reference(
        [row["composition"] for row in rows],
        energies,
        name=content["name"],
        sha256=digest,
        scheme=scheme,
        sigma=np.array([_sigma(row, content) for row in rows]),
        corrections=_uncertainty(rows, corrections),
        notes=tuple(content.get("notes", ())),
        flags={row["reduced_formula"]: "; ".join(row["flags"]) for row in rows if row["flags"]},
        known_phases=_known_phases() | _planned(content),
    )
    return reference


def is_data_file(path: Path) -> bool:
    """Whether a file was written by ``reference build`` (and is not a list of entries)."""
    try:
        with path.open("rb") as file:
            return b'"format"' in file.read(32)
    except OSError:
        return False


def volumes(name: str) -> dict[str, float]:
    """Volume of each formula unit in A^3, of the phases whose volume can be trusted."""
    content, _ = _read(_data_path(name))
    return {
        row["formula"]: row["volume_a3_per_atom"] * sum(row["composition"].values())
        for row in lowest_polymorphs(content)
        if row["volume_reliable"]
    }


def phase_rows(name: str) -> list[dict[str, Any]]:
    """Every phase of the data file as it stands there, polymorphs included."""
    rows: list[dict[str, Any]] = _read(_data_path(name))[0]["phases"]
    return rows


def element_crystals(name: str) -> dict[str, dict[str, float]]:
    """Raw energies, eV per atom, of the crystals of each element whose lowest is its zero."""
    content = _read(_data_path(name))[0]
    found: dict[str, dict[str, float]] = {}
    for row in content["phases"]:
        element = next(iter(row["composition"]))
        if len(row["composition"]) == 1 and content["elements"][element]["kind"] == "own crystal":
            found.setdefault(element, {})[row["name"]] = _energy(row, energy_name(content))
    return found


def lowest_polymorphs(content: Mapping[str, Any]) -> list[Row]:
    """The phases whose raw energy is the lowest of their composition, in the file's order.

    Notes
    -----
    Of the molecular elements, and of elements whose crystal was not believed, the row stays and
    stands for the tabulated zero.
    """
    potential = energy_name(content)
    best: dict[tuple[tuple[str, float], ...], Row] = {}
    for row in content["phases"]:
        key = tuple(sorted(row["composition"].items()))
        known = best.get(key)
        if known is None or _energy(row, potential) < _energy(known, potential):
            best[key] = row
    return list(best.values())


def formation_energy(
    row: Row, content: Mapping[str, Any], corrections: Sequence[Correction]
) -> float:
    """Formation energy of a phase in eV per atom; elements are 0."""
    composition: Mapping[str, float] = row["composition"]
    if len(composition) == 1:
        return 0.0
    atoms = sum(composition.values())
    zero = sum(content["elements"][e]["ev_per_atom"] * n for e, n in composition.items())
    shift = correction_energy(corrections, composition, row["correction_counts"])
    return float(_energy(row, energy_name(content)) + (shift - zero) / atoms)


def energy_name(content: Mapping[str, Any]) -> str:
    """Which of the energies in the rows are the set's: one potential's, or DFT's."""
    name: str = content.get("energies") or content["potentials"]["second"]["name"]
    return name


def _energy(row: Row, potential: str) -> float:
    energy: float = row["energy_ev_per_atom"][potential]
    return energy


def _sigma(row: Row, content: Mapping[str, Any]) -> float:
    if len(row["composition"]) == 1:
        return 0.0
    return float(row.get("sigma_ev_per_atom", content["sigma"]["default_ev_per_atom"]))


def _scheme(content: Mapping[str, Any], name: str) -> tuple[Correction, ...]:
    stored = {
        known: tuple(Correction(**one) for one in corrections)
        for known, corrections in content["schemes"].items()
    }
    return choose_scheme(stored, name)


def _uncertainty(
    rows: Sequence[Row], corrections: Sequence[Correction]
) -> CorrectionUncertainty | None:
    """Corrections that touch at least one phase, with the fraction of atoms they touch."""
    per_atom = np.array(
        [
            [
                one.atoms(row["composition"], row["correction_counts"])
                / sum(row["composition"].values())
                if len(row["composition"]) > 1
                else 0.0
                for one in corrections
            ]
            for row in rows
        ]
    ).reshape(len(rows), len(corrections))
    used = np.flatnonzero(per_atom.any(axis=0)) if len(corrections) else np.array([], dtype=int)
    if len(used) == 0:
        return None
    return CorrectionUncertainty(
        names=tuple(corrections[i].name for i in used),
        sigma_ev=np.array([corrections[i].sigma_ev for i in used]),
        per_atom=per_atom[:, used],
    )


def _data_path(name: str) -> Path:
    if name not in BUILTIN:
        raise ReferenceSetError(
            f"no built-in reference set is called '{name}'; there are {', '.join(BUILTIN)}"
        )
    return DATA_FOLDER / f"{name}.json"


@cache
def _known_phases() -> dict[str, tuple[str, ...]]:
    """Stable phases of the literature by chemical system, to say what a set lacks."""
    content = json.loads((DATA_FOLDER / "known-phases.json").read_text(encoding="utf-8"))
    return {system: tuple(formulas) for system, formulas in content["systems"].items()}


def _planned(content: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Phases planned for a set and absent, with an element that the literature's list lacks."""
    listed = {element for system in _known_phases() for element in system.split("-")}
    found: dict[str, list[str]] = {}
    for row in content.get("missing", ()):
        elements = set(re.findall("[A-Z][a-z]?", row["reduced_formula"]))
        if len(elements) > 1 and not listed >= elements:
            found.setdefault("-".join(sorted(elements)), []).append(row["reduced_formula"])
    return {system: tuple(sorted(set(formulas))) for system, formulas in found.items()}


@cache
def _read(path: Path) -> tuple[dict[str, Any], str]:
    try:
        raw = path.read_bytes()
        content: dict[str, Any] = json.loads(raw)
    except (OSError, ValueError) as error:
        raise ReferenceSetError(
            f"cannot read the reference data {path} ({error}); remake it with "
            "'interlith reference build'"
        ) from error
    if content.get("format") != FORMAT:
        raise ReferenceSetError(
            f"{path} has format {content.get('format')}, this version reads {FORMAT}; update "
            "interlith or remake the file with 'interlith reference build'"
        )
    return content, hashlib.sha256(raw).hexdigest()
