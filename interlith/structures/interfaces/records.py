"""What a search for interfaces or a stack says in JSON: cells, and why others were dropped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from interlith.provenance import Provenance
from interlith.records import Record
from interlith.structures.interfaces.strain import biot_strain, principal_strains, von_mises
from interlith.structures.surfaces.records import CutRecord, cut_facts

if TYPE_CHECKING:
    from interlith.structures.interfaces.assembly import Joint, Layer
    from interlith.structures.interfaces.search import Candidate, InterfaceSearch
    from interlith.structures.interfaces.stacks import Stack

Value = TypeVar("Value")
Triple = tuple[float, float, float]
Matrix = tuple[Triple, Triple, Triple]


class Pair(Record, Generic[Value]):
    """One value for each side of an interface."""

    a: Value
    b: Value


class StrainRecord(Record):
    """Strain of both sides.

    Attributes
    ----------
    a, b : float
        Principal in-plane strain of largest size, with its sign.
    von_mises : float
        The larger equivalent strain of the two sides.
    components : Pair
        Biot strain (exx, eyy, exy) in the cell's axes.
    """

    a: float
    b: float
    von_mises: float
    components: Pair[Triple]


class DropRecord(Record):
    """Why some of what was considered was not kept."""

    reason: str
    count: int


class JointRecord(Record):
    """How a layer sits on the one below."""

    shift_angstrom: tuple[float, float]
    gap_angstrom: float
    energy_ev: float | None = None


class LayerRecord(CutRecord):
    """One layer of a cell.

    Attributes
    ----------
    strain : tuple
        In-plane Biot strain (exx, eyy, exy) in the cell's axes.
    deformation : (3, 3)
        Gradient from the slab's frame to the cell's.
    """

    region: str
    material: str
    n_atoms: int
    flipped: bool
    supercell: tuple[tuple[int, int], tuple[int, int]]
    strain: Triple
    deformation: Matrix


class CandidateRecord(Record):
    """One interface, as built.

    Attributes
    ----------
    equal_interfaces : bool
        The two interfaces of a periodic cell are images of each other.
    on_front : bool
        On the Pareto front of strain, area and atom count of all that was considered.
    """

    file: str | None
    files: dict[str, str]
    formula: str
    n_atoms: int
    area_angstrom2: float
    miller: Pair[tuple[int, int, int]]
    strain: StrainRecord
    termination: Pair[str]
    excess: Pair[dict[str, float]]
    min_distance_ratio: float
    closest_pair: str
    energy_ev: float | None
    relaxed: bool
    periodic: bool
    equal_interfaces: bool
    on_front: bool
    layers: tuple[LayerRecord, ...]
    joints: tuple[JointRecord, ...]
    registries: tuple[JointRecord, ...]
    interface_heights_angstrom: tuple[float, ...]


class SearchRecord(Record):
    """Result of ``interlith build interface``.

    Attributes
    ----------
    strain_sharing : str
        What the split of the misfit between the two sides rests on.
    potential : dict or None
        Identity of what gave the energies; None where there are none.
    """

    schema_version: int = 1
    a: str
    b: str
    candidates: tuple[CandidateRecord, ...]
    considered: int
    dropped: tuple[DropRecord, ...]
    strain_sharing: str
    options: dict[str, object]
    potential: dict[str, object] | None
    provenance: Provenance


class StackRecord(Record):
    """Result of ``interlith build stack``."""

    schema_version: int = 1
    file: str | None
    files: dict[str, str]
    formula: str
    n_atoms: int
    area_angstrom2: float
    largest_strain: float
    min_distance_ratio: float
    closest_pair: str
    periodic: bool
    layers: tuple[LayerRecord, ...]
    joints: tuple[JointRecord, ...]
    interface_heights_angstrom: tuple[float, ...]
    considered: int
    dropped: tuple[DropRecord, ...]
    options: dict[str, object]
    provenance: Provenance


def search_record(
    search: InterfaceSearch,
    files: list[dict[str, str]],
    provenance: Provenance,
    potential: dict[str, object] | None = None,
) -> SearchRecord:
    """The record of a search; ``files`` has one mapping of format to path per candidate."""
    first = search.candidates[0]
    return SearchRecord(
        a=first.layers[0].material,
        b=first.layers[1].material,
        candidates=tuple(
            candidate_record(one, paths)
            for one, paths in zip(search.candidates, files, strict=True)
        ),
        considered=search.considered,
        dropped=drop_records(search.dropped),
        strain_sharing=first.plan.share.basis,
        options=search.options.model_dump(mode="json"),
        potential=potential,
        provenance=provenance,
    )


def candidate_record(candidate: Candidate, files: dict[str, str]) -> CandidateRecord:
    """The record of one interface."""
    layers = tuple(layer_record(layer) for layer in candidate.layers)
    low, high = layers
    return CandidateRecord(
        file=next(iter(files.values()), None),
        files=files,
        formula=candidate.structure.composition.formula.replace(" ", ""),
        n_atoms=len(candidate.structure),
        area_angstrom2=_rounded(candidate.plan.match.area_angstrom2),
        miller=Pair(a=low.miller, b=high.miller),
        strain=StrainRecord(
            a=_largest(low.strain),
            b=_largest(high.strain),
            von_mises=_rounded(max(von_mises(low.strain), von_mises(high.strain))),
            components=Pair(a=low.strain, b=high.strain),
        ),
        termination=Pair(a=low.termination, b=high.termination),
        excess=Pair(a=low.excess_per_nm2, b=high.excess_per_nm2),
        min_distance_ratio=_rounded(candidate.min_distance_ratio),
        closest_pair=candidate.closest_pair,
        energy_ev=candidate.energy_ev,
        relaxed=candidate.relaxed,
        periodic=len(candidate.joints) == len(candidate.layers),
        equal_interfaces=candidate.equal_interfaces,
        on_front=candidate.plan.on_front,
        layers=layers,
        joints=tuple(joint_record(joint) for joint in candidate.joints),
        registries=tuple(joint_record(r.joint, r.energy_ev) for r in candidate.registries),
        interface_heights_angstrom=tuple(_rounded(z) for z in candidate.interface_heights),
    )


def stack_record(
    stack: Stack, files: dict[str, str], options: dict[str, object], provenance: Provenance
) -> StackRecord:
    """The record of a stack."""
    return StackRecord(
        file=next(iter(files.values()), None),
        files=files,
        formula=stack.structure.composition.formula.replace(" ", ""),
        n_atoms=len(stack.structure),
        area_angstrom2=_rounded(abs(float(np.linalg.det(stack.cell)))),
        largest_strain=_rounded(stack.largest_strain),
        min_distance_ratio=_rounded(stack.min_distance_ratio),
        closest_pair=stack.closest_pair,
        periodic=len(stack.joints) == len(stack.layers),
        layers=tuple(layer_record(layer) for layer in stack.layers),
        joints=tuple(joint_record(joint) for joint in stack.joints),
        interface_heights_angstrom=tuple(_rounded(z) for z in stack.interface_heights),
        considered=stack.considered,
        dropped=drop_records(stack.dropped),
        options=options,
        provenance=provenance,
    )


def layer_record(layer: Layer) -> LayerRecord:
    """The record of one layer."""
    slab = layer.slab
    x, y, xy = biot_strain(layer.deformation[:2, :2])
    (a, b), (c, d) = (map(int, row) for row in layer.supercell)
    facts = cut_facts(slab) | {"thickness_angstrom": _rounded(layer.thickness)}
    return LayerRecord(
        **facts,
        region=layer.name,
        material=layer.material,
        n_atoms=len(layer.symbols),
        flipped=layer.flipped,
        supercell=((a, b), (c, d)),
        strain=(_rounded(x), _rounded(y), _rounded(xy)),
        deformation=_matrix(layer.deformation),
    )


def joint_record(joint: Joint, energy_ev: float | None = None) -> JointRecord:
    """The record of one joint."""
    x, y = (_rounded(value) for value in joint.shift)
    return JointRecord(shift_angstrom=(x, y), gap_angstrom=_rounded(joint.gap), energy_ev=energy_ev)


def drop_records(dropped: Mapping[str, int]) -> tuple[DropRecord, ...]:
    """Reasons, the most frequent first."""
    ranked = sorted(dropped.items(), key=lambda item: (-item[1], item[0]))
    return tuple(DropRecord(reason=reason, count=count) for reason, count in ranked if count)


def _largest(strain: Triple) -> float:
    return _rounded(max(principal_strains(strain), key=abs))


def _matrix(values: npt.NDArray[np.float64]) -> Matrix:
    first, second, third = (
        (float(row[0]), float(row[1]), float(row[2])) for row in np.round(values, 10) + 0.0
    )
    return first, second, third


def _rounded(value: float) -> float:
    return round(float(value), 6) + 0.0
