# %% [markdown]
# # An explicit interface
#
# Build Li / Li6PS5Cl, heat it, and ask atom by atom what it turned into. Thermodynamics says Li2S,
# Li3P and LiCl; dynamics says how far it gets in picoseconds. Needs the extra `ml`; half a minute
# on one core.

# %%
import matplotlib.pyplot as plt
from matplotlib import style

from interlith.analysis.hull import Hull
from interlith.analysis.products import identify_products
from interlith.analysis.reactions import closed_reaction
from interlith.analysis.reference_catalog import load_reference
from interlith.analysis.trajectories import open_trajectory
from interlith.engines.md import MDSettings, run_md
from interlith.formatting import with_subscript_characters
from interlith.workflows.committee import driver
from interlith.workflows.structures import InterfaceOptions, interfaces, two_sides

style.use("interlith.report.interlith")

# %% [markdown]
# ## The cell
#
# Planes, strain and lateral shift are searched; the record says how many were considered and why
# each was dropped. Every atom keeps the layer that it belongs to.

# %%
built = interfaces(*two_sides("Li", "Li6PS5Cl"), InterfaceOptions(count=1))
(name, cell), *_ = built.structures.items()
(candidate,) = built.record.candidates
print(name, len(cell), "atoms, strain", candidate.strain)
atoms = cell.to_ase_atoms(msonable=False)

# %% [markdown]
# ## Dynamics
#
# The first committee member moves the atoms. The folder goes on where it was interrupted.

# %%
settings = MDSettings(
    ensemble="npt_cell",
    free_axes=(False, False, True),
    temperature_k=600,
    timestep_fs=2,
    steps=1250,
    frame_every=25,
    seed=1,
)
run = run_md(atoms, driver("lpscl"), settings, "run")
print(run.status, f"{run.time_ps:g} ps", run.notes)

# %% [markdown]
# ## What it turned into
#
# Each atom gets the label of the crystal whose surroundings it has, or amorphous.

# %%
predicted = closed_reaction(Hull(load_reference("default")), "Li", "Li6PS5Cl").products
products = identify_products(open_trajectory(run.trajectory.path), predicted=predicted)
first, last = products.frames[0], products.frames[-1]
print("PS4 groups at the start:", first.polyanions.get("PS4", 0))
print("at the end:", last.polyanions)
print({phase: round(share, 2) for phase, share in last.fractions.items()})

# %% [markdown]
# Nothing crystallises in picoseconds, so most atoms are amorphous. What each anion is bonded to
# says more: how many formula units of each predicted product are there, counted by anions that
# have nothing but Li around them.

# %%
for amount in products.amounts:
    if amount.tells:
        print(
            f"{amount.phase}: {amount.like_units[-1]:g} of {amount.predicted_units:g} formula units"
        )

# %%
times = [frame.time_ps for frame in products.frames]
figure, axes = plt.subplots(figsize=(6.5, 3.5), layout="constrained")
axes.step(times, [frame.polyanions.get("PS4", 0) for frame in products.frames], where="post")
axes.set(xlabel="time (ps)", ylabel="intact PS₄ groups", yticks=range(4))
figure.savefig("4_groups.png")

figure, axes = plt.subplots(figsize=(6.5, 3.5), layout="constrained")
labels = sorted({phase for frame in products.frames for phase in frame.fractions})
shares = [[frame.fractions.get(phase, 0.0) for frame in products.frames] for phase in labels]
axes.stackplot(times, shares, labels=[with_subscript_characters(label) for label in labels])
axes.set(xlabel="time (ps)", ylabel="share of atoms", ylim=(0, 1), xlim=(0, times[-1]))
axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
figure.savefig("4_products.png")

# %%
assert run.status == "finished"
assert first.polyanions.get("PS4", 0) > last.polyanions.get("PS4", 0)
like = {amount.phase: amount.like_units for amount in products.amounts if amount.tells}
assert like["Li2S"][-1] > like["Li2S"][0]
assert abs(sum(last.fractions.values()) - 1) < 1e-6
assert {amount.formula for amount in predicted} == {"Li2S", "Li3P", "LiCl"}
