# %% [markdown]
# # A potential of one's own
#
# A small MACE committee for LiCl and Li from a larger teacher: sample, label, fit, let it run,
# label what it visited, and look at the error there. Needs the extra `ml`; two to three minutes on
# one core. The settings are small to be quick; `interlith train --example` prints those of the
# shipped models.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
from ase.build import bulk
from matplotlib import style

from interlith.engines.contract import SINGLE, check_all
from interlith.engines.potentials import potential
from interlith.engines.relax import rattle
from interlith.workflows.train import run_training
from interlith.workflows.training.settings import read_train_settings

style.use("interlith.report.interlith")
settings = read_train_settings("""
name: salt
teacher: 7net-0
members: 2
members_start: last_round
min_rounds: 1
max_rounds: 1
fit: {epochs: 30, stage_two_epoch: 22, refit_epochs: 10, refit_stage_two_epoch: 7,
      final_epochs: 10, final_stage_two_epoch: 7}
systems:
  - {name: Li, material: Li, repeat: [2, 2, 2], rattles_angstrom: [0.05, 0.1, 0.2, 0.3]}
  - {name: LiCl, material: LiCl, rattles_angstrom: [0.03, 0.06, 0.09, 0.12, 0.15, 0.2, 0.25, 0.3],
     volumes: [1.0, 1.05], temperatures_k: [500, 900], md_ps: 0.5, frames: 4}
""")

# %% [markdown]
# The folder keeps everything: run this again after an interruption and it goes on.

# %%
card = run_training(settings, Path("salt"))
for model in card.models:
    print(model.file, model.sha256[:12])

# %% [markdown]
# ## The error that counts
#
# On frames that its own dynamics visited, labelled afterwards; the one on a split of the training
# set is always better.

# %%
for row in card.rounds[-1].errors:
    print(
        f"{row.group}: {row.frames} frames, {row.force_rmse_mev_per_angstrom:.0f} meV/A "
        f"({100 * row.force_relative:.0f} %), {row.energy_rmse_mev_per_atom:.1f} meV/atom"
    )

# %% [markdown]
# ## Beside its teacher
#
# Energy of LiCl against volume, each against its own minimum.

# %%
models = [str((Path("salt") / model.file).resolve()) for model in card.models]
mine = potential("mace:" + ",".join(models))
scales = [0.98, 0.99, 1.0, 1.01, 1.02, 1.03]
figure, axes = plt.subplots(figsize=(5.5, 3.8), layout="constrained")
curves = {}
for label, chosen in (("teacher", potential("7net-0")), ("student", mine)):
    calculator = chosen.calculator(stress=False)
    energies = []
    for scale in scales:
        atoms = bulk("LiCl", "rocksalt", a=5.13 * scale, cubic=True)
        atoms.calc = calculator
        energies.append(atoms.get_potential_energy() / len(atoms))
    curves[label] = [1000 * (energy - min(energies)) for energy in energies]
    axes.plot([5.13 * scale for scale in scales], curves[label], "o-", label=label)
axes.set(xlabel="lattice constant (Å)", ylabel="energy (meV/atom)")
axes.legend()
figure.savefig("6_licl.png")

# %% [markdown]
# ## Does it hold what dynamics needs?

# %%
check_all(mine.calculator, rattle(bulk("LiCl", "rocksalt", a=5.13, cubic=True)), SINGLE)

# %%
assert len(models) == 2
differences = [abs(a - b) for a, b in zip(curves["teacher"], curves["student"], strict=True)]
assert max(differences) < 20
last = card.rounds[-1].errors[-1]
assert last.group == "all"
assert last.force_relative < 0.4
