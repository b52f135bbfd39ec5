"""Errors of potentials on GPAW frames that no shipped model was trained on, group by group.

``python benchmarks/held_out.py lpscl 7net-0 mace:FILE,FILE`` prints a table with a column for each.
The frames lie in ``data/``: dynamics of ``lpscl-1`` (Li6PS5Cl at 800 K, Li3PS4 at 700 K, Li3P at
800 K,
Li2S at 900 K, P2S5 at 500 K, Li | Li6PS5Cl of 44 atoms at 600 K), labelled as
``reacting_frames.py`` does, and the 20 frames of the two reacting runs.
"""

from __future__ import annotations

import sys
from pathlib import Path

from interlith.engines.potentials import potential
from interlith.workflows.training.data import errors, read_labelled

DATA = Path(__file__).parent / "data"
HELD_OUT = DATA / "lpscl-dft-held-out.extxyz"
REACTING = DATA / "reactive-gpaw.extxyz"


def table(names: list[str]) -> list[str]:
    """Force error (rms, meV/A) of each potential by group."""
    held_out, reacting = read_labelled(HELD_OUT), read_labelled(REACTING)
    found = {}
    for name in names:
        calculator = potential(name).calculator()
        rows = {row.group: row for row in errors(held_out, calculator)}
        found[name] = rows | {"reacting": errors(reacting, calculator)[-1]}
    lines = [
        "| group | frames | atoms | " + " | ".join(f"{name}, meV/A" for name in names) + " |",
        "|" + "---|" * (3 + len(names)),
    ]
    for group, row in found[names[0]].items():
        forces = [found[name][group].force_rmse_mev_per_angstrom for name in names]
        lines.append(
            f"| {group} | {row.frames} | {row.atoms} | "
            + " | ".join(f"{force:.0f}" for force in forces)
            + " |"
        )
    return lines


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("name at least one potential: python benchmarks/held_out.py lpscl 7net-0")
    print("\n".join(table(sys.argv[1:])))
