"""DFT settings by task and chemistry: one object that GPAW and the VASP inputs both read.

Everything that decides an energy stands in :class:`DftSettings`; two energies with the same
``cutoff_ev``, functional and U scheme may meet in one hull. What was measured for each choice is
in ``docs/dft.md``.

>>> from ase.build import bulk
>>> from interlith.engines.electronic.settings import settings_for
>>> lithium = settings_for(bulk("Li", "bcc", a=3.44), "cell_relax")
>>> lithium.kpoints, lithium.smearing, lithium.spin_polarised
((13, 13, 13), 'fermi-dirac', False)
"""

from __future__ import annotations

from collections import Counter
from math import ceil, isfinite, pi
from numbers import Real
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from interlith.engines.electronic.hubbard import hubbard_u
from interlith.engines.electronic.magnetism import Order, starting_moments
from interlith.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import numpy.typing as npt
    from ase import Atoms

Task = Literal["static", "relax", "cell_relax", "md", "neb"]
Bonding = Literal["metal", "insulator", "unknown"]
Smearing = Literal["fermi-dirac", "methfessel-paxton", "marzari-vanderbilt", "fixed"]
Eigensolver = Literal["ppcg", "davidson", "rmm-diis", "etdm-fdpw"]
Points = Annotated[int, Field(ge=1)]

TASKS: tuple[Task, ...] = ("static", "relax", "cell_relax", "md", "neb")
FOR_HULLS = ("static", "relax", "cell_relax")
HARD_ELEMENTS = frozenset("N O F Sc Ti V Cr Mn Fe Co Ni Cu Zn".split())
CUTOFF_EV = {"hard": 800.0, "soft": 600.0}
DYNAMICS_CUTOFF_EV = {"hard": 600.0, "soft": 400.0}
LOWEST_CUTOFF_EV = {"hard": 500.0, "soft": 300.0}
"""Below these the energy is off by more than 0.1 eV an atom and the stress by 20 GPa (O, Co)."""
DENSITY = {"metal": 5.0, "unknown": 3.5, "insulator": 2.5}
DYNAMICS_DENSITY = {"metal": 3.0, "unknown": 2.0, "insulator": 1.5}
OWN_DATASETS = {"Li": "3", "P": "5", "S": "6"}
"""For energies that may enter a hull; dynamics and NEB take GPAW's own.

With GPAW's 1-electron Li, Li2O comes out 34 meV/atom too high: ``docs/dft.md``.
"""
SMEARING_EV = {"metal": 0.1, "unknown": 0.05, "insulator": 0.05}
NONMETALS = frozenset("H He B C N O F Ne Si P S Cl Ar Ge As Se Br Kr Sb Te I Xe".split())
INSULATING_ANIONS = frozenset("O F Cl Br I S".split())
GIVES = {"Li": 1, "Na": 1, "K": 1, "Rb": 1, "Cs": 1, "Mg": 2, "Ca": 2, "Sr": 2, "Ba": 2}
TAKES = {"H": 1, "F": 1, "Cl": 1, "Br": 1, "I": 1, "O": 2, "S": 2, "Se": 2, "Te": 2,
         "N": 3, "P": 3, "As": 3, "Sb": 3, "He": 0, "Ne": 0, "Ar": 0, "Kr": 0, "Xe": 0}  # fmt: skip
"""Electrons that an atom gives or takes at most; nonmetals that are not named take 4."""
OPEN_D = frozenset("Ti V Cr Mn Fe Co Ni Cu Nb Mo Ta W Re Ru Rh Pd Ir Pt".split())
MIXERS = ("msr1", "pulay", "multi", "no-mixing")
"""GPAW's names."""


class DftSettings(BaseModel):
    """How one structure is computed; frozen, unknown names refused.

    Attributes
    ----------
    cutoff_ev : float
        Of the plane waves.
    kpoints : tuple of int
        Gamma-centred grid along the reciprocal vectors.
    kpoint_density_angstrom : float
        The density that ``kpoints`` came from: points per (1/Angstrom) of reciprocal length
        including 2 pi, ASE's convention.
    bonding : {"metal", "insulator", "unknown"}
        What the elements suggest; decides k points and smearing.
    magnetic_moments : tuple of float
        Starting moment of each atom, Bohr magnetons; all zero without spin.
    datasets : dict
        Tag by element of PAW datasets that come with this package instead of with GPAW, such as
        ``{"Li": "3"}`` (GPAW only; see :mod:`interlith.engines.electronic.datasets`).
    hubbard_u_ev : dict
        Effective U on the d shell by element.
    hubbard_scaled : bool
        Divide the d occupations by the partial wave's norm in its sphere (GPAW only).
    smearing_ev : float
        Width of the occupation function; the energy is extrapolated to zero width.
    symmetry : bool
        Use the crystal's symmetry; off where atoms move freely.
    energy_tolerance_ev, density_tolerance, eigenstates_tolerance : float
        When the SCF has converged, per valence electron (the last in eV^2).
    dispersion : str or None
        ``"d3"``: Grimme's D3 with Becke-Johnson damping.
    dipole_correction : bool
        Along the third axis, for slabs with vacuum; one k point there.
    scf_steps : int
        The most SCF iterations.
    mixer : dict or None
        GPAW's mixer, its ``name`` one of ``MIXERS``; GPAW's own default where None.
    eigensolver : str or None
        GPAW's eigensolver; its own default where None.
    ranks : int
        MPI processes of the calculation.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    task: Task = "static"
    xc: Literal["PBE"] = "PBE"
    cutoff_ev: float = Field(gt=0)
    kpoints: tuple[Points, Points, Points]
    kpoint_density_angstrom: float = Field(gt=0)
    bonding: Bonding = "unknown"
    spin_polarised: bool = False
    magnetic_order: Order = "ferromagnetic"
    magnetic_moments: tuple[float, ...] = ()
    datasets: dict[str, str] = Field(default_factory=dict)
    hubbard_u_ev: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    hubbard_scaled: bool = False
    smearing: Smearing = "fermi-dirac"
    smearing_ev: float = Field(ge=0)
    symmetry: bool = True
    charge: float = 0.0
    energy_tolerance_ev: float = Field(default=5e-4, gt=0)
    density_tolerance: float = Field(default=1e-4, gt=0)
    eigenstates_tolerance: float = Field(default=4e-8, gt=0)
    dispersion: Literal["d3"] | None = None
    dipole_correction: bool = False
    scf_steps: int = Field(default=150, ge=1)
    mixer: dict[str, Any] | None = None
    eigensolver: Eigensolver | None = None
    ranks: int = Field(default=1, ge=1)

    @field_validator("mixer")
    @classmethod
    def _known_mixer(cls, mixer: dict[str, Any] | None) -> dict[str, Any] | None:
        name = None if mixer is None else mixer.get("name", mixer.get("backend"))
        if name is not None and name not in MIXERS:
            raise ValueError(f"no mixer has this name; there are {', '.join(MIXERS)}")
        return mixer


def settings_for(atoms: Atoms, task: Task = "static", **overrides: Any) -> DftSettings:
    """Settings for a structure and a task.

    Parameters
    ----------
    atoms : Atoms
        Magnetic moments that it carries are used as starting moments.
    overrides
        Fields of :class:`DftSettings` that shall differ, but not the task.
        ``kpoint_density_angstrom`` gives another grid, ``kpoints`` the grid itself,
        ``spin_polarised=False`` drops the moments.

    Raises
    ------
    InputError
        If an override is no field or has a value that is not allowed.
    """
    if task not in TASKS:
        raise InputError(f"no DFT task is called '{task}'; there are {', '.join(TASKS)}")
    elements = set(atoms.get_chemical_symbols())
    chosen = bonding(atoms.get_chemical_symbols())
    dynamic = task not in FOR_HULLS
    hardness = "hard" if elements & HARD_ELEMENTS else "soft"
    by_bonding = DYNAMICS_DENSITY if dynamic else DENSITY
    density = _density(overrides.get("kpoint_density_angstrom", by_bonding[chosen]))
    order = overrides.get("magnetic_order", "ferromagnetic")
    values: dict[str, Any] = {
        "task": task,
        "cutoff_ev": (DYNAMICS_CUTOFF_EV if dynamic else CUTOFF_EV)[hardness],
        "kpoint_density_angstrom": density,
        "kpoints": grid(atoms, density),
        "bonding": chosen,
        "datasets": {} if dynamic else own_datasets(elements),
        "hubbard_u_ev": hubbard_u(elements),
        "smearing_ev": SMEARING_EV[chosen],
        "symmetry": not dynamic,
        **_moments(atoms, order, overrides),
    }
    try:
        made = DftSettings(**{**values, **overrides})
    except ValidationError as error:
        raise InputError(_first_problem(error)) from error
    if made.dipole_correction and "kpoints" not in overrides:
        made = made.model_copy(update={"kpoints": (*made.kpoints[:2], 1)})
    return made


def _density(value: Any) -> float:
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not isfinite(value) or value <= 0:
        raise InputError(
            f"DFT setting 'kpoint_density_angstrom': {value!r} is no positive number; give the "
            f"points per 1/Angstrom, such as {DENSITY['insulator']:g}"
        )
    return float(value)


def _first_problem(error: ValidationError) -> str:
    """What came and what is allowed, of the first setting that is wrong."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = ", ".join(DftSettings.model_fields)
        return f"no DFT setting is called '{where}'; there are {known}"
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"DFT setting '{where}' is {first['input']!r}: {message}"


def _moments(atoms: Atoms, order: Order, overrides: dict[str, Any]) -> dict[str, Any]:
    if overrides.get("spin_polarised") is False:
        return {"magnetic_moments": ()}
    moments = starting_moments(atoms, order)
    odd = sum(atoms.numbers) % 2 == 1 and bonding(atoms.get_chemical_symbols()) != "metal"
    if odd and not any(moments):
        moments = (1.0 / len(atoms),) * len(atoms)  # one unpaired electron, found where it likes
    spin = bool(overrides.get("spin_polarised")) or any(moments)
    return {"spin_polarised": spin, "magnetic_moments": moments if spin else ()}


def bonding(symbols: Iterable[str]) -> Bonding:
    """Metal, insulator or unknown, by the composition alone.

    Metals have no nonmetal in them, or more lithium and other s metals than its nonmetals can
    take electrons from: an electrode in contact with an electrolyte. Salts of halogens, oxygen
    and sulfur are insulators unless an open d shell may close the gap; everything else is unknown
    and gets a grid between the two.

    Parameters
    ----------
    symbols : iterable of str
        The element of each atom.
    """
    counts = Counter(symbols)
    present = set(counts)
    if not present & NONMETALS or _electrons_left(counts) > 0:
        return "metal"
    if present & INSULATING_ANIONS and not present & OPEN_D:
        return "insulator"
    if present <= NONMETALS:
        return "insulator"
    return "unknown"


def own_datasets(elements: Iterable[str]) -> dict[str, str]:
    """Tags of this package's PAW datasets for those of the elements that have one."""
    present = set(elements)
    return {element: tag for element, tag in OWN_DATASETS.items() if element in present}


def _electrons_left(counts: Counter[str]) -> int:
    """What s metals give beyond what the nonmetals can take; other metals give and take nothing."""
    given = sum(number * GIVES.get(element, 0) for element, number in counts.items())
    taken = sum(number * TAKES.get(element, 4) for element, number in counts.items()
                if element in NONMETALS)  # fmt: skip
    return given - taken


def grid(atoms: Atoms, density: float) -> tuple[int, int, int]:
    """Gamma-centred grid with at least ``density`` points per 1/Angstrom; 1 along vacuum."""
    lengths = reciprocal_lengths(atoms)
    counts = [
        max(1, ceil(length * density - 1e-9)) if periodic else 1
        for length, periodic in zip(lengths, atoms.pbc, strict=True)
    ]
    return counts[0], counts[1], counts[2]


def reciprocal_lengths(atoms: Atoms) -> npt.NDArray[np.float64]:
    """Lengths of the reciprocal vectors including 2 pi, 1/Angstrom."""
    import numpy as np

    vectors = 2 * pi * atoms.cell.reciprocal().array
    return np.asarray(np.linalg.norm(vectors, axis=1))


def lowest_cutoff_ev(elements: Iterable[str]) -> float:
    """The cut-off below which the datasets of these elements are not described."""
    return LOWEST_CUTOFF_EV["hard" if set(elements) & HARD_ELEMENTS else "soft"]
