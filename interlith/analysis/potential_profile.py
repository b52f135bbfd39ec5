"""Li potential through a coating and an electrolyte in series, in steady state.

Li leaves a charged cell as neutral atoms: ions and electrons side by side. The flux, with
``mu`` the chemical potential of Li,

    J = sigma_e sigma_i / (sigma_e + sigma_i) / F^2  d(mu)/dx ,

is the same in both layers, so the drop from cathode to anode divides like two resistors of
``thickness (1 / sigma_e + 1 / sigma_i)``. The idea, and that protection depends on the coating
and the electrolyte together, is in Kimura et al., Commun. Mater. 5 (2024),
doi 10.1038/s43246-024-00578-1.

>>> coating = Layer(thickness_nm=10, electronic_s_cm=1e-14, ionic_s_cm=1e-6)
>>> electrolyte = Layer(thickness_nm=50_000, electronic_s_cm=1e-11, ionic_s_cm=1e-3)
>>> profile = potential_profile(coating, electrolyte, cathode_v=4.2)
>>> round(profile.fraction_in_coating, 3)
0.167
"""

from __future__ import annotations

from interlith.errors import InputError
from interlith.records import Record, Status

CM_PER_NM = 1e-7


class Layer(Record):
    """One layer; conductivities are constants, partial ones of electrons and of Li ions."""

    thickness_nm: float
    electronic_s_cm: float
    ionic_s_cm: float

    @property
    def resistance_ohm_cm2(self) -> float:
        """Resistance to neutral Li."""
        return self.thickness_nm * CM_PER_NM * self.resistivity_ohm_cm

    @property
    def resistivity_ohm_cm(self) -> float:
        """Electronic plus ionic resistivity."""
        return 1.0 / self.electronic_s_cm + 1.0 / self.ionic_s_cm


class ProfileRecord(Record):
    """Result of :func:`potential_profile`.

    ``position_nm`` starts at the cathode; ``potential_v`` is the potential vs Li/Li+ that the
    local Li activity corresponds to. ``leakage_current_a_cm2`` is the self-discharge.
    """

    schema_version: int = 1
    coating: Layer
    electrolyte: Layer
    cathode_v: float
    anode_v: float
    boundary_v: float
    fraction_in_coating: float
    fraction_in_electrolyte: float
    leakage_current_a_cm2: float
    position_nm: tuple[float, ...]
    potential_v: tuple[float, ...]


class RequiredThickness(Record):
    """Result of :func:`required_thickness`; None, with the reason, where none is enough."""

    schema_version: int = 1
    status: Status = "ok"
    reason: str | None = None
    thickness_nm: float | None


def potential_profile(
    coating: Layer,
    electrolyte: Layer,
    cathode_v: float,
    anode_v: float = 0.0,
    *,
    n_points: int = 11,
) -> ProfileRecord:
    """Potential across cathode | coating | electrolyte | anode at rest.

    Parameters
    ----------
    coating, electrolyte : Layer
        Both in perfect contact, each with constant conductivities.
    cathode_v, anode_v : float
        Li potentials at the two ends, V vs Li/Li+.
    n_points : int
        Samples in each layer, both of its ends included.

    Raises
    ------
    InputError
        On a thickness or conductivity that is not positive, a reversed cell, or n_points < 2.

    Notes
    -----
    Real electronic conductivities change with the Li activity by orders of magnitude, so a real
    profile bends where this one is straight. Under current the ionic drop comes on top.
    """
    _check(coating, electrolyte, cathode_v, anode_v)
    if n_points < 2:
        raise InputError(f"n_points {n_points} is too few; give at least 2")
    total = coating.resistance_ohm_cm2 + electrolyte.resistance_ohm_cm2
    share = coating.resistance_ohm_cm2 / total
    drop = cathode_v - anode_v
    boundary = cathode_v - share * drop
    steps = [i / (n_points - 1) for i in range(n_points)]
    return ProfileRecord(
        coating=coating,
        electrolyte=electrolyte,
        cathode_v=cathode_v,
        anode_v=anode_v,
        boundary_v=boundary,
        fraction_in_coating=share,
        fraction_in_electrolyte=electrolyte.resistance_ohm_cm2 / total,
        leakage_current_a_cm2=drop / total,
        position_nm=(
            *(s * coating.thickness_nm for s in steps),
            *(coating.thickness_nm + s * electrolyte.thickness_nm for s in steps),
        ),
        potential_v=(
            *(cathode_v + s * (boundary - cathode_v) for s in steps),
            *(boundary + s * (anode_v - boundary) for s in steps),
        ),
    )


def protects(
    coating: Layer,
    electrolyte: Layer,
    cathode_v: float,
    oxidation_limit_v: float,
    anode_v: float = 0.0,
) -> bool:
    """Whether the electrolyte stays at or below its oxidation limit behind the coating.

    Notes
    -----
    The rule in the reviews, "10 nm of coating protect 50 um of electrolyte or less, not 100 um;
    50 nm and more protect 100 um" (electronic leakage 1e-11 S/cm in the electrolyte, 1e-14 in
    the coating), names no limit that could be found. Here the coating takes 1/6, 1/11 and 1/3 of
    the drop in the three cases (ionic conduction far above electronic, anode at 0 V), so the
    rule follows exactly if the oxidation limit lies between 5/6 and 10/11 of the cathode's
    potential: Li7La3Zr2O12 (2.91 V [Zhu2015]_) at LiFePO4 (3.45 V) does, and so does any
    electrolyte with a limit of 3.5 to 3.8 V at a 4.2 V cathode. It does not hold for
    thiophosphates (limit about 2.3 V): they need 87 nm for 100 um at 4.3 V.
    """
    profile = potential_profile(coating, electrolyte, cathode_v, anode_v)
    return profile.boundary_v <= oxidation_limit_v + 1e-12


def required_thickness(
    coating: Layer,
    electrolyte: Layer,
    cathode_v: float,
    oxidation_limit_v: float,
    anode_v: float = 0.0,
) -> RequiredThickness:
    """Thinnest coating that protects; the thickness of ``coating`` itself is not used.

    Returns
    -------
    RequiredThickness
        0 nm if the cathode lies within the limit; ``"no_answer"`` if the limit is not above the
        anode's potential.

    Raises
    ------
    InputError
        As :func:`potential_profile`.
    """
    _check(coating, electrolyte, cathode_v, anode_v)
    if cathode_v <= oxidation_limit_v:
        return RequiredThickness(
            thickness_nm=0.0,
            reason=f"the cathode at {cathode_v:g} V does not exceed {oxidation_limit_v:g} V",
        )
    if oxidation_limit_v <= anode_v:
        return RequiredThickness(
            status="no_answer",
            thickness_nm=None,
            reason=f"no coating brings the electrolyte to {oxidation_limit_v:g} V: the anode "
            f"holds it above {anode_v:g} V",
        )
    ratio = (cathode_v - oxidation_limit_v) / (oxidation_limit_v - anode_v)
    resistance = ratio * electrolyte.resistance_ohm_cm2
    return RequiredThickness(thickness_nm=resistance / coating.resistivity_ohm_cm / CM_PER_NM)


def _check(coating: Layer, electrolyte: Layer, cathode_v: float, anode_v: float) -> None:
    for name, layer in (("coating", coating), ("electrolyte", electrolyte)):
        for field in ("thickness_nm", "electronic_s_cm", "ionic_s_cm"):
            value = getattr(layer, field)
            if not 0.0 < value < float("inf"):
                raise InputError(
                    f"{field} of the {name} is {value:g}; give a positive, finite number"
                )
    if not anode_v < cathode_v:
        raise InputError(
            f"the cathode at {cathode_v:g} V is not above the anode at {anode_v:g} V; give the "
            "cathode's potential first"
        )
