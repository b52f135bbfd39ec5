"""A stand-in for VASP: it checks the inputs it would have run, then answers with EMT's numbers.

Nothing here is VASP's result. What it writes has the form of VASP's files, so that atomate2's and
pymatgen's readers and our conversion are tested; the numbers are EMT's, so that every flow has a
known answer: the one that the engine ``emt`` gives.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest

SMEARING_EV = 0.25
"""What the free energy lies below the energy extrapolated to zero smearing."""
KBAR_PER_EV_PER_ANGSTROM3 = 1602.1766208
KINDS = {bool: "logical", int: "int", float: None, str: "string"}


class FakeVasp:
    """Runs in the current folder, as ``run_vasp`` does.

    ``expected`` maps what must stand in INCAR to values, by a word in the name of the job; a job
    that no word fits is refused.
    """

    def __init__(self) -> None:
        self.expected: dict[str, dict[str, Any]] = {}
        self.ran: list[tuple[str, dict[str, Any]]] = []
        self.unconverged: set[str] = set()

    def __call__(self, **_: Any) -> None:
        from jobflow import CURRENT_JOB
        from pymatgen.io.vasp.inputs import Incar, Kpoints, Poscar

        name = CURRENT_JOB.job.name
        incar, kpoints = Incar.from_file("INCAR"), Kpoints.from_file("KPOINTS")
        self._check(name, incar)
        self.ran.append((name, dict(incar)))
        images = sorted(p for p in Path().iterdir() if p.is_dir() and p.name.isdigit())
        places = images[1:-1] if images else [Path()]
        for place in places:
            structure = Poscar.from_file(place / "POSCAR").structure
            steps = _run(structure, incar)
            if any(word in name for word in self.unconverged):
                steps = steps[:1]
            write_outputs(place, structure, steps, incar, kpoints)

    def _check(self, name: str, incar: Any) -> None:
        names = Path("POTCAR.spec").read_text().split()
        symbols = Path("POSCAR").read_text().splitlines()[5].split()
        if [one.split("_")[0] for one in names] != symbols:
            raise ValueError(f"POTCAR.spec has {names} for the elements {symbols}")
        known = [wanted for word, wanted in self.expected.items() if word in name]
        if not known:
            raise ValueError(f"no stored expectation for the job '{name}'")
        for key, value in known[0].items():
            if incar.get(key) != value:
                raise ValueError(f"{name}: {key} is {incar.get(key)}, expected {value}")


def _run(structure: Any, incar: Any) -> list[Any]:
    """Frames of what the INCAR asks for, by EMT, each with its results."""
    from ase.calculators.emt import EMT
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.filters import FrechetCellFilter
    from ase.md.verlet import VelocityVerlet
    from ase.optimize import BFGS
    from ase.units import fs
    from pymatgen.io.ase import AseAtomsAdaptor

    atoms = AseAtomsAdaptor.get_atoms(structure, msonable=False)
    atoms.set_initial_magnetic_moments(None)
    atoms.calc = EMT()
    frames = []

    def note() -> None:
        frame = atoms.copy()
        frame.calc = SinglePointCalculator(
            frame,
            energy=atoms.get_potential_energy(),
            forces=atoms.get_forces(),
            stress=atoms.get_stress(),
        )
        frames.append(frame)

    if incar.get("IBRION") == 0:
        atoms.rattle(0.02, seed=1)
        mover = VelocityVerlet(atoms, incar["POTIM"] * fs)
        mover.attach(note)
        mover.run(incar["NSW"] - 1)
    elif incar.get("NSW", 0) == 0 or "IMAGES" in incar:
        note()
    else:
        target = FrechetCellFilter(atoms) if incar.get("ISIF") == 3 else atoms
        mover = BFGS(target, logfile=None)
        mover.attach(note)
        mover.run(fmax=1e-4, steps=100)
    return frames


def write_outputs(place: Path, start: Any, steps: list[Any], incar: Any, kpoints: Any) -> None:
    """vasprun.xml, OUTCAR, OSZICAR and CONTCAR in the form that VASP gives them."""
    from pymatgen.io.ase import AseAtomsAdaptor
    from pymatgen.io.vasp.inputs import Poscar

    (place / "vasprun.xml").write_text(_vasprun(start, steps, incar, kpoints))
    energy = steps[-1].get_potential_energy()
    (place / "OUTCAR").write_text(_outcar(start, energy))
    (place / "OSZICAR").write_text(f"   1 F= {energy:.8E} E0= {energy:.8E}  d E =0.0\n")
    Poscar(AseAtomsAdaptor.get_structure(steps[-1])).write_file(place / "CONTCAR")


def _outcar(start: Any, energy: float) -> str:
    rule = "-" * 104
    moments = start.site_properties.get("magmom") or [0.0] * len(start)
    rows = "".join(
        f"   {n}        0.000   0.000   {m:.3f}   {m:.3f}\n" for n, m in enumerate(moments, 1)
    )
    return (
        " vasp.6.4.2 stand-in for tests\n"
        " running    1 mpi-ranks, with    1 threads/rank\n"
        "   k-points           NKPTS =      1   number of bands    NBANDS=      4\n"
        "   total plane-waves  NPLWV =   1000\n"
        "   IBRION =     -1    ionic relax: 0-MD 1-quasi-New 2-CG\n"
        f"\n\n\n{rule}\n\n\n"
        " k-point   1 :   0.0000 0.0000 0.0000  plane waves:     100\n\n"
        " maximum and minimum number of plane-waves per node :       100      100\n"
        "    total drift:                                0.000000      0.000000     -0.000000\n"
        f"  free  energy   TOTEN  =      {energy:.8f} eV\n"
        f"  energy  without entropy=     {energy:.8f}  energy(sigma->0) =     {energy:.8f}\n"
        " E-fermi :   0.0000     XC(G=0):  -1.0000     alpha+bet : -1.0000\n"
        " number of electron       8.0000000 magnetization       0.0000000\n"
        " magnetization (x)\n\n"
        "# of ion       s       p       d       tot\n"
        f"------------------------------------------\n{rows}"
        "------------------------------------------\n"
        "tot         0.000   0.000   0.000   0.000\n"
        " General timing and accounting informations for this job:\n"
        "                  Total CPU time used (sec):        1.000\n"
        "                            User time (sec):        1.000\n"
        "                          System time (sec):        0.000\n"
        "                         Elapsed time (sec):        1.500\n"
        "                   Maximum memory used (kb):        1000.\n"
        "                   Average memory used (kb):        1000.\n"
    )


def _vasprun(start: Any, steps: list[Any], incar: Any, kpoints: Any) -> str:
    symbols = [site.specie.symbol for site in start]
    kinds = list(dict.fromkeys(symbols))
    filled = {"NELM": 60, "NSW": 0, "ISPIN": 1, "EDIFF": 1e-4, "NELECT": 8.0, "IBRION": -1}
    filled |= {"ISMEAR": 1, "SIGMA": 0.2, "NBANDS": 4, "ENMAX": 520.0, **dict(incar)}
    filled = {"LDAU": False, "EFERMI": 0.0, "LORBIT": 0, **filled}
    body = [
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n<modeling>\n<generator>',
        '<i name="program" type="string">vasp </i><i name="version" type="string">6.4.2</i>',
        f"</generator>\n<incar>{_items(dict(incar))}</incar>",
        f"<kpoints>{_kpoints(kpoints)}</kpoints>",
        f"<parameters>{_items(filled)}</parameters>",
        _atominfo(symbols, kinds),
        _structure(steps[0], "initialpos"),
        *(_calculation(step, step is steps[-1]) for step in steps),
        _structure(steps[-1], "finalpos"),
        "</modeling>\n",
    ]
    return "\n".join(body)


def _items(values: dict[str, Any]) -> str:
    made = []
    for key, value in values.items():
        if isinstance(value, list):
            text = " ".join(str(float(x)) for x in value)
            made.append(f'<v name="{key}">{text}</v>')
            continue
        kind = KINDS.get(type(value), "string")
        text = ("T" if value else "F") if isinstance(value, bool) else str(value)
        type_ = "" if kind is None else f' type="{kind}"'
        made.append(f'<i{type_} name="{key}">{escape(text)}</i>')
    return "\n".join(made)


def _kpoints(kpoints: Any) -> str:
    counts = " ".join(str(int(n)) for n in kpoints.kpts[0])
    return (
        f'<generation param="Gamma"><v type="int" name="divisions">{counts}</v></generation>'
        '<varray name="kpointlist"><v>0.0 0.0 0.0</v></varray>'
        '<varray name="weights"><v>1.0</v></varray>'
    )


def _atominfo(symbols: list[str], kinds: list[str]) -> str:
    atoms = "".join(f"<rc><c>{s} </c><c>{kinds.index(s) + 1}</c></rc>" for s in symbols)
    types = "".join(
        f"<rc><c>{symbols.count(k)}</c><c>{k}</c><c>1.0</c><c>4.0</c>"
        f"<c> PAW_PBE {k} 01Jan2000 </c></rc>"
        for k in kinds
    )
    return (
        f"<atominfo><atoms>{len(symbols)}</atoms><types>{len(kinds)}</types>"
        f'<array name="atoms"><set>{atoms}</set></array>'
        f'<array name="atomtypes"><set>{types}</set></array></atominfo>'
    )


def _structure(atoms: Any, name: str | None = None) -> str:
    label = f' name="{name}"' if name else ""
    return (
        f"<structure{label}><crystal>{_varray('basis', atoms.cell.array)}</crystal>"
        f"{_varray('positions', atoms.get_scaled_positions(wrap=False))}</structure>"
    )


def _varray(name: str, rows: Any) -> str:
    lines = "\n".join("<v>" + " ".join(f"{x:.10f}" for x in row) + "</v>" for row in rows)
    return f'<varray name="{name}">\n{lines}\n</varray>'


def _calculation(step: Any, last: bool) -> str:
    energy = step.get_potential_energy()
    free = f'<i name="e_fr_energy">{energy - SMEARING_EV:.10f}</i>'
    energies = f'{free}<i name="e_0_energy">{energy:.10f}</i>'
    # as VASP does: the same name again, after the electronic steps, with a wrong number
    wrong = f'{free}<i name="e_wo_entrp">{energy:.10f}</i><i name="e_0_energy">0.03</i>'
    kinetic = f'<i name="kinetic">{step.get_kinetic_energy():.10f}</i>'
    stress = -step.get_stress(voigt=False) * KBAR_PER_EV_PER_ANGSTROM3
    return (
        f"<calculation><scstep><energy>{energies}</energy></scstep>{_structure(step)}"
        f"{_varray('forces', step.get_forces())}{_varray('stress', stress)}"
        f"<energy>{wrong}{kinetic}</energy>{_electrons() if last else ''}</calculation>"
    )


def _electrons() -> str:
    levels = "".join(f"<r>{e:.4f} {o:.4f}</r>" for e, o in ((-5.0, 1), (-1.0, 1), (2.0, 0)))
    return (
        "<eigenvalues><array><field>eigene</field><field>occ</field><set>"
        f'<set comment="spin 1"><set comment="kpoint 1">{levels}</set></set></set></array>'
        '</eigenvalues><dos><i name="efermi">0.0</i><total><array><set><set comment="spin 1">'
        "<r>-5.0 1.0 1.0</r><r>2.0 1.0 2.0</r></set></set></array></total></dos>"
    )


@pytest.fixture
def fake_vasp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., FakeVasp]:
    """Puts the stand-in in VASP's place, in a folder of the test's own."""
    import atomate2.vasp.jobs.base
    import atomate2.vasp.jobs.neb
    from atomate2 import SETTINGS

    fake = FakeVasp()
    monkeypatch.setattr(atomate2.vasp.jobs.base, "run_vasp", fake)
    monkeypatch.setattr(atomate2.vasp.jobs.neb, "run_vasp", fake)
    monkeypatch.setattr(SETTINGS, "VASP_ZIP_FILES", False)
    monkeypatch.setattr(SETTINGS, "VASP_RUN_BADER", False)
    monkeypatch.chdir(tmp_path)

    def make(**expected: dict[str, Any]) -> FakeVasp:
        fake.expected.update(expected)
        return fake

    return make
