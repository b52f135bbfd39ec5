"""The DFT reference set: what is computed how, resuming, and the data file; then GPAW itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from interlith.analysis.builtin_reference import load_builtin, reference_from_data
from interlith.analysis.corrections import correction_energy, schemes_from_pymatgen
from interlith.errors import FailureError, InputError
from interlith.structures.library import LIBRARY_FOLDER, list_phases, load_phase
from interlith.workflows import reference_dft, reference_dft_data
from interlith.workflows.reference_dft import (
    CALCULATIONS,
    ENERGIES,
    GEOMETRIES,
    DftReferenceSetMaker,
    build_dft_reference_set,
    finish_dft_phase,
    read_dft_phase,
)
from interlith.workflows.reference_dft_data import (
    collect_dft,
    unpack_results,
    write_dft_data_file,
    write_results,
)
from interlith.workflows.reference_dft_phase import (
    DftPhaseResult,
    DftReferenceSettings,
    MagneticTry,
    atoms_of,
    dft_phase_key,
    kind_of_phase,
    magnetic_orders,
)
from interlith.workflows.reference_phase import RelaxedCell, relaxed_cell
from interlith.workflows.reference_plan import costs, planned_phases

SETTINGS = DftReferenceSettings()


@pytest.mark.parametrize(
    ("atoms", "kind"),
    [
        (bulk("Li"), "small simple metal"),
        (bulk("Co", "hcp", a=2.5, c=4.1), "metal"),
        (bulk("Ge"), "metal"),
        (bulk("LiCl", "rocksalt", a=5.1), "small insulator"),
        (bulk("NiO", "rocksalt", a=4.2), "small insulator"),
        (bulk("MnS", "rocksalt", a=5.2), "small gap"),
        (bulk("AlP", "zincblende", a=5.5), "small gap"),
        (bulk("LiCl", "rocksalt", a=5.1).repeat(2), "large insulator"),
    ],
)
def test_k_points_follow_the_kind_of_phase(atoms: Atoms, kind: str) -> None:
    assert kind_of_phase(atoms) == kind
    assert kind in SETTINGS.kpoint_density


def test_a_molecular_crystal_needs_few_k_points() -> None:
    dimers = [(x, y, z) for x in (1.0, 3.0) for y in (1.0, 5.0) for z in (1.0, 5.0)]
    crystal = Atoms("S8", positions=dimers, cell=[8] * 3, pbc=True)
    assert kind_of_phase(crystal, volume_reliable=False) == "molecular"


def test_rock_salt_is_doubled_for_alternating_moments() -> None:
    (_, plain), (order, doubled) = magnetic_orders(bulk("NiO", "rocksalt", a=4.2))
    assert (len(plain), order, len(doubled)) == (2, "antiferromagnetic", 4)
    from interlith.engines.electronic.magnetism import starting_moments

    moments = np.array(starting_moments(doubled, "antiferromagnetic"))
    nickel = [i for i, atom in enumerate(doubled) if atom.symbol == "Ni"]
    assert moments.sum() == 0
    assert moments[nickel[0]] == -moments[nickel[1]] != 0
    assert np.degrees(np.min(np.radians(doubled.cell.angles()))) > 55
    # alternating (111) planes: all twelve nearest Ni of the doubled cell are not of one sign
    distances = doubled.get_distance(nickel[0], nickel[1], mic=True)
    assert distances == pytest.approx(4.2 / np.sqrt(2), abs=1e-6)


def test_what_has_no_open_shell_is_computed_once() -> None:
    assert [order for order, _ in magnetic_orders(bulk("LiCl", "rocksalt", a=5.1))] == ["none"]
    assert [order for order, _ in magnetic_orders(bulk("Co", "hcp", a=2.5, c=4.1))] == [
        "ferromagnetic"
    ]


def test_a_needle_of_a_cell_is_made_compact() -> None:
    needle = bulk("Li", "bcc", a=3.4)
    needle.set_cell(needle.cell.array @ np.eye(3) + 0.0)
    skewed = needle.copy()
    skewed.cell[0] = needle.cell[0] + 4 * needle.cell[1]
    compact = atoms_of(relaxed_cell(skewed))
    assert compact.get_volume() == pytest.approx(needle.get_volume(), rel=1e-5)
    assert max(compact.cell.lengths()) == pytest.approx(max(needle.cell.lengths()), rel=1e-5)


def test_the_plan_has_every_ordered_phase_once_and_elements_before_compounds() -> None:
    plan = planned_phases(LIBRARY_FOLDER)
    ordered = [n for n in list_phases(LIBRARY_FOLDER) if load_phase(n, LIBRARY_FOLDER).is_ordered]
    assert sorted(plan) == sorted(ordered)
    assert len(plan) >= 250
    assert plan.index("Li") < plan.index("Li2S") < plan.index("LiCoO2")
    assert max(plan.index("S8"), plan.index("P-black")) < plan.index("Li2S")
    large = plan.index("Li2FeP2O7")
    assert large > len(plan) - 50
    assert all(cost > 0 for cost in costs(plan, LIBRARY_FOLDER))


def _result(name: str, energy: float, cell: RelaxedCell, **more: object) -> DftPhaseResult:
    one = MagneticTry(
        order="none",
        status="converged",
        energy_ev_per_atom=energy,
        n_atoms=len(cell.elements),
        kpoints=(2, 2, 2),
        wall_s=1.0,
    )
    values = {
        "name": name,
        "key": "k",
        "status": "ok",
        "energy_ev_per_atom": energy,
        "geometry_ev_per_atom": energy,
        "tries": (one,),
        "gpaw_version": "26.7.0",
        "cell": cell,
    }
    return DftPhaseResult.model_validate(values | more)


@pytest.fixture
def results() -> list[DftPhaseResult]:
    """Li, Cl2 (whose molecule is lower), LiCl with invented energies."""
    salt = relaxed_cell(bulk("LiCl", "rocksalt", a=5.1))
    chlorine = Atoms("Cl4", positions=[*np.diag([1.0, 3, 5]).tolist(), [7, 7, 7]], cell=[9] * 3)
    return [
        _result("Li", -1.9, relaxed_cell(bulk("Li", "bcc", a=3.4))),
        _result("Cl2", -1.7, relaxed_cell(chlorine), molecule_ev_per_atom=-1.8),
        _result("LiCl", -3.7, salt),
    ]


def test_formation_energies_stand_on_the_sets_own_zeros(
    results: list[DftPhaseResult], tmp_path: Path
) -> None:
    path = tmp_path / "set.json"
    write_dft_data_file(path, results, LIBRARY_FOLDER, SETTINGS, "toy", planned=["LiBr"])
    content = json.loads(path.read_text())
    assert content["elements"]["Cl"]["kind"] == "own molecule"
    assert content["elements"]["Cl"]["crystal_minus_molecule_ev_per_atom"] == 0.1
    assert [one["name"] for one in content["missing"]] == ["LiBr"]
    assert content["planned"] == 4
    reference = reference_from_data(path, "none")
    phase = reference.find({"Li": 1, "Cl": 1})
    assert phase is not None
    assert reference.energies[phase] == pytest.approx((2 * -3.7 + 1.9 + 1.8) / 2)


def test_a_metal_with_u_enters_with_a_correction_of_its_own(
    results: list[DftPhaseResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    oxygen = Atoms("O2", positions=[[0, 0, 0], [1.2, 0, 0]], cell=[5] * 3)
    more = [
        _result("Co", -7.0, relaxed_cell(bulk("Co", "hcp", a=2.5, c=4.1))),
        _result("O2", -5.0, relaxed_cell(oxygen)),
        _result("CoO", -7.2, relaxed_cell(bulk("CoO", "rocksalt", a=4.26)),
                hubbard_u_ev={"Co": 3.32}),
    ]  # fmt: skip
    monkeypatch.setattr(reference_dft_data, "HUBBARD_CORRECTIONS_EV", {})
    content = collect_dft([*results, *more], LIBRARY_FOLDER, SETTINGS, "toy")
    assert [row["name"] for row in content["set_aside"]] == ["CoO"]
    monkeypatch.setattr(reference_dft_data, "HUBBARD_CORRECTIONS_EV", {"Co": (-0.5, 0.02)})
    path = tmp_path / "toy.json"
    write_dft_data_file(path, [*results, *more], LIBRARY_FOLDER, SETTINGS, "toy")
    assert json.loads(path.read_text())["set_aside"] == []
    raw, corrected = (reference_from_data(path, scheme) for scheme in ("none", "MP2020"))
    energies = [float(one.energies[one.find({"Co": 1, "O": 1})]) for one in (raw, corrected)]
    assert energies[0] == pytest.approx(-7.2 + 12.0 / 2)
    scheme = correction_energy(
        schemes_from_pymatgen()["MP2020"], {"Co": 1, "O": 1}, {"oxide": 1, "Co in O": 1}
    )
    assert 2 * (energies[1] - energies[0]) == pytest.approx(scheme - 0.5)


def test_the_choice_of_occupations_concerns_compounds_with_u_alone() -> None:
    scaled = DftReferenceSettings(hubbard_scaled=True)
    keys = [
        [dft_phase_key(load_phase(name, LIBRARY_FOLDER), one) for one in (SETTINGS, scaled)]
        for name in ("LiCl", "CoO")
    ]
    assert keys[0][0] == keys[0][1]
    assert keys[1][0] != keys[1][1]


def test_a_phase_without_the_zero_of_an_element_waits(results: list[DftPhaseResult]) -> None:
    content = collect_dft(results[1:], LIBRARY_FOLDER, SETTINGS, "toy")
    assert [row["name"] for row in content["phases"]] == ["Cl2"]
    assert content["missing"][0]["why"] == "an element of it has no zero yet"


def test_a_set_can_be_gone_on_with(results: list[DftPhaseResult], tmp_path: Path) -> None:
    write_results(tmp_path / "results.json", results)
    folder = tmp_path / "energies"
    folder.mkdir()
    (folder / "Li.json").write_text("mine")
    assert unpack_results(tmp_path / "results.json", folder) == 2
    assert (folder / "Li.json").read_text() == "mine"
    assert read_dft_phase(folder / "LiCl.json") == results[2]


def test_nothing_computed_is_no_set() -> None:
    failed = DftPhaseResult(name="LiCl", key="k", status="failed", reason="GPAW gave up")
    with pytest.raises(FailureError, match="no phase"):
        collect_dft([failed], LIBRARY_FOLDER, SETTINGS, "toy")


def test_unknown_names_and_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="LiXx"):
        DftReferenceSetMaker().make(tmp_path, ["LiXx"])
    with pytest.raises(ValueError, match="cutof"):
        DftReferenceSettings.model_validate({"cutof_ev": 500})


@pytest.mark.dft
def test_lithium_has_its_1s_electrons_where_asked() -> None:
    from interlith.engines.electronic.datasets import dataset

    assert dataset("Li", tag="3").valence_electrons == 3
    assert dataset("Li").valence_electrons == 1
    with pytest.raises(InputError, match=r"Li\.3"):
        dataset("Li", tag="4")


@pytest.mark.dft
def test_the_key_follows_settings_and_datasets() -> None:
    facts = load_phase("LiCl")
    keys = {
        dft_phase_key(facts, settings)
        for settings in (
            SETTINGS,
            SETTINGS.model_copy(update={"cutoff_ev": 500.0}),
            SETTINGS.model_copy(update={"datasets": {}}),
        )
    }
    assert len(keys) == 3
    assert dft_phase_key(facts, DftReferenceSettings()) in keys


@pytest.mark.dft
def test_finished_phases_are_not_computed_again(
    results: list[DftPhaseResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def compute(facts: object, *_: object) -> DftPhaseResult:
        calls.append(facts)
        key = dft_phase_key(load_phase("LiCl"), SETTINGS)
        return results[2].model_copy(update={"key": key})

    monkeypatch.setattr(reference_dft, "compute_phase", compute)
    monkeypatch.setattr(reference_dft, "finish_phase", lambda *_: None)
    (tmp_path / ENERGIES).mkdir()
    for _ in range(2):
        finish_dft_phase("LiCl", tmp_path, LIBRARY_FOLDER, SETTINGS)
    assert len(calls) == 1
    other = SETTINGS.model_copy(update={"cutoff_ev": 700.0})
    finish_dft_phase("LiCl", tmp_path, LIBRARY_FOLDER, other)
    assert len(calls) == 2
    path = tmp_path / ENERGIES / "LiCl.json"
    path.write_text(path.read_text()[:200])  # killed while it wrote
    assert read_dft_phase(path) is None


@pytest.mark.slow
@pytest.mark.dft
@pytest.mark.ml
def test_a_rebuild_gives_the_shipped_energies(tmp_path: Path) -> None:
    """Two runs in one folder; the second one must find everything done."""
    names = ["Li", "Cl2", "LiCl"]
    made = build_dft_reference_set(tmp_path, names, progress=False)
    assert made["failed"] == []
    shipped = load_builtin("gpaw-pbe-v1", "none")
    again = reference_from_data(Path(made["file"]), "none")
    phases = shipped.find({"Li": 1, "Cl": 1}), again.find({"Li": 1, "Cl": 1})
    assert None not in phases
    assert again.energies[phases[1]] == pytest.approx(shipped.energies[phases[0]], abs=0.002)
    assert {path.name for path in (tmp_path / CALCULATIONS).iterdir()} == set(names)
    assert len(list((tmp_path / GEOMETRIES).glob("*.json"))) == 3
    shutil.rmtree(tmp_path / CALCULATIONS)
    build_dft_reference_set(tmp_path, names, progress=False)
    assert not (tmp_path / CALCULATIONS / "LiCl").exists()
