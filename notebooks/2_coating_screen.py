# %% [markdown]
# # A coating screen
#
# Which lithium compound can stand between Li6PS5Cl and LiCoO2 up to 4.3 V? A funnel: stable by
# itself, a window that holds the cathode's voltages, no reaction with either neighbour. A few
# seconds.

# %%
import matplotlib.pyplot as plt
from matplotlib import style

from interlith.analysis.coatings import ScreenCriteria, lithium_phases, screen_coatings
from interlith.analysis.hull import Hull
from interlith.analysis.potential_profile import Layer, potential_profile
from interlith.analysis.reference_catalog import load_reference
from interlith.formatting import with_subscript_characters

style.use("interlith.report.interlith")
reference = load_reference("default")
hull = Hull(reference, screening=True)
candidates = lithium_phases(reference)
criteria = ScreenCriteria(voltage_range_v=(3.0, 4.3))
found = screen_coatings(hull, candidates, "Li6PS5Cl", "LiCoO2", criteria=criteria)
for step in found.counts:
    print(f"{step.left:4d} {step.step}")
print(len(found.failures), "could not be judged")

# %% [markdown]
# ## Every criterion stays visible
#
# Front 1 of the Pareto ranking holds the candidates that no other beats in every criterion.

# %%
for row in found.rows[:12]:
    print(
        f"{row.rank} {row.coating:12s} {row.reduction_potential_v:5.2f} to "
        f"{row.oxidation_potential_v or float('inf'):5.2f} V, electrolyte "
        f"{1000 * row.reaction_electrolyte_ev_per_atom:5.0f}, cathode "
        f"{1000 * row.reaction_cathode_ev_per_atom:5.0f} meV/atom, "
        f"{'passes' if all(row.passes.values()) else 'fails'}"
    )

# %%
passing = [row for row in found.rows if all(row.passes.values())]
figure, axes = plt.subplots(figsize=(6.5, 4), layout="constrained")
for rows, label in ((found.rows, "all"), (passing, "pass every criterion")):
    axes.scatter(
        [1000 * row.reaction_electrolyte_ev_per_atom for row in rows],
        [1000 * row.reaction_cathode_ev_per_atom for row in rows],
        label=label,
        alpha=0.7,
    )
for number, row in enumerate(sorted(passing, key=lambda r: r.reaction_cathode_ev_per_atom)):
    axes.annotate(
        with_subscript_characters(row.coating),
        (1000 * row.reaction_electrolyte_ev_per_atom, 1000 * row.reaction_cathode_ev_per_atom),
        (7, -12) if number % 2 else (-7, -12),
        textcoords="offset points",
        ha="left" if number % 2 else "right",
    )
axes.set(xlabel="reaction with Li₆PS₅Cl (meV/atom)", ylabel="reaction with LiCoO₂ (meV/atom)")
axes.set(xlim=(-250, 40), ylim=(-250, 15))
axes.legend()
figure.savefig("2_screen.png")

# %% [markdown]
# ## How thick must it be?
#
# A coating takes a part of the cell's lithium potential off the electrolyte that follows from both
# layers' conductivities. Here: what is left at the face of 50 um of electrolyte, of 4.3 V.

# %%
electrolyte = Layer(thickness_nm=50_000, electronic_s_cm=1e-11, ionic_s_cm=1e-3)
left = {}
for thickness in (5, 10, 50, 100):
    coating = Layer(thickness_nm=thickness, electronic_s_cm=1e-14, ionic_s_cm=1e-6)
    left[thickness] = potential_profile(coating, electrolyte, cathode_v=4.3)
    print(f"{thickness:4d} nm: {left[thickness].boundary_v:.2f} V")

# %%
assert len(found.rows) + len(found.failures) == len(candidates)
assert "LiF" in [row.coating for row in passing]
assert all(row.rank >= 1 for row in found.rows)
best = {row.coating for row in found.rows if row.rank == 1}
assert best & {row.coating for row in passing}
assert left[5].boundary_v > left[10].boundary_v > left[100].boundary_v
