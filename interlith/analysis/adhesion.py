"""What holds an interface together: work of adhesion, interface energy, wetting, the weakest joint.

Energies of cells come in, energies per area go out. With one interface between two slabs in a cell
with vacuum, all energies in the same strained in-plane cell,

    W = (E_lower + E_upper - E_joined) / A,
    gamma_interface = gamma_lower + gamma_upper - W,

where the surface energies are means over the two faces of each slab. Strain is kept apart: what
the strained crystals have over the unstrained ones belongs to the layers, not to the interface.

>>> round(work_of_adhesion(-100.0, -101.0, 20.0), 3)
0.801
>>> round(contact_angle(0.8, 0.5).angle_deg)
53
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from interlith.errors import InputError
from interlith.provenance import Provenance
from interlith.records import Record, Status
from interlith.units import ELEMENTARY_CHARGE_C

J_PER_M2 = ELEMENTARY_CHARGE_C * 1e20
"""One eV per square Angstrom in J/m2."""


class ContactAngle(Record):
    """Wetting by Young and Dupre: cos(theta) = W / gamma_liquid - 1.

    ``status`` is ``ok`` between 0 and 180 degrees; a work of adhesion above twice the liquid's
    surface energy wets completely (0 degrees), one below zero not at all (180).
    """

    angle_deg: float
    cosine: float
    regime: str
    liquid_surface_energy_j_m2: float


class Joint(Record):
    """One interface of a cell.

    Attributes
    ----------
    work_of_adhesion_j_m2 : float or None
        With both sides relaxed apart and together; None with a reason.
    rigid_work_j_m2 : float
        Of the atoms as they stand in the joined cell, pulled apart without relaxing.
    interface_energy_j_m2 : float or None
        Without strain energy; None where a bulk or surface energy is missing.
    opened_angstrom : float
        Change of the gap on relaxing.
    """

    lower: str
    upper: str
    status: Status
    reason: str | None = None
    work_of_adhesion_j_m2: float | None
    rigid_work_j_m2: float
    interface_energy_j_m2: float | None = None
    opened_angstrom: float
    height_angstrom: float


class LayerEnergies(Record):
    """One layer: its surface energy in the strained cell and what its strain costs.

    ``cohesion_j_m2`` is twice the surface energy: what it takes to split the layer itself along
    this plane (the mean of its two faces). What is None has a ``reason``.
    """

    region: str
    material: str
    surface_energy_j_m2: float | None
    cohesion_j_m2: float | None
    strain_energy_ev_per_atom: float | None
    strain_energy_j_m2: float | None
    thickness_angstrom: float
    reason: str | None = None


class Weakest(Record):
    """What lets go first: the least work among the joints and the layers' own cohesion.

    The ``note`` names joints and layers that have no number, and may be weaker.
    """

    where: str
    work_j_m2: float
    next_j_m2: float | None
    note: str = (
        "by energy of clean flat cleavage at 0 K; flaws, residual stress and plasticity decide too"
    )


class AdhesionRecord(Record):
    """Result of ``interlith adhesion``.

    Attributes
    ----------
    registry : tuple of (x, y, J/m2)
        Rigid interface energy against the best lateral shift tried.
    corrugation_j_m2 : float or None
        Largest minus smallest of them.
    """

    schema_version: int = 1
    materials: tuple[str, ...]
    status: Status
    reason: str | None = None
    formula: str
    n_atoms: int
    area_angstrom2: float
    joints: tuple[Joint, ...]
    layers: tuple[LayerEnergies, ...]
    weakest: Weakest | None
    contact_angle: ContactAngle | None = None
    registry: tuple[tuple[float, float, float], ...] = ()
    corrugation_j_m2: float | None = None
    calculations: int
    potential: dict[str, object]
    provenance: Provenance


def work_of_adhesion(
    apart_ev: float, joined_ev: float, area_angstrom2: float, interfaces: int = 1
) -> float:
    """Work per area to pull an interface apart, J/m2; positive where the sides attract.

    Parameters
    ----------
    apart_ev : float
        Energies of all parts by themselves, added up.
    joined_ev : float
        Energy of the whole.
    interfaces : int
        That are opened: 2 in a periodic cell without vacuum.

    Raises
    ------
    InputError
        If the area or the number of interfaces is not positive.
    """
    if area_angstrom2 <= 0 or interfaces < 1:
        raise InputError(
            f"an area of {area_angstrom2:g} A^2 with {interfaces} interfaces; both are positive"
        )
    return (apart_ev - joined_ev) / (interfaces * area_angstrom2) * J_PER_M2


def surface_energy(slab_ev: float, bulk_ev: float, area_angstrom2: float) -> float:
    """Mean surface energy of the two faces of a slab, J/m2.

    Parameters
    ----------
    bulk_ev : float
        Energy of as many atoms in the crystal, strained as the slab is.
    """
    if area_angstrom2 <= 0:
        raise InputError(f"an area of {area_angstrom2:g} A^2 is not positive")
    return (slab_ev - bulk_ev) / (2 * area_angstrom2) * J_PER_M2


def interface_energy(
    surface_lower_j_m2: float, surface_upper_j_m2: float, work_j_m2: float
) -> float:
    """Interface energy from the balance with the surfaces (Dupre), J/m2."""
    return surface_lower_j_m2 + surface_upper_j_m2 - work_j_m2


def contact_angle(work_j_m2: float, liquid_surface_energy_j_m2: float) -> ContactAngle:
    """Contact angle of a liquid on a solid from the work of adhesion between them.

    Raises
    ------
    InputError
        If the surface energy is not positive.
    """
    if not liquid_surface_energy_j_m2 > 0:
        raise InputError(
            f"a surface energy of {liquid_surface_energy_j_m2:g} J/m2 is not positive; liquid Li "
            "has about 0.4"
        )
    cosine = work_j_m2 / liquid_surface_energy_j_m2 - 1.0
    held = min(1.0, max(-1.0, cosine))
    regime = "wets completely" if cosine >= 1 else "does not wet" if cosine <= -1 else "partial"
    return ContactAngle(
        angle_deg=math.degrees(math.acos(held)),
        cosine=cosine,
        regime=regime,
        liquid_surface_energy_j_m2=liquid_surface_energy_j_m2,
    )


def weakest(joints: Sequence[Joint], layers: Sequence[LayerEnergies]) -> Weakest | None:
    """The place with the least work; None where no joint has an answer."""
    parted = [
        (one.work_of_adhesion_j_m2 if one.status == "ok" else None,
         f"between {one.lower} and {one.upper}")
        for one in joints
    ]  # fmt: skip
    split = [(one.cohesion_j_m2, f"within {one.region} ({one.material})") for one in layers]
    if all(work is None for work, _ in parted):
        return None
    ranked = sorted((work, where) for work, where in (*parted, *split) if work is not None)
    unknown = [where for work, where in (*parted, *split) if work is None]
    known = Weakest(
        where=ranked[0][1],
        work_j_m2=ranked[0][0],
        next_j_m2=ranked[1][0] if len(ranked) > 1 else None,
    )
    if not unknown:
        return known
    note = f"{known.note}; no number, and maybe weaker: {', '.join(unknown)}"
    return known.model_copy(update={"note": note})
