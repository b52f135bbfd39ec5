"""Energies of gases at room temperature, for reference sets that hold molecular crystals.

Sets of 0 K energies hold H2O as ice and H2S as a molecular crystal. A gas at 298.15 K and
pressure p lies above its crystal by

    dH_sub(0 K) + [H(298.15 K) - H(0 K)] - T S(298.15 K) + k T ln(p / bar) .

Thermal terms are CODATA key values (Cox, Wagman and Medvedev, 1989; PH3: JANAF as listed in
NIST CCCBDB). Sublimation enthalpies at 0 K are general knowledge, good to about 3 kJ/mol
(0.03 eV). Solids keep their 0 K energies: their thermal terms largely cancel.
"""

from __future__ import annotations

from dataclasses import replace
from math import log
from typing import NamedTuple

from pydantic import Field

from interlith.analysis.references import ReferenceSet, parse_formula
from interlith.errors import InputError
from interlith.records import Record
from interlith.units import AVOGADRO_PER_MOL, BOLTZMANN_EV_PER_K, ELEMENTARY_CHARGE_C

ROOM_TEMPERATURE_K = 298.15
EV_PER_KJ_PER_MOL = 1000.0 / (AVOGADRO_PER_MOL * ELEMENTARY_CHARGE_C)


class GasTerms(NamedTuple):
    """Sublimation enthalpy at 0 K, H(298.15 K) - H(0 K) and S(298.15 K, 1 bar) of a gas."""

    sublimation_kj_per_mol: float
    heating_kj_per_mol: float
    entropy_j_per_mol_k: float


GASES = {
    "H2O": GasTerms(47.3, 9.905, 188.835),
    "CO2": GasTerms(27.2, 9.365, 213.785),
    "H2S": GasTerms(24.0, 9.957, 205.81),
    "NH3": GasTerms(30.0, 10.043, 192.77),
    "PH3": GasTerms(17.0, 10.14, 210.24),
    "HF": GasTerms(33.0, 8.599, 173.779),
    "HCl": GasTerms(20.0, 8.640, 186.902),
    "HBr": GasTerms(23.0, 8.648, 198.700),
    "HI": GasTerms(25.0, 8.657, 206.590),
    "SO2": GasTerms(36.0, 10.549, 248.223),
    "CO": GasTerms(8.0, 8.671, 197.660),
    "H2": GasTerms(0.0, 8.468, 130.680),  # sets take elements as gases
    "N2": GasTerms(0.0, 8.670, 191.609),
    "O2": GasTerms(0.0, 8.680, 205.152),
    "Cl2": GasTerms(0.0, 9.181, 223.081),
}


class GasConditions(Record):
    """Partial pressures at 298.15 K, bar.

    The defaults are air of 50 % relative humidity, and 1 ppm of everything that is released.
    """

    water_bar: float = Field(default=0.016, gt=0)
    carbon_dioxide_bar: float = Field(default=4.2e-4, gt=0)
    released_bar: float = Field(default=1e-6, gt=0)

    def pressure_bar(self, gas: str) -> float:
        """Pressure of one gas."""
        return {"H2O": self.water_bar, "CO2": self.carbon_dioxide_bar}.get(gas, self.released_bar)


def gas_energy_ev(gas: str, pressure_bar: float) -> float:
    """Energy of a gas molecule at 298.15 K above that of its crystal at 0 K, eV.

    Raises
    ------
    InputError
        If the gas is not in the table.
    """
    if gas not in GASES:
        raise InputError(f"no thermal data for the gas {gas}; there is {', '.join(GASES)}")
    terms = GASES[gas]
    standard = (
        terms.sublimation_kj_per_mol
        + terms.heating_kj_per_mol
        - ROOM_TEMPERATURE_K * terms.entropy_j_per_mol_k / 1000.0
    )
    thermal_energy_ev = BOLTZMANN_EV_PER_K * ROOM_TEMPERATURE_K
    return standard * EV_PER_KJ_PER_MOL + thermal_energy_ev * log(pressure_bar)


def room_temperature_reference(reference: ReferenceSet, conditions: GasConditions) -> ReferenceSet:
    """The same set with its gases at 298.15 K; a note says so.

    Elements stay the zero of every compound: only the gas itself, as a phase, is moved.
    """
    energies = reference.energies.copy()
    for gas in GASES:
        composition = parse_formula(gas)
        phase = reference.find(composition)
        if phase is not None:
            shift = gas_energy_ev(gas, conditions.pressure_bar(gas))
            energies[phase] += shift / sum(composition.values())
    note = (
        f"gases at 298.15 K: H2O {conditions.water_bar:g} bar, CO2 "
        f"{conditions.carbon_dioxide_bar:g} bar, others {conditions.released_bar:g} bar"
    )
    return replace(reference, energies=energies, notes=(*reference.notes, note))
