"""Finding the terminations of Li(001) on garnet (001), beside pymatgen in the same process."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from pymatgen.analysis.interfaces.coherent_interfaces import CoherentInterfaceBuilder
from pymatgen.analysis.interfaces.zsl import ZSLGenerator
from pymatgen.core import Structure

from interlith.structures.disorder.ordering import order
from interlith.structures.library import build, load_phase
from interlith.structures.surfaces import surface_cell as cells
from interlith.structures.surfaces import terminations as module
from interlith.structures.surfaces.terminations import terminations

Note = Callable[[str, str, str, bool], None]
PLANE = (0, 0, 1)


def _garnet(ordered: bool) -> Structure:
    """A garnet of 192 atoms: tetragonal, or cubic with its lithium ordered, which has no symmetry.

    The second is the case in which labels lose most.
    """
    if not ordered:
        return build(load_phase("Li7La3Zr2O12-tetragonal"))
    facts = load_phase("Li7La3Zr2O12-cubic")
    found = order(build(facts), facts.oxidation_states, max_atoms=200, count=1, keep_axes=True)
    return found.cells[0].structure


def _ours(lithium: Structure, garnet: Structure, tolerance: float) -> tuple[float, int]:
    """Seconds with empty caches, and the number of pairs."""
    for cached in (cells._primitive, cells._surface_cell, module._terminations, module._bonds):
        cached.cache_clear()
    started = time.perf_counter()
    pairs = [
        (one, other)
        for one in terminations(lithium, PLANE, plane_tolerance_angstrom=tolerance)
        for other in terminations(garnet, PLANE, plane_tolerance_angstrom=tolerance)
    ]
    return time.perf_counter() - started, len(pairs)


@pytest.mark.parametrize("ordered", [False, True], ids=["tetragonal", "ordered cubic"])
def test_terminations_of_lithium_on_garnet(ordered: bool, note: Note) -> None:
    lithium, garnet = build(load_phase("Li")), _garnet(ordered)
    tolerance = 0.25  # the builder's own default
    ours, found = min(_ours(lithium, garnet, tolerance) for _ in range(3))
    builder = CoherentInterfaceBuilder(
        garnet, lithium, PLANE, PLANE, zslgen=ZSLGenerator(max_area=400), label_index=True
    )
    started = time.perf_counter()
    builder._find_terminations()  # without the lattice matching that its constructor does as well
    theirs = time.perf_counter() - started
    kind = "cubic, ordered (no symmetry)" if ordered else "tetragonal"
    note(
        f"terminations of Li(001) on garnet (001), {kind}, 192 atoms",
        f"{1000 * ours:.0f} ms for {found} pairs, {theirs / ours:.0f} times faster (pymatgen's "
        f"CoherentInterfaceBuilder, label_index=True, without its lattice matching: "
        f"{theirs:.1f} s for {len(builder.terminations)})",
        "20 times",
        theirs / ours >= 20,
    )
    if ordered:
        assert found == len(builder.terminations)
    else:  # pymatgen takes a slab and the same slab upside down for one
        assert found == 2 * len(builder.terminations)
