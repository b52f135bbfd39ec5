"""One set of DFT settings for an interface and what it is made of.

Settings follow from the chemistry of a structure, so those of a whole and of its parts differ: U
in an oxide but not in its metal, the cut-off with oxygen and without. In a difference of energies
they must not.

>>> differences(("Ni3Li2O", {"hubbard_u_ev": {"Ni": 6.2}}), ("Ni3", {"hubbard_u_ev": {}}))
['hubbard_u_ev of Ni 6.2 and 0.0']
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interlith.workflows.any_engine.calculations import TASKED, with_task

if TYPE_CHECKING:
    from ase import Atoms

    from interlith.engines.electronic.settings import DftSettings

TASK = "static"
ENERGY_SETTINGS = ("xc", "cutoff_ev", "smearing", "smearing_ev", "dispersion", "hubbard_scaled")
BY_ELEMENT: dict[str, Any] = {"hubbard_u_ev": 0.0, "datasets": None}
"""Settings that an element has or not, and what it has where they do not name it."""
SAME_VECTOR_ANGSTROM = 1e-3
SAME_PLACE_ANGSTROM = 0.01


def shared_engines(engine: str, frames: Sequence[Atoms]) -> list[str]:
    """The engine's name for each frame, with the settings that follow from the first.

    Parameters
    ----------
    frames : sequence of Atoms
        The whole first, then its parts.

    Returns
    -------
    list of str
        Of a DFT code with cut-off, k points, smearing, U, datasets and spin of the whole: equal
        cell vectors get equal k points, others the same density; U and datasets go to the
        elements that a part holds; all are spin-polarised if one is. Any other engine's name is
        given back as it came.

    Raises
    ------
    InputError
        If the engine's options are no settings.
    """
    if engine.partition(":")[0] not in TASKED:
        return [engine] * len(frames)
    from interlith.engines.electronic.settings import settings_for

    name, _, text = with_task(engine, TASK).partition(":")
    options = json.loads(text)
    task, chosen = options["task"], {k: v for k, v in options.items() if k != "task"}
    whole = settings_for(frames[0], task, **chosen)
    chosen.pop("magnetic_moments", None)
    alone = [whole, *(settings_for(part, task, **chosen) for part in frames[1:])]
    spin = any(one.spin_polarised for one in alone)
    found = []
    for frame, own in zip(frames, alone, strict=True):
        held = set(frame.get_chemical_symbols())
        options |= {
            "cutoff_ev": whole.cutoff_ev,
            "kpoints": _grid(frame, frames[0], whole, given="kpoints" in chosen),
            "kpoint_density_angstrom": whole.kpoint_density_angstrom,
            "smearing": whole.smearing,
            "smearing_ev": whole.smearing_ev,
            "hubbard_u_ev": {e: u for e, u in whole.hubbard_u_ev.items() if e in held},
            "datasets": {e: tag for e, tag in whole.datasets.items() if e in held},
            "spin_polarised": spin,
            "magnetic_moments": _moments(frame, own, frames[0], whole) if spin else [],
        }
        found.append(f"{name}:{json.dumps(options)}")
    return found


def differences(
    a: tuple[str, Mapping[str, Any] | None],
    b: tuple[str, Mapping[str, Any] | None],
    alike: Sequence[str] = ENERGY_SETTINGS,
) -> list[str]:
    """What keeps two calculations from being compared; U and datasets by the elements of both.

    Parameters
    ----------
    a, b : (formula, settings)
        Settings as DFT records carry them; None of an engine without, with which nothing differs.
    alike : sequence of str
        Settings that must be equal.
    """
    from ase.formula import Formula

    (formula, one), (other_formula, other) = a, b
    if one is None or other is None:
        return []
    found = [
        f"{key} {one.get(key)} and {other.get(key)}"
        for key in alike
        if one.get(key) != other.get(key)
    ]
    both = sorted(Formula(formula).count().keys() & Formula(other_formula).count().keys())
    for key, unnamed in BY_ELEMENT.items():
        pair = one.get(key) or {}, other.get(key) or {}
        for element in both:
            mine, theirs = (values.get(element, unnamed) for values in pair)
            if mine != theirs:
                found.append(f"{key} of {element} {mine} and {theirs}")
    return found


def _grid(part: Atoms, whole: Atoms, settings: DftSettings, *, given: bool) -> list[int]:
    """Points along each axis: the whole's where the cell vector is its own, else its density."""
    from interlith.engines.electronic.settings import grid, reciprocal_lengths

    density = settings.kpoint_density_angstrom
    if given:
        density = float(np.min(np.array(settings.kpoints) / reciprocal_lengths(whole)))
    points = list(grid(part, density))
    for axis, (mine, theirs) in enumerate(zip(part.cell.array, whole.cell.array, strict=True)):
        if part.pbc[axis] and np.allclose(mine, theirs, atol=SAME_VECTOR_ANGSTROM):
            points[axis] = settings.kpoints[axis]
    return points


def _moments(part: Atoms, own: DftSettings, whole: Atoms, settings: DftSettings) -> list[float]:
    """Starting moments: those of the same atoms in the whole if these have any, else its own."""
    default = list(own.magnetic_moments) or [0.0] * len(part)
    moments = np.array(settings.magnetic_moments)
    if len(moments) != len(whole):
        return default
    away = np.linalg.norm(part.positions[:, None] - whole.positions[None], axis=2)
    nearest = away.argmin(axis=1)
    piece = (away.min(axis=1) < SAME_PLACE_ANGSTROM) & (part.numbers == whole.numbers[nearest])
    taken = [float(moment) for moment in moments[nearest]]
    return taken if piece.all() and any(taken) else default
