# %% [markdown]
# # Keeping results, and finding them again
#
# A project is a folder `.interlith`: nothing has to be started. Every record is there once, with
# the reference set and the settings it came from. A few seconds.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib import style

from interlith.analysis.hull import Hull
from interlith.analysis.reactions import closed_reaction
from interlith.analysis.reference_catalog import load_reference
from interlith.analysis.windows import stability_window
from interlith.formatting import with_subscript_characters
from interlith.store.project import init_project
from interlith.store.results import ResultsDatabase

style.use("interlith.report.interlith")
project = init_project(Path("project"))
database = ResultsDatabase(project)

# %% [markdown]
# ## In
#
# The same calculation with the same outcome is stored once, however often it comes.

# %%
electrolytes = ["Li6PS5Cl", "Li6PS5Br", "Li3PS4", "Li7La3Zr2O12", "Li2PO2N", "Li3OCl", "Li2ZrCl6"]
hull = Hull(load_reference("default"))
for formula in electrolytes:
    database.add(stability_window(hull, formula))
    database.add(closed_reaction(hull, "Li", formula))
again = database.add(stability_window(hull, "Li3PS4"))
print(again)

# %% [markdown]
# ## Out
#
# Views are pandas tables; conditions are columns with `__gt`, `__lt`, `__has` and so on.

# %%
table = database.windows()
print(table[["formula", "reduction_potential_v", "oxidation_potential_v"]].to_string(index=False))
sulfides = database.windows(elements__has="S")
print(sorted(sulfides["formula"]))
calm = database.reactions(energy_ev_per_atom__gt=-0.2)
print(calm[["a", "b", "energy_ev_per_atom"]].to_string(index=False))

# %%
figure, axes = plt.subplots(figsize=(6.5, 3.5), layout="constrained")
shown = table.sort_values("reduction_potential_v", ascending=False)
axes.barh(
    shown["formula"].map(with_subscript_characters),
    shown["oxidation_potential_v"] - shown["reduction_potential_v"],
    left=shown["reduction_potential_v"],
)
axes.set(xlabel="voltage (V vs Li/Li⁺)")
figure.savefig("5_windows.png")

# %% [markdown]
# ## A whole record, as it was made

# %%
newest = database.latest("window")
print(newest.formula, newest.reference.name, newest.reference.sha256[:12])

# %%
assert sorted(table["formula"]) == sorted(electrolytes)
assert set(sulfides["formula"]) == {"Li6PS5Cl", "Li6PS5Br", "Li3PS4"}
assert list(calm["b"]) == [f for f in electrolytes if f in set(calm["b"])]
assert newest == stability_window(hull, newest.formula)
database.close()
