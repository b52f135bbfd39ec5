"""Where each atom of an interface belongs: layer, distance to the nearest interface, mobile or not.

The labels stay with the index of an atom. They sit in the ``site_properties`` of a pymatgen
structure and in the arrays of ASE atoms under the names ``region``,
``interface_distance_angstrom`` and ``mobile``, so that files carry them
(:mod:`interlith.structures.files.formats`) and extxyz trajectories do. ASE's own ``.traj`` files
keep no such arrays: take the labels of the first structure and ``attach`` them to its frames.

>>> from interlith.structures.library import build, load_phase
>>> from interlith.structures.regions import Regions, label
>>> cell = label(build(load_phase("LiCl")), ["coating"] * 8, [0.0])
>>> Regions.of(cell).mask("coating", mobile=True).sum()
np.int64(4)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from interlith.errors import InputError
from interlith.records import Record

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

    AtomsLike = TypeVar("AtomsLike", Structure, Atoms)

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

KEYS = ("region", "interface_distance_angstrom", "mobile")
"""Names of the labels in site properties, arrays and files."""
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]*")
"""What a region may be called: every file format must be able to hold it as one word."""


class RegionSummary(Record):
    """One region in numbers; distances are to the nearest interface plane."""

    name: str
    n_atoms: int
    n_mobile: int
    closest_angstrom: float
    farthest_angstrom: float


@dataclass(frozen=True, eq=False)
class Regions:
    """Labels of all atoms of a structure, in its order.

    Attributes
    ----------
    names : tuple of str
        Layer of each atom ("anode", "electrolyte", "coating", "cathode" or any single word).
    interface_distance_angstrom : (n,)
        To the nearest interface plane, never negative.
    mobile : (n,) bool
        True for the conducting ions, False for the framework.
    """

    names: tuple[str, ...]
    interface_distance_angstrom: FloatArray
    mobile: BoolArray

    def __post_init__(self) -> None:
        """Check that the three belong together.

        Raises
        ------
        InputError
            If lengths differ, a name is not one word, or a distance is negative or not finite.
        """
        names = tuple(str(name) for name in self.names)
        distance = np.array(self.interface_distance_angstrom, dtype=np.float64)
        mobile = np.array(self.mobile, dtype=np.bool_)
        if not distance.shape == mobile.shape == (len(names),):
            raise InputError(
                f"labels of {len(names)} regions, {distance.shape} distances and {mobile.shape} "
                "mobile flags do not belong together; each atom takes one of each"
            )
        for name in set(names):
            if NAME.fullmatch(name) is None:
                raise InputError(
                    f"'{name}' cannot name a region: use one word of letters, digits and _ . + - "
                    "that starts with a letter, such as coating-2"
                )
        if not np.all(np.isfinite(distance)) or np.any(distance < 0):
            raise InputError("distances to the interface must be finite and not negative")
        distance.flags.writeable = mobile.flags.writeable = False
        for key, value in zip(
            ("names", "interface_distance_angstrom", "mobile"),
            (names, distance, mobile),
            strict=True,
        ):
            object.__setattr__(self, key, value)

    def __len__(self) -> int:
        return len(self.names)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Regions):
            return NotImplemented
        return (
            self.names == other.names
            and np.array_equal(self.interface_distance_angstrom, other.interface_distance_angstrom)
            and np.array_equal(self.mobile, other.mobile)
        )

    __hash__ = None  # type: ignore[assignment]  # it holds arrays

    @classmethod
    def of(cls, labelled: Structure | Atoms) -> Regions:
        """Labels that a structure carries.

        Raises
        ------
        InputError
            If it carries none, or not for every atom.
        """
        found = _properties(labelled)
        missing = [key for key in KEYS if found.get(key) is None]
        if missing:
            raise InputError(
                f"the structure has no region labels ({', '.join(missing)} missing); build it with "
                "`interlith build interface`, or label it with interlith.structures.regions.label"
            )
        values = {key: list(found[key]) for key in KEYS}
        unlabelled = sum(
            any(value is None for value in row) for row in zip(*values.values(), strict=True)
        )
        if unlabelled:
            raise InputError(
                f"{unlabelled} of {len(values['region'])} atoms have no region label; label all"
            )
        return cls(*(values[key] for key in KEYS))  # type: ignore[arg-type]  # made fit above

    def attach(self, structure: AtomsLike) -> AtomsLike:
        """Copy of a structure with these labels, in the order of its atoms.

        Raises
        ------
        InputError
            If the number of atoms is another.
        """
        if len(structure) != len(self):
            raise InputError(
                f"labels of {len(self)} atoms do not fit a structure of {len(structure)}; labels "
                "go by the index of an atom, which must stay the same"
            )
        labelled: Any = structure.copy()
        values: tuple[list[Any], ...] = (
            list(self.names),
            self.interface_distance_angstrom.tolist(),
            self.mobile.tolist(),
        )
        for key, value in zip(KEYS, values, strict=True):
            if hasattr(labelled, "arrays"):
                labelled.set_array(key, np.array(value))
            else:
                labelled.add_site_property(key, value)
        attached: AtomsLike = labelled
        return attached

    def mask(
        self,
        name: str | None = None,
        within_angstrom: float | None = None,
        beyond_angstrom: float | None = None,
        mobile: bool | None = None,
    ) -> BoolArray:
        """Atoms that meet every condition given.

        Parameters
        ----------
        name : str, optional
            Region.
        within_angstrom, beyond_angstrom : float, optional
            Distance to the nearest interface: at most, more than.
        mobile : bool, optional
            Conducting ions (True) or framework (False).

        Returns
        -------
        (n,) bool

        Raises
        ------
        InputError
            If no atom is in the region, or a distance is negative.
        """
        chosen = np.ones(len(self), dtype=np.bool_)
        if name is not None:
            chosen &= np.array([one == name for one in self.names], dtype=np.bool_)
            if not chosen.any():
                known = ", ".join(dict.fromkeys(self.names)) or "none"
                raise InputError(f"no atom is in the region '{name}'; there are {known}")
        for limit in (within_angstrom, beyond_angstrom):
            if limit is not None and not limit >= 0:
                raise InputError(f"a distance to the interface of {limit} Angstrom is negative")
        if within_angstrom is not None:
            chosen &= self.interface_distance_angstrom <= within_angstrom
        if beyond_angstrom is not None:
            chosen &= self.interface_distance_angstrom > beyond_angstrom
        if mobile is not None:
            chosen &= self.mobile == mobile
        return chosen

    def rows(self) -> list[tuple[str, float, bool]]:
        """Name, distance and mobile flag of each atom, as plain values."""
        distance = self.interface_distance_angstrom.tolist()
        return list(zip(self.names, distance, self.mobile.tolist(), strict=True))

    def summary(self) -> tuple[RegionSummary, ...]:
        """Each region in numbers, in the order in which the atoms name them."""
        rows = []
        for name in dict.fromkeys(self.names):
            inside = self.mask(name)
            distance = self.interface_distance_angstrom[inside]
            rows.append(
                RegionSummary(
                    name=name,
                    n_atoms=int(inside.sum()),
                    n_mobile=int(self.mobile[inside].sum()),
                    closest_angstrom=float(distance.min()),
                    farthest_angstrom=float(distance.max()),
                )
            )
        return tuple(rows)


def has_regions(structure: Structure | Atoms) -> bool:
    """Whether a structure carries region labels (whole or in part)."""
    return any(_properties(structure).get(key) is not None for key in KEYS)


def label(
    structure: AtomsLike,
    layer_of_atom: Sequence[str],
    interface_heights_angstrom: Sequence[float],
    mobile_elements: Sequence[str] = ("Li",),
    *,
    periodic: bool | None = None,
) -> AtomsLike:
    """Label every atom with its layer, its distance to the nearest interface and its role.

    Parameters
    ----------
    structure : Structure or Atoms
        With the interfaces parallel to a and b.
    layer_of_atom : sequence of str
        Name of the layer of each atom.
    interface_heights_angstrom : sequence of float
        Heights of the interface planes above the origin, along the normal of a and b.
    mobile_elements : sequence of str
        Elements of the conducting ions.
    periodic : bool, optional
        Whether the stacking goes on above and below the cell; by default what the cell says. Give
        False where vacuum parts the images.

    Returns
    -------
    Structure or Atoms
        A labelled copy.

    Raises
    ------
    InputError
        If a name, a height or an element is unusable, or a layer is not given for every atom.
    """
    from pymatgen.core import Element

    unknown = [one for one in mobile_elements if not Element.is_valid_symbol(one)]
    if unknown:
        raise InputError(f"no element is called {', '.join(unknown)}; write symbols such as Li")
    if len(layer_of_atom) != len(structure):
        raise InputError(
            f"{len(layer_of_atom)} layer names for {len(structure)} atoms; each atom takes one"
        )
    cell, positions, elements, goes_on = _geometry(structure)
    regions = Regions(
        tuple(layer_of_atom),
        distances(
            positions,
            cell,
            interface_heights_angstrom,
            periodic=goes_on if periodic is None else periodic,
        ),
        np.array([bool(found & set(mobile_elements)) for found in elements], dtype=np.bool_),
    )
    return regions.attach(structure)


def distances(
    positions: npt.ArrayLike,
    cell: npt.ArrayLike,
    interface_heights_angstrom: Sequence[float],
    *,
    periodic: bool = True,
) -> FloatArray:
    """Distances to the nearest interface plane, for one frame or several.

    Parameters
    ----------
    positions : (..., n, 3)
        Angstrom; wrapped or not.
    cell : (3, 3) or (..., 3, 3)
        Rows a, b, c in Angstrom; planes are parallel to a and b.
    interface_heights_angstrom : sequence of float
        Heights of the planes above the origin, along the normal of a and b, on the side of c.
    periodic : bool
        Whether the planes repeat with the cell along the normal.

    Returns
    -------
    (..., n)
        Angstrom, not negative; at most half the period where periodic.

    Raises
    ------
    InputError
        If there is no plane, or the cell is flat.
    """
    heights = np.asarray(interface_heights_angstrom, dtype=np.float64)
    if heights.ndim != 1 or heights.size == 0 or not np.all(np.isfinite(heights)):
        raise InputError("give the height of at least one interface plane, in Angstrom")
    rows = np.asarray(cell, dtype=np.float64)
    normal = np.cross(rows[..., 0, :], rows[..., 1, :])
    area = np.linalg.norm(normal, axis=-1)
    volume = np.einsum("...i,...i", normal, rows[..., 2, :])
    if np.any(np.abs(volume) < 1e-9):
        raise InputError("the cell has no volume; its rows a, b, c must not lie in one plane")
    normal = normal * (np.sign(volume) / area)[..., None]
    height = np.einsum("...ni,...i->...n", np.asarray(positions, dtype=np.float64), normal)
    away = height[..., None] - heights
    if periodic:
        period = (np.abs(volume) / area)[..., None, None]
        away = away - period * np.round(away / period)
    nearest: FloatArray = np.abs(away).min(axis=-1)
    return nearest


def _geometry(structure: Any) -> tuple[FloatArray, FloatArray, list[set[str]], bool]:
    """Cell, positions, elements of each site, and whether the cell repeats along c."""
    if hasattr(structure, "arrays"):
        elements = [{symbol} for symbol in structure.get_chemical_symbols()]
        return structure.cell.array, structure.positions, elements, bool(structure.pbc[2])
    lattice = structure.lattice
    elements = [{element.symbol for element in site.species} for site in structure]
    return lattice.matrix, structure.cart_coords, elements, bool(lattice.pbc[2])


def _properties(structure: Any) -> dict[str, Any]:
    if hasattr(structure, "arrays"):
        return dict(structure.arrays)
    return dict(structure.site_properties)
