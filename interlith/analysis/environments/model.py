"""Which crystal an atom could belong to: linear discriminants over thermal fingerprints.

Every site of every reference phase has a mean fingerprint; how fingerprints scatter about their
means is taken to be the same for all sites of an element (Fisher's linear discriminants, 1936; from
memory). The distance of an atom to a site then says how likely it is there, and the distance to the
nearest site of a phase how likely it is in that phase.

A model is made from the library in seconds and kept on disk.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from interlith.analysis.environments.fingerprint import (
    CENTRES_ANGSTROM,
    CUTOFF_ANGSTROM,
    WIDTH_ANGSTROM,
    fingerprints,
)
from interlith.analysis.environments.thermal import repeated, shaken
from interlith.errors import InputError
from interlith.settings import cache_folder
from interlith.structures.library import (
    LIBRARY_FOLDER,
    PhaseFacts,
    build,
    list_phases,
    load_phase,
    symmetry_cell,
)

if TYPE_CHECKING:
    from pymatgen.core import Structure

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

TEMPERATURES_K = (300.0, 550.0, 800.0)
SAMPLES = 3
FLOOR = 0.1
"""Added spread of every feature: what no sample has is not impossible."""
VERSION = 1
ORBIT_TOLERANCE = 0.02


@dataclass(frozen=True, eq=False)
class EnvironmentModel:
    """Reference phases as means in whitened space.

    Attributes
    ----------
    elements : tuple of str
        Columns of the fingerprints, and the elements that atoms may be of.
    phases, formulas : tuple of str
        Library names, and their reduced formulas: polymorphs share one.
    whitening : dict
        By element, (n_features, n_features).
    means : dict
        By element, (n_sites, n_features), whitened.
    owners : dict
        By element, (n_sites,) phase of each site.
    """

    elements: tuple[str, ...]
    phases: tuple[str, ...]
    formulas: tuple[str, ...]
    whitening: dict[str, FloatArray]
    means: dict[str, FloatArray]
    owners: dict[str, IntArray]

    def distances(self, prints: FloatArray, symbols: Sequence[str]) -> FloatArray:
        """Squared distance of each atom to the nearest site of each phase, per feature.

        About 1 for an atom of the phase; infinite where the phase lacks the element.

        Returns
        -------
        (n_atoms, n_phases)
        """
        kinds = np.array(symbols)
        found = np.full((len(kinds), len(self.phases)), np.inf)
        for element in sorted(set(symbols)):
            if element not in self.means:
                continue
            rows = np.flatnonzero(kinds == element)
            points, sites = prints[rows] @ self.whitening[element], self.means[element]
            squared = (points**2).sum(axis=1)[:, None] + (sites**2).sum(axis=1)
            squared -= 2 * points @ sites.T
            for phase in np.unique(self.owners[element]):
                nearest = squared[:, self.owners[element] == phase].min(axis=1)
                found[rows, phase] = np.maximum(nearest, 0.0) / points.shape[1]
        return found


def reference_phases(
    elements: Sequence[str], names: Sequence[str] | None = None
) -> list[PhaseFacts]:
    """Ordered phases of the library made of these elements only.

    Raises
    ------
    InputError
        If a phase asked for by name is not known, not ordered, or holds another element.
    """
    from pymatgen.core import Composition

    allowed, found = set(elements), []
    for name in names if names is not None else _made_of(allowed):
        facts = load_phase(name)
        own = {element.symbol for element in Composition(facts.formula)}
        if facts.is_ordered and own <= allowed:
            found.append(facts)
        elif names is not None:
            what = "is disordered" if not facts.is_ordered else f"holds {', '.join(own - allowed)}"
            raise InputError(
                f"the phase {name} cannot be looked for among {', '.join(sorted(allowed))}: it "
                f"{what}; name ordered phases of these elements"
            )
    if not found:
        raise InputError(
            f"the library has no ordered phase of {', '.join(sorted(allowed))}; add one "
            "(`interlith library add`)"
        )
    return found


def _made_of(allowed: set[str]) -> list[str]:
    """Names of shipped phases without other elements; only a line of each file is looked at."""
    names = []
    for name in list_phases(LIBRARY_FOLDER):
        text = (LIBRARY_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
        line = re.search(r"^formula:\s*(.*)$", text, re.MULTILINE)
        if line is not None and set(re.findall(r"[A-Z][a-z]?", line[1])) <= allowed:
            names.append(name)
    return names


def environment_model(
    elements: Sequence[str], names: Sequence[str] | None = None
) -> EnvironmentModel:
    """The model of some elements; kept on disk and in memory.

    Parameters
    ----------
    elements : sequence of str
        All that occur in the cells to be analysed.
    names : sequence of str, optional
        Library phases to tell apart; all ordered ones of these elements if left out.
    """
    return _kept(tuple(sorted(set(elements))), None if names is None else tuple(names))


@lru_cache(maxsize=16)
def _kept(elements: tuple[str, ...], names: tuple[str, ...] | None) -> EnvironmentModel:
    phases = reference_phases(elements, names)
    settings = [VERSION, elements, TEMPERATURES_K, SAMPLES, FLOOR, CUTOFF_ANGSTROM, WIDTH_ANGSTROM]
    key = json.dumps([*settings, list(CENTRES_ANGSTROM), [one.sha256 for one in phases]])
    name = f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.npz"
    path = cache_folder() / "environments" / name
    known = _read(path, elements, phases)
    if known is not None:
        return known
    model = make_model(elements, phases)
    _write(path, model)
    return model


def make_model(
    elements: Sequence[str], phases: Sequence[PhaseFacts], *, seed: int = 0
) -> EnvironmentModel:
    """A model from shaken crystals."""
    ordered = tuple(sorted(elements))
    rng = np.random.default_rng(seed)
    sites: dict[str, list[tuple[int, FloatArray]]] = {}
    scatter: dict[str, list[FloatArray]] = {}
    for index, facts in enumerate(phases):
        for element, points in _samples(build(facts), ordered, rng):
            sites.setdefault(element, []).append((index, points.mean(axis=0)))
            scatter.setdefault(element, []).append(points - points.mean(axis=0))
    whitening = {element: _whitener(np.concatenate(parts)) for element, parts in scatter.items()}
    return EnvironmentModel(
        elements=ordered,
        phases=tuple(facts.name for facts in phases),
        formulas=_formulas(phases),
        whitening=whitening,
        means={e: np.array([m for _, m in found]) @ whitening[e] for e, found in sites.items()},
        owners={e: np.array([i for i, _ in found]) for e, found in sites.items()},
    )


def _samples(
    crystal: Structure, elements: tuple[str, ...], rng: np.random.Generator
) -> list[tuple[str, FloatArray]]:
    """Element and fingerprints (n, n_features) of each orbit of a shaken crystal."""
    import spglib

    found = spglib.get_symmetry_dataset(symmetry_cell(crystal), symprec=ORBIT_TOLERANCE)
    orbits = np.arange(len(crystal)) if found is None else np.array(found.equivalent_atoms)
    marked = crystal.copy(site_properties={"orbit": [int(orbit) for orbit in orbits]})
    cell = repeated(marked)
    of = np.array(cell.site_properties["orbit"])
    prints = []
    for temperature in TEMPERATURES_K:
        for _ in range(SAMPLES):
            positions, matrix, symbols = shaken(cell, temperature, rng)
            prints.append(fingerprints(positions, matrix, symbols, elements))
    together = np.array(prints)
    kinds = [site.specie.symbol for site in cell]
    return [
        (
            kinds[int(np.argmax(of == orbit))],
            together[:, of == orbit].reshape(-1, together.shape[2]),
        )
        for orbit in np.unique(of)
    ]


def _whitener(scatter: FloatArray) -> FloatArray:
    """W with (x W) of unit covariance."""
    covariance = np.cov(scatter.T) + FLOOR**2 * np.eye(scatter.shape[1])
    return np.asarray(np.linalg.cholesky(np.linalg.inv(covariance)))


def _formulas(phases: Sequence[PhaseFacts]) -> tuple[str, ...]:
    from pymatgen.core import Composition

    return tuple(Composition(facts.formula).reduced_formula for facts in phases)


def _write(path: Path, model: EnvironmentModel) -> None:
    arrays = {
        f"{what}_{element}": values
        for what in ("whitening", "means", "owners")
        for element, values in getattr(model, what).items()
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.stem}.{os.getpid()}.part.npz")
        np.savez(part, **arrays)
        part.replace(path)
    except OSError:
        return  # a cache that cannot be written is no cache


def _read(
    path: Path, elements: tuple[str, ...], phases: Sequence[PhaseFacts]
) -> EnvironmentModel | None:
    try:
        with np.load(path) as stored:
            kept: dict[str, dict[str, npt.NDArray[np.float64]]] = {}
            for key in stored.files:
                what, _, element = key.partition("_")
                kept.setdefault(what, {})[element] = stored[key]
    except (OSError, ValueError, EOFError):
        return None
    return EnvironmentModel(
        elements=elements,
        phases=tuple(facts.name for facts in phases),
        formulas=_formulas(phases),
        whitening=kept["whitening"],
        means=kept["means"],
        owners={element: values.astype(np.int64) for element, values in kept["owners"].items()},
    )
