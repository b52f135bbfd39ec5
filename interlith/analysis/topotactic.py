"""Limits of a window when the framework stays: Li goes in or out and nothing else moves.

The average voltage between two Li contents of one framework is
``-(E(x2) - E(x1) - (x2 - x1) E(Li)) / (x2 - x1)``; with formation energies E(Li) is zero. The
energies must come from the same source as the reference set.
"""

from __future__ import annotations

from collections.abc import Mapping

from interlith.analysis.references import ReferenceSet, parse_formula
from interlith.analysis.windows import ION, Topotactic
from interlith.errors import InputError

SAME_HOST = 1e-4


def topotactic_window(formula: str, frameworks: Mapping[str, float]) -> Topotactic:
    """Topotactic limits of a compound from energies of its framework at other Li contents.

    Parameters
    ----------
    formula : str
        The compound.
    frameworks : mapping
        Formula to formation energy, eV per atom: the compound itself and any lithiated or
        delithiated frameworks. Formulas with another host are ignored.

    Returns
    -------
    Topotactic
        The reduction limit is the highest voltage at which a lithiated framework forms, the
        oxidation limit the lowest at which a delithiated one does; None where there is none.

    Raises
    ------
    InputError
        If the compound itself is not among the frameworks, or no other content is.
    """
    host, content = _host(parse_formula(formula))
    points = []
    for other, energy in frameworks.items():
        composition = parse_formula(other)
        other_host, other_content = _host(composition)
        if set(other_host) == set(host) and all(
            abs(other_host[e] - host[e]) < SAME_HOST for e in host
        ):
            per_host = energy * sum(composition.values()) / _host_atoms(composition)
            points.append((other_content, per_host, other))
    own = [p for p in points if abs(p[0] - content) < SAME_HOST]
    rest = [p for p in points if abs(p[0] - content) >= SAME_HOST]
    if not own or not rest:
        raise InputError(
            f"the topotactic window of {formula} needs its own energy and that of a framework "
            f"with another Li content; got {', '.join(frameworks) or 'nothing'}"
        )
    steps = [(-(p[1] - own[0][1]) / (p[0] - content), p[0], p[2]) for p in rest]
    inserted = max((s for s in steps if s[1] > content), default=None)
    removed = min((s for s in steps if s[1] < content), default=None)
    return Topotactic(
        reduction_potential_v=inserted[0] if inserted else None,
        oxidation_potential_v=removed[0] if removed else None,
        lithiated=inserted[2] if inserted else None,
        delithiated=removed[2] if removed else None,
    )


def frameworks_from(reference: ReferenceSet) -> dict[str, float]:
    """Formulas and formation energies of a set read from a file, for :func:`topotactic_window`."""
    return {reference.formula(i): float(reference.energies[i]) for i in range(len(reference))}


def _host_atoms(composition: Mapping[str, float]) -> float:
    return sum(n for e, n in composition.items() if e != ION)


def _host(composition: Mapping[str, float]) -> tuple[dict[str, float], float]:
    atoms = _host_atoms(composition)
    if atoms <= 0:
        return {}, 0.0
    host = {e: n / atoms for e, n in composition.items() if e != ION}
    return host, composition.get(ION, 0.0) / atoms
