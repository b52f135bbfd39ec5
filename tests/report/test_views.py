"""Structures and trajectories on the page: true to the atoms, small, and without a way out."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from interlith.analysis.study_results import StudyResults
from interlith.errors import InputError
from interlith.h5md import H5mdWriter
from interlith.report import html, views
from interlith.report.viewer import LIBRARY, LIBRARY_SHA256, LIBRARY_VERSION, viewer
from interlith.report.views import View, view_of_atoms, view_of_text, view_of_trajectory

ATTACK = "</script><script>alert(1)</script><!--"
WEB = Path(html.__file__).parent / "web"


def _interface() -> Atoms:
    atoms = bulk("Li", cubic=True) * (2, 2, 4)
    atoms.set_array("region", np.array(["anode"] * 16 + ["coating"] * 16))
    return atoms


def _places(data: dict[str, Any]) -> np.ndarray:
    raw = np.frombuffer(base64.b64decode(data["places"]), dtype="<i2")
    return raw.reshape(data["frames"], -1, 3) * data["step"]


def test_the_page_gets_every_atom_to_a_hundredth_of_an_angstrom() -> None:
    atoms = _interface()
    view = view_of_atoms(atoms, name="x", group="built", title="Li")
    data = json.loads(json.dumps(view.data()))
    assert np.abs(_places(data)[0] - view.positions[0]).max() < 0.0051
    assert [(name, n) for name, _, _, n in data["elements"]] == [("Li", 32)]
    assert [(name, n) for name, _, n in data["regions"]] == [("anode", 16), ("coating", 16)]
    assert data["regions"][0][1] == "#cc79a7"  # as in the other figures
    assert view.alt == "Li: 32 Li; regions: anode (16), coating (16)."
    assert view.picture.startswith(b"\x89PNG")


def test_huge_cells_take_a_coarser_grid() -> None:
    atoms = Atoms("Li2", positions=[[0, 0, 0], [0, 0, 900]])
    data = view_of_atoms(atoms, name="x", group="built", title="Li").data()
    assert data["step"] == 0.1
    assert _places(data)[0][1][2] == pytest.approx(900)


def _trajectory(path: Path, n_frames: int, atoms: Atoms) -> Path:
    writer = H5mdWriter.create(
        path, atoms.get_chemical_symbols(), time_step_fs=500.0, regions=list(atoms.arrays["region"])
    )
    for frame in range(n_frames):
        writer.append(frame, atoms.positions + 0.01 * frame, atoms.cell.array)
    writer.commit()
    return path


def test_a_trajectory_is_thinned_from_its_first_to_its_last_frame(tmp_path: Path) -> None:
    atoms = _interface()
    path = _trajectory(tmp_path / "a.h5", 201, atoms)
    view = view_of_trajectory(path, name="x", group="moves", title="Li at 500 K")
    assert len(view.positions) == len(view.times_ps) == views.MOST_FRAMES
    assert view.times_ps[0] == 0.0
    assert view.times_ps[-1] == pytest.approx(100.0)
    assert view.regions == tuple(atoms.arrays["region"])
    fractions = view.positions @ np.linalg.inv(view.cell)
    assert fractions.min() > -1e-3
    assert fractions.max() < 1.0 + 1e-3
    away = view.positions[-1] - (atoms.positions + 2.0)
    periods = away @ np.linalg.inv(view.cell)
    assert np.abs(periods - np.round(periods)).max() < 1e-4  # the same atoms, whole cells away


def test_many_atoms_give_few_frames(tmp_path: Path) -> None:
    atoms = _interface() * (4, 4, 1)
    path = _trajectory(tmp_path / "a.h5", 100, atoms)
    view = view_of_trajectory(path, name="x", group="moves", title="x")
    assert view.positions.size // 3 <= views.MOST_PLACES


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_text("no")
    with pytest.raises(InputError):
        view_of_trajectory(tmp_path / "a.h5", name="x", group="moves", title="x")
    with pytest.raises(InputError, match=r"a\.extxyz cannot be read"):
        view_of_text("nonsense", "a.extxyz", "built", "x")


def test_a_damaged_file_costs_its_view_only(tmp_path: Path) -> None:
    path = _trajectory(tmp_path / "a.h5", 50, _interface())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert views._frames(path, "x", "moves", "x") == []


def test_nothing_in_the_data_ends_its_block() -> None:
    view = view_of_atoms(_interface(), name="x", group="built", title=ATTACK)
    page = viewer("v", [view], ATTACK)
    assert page.count("</script>") == 1
    assert "<script>" not in page
    assert "<!--" not in page
    (block,) = re.findall(r'<script type="application/json" id="v-data">(.*?)</script>', page)
    assert json.loads(block)[0]["alt"].startswith(ATTACK)
    assert viewer("v", [], "caption") == ""


def test_the_library_is_the_pinned_one() -> None:
    import hashlib

    text = (WEB / LIBRARY).read_bytes()
    assert hashlib.sha256(text).hexdigest() == LIBRARY_SHA256
    notice = html.library().partition("*/")[0]
    assert LIBRARY_VERSION in notice
    assert "University of Pittsburgh" in notice
    assert b"</script" not in text
    assert "BSD-3-Clause" in (WEB / "3Dmol-LICENSE.txt").read_text()


def _noise(name: str, group: str, n_frames: int) -> View:
    rng = np.random.default_rng(len(name))
    places = rng.uniform(0, 30, (n_frames, 400, 3))
    return View(
        name=name, group=group, title=name, alt=name, symbols=("Li",) * 400, cell=30 * np.eye(3),
        positions=places, times_ps=tuple(map(float, range(n_frames))) if n_frames > 1 else (),
        picture=rng.bytes(200_000),
    )  # fmt: skip


def test_a_page_with_far_too_much_to_show_stays_below_three_megabytes(
    results: StudyResults,
) -> None:
    many = [_noise(f"b{i}", "built", 1) for i in range(24)]
    many += [_noise(f"m{i}", "moves", 40) for i in range(8)]
    many += [_noise(f"r{i}", "reactive", 40) for i in range(8)]
    page = html.render(results, many)
    assert len(page.encode()) < 3_000_000
    for group in ("built-3d", "moves-3d", "reactive-3d"):
        assert f'id="{group}"' in page


def test_scripts_of_the_viewer_come_only_with_views(results: StudyResults) -> None:
    view = view_of_atoms(_interface(), name="x", group="built", title="Li")
    assert "3dmol v" not in html.render(results)
    assert "3dmol v" in html.render(results, [view])
