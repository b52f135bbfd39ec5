"""Energy corrections of raw PBE: which atoms of a phase each scheme corrects, and by how much.

A phase keeps only counts (how many of its O atoms are oxide, how many of its S atoms sulfide);
a scheme turns counts into an energy. The numbers are read from pymatgen's own files
[Wang2021]_, so none is typed twice.

>>> from interlith.analysis.corrections import schemes_from_pymatgen, correction_energy
>>> scheme = schemes_from_pymatgen()["MP2020"]
>>> correction_energy(scheme, {"Li": 2, "S": 1}, {"sulfide": 1})
-0.503
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any

from interlith.errors import InputError
from interlith.records import Record

if TYPE_CHECKING:
    from pymatgen.core import Structure

ANIONS = ("Br", "I", "Se", "Si", "Sb", "Te", "H", "N", "F", "Cl")
"""Elements that MP2020 corrects where they are anions (O and S have rules of their own)."""
MIXING_METALS = ("V", "Cr", "Mn", "Fe", "Co", "Ni", "W", "Mo")
MIXING_ANIONS = ("O", "F")
OXIDE_CLASSES = ("oxide", "peroxide", "superoxide", "ozonide")
_ALL = "every "
_OXIDE_CUTOFF = 1.05
_UNCORRECTED_IN_2015 = ("S", "Br", "I", "Se", "Si", "Sb", "Te")
_LEGACY_GASES = {"N2": "N", "F2": "F", "Cl2": "Cl", "H2": "H"}


class Correction(Record):
    """One correction of a scheme.

    Attributes
    ----------
    classes : tuple of str
        The classes of atoms it is put on: those of :func:`correction_counts`, or ``"every N"``
        for all atoms of an element in compounds.
    """

    name: str
    ev_per_atom: float
    sigma_ev: float = 0.0
    classes: tuple[str, ...]

    def atoms(self, composition: Mapping[str, float], counts: Mapping[str, float]) -> float:
        """Corrected atoms in the formula that ``composition`` and ``counts`` describe."""
        return sum(
            composition.get(name.removeprefix(_ALL), 0.0)
            if name.startswith(_ALL)
            else counts.get(name, 0.0)
            for name in self.classes
        )


def correction_energy(
    scheme: Iterable[Correction], composition: Mapping[str, float], counts: Mapping[str, float]
) -> float:
    """Correction in eV for the formula; elements are never corrected."""
    if len(composition) < 2:
        return 0.0
    return sum(one.ev_per_atom * one.atoms(composition, counts) for one in scheme)


def correction_counts(
    structure: Structure, oxidation_states: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Atoms of each correction class in the structure's reduced formula, decided as MP does.

    Parameters
    ----------
    structure : Structure
        Relaxed atoms: O-O and S-S distances tell peroxides and polysulfides.
    oxidation_states : dict, optional
        Average state per element; guessed from the composition if not given.

    Notes
    -----
    Follows ``MaterialsProject2020Compatibility.get_adjustments``: an element is an anion if its
    state is negative or if it is the most electronegative; a transition metal is corrected when
    O or F is the most electronegative element.
    """
    composition = structure.composition.reduced_composition
    amounts = {str(e): float(n) for e, n in composition.get_el_amt_dict().items()}
    if len(amounts) < 2:
        return {}
    strongest = max(composition.elements, key=lambda element: element.X).symbol
    states = oxidation_states or _guessed_states(structure)
    counts = {}
    if "S" in amounts:
        counts[_sulfur_class(structure)] = amounts["S"]
    if "O" in amounts:
        counts[_oxygen_class(structure)] = amounts["O"]
    for anion in ANIONS:
        if anion in amounts and (states.get(anion, 0.0) < 0 or anion == strongest):
            counts[anion] = amounts[anion]
    if strongest in MIXING_ANIONS:
        counts |= {f"{m} in {strongest}": amounts[m] for m in MIXING_METALS if m in amounts}
    return counts


def _guessed_states(structure: Structure) -> dict[str, float]:
    try:
        guesses = structure.composition.oxi_state_guesses(max_sites=-20)
    except ValueError:
        return {}
    return dict(guesses[0]) if guesses else {}


def _oxygen_class(structure: Structure) -> str:
    from pymatgen.analysis.structure_analyzer import oxide_type

    found = oxide_type(structure, _OXIDE_CUTOFF)
    return found if found in OXIDE_CLASSES else "oxide"


def _sulfur_class(structure: Structure) -> str:
    from pymatgen.analysis.structure_analyzer import sulfide_type

    return sulfide_type(structure) or "oxidised S"


def schemes_from_pymatgen() -> dict[str, tuple[Correction, ...]]:
    """Every scheme by name, with the numbers of the installed pymatgen.

    ``none``: raw PBE. ``MP2020``: Materials Project since 2021. ``zhu2015``: MP2020 without the
    elements that had no correction when the windows of 2015 were computed (S, Br, I and the
    semimetals) [Zhu2015]_. ``MP2018``: the legacy scheme of the 2019 ground-state set, only for
    comparison with it.
    """
    modern = _modern(_pymatgen_file("MP2020Compatibility.yaml"))
    return {
        "none": (),
        "MP2020": modern,
        "zhu2015": tuple(one for one in modern if one.name not in _UNCORRECTED_IN_2015),
        "MP2018": _legacy(_pymatgen_file("MPCompatibility.yaml")),
    }


def choose_scheme(
    schemes: Mapping[str, tuple[Correction, ...]], name: str
) -> tuple[Correction, ...]:
    """One scheme by name.

    Raises
    ------
    InputError
        If there is none of this name.
    """
    if name not in schemes:
        raise InputError(
            f"no correction scheme is called '{name}'; --scheme takes {', '.join(schemes)}"
        )
    return schemes[name]


def _pymatgen_file(name: str) -> dict[str, Any]:
    import yaml

    text = resources.files("pymatgen.analysis.compatibility").joinpath(name).read_text()
    content: dict[str, Any] = yaml.safe_load(text)
    return content


def _modern(content: Mapping[str, Any]) -> tuple[Correction, ...]:
    values, errors = content["Corrections"], content["Uncertainties"]
    anions, sigma = values["CompositionCorrections"], errors["CompositionCorrections"]
    simple = {name: (name,) for name in (*OXIDE_CLASSES, *ANIONS)}
    made = [
        Correction(name=name, ev_per_atom=anions[name], sigma_ev=sigma[name], classes=classes)
        for name, classes in (simple | {"S": ("sulfide", "polysulfide")}).items()
        if anions[name] != 0
    ]
    mixing, mixing_sigma = values["GGAUMixingCorrections"], errors["GGAUMixingCorrections"]
    return (
        *made,
        *(
            Correction(
                name=f"{metal} in {anion}",
                ev_per_atom=mixing[anion][metal],
                sigma_ev=mixing_sigma[anion][metal],
                classes=(f"{metal} in {anion}",),
            )
            for anion in MIXING_ANIONS
            for metal in MIXING_METALS
        ),
    )


def _legacy(content: Mapping[str, Any]) -> tuple[Correction, ...]:
    """The scheme before 2020: fitted gas energies act as corrections on every atom.

    The 2019 set puts the sulfide correction on every S of a compound, whatever its state
    (found by comparison: Li2SO4, S8O, S2Cl2 and ZrS3 agree within 9 meV/atom only so).
    """
    from interlith.analysis.element_energies import tabulated_energies

    raw = tabulated_energies()
    gases = content["Advanced"]["CompoundEnergies"]
    made = [
        Correction(name=name, ev_per_atom=value, classes=(name,))
        for name, value in content["OxideCorrections"].items()
        if value != 0
    ]
    sulfide = content["SulfideCorrections"]["sulfide"]
    made.append(Correction(name="S", ev_per_atom=sulfide, classes=(_ALL + "S",)))
    made += [
        Correction(
            name=element,
            ev_per_atom=round(raw[element].ev_per_atom - gases[gas], 5),
            classes=(_ALL + element,),
        )
        for gas, element in _LEGACY_GASES.items()
    ]
    mixing = content["Advanced"]["UCorrections"]
    return (
        *made,
        *(
            Correction(
                name=f"{metal} in {anion}",
                ev_per_atom=mixing[anion][metal],
                classes=(f"{metal} in {anion}",),
            )
            for anion in MIXING_ANIONS
            for metal in MIXING_METALS
        ),
    )
