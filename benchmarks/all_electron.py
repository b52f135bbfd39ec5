"""Who is right where the DFT set and the 2019 set differ: an all-electron code on the same cells.

``python benchmarks/all_electron.py FOLDER [COMPOUND ...]`` runs Elk (Debian: ``elk-lapw``) on the
cells of the PBE set, one folder each; finished ones are read back. It writes
``data/all-electron.json``, which ``accuracy.py`` puts into ``docs/accuracy.md``. The reactions are
``compound + Li -> metal (P: Li3P) + Li2O, Li3N or Li2S``, so no gas enters and corrections
cancel. Those that are absent from the result file are not in the table.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ase.units import Bohr, Hartree

from interlith.analysis.builtin_reference import BUILTIN, DATA_FOLDER
from interlith.analysis.references import ReferenceSet, parse_formula

COMMAND = "elk-lapw"
SPECIES = Path("/usr/share/elk-lapw/species")
RESULT = Path(__file__).parent / "data" / "all-electron.json"
COMPOUNDS = {
    "Al2O3": ("Al", "O"),
    "AlN": ("Al", "N"),
    "TiO2-rutile": ("Ti", "O"),
    "ZrN": ("Zr", "N"),
    "ZrS2": ("Zr", "S"),
    "NbO": ("Nb", "O"),
    "LiN3": ("Li", "N"),
    "LiNbO3": ("Nb", "O"),
    "Li3PO4-beta": ("P", "O"),
}
WITH_LITHIUM = {"O": ("Li2O", 2), "N": ("Li3N", 3), "S": ("Li2S", 2), "P": ("Li3P", 3)}
"""What lithium makes of an element, and how much of it an atom takes; metals stay alone."""
RADII_BOHR = {
    "Li": 1.7, "N": 1.5, "O": 1.5, "Al": 1.9, "P": 1.38, "S": 1.9, "Ti": 2.0, "Zr": 2.1, "Nb": 2.0,
}  # fmt: skip
"""Spheres, the same in every cell of a reaction, so that what they leave out cancels."""
SHORT_BONDS = {"LiN3": {"N": 1.08}}
"""Smaller spheres, in all cells of a compound's reaction."""
VERDICT = (
    "On these four compounds of Al, Ti and Nb the DFT set is within 0.06 eV per metal atom of the "
    "all-electron energies and the 2019 set 0.12 to 0.22 eV away: there a deviation from the 2019 "
    "set is mostly no error of the DFT set, and a potential that agrees with the 2019 set shares "
    "its deviation. Of the two with Zr, ZrS2 is within 0.03 eV in both sets, and in ZrN the DFT "
    "set is 0.13 eV off. Compounds of other metals were not computed. RKmax 9, tried by hand on "
    "other cells, moved LiAlO2 by 0.001 eV and cubic ZrO2 by 0.013 eV; those inputs are not kept."
)
LARGE_CELL = 10
"""Cells of so many atoms, all insulators, get half the k points along each axis."""
INPUT = """tasks
  0

xctype
  20

rgkmax
  {rgkmax}

gmaxvr
  {gmaxvr}

lmaxapw
  9

lmaxo
  7

nempty
  8

maxscl
  60

epsengy
  1.d-5

stype
  {smearing}

swidth
  {width}

ngridk
  {kpoints[0]} {kpoints[1]} {kpoints[2]}

sppath
  '{species}/'

avec
{vectors}

atoms
  {kinds}
{sites}
"""


def stored_results() -> dict[str, dict[str, Any]]:
    """What the PBE set holds of each phase that it computed: cell, k points, energy."""
    path = DATA_FOLDER / f"{BUILTIN[1]}-results.json"
    rows = json.loads(path.read_text(encoding="utf-8"))["results"]
    return {row["name"]: row for row in rows}


def write_input(
    folder: Path, row: dict[str, Any], radii: Mapping[str, float], rgkmax: float
) -> None:
    """An Elk input for a stored cell, and species files with the fixed radii."""
    cell, symbols = row["cell"], row["cell"]["elements"]
    kinds = sorted(set(symbols))
    for element in kinds:
        lines = (SPECIES / f"{element}.in").read_text().splitlines()
        smallest, _, largest, points = lines[4].split(":")[0].split()
        lines[4] = f"  {smallest}  {radii[element]}  {largest}  {points}"
        (folder / f"{element}.in").write_text("\n".join(lines) + "\n")
    sites = []
    for element in kinds:
        places = [
            place for place, symbol in zip(cell["fractional"], symbols, strict=True)
            if symbol == element
        ]  # fmt: skip
        sites += [f"  '{element}.in'", f"  {len(places)}"]
        sites += ["  {:.10f} {:.10f} {:.10f} 0 0 0".format(*place) for place in places]
    metal = len(kinds) == 1
    kpoints = row["tries"][0]["kpoints"]
    if len(symbols) >= LARGE_CELL:
        kpoints = [max(2, (k + 1) // 2) for k in kpoints]
    vectors = (
        "  {:.10f} {:.10f} {:.10f}".format(*(x / Bohr for x in vector)) for vector in cell["cell"]
    )
    text = INPUT.format(
        rgkmax=rgkmax,
        gmaxvr=20 if rgkmax <= 8 else 24,
        smearing=1 if metal else 3,
        width=0.003 if metal else 0.001,
        kpoints=kpoints,
        species=folder.resolve(),
        vectors="\n".join(vectors),
        kinds=len(kinds),
        sites="\n".join(sites),
    )
    (folder / "elk.in").write_text(text)


def energy_ev(
    folder: Path, row: dict[str, Any], radii: Mapping[str, float], rgkmax: float
) -> float:
    """Total energy of a stored cell, eV per atom; read back where it was computed."""
    done = folder / "energy.json"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_input(folder, row, radii, rgkmax)
        with open(folder / "elk.log", "w", encoding="utf-8") as log:
            subprocess.run([COMMAND], cwd=folder, check=True, stdout=log)
        if "Convergence targets achieved" not in (folder / "INFO.OUT").read_text():
            raise SystemExit(f"{folder}: not converged, see INFO.OUT")
        total = float((folder / "TOTENERGY.OUT").read_text().split()[-1]) * Hartree
        done.write_text(json.dumps(total / len(row["cell"]["elements"])))
    return float(json.loads(done.read_text()))


def balance(compound: str) -> dict[str, float]:
    """Atoms of each phase that a formula unit and lithium make (positive) and take (negative)."""
    amounts = parse_formula(compound.split("-")[0])
    atoms = {compound: -sum(amounts.values()), "Li": amounts.get("Li", 0.0)}
    for element in COMPOUNDS[compound]:
        if element in WITH_LITHIUM:
            salt, lithium = WITH_LITHIUM[element]
            atoms[salt] = (lithium + 1) * amounts[element]
            atoms["Li"] -= lithium * amounts[element]
        elif element != "Li":
            atoms[element] = amounts[element]
    return atoms


def reaction(compound: str, energies: Mapping[str, float]) -> float:
    """Energy of that reaction from energies per atom, eV per atom of the first element."""
    total = sum(atoms * energies[name] for name, atoms in balance(compound).items())
    return total / parse_formula(compound.split("-")[0])[COMPOUNDS[compound][0]]


def all_electron_section(theirs: ReferenceSet) -> list[str]:
    """Lines that put the DFT set and the 2019 set beside Elk's energies."""
    content = json.loads(RESULT.read_text(encoding="utf-8"))
    ours = {name: row["energy_ev_per_atom"] for name, row in stored_results().items()}
    lines = [
        "### An all-electron code on the same cells",
        "",
        f"Elk {content['elk']} (LAPW, PBE, scalar relativistic, RKmax {content['rgkmax']:g}, the "
        f"k points of the set, half along each axis from {LARGE_CELL} atoms on) on the set's own "
        "cells, for compounds on which the DFT set and the 2019 set differ: compound + Li -> "
        "metal + Li2O, Li3N or Li2S, eV per metal atom, in which no gas enters and corrections "
        "cancel. `python benchmarks/all_electron.py FOLDER` (Debian: `elk-lapw`).",
        "",
        "| compound | Elk | DFT set | 2019 set | DFT set off by | 2019 set off by |",
        "|---|---|---|---|---|---|",
    ]
    for compound in content["energy_ev_per_atom"]:
        elk = reaction(compound, content["energy_ev_per_atom"][compound])
        gpaw = reaction(compound, ours)
        mp2019 = reaction(compound, _formation(theirs, compound))
        lines.append(
            f"| {compound} | {elk:.3f} | {gpaw:.3f} | {mp2019:.3f} | {gpaw - elk:+.3f} "
            f"| {mp2019 - elk:+.3f} |"
        )
    return [*lines, "", VERDICT, ""]


def _formation(theirs: ReferenceSet, compound: str) -> dict[str, float]:
    energies = {}
    for name in balance(compound):
        formula = parse_formula(name.split("-")[0])
        place = theirs.find(formula) if len(formula) > 1 else None
        known = 0.0 if len(formula) == 1 else float("nan")
        energies[name] = known if place is None else float(theirs.energies[place])
    return energies


def main(folder: Path, compounds: Sequence[str], rgkmax: float = 8.0) -> None:
    """Run what is missing, cheapest first, and put it into the result file."""
    rows = stored_results()
    content = json.loads(RESULT.read_text(encoding="utf-8"))
    for compound in compounds:
        radii = RADII_BOHR | SHORT_BONDS.get(compound, {})
        energies = {}
        for name in sorted(balance(compound), key=lambda one: len(rows[one]["cell"]["elements"])):
            kinds = sorted(set(rows[name]["cell"]["elements"]))
            place = "-".join([name, *(f"{element}{radii[element]:g}" for element in kinds)])
            energies[name] = energy_ev(folder / place, rows[name], radii, rgkmax)
            print(f"{compound}, {name}: {energies[name]:.4f} eV/atom", flush=True)
            version = (folder / place / "INFO.OUT").read_text().split("version")[1].split()[0]
        content["elk"], content["rgkmax"] = version, rgkmax
        content["energy_ev_per_atom"][compound] = energies
        RESULT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or list(COMPOUNDS))
