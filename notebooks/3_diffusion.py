# %% [markdown]
# # Diffusion and Arrhenius
#
# Molecular dynamics with the shipped potential, what the analysis says of a run that is too short,
# and an activation energy with an honest interval. Needs the extra `ml`; two minutes on one core.

# %%
import math

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import style

from interlith.analysis.arrhenius import fit_arrhenius
from interlith.analysis.transport import nernst_einstein_factor
from interlith.formatting import format_value
from interlith.units import BOLTZMANN_EV_PER_K
from interlith.workflows.diffusion import diffusion
from interlith.workflows.diffusion_settings import DiffusionSettings

style.use("interlith.report.interlith")

# %% [markdown]
# ## Two short runs
#
# Chlorine-rich Li5.5PS4.5Cl1.5, ordered into a cell of 50 atoms, 8 ps at each temperature. Run this
# again: what has run is not run twice, and more temperatures or more time go on from here.

# %%
settings = DiffusionSettings(
    potential="lpscl",
    temperatures_k=(600, 750),
    time_ps=8,
    equilibration_ps=1,
    frame_every=10,
    volume="as_given",
)
found = diffusion("Li5.5PS4.5Cl1.5", settings, "ladder", workers=1)
print(found.formula, found.potential["name"], found.potential["sha256"][:12])
for run in found.runs:
    value = format_value(run.self_diffusivity_cm2_s, run.sigma_cm2_s, "cm2/s")
    print(f"{run.temperature_k:.0f} K {run.status}:", run.reason or value)
print(found.arrhenius_reason)

# %% [markdown]
# A run has a number or a reason, never zero. An ion that only rattles in its cage gives a curve
# that levels off; one that wanders, a line.

# %%
figure, axes = plt.subplots(figsize=(6, 3.8), layout="constrained")
for curve in found.curves:
    axes.loglog(curve.lag_ps, curve.self_angstrom2, label=f"{curve.temperature_k:.0f} K")
lags = np.array(found.curves[0].lag_ps)
axes.loglog(lags, found.curves[-1].self_angstrom2[-1] * lags / lags[-1], "k:", label="slope 1")
axes.set(xlabel="time between two looks (ps)", ylabel="mean squared displacement (Å²)")
axes.legend()
figure.savefig("3_displacements.png")

# %% [markdown]
# ## The line
#
# Ten times longer runs of Li6PS5Cl, from `docs/dynamics.md`: `interlith diffusion Li6PS5Cl
# --potential lpscl --temperatures 500,600,700,800 --time-ps 36 --equilibration-ps 4`, 20 minutes on
# two cores. 500 K had no answer. The fit takes the stated errors and an unknown scatter on top.

# %%
temperatures = [600.0, 700.0, 800.0]
diffusivities = [1.45e-5, 2.56e-5, 3.61e-5]
errors = [0.15e-5, 0.15e-5, 0.21e-5]
fit, reason = fit_arrhenius(temperatures, diffusivities, errors)
low, high = fit.interval95_ev
print(f"{fit.activation_energy_ev:.2f} eV, 95 %: {low:.2f} to {high:.2f}; pellets have 0.31")
print(fit.flags)

figure, axes = plt.subplots(figsize=(6, 3.8), layout="constrained")
axes.errorbar(1000 / np.array(temperatures), diffusivities, errors, fmt="o")
grid = np.linspace(300, 850, 100)
line = fit.prefactor_cm2_s * np.exp(-fit.activation_energy_ev / (BOLTZMANN_EV_PER_K * grid))
axes.plot(1000 / grid, line)
axes.vlines(1000 / 300, *fit.interval95_cm2_s, lw=6, alpha=0.4, label="300 K, 95 %")
axes.set(yscale="log", xlabel="1000 / T (1/K)", ylabel="self diffusivity of Li (cm²/s)")
axes.legend()
figure.savefig("3_arrhenius.png")

# %% [markdown]
# ## Does the interval hold the truth?
#
# Made-up runs with a known activation energy and the same relative errors.

# %%
random, truth, inside = np.random.default_rng(0), 0.25, 0
for _ in range(40):
    exact = [1e-3 * math.exp(-truth / (BOLTZMANN_EV_PER_K * t)) for t in temperatures]
    seen = [d * math.exp(0.07 * random.normal()) for d in exact]
    made, _ = fit_arrhenius(temperatures, seen, [0.07 * d for d in seen])
    inside += made.interval95_ev[0] <= truth <= made.interval95_ev[1]
print(inside, "of 40 intervals hold it")

# %%
assert [run.temperature_k for run in found.runs] == [600, 750]
assert all(run.framework_intact for run in found.runs)
for run in found.runs:
    assert run.reason if run.self_diffusivity_cm2_s is None else run.sigma_cm2_s > 0
assert found.arrhenius is None  # two temperatures make no line
assert abs(fit.activation_energy_ev - 0.19) < 0.01
assert low < 0.19 < high
assert fit.interval95_cm2_s[0] < fit.diffusivity_300k_cm2_s < fit.interval95_cm2_s[1]
assert inside >= 36
# 1e21 ions in a cubic centimetre at 300 K and 1e-8 cm2/s
assert abs(nernst_einstein_factor(1, 1000.0, 300.0) * 1e-8 - 0.062) < 0.001
