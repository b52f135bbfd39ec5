"""Hubbard U of transition metals in oxides and fluorides, as the MP2020 corrections expect.

The corrections [Wang2021]_ were fitted to PBE+U energies with these values, applied only where
O or F is the most electronegative element; sulfides, chlorides, nitrides and metals carry none.

>>> from interlith.engines.electronic.hubbard import hubbard_u
>>> hubbard_u({"Li", "Co", "O"}), hubbard_u({"Co", "S"})
({'Co': 3.32}, {})
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from interlith.errors import InputError

U_EV = {
    "Co": 3.32,
    "Cr": 3.7,
    "Fe": 5.3,
    "Mn": 3.9,
    "Mo": 4.38,
    "Ni": 6.2,
    "V": 3.25,
    "W": 6.2,
}
"""Effective U on the d shell, eV (Materials Project's PBE+U values)."""
U_ANIONS = ("O", "F")
D_SHELL = "d"


def hubbard_u(elements: Iterable[str]) -> dict[str, float]:
    """U in eV by element; empty where the most electronegative element is neither O nor F."""
    present = set(elements)
    if not present.intersection(U_ANIONS):
        return {}  # nothing is more electronegative than these two
    return {element: U_EV[element] for element in sorted(present & U_EV.keys())}


def gpaw_setups(u_ev: Mapping[str, float], *, scaled: bool) -> dict[str, str]:
    """GPAW's ``setups`` for these U, for example ``{"Co": ":d,3.32,0"}``.

    Parameters
    ----------
    scaled : bool
        Whether the occupations are divided by the norm of the partial wave inside its sphere.

    Raises
    ------
    InputError
        If a U is negative.
    """
    for element, value in u_ev.items():
        if value < 0:
            raise InputError(f"Hubbard U of {element} is {value} eV; give zero or more")
    return {
        element: f":{D_SHELL},{value:g},{int(scaled)}"
        for element, value in u_ev.items()
        if value > 0
    }
