"""What an energy is to this room: a function that the caller brings.

A workflow or the command line binds a potential; nothing here knows one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pymatgen.core import Structure

EnergyFunction = Callable[["Structure"], float]
"""Energy of the whole cell in eV."""
RelaxFunction = Callable[["Structure"], tuple["Structure", float]]
"""Relaxed copy (same atoms in the same order) and its energy in eV."""
