"""Rewrite ``interlith/analysis/data/known-phases.json``: what the built-in set should hold.

``python benchmarks/known_phases.py`` lists, system by system, the phases on the hull of the 2019
Materials Project ground states that are made of elements of the built-in set. A result of the
built-in set names those that it lacks.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from interlith.analysis.builtin_reference import BUILTIN, load_builtin
from interlith.analysis.reference_files import load_csv
from interlith.analysis.stable_phases import stable_phases

ROOT = Path(__file__).parents[1]
SOURCE = ROOT.parent / "shared" / "reference" / "mp2019_ground_states.csv.gz"
TARGET = ROOT / "interlith" / "analysis" / "data" / "known-phases.json"


def main() -> None:
    """Write the file."""
    reference = load_csv(SOURCE)
    stable = stable_phases(reference)
    inside = set(load_builtin(BUILTIN[0]).elements)
    systems: dict[str, list[str]] = {}
    for phase in np.flatnonzero(stable):
        elements = sorted(reference.composition(int(phase)))
        if len(elements) > 1 and set(elements) <= inside:
            systems.setdefault("-".join(elements), []).append(reference.formula(int(phase)))
    content = {
        "source": "formulas on the hull of the 2019 Materials Project ground states (CC BY 4.0, "
        "Jain2013, as collected by Bartel2020), legacy corrections; sha256 " + reference.sha256,
        "systems": {name: sorted(systems[name]) for name in sorted(systems)},
    }
    lines = [
        f"  {json.dumps(name)}: {json.dumps(formulas)}"
        for name, formulas in content["systems"].items()  # type: ignore[union-attr]  # a dict
    ]
    TARGET.write_text(
        '{"source": '
        + json.dumps(content["source"])
        + ',\n "systems": {\n'
        + ",\n".join(lines)
        + "\n}}\n",
        encoding="utf-8",
    )
    print(f"{TARGET}: {sum(map(len, systems.values()))} phases in {len(systems)} systems")


if __name__ == "__main__":
    main()
