"""Reference sets for the analysis tests: a small made-up one, and the 2019 set where present."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from interlith.analysis.hull import Hull
from interlith.analysis.reference_files import load_csv
from interlith.analysis.references import ReferenceSet, build_reference, parse_formula
from interlith.records import Shift

NOT_IN_2015 = ("LiS4", "P2S7", "SCl", "Li7Ti10O24")
POLYSULFIDES = ("LiS4", "P2S7", "CoS2", "NiS2", "MnS2", "FeS2", "SCl", "TiS3", "ZrS3")

# formation energies, eV per atom, chosen by hand: close to PBE, not meant to be exact
SMALL = {
    "Li2S": -1.34,
    "Li3P": -0.70,
    "LiP": -0.525,
    "Li3PS4": -0.934,
    "P2S5": -0.30,
    "LiCl": -1.82,
    "Li6PS5Cl": -1.165,
    "Li2O": -1.84,
    "Li3PO4": -2.42,
    "P2O5": -1.96,
    "LiCoO2": -1.40,
    "CoO": -0.95,
    "Co3O4": -1.05,
    "CoS2": -0.45,
    "Li2SO4": -1.92,
}


def made_up(name: str, energies: Mapping[str, float]) -> ReferenceSet:
    """A set of formation energies in eV/atom."""
    formulas = [parse_formula(formula) for formula in energies]
    sha256 = hashlib.sha256(name.encode()).hexdigest()
    return build_reference(formulas, energies.values(), name=name, sha256=sha256, scheme="none")


@pytest.fixture(scope="session")
def small() -> ReferenceSet:
    """A made-up set of 15 compounds over Li P S Cl O Co."""
    return made_up("small", SMALL)


@pytest.fixture(scope="session")
def indium() -> ReferenceSet:
    """The made-up set with In and LiIn beside it, and no other compound of In."""
    return made_up("indium", SMALL | {"LiIn": -0.2})


@pytest.fixture(scope="session")
def set_2019_path() -> Path:
    """The 2019 Materials Project ground states; skips where the folder is absent."""
    path = Path(__file__).parents[2].parent / "shared" / "reference" / "mp2019_ground_states.csv.gz"
    if not path.exists():
        pytest.skip(f"the development reference set {path.name} is not beside the repository")
    return path


@pytest.fixture(scope="session")
def set_2019(set_2019_path: Path) -> ReferenceSet:
    """The 2019 set as shipped."""
    return load_csv(set_2019_path)


@pytest.fixture(scope="session")
def set_2015(set_2019: ReferenceSet) -> ReferenceSet:
    """The 2019 set treated as its README says, to stand for the literature of 2015."""
    return set_2019.exclude(NOT_IN_2015).shift(
        Shift(element="S", ev_per_atom=0.66346, without=("O",), excepted=POLYSULFIDES)
    )


@pytest.fixture(scope="session")
def hull_2015(set_2015: ReferenceSet) -> Hull:
    """Hull of the 2015-like set."""
    return Hull(set_2015)
