"""VASP inputs against committed references, and against the Materials Project's own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.vasp.sets import MPRelaxSet, MPStaticSet

from interlith.engines.electronic.hubbard import U_EV
from interlith.engines.electronic.vasp_functional import functional_of
from interlith.engines.electronic.vasp_inputs import (
    LayeredSet,
    largest_gap,
    read_vasp_options,
    vasp_input_set,
)
from interlith.engines.electronic.vasp_setup import check_potentials, check_vasp_command
from interlith.errors import InputError, MissingDependencyError

REFERENCES = Path(__file__).parent / "vasp_inputs"
WRITE = "WRITE_VASP_INPUTS"
"""Set it to write the references anew; then look at what changed."""

pytestmark = pytest.mark.filterwarnings("ignore::pymatgen.io.vasp.sets.BadInputSetWarning")


def salt() -> Structure:
    places = [[0, 0, 0], [0.5, 0.5, 0.5]]
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.13), ["Li", "Cl"], places)


def layered_oxide() -> Structure:
    """LiCoO2, its hexagonal cell."""
    return Structure.from_spacegroup(
        "R-3m",
        Lattice.hexagonal(2.815, 14.05),
        ["Li", "Co", "O"],
        [[0, 0, 0.5], [0, 0, 0], [0, 0, 0.26]],
    )


def slab() -> Structure:
    """Four layers of LiCl(001) under vacuum, across the periodic boundary."""
    heights = [0.93, 0.01, 0.09, 0.17]
    sites = [
        (("Li", "Cl")[(layer + corner) % 2], [0.5 * corner, 0.5 * corner, height])
        for layer, height in enumerate(heights)
        for corner in (0, 1)
    ]
    lattice = Lattice.tetragonal(5.13 / 2**0.5, 32.0)
    return Structure(lattice, [s for s, _ in sites], [place for _, place in sites])


def interface() -> Structure:
    """Li on LiCl, periodic, without vacuum; made up, for its inputs only."""
    lattice = Lattice.tetragonal(3.6, 19.0)
    symbols = ["Li", "Cl", "Cl", "Li", "Li", "Cl", "Li", "Li", "Li", "Li"]
    heights = [0.05, 0.05, 0.19, 0.19, 0.33, 0.33, 0.5, 0.61, 0.72, 0.83]
    places = [[0.5 * (i % 2), 0.5 * (i % 2), height] for i, height in enumerate(heights)]
    return Structure(lattice, symbols, places)


DYNAMICS = {"temperature_k": (600.0, 600.0), "steps": 5000, "timestep_fs": 1.0}
CASES: dict[str, tuple[str, str, dict[str, Any], Any]] = {
    "bulk-static-licl": ("static", "vasp", {}, salt),
    "bulk-cell-relax-licl": ("cell_relax", "vasp", {}, salt),
    "bulk-relax-licl": ("relax", "vasp", {}, salt),
    "bulk-static-licoo2": ("static", "vasp", {}, layered_oxide),
    "bulk-cell-relax-licoo2": ("cell_relax", "vasp", {}, layered_oxide),
    "slab-static": ("static", 'vasp:{"system": "slab"}', {}, slab),
    "slab-relax": ("relax", 'vasp:{"system": "slab"}', {}, slab),
    "slab-cell-relax": ("cell_relax", 'vasp:{"system": "slab"}', {}, slab),
    "interface-static-d3": (
        "static",
        'vasp:{"system": "interface", "dispersion": true}',
        {},
        interface,
    ),
    "interface-relax": ("relax", 'vasp:{"system": "interface"}', {}, interface),
    "dynamics-nvt-licoo2": ("md", "vasp", DYNAMICS, layered_oxide),
    "dynamics-npt-licl": ("md", "vasp", {**DYNAMICS, "ensemble": "npt", "pressure_gpa": 0.5}, salt),
    "band-licl": ("neb", "vasp", {"images": 5}, salt),
    "band-end-licl": ("neb", "vasp", {"images": 0, "fmax_ev_per_angstrom": 0.02}, salt),
}


def inputs_of(case: str) -> Any:
    task, engine, extra, structure = CASES[case]
    made = vasp_input_set(task, read_vasp_options(engine), **extra)  # type: ignore[arg-type]
    return made.get_input_set(structure(), potcar_spec=True)


def text_of(inputs: Any) -> str:
    kpoints = str(inputs.kpoints).splitlines()
    mesh = "\n".join([*kpoints[1:3], " ".join(kpoints[3].split())])
    return f"INCAR\n{str(inputs.incar).strip()}\n\nKPOINTS\n{mesh}\n\nPOTCAR\n{inputs.potcar}\n"


@pytest.mark.parametrize("case", CASES)
def test_inputs_are_those_committed(case: str) -> None:
    path, text = REFERENCES / f"{case}.txt", text_of(inputs_of(case))
    if os.environ.get(WRITE):
        path.write_text(text)
    assert text == path.read_text()


def test_every_committed_reference_is_used() -> None:
    assert {path.stem for path in REFERENCES.glob("*.txt")} == set(CASES)


@pytest.mark.parametrize("structure", [salt(), layered_oxide()], ids=["LiCl", "LiCoO2"])
@pytest.mark.parametrize(("task", "theirs"), [("static", MPStaticSet), ("cell_relax", MPRelaxSet)])
def test_bulk_is_the_materials_projects(structure: Structure, task: Any, theirs: Any) -> None:
    ours = vasp_input_set(task).get_input_set(structure, potcar_spec=True)
    due = theirs(structure).get_input_set(potcar_spec=True)
    assert ours.incar == due.incar
    assert ours.kpoints == due.kpoints
    assert ours.potcar == due.potcar
    assert ours.poscar.structure == due.poscar.structure


def test_mp2020_corrects_such_an_energy() -> None:
    """The correction scheme takes an entry with these inputs, and corrects O and Co."""
    from pymatgen.entries.compatibility import MaterialsProject2020Compatibility
    from pymatgen.entries.computed_entries import ComputedStructureEntry

    structure = layered_oxide()
    inputs = vasp_input_set("static").get_input_set(structure, potcar_spec=True)
    hubbards = dict(zip(inputs.poscar.site_symbols, inputs.incar["LDAUU"], strict=True))
    entry = ComputedStructureEntry(
        structure,
        -68.0,
        parameters={
            "run_type": "GGA+U",
            "is_hubbard": True,
            "hubbards": hubbards,
            "potcar_symbols": [f"PBE {name}" for name in inputs.potcar.split()],
        },
    )
    (corrected,) = MaterialsProject2020Compatibility().process_entries([entry])
    assert corrected.correction == pytest.approx(3 * -1.638 + 6 * -0.687, abs=0.01)


def test_u_values_are_the_shared_table() -> None:
    for anion in ("O", "F"):
        assert MPRelaxSet.CONFIG["INCAR"]["LDAUU"][anion] == U_EV


def test_every_task_shares_what_decides_an_energy() -> None:
    """Potentials, cut-off and U are the same, so energies of all tasks can be compared."""
    shared = {"ENCUT", "LASPH", "LDAU", "LDAUU", "LDAUL", "LDAUJ", "LDAUTYPE", "ISPIN"}
    structure = layered_oxide()
    seen = []
    for task, engine in [
        ("static", "vasp"),
        ("cell_relax", "vasp"),
        ("relax", 'vasp:{"system": "interface"}'),
        ("md", "vasp"),
        ("neb", "vasp"),
    ]:
        options = read_vasp_options(engine)
        made = vasp_input_set(task, options).get_input_set(structure, potcar_spec=True)  # type: ignore[arg-type]
        seen.append(({key: made.incar[key] for key in shared}, made.potcar))
    assert all(one == seen[0] for one in seen)


def test_a_slab_is_corrected_along_its_normal() -> None:
    inputs = inputs_of("slab-relax")
    assert inputs.incar["IDIPOL"] == 3
    assert inputs.incar["DIPOL"][2] == pytest.approx(0.05, abs=0.005)  # whole across the boundary
    assert inputs.kpoints.kpts[0][2] == 1
    assert inputs.incar["ISIF"] == 2
    turned = slab()
    turned = Structure(
        Lattice.from_parameters(turned.lattice.c, turned.lattice.a, turned.lattice.b, 90, 90, 90),
        turned.species,
        turned.frac_coords[:, [2, 0, 1]],
    )
    other = LayeredSet(task="relax", normal=0).get_input_set(turned, potcar_spec=True)
    assert other.incar["IDIPOL"] == 1
    assert other.kpoints.kpts[0][0] == 1
    assert other.incar["DIPOL"][0] == pytest.approx(inputs.incar["DIPOL"][2], abs=1e-4)


def test_vacuum_never_relaxes() -> None:
    """Asked to relax the cell too, a slab keeps it; an interface without vacuum does not."""
    assert inputs_of("slab-cell-relax").incar == inputs_of("slab-relax").incar
    for system, layers, isif in (
        ("slab", slab(), 2),
        ("interface", slab(), 2),
        ("interface", interface(), 3),
    ):
        options = read_vasp_options(f'vasp:{{"system": "{system}"}}')
        made = vasp_input_set("cell_relax", options).get_input_set(layers, potcar_spec=True)
        assert made.incar["ISIF"] == isif


@pytest.mark.parametrize(
    ("incar", "name"),
    [
        ({"ENCUT": 520, "ALGO": "Fast"}, "PBE"),
        ({"GGA": "PE", "METAGGA": "--", "LHFCALC": False, "AEXX": 0.4, "IVDW": 0}, "PBE"),
        ({"GGA": "Ps"}, "PBEsol"),
        ({"METAGGA": "R2SCAN"}, "r2SCAN"),
        ({"LHFCALC": True}, "PBE0"),
        ({"LHFCALC": True, "HFSCREEN": 0.207}, "HSE06"),
        ({"LHFCALC": True, "AEXX": 0.4}, "PBE with 0.4 exact exchange"),
        ({"IVDW": 12}, "PBE+D3(BJ)"),
        ({"GGA": "BO", "LUSE_VDW": True}, "optB88+vdW"),
    ],
)
def test_the_functional_is_named_from_what_vasp_read(incar: dict[str, Any], name: str) -> None:
    found, deciding = functional_of(incar)
    assert found == name
    assert bool(deciding) == (name != "PBE")
    assert functional_of(incar, hubbard=True)[0].startswith(f"{name.partition('+')[0]}+U")


def test_a_full_cell_has_no_dipole_correction() -> None:
    incar = inputs_of("interface-relax").incar
    assert "LDIPOL" not in incar
    assert incar["LVHAR"] is True


def test_the_gap_is_measured_along_the_normal() -> None:
    skewed = Structure(
        Lattice([[4, 0, 0], [0, 4, 0], [2, 0, 20]]), ["Cu", "Cu"], [[0, 0, 0.9], [0, 0, 0.1]]
    )
    assert largest_gap(skewed, 2) == pytest.approx(16.0)
    assert largest_gap(slab(), 2) == pytest.approx(0.76 * 32)


def test_options_are_read_and_refused() -> None:
    assert read_vasp_options("vasp").system == "bulk"
    options = read_vasp_options('vasp:{"system": "slab", "normal": 0, "incar": {"NCORE": 4}}')
    assert (options.normal, options.incar) == (0, {"NCORE": 4})
    incar = vasp_input_set("static", options).get_input_set(slab(), potcar_spec=True).incar
    assert incar["NCORE"] == 4
    for wrong, reason in [
        ("gpaw", "is not VASP"),
        ("vasp:{system: slab}", "no JSON object"),
        ('vasp:{"sytem": "slab"}', "sytem"),
        ('vasp:{"system": "wire"}', "system"),
        ('vasp:{"normal": 0}', "say which system"),
    ]:
        with pytest.raises(InputError, match=reason):
            read_vasp_options(wrong)


def test_a_missing_command_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingDependencyError, match=r"VASP_CMD.*gpaw"):
        check_vasp_command("no_such_vasp_std")
    for name in ("srun", "vasp_std"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert check_vasp_command("srun -n 4 vasp_std") == "srun -n 4 vasp_std"
    with pytest.raises(MissingDependencyError, match="vasp_gam"):
        check_vasp_command("srun -n 4 vasp_gam")


def test_missing_potentials_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pymatgen.core import SETTINGS

    inputs = vasp_input_set("static")
    monkeypatch.delitem(SETTINGS, "PMG_VASP_PSP_DIR", raising=False)
    monkeypatch.delenv("PMG_VASP_PSP_DIR", raising=False)
    with pytest.raises(MissingDependencyError, match="PMG_VASP_PSP_DIR"):
        check_potentials(["Li"], inputs)
    monkeypatch.setitem(SETTINGS, "PMG_VASP_PSP_DIR", str(tmp_path / "none"))
    with pytest.raises(MissingDependencyError, match="no folder"):
        check_potentials(["Li"], inputs)
    monkeypatch.setitem(SETTINGS, "PMG_VASP_PSP_DIR", str(tmp_path))
    (tmp_path / "POT_GGA_PAW_PBE").mkdir()
    (tmp_path / "POT_GGA_PAW_PBE" / "POTCAR.Li_sv.gz").write_text("")
    check_potentials(["Li"], inputs)
    with pytest.raises(MissingDependencyError, match="Co, O"):
        check_potentials(["Li", "Co", "O"], inputs)
    with pytest.raises(InputError, match="no potential for Cf"):
        check_potentials(["Cf"], inputs)


def test_input_sets_survive_a_job_store() -> None:
    """They travel inside jobs as plain data."""
    from monty.json import MontyDecoder, MontyEncoder

    for task in ("static", "md", "neb"):
        made = vasp_input_set(task, images=3)  # type: ignore[arg-type]
        back = MontyDecoder().decode(MontyEncoder().encode(made))
        assert type(back) is type(made)
        due = made.get_input_set(salt(), potcar_spec=True)
        assert back.get_input_set(salt(), potcar_spec=True).incar == due.incar
