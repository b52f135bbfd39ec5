"""Transport across an interface: conductivities of the regions, crossings, resistance per area.

Exchange in equilibrium gives the resistance of what lies between two cores: for independent ions

    R = k T A / (z^2 e^2 nu),

with nu the crossings per time one way (half of all). For a layer of free diffusion this is its
thickness over its Nernst-Einstein conductivity, and at an electrode the charge-transfer
resistance k T / (z e j0) of the exchange current density j0 = z e nu / A. Regions add their core's
thickness over their conductivity across. Resistances in series add up; ions that move together
(the Haven ratio) are not counted, nor is anything slower than the run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy.typing as npt

from interlith.analysis.crossing import (
    BALANCED_SIGMAS,
    MARGIN_ANGSTROM,
    Crossings,
    Rate,
    Stay,
    count_crossings,
)
from interlith.analysis.crossing_records import (
    CrossingRun,
    PlaneCrossing,
    RegionTransport,
    Resistance,
)
from interlith.analysis.displacements import Paths
from interlith.analysis.layers import Layer
from interlith.analysis.regional import (
    RegionalDiffusion,
    layer_labels,
    regional_diffusivity,
)
from interlith.analysis.regional_results import labelled_layers
from interlith.analysis.transport import nernst_einstein_factor
from interlith.errors import InputError
from interlith.units import BOLTZMANN_EV_PER_K, ELEMENTARY_CHARGE_C

OHM_CM2_PER_EV_ANGSTROM2_PS = 1e-12 / ELEMENTARY_CHARGE_C * 1e-16
MA_CM2_PER_E_ANGSTROM2_PS = ELEMENTARY_CHARGE_C * 1e12 * 1e16 * 1e3
OHM_CM2_PER_ANGSTROM_PER_MS_CM = 1e-8 * 1e3
SIGMAS_95 = 1.96
INTERPHASE = "interphase"
REACTED = (
    "the framework changed during the run: regions are those of its start, and an interface that "
    "reacts is not in equilibrium"
)
SLIVER_ANGSTROM = 1.5


def crossing_run(
    paths: Paths,
    layers: Sequence[Layer],
    *,
    temperature_k: float,
    margin_angstrom: float = MARGIN_ANGSTROM,
    charge_e: float = 1.0,
    metallic: Sequence[str] = (),
    touching_angstrom: Sequence[float] | None = None,
    framework_intact: bool | None = None,
    discarded_ps: float = 0.0,
) -> CrossingRun:
    """Residence, crossings, conductivities and resistances of one run.

    Parameters
    ----------
    paths : Paths
        Mobile atoms, drift removed, equilibration left out.
    layers : sequence of Layer
        As for :func:`~interlith.analysis.crossing.count_crossings`.
    metallic : sequence of str
        Regions whose electrons conduct.
    touching_angstrom : sequence of float, optional
        Heights of the planes at which regions touch; vacuum lies at the others.
    framework_intact : bool, optional
        False where the framework changed: resistances of planes are then a diagnosis.

    Raises
    ------
    InputError
        As count_crossings; if the temperature is not positive or the charge is zero.
    """
    if not temperature_k > 0 or charge_e == 0:
        raise InputError(
            f"{temperature_k:g} K and a charge of {charge_e:g} e; the temperature is positive and "
            "the charge of an ion is not zero"
        )
    counted = count_crossings(paths, layers, margin_angstrom)
    period = sum(_thickness(one) for one in counted.layers)
    rows = regional_diffusivity(paths, *layer_labels(paths, counted.layers, period))
    open_planes = _open(counted, touching_angstrom)
    planes = tuple(
        _plane(counted, k, temperature_k, charge_e, open_planes[k])
        for k in range(len(counted.layers))
    )
    if framework_intact is False:
        planes = tuple(
            one.model_copy(update={"resistance": _doubted(one.resistance)}) for one in planes
        )
    ends = tuple(open_planes[k] or open_planes[k - 1] for k in range(len(counted.layers)))
    regions = _regions(counted, rows, temperature_k, charge_e, frozenset(metallic), ends)
    parts = [one.resistance for k, one in enumerate(planes) if not open_planes[k]]
    parts += [one.resistance for one in regions if not one.metallic]
    reacted = framework_intact is False
    return CrossingRun(
        temperature_k=temperature_k,
        charge_e=charge_e,
        margin_angstrom=margin_angstrom,
        shift_angstrom=tuple(round(float(one), 4) for one in counted.shift_angstrom),
        time_ps=counted.time_ps,
        discarded_ps=discarded_ps,
        regions=regions,
        planes=planes,
        total=_doubted(in_series(parts)) if reacted else in_series(parts),
        notes=(*_notes(counted), *([REACTED] if reacted else [])),
    )


def crossings_of(
    paths: Paths,
    names: Sequence[str],
    positions: npt.ArrayLike,
    cell: npt.ArrayLike,
    *,
    temperature_k: float,
    charge_e: float = 1.0,
    margin_angstrom: float = MARGIN_ANGSTROM,
    interphase_angstrom: float | None = None,
    framework_intact: bool | None = None,
    discarded_ps: float = 0.0,
) -> CrossingRun:
    """Transport across the interfaces of a labelled run.

    Parameters
    ----------
    names : sequence of str
        Region of every atom.
    positions : (n, 3)
        Angstrom, of all atoms, in the first frame of the paths.
    cell : (3, 3)
        Rows a, b, c; the interfaces are parallel to a and b.
    interphase_angstrom : float, optional
        Width of a region of its own about each plane.

    Raises
    ------
    InputError
        If labels and atoms do not match, there is one region only, regions have mixed, or widths
        do not fit.
    """
    layers, planes, metallic = labelled_layers(paths, names, positions, cell)
    if min(_thickness(one) for one in layers) < SLIVER_ANGSTROM:
        raise InputError(
            f"the regions have mixed {discarded_ps:g} ps into the run, where they are measured "
            f"({len(layers)} layers, the thinnest under {SLIVER_ANGSTROM:g} Angstrom); leave out "
            "less (--equilibration-ps), or label the structure anew"
        )
    touching: tuple[float, ...] | None = planes
    if interphase_angstrom is not None:
        period = sum(_thickness(one) for one in layers)
        layers = with_interphase(layers, planes, period, interphase_angstrom)
        edges = (one.low_angstrom % period for one in layers)
        half = interphase_angstrom / 2
        moved = [(plane + side) % period for plane in planes for side in (-half, half)]
        touching = tuple(edge for edge in edges if _at(edge, moved, period))
    return crossing_run(
        paths,
        layers,
        temperature_k=temperature_k,
        margin_angstrom=margin_angstrom,
        charge_e=charge_e,
        metallic=metallic,
        touching_angstrom=touching,
        framework_intact=framework_intact,
        discarded_ps=discarded_ps,
    )


def with_interphase(
    layers: Sequence[Layer],
    planes_angstrom: Sequence[float],
    period_angstrom: float,
    width_angstrom: float,
) -> tuple[Layer, ...]:
    """Layers with one named "interphase" of this width about each plane.

    Raises
    ------
    InputError
        If there is no plane, or the width leaves nothing of a layer.
    """
    half = width_angstrom / 2
    if not planes_angstrom or not half > 0:
        raise InputError(
            f"an interphase of {width_angstrom:g} Angstrom about {len(planes_angstrom)} planes; it "
            "takes a positive width and at least one plane where two regions touch"
        )
    made: list[Layer] = []
    for layer in layers:
        low, high = layer.low_angstrom, layer.high_angstrom
        low += half * _at(low, planes_angstrom, period_angstrom)
        high -= half * _at(high, planes_angstrom, period_angstrom)
        if high <= low:
            thick = layer.high_angstrom - layer.low_angstrom
            raise InputError(
                f"an interphase of {width_angstrom:g} Angstrom leaves nothing of '{layer.name}', "
                f"which is {thick:.1f} Angstrom thick; take a thinner one"
            )
        made.append(Layer(layer.name, low, high))
    for plane in planes_angstrom:
        low = (plane - half) % period_angstrom
        made.append(Layer(INTERPHASE, low, low + width_angstrom))
    return tuple(sorted(made, key=lambda one: one.low_angstrom % period_angstrom))


def exchange_resistance(crossings: Rate, area_angstrom2: float, temperature_k: float,
                        charge_e: float = 1.0) -> Resistance:  # fmt: skip
    """Resistance per area from the crossings per time, both ways, of a run in equilibrium."""
    kt = BOLTZMANN_EV_PER_K * temperature_k
    method = "exchange in equilibrium, independent ions"

    def resistance(per_ps: float) -> float:
        one_way = per_ps / 2 / area_angstrom2
        return kt / (charge_e**2 * one_way) * OHM_CM2_PER_EV_ANGSTROM2_PS

    low, high = crossings.interval95_per_ps
    least = resistance(high) if high else None
    if crossings.per_ps is None:
        return Resistance(
            status="no_answer", reason=crossings.reason, at_least_ohm_cm2=least, method=method
        )
    return Resistance(
        status="ok",
        ohm_cm2=resistance(crossings.per_ps),
        interval95_ohm_cm2=(least or 0.0, resistance(low) if low > 0 else None),
        at_least_ohm_cm2=least,
        method=method,
    )


def in_series(parts: Sequence[Resistance]) -> Resistance:
    """Sum of resistances; a lower bound only where a part has no number.

    Notes
    -----
    The distances of each part's number from the ends of its interval add in squares, end by end.
    """
    method = f"sum of {len(parts)} parts"
    known = [one for one in parts if one.ohm_cm2 is not None]
    least = sum(one.at_least_ohm_cm2 or 0.0 for one in parts)
    if not parts or len(known) < len(parts):
        reasons = list(dict.fromkeys(one.reason for one in parts if one.ohm_cm2 is None))
        return Resistance(
            status="no_answer",
            reason="; ".join(str(one) for one in reasons) or "there is no interface",
            at_least_ohm_cm2=least or None,
            method=method,
        )
    total = sum(one.ohm_cm2 or 0.0 for one in parts)
    below = above = 0.0
    for one in known:
        value, (low, high) = one.ohm_cm2 or 0.0, one.interval95_ohm_cm2 or (0.0, None)
        below += (value - low) ** 2
        above += math.inf if high is None else (high - value) ** 2
    low_end = max(total - math.sqrt(below), 0.0)
    return Resistance(
        status="ok",
        ohm_cm2=total,
        interval95_ohm_cm2=(low_end, total + math.sqrt(above) if math.isfinite(above) else None),
        at_least_ohm_cm2=low_end,
        method=method,
    )


def _plane(
    counted: Crossings, k: int, temperature_k: float, charge_e: float, vacuum: bool
) -> PlaneCrossing:
    below, above = counted.layers[k], counted.layers[(k + 1) % len(counted.layers)]
    upward, downward = counted.rates(k)
    both, plain = counted.both_ways(k), int(counted.plain[k])
    resistance = exchange_resistance(both, counted.area_angstrom2, temperature_k, charge_e)
    if vacuum:
        resistance = _none("there is vacuum here", resistance.method)
    elif abs(counted.net_sigmas(k)) > BALANCED_SIGMAS:
        reason = (
            f"{upward.events} crossings up and {downward.events} down: not in equilibrium (it "
            "reacts, or has not settled), so exchange gives no resistance"
        )
        resistance = _none(reason, resistance.method)
    current = None
    if resistance.ohm_cm2 is not None and both.per_ps is not None:
        one_way = both.per_ps / 2 / counted.area_angstrom2
        current = abs(charge_e) * one_way * MA_CM2_PER_E_ANGSTROM2_PS
    return PlaneCrossing(
        below=below.name,
        above=above.name,
        height_angstrom=above.low_angstrom,
        upward=upward,
        downward=downward,
        plain_crossings=plain,
        recrossed_fraction=1 - both.events / plain if plain >= both.events > 0 else None,
        exchange_current_ma_cm2=current,
        resistance=resistance,
    )


def _regions(
    counted: Crossings,
    rows: Sequence[RegionalDiffusion],
    temperature_k: float,
    charge_e: float,
    metallic: frozenset[str],
    ends_in_vacuum: Sequence[bool],
) -> tuple[RegionTransport, ...]:
    by_name = {row.region: row for row in rows}
    return tuple(
        _region(
            counted,
            k,
            by_name[layer.name],
            stay,
            (temperature_k, charge_e),
            layer.name in metallic,
            any(e for one, e in zip(counted.layers, ends_in_vacuum, strict=True)
                if one.name == layer.name),
        )
        for k, (layer, stay) in enumerate(zip(counted.layers, counted.stays(), strict=True))
    )  # fmt: skip


def _region(
    counted: Crossings,
    k: int,
    row: RegionalDiffusion,
    stay: Stay,
    conditions: tuple[float, float],
    metallic: bool,
    vacuum: bool,
) -> RegionTransport:
    layer = counted.layers[k]
    thick = sum(_thickness(one) for one in counted.layers if one.name == layer.name)
    volume = thick * counted.stretch * counted.area_angstrom2
    unknown = row.reason
    if vacuum and unknown is None:
        unknown = "the region ends in vacuum, so its volume and density are not defined"
    factor = nernst_einstein_factor(1, volume / row.mean_mobile_atoms, *conditions) if (
        row.mean_mobile_atoms > 0 and unknown is None
    ) else None  # fmt: skip

    def times(value: float | None) -> float | None:
        return None if value is None or factor is None else value * factor

    in_plane = (times(row.self_diffusivity_cm2_s), times(row.sigma_cm2_s))
    across = (times(row.normal_diffusivity_cm2_s), times(row.normal_sigma_cm2_s))
    return RegionTransport(
        region=layer.name,
        low_angstrom=layer.low_angstrom,
        high_angstrom=layer.high_angstrom,
        mean_mobile_atoms=row.mean_mobile_atoms,
        stay=stay,
        status="ok" if factor is not None else "no_answer",
        reason=unknown,
        mobile_per_nm3=None if vacuum else 1000 * row.mean_mobile_atoms / volume,
        conductivity_in_plane_ms_cm=in_plane[0],
        conductivity_in_plane_sigma_ms_cm=in_plane[1],
        conductivity_across_ms_cm=across[0],
        conductivity_across_sigma_ms_cm=across[1],
        across_reason=unknown or row.normal_reason,
        metallic=metallic,
        resistance=_core(
            (_thickness(layer) - 2 * counted.margin_angstrom) * counted.stretch,
            across,
            in_plane,
            unknown,
        ),
    )


def _core(
    thickness: float,
    across: tuple[float | None, float | None],
    in_plane: tuple[float | None, float | None],
    reason: str | None,
) -> Resistance:
    """Thickness over conductivity; the interval is that of a conductivity even in its logarithm."""
    method = "core's thickness over its conductivity across"
    conductivity, sigma = across
    if conductivity is None:
        method = "core's thickness over its conductivity in the plane, that across being unknown"
        conductivity, sigma = in_plane
    if conductivity is None or sigma is None:
        return _none(reason or "the conductivity is not known", method)
    value = thickness / conductivity * OHM_CM2_PER_ANGSTROM_PER_MS_CM
    spread = math.exp(SIGMAS_95 * sigma / conductivity)
    return Resistance(
        status="ok",
        ohm_cm2=value,
        interval95_ohm_cm2=(value / spread, value * spread),
        at_least_ohm_cm2=value / spread,
        method=method,
    )


def _doubted(found: Resistance) -> Resistance:
    """The number of a reacting interface is a diagnosis."""
    if found.status != "ok":
        return found
    return found.model_copy(update={"status": "diagnosis", "reason": REACTED})


def _none(reason: str, method: str) -> Resistance:
    return Resistance(status="no_answer", reason=reason, method=method)


def _thickness(layer: Layer) -> float:
    return layer.high_angstrom - layer.low_angstrom


def _at(height: float, planes: Sequence[float], period: float) -> bool:
    return any(abs((height - plane + period / 2) % period - period / 2) < 1e-6 for plane in planes)


def _open(counted: Crossings, touching: Sequence[float] | None) -> tuple[bool, ...]:
    """Whether vacuum lies at each plane."""
    if touching is None:
        return (False,) * len(counted.layers)
    period = sum(_thickness(one) for one in counted.layers)
    return tuple(not _at(one.high_angstrom, touching, period) for one in counted.layers)


def _notes(counted: Crossings) -> tuple[str, ...]:
    if counted.step_angstrom <= counted.margin_angstrom / 2:
        return ()
    return (
        f"atoms move {counted.step_angstrom:.1f} Angstrom across from frame to frame, more than "
        f"half the margin of {counted.margin_angstrom:g}: crossings are missed; write frames more "
        "often",
    )
