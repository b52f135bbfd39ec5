from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from ase.io.trajectory import Trajectory as AseTrajectory

from interlith.analysis.displacements import read_paths
from interlith.analysis.trajectories import Trajectory, from_arrays, open_trajectory
from interlith.errors import InputError
from interlith.h5md import H5mdWriter

SYMBOLS = ["Li", "Li", "S", "P"]
CELL = np.array([[6.0, 0.0, 0.0], [1.5, 5.5, 0.0], [0.4, -0.7, 7.0]])


def walk(n_frames: int = 40, cell: np.ndarray = CELL) -> np.ndarray:
    """Unwrapped positions that leave the cell."""
    rng = np.random.default_rng(5)
    steps = rng.normal(size=(n_frames, 4, 3)) * 0.3 + [0.2, 0.1, -0.15]
    return rng.random((4, 3)) @ cell + steps.cumsum(axis=0)


def wrap(positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
    return ((positions @ np.linalg.inv(cell)) % 1.0) @ cell


def everything(trajectory: Trajectory, size: int = 7) -> np.ndarray:
    return np.concatenate([block.positions for block in trajectory.blocks(size)])


def moved(positions: np.ndarray) -> np.ndarray:
    return positions - positions[0]


def frames(positions: np.ndarray, cell: np.ndarray = CELL) -> list[Atoms]:
    return [Atoms(SYMBOLS, p, cell=cell, pbc=True) for p in positions]


def write_h5md(path: Path, positions: np.ndarray) -> None:
    writer = H5mdWriter.create(path, SYMBOLS, pbc=(True, True, True), time_step_fs=20.0)
    for step, one in enumerate(positions):
        writer.append(step, one, CELL)
    writer.commit()


def foreign(path: Path) -> Path:
    """The same H5MD file by another program."""
    import h5py

    with h5py.File(path, "r+") as file:
        file["h5md/creator"].attrs["name"] = "another"
    return path


def write_lammps(path: Path, positions: np.ndarray, columns: str, cell: np.ndarray,
                 times: Sequence[int] | None = None, general: bool = False) -> None:  # fmt: skip
    """Rows in mixed order; bounds of the hull of a tilted box, origin moved."""
    (lx, _, _), (xy, ly, _), (xz, yz, lz) = cell
    origin = np.array([1.0, 2.0, 3.0])
    low = origin + np.array([min(0, xy, xz, xy + xz), min(0, yz), 0])
    high = origin + np.array([lx + max(0, xy, xz, xy + xz), ly + max(0, yz), lz])
    images = np.floor(positions @ np.linalg.inv(cell)).astype(int)
    with path.open("w") as file:
        for step, one in enumerate(positions):
            now = step * 10 if times is None else times[step]
            file.write(f"ITEM: TIMESTEP\n{now}\nITEM: NUMBER OF ATOMS\n4\n")
            words = "abc origin" if general else "xy xz yz"
            file.write(f"ITEM: BOX BOUNDS {words} pp pp pp\n")
            rows = (
                np.column_stack([cell, origin])
                if general
                else zip(low, high, (xy, xz, yz), strict=True)
            )
            for row in rows:
                file.write(" ".join(map(str, row)) + "\n")
            file.write(f"ITEM: ATOMS {columns}\n")
            for i in np.random.default_rng(step).permutation(4):
                inside = wrap(one[i], cell)
                scaled = inside @ np.linalg.inv(cell)
                known = {
                    "id": i + 1,
                    "element": SYMBOLS[i],
                    "type": {"Li": 1, "S": 2, "P": 3}[SYMBOLS[i]],
                }
                for k, axis in enumerate("xyz"):
                    known[axis] = (inside + origin)[k]
                    known[axis + "u"] = (one[i] + origin)[k]
                    known[axis + "s"] = scaled[k]
                    known["i" + axis] = images[step, i, k]
                file.write(" ".join(str(known[c]) for c in columns.split()) + "\n")


def write_vasprun(path: Path, positions: np.ndarray) -> None:
    atoms = "".join(f"<rc><c>{s} </c><c>1</c></rc>" for s in SYMBOLS)
    rows = "".join(f"<v> {a} {b} {c} </v>" for a, b, c in CELL)
    text = (
        '<?xml version="1.0"?><modeling><incar><i name="POTIM"> 2.00000000</i></incar>'
        f'<atominfo><array name="atoms"><set>{atoms}</set></array></atominfo>'
    )
    for one in positions:
        inside = "".join(f"<v>{a} {b} {c}</v>" for a, b, c in one @ np.linalg.inv(CELL) % 1.0)
        text += (
            f'<calculation><structure><crystal><varray name="basis">{rows}</varray></crystal>'
            f'<varray name="positions">{inside}</varray></structure></calculation>'
        )
    path.write_text(text + "</modeling>")


@pytest.mark.parametrize("name", ["a.h5md", "a.extxyz", "a.traj", "XDATCAR", "vasprun.xml"])
def test_every_format_gives_the_same_walk(name: str, tmp_path: Path) -> None:
    path, positions = tmp_path / name, walk()
    wrapped = wrap(positions, CELL)
    if name == "a.h5md":
        write_h5md(path, positions)
    elif name == "a.extxyz":
        write(path, frames(wrapped))
    elif name == "a.traj":
        with AseTrajectory(path, "w") as file:
            for atoms in frames(wrapped):
                file.write(atoms)
    elif name == "XDATCAR":
        write(path, frames(wrapped), format="vasp-xdatcar")
    else:
        write_vasprun(path, wrapped)
    known = {"a.h5md": 20.0, "vasprun.xml": 2.0}.get(name)
    trajectory = open_trajectory(path, time_step_fs=None if known else 20.0)
    assert trajectory.time_step_fs == (known or 20.0)
    assert trajectory.n_frames == 40
    assert trajectory.symbols == tuple(SYMBOLS)
    np.testing.assert_allclose(moved(everything(trajectory)), moved(positions), atol=2e-5)


@pytest.mark.parametrize(
    "columns",
    [
        "id element xu yu zu",
        "id type x y z",
        "id type xs ys zs",
        "id element x y z ix iy iz",
        "type id element xs ys zs ix iy iz",
    ],
)
@pytest.mark.parametrize("cell", [CELL, np.diag([6.0, 5.5, 7.0])])
def test_lammps_dumps(columns: str, cell: np.ndarray, tmp_path: Path) -> None:
    path, positions = tmp_path / "run.lammpstrj", walk(cell=cell)
    write_lammps(path, positions, columns, cell)
    symbols = None if "element" in columns else ["Li", "S", "P"]
    trajectory = open_trajectory(path, time_step_fs=20.0, symbols=symbols)
    assert trajectory.symbols == tuple(SYMBOLS)
    np.testing.assert_allclose(moved(everything(trajectory)), moved(positions), atol=1e-8)


def test_blocks_do_not_matter_and_strides_are_followed() -> None:
    positions = walk(50)
    trajectory = from_arrays(wrap(positions, CELL), CELL, SYMBOLS, 1.0, wrapped=True)
    np.testing.assert_allclose(everything(trajectory, 3), everything(trajectory, 50), atol=1e-10)
    for size in (1, 4, 50):
        got = np.concatenate([b.positions for b in trajectory.blocks(size, range(5, 47, 4))])
        np.testing.assert_allclose(moved(got), moved(positions[5:47:4]), atol=1e-10)


def test_a_breathing_cell_moves_no_atom() -> None:
    fractional = np.random.default_rng(1).random((4, 3)) + np.array([3, 0, -2])
    cells = CELL * (1 + 0.05 * np.sin(np.arange(30) / 3.0))[:, None, None]
    trajectory = from_arrays(fractional @ cells, cells, SYMBOLS, 1.0)
    np.testing.assert_allclose(moved(everything(trajectory)), 0, atol=1e-10)


@pytest.mark.parametrize("steady", [0, 13])
@pytest.mark.parametrize("size", [1, 5, 30])
def test_steps_count_in_a_breathing_cell(size: int, steady: int) -> None:
    steps = np.random.default_rng(1).normal(size=(30, 4, 3)) * 0.02
    fractional = steps.cumsum(axis=0)
    factor = 1 + 0.05 * np.sin(np.maximum(np.arange(30) - steady, 0) / 3.0)
    cells = CELL * factor[:, None, None]
    trajectory = from_arrays(fractional @ cells, cells, SYMBOLS, 1.0)
    mean = 0.5 * (cells[1:] + cells[:-1])
    expected = np.concatenate([np.zeros((1, 4, 3)), np.matmul(steps[1:], mean).cumsum(axis=0)])
    np.testing.assert_allclose(moved(everything(trajectory, size)), expected, atol=1e-8)


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("size", [1, 7, 40])
def test_frames_in_their_own_breathing_cells(size: int, wrapped: bool) -> None:
    fractional = walk() @ np.linalg.inv(CELL)
    cells = CELL * (1 + 0.05 * np.sin(np.arange(40) / 3.0))[:, None, None]
    stored = (fractional % 1.0 if wrapped else fractional) @ cells
    trajectory = from_arrays(stored, cells, SYMBOLS, 1.0, wrapped=wrapped)
    blocks = list(trajectory.blocks(size, range(0, 40, 3), own_cells=True))
    got = np.concatenate([block.positions for block in blocks])
    expected = (fractional - (np.floor(fractional[0]) if wrapped else 0)) @ cells
    np.testing.assert_allclose(got, expected[::3], atol=1e-9)


def test_open_boundaries_are_not_wrapped() -> None:
    positions = np.zeros((3, 1, 3))
    positions[:, 0, 2] = [0.0, 6.5, 13.0]
    trajectory = from_arrays(
        positions, np.eye(3) * 7, ["Li"], 1.0, wrapped=True, periodic=(True, True, False)
    )
    np.testing.assert_allclose(everything(trajectory)[:, 0, 2], [0, 6.5, 13])


def test_jumps_of_half_a_cell_are_refused() -> None:
    positions = np.zeros((3, 2, 3))
    positions[2, 1, 0] = 3.4
    trajectory = from_arrays(positions, np.eye(3) * 7, ["Li", "S"], 1.0, wrapped=True)
    with pytest.raises(InputError, match=r"atom 1 .* along a near frame 2"):
        everything(trajectory, 2)


def test_bad_input_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "a.extxyz"
    with pytest.raises(InputError, match="there is no trajectory"):
        open_trajectory(path)
    write(path, frames(walk(3)))
    with pytest.raises(InputError, match="time between two frames in fs"):
        open_trajectory(path)
    with pytest.raises(InputError, match="impossible"):
        open_trajectory(path, time_step_fs=-1.0)
    with pytest.raises(InputError, match="no reader for 'dcd'"):
        open_trajectory(path, time_step_fs=1.0, format="dcd")
    odd = tmp_path / "run.txt"
    odd.write_text("nothing")
    with pytest.raises(InputError, match="of no known kind"):
        open_trajectory(odd, time_step_fs=1.0)
    for kind in ("h5md", "extxyz", "traj", "xdatcar", "vasprun", "lammps"):
        with pytest.raises(InputError):
            open_trajectory(odd, time_step_fs=1.0, format=kind)
    dump = tmp_path / "a.dump"
    write_lammps(dump, walk(2), "id type x y z", CELL)
    with pytest.raises(InputError, match="which elements"):
        open_trajectory(dump, time_step_fs=1.0)


def test_a_file_cut_off_in_a_frame_gives_the_whole_frames(tmp_path: Path) -> None:
    for name in ("XDATCAR", "a.dump", "vasprun.xml", "a.extxyz"):
        path = tmp_path / name
        if name == "XDATCAR":
            write(path, frames(wrap(walk(5), CELL)), format="vasp-xdatcar")
        elif name == "a.dump":
            write_lammps(path, walk(5), "id element x y z", CELL)
        elif name == "a.extxyz":
            write(path, frames(walk(5)))
        else:
            write_vasprun(path, walk(5))
        path.write_text(path.read_text()[:-40])
        trajectory = open_trajectory(path, time_step_fs=1.0)
        assert trajectory.n_frames == 4
        assert len(everything(trajectory)) == 4


def test_a_file_broken_in_the_middle_is_bad_input(tmp_path: Path) -> None:
    path = tmp_path / "a.xyz"
    write(path, frames(walk(5)), format="extxyz")
    lines = path.read_text().splitlines(keepends=True)
    lines[9] = "Li 0.1 spoilt 0.3\n"
    path.write_text("".join(lines))
    with pytest.raises(InputError, match="cannot be read as extxyz"):
        read_paths(open_trajectory(path, time_step_fs=1.0))


def test_frames_that_a_restart_wrote_twice_count_once(tmp_path: Path) -> None:
    """Killed after frame 29 and restarted from 20: the later frames go on, those before are out."""
    path, positions = tmp_path / "run.dump", walk(40)
    lost = positions[20:30] + np.linspace(0, 3, 10)[:, None, None]
    doubled = np.concatenate([positions[:20], lost, positions[20:]])
    times = [10 * i for i in (*range(30), *range(20, 40))]
    write_lammps(path, doubled, "id element xu yu zu", CELL, times)
    found = open_trajectory(path, time_step_fs=1.0)
    assert found.n_frames == 40
    np.testing.assert_allclose(moved(everything(found)), moved(positions), atol=1e-4)
    write_lammps(path, positions, "id element xu yu zu", CELL, [0] * 40)
    assert open_trajectory(path, time_step_fs=1.0).n_frames == 40
    anew = [10 * i for i in (*range(20), *range(30))]
    write_lammps(path, doubled, "id element xu yu zu", CELL, anew)
    with pytest.raises(InputError, match="goes back to step 0"):
        open_trajectory(path, time_step_fs=1.0)
    write_lammps(
        path, positions, "id element xu yu zu", CELL, [*range(0, 200, 10), *range(200, 800, 30)]
    )
    with pytest.raises(InputError, match="10 steps at first, 30 after frame 20"):
        open_trajectory(path, time_step_fs=1.0)


@pytest.mark.parametrize("columns", ["id element x y z ix iy iz", "id element xu yu zu"])
def test_a_general_triclinic_box_of_lammps(columns: str, tmp_path: Path) -> None:
    """Vectors as they stand, b and c with parts along x and y that no restricted box has."""
    cell = np.array([[6.0, 0.5, -0.3], [1.5, 5.5, 0.4], [0.4, -0.7, 7.0]])
    path, positions = tmp_path / "run.dump", walk(20, cell)
    write_lammps(path, positions, columns, cell, general=True)
    found = open_trajectory(path, time_step_fs=1.0)
    assert found.periodic == (True, True, True)
    block = next(iter(found.blocks(1)))
    np.testing.assert_allclose(block.cells[0], cell, atol=1e-6)
    np.testing.assert_allclose(moved(everything(found)), moved(positions), atol=1e-4)


def test_h5md_of_other_programs_is_followed_across_the_cell(tmp_path: Path) -> None:
    path, positions = tmp_path / "a.h5md", walk()
    write_h5md(path, wrap(positions, CELL))
    assert not open_trajectory(path).source.wrapped
    found = open_trajectory(foreign(path))
    assert found.source.wrapped
    np.testing.assert_allclose(moved(everything(found)), moved(positions), atol=1e-4)
    assert not open_trajectory(path, wrapped=False).source.wrapped
    import h5py

    with h5py.File(path, "r+") as file:
        images = np.floor(positions @ np.linalg.inv(CELL)).astype(int)
        file.create_dataset("particles/all/image/value", data=images)
    counted = open_trajectory(path)
    assert not counted.source.wrapped
    np.testing.assert_allclose(moved(everything(counted)), moved(positions), atol=1e-4)


def test_wrapping_changes_nothing_in_the_paths() -> None:
    positions = walk(60)
    plain = read_paths(from_arrays(positions, CELL, SYMBOLS, 1.0))
    followed = read_paths(from_arrays(wrap(positions, CELL), CELL, SYMBOLS, 1.0, wrapped=True))
    np.testing.assert_allclose(plain.mobile, followed.mobile, atol=1e-5)
