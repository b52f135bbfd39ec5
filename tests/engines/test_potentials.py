"""Potentials are named exactly and cost nothing until a calculator is made."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from interlith.engines import ase_potentials
from interlith.engines.ml import torch_setup
from interlith.engines.ml.mace_potentials import PUBLISHED, cached_path
from interlith.engines.ml.model_files import file_sha256, read_contents
from interlith.engines.ml.pretrained import MPTRJ_ELEMENTS, weights_path
from interlith.engines.potentials import PotentialIdentity, list_potentials, potential
from interlith.engines.relax import rattle
from interlith.errors import InputError, MissingDependencyError

MaceMaker = Callable[..., Path]


def _salt() -> Atoms:
    return rattle(bulk("LiCl", "rocksalt", a=5.1) * (2, 1, 1), amplitude_angstrom=0.15)


def test_an_unknown_potential_names_the_known() -> None:
    with pytest.raises(InputError, match=r"7net-l3i5.*mace:/path"):
        potential("7net-1")


@pytest.mark.parametrize("name", ["emt", "lj"])
def test_toy_potentials_have_an_identity_and_run(name: str) -> None:
    one = potential(name)
    assert len(one.identity.sha256) == 64
    atoms = bulk("Cu", a=3.6, cubic=True)
    atoms.calc = one.calculator(stress=False)
    assert np.isfinite(atoms.get_potential_energy())
    assert atoms.get_stress().shape == (6,)
    assert one.calculator() is not atoms.calc


def test_every_name_listed_is_different() -> None:
    names = list_potentials()
    assert len(set(names)) == len(names)


def test_identities_of_older_records_still_validate() -> None:
    old = {
        "name": "7net-0",
        "sha256": "0" * 64,
        "versions": {"sevenn": "0.10.4"},
        "dtype": "float32",
        "device": "cpu",
        "licence": "MIT",
    }
    assert PotentialIdentity.model_validate(old).corrections == ""


def test_elements_are_checked_before_anything_runs() -> None:
    copper = potential("emt")
    copper.check_elements(["Cu", "Au"])
    with pytest.raises(InputError, match=r"'emt' does not know Li, P; it knows H, C"):
        copper.check_elements(["P", "Li", "Cu"])
    with pytest.raises(InputError, match="does not know Li"):
        copper.calculator(elements=["Li"])
    potential("lj").check_elements(["Xx"])  # knows no elements, so refuses none
    from ase.calculators.emt import parameters

    assert set(ase_potentials.EMT_ELEMENTS) == set(parameters)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"device": "gpu"}, "none of cpu, cuda, auto"),
        ({"device": "cuda"}, "cpu only"),
        ({"dtype": "float32"}, "takes float64"),
    ],
)
def test_devices_and_number_types_that_cannot_be_used(
    settings: dict[str, str], message: str
) -> None:
    if settings.get("device") == "gpu":
        with pytest.raises(InputError, match=message):
            torch_setup.resolve_device("gpu")
    else:
        with pytest.raises(InputError, match=message):
            potential("emt", **settings)


def test_auto_is_the_cpu_where_there_is_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_setup, "_may_have_cuda", lambda: False)
    assert torch_setup.resolve_device("auto") == "cpu"
    with pytest.raises(InputError, match="no CUDA device"):
        torch_setup.resolve_device("cuda")


def test_an_absent_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(util, "find_spec", lambda *_: None)
    with pytest.raises(MissingDependencyError, match=r"interlith\[ml\]"):
        potential("chgnet")


@pytest.mark.ml
def test_naming_a_learned_potential_imports_no_torch(mace_file: MaceMaker) -> None:
    code = (
        "import sys; from interlith.engines.potentials import potential; "
        f"names = ['7net-0', '7net-l3i5', 'chgnet', 'mace:{mace_file()}']; "
        "found = {potential(name, device='auto').identity.sha256 for name in names}; "
        "assert len(found) == 4; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- any ASE calculator -------------------------------------------------------------------------


def test_an_ase_calculator_by_dotted_name() -> None:
    named = potential('ase:ase.calculators.lj.LennardJones{"sigma": 2.5, "rc": 7.5}')
    other = potential('ase:ase.calculators.lj.LennardJones{"sigma": 2.6, "rc": 7.5}')
    assert named.identity.sha256 != other.identity.sha256
    assert "ase" in named.identity.versions
    assert named.calculator().parameters.sigma == 2.5


def test_files_among_the_arguments_belong_to_the_identity(tmp_path: Path) -> None:
    weights, found = tmp_path / "weights.txt", []
    for content in ("1", "2"):
        weights.write_text(content * (1 + len(found)))
        name = f"ase:ase.calculators.lj.LennardJones{json.dumps({'label': str(weights)})}"
        identity = potential(name).identity
        assert identity.files == (str(weights),)
        found.append(identity.sha256)
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ase:LennardJones", "no dotted name"),
        ("ase:ase.calculators.lj.LennardJones{sigma", "no JSON object"),
        ("ase:ase.calculators.lj.Lennard", "no calculator"),
        ('ase:ase.calculators.lj.LennardJones{"sigma": "wide"}', "wide"),
    ],
)
def test_a_calculator_that_cannot_be_made_says_why(name: str, message: str) -> None:
    if message == "wide":
        assert potential(name).identity.name == name  # ASE finds out when it computes
        return
    with pytest.raises(InputError, match=message):
        potential(name).calculator()


def test_a_dotted_name_of_an_absent_package() -> None:
    with pytest.raises(MissingDependencyError, match="nowhere_at_all"):
        potential("ase:nowhere_at_all.Calculator")
    with pytest.raises(InputError, match="in its arguments"):
        potential("ase:ase.calculators.emt.EMT", dtype="float64")
    with pytest.raises(InputError, match="in its arguments"):
        potential("ase:ase.calculators.emt.EMT", device="cuda")


# --- SevenNet and CHGNet ------------------------------------------------------------------------


@pytest.mark.ml
def test_the_registry_says_what_the_energies_hold() -> None:
    pytest.importorskip("sevenn")
    pytest.importorskip("chgnet")
    assert potential("7net-0").identity.corrections == "none"
    assert "MP2020" in potential("chgnet").identity.corrections
    assert "PBE" in potential("chgnet").identity.functional
    with pytest.raises(InputError, match="does not know Po; it knows 89 elements"):
        potential("7net-0").check_elements(["Po"])


@pytest.mark.ml
def test_sevennet_is_the_model_of_its_package(learned: Callable[..., Any]) -> None:
    ours = learned("7net-0")
    from sevenn.calculator import SevenNetCalculator

    assert ours.models[0].elements == MPTRJ_ELEMENTS
    _same_results(ours, SevenNetCalculator(str(weights_path("7net-0")), device="cpu"))


@pytest.mark.ml
def test_a_sevennet_file_is_the_model_of_that_file(tmp_path: Path) -> None:
    own = tmp_path / "tuned.pth"
    own.write_bytes(weights_path("7net-0").read_bytes())
    (tmp_path / "tuned.yaml").write_text("functional: PBE (GPAW)\n")
    named, shipped = potential(f"7net:{own}"), potential("7net-0")
    assert named.identity.sha256 == shipped.identity.sha256
    assert named.identity.functional == "PBE (GPAW)"
    assert set(named.identity.elements) == set(MPTRJ_ELEMENTS)
    energies = []
    for one in (named, shipped):
        atoms = _salt()
        atoms.calc = one.calculator()
        energies.append(atoms.get_potential_energy())
    assert energies[0] == energies[1]
    with pytest.raises(InputError, match="does not know Po"):
        named.calculator(elements=["Po"])


@pytest.mark.ml
@pytest.mark.parametrize("content", [b"", b"no model", None])
def test_what_is_no_sevennet_is_refused(
    content: bytes | None, tmp_path: Path, mace_file: MaceMaker
) -> None:
    path = tmp_path / "own.pth"
    path.write_bytes(mace_file().read_bytes() if content is None else content)
    with pytest.raises(InputError, match=r"no checkpoint of SevenNet; give the \.pth file"):
        potential(f"7net:{path}")
    with pytest.raises(InputError, match=r"there is no model file"):
        potential(f"7net:{tmp_path / 'absent.pth'}")
    with pytest.raises(InputError, match=r"names no file; write 7net:/path/to/file\.pth"):
        potential("7net:")


@pytest.mark.ml
def test_chgnet_is_the_model_of_its_package(learned: Callable[..., Any]) -> None:
    ours = learned("chgnet")
    from chgnet.model.dynamics import CHGNetCalculator

    theirs = CHGNetCalculator(use_device="cpu")
    _same_results(ours, theirs, energy=2e-5, forces=1e-4)


@pytest.mark.ml
@pytest.mark.parametrize("name", ["7net-0", "chgnet"])
def test_single_and_double_precision_are_close(name: str, learned: Callable[..., Any]) -> None:
    single, double = _salt(), _salt()
    single.calc, double.calc = learned(name), learned(name, "float64")
    assert np.abs(single.get_forces() - double.get_forces()).max() < 1e-4
    assert single.get_potential_energy() == pytest.approx(double.get_potential_energy(), abs=1e-4)


@pytest.mark.ml
def test_a_calculator_without_stress_has_the_same_forces(learned: Callable[..., Any]) -> None:
    from ase.calculators.calculator import PropertyNotImplementedError

    with_stress, without = _salt(), _salt()
    with_stress.calc = learned("chgnet")
    without.calc = potential("chgnet").calculator(stress=False)
    assert np.array_equal(without.get_forces(), with_stress.get_forces())
    with pytest.raises(PropertyNotImplementedError):
        without.get_stress()


def _same_results(ours: object, theirs: object, energy: float = 5e-6, forces: float = 5e-6) -> None:
    one, two = _salt(), _salt()
    one.calc, two.calc = ours, theirs
    assert one.get_potential_energy() == pytest.approx(two.get_potential_energy(), abs=energy)
    assert np.abs(one.get_forces() - two.get_forces()).max() < forces
    assert np.abs(one.get_stress() - two.get_stress()).max() < 1e-6


@pytest.mark.ml
@pytest.mark.parametrize("name", ["7net-0", "chgnet", "mace"])
def test_atoms_alone_and_pairs_without_a_cell(
    name: str, learned: Callable[..., Any], mace_file: MaceMaker
) -> None:
    from ase.calculators.calculator import PropertyNotImplementedError

    calculator = potential(f"mace:{mace_file()}").calculator() if name == "mace" else learned(name)
    alone = Atoms("Li2", positions=[[0, 0, 0], [0, 0, 9]], cell=[20, 20, 20], pbc=True)
    alone.calc = calculator
    assert np.isfinite(alone.get_potential_energy())
    assert np.all(alone.get_forces() == 0)
    assert np.all(alone.get_stress() == 0)
    pair = Atoms("LiCl", positions=[[0, 0, 0], [0, 0, 2]])
    pair.calc = calculator
    assert pair.get_forces()[0, 2] == pytest.approx(-pair.get_forces()[1, 2])
    with pytest.raises(PropertyNotImplementedError):
        pair.get_stress()


# --- MACE ---------------------------------------------------------------------------------------


@pytest.mark.ml
def test_a_mace_file_is_the_model_of_its_package(mace_file: MaceMaker) -> None:
    path = mace_file()
    one = potential(f"mace:{path}")
    assert one.identity.elements == ("Li", "Cl")
    assert one.identity.files == (str(path),)
    assert one.identity.sha256 == file_sha256(path)
    assert "not stated" in one.identity.functional
    from mace.calculators import MACECalculator

    theirs = MACECalculator(model_paths=str(path), device="cpu", default_dtype="float64")
    _same_results(potential(f"mace:{path}", dtype="float64").calculator(), theirs, 1e-9, 1e-9)


@pytest.mark.ml
def test_a_committee_is_a_mean_with_a_spread(mace_file: MaceMaker) -> None:
    paths = [mace_file(seed=seed) for seed in range(3)]
    together = potential(f"mace:{','.join(map(str, paths))}")
    assert len(together.identity.members) == 3
    assert "forces_std" in together.computes
    atoms, forces, energies = _salt(), [], []
    for path in paths:
        atoms.calc = potential(f"mace:{path}").calculator()
        forces.append(atoms.get_forces())
        energies.append(atoms.get_potential_energy())
    atoms.calc = together.calculator()
    assert np.allclose(atoms.get_forces(), np.mean(forces, axis=0))
    assert atoms.get_potential_energy() == pytest.approx(np.mean(energies))
    spread = np.linalg.norm(np.std(forces, axis=0, ddof=1), axis=1)
    assert np.allclose(atoms.calc.results["forces_std"], spread)
    assert atoms.calc.results["energy_std"] == pytest.approx(np.std(energies, ddof=1))
    turned = potential(f"mace:{','.join(map(str, paths[::-1]))}")
    assert turned.identity.sha256 == together.identity.sha256


@pytest.mark.ml
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_model_cut_to_its_elements_is_the_same_function(mace_file: MaceMaker, dtype: str) -> None:
    path = mace_file(numbers=(3, 8, 9, 15, 16, 17, 22))
    one, atoms = potential(f"mace:{path}", dtype=dtype), _salt()
    atoms.calc = one.calculator()
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    assert np.abs(forces).max() > 0.1
    atoms.calc = one.calculator(elements={"Cl", "Li"})
    assert atoms.calc.models[0].elements == ("Li", "Cl")
    rounding = 1e-6 if dtype == "float64" else 1e-5
    assert atoms.get_potential_energy() == pytest.approx(energy, abs=rounding)
    assert np.abs(atoms.get_forces() - forces).max() < rounding
    atoms.symbols[0] = "S"
    with pytest.raises(InputError, match="does not know S"):
        atoms.get_forces()


@pytest.mark.ml
def test_convolutions_are_replaced_where_they_are_scalar_only(mace_file: MaceMaker) -> None:
    from interlith.engines.ml.mace_convolution import fuse_convolutions
    from interlith.engines.ml.mace_models import load_mace

    for irreps, count in (("8x0e", 2), ("4x0e+4x1o", 1)):
        model = load_mace(mace_file(irreps=irreps))
        assert fuse_convolutions(model) == count
        assert fuse_convolutions(model) == 0


@pytest.mark.ml
def test_a_model_with_several_heads_must_be_told_which(mace_file: MaceMaker) -> None:
    path = mace_file(heads=("pbe", "r2scan"))
    assert read_contents(path).heads == ("pbe", "r2scan")
    with pytest.raises(InputError, match="no head was named"):
        potential(f"mace:{path}").calculator()
    with pytest.raises(InputError, match="no head 'scan'"):
        potential(f"mace:{path}#scan").calculator()
    energies = []
    for head in ("pbe", "r2scan"):
        atoms = _salt()
        atoms.calc = potential(f"mace:{path}#{head}").calculator(elements=("Li", "Cl"))
        energies.append(atoms.get_potential_energy())
    assert abs(energies[0] - energies[1]) > 1e-3


@pytest.mark.ml
def test_a_card_beside_the_file_says_what_its_energies_hold(
    mace_file: MaceMaker, tmp_path: Path
) -> None:
    named, other = tmp_path / "named.model", tmp_path / "other.model"
    named.write_bytes(mace_file().read_bytes())
    other.write_bytes(mace_file(seed=1).read_bytes())
    card = named.with_suffix(".yaml")
    card.write_text("functional: PBE\ncorrections: none\nlicence: MIT\nnotes: ours\n")
    identity = potential(f"mace:{named}").identity
    assert (identity.functional, identity.corrections, identity.licence) == ("PBE", "none", "MIT")
    with pytest.raises(InputError, match="differ in functional"):
        potential(f"mace:{named},{other}")
    for bad in ("functional: [", "- a list", "functional: {a: 1}"):
        card.write_text(bad)
        with pytest.raises(InputError, match="model card"):
            potential(f"mace:{named}")


@pytest.mark.ml
def test_model_files_that_cannot_be_used(mace_file: MaceMaker, tmp_path: Path) -> None:
    broken = tmp_path / "broken.model"
    broken.write_bytes(mace_file().read_bytes()[:500])
    assert potential(f"mace:{broken}").identity.elements == ()
    with pytest.raises(InputError, match="cannot be read as a MACE model"):
        potential(f"mace:{broken}").calculator()
    with pytest.raises(InputError, match="no model file"):
        potential("mace:/nowhere/x.model")
    with pytest.raises(InputError, match="not a model file"):
        potential(f"mace:{tmp_path}")
    with pytest.raises(InputError, match="names no file"):
        potential("mace:")
    with pytest.raises(InputError, match="same model twice"):
        potential(f"mace:{mace_file()},{mace_file()}")
    with pytest.raises(InputError, match="does not know S"):
        potential(f"mace:{mace_file()}").check_elements(["S"])


@pytest.mark.ml
def test_naming_a_file_runs_none_of_its_code(tmp_path: Path) -> None:
    import torch

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (exec, (f"open({str(tmp_path / 'sprung')!r}, 'w')",))

    torch.save({"model": Trap()}, tmp_path / "trap.model")
    assert potential(f"mace:{tmp_path / 'trap.model'}").identity.elements == ()
    assert not (tmp_path / "sprung").exists()


@pytest.mark.ml
def test_something_else_in_a_torch_file_is_refused(tmp_path: Path) -> None:
    import torch

    torch.save(torch.nn.Linear(2, 2), tmp_path / "linear.model")
    with pytest.raises(InputError, match="holds a Linear"):
        potential(f"mace:{tmp_path / 'linear.model'}").calculator()


def test_a_published_model_that_is_not_there_says_where_it_belongs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(InputError, match=rf"{tmp_path}/mace/20231210mace128.*XDG_CACHE_HOME"):
        potential("mace_mp:small")
    with pytest.raises(InputError, match="no MACE model is called 'tiny'; there are small"):
        potential("mace_mp:tiny")


@pytest.mark.ml
def test_a_published_model_comes_from_the_cache(
    mace_file: MaceMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = cached_path("small")
    path.parent.mkdir()
    path.write_bytes(mace_file().read_bytes())
    named = potential("mace_mp:small")
    assert named.identity.sha256 == file_sha256(mace_file())
    assert named.identity.corrections == "none"
    assert named.calculator().models[0].elements == ("Li", "Cl")
    from mace.calculators.foundations_models import mace_mp_urls
    from mace.tools.utils import get_cache_dir

    assert path.parent == get_cache_dir()
    assert {short: entry.url for short, entry in PUBLISHED.items()}.items() <= mace_mp_urls.items()
