"""Reading reference sets: CSV, pymatgen entries, Materials Project and the built-in ones."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from interlith.analysis.references import (
    CorrectionUncertainty,
    ReferenceSet,
    parse_formula,
    with_elements,
)
from interlith.errors import FormulaError, ReferenceSetError
from interlith.settings import cache_folder

FORMULA_COLUMN = "formula"
ENERGY_COLUMN = "formation_energy_ev_per_atom"
SIGMA_COLUMN = "sigma_ev_per_atom"
ELEMENT_ZERO_EV = 1e-6
"""Largest formation energy of an element, eV per atom."""
_PLAIN = re.compile(r"([A-Z][a-z]?)(\d*\.?\d*)")
_CACHE_VERSION = 2


def read_bytes(path: Path) -> tuple[bytes, str]:
    """Contents of a plain or gzipped file and the sha256 of the file as it lies on disk.

    Raises
    ------
    ReferenceSetError
        If the file is absent, unreadable or a truncated gzip.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ReferenceSetError(
            f"cannot read the reference set {path} ({error.strerror}); --reference takes a "
            "built-in name (see 'interlith reference list'), a .csv[.gz] or .json[.gz] file, or mp"
        ) from error
    digest = hashlib.sha256(raw).hexdigest()
    if path.suffix != ".gz":
        return raw, digest
    try:
        return gzip.decompress(raw), digest
    except (EOFError, OSError, zlib.error) as error:
        raise ReferenceSetError(
            f"{path} is not a complete gzip file ({error}); fetch or write it again"
        ) from error


def load_csv(path: Path) -> ReferenceSet:
    """Read ``formula,formation_energy_ev_per_atom[,sigma_ev_per_atom]``, once per content.

    Raises
    ------
    ReferenceSetError
        On wrong columns, unreadable rows, missing or duplicate energies, or an empty file.
    """
    data, digest = read_bytes(path)
    return cached(digest, lambda: _parse_csv(path, data, digest), path.name.split(".")[0])


def _parse_csv(path: Path, data: bytes, digest: str) -> ReferenceSet:
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ReferenceSetError(f"{path} is not UTF-8 text ({error}); save it as UTF-8") from error
    header = [column.strip() for column in lines[0].split(",")] if lines else []
    if FORMULA_COLUMN not in header or ENERGY_COLUMN not in header:
        raise ReferenceSetError(
            f"{path} has the columns {', '.join(header) or 'none'}; it needs {FORMULA_COLUMN} "
            f"and {ENERGY_COLUMN} (and may have {SIGMA_COLUMN})"
        )
    rows = [line.split(",") for line in lines[1:] if line.strip()]
    short = next((i for i, row in enumerate(rows) if len(row) != len(header)), None)
    if short is not None:
        raise ReferenceSetError(
            f"{path} line {short + 2} has {len(rows[short])} fields, the header {len(header)}; "
            "quoted commas are not read"
        )
    column = {name: i for i, name in enumerate(header)}
    labels = [row[column[FORMULA_COLUMN]].strip() for row in rows]
    energies = _numbers(path, rows, column[ENERGY_COLUMN])
    sigma, notes = _sigma(path, rows, column.get(SIGMA_COLUMN))
    names: dict[str, int] = {}
    starts, species, amounts = [0], [], []
    for i, label in enumerate(labels):
        for element, amount in _read_row(path, i, label):
            species.append(names.setdefault(element, len(names)))
            amounts.append(amount)
        starts.append(len(species))
    _check_symbols(path, names)
    reference = ReferenceSet(
        name=path.name.split(".")[0],
        sha256=digest,
        scheme="as in the file",
        elements=tuple(names),
        starts=np.asarray(starts, dtype=np.int64),
        species=np.asarray(species, dtype=np.int64),
        amounts=np.asarray(amounts),
        energies=energies,
        sigma=sigma,
        notes=notes,
    )
    check_energies(reference.name, labels, energies, composition_keys(reference))
    _check_elements(path, reference)
    return with_elements(reference)


def _sigma(
    path: Path, rows: list[list[str]], column: int | None
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Standard uncertainties, and how many rows state none."""
    if column is None:
        return None, ()
    blank = np.array([not row[column].strip() for row in rows], dtype=bool)
    if blank.all():
        return None, ()
    given = [[*row[:column], "0"] if none else row for row, none in zip(rows, blank, strict=True)]
    sigma = _numbers(path, given, column)
    bad = np.flatnonzero(~np.isfinite(sigma) | (sigma < 0))
    if len(bad):
        raise ReferenceSetError(
            f"{path} line {bad[0] + 2}: the uncertainty '{rows[bad[0]][column]}' is not a finite "
            "number of 0 or more; leave it blank where none is known"
        )
    left = int(blank.sum())
    return sigma, (f"{left} phases state no uncertainty and add none",) if left else ()


def _check_elements(path: Path, reference: ReferenceSet) -> None:
    """Refuse elements with an energy: then the column holds total energies."""
    for phase in np.flatnonzero(np.diff(reference.starts) == 1):
        energy = float(reference.energies[phase])
        if abs(energy) > ELEMENT_ZERO_EV:
            raise ReferenceSetError(
                f"{path} line {phase + 2}: the element {reference.formula(int(phase))} has "
                f"{energy:g} eV/atom; formation energies of elements are 0, so these look like "
                "total energies: subtract those of the elements, or give pymatgen entries as JSON"
            )


def _read_row(path: Path, row: int, label: str) -> list[tuple[str, float]]:
    parts = _PLAIN.findall(label)
    if (
        parts
        and sum(len(e) + len(n) for e, n in parts) == len(label)
        and len({e for e, _ in parts}) == len(parts)
    ):
        return [(element, float(number) if number else 1.0) for element, number in parts]
    try:
        return list(parse_formula(label).items())
    except FormulaError as error:
        raise ReferenceSetError(f"{path} line {row + 2}: {error}") from error


def _check_symbols(path: Path, symbols: Iterable[str]) -> None:
    from pymatgen.core.periodic_table import Element

    unknown = sorted(symbol for symbol in symbols if not Element.is_valid_symbol(symbol))
    if unknown:
        raise ReferenceSetError(
            f"{path} holds formulas with no element of the periodic table: {', '.join(unknown)}; "
            "correct or remove these rows"
        )


def _numbers(path: Path, rows: list[list[str]], column: int) -> np.ndarray:
    try:
        return np.array([float(row[column]) for row in rows])
    except ValueError:
        for i, row in enumerate(rows):
            try:
                float(row[column])
            except ValueError as error:
                raise ReferenceSetError(
                    f"{path} line {i + 2}: '{row[column]}' is no number; energies are in eV per "
                    "atom with a decimal point"
                ) from error
        raise


def check_energies(
    name: str, labels: list[str], energies: np.ndarray, fractions_key: np.ndarray
) -> None:
    """Refuse empty sets, missing energies and compositions that occur twice.

    Raises
    ------
    ReferenceSetError
        Naming the first offenders.
    """
    if len(energies) == 0:
        raise ReferenceSetError(
            f"the reference set '{name}' holds no phases; give at least one row "
            "formula,formation_energy_ev_per_atom"
        )
    bad = np.flatnonzero(~np.isfinite(energies))
    if len(bad):
        raise ReferenceSetError(
            f"{len(bad)} phases of '{name}' have no finite energy, first {labels[bad[0]]}; "
            "remove the rows or fill in the energy in eV per atom"
        )
    order = np.argsort(fractions_key, kind="stable")
    same = np.flatnonzero(np.diff(fractions_key[order]) < 1e-9)
    if len(same):
        first, second = labels[order[same[0]]], labels[order[same[0] + 1]]
        raise ReferenceSetError(
            f"{len(same)} compositions of '{name}' occur twice, first {first} and {second}; "
            "keep the lowest energy of each composition"
        )


def composition_keys(reference: ReferenceSet) -> np.ndarray:
    """(n_phases,) one number per composition, equal for equal compositions."""
    weights = np.random.default_rng(0).random(len(reference.elements)) * 1e3
    total = np.add.reduceat(reference.amounts, reference.starts[:-1])
    mixed = np.add.reduceat(reference.amounts * weights[reference.species], reference.starts[:-1])
    return mixed / total


def cached(
    digest: str, make: Callable[[], ReferenceSet], name: str, variant: str = ""
) -> ReferenceSet:
    """The parsed set from the cache folder, or made now and kept there.

    A cache that cannot be read or written is ignored: it only saves time.
    """
    path = cache_folder() / f"reference-v{_CACHE_VERSION}-{digest[:32]}{variant}.npz"
    try:
        with np.load(path, allow_pickle=False) as stored:
            corrections = None
            if "correction_names" in stored:
                corrections = CorrectionUncertainty(
                    tuple(str(n) for n in stored["correction_names"]),
                    stored["correction_sigma"],
                    stored["correction_per_atom"],
                )
            return ReferenceSet(
                name=name,
                sha256=digest,
                scheme=str(stored["scheme"]),
                elements=tuple(str(e) for e in stored["elements"]),
                starts=stored["starts"],
                species=stored["species"],
                amounts=stored["amounts"],
                energies=stored["energies"],
                sigma=stored["sigma"] if "sigma" in stored else None,
                corrections=corrections,
                notes=tuple(str(note) for note in stored["notes"]),
            )
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        pass
    made = make()
    arrays = {
        "scheme": np.array(made.scheme),
        "elements": np.array(made.elements),
        "starts": made.starts,
        "species": made.species,
        "amounts": made.amounts,
        "energies": made.energies,
        "notes": np.array(made.notes, dtype=str),
    }
    if made.corrections is not None:
        arrays["correction_names"] = np.array(made.corrections.names, dtype=str)
        arrays["correction_sigma"] = made.corrections.sigma_ev
        arrays["correction_per_atom"] = made.corrections.per_atom
    if made.sigma is not None:
        arrays["sigma"] = made.sigma
    write_cache(path, arrays)
    return made


def write_cache(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays atomically; a folder that cannot be written is no error."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # numpy's stub wants one keyword type
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(buffer.getvalue())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
