"""Interfaces of solid-state lithium batteries, from thermodynamics to molecular dynamics.

One question grows into a study. At which voltages does the electrolyte survive?

    $ interlith window Li6PS5Cl

It is narrow: what does it turn into where it touches the charged cathode?

    $ interlith react Li6PS5Cl LiCoO2 --voltage 4.3

Too strongly driven: which coating could keep the two apart?

    $ interlith screen --electrolyte Li6PS5Cl --cathode LiCoO2 --coatings all

The whole study, with the anode, as one file and one report:

    $ interlith assess examples/li-lpscl-lco.yaml

Importing this package does nothing else: no engine is loaded, no folder is made, no logging is
set up. Each room says in its own docstring what it holds: ``structures`` (what is simulated),
``engines`` (what computes energies), ``analysis`` (what is learnt), ``workflows`` (what is run),
``store``, ``report`` and ``cli``.
"""

__version__ = "0.1.0"
