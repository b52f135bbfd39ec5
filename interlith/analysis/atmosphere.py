"""Moisture and carbon dioxide: what a material turns into in air, and which gases come off.

Two questions are answered apart. What is lowest in energy with H2O or CO2 (which may hide a
gas: S may stay in LiHS)? And what does it cost to release each toxic hydride, all atoms of its
element leaving as that gas, with as much water as is best? The second is asked of the material
itself and of what it becomes on Li metal (LiPON holds P(V) and gives no PH3; the Li3P that it
forms on Li does).

>>> from interlith.analysis.hull import Hull
>>> from interlith.analysis.reference_catalog import load_reference
>>> record = react_with_atmosphere(Hull(load_reference("default")), "Li3PS4")
>>> record.toxic_gases
('H2S',)
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from interlith.analysis.equations import equation
from interlith.analysis.gas_energies import GasConditions, room_temperature_reference
from interlith.analysis.hull import Compound, Corner, Hull
from interlith.analysis.reactions import closed_minimum
from interlith.analysis.references import ReferenceSet, parse_formula
from interlith.analysis.reservations import caution
from interlith.analysis.windows import ION, stability_window
from interlith.errors import InputError
from interlith.records import Amount, Record, ReferenceIdentity, Status

WATER, CARBON_DIOXIDE = "H2O", "CO2"
AIR_ELEMENTS = frozenset("HOC")
"""What a reference set must hold beside the material's own elements."""
HYDRIDES = {
    "S": "H2S", "Se": "H2Se", "P": "PH3", "As": "AsH3", "N": "NH3",
    "F": "HF", "Cl": "HCl", "Br": "HBr", "I": "HI",
}  # fmt: skip
TOXIC = (
    *HYDRIDES.values(), "SO2", "SO3", "CO", "COS", "CS2", "HCN", "NO", "NO2",
    "PCl3", "POCl3", "Cl2", "F2", "SiH4", "GeH4", "B2H6", "SbH3",
)  # fmt: skip
EXOTHERMIC_BELOW_EV = -1e-3
"""Per formula unit; closer to zero is no driving force."""
LIKELY_WITHIN_EV = 0.3
"""Extra cost per gas molecule over the equilibrium up to which a release counts as expected.

Of the order of the errors of the energies of gas molecules in the sets at hand."""


class AirReaction(Record):
    """Lowest-energy products of a material with a gas, at the strongest mixing.

    ``energy_ev_per_atom`` counts the atoms of both; the rest is per formula unit.
    """

    gas: str
    status: Status = "ok"
    reason: str | None = None
    energy_ev_per_atom: float | None = None
    energy_ev_per_formula: float | None = None
    gas_per_formula: float | None = None
    products: tuple[Amount, ...] = ()
    reaction: str | None = None
    toxic_gases: tuple[str, ...] = ()


class GasRelease(Record):
    """Release of one hydride by hydrolysis, all atoms of its element leaving with it.

    ``energy_*`` is the whole reaction's, what happens to the other elements included;
    ``extra_ev_per_gas`` is how much of it the gas costs over the lowest-energy products with
    as much water and without H2 (phosphide and water would end as phosphate and H2, but
    hydrolysis moves protons, not electrons). ``expected``: the whole is exothermic and the
    extra within ``LIKELY_WITHIN_EV``.
    """

    of: str
    gas: str
    status: Status = "ok"
    reason: str | None = None
    energy_ev_per_formula: float | None = None
    energy_ev_per_gas: float | None = None
    extra_ev_per_gas: float | None = None
    water_per_formula: float | None = None
    gas_per_formula: float | None = None
    products: tuple[Amount, ...] = ()
    reaction: str | None = None
    exothermic: bool | None = None
    expected: bool | None = None


class AtmosphereRecord(Record):
    """Result of :func:`react_with_atmosphere`.

    ``carbon_dioxide`` is the equilibrium, where CO2 may be reduced to C; ``carbonation`` keeps
    every C oxidised (carbonates), as at room temperature. ``toxic_gases`` are those that form
    at equilibrium or whose release is expected; ``reason`` names what could not be judged. None
    found is an answer only where ``status`` is ok: ``no_answer`` if a reaction with air has none,
    ``diagnosis`` if the release of a gas, or what the set holds, could not be judged.
    """

    schema_version: int = 1
    formula: str
    status: Status = "ok"
    reason: str | None = None
    conditions: GasConditions | None
    water: AirReaction
    carbon_dioxide: AirReaction
    carbonation: AirReaction
    releases: tuple[GasRelease, ...]
    releases_after_lithium: tuple[GasRelease, ...]
    toxic_gases: tuple[str, ...]
    toxic_gases_after_lithium: tuple[str, ...]
    reference: ReferenceIdentity

    def judged_gases(self) -> tuple[str, Status]:
        """Toxic gases in words, with a status: none found is no answer if not all were judged."""
        parts = [self.water.status, self.carbon_dioxide.status, *(r.status for r in self.releases)]
        full = set(parts) == {"ok"}
        if self.toxic_gases:
            return ", ".join(self.toxic_gases), "ok" if full else "diagnosis"
        return ("none", "ok") if full else ("not known", "no_answer")


def react_with_atmosphere(
    hull: Hull, formula: str, *, conditions: GasConditions | None = None
) -> AtmosphereRecord:
    """Reactions of a material with H2O and CO2.

    Parameters
    ----------
    hull : Hull
        The reference energies.
    formula : str
        Any composition; taken on its hull (its energy above hull set to zero).
    conditions : GasConditions, optional
        Partial pressures at 298.15 K. None takes gases as the set has them, at 0 K.

    Returns
    -------
    AtmosphereRecord
        A set without H2O or CO2 gives the status ``"no_answer"`` with the reason, one without a
        gas that could be released ``"diagnosis"``.

    Raises
    ------
    InputError
        On an unreadable formula or an element of the material that is not in the set.

    Notes
    -----
    Closed systems without kinetics. The 2019 Materials Project set binds water too strongly
    (its oxide correction sits on H2O too): under the default conditions Li2S + 2 H2O gives
    +0.14 eV where tabulated values give -0.36, Li3N + 3 H2O -4.6 where they give -5.4, so about
    0.26 eV per H2O too little hydrolysis. What it calls exothermic is; a "no" near zero is none.
    """
    if conditions is not None:
        hull = Hull(room_temperature_reference(hull.reference, conditions))
    compound = hull.compound(formula)
    carbonates = Hull(without_reduced_carbon(hull.reference))
    water = air_reaction(hull, formula, WATER)
    still = Hull(_without_hydrogen(hull.reference))
    releases = _releases(hull, still, compound)
    after = tuple(
        release
        for product in _on_lithium(hull, compound)
        for release in _releases(hull, still, hull.compound(product))
    )
    parts = (water, air_reaction(hull, formula, CARBON_DIOXIDE))
    doubt = caution(hull.reference, compound.composition)
    reasons = [part.reason for part in parts] + [r.reason for r in (*releases, *after)] + [doubt]
    return AtmosphereRecord(
        formula=formula,
        status=_status(parts, (*releases, *after), doubt),
        reason="; ".join(dict.fromkeys(reason for reason in reasons if reason)) or None,
        conditions=conditions,
        water=water,
        carbon_dioxide=parts[1],
        carbonation=air_reaction(carbonates, formula, CARBON_DIOXIDE),
        releases=releases,
        releases_after_lithium=after,
        toxic_gases=_toxic(releases, *water.toxic_gases, *parts[1].toxic_gases),
        toxic_gases_after_lithium=_toxic(after),
        reference=hull.reference.identity(),
    )


def _status(
    parts: tuple[AirReaction, ...], releases: tuple[GasRelease, ...], doubt: str | None
) -> Status:
    if any(part.status != "ok" for part in parts):
        return "no_answer"
    return "diagnosis" if doubt or any(r.status != "ok" for r in releases) else "ok"


def air_reaction(hull: Hull, formula: str, gas: str) -> AirReaction:
    """Closed reaction with one gas at its strongest mixing."""
    missing = _missing(hull, gas)
    if missing is not None:
        return AirReaction(gas=gas, status="no_answer", reason=missing)
    a, b = hull.compound(formula), hull.compound(gas)
    energy, corner = closed_minimum(hull, a, b)
    if energy >= 0.0:
        return AirReaction(
            gas=gas,
            energy_ev_per_atom=0.0,
            energy_ev_per_formula=0.0,
            gas_per_formula=0.0,
            reaction="no reaction",
        )
    units = corner.position / a.atoms  # formula units in one atom of the mixture
    ratio = (1.0 - corner.position) / b.atoms / units
    products = tuple(
        Amount(formula=p.formula, amount=p.amount / units) for p in hull.amounts(corner.phases)
    )
    return AirReaction(
        gas=gas,
        energy_ev_per_atom=energy,
        energy_ev_per_formula=energy / units,
        gas_per_formula=ratio,
        products=products,
        reaction=_equation(formula, gas, ratio, products),
        toxic_gases=tuple(_common(p.formula) for p in products if _common(p.formula) in TOXIC),
    )


def hydrolysis(hull: Hull, formula: str) -> tuple[GasRelease, ...]:
    """Cost of releasing each toxic hydride that the material's elements can form."""
    return _releases(hull, Hull(_without_hydrogen(hull.reference)), hull.compound(formula))


def _releases(hull: Hull, still: Hull, compound: Compound) -> tuple[GasRelease, ...]:
    return tuple(
        _release(hull, still, compound, element, gas)
        for element, gas in HYDRIDES.items()
        if compound.composition.get(element, 0.0) > 0
    )


def without_reduced_carbon(reference: ReferenceSet) -> ReferenceSet:
    """The set without phases that hold C and fewer than two O per C (C, CO, carbides ..)."""
    if not {"C", "O"} <= set(reference.elements):
        return reference
    owner = np.repeat(np.arange(len(reference)), np.diff(reference.starts))

    def count(element: str) -> npt.NDArray[np.float64]:
        here = reference.species == reference.element_index[element]
        counted = np.bincount(owner[here], reference.amounts[here], len(reference))
        return counted.astype(np.float64)

    carbon, oxygen = count("C"), count("O")
    return reference.select((carbon == 0) | (oxygen >= 2.0 * carbon - 1e-6))


def _without_hydrogen(reference: ReferenceSet) -> ReferenceSet:
    phase = reference.find({"H": 1.0})
    return reference if phase is None else reference.select(np.arange(len(reference)) != phase)


def _release(hull: Hull, still: Hull, compound: Compound, element: str, gas: str) -> GasRelease:
    missing = _missing(hull, WATER) or _missing(hull, gas)
    if missing is not None:
        return GasRelease(of=compound.formula, gas=gas, status="no_answer", reason=missing)
    released = hull.compound(gas)
    # the gas itself, also where it lies above its elements (PH3)
    gas_energy = released.hull_energy + (released.energy_above_hull or 0.0) * released.atoms
    amount = compound.composition[element] / released.composition[element]
    rest = dict(compound.composition)
    for e, n in released.composition.items():
        rest[e] = rest.get(e, 0.0) - n * amount
    rest[element] = 0.0
    lowest, _, _ = _in_water(still, compound, compound.composition)
    left, water, phases = _in_water(hull, compound, rest)
    energy = left + amount * gas_energy - compound.hull_energy
    extra = (left + amount * gas_energy - lowest) / amount
    products = (*hull.amounts(phases.phases), Amount(formula=gas, amount=amount))
    return GasRelease(
        of=compound.formula,
        gas=gas,
        energy_ev_per_formula=energy,
        energy_ev_per_gas=energy / amount,
        extra_ev_per_gas=extra,
        water_per_formula=water,
        gas_per_formula=amount,
        products=products,
        reaction=_equation(compound.formula, WATER, water, products),
        exothermic=energy < EXOTHERMIC_BELOW_EV,
        expected=energy < EXOTHERMIC_BELOW_EV and extra <= LIKELY_WITHIN_EV,
    )


def _in_water(
    hull: Hull, compound: Compound, composition: Mapping[str, float]
) -> tuple[float, float, Corner]:
    """Lowest energy of a composition with as much water as it likes, less the water's energy.

    Also the water taken up, and the phases. Water is charged 1e-9 eV more than it costs, so
    that none is added for nothing. Negative amounts of H (taken by a gas) come from the water.
    """
    water = hull.compound(WATER)
    system = hull.system([*compound.composition, *water.composition])
    corner = system.lowest(
        system.vector(composition),
        system.vector(water.composition),
        water.hull_energy - 1e-9,
        (0.0, float("inf")),
    )
    return corner.energy - corner.position * water.hull_energy, corner.position, corner


def _on_lithium(hull: Hull, compound: Compound) -> tuple[str, ...]:
    """Products on Li metal that differ from the compound; none without Li in the set."""
    if ION not in hull.reference.elements or set(compound.composition) == {ION}:
        return ()
    window = stability_window(hull, compound.formula, voltages_v=(0.0,))
    own = {amount.formula for amount in window.stable_mixture}
    products = window.decomposition_energies[0].products
    return tuple(p.formula for p in products if p.formula not in own)


def _missing(hull: Hull, gas: str) -> str | None:
    if hull.reference.find(parse_formula(gas)) is not None:
        return None
    return f"the reference set '{hull.reference.name}' holds no {gas}"


def _toxic(releases: tuple[GasRelease, ...], *formed: str) -> tuple[str, ...]:
    return tuple(sorted({*formed, *(r.gas for r in releases if r.expected)}))


def _common(formula: str) -> str:
    """``NH3`` for pymatgen's ``H3N`` and the like; other formulas as they are."""
    try:
        composition = parse_formula(formula)
    except InputError:
        return formula
    return next((gas for gas in TOXIC if parse_formula(gas) == composition), formula)


def _equation(formula: str, gas: str, amount: float, products: tuple[Amount, ...]) -> str:
    return equation(
        [Amount(formula=formula, amount=1.0), Amount(formula=gas, amount=amount)], products
    )
