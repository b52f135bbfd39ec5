"""VASP inputs for every task, all on the Materials Project's PBE settings.

Bulk inputs are pymatgen's ``MPRelaxSet`` and ``MPStaticSet`` as they are, so that MP2020
corrections apply to their energies. Slabs, interfaces, dynamics and bands differ from them only
where they must; potentials, cut-off, Hubbard U and starting moments are the same everywhere, so
that energies of all tasks can be compared.

>>> from pymatgen.core import Lattice, Structure
>>> salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.13), ["Li", "Cl"],
...                                  [[0, 0, 0], [0.5, 0.5, 0.5]])
>>> made = vasp_input_set("cell_relax").get_input_set(salt, potcar_spec=True)
>>> made.incar["ENCUT"], made.incar["ISIF"]
(520.0, 3)
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationError, model_validator
from pymatgen.core import Structure
from pymatgen.io.vasp.inputs import Kpoints
from pymatgen.io.vasp.sets import MPRelaxSet, MPStaticSet, VaspInputSet

from interlith.engines.electronic.settings import Task
from interlith.errors import InputError
from interlith.records import Record

System = Literal["bulk", "slab", "interface"]
Ensemble = Literal["nve", "nvt", "langevin", "npt"]
PREFIX = "vasp"
DISPERSION = "dftd3-bj"
LEAST_VACUUM_ANGSTROM = 6.0
"""An empty stretch along the normal of at least this much is vacuum, and a cell with it a slab."""
STATIC_DENSITY, RELAX_DENSITY = 100, 64
"""k points per A^-3 of reciprocal cell, as in MPStaticSet and MPRelaxSet."""
MD_LENGTH_ANGSTROM = 12.0
"""In dynamics and bands each direction gets k points so that cell length times k reaches this."""
MAGNETIC = frozenset("V Cr Mn Fe Co Ni Cu Mo W Ce Pr Nd Sm Eu Gd Tb".split())


class VaspOptions(Record):
    """What the engine's name may say: ``vasp:{"system": "slab", "normal": 2}``.

    Attributes
    ----------
    normal : int
        Cell vector (0, 1, 2) that crosses the surface or interface.
    dispersion : bool
        D3 with Becke-Johnson damping, for interfaces of weakly bound phases. Bulk and slabs that an
        interface is compared with need it too, and MP2020 corrections belong to energies without.
    incar : dict
        Set last, over everything; None removes a key.
    potcar_functional : str
        PBE is what MP2020 belongs to; with PBE_54 energies are for comparisons of their own.
    potcar_spec : bool
        Write the names of the potentials instead of the potentials: inputs to look at, not to run.
    """

    system: System = "bulk"
    normal: int = Field(default=2, ge=0, le=2)
    dispersion: bool = False
    incar: dict[str, Any] = Field(default_factory=dict)
    potcar_functional: Literal["PBE", "PBE_52", "PBE_54", "PBE_64"] = "PBE"
    potcar_spec: bool = False

    @model_validator(mode="after")
    def _fits(self) -> VaspOptions:
        if self.system == "bulk" and self.normal != 2:
            raise ValueError("normal belongs to slabs and interfaces; say which system it is")
        return self


def read_vasp_options(engine: str) -> VaspOptions:
    """Options of ``vasp`` or ``vasp:{...}``.

    Raises
    ------
    InputError
        If the name is another engine's, or its options are no JSON object or not allowed.
    """
    name, _, text = engine.partition(":")
    if name != PREFIX:
        raise InputError(f"'{engine}' is not VASP; write vasp or vasp:{{...}}")
    try:
        return VaspOptions.model_validate(json.loads(text or "{}"))
    except json.JSONDecodeError as error:
        raise InputError(
            f"the options of '{engine}' are no JSON object ({error}); write "
            'vasp:{"system": "slab"}'
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "options"
        raise InputError(
            f"{where} of '{engine}': {first['msg'].removeprefix('Value error, ')}; allowed are "
            f"{', '.join(VaspOptions.model_fields)}"
        ) from error


def vasp_input_set(
    task: Task,
    options: VaspOptions | None = None,
    *,
    ensemble: Ensemble = "nvt",
    temperature_k: tuple[float, float] = (300.0, 300.0),
    steps: int = 1000,
    timestep_fs: float = 2.0,
    pressure_gpa: float = 0.0,
    friction_per_ps: float = 5.0,
    images: int = 1,
    fmax_ev_per_angstrom: float | None = None,
) -> Any:
    """The input set of a task, a pymatgen ``VaspInputSet``; it gets its structure when written.

    Parameters
    ----------
    ensemble, temperature_k, steps, timestep_fs, pressure_gpa, friction_per_ps
        Of dynamics: set temperature from start to end; the friction is Langevin's.
    images : int
        Between the ends of a band; 0 makes the relaxation of an end, with the band's settings.
    fmax_ev_per_angstrom : float, optional
        Ends a relaxation by forces. Left out, bulk relaxations end as the Materials Project's do
        (ten times the energy tolerance of the electrons), others at 0.03.
    """
    options = options or VaspOptions()
    incar = dict(options.incar)
    if fmax_ev_per_angstrom is not None and task in ("relax", "cell_relax", "neb"):
        incar = {"EDIFFG": -fmax_ev_per_angstrom, **incar}
    common: dict[str, Any] = {
        "user_incar_settings": incar,
        "inherit_incar": False,
        "vdw": DISPERSION if options.dispersion else None,
    }
    if options.potcar_functional != "PBE":
        common["user_potcar_functional"] = options.potcar_functional
    if task == "md":
        return DynamicsSet(
            ensemble=ensemble,
            start_k=temperature_k[0],
            end_k=temperature_k[1],
            steps=steps,
            timestep_fs=timestep_fs,
            pressure_gpa=pressure_gpa,
            friction_per_ps=friction_per_ps,
            **common,
        )
    if task == "neb":
        return BandSet(num_images=images, **common)
    if options.system != "bulk":
        return LayeredSet(task=task, normal=options.normal, **common)
    if task == "static":
        return MPStaticSet(**common)
    if task == "relax":
        common["user_incar_settings"] = {"ISIF": 2, **incar}
    return MPRelaxSet(**common)


@dataclass
class LayeredSet(MPRelaxSet):
    """Slabs and interfaces: fixed cell, dipole correction across vacuum, potential written out.

    Attributes
    ----------
    task : {"static", "relax", "cell_relax"}
        ``cell_relax`` lets the cell change in shape and volume where there is no vacuum; with one
        it moves the atoms alone, since nothing holds the vacuum's width.
    normal : int
        Cell vector across the layers.
    """

    task: str = "relax"
    normal: int = 2

    @property
    def incar_updates(self) -> dict[str, Any]:
        """What differs from MPRelaxSet."""
        structure = self._known()
        vacuum = self.vacuum_angstrom >= LEAST_VACUUM_ANGSTROM
        updates: dict[str, Any] = {
            "ALGO": "Normal",
            "AMIN": 0.01,
            "EDIFF": 1e-5,
            "EDIFFG": -0.03,
            "ISIF": 3 if self.task == "cell_relax" and not vacuum else 2,
            "ISMEAR": 0,
            "LREAL": "Auto" if len(structure) > 16 else False,
            "LVHAR": True,
            "NELM": 200,
            "NELMIN": 6,
            "SIGMA": 0.05,
        }
        if self.task == "static":
            updates |= {"NSW": 0, "IBRION": -1, "LCHARG": True}
        if vacuum:
            updates |= {
                "LDIPOL": True,
                "IDIPOL": self.normal + 1,
                "DIPOL": [round(float(x), 4) for x in _centre(structure)],
            }
        return updates

    @property
    def kpoints_updates(self) -> Any:  # pymatgen takes a mapping or a mesh
        """Gamma-centred, of MP's density in the plane; one point across vacuum."""
        structure = self._known()
        density = STATIC_DENSITY if self.task == "static" else RELAX_DENSITY
        counts = list(_mesh(structure, density))
        if self.vacuum_angstrom >= LEAST_VACUUM_ANGSTROM:
            counts[self.normal] = 1
        return Kpoints.gamma_automatic((counts[0], counts[1], counts[2]))

    @property
    def vacuum_angstrom(self) -> float:
        """Largest empty stretch along the normal."""
        return largest_gap(self._known(), self.normal)

    def _known(self) -> Structure:
        return _structure(self)


@dataclass
class DynamicsSet(MPRelaxSet):
    """Dynamics in a supercell.

    Attributes
    ----------
    ensemble : {"nve", "nvt", "langevin", "npt"}
        Energy kept; Nose-Hoover's thermostat; Langevin's; Langevin's with all six cell
        parameters at constant pressure.
    start_k, end_k : float
        Set temperature, linear in time.
    """

    ensemble: str = "nvt"
    start_k: float = 300.0
    end_k: float = 300.0
    steps: int = 1000
    timestep_fs: float = 2.0
    pressure_gpa: float = 0.0
    friction_per_ps: float = 5.0

    @property
    def incar_updates(self) -> dict[str, Any]:
        """What differs from MPRelaxSet."""
        structure = _structure(self)
        langevin = {
            "MDALGO": 3,
            "ISIF": 2,
            "LANGEVIN_GAMMA": [self.friction_per_ps] * len(structure.composition),
        }
        barostat = {
            "ISIF": 3,
            "LANGEVIN_GAMMA_L": 1,
            "PMASS": 10,
            "PSTRESS": 10 * self.pressure_gpa,
        }
        ensembles: dict[str, dict[str, Any]] = {
            "nve": {"MDALGO": 1, "ANDERSEN_PROB": 0.0, "ISIF": 2},
            "nvt": {"MDALGO": 2, "SMASS": 0, "ISIF": 2},
            "langevin": langevin,
            "npt": {**langevin, **barostat},
        }
        return {
            **ensembles[self.ensemble],
            "EDIFF": max(1e-5, 1e-7 * len(structure)),
            "EDIFFG": None,
            "IBRION": 0,
            "ISMEAR": 0,
            "ISPIN": 2 if _magnetic(structure) else 1,
            "ISYM": 0,
            "LCHARG": False,
            "LORBIT": None,
            "LREAL": "Auto",
            "MAXMIX": 20,
            "NELMIN": 4,
            "NELM": 200,
            "NBLOCK": 1,
            "NSW": self.steps,
            "POTIM": self.timestep_fs,
            "PREC": "Normal",
            "TEBEG": self.start_k,
            "TEEND": self.end_k,
        }

    @property
    def kpoints_updates(self) -> Any:  # pymatgen takes a mapping or a mesh
        """Gamma alone for cells of 12 Angstrom and more."""
        return _by_length(_structure(self))


@dataclass
class BandSet(MPRelaxSet):
    """Nudged elastic bands with the climbing image of the VTST tools.

    Attributes
    ----------
    num_images : int
        Between the ends; atomate2 sets it from the images it has. 0 relaxes an end.
    """

    num_images: int = 1
    climbing: bool = True

    @property
    def incar_updates(self) -> dict[str, Any]:
        """What differs from MPRelaxSet."""
        structure = _structure(self)
        updates: dict[str, Any] = {
            "ALGO": "Normal",
            "EDIFF": 1e-6,
            "EDIFFG": -0.05,
            "IBRION": 2,
            "ISIF": 2,
            "ISMEAR": 0,
            "ISPIN": 2 if _magnetic(structure) else 1,
            "ISYM": 0,
            "LCHARG": False,
            "LORBIT": None,
            "NSW": 200,
        }
        if self.num_images:
            updates |= {"IMAGES": self.num_images, "SPRING": -5, "IBRION": 1}
        if self.num_images and self.climbing:
            updates |= {"LCLIMB": True, "ICHAIN": 0, "IBRION": 3, "POTIM": 0, "IOPT": 1}
        return updates

    @property
    def kpoints_updates(self) -> Any:  # pymatgen takes a mapping or a mesh
        """As in dynamics: bands live in supercells."""
        return _by_length(_structure(self))


def largest_gap(structure: Structure, axis: int) -> float:
    """Largest stretch without atomic centres along a cell vector's normal, Angstrom."""
    heights = np.sort(np.mod(structure.frac_coords[:, axis], 1.0))
    gaps = np.diff(np.append(heights, heights[0] + 1.0))
    others = [structure.lattice.matrix[i] for i in range(3) if i != axis]
    area = float(np.linalg.norm(np.cross(*others)))
    return float(gaps.max()) * structure.volume / area


def _centre(structure: Structure) -> Any:
    """Centre of mass in fractional coordinates, the layers taken whole across the boundary."""
    angles = 2 * np.pi * structure.frac_coords
    masses = np.array([float(site.specie.atomic_mass) for site in structure])[:, None]
    mean = np.arctan2((masses * np.sin(angles)).sum(axis=0), (masses * np.cos(angles)).sum(axis=0))
    return np.mod(np.round(mean / (2 * np.pi), 6), 1.0)


def _mesh(structure: Structure, density: int) -> tuple[int, int, int]:
    a, b, c = Kpoints.automatic_density_by_vol(structure, density, force_gamma=True).kpts[0]
    return int(a), int(b), int(c)


def _by_length(structure: Structure) -> Kpoints:
    a, b, c = (
        max(1, int(np.ceil(MD_LENGTH_ANGSTROM / one - 0.05))) for one in structure.lattice.abc
    )
    return Kpoints.gamma_automatic((a, b, c))


def _magnetic(structure: Structure) -> bool:
    return bool(MAGNETIC & {element.symbol for element in structure.composition}) or any(
        abs(moment or 0) > 1e-3 for moment in structure.site_properties.get("magmom", ())
    )


def _structure(of: VaspInputSet) -> Structure:
    if of.structure is None:
        raise InputError("this input set has no structure yet; give it one")
    return of.structure
