"""Everything that can be said of an electrolyte, on one page, with method, error and literature.

Thermodynamic rows take seconds. Mechanics, heat and dynamics need a potential and minutes to hours:
their rows say so unless they are asked for, or a record of them is given.

>>> from interlith.analysis.hull import Hull
>>> from interlith.analysis.reference_catalog import load_reference
>>> card = scorecard(["Li6PS5Cl"], Hull(load_reference("default")), ScorecardOptions())
>>> [round(r.value, 1) for r in card.rows if r.quantity == "reduction_potential"]
[1.7]
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from interlith.analysis.atmosphere import react_with_atmosphere
from interlith.analysis.band_edges import LineUpRecord, potentials_against_lithium
from interlith.analysis.constriction import constricted_windows
from interlith.analysis.diffusion_results import DiffusionRecord
from interlith.analysis.hull import Hull
from interlith.analysis.interphase import interphase
from interlith.analysis.moduli import SUPPRESSION_NOTE, ElasticRecord
from interlith.analysis.reactions import closed_reaction
from interlith.analysis.references import parse_formula
from interlith.analysis.reservations import caution
from interlith.analysis.scorecard import (
    RowStatus,
    Scorecard,
    ScorecardRow,
    absent,
    composition_key,
    row,
    shipped_elastic,
)
from interlith.analysis.thermal import ThermalRecord
from interlith.analysis.uncertainty import reaction_sigma, window_sigma
from interlith.analysis.windows import stability_window
from interlith.errors import FailureError, InputError
from interlith.provenance import provenance
from interlith.structures.reading import Material, read_material

CONSTRICTION_GPA = 15.0
ANODE = "Li"
BAND_EDGES_METHOD = (
    "band edges against the Fermi level of Li metal across their interface; semilocal gaps are too "
    "small, so the window is a lower bound"
)


@dataclass(frozen=True)
class ScorecardOptions:
    """What to compute beyond thermodynamics, and with what.

    Attributes
    ----------
    potential : str or None
        Runs the elastic tensor with it; with ``thermal``, ``topotactic`` and ``dynamics`` those
        too.
    elastic, thermal_records, diffusion, band_edges : records computed before
        Taken for the material that they name; elastic tensors of a few are shipped, and taken last.
    folder : Path
        Of dynamics.
    """

    potential: str | None = None
    topotactic: bool = False
    thermal: bool = False
    dynamics: bool = False
    elastic: tuple[ElasticRecord, ...] = ()
    thermal_records: tuple[ThermalRecord, ...] = ()
    diffusion: tuple[DiffusionRecord, ...] = ()
    band_edges: tuple[LineUpRecord, ...] = ()
    folder: Path = Path("scorecard")


Part = Callable[[str, Hull, ScorecardOptions], Iterator[ScorecardRow]]


def scorecard(formulas: Sequence[str], hull: Hull, options: ScorecardOptions) -> Scorecard:
    """Rows of several electrolytes.

    Parameters
    ----------
    formulas : sequence of str
        Formulas or library names.
    hull : Hull
        The reference energies.

    Returns
    -------
    Scorecard
        A quantity that could not be had is a row with a status and a reason.

    Raises
    ------
    InputError
        If there are no formulas or none can be read, or a stage that needs a potential is asked
        for without one.
    """
    begin = time.monotonic()
    if not formulas:
        raise InputError("a scorecard needs at least one formula")
    _check_readable(formulas)
    if options.potential is None and (options.thermal or options.topotactic or options.dynamics):
        raise InputError("heat, topotactic windows and dynamics need a potential: --potential NAME")
    rows: list[ScorecardRow] = []
    for formula in formulas:
        for part in PARTS:
            rows += _guarded(part, formula, hull, options)
    return Scorecard(
        rows=tuple(rows),
        reference=hull.reference.identity(),
        provenance=provenance(None, time.monotonic() - begin),
    )


def _check_readable(formulas: Sequence[str]) -> None:
    problems = []
    for formula in formulas:
        try:
            parse_formula(composition_of(formula))
        except InputError as error:
            problems.append(str(error))
    if len(problems) == len(formulas):
        raise InputError("; ".join(problems))


def _guarded(part: Part, formula: str, hull: Hull, options: ScorecardOptions) -> list[ScorecardRow]:
    """Rows of one part; what stops it becomes a row."""
    name = part.__name__.strip("_")
    rows: list[ScorecardRow] = []
    try:
        rows.extend(part(formula, hull, options))
    except (InputError, FailureError) as error:
        rows.append(absent(formula, name, "", str(error), status="no_answer"))
    return rows


def _windows(formula: str, hull: Hull, options: ScorecardOptions) -> Iterator[ScorecardRow]:
    composition = composition_of(formula)
    window = stability_window(hull, composition, voltages_v=(0.0, 5.0))
    sigma = window_sigma(hull, window)
    method = f"phase equilibrium, {hull.reference.name}, scheme {hull.reference.scheme}"
    doubt = caution(hull.reference, parse_formula(composition))
    status: RowStatus = "diagnosis" if window.status == "diagnosis" else "ok"
    for name, value, error in (
        ("reduction", window.reduction_potential_v, sigma.reduction_v if sigma else None),
        ("oxidation", window.oxidation_potential_v, sigma.oxidation_v if sigma else None),
    ):
        yield row(
            formula,
            f"{name}_potential",
            value,
            "V vs Li/Li+",
            method,
            sigma=error,
            status=status if value is not None else "no_answer",
            reason=window.reason,
        )
    above = window.energy_above_hull_ev_per_atom
    if above is None:
        reason = "the reference set does not hold it; windows take it on its hull"
        yield absent(formula, "energy_above_hull", "eV/atom", reason, status="no_answer")
    else:
        yield row(formula, "energy_above_hull", above, "eV/atom", method)
    for step in window.decomposition_energies:
        quantity = f"decomposition_energy_{step.voltage_v:g}v"
        energy = step.energy_ev_per_atom
        status = "diagnosis" if doubt else "ok"
        yield row(formula, quantity, energy, "eV/atom", method, status=status, reason=doubt)


def _windows_otherwise(
    formula: str, hull: Hull, options: ScorecardOptions
) -> Iterator[ScorecardRow]:
    held = constricted_windows(hull, composition_of(formula), (CONSTRICTION_GPA,))
    (limits,) = held.rows
    method = f"phase equilibrium held back by {CONSTRICTION_GPA:g} GPa; {held.assumptions}"
    for name, value in (
        ("reduction", limits.reduction_potential_v),
        ("oxidation", limits.oxidation_potential_v),
    ):
        yield row(
            formula,
            f"{name}_potential_constricted",
            value,
            "V vs Li/Li+",
            method,
            status="ok" if value is not None else "no_answer",
            reason=None if value is not None else "no Li to take out",
        )
    yield from _topotactic(formula, options)
    yield from _band_edges(formula, options)


def _topotactic(formula: str, options: ScorecardOptions) -> Iterator[ScorecardRow]:
    names = ("reduction_potential_topotactic", "oxidation_potential_topotactic")
    if not options.topotactic or options.potential is None:
        for name in names:
            yield absent(formula, name, "V vs Li/Li+", "minutes: ask with --topotactic")
        return
    from interlith.workflows.topotactic import topotactic

    found = topotactic(formula, options.potential)
    for name, value in zip(
        names, (found.reduction_potential_v, found.oxidation_potential_v), strict=True
    ):
        method = f"framework kept, {options.potential}"
        status: RowStatus = "ok" if value is not None else "no_answer"
        yield row(formula, name, value, "V vs Li/Li+", method, status=status, reason=found.reason)


def _band_edges(formula: str, options: ScorecardOptions) -> Iterator[ScorecardRow]:
    names = ("reduction_potential_band_edges", "oxidation_potential_band_edges")
    unit = "V vs Li/Li+"
    found = next((one for one in options.band_edges if _against_lithium(one, formula)), None)
    if found is None:
        reason = (
            "give --band-edges FILE, a line-up of the levels with Li metal by DFT "
            "(interface_line_up in interlith.workflows.any_engine.electronic)"
        )
        for name in names:
            yield absent(formula, name, unit, reason)
        return
    limits = potentials_against_lithium(found)
    for name, value in zip(names, limits or (None, None), strict=True):
        if value is None:
            reason = found.reason or "no answer"
            yield absent(formula, name, unit, reason, status="no_answer")
        else:
            yield row(formula, name, value, unit, BAND_EDGES_METHOD)


def _against_lithium(found: LineUpRecord, formula: str) -> bool:
    sides = {composition_key(found.a.formula), composition_key(found.b.formula)}
    return sides == {composition_key(formula), composition_key(ANODE)}


def _lithium(formula: str, hull: Hull, options: ScorecardOptions) -> Iterator[ScorecardRow]:
    composition = composition_of(formula)
    method = f"closed reaction with Li, {hull.reference.name}, scheme {hull.reference.scheme}"
    found = closed_reaction(hull, composition, ANODE)
    sigma = reaction_sigma(hull, composition, ANODE)
    energy = found.energy_ev_per_atom
    status, doubt = found.status, found.reason
    yield row(
        formula,
        "reaction_with_lithium_energy",
        energy,
        "eV/atom",
        method,
        sigma=sigma,
        status=status,
        reason=doubt,
    )
    yield row(
        formula, "reaction_with_lithium", found.reaction, "", method, status=status, reason=doubt
    )
    kind = interphase(hull, composition)
    yield row(
        formula,
        "interphase_class",
        kind.interphase_class,
        "",
        kind.reason,
        status=status,
        reason=doubt,
    )
    change = found.volume
    if change is None:
        reason = "a volume of a product is not known" if found.products else "nothing reacts"
        yield absent(formula, "reaction_strain", "", reason, status="no_answer")
        return
    yield row(formula, "reaction_strain", change.strain, "", change.source)
    if change.interphase_nm_per_uah_cm2 is not None:
        value, unit = change.interphase_nm_per_uah_cm2, "nm per uAh/cm2"
        yield row(formula, "interphase_per_charge", value, unit, change.source)


def _moisture(formula: str, hull: Hull, options: ScorecardOptions) -> Iterator[ScorecardRow]:
    air = react_with_atmosphere(hull, composition_of(formula))
    method = f"0 K, {hull.reference.name}"
    water = air.water
    if water.energy_ev_per_formula is None:
        reason = water.reason or "no answer"
        yield absent(formula, "moisture_energy", "eV/formula", reason, status="no_answer")
    else:
        doubt: RowStatus = "ok" if air.status == "ok" else "diagnosis"
        for name, value, unit in (
            ("moisture_energy", water.energy_ev_per_formula, "eV/formula"),
            ("moisture_reaction", water.reaction or "none", ""),
        ):
            yield row(formula, name, value, unit, method, status=doubt, reason=air.reason)
    gases, status = air.judged_gases()
    if status == "no_answer":
        reason = air.reason or "no answer"
        yield absent(formula, "toxic_gases_in_air", "", reason, status="no_answer")
    else:
        yield row(
            formula, "toxic_gases_in_air", gases, "", method, status=status, reason=air.reason
        )


def _density(formula: str, hull: Hull, options: ScorecardOptions) -> Iterator[ScorecardRow]:
    material = read_material(formula)
    facts = material.facts
    at = f" at {facts.temperature_k:g} K" if facts and facts.temperature_k else ""
    if facts is not None and not facts.volume_reliable:
        reason = f"the volume of {material.name} in the library is no measured one"
        yield absent(formula, "density", "g/cm3", reason, status="no_answer")
        return
    density = float(material.structure.density)
    yield row(formula, "density", density, "g/cm3", f"lattice of {material.source}{at}")


def _mechanics(formula: str, hull: Hull, options: ScorecardOptions) -> Iterator[ScorecardRow]:
    names = ("bulk_modulus", "shear_modulus", "youngs_modulus", "poisson_ratio", "pugh_ratio")
    others = ("universal_anisotropy", "monroe_newman_ratio", "debye_temperature")
    record = _elastic(formula, options)
    if record is None or record.moduli is None or record.status != "ok":
        reason = "minutes to an hour: ask with --potential, or give --elastic FILE"
        status: RowStatus = "not_computed"
        if record is not None:
            reason, status = record.reason or "no answer", "no_answer"
        for name in (*names, *others):
            unit = "GPa" if name.endswith("modulus") else ""
            yield absent(formula, name, unit, reason, status=status)
        return
    found, engine = record.moduli, record.potential.get("name")
    method = f"{engine}, static, {record.ions} ions, Hill average; cell {record.material}"
    if record in shipped_elastic():
        method += f"; computed {record.provenance.created[:10]} and shipped"
    values = (found.bulk_gpa, found.shear_gpa, found.youngs_gpa)
    for name, value in zip(names[:3], values, strict=True):
        yield row(formula, name, value, "GPa", method, sigma=record.residual_gpa)
    yield row(formula, "poisson_ratio", found.poisson_ratio, "", method)
    yield row(formula, "pugh_ratio", found.pugh_ratio, "", method)
    yield row(formula, "universal_anisotropy", found.universal_anisotropy, "", method)
    for way, value in record.directional_youngs_gpa.items():
        yield row(formula, f"youngs_modulus_{way}", value, "GPa", method)
    if found.zener_ratio is not None:
        yield row(formula, "zener_ratio", found.zener_ratio, "", method)
    if record.suppression is not None:
        held = record.suppression
        note = f"shear modulus over that of Li; more than {held.needed:g} is {SUPPRESSION_NOTE}"
        yield row(formula, "monroe_newman_ratio", held.ratio, "", note)
    yield row(formula, "debye_temperature", record.debye_temperature_k, "K", method)
    yield row(formula, "density_relaxed", record.density_g_cm3, "g/cm3", f"{engine}, 0 K")


def _elastic(formula: str, options: ScorecardOptions) -> ElasticRecord | None:
    given = next(
        (one for one in options.elastic if _same(one.material, one.formula, formula)), None
    )
    if given is not None:
        return given
    if options.potential is None:
        known = shipped_elastic()
        return next((one for one in known if _same(one.material, one.formula, formula)), None)
    from interlith.workflows.elastic import elastic

    return elastic(formula, options.potential)


def _heat(formula: str, hull: Hull, options: ScorecardOptions) -> Iterator[ScorecardRow]:
    known = options.thermal_records
    record = next((one for one in known if _same(one.material, one.formula, formula)), None)
    if record is None and options.thermal and options.potential is not None:
        from interlith.workflows.thermal import thermal

        record = thermal(formula, options.potential)
    units = (("linear_expansion_300k", "1/K"), ("heat_capacity_300k", "J/kg/K"))
    if record is None or record.status != "ok":
        reason = "minutes to hours: ask with --thermal" if record is None else record.reason
        status: RowStatus = "not_computed" if record is None else "no_answer"
        for name, unit in units:
            yield absent(formula, name, unit, reason or "no answer", status=status)
        return
    method = f"quasi-harmonic, {record.potential.get('name')}"
    values = (record.linear_expansion_300k_per_k, record.heat_capacity_300k_j_per_kg_k)
    for (name, unit), value in zip(units, values, strict=True):
        yield row(formula, name, value, unit, method)


def _transport(formula: str, hull: Hull, options: ScorecardOptions) -> Iterator[ScorecardRow]:
    record = next(
        (one for one in options.diffusion if _same(one.material, one.formula, formula)), None
    )
    if record is None and options.dynamics and options.potential is not None:
        from interlith.workflows.diffusion import diffusion
        from interlith.workflows.diffusion_settings import DiffusionSettings

        settings = DiffusionSettings(potential=options.potential)
        record = diffusion(formula, settings, options.folder / f"{formula}-diffusion")
    units = (("activation_energy", "eV"), ("conductivity_300k", "mS/cm"))
    if record is None or record.arrhenius is None:
        reason = "hours: ask with --dynamics, or give --diffusion FILE"
        status: RowStatus = "not_computed"
        if record is not None:
            reason, status = record.arrhenius_reason or "no answer", "no_answer"
        for name, unit in units:
            yield absent(formula, name, unit, reason, status=status)
        return
    line = record.arrhenius
    engine = (record.potential or {}).get("name", "trajectories from elsewhere")
    method = f"molecular dynamics with {engine}, Arrhenius"
    energy = line.activation_energy_ev
    yield row(formula, "activation_energy", energy, "eV", method, sigma=line.sigma_ev)
    conductivity = line.conductivity_300k_ms_cm
    low, high = line.interval95_ms_cm or (None, None)
    sigma = None if low is None or high is None else (high - low) / 3.92
    lacking = None if conductivity is not None else "no conductivity in the record"
    state: RowStatus = "ok" if conductivity is not None else "no_answer"
    yield row(
        formula,
        "conductivity_300k",
        conductivity,
        "mS/cm",
        f"{method}, extrapolated to 300 K",
        sigma=sigma,
        status=state,
        reason=lacking,
    )


PARTS: tuple[Part, ...] = (
    _windows,
    _windows_otherwise,
    _lithium,
    _moisture,
    _density,
    _mechanics,
    _heat,
    _transport,
)


def composition_of(formula: str) -> str:
    """Formula of what was named: a library name may carry more than one."""
    material: Material | None
    try:
        material = read_material(formula)
    except InputError:
        return formula
    return material.facts.formula if material.facts else formula


def _same(material: str, record_formula: str, asked: str) -> bool:
    if material == asked:
        return True
    key = composition_key(asked)
    return bool(key) and key == composition_key(record_formula)
