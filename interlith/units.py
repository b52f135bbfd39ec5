"""Constants and conversions; everything inside is Angstrom, eV, fs, K and e.

Values are CODATA 2018 as shipped with scipy (exact in the 2019 SI where defined).
"""

from __future__ import annotations

from collections.abc import Mapping

AVOGADRO_PER_MOL = 6.02214076e23
ELEMENTARY_CHARGE_C = 1.602176634e-19
FARADAY_C_PER_MOL = AVOGADRO_PER_MOL * ELEMENTARY_CHARGE_C
FARADAY_MAH_PER_MOL = FARADAY_C_PER_MOL / 3.6
BOLTZMANN_EV_PER_K = 8.617333262e-5
ANGSTROM3_PER_CM3 = 1e24
GPA_PER_EV_PER_ANGSTROM3 = ELEMENTARY_CHARGE_C * 1e21


def molar_mass_g_per_mol(composition: Mapping[str, float]) -> float:
    """Molar mass of one formula unit."""
    from pymatgen.core.periodic_table import Element

    return sum(n * float(Element(e).atomic_mass) for e, n in composition.items())
