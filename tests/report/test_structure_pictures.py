"""Pictures of structures: files that open, small, the same twice, and true to the atoms."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from PIL import Image
from pymatgen.core import Lattice, Structure

from interlith.errors import InputError, OutputError
from interlith.report import structure_pictures as pictures
from interlith.report.structure_pictures import draw_structure
from interlith.structures.files.formats import to_atoms
from interlith.structures.library import build, load_phase
from interlith.structures.regions import label


def _pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), dtype=float)


def _near(pixels: np.ndarray, colour: tuple[int, int, int], within: float = 12.0) -> int:
    """Pixels of a colour, give or take the palette."""
    return int((np.abs(pixels - np.array(colour)).max(axis=-1) < within).sum())


def _interface(n: int = 6) -> Structure:
    """Salt below, another above, vacuum on top: 16 n atoms and two regions."""
    below, above = build(load_phase("LiCl")), build(load_phase("LiF"))
    cells = []
    for salt, lift in ((below, 0.0), (above, 5.2 * n)):
        for k in range(n):
            places = salt.frac_coords * np.array([5.2, 5.2, 5.2]) + [0, 0, lift + 5.2 * k]
            cells += [(site.specie, place) for site, place in zip(salt, places, strict=True)]
    symbols, places = zip(*cells, strict=True)
    cell = Lattice.orthorhombic(5.2, 5.2, 10.4 * n + 15)
    structure = Structure(cell, symbols, places, coords_are_cartesian=True)
    names = ["anode"] * (8 * n) + ["interlayer"] * (8 * n)
    return label(structure, names, [5.2 * n], periodic=False)


def test_both_kinds_of_structure_give_the_same_small_picture(tmp_path: Path) -> None:
    structure = _interface()
    one = draw_structure(structure, tmp_path / "a.png")
    two = draw_structure(to_atoms(structure), tmp_path / "b.png")
    assert one.read_bytes() == two.read_bytes()
    assert one.stat().st_size < 300_000
    assert one.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    height, width, _ = _pixels(one).shape
    assert width > height  # z lies
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_elements_regions_and_paper_have_their_colours(tmp_path: Path) -> None:
    structure = _interface()
    labelled = _pixels(draw_structure(structure, tmp_path / "a.png"))
    structure.remove_site_property("region")
    bare = _pixels(draw_structure(structure, tmp_path / "b.png"))
    for pixels in (labelled, bare):
        assert _near(pixels, (204, 128, 255)) > 500  # Li
        assert _near(pixels, (31, 240, 31)) > 100  # Cl
        assert tuple(pixels[0, 0]) == (255, 255, 255)
    tint = tuple(255 - round(0.13 * (255 - c)) for c in (0xCC, 0x79, 0xA7))
    assert _near(labelled, tint, 4) > 5000  # the band of the anode
    assert _near(bare, tint, 4) < 500


def test_bands_end_at_the_interface_and_leave_out_vacuum() -> None:
    n = 6
    intervals = pictures._intervals(pictures._scene(_interface(n)))
    assert [name for _, _, name in intervals] == ["anode", "interlayer", "anode"]
    assert intervals[0][1] == pytest.approx(5.2 * n - 1.3, abs=1.5)
    assert intervals[1][1] < 10.4 * n + 2.5  # vacuum above
    low, high, _ = intervals[2]  # the foot of the anode, seen through the boundary
    assert high - low < 3


def test_atoms_on_a_face_are_drawn_on_the_opposite_one() -> None:
    salt = build(load_phase("LiCl"))
    scene = pictures._with_face_copies(pictures._scene(salt))
    assert len(scene.positions) == 27  # the cell of rock salt as in every book
    assert len({tuple(row) for row in np.round(scene.positions, 6)}) == 27


def test_shared_and_partly_filled_sites_are_drawn(tmp_path: Path) -> None:
    cell = Lattice.cubic(4)
    mixed = Structure(cell, [{"Fe": 0.5, "Cl": 0.2}, "O"], [[0.5, 0.5, 0.2], [0.5, 0.5, 0.7]])
    pixels = _pixels(draw_structure(mixed, tmp_path / "a.png"))
    iron, chlorine = _near(pixels, (224, 102, 51)), _near(pixels, (31, 240, 31))
    assert iron > 1.5 * chlorine > 0


def test_formulas_are_written_and_titles_taken_as_they_are(tmp_path: Path) -> None:
    atoms = to_atoms(build(load_phase("LiCl")))
    one = draw_structure(atoms, tmp_path / "a.png").read_bytes()
    two = draw_structure(atoms, tmp_path / "b.png", title="$x_1$ <b>").read_bytes()
    assert one != two


@pytest.mark.parametrize(
    "atoms",
    [
        molecule("H2O"),  # no cell
        Atoms("Li"),
        Atoms("Li", cell=[3, 3, 3], pbc=True),
        Atoms("LiH", positions=[[-50, 9, 70], [8, 8, 8]], cell=[4, 4, 4], pbc=True),
        Atoms("Au", cell=[[3, 0, 0], [-9, 3, 0], [7, -7, 3]], pbc=True),
        Atoms("Xe", cell=[1, 1, 300], pbc=True),
    ],
)
def test_odd_structures_are_drawn(atoms: Atoms, tmp_path: Path) -> None:
    before = atoms.positions.copy()
    assert _pixels(draw_structure(atoms, tmp_path / "a.png")).std() > 0
    assert np.array_equal(atoms.positions, before)


def test_four_hundred_atoms_take_less_than_two_seconds(tmp_path: Path) -> None:
    structure = _interface(25)
    assert len(structure) == 400
    draw_structure(_interface(1), tmp_path / "warm.png")
    start = time.process_time()
    draw_structure(structure, tmp_path / "a.png")
    assert time.process_time() - start < 2.0


def test_what_cannot_be_drawn_or_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="without atoms"):
        draw_structure(Atoms(), tmp_path / "a.png")
    with pytest.raises(InputError, match="str cannot be drawn"):
        draw_structure("LiCl", tmp_path / "a.png")
    with pytest.raises(OutputError, match="cannot write"):
        draw_structure(Atoms("Li"), tmp_path / "no" / "a.png")
    assert list(tmp_path.iterdir()) == []
