"""Build the interfaces of the source literature and write docs/interfaces.md.

    python benchmarks/interface_table.py

No registry relaxation and no potential: matching, terminations, shifts by touching gaps.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from interlith.structures.interfaces.plans import InterfaceOptions
from interlith.structures.interfaces.records import CandidateRecord, LayerRecord, StackRecord
from interlith.structures.interfaces.stacks import Sheet, StackOptions
from interlith.workflows.structures import interfaces, side, stack

PAGE = Path(__file__).parent.parent / "docs" / "interfaces.md"
PAIRS = (
    ("anode", "Li", "Li6PS5Cl"),
    ("anode", "Li", "Li7La3Zr2O12"),
    ("anode", "Li", "Li10GeP2S12"),
    ("anode", "Li", "Li3PS4"),
    ("cathode", "LiCoO2", "Li6PS5Cl"),
    ("cathode", "LiCoO2", "Li3PS4"),
    ("cathode", "LiFePO4", "Li6PS5Cl"),
)
COATED = (("cathode", "LiCoO2", 8.0), ("coating", "LiNbO3", 6.0), ("electrolyte", "Li6PS5Cl", 8.0))
OPTIONS = InterfaceOptions(count=1)


@dataclass(frozen=True)
class Row:
    """One cell of the table."""

    name: str
    record: CandidateRecord | StackRecord
    considered: int
    wall_s: float


def build_rows() -> list[Row]:
    """Every interface of the table, built now."""
    rows = []
    for region, electrode, electrolyte in PAIRS:
        begin = time.monotonic()
        built = interfaces(side(region, electrode), side("electrolyte", electrolyte), OPTIONS)
        wall_s = time.monotonic() - begin
        best = built.record.candidates[0]
        rows.append(Row(f"{electrode} / {electrolyte}", best, built.record.considered, wall_s))
    begin = time.monotonic()
    sheets = [Sheet(side(region, name), thickness) for region, name, thickness in COATED]
    coated = stack(sheets, StackOptions()).record
    name = " / ".join(name for _, name, _ in COATED)
    rows.append(Row(name, coated, coated.considered, time.monotonic() - begin))
    return rows


def markdown(rows: list[Row]) -> str:
    """The table as it stands in the docs."""
    lines = [
        "| interface | layers: plane, top plane as cut (number) | atoms | area A2 | "
        "strain of each layer % | excess per nm2 | two interfaces alike | "
        "closest pair / covalent sum | considered | s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        layers = row.record.layers
        cells = (
            row.name,
            "; ".join(f"{_plane(one)} {one.termination}" for one in layers),
            str(row.record.n_atoms),
            f"{row.record.area_angstrom2:.1f}",
            "; ".join(_strain(one) for one in layers),
            "; ".join(_excess(one) for one in layers),
            "yes" if getattr(row.record, "equal_interfaces", False) else "no",
            f"{row.record.min_distance_ratio:.2f} ({row.record.closest_pair})",
            str(row.considered),
            f"{row.wall_s:.1f}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _plane(layer: LayerRecord) -> str:
    return f"{layer.material} ({' '.join(map(str, layer.miller))})"


def _strain(layer: LayerRecord) -> str:
    return " ".join(f"{100 * value:+.1f}" for value in layer.strain)


def _excess(layer: LayerRecord) -> str:
    left = {name: n for name, n in layer.excess_per_nm2.items() if abs(n) > 1e-6}
    return ", ".join(f"{name} {n:+.1f}" for name, n in left.items()) or "none"


def main() -> None:
    """Write the table between the markers of the page."""
    begin, end = "<!-- table -->", "<!-- end of table -->"
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(begin)
    after = rest.split(end)[1]
    table = markdown(build_rows())
    PAGE.write_text(f"{before}{begin}\n{table}\n{end}{after}", encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
