"""The correction that this code's +U needs for each metal, beside that of the scheme.

``python benchmarks/fit_hubbard.py`` compares every compound with a Hubbard U of the PBE set
with the 2019 set of the development references, both in MP2018, and prints the difference per metal
atom: its mean is the correction (``HUBBARD_CORRECTIONS_EV``), its scatter the uncertainty.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from interlith.analysis.builtin_reference import (
    BUILTIN,
    DATA_FOLDER,
    formation_energy,
    lowest_polymorphs,
)
from interlith.analysis.corrections import Correction
from interlith.analysis.reference_files import load_csv
from interlith.workflows.reference_dft_data import HUBBARD_NAME

OTHERS = ("Li", "O", "F")
"""Compounds with other elements are left out: their errors would go to the metal's account."""
SHARED = Path(__file__).parents[2] / "shared"


def differences(content: Mapping[str, Any]) -> dict[str, list[tuple[str, float]]]:
    """For each metal the compounds and what they lack, eV per metal atom."""
    theirs = load_csv(SHARED / "reference" / "mp2019_ground_states.csv.gz")
    scheme = tuple(
        Correction(**one)
        for one in content["schemes"]["MP2018"]
        if not one["name"].endswith(HUBBARD_NAME)
    )
    found = defaultdict(list)
    rows = [*content["phases"], *content["set_aside"]]
    for row in lowest_polymorphs({**content, "phases": rows}):
        metals = list(row["hubbard_u_ev"] or ())
        other = theirs.find(row["composition"])
        if len(metals) != 1 or other is None or set(row["composition"]) - {*metals, *OTHERS}:
            continue
        amounts = row["composition"]
        lacking = theirs.energies[other] - formation_energy(row, content, scheme)
        per_metal = float(lacking) * sum(amounts.values()) / amounts[metals[0]]
        found[metals[0]].append((row["name"], per_metal))
    return dict(found)


if __name__ == "__main__":
    data = json.loads((DATA_FOLDER / f"{BUILTIN[1]}.json").read_text(encoding="utf-8"))
    for metal, rows in sorted(differences(data).items()):
        values = np.array([value for _, value in rows])
        scatter = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
        print(f"{metal}: {values.mean():+.3f} eV per atom, scatter {scatter:.3f}")
        print("   " + ", ".join(f"{name} {value:+.3f}" for name, value in rows))
