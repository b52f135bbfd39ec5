# %% [markdown]
# # Thermodynamics of one pair
#
# What does Li6PS5Cl turn into against lithium metal, between which voltages is it stable, and how
# much of each number is certain? Every answer is one linear program over the phases of the
# elements involved. A few seconds.

# %%
import matplotlib.pyplot as plt
import numpy as np
from matplotlib import style

from interlith.analysis.hull import Hull
from interlith.analysis.reactions import closed_reaction, open_reaction
from interlith.analysis.reference_catalog import load_reference
from interlith.analysis.uncertainty import window_sigma
from interlith.analysis.windows import stability_window
from interlith.formatting import format_value

style.use("interlith.report.interlith")
reference = load_reference("default")
hull = Hull(reference)
identity = reference.identity()
print(identity.name, identity.n_phases, "phases, scheme", identity.scheme, identity.sha256[:12])

# %% [markdown]
# ## The window
#
# Lithium goes in below the reduction limit and out above the oxidation limit. Between them the
# compound neither takes nor gives any, V vs Li/Li+. The uncertainty moves every shared correction
# and every phase by its own error, a hundred times.

# %%
window = stability_window(hull, "Li6PS5Cl")
sigma = window_sigma(hull, window)
print("reduction", format_value(window.reduction_potential_v, sigma.reduction_v, "V"))
print("oxidation", format_value(window.oxidation_potential_v, sigma.oxidation_v, "V"))
print("first products of reduction:", [product.formula for product in window.reduction.products])

# %% [markdown]
# ## The ladder
#
# At each voltage another mixture is the lowest: the lithium content of what there is at
# equilibrium.


# %%
def lithium(voltage: float) -> float:
    """Li taken up per formula at a voltage: the last step that the voltage has passed."""
    taken = [s for s in window.ladder if s.li_change_per_formula > 0 and s.voltage_v >= voltage]
    given = [s for s in window.ladder if s.li_change_per_formula < 0 and s.voltage_v <= voltage]
    passed = max([*taken, *given], key=lambda s: abs(s.li_change_per_formula), default=None)
    return passed.li_change_per_formula if passed else 0.0


voltages = np.linspace(0, 4, 2001)
figure, axes = plt.subplots(figsize=(6.5, 3.5), layout="constrained")
axes.plot(voltages, [lithium(voltage) for voltage in voltages])
axes.axvspan(window.reduction_potential_v, window.oxidation_potential_v, alpha=0.15)
axes.set(xlabel="voltage (V vs Li/Li⁺)", ylabel="Li taken up per Li₆PS₅Cl")
figure.savefig("1_ladder.png")

# %% [markdown]
# ## The reaction
#
# Closed: all atoms stay. Open: an electrode at a voltage gives or takes lithium.

# %%
closed = closed_reaction(hull, "Li", "Li6PS5Cl")
print(closed.reaction, f"{1000 * closed.energy_ev_per_atom:.0f} meV/atom")
charged = open_reaction(hull, "LiCoO2", "Li6PS5Cl", 4.3)
print("at 4.3 V:", charged.reaction)

figure, axes = plt.subplots(figsize=(6.5, 3.5), layout="constrained")
axes.plot(
    [kink.mixing_fraction_a for kink in closed.kinks],
    [1000 * kink.energy_ev_per_atom for kink in closed.kinks],
    "o-",
)
axes.set(xlabel="fraction of atoms from Li", ylabel="energy (meV/atom)")
figure.savefig("1_reaction.png")

# %% [markdown]
# ## What the answer must be
#
# The literature has `Li6PS5Cl + 8 Li = 5 Li2S + Li3P + LiCl`. LiCl beside Li6PS5Cl does nothing: a
# reactant's own instability is no reaction.

# %%
products = {product.formula for product in closed.products}
assert products == {"Li2S", "Li3P", "LiCl"}
assert abs(window.reduction_potential_v - 1.70) < 0.05
assert lithium(2.0) == 0
assert abs(lithium(0.1) - 8) < 1e-6
assert closed_reaction(hull, "LiCl", "Li6PS5Cl").energy_ev_per_atom == 0.0
assert min(k.energy_ev_per_atom for k in closed.kinks) == closed.energy_ev_per_atom
