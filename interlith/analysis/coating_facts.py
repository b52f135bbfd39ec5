"""Facts about coatings that need no energies: chemical class, troublesome elements."""

from __future__ import annotations

from collections.abc import Mapping

HALOGENS = ("F", "Cl", "Br", "I")
POLYANION_CENTRES = frozenset(("B", "C", "N", "Si", "P", "S", "Ge", "As", "Se"))
RADIOACTIVE = frozenset("Tc Pm Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr".split())
RARE = frozenset("Ru Rh Pd Te Re Os Ir Pt Au".split())
"""Below about 0.01 ppm of the continental crust (general knowledge, order of magnitude)."""


def classify_coating(composition: Mapping[str, float]) -> str:
    """Class of a coating by its anions.

    One of fluoride, chloride, oxyfluoride, polyanionic oxide, oxide, sulfide, nitride, other.
    """
    anions = {e for e in ("O", "S", "N", *HALOGENS) if e in composition}
    if anions == {"F"}:
        return "fluoride"
    if anions == {"Cl"}:
        return "chloride"
    if anions == {"O", "F"}:
        return "oxyfluoride"
    centres = POLYANION_CENTRES & set(composition)
    if "O" in anions and anions <= {"O", "S", "N"} and _is_polyanionic(composition, centres):
        return "polyanionic oxide"
    if anions == {"O"}:
        return "oxide"
    if anions == {"S"}:
        return "sulfide"
    if anions == {"N"}:
        return "nitride"
    return "other"


def _is_polyanionic(composition: Mapping[str, float], centres: frozenset[str]) -> bool:
    """Enough O around B, C, N, Si, P, S, Ge, As or Se for an oxoanion (at least two each)."""
    centred = sum(composition[e] for e in centres)
    return centred > 0 and composition["O"] / centred >= 2.0


def element_flags(composition: Mapping[str, float]) -> tuple[str, ...]:
    """``radioactive: ..`` and ``rare: ..`` where such elements occur."""
    flags = []
    for name, group in (("radioactive", RADIOACTIVE), ("rare", RARE)):
        present = sorted(group & set(composition))
        if present:
            flags.append(f"{name}: {', '.join(present)}")
    return tuple(flags)
