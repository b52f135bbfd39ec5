"""Reference sets from pymatgen entries: a JSON file or the Materials Project.

Total energies become formation energies against the lowest entry of each element in the same
list, after the correction scheme. Energies of different codes or potentials must not meet in one
list; nothing here can see that.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from interlith.analysis.reference_files import cached, check_energies, read_bytes
from interlith.analysis.references import (
    CorrectionUncertainty,
    ReferenceSet,
    with_elements,
)
from interlith.errors import MissingDependencyError, ReferenceSetError

SCHEMES = ("none", "MP2020")
KEY_VARIABLE = "MP_API_KEY"


def load_json(path: Path, scheme: str = "MP2020") -> ReferenceSet:
    """Read a JSON list of ``ComputedEntry`` or ``ComputedStructureEntry``, once per content.

    Raises
    ------
    ReferenceSetError
        If the file is no such list, an element is missing, or the scheme is unknown.
    """
    _check_scheme(scheme)
    data, digest = read_bytes(path)
    name = path.name.split(".")[0]

    def make() -> ReferenceSet:
        try:
            rows = json.loads(data)
        except ValueError as error:
            raise ReferenceSetError(f"{path} is no JSON ({error})") from error
        if not isinstance(rows, list):
            raise ReferenceSetError(f"{path} holds no list; it must be a list of pymatgen entries")
        return from_entries(_decode(path, rows), name, digest, scheme)

    return cached(digest, make, name, f"-{scheme}")


def load_materials_project(elements: Iterable[str], scheme: str = "MP2020") -> ReferenceSet:
    """Fetch the entries of a chemical system from the Materials Project with the user's key.

    Raises
    ------
    ReferenceSetError
        If the variable with the key is not set.
    MissingDependencyError
        If mp-api is not installed.
    """
    _check_scheme(scheme)
    key = os.environ.get(KEY_VARIABLE)
    if not key:
        raise ReferenceSetError(
            f"--reference mp needs your Materials Project key in the variable {KEY_VARIABLE} "
            f"(export {KEY_VARIABLE}=...; the key is on your Materials Project dashboard)"
        )
    try:
        from mp_api.client import MPRester
    except ImportError as error:
        raise MissingDependencyError(
            "--reference mp needs mp-api; install it with: pip install 'interlith[mp]'"
        ) from error
    with MPRester(key) as client:
        entries = client.get_entries_in_chemsys(sorted(elements), compatible_only=False)
        release = str(client.get_database_version())
    ids = "|".join(sorted(f"{e.entry_id}:{e.uncorrected_energy:.6f}" for e in entries))
    digest = hashlib.sha256(f"{release}|{ids}".encode()).hexdigest()
    return from_entries(entries, f"Materials Project {release}", digest, scheme)


def from_entries(
    entries: Sequence[Any], name: str, digest: str, scheme: str = "MP2020"
) -> ReferenceSet:
    """Formation energies of the lowest entry of each composition.

    Parameters
    ----------
    entries : sequence of ComputedEntry
        Total energies; any corrections they carry are replaced by the scheme's.
    name, digest, scheme : str
        Identity of the set.

    Raises
    ------
    ReferenceSetError
        If there are none, an energy is missing, or an element has no entry.
    """
    _check_scheme(scheme)
    if not entries:
        raise ReferenceSetError(f"the reference set '{name}' holds no entries")
    kept, dropped = _corrected(entries, scheme)
    notes = tuple(
        f"{_entries(len(lost))} left out by {scheme}, {_named(lost)}: {cause}"
        for cause, lost in dropped.items()
    )
    if not kept:
        raise ReferenceSetError(
            f"the reference set '{name}' is empty ({'; '.join(notes)}); use --scheme none, or give "
            "every entry the parameters run_type (GGA or GGA+U) and hubbards"
        )
    lowest: dict[str, Any] = {}
    for entry in kept:
        if not np.isfinite(entry.energy):
            raise ReferenceSetError(
                f"entry {entry.entry_id} of '{name}' has no finite energy; remove it"
            )
        formula = entry.composition.reduced_formula
        if formula not in lowest or entry.energy_per_atom < lowest[formula].energy_per_atom:
            lowest[formula] = entry
    elements = _element_energies(lowest.values(), name, notes)
    return _assemble(list(lowest.values()), elements, name, digest, scheme, notes)


def _check_scheme(scheme: str) -> None:
    if scheme not in SCHEMES:
        raise ReferenceSetError(
            f"no scheme '{scheme}' for entries; use one of {', '.join(SCHEMES)}"
        )


def _decode(path: Path, rows: list[Any]) -> list[Any]:
    from pymatgen.entries.computed_entries import ComputedEntry, ComputedStructureEntry

    entries = []
    for i, row in enumerate(rows):
        try:
            kind = ComputedStructureEntry if "structure" in row else ComputedEntry
            entries.append(kind.from_dict(row))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ReferenceSetError(
                f"{path}: item {i + 1} is no pymatgen ComputedEntry or ComputedStructureEntry "
                f"({type(error).__name__}: {error})"
            ) from error
    return entries


def _corrected(entries: Sequence[Any], scheme: str) -> tuple[list[Any], dict[str, list[str]]]:
    """Copies with the scheme's corrections; formulas of those it drops, by cause."""
    from pymatgen.entries.compatibility import (
        CompatibilityError,
        MaterialsProject2020Compatibility,
    )

    if scheme == "none":
        bare = [entry.copy() for entry in entries]
        for entry in bare:
            entry.energy_adjustments = []
        return bare, {}
    compatibility = MaterialsProject2020Compatibility(check_potcar=False)
    kept: list[Any] = []
    dropped: dict[str, list[str]] = {}
    with warnings.catch_warnings():
        # one warning per entry whose oxidation states cannot be guessed: thousands of lines
        warnings.simplefilter("ignore")
        for entry in entries:
            cause = "ignored"
            try:
                done = compatibility.process_entries(
                    [entry], clean=True, inplace=False, on_error="raise"
                )
            except CompatibilityError as error:
                # the messages name the entry, some print all of it: without, they are few
                message = re.sub(r"\bEntry \S+ | for \{.*", "", str(error), flags=re.DOTALL)
                done, cause = [], message.rstrip(". ")
            kept += done
            if not done:
                dropped.setdefault(cause, []).append(entry.composition.reduced_formula)
    return kept, dropped


def _entries(n: int) -> str:
    return f"{n} entry" if n == 1 else f"{n} entries"


def _named(formulas: Sequence[str], shown: int = 8) -> str:
    several = sorted(set(formulas))
    more = f" and {len(several) - shown} more" if len(several) > shown else ""
    return ", ".join(several[:shown]) + more


def _element_energies(entries: Iterable[Any], name: str, notes: Sequence[str]) -> dict[str, float]:
    entries = list(entries)
    own = {
        str(e.composition.elements[0]): e.energy_per_atom
        for e in entries
        if len(e.composition.elements) == 1
    }
    absent = sorted({str(el) for e in entries for el in e.composition.elements} - set(own))
    if absent:
        raise ReferenceSetError(
            f"'{name}' has no entry of the element {', '.join(absent)}; formation energies need "
            "one entry of every element from the same source"
            + "".join(f" ({note}; --scheme none keeps them)" for note in notes)
        )
    return own


def _assemble(
    entries: list[Any],
    elements: dict[str, float],
    name: str,
    digest: str,
    scheme: str,
    notes: tuple[str, ...],
) -> ReferenceSet:
    names: dict[str, int] = {}
    adjustments: dict[str, float] = {}
    starts, species, amounts, energies = [0], [], [], []
    for entry in entries:
        parts = {str(e): float(n) for e, n in entry.composition.items()}
        atoms = sum(parts.values())
        for element, amount in parts.items():
            species.append(names.setdefault(element, len(names)))
            amounts.append(amount)
        starts.append(len(species))
        zero = sum(n * elements[e] for e, n in parts.items())
        energies.append((entry.energy - zero) / atoms)
        for adjustment in entry.energy_adjustments:
            sigma = getattr(adjustment, "uncertainty_per_atom", np.nan)
            adjustments[adjustment.name] = 0.0 if np.isnan(sigma) else float(sigma)
    labels = [entry.composition.reduced_formula for entry in entries]
    values = np.asarray(energies)
    check_energies(name, labels, values, np.arange(len(values), dtype=float))
    per_atom = np.zeros((len(entries), len(adjustments)))
    position = {title: i for i, title in enumerate(adjustments)}
    for row, entry in enumerate(entries):
        for adjustment in entry.energy_adjustments:
            if hasattr(adjustment, "n_atoms"):
                per_atom[row, position[adjustment.name]] += (
                    adjustment.n_atoms / entry.composition.num_atoms
                )
    corrections = CorrectionUncertainty(
        tuple(adjustments), np.array(list(adjustments.values())), per_atom
    )
    return with_elements(
        ReferenceSet(
            name=name,
            sha256=digest,
            scheme=scheme,
            elements=tuple(names),
            starts=np.asarray(starts, dtype=np.int64),
            species=np.asarray(species, dtype=np.int64),
            amounts=np.asarray(amounts),
            energies=values,
            corrections=corrections if adjustments else None,
            notes=notes,
        )
    )
