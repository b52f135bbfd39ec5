"""Nanoseconds a day on a GPU: our MD driver beside torch-sim, 5,000 and 20,000 atoms of Li6PS5Cl.

    python benchmarks/gpu_md.py --write-docs

Two models: the shipped small MACE, and a MACE of the MP-0 small architecture with random weights
(speed does not depend on the weights; nothing is downloaded). Without a GPU it says so and ends
with exit code 0. ``--device cpu --atoms 416 --steps 20`` tries the script itself.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from pymatgen.io.ase import AseAtomsAdaptor

from interlith.engines.md import GuardSettings, MDSettings, run_md
from interlith.engines.ml.shipped_models import MODELS_FOLDER
from interlith.engines.ml.torch_setup import load_torch
from interlith.engines.potentials import potential
from interlith.structures.library import build, load_phase

PAGE = Path(__file__).parents[1] / "docs" / "performance-gpu.md"
TIMESTEP_FS = 2.0
TEMPERATURE_K = 600.0
WARM_UP = 10


def argyrodite(n_atoms: int) -> Atoms:
    """Ordered Li6PS5Cl with about ``n_atoms`` atoms, repeated as evenly as that allows."""
    cell: Any = AseAtomsAdaptor.get_atoms(build(load_phase("Li6PS5Cl")))
    plain = Atoms(cell.symbols, cell=cell.cell, positions=cell.positions, pbc=True)
    edge = max(1, round((n_atoms / len(plain)) ** (1 / 3)))
    last = max(1, round(n_atoms / len(plain) / edge**2))
    return plain * (edge, edge, last)


def random_mp0_small(folder: Path) -> Path:
    """A MACE file of the MP-0 small architecture for Li, P, S, Cl with random weights.

    128 invariant channels, two layers, correlation 3, cutoff 6 Angstrom: the hyperparameters that
    mace-torch documents for its "small" foundation model.
    """
    torch = load_torch()
    from mace import modules  # before e3nn, whose constants it lets torch load
    from e3nn import o3  # isort: skip

    torch.manual_seed(0)
    block = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
    model = modules.ScaleShiftMACE(
        r_max=6.0,
        num_bessel=10,
        num_polynomial_cutoff=5,
        max_ell=3,
        interaction_cls=block,
        interaction_cls_first=block,
        num_interactions=2,
        num_elements=4,
        hidden_irreps=o3.Irreps("128x0e"),
        MLP_irreps=o3.Irreps("16x0e"),
        gate=torch.nn.functional.silu,
        atomic_energies=np.zeros(4),
        avg_num_neighbors=40.0,
        atomic_numbers=[3, 15, 16, 17],
        correlation=3,
        radial_type="bessel",
        atomic_inter_scale=0.001,  # random forces stay small, so that the atoms stay apart
        atomic_inter_shift=0.0,
    )
    path = folder / "random-mp0-small.model"
    torch.save(model, path)
    return path


def ours(name: str, atoms: Atoms, steps: int, device: str, folder: Path) -> float:
    """Nanoseconds a day of our driver, warmed up."""
    guards = GuardSettings(max_temperature_k=None, max_drift_mev_per_atom_per_ps=None)
    engine = potential(name, device=device)
    for count, place in ((WARM_UP, "warm"), (steps, "run")):
        settings = MDSettings(
            temperature_k=TEMPERATURE_K,
            timestep_fs=TIMESTEP_FS,
            steps=count,
            frame_every=50,
            friction_per_ps=10,
            guards=guards,
        )
        record = run_md(atoms, engine, settings, folder / place)
        if record.status != "finished":
            raise SystemExit(f"{name}, {len(atoms)} atoms: {record.status}, {record.reason}")
    return ns_per_day(steps, record.wall_s)


def torch_sim(path: Path, atoms: Atoms, steps: int, device: str) -> float:
    """Nanoseconds a day of torch-sim with the same model file, warmed up."""
    torch = load_torch()
    import torch_sim as ts
    from torch_sim.models.mace import MaceModel

    module = torch.load(path, map_location=device, weights_only=False)
    model = MaceModel(
        module, device=torch.device(device), dtype=torch.float32, compute_stress=False
    )
    state: Any = atoms
    for count in (WARM_UP, steps):
        started = time.perf_counter()
        state = ts.integrate(
            state,
            model,
            integrator=ts.nvt_langevin,
            n_steps=count,
            temperature=TEMPERATURE_K,
            timestep=TIMESTEP_FS / 1000,
        )
        if device == "cuda":
            torch.cuda.synchronize()
    return ns_per_day(steps, time.perf_counter() - started)


def ns_per_day(steps: int, seconds: float) -> float:
    """Simulated nanoseconds in 24 hours."""
    return steps * TIMESTEP_FS * 1e-6 / seconds * 86400


def main() -> None:
    """Measure, print, and write the page if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--atoms", type=int, nargs="+", default=[5000, 20000])
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--write-docs", action="store_true")
    options = parser.parse_args()
    torch = load_torch()
    if options.device == "cuda" and not torch.cuda.is_available():
        print("No GPU that torch can use on this machine: nothing measured.")
        return
    hardware = torch.cuda.get_device_name() if options.device == "cuda" else "CPU, one thread"
    beside = importlib.util.find_spec("torch_sim") is not None
    lines = ["| model | atoms | our driver, ns/day | torch-sim, ns/day |", "|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        models = {
            "shipped lpscl-1": MODELS_FOLDER / "lpscl-1.model",
            "MP-0 small architecture, random weights": random_mp0_small(place),
        }
        for label, path in models.items():
            for wanted in options.atoms:
                atoms = argyrodite(wanted)
                run = place / f"{path.stem}-{wanted}"
                mine = ours(f"mace:{path}", atoms, options.steps, options.device, run)
                theirs = (
                    f"{torch_sim(path, atoms, options.steps, options.device):.3g}"
                    if beside
                    else "not installed"
                )
                lines.append(f"| {label} | {len(atoms):,} | {mine:.3g} | {theirs} |")
                print(lines[-1], flush=True)
    if options.write_docs:
        command = "`python benchmarks/gpu_md.py --write-docs`"
        head = f"# Molecular dynamics on a GPU\n\n{hardware}, torch {torch.__version__}, float32, "
        head += f"{TIMESTEP_FS:g} fs steps, {options.steps} of them: {command}.\n\n"
        PAGE.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
