"""Tabulated raw PBE energies of the elements (Materials Project), as facts with their source.

They are the zero of elements that a potential cannot describe (molecular gases) and the guard
against a potential's own crystals going astray.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from interlith.records import Record

TABLE = Path(__file__).parent / "data" / "mp-element-energies.yaml"


class TabulatedEnergy(Record):
    """Raw PBE energy of one element."""

    ev_per_atom: float
    source: str


@cache
def tabulated_energies() -> dict[str, TabulatedEnergy]:
    """Raw PBE energy of each element's lowest Materials Project entry, eV per atom."""
    import yaml

    content = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return {
        element: TabulatedEnergy(
            ev_per_atom=energy, source=content["sources"].get(element, content["source"])
        )
        for element, energy in content["energies_ev_per_atom"].items()
    }
