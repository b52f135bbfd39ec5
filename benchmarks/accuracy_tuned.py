"""The committee before and after DFT labels: forces, energies, lattices, moduli, diffusion.

``python benchmarks/accuracy_tuned.py --measure`` computes the properties (a quarter of an hour) and
writes ``data/tuned-properties.json``; without it the section of ``docs/accuracy.md`` is printed.
The errors come from the data card of the tuned committee.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from interlith.analysis.moduli import ElasticRecord
from interlith.engines.ml.shipped_models import shipped_card, shipped_models
from interlith.engines.potentials import potential
from interlith.formatting import format_value
from interlith.workflows.diffusion import diffusion
from interlith.workflows.diffusion_settings import DiffusionSettings
from interlith.workflows.elastic import elastic

BEFORE, AFTER = "lpscl", "lpscl-dft"
PROPERTIES = Path(__file__).parent / "data" / "tuned-properties.json"
MATERIALS = ("Li", "Li2S", "LiCl", "Li3P", "Li3PS4-gamma", "Li6PS5Cl")
QUANTITIES = ("volume", "bulk", "shear")
DIFFUSIVITY = ("self_diffusivity_cm2_s", "sigma_cm2_s")
DIFFUSION = DiffusionSettings(temperatures_k=(600.0, 800.0), time_ps=40.0, min_length_angstrom=9.5)


def tuned_section() -> list[str]:
    """Lines of the section, or none while no tuned committee is shipped."""
    if AFTER not in shipped_models():
        return []
    card = shipped_card(AFTER)
    return ["## A committee tuned on DFT", "", *_method(card), "", *_errors(card), "",
            *_properties(), ""]  # fmt: skip


def _method(card: Mapping[str, Any]) -> list[str]:
    trained = card["fits"][0]
    labels = sum(sum(groups.values()) for name, groups in card["frames"].items() if name != "check")
    return [
        f"`{AFTER}` is `{BEFORE}` tuned on {labels} frames that GPAW labelled "
        f"({trained['train_frames']} of them in each member's training set, the others stop and "
        "test it): crystals of 12 to 54 atoms and Li | Li6PS5Cl of 28 to 42, rattled and from the "
        f"dynamics of `{BEFORE}-1`. Labels: {card['teacher']['name']}, "
        f"{card['teacher']['functional']}. Settings, cells and fits are in "
        f"`interlith/engines/models/{AFTER}-training.yaml` and the data card beside it; "
        f"`interlith train {AFTER}-training.yaml` repeats it in about three hours of two cores.",
    ]


def _errors(card: Mapping[str, Any]) -> list[str]:
    lines = [
        "Held-out frames (never trained; dynamics of the untuned model), mean over the members. "
        "Energies after moving the elements' energies to GPAW's by the same least squares.",
        "",
        "| group | frames | force error before, meV/A | after | ratio | energy before, meV/atom "
        "| after |",
        "|---|---|---|---|---|---|---|",
    ]
    for number, row in enumerate(card["before"][0]["errors"]):
        old, new = ([one["errors"][number] for one in card[when]] for when in ("before", "after"))
        force = [_mean(some, "force_rmse_mev_per_angstrom") for some in (old, new)]
        energy = [_mean(some, "energy_rmse_mev_per_atom") for some in (old, new)]
        lines.append(
            f"| {row['group']} | {row['frames']} | {force[0]:.0f} | {force[1]:.0f} "
            f"| {force[1] / force[0]:.2f} | {energy[0]:.1f} | {energy[1]:.1f} |"
        )
    check = card["rounds"][-1]["errors"][-1]
    return [
        *lines,
        "",
        f"On {check['frames']} frames of the tuned model's own dynamics: "
        f"{check['force_rmse_mev_per_angstrom']:.0f} meV/A, "
        f"{check['energy_mean_mev_per_atom']:+.1f} meV/atom in the mean.",
    ]


def _mean(rows: Sequence[Mapping[str, float]], name: str) -> float:
    return sum(row[name] for row in rows) / len(rows)


def _properties() -> list[str]:
    data = json.loads(PROPERTIES.read_text())
    lines = [
        "Volumes and moduli at 0 K, mean and standard deviation over the four members, and the "
        "diffusivity of Li in Li6PS5Cl with the first member of each "
        "(`python benchmarks/accuracy_tuned.py --measure`):",
        "",
        "| crystal | volume before, A3/atom | after | K before, GPa | after | G before, GPa "
        "| after |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in MATERIALS:
        cells = [
            _spread([one[what] for one in data[which]["crystals"][name]])
            for what in QUANTITIES
            for which in (BEFORE, AFTER)
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "| T, K | D before, cm2/s | after |",
        "|---|---|---|",
    ]
    runs = [data[which]["runs"] for which in (BEFORE, AFTER)]
    for first, second in zip(*runs, strict=True):
        lines.append(
            f"| {first['temperature_k']:.0f} | "
            + " | ".join(_diffusivity(run) for run in (first, second))
            + " |"
        )
    return lines


def _spread(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return "none"
    return format_value(float(np.mean(known)), float(np.std(known, ddof=1)))


def _diffusivity(run: Mapping[str, Any]) -> str:
    if run["self_diffusivity_cm2_s"] is None:
        return f"none: {run['reason']}"
    return format_value(run["self_diffusivity_cm2_s"], run["sigma_cm2_s"])


def measure() -> dict[str, Any]:
    """Volumes, moduli and diffusivities with both committees."""
    found: dict[str, Any] = {}
    for which in (BEFORE, AFTER):
        members = [path.stem for path in shipped_models()[which]]
        crystals = {name: [_crystal(elastic(name, one)) for one in members] for name in MATERIALS}
        settings = DIFFUSION.model_copy(update={"potential": members[0]})
        with tempfile.TemporaryDirectory() as folder:
            record = diffusion("Li6PS5Cl", settings, folder).to_json()
        runs = [
            {key: run[key] for key in ("temperature_k", "status", "reason", *DIFFUSIVITY)}
            for run in record["runs"]
        ]
        identity = potential(which).identity
        found[which] = {"sha256": identity.sha256, "crystals": crystals, "runs": runs,
                        "settings": record["settings"], "cell": record["cell"],
                        "provenance": record["provenance"]}  # fmt: skip
    return found


def _crystal(record: ElasticRecord) -> dict[str, float | None]:
    moduli = record.moduli
    return {
        "volume": abs(float(np.linalg.det(record.cell))) / record.n_atoms,
        "bulk": None if moduli is None else moduli.bulk_gpa,
        "shear": None if moduli is None else moduli.shear_gpa,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", action="store_true", help="compute the properties first")
    if parser.parse_args().measure:
        PROPERTIES.write_text(json.dumps(measure(), indent=1))
    print("\n".join(tuned_section()))
