"""H5MD: what is written is read again, at any block size, whatever moment the writer died at."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import iread, read

from interlith.errors import InputError, OutputError
from interlith.h5md import H5mdReader, H5mdWriter, convert
from interlith.h5md import journal as journal_module
from interlith.h5md.journal import PagedFile, journal_path, recover


class Died(BaseException):
    """Stands for a kill: nothing catches it."""


def _atoms() -> Atoms:
    atoms = bulk("Cu", cubic=True) * (2, 1, 1)
    atoms.set_cell(atoms.cell.array + np.array([[0, 0, 0], [0.3, 0, 0], [0.2, -0.4, 0]]))
    return atoms


def _frames(count: int, seed: int = 0) -> npt.NDArray[np.float64]:
    atoms, random = _atoms(), np.random.default_rng(seed)
    walk = np.cumsum(random.normal(size=(count, len(atoms), 3)), axis=0)
    return np.asarray(atoms.positions + walk)


def _create(path: Path, **options: object) -> H5mdWriter:
    atoms = _atoms()
    settled = {"time_step_fs": 10.0, "steps_per_frame": 5, "pbc": (True, True, False)} | options
    return H5mdWriter.create(path, list(atoms.symbols), **settled)


def _append(writer: H5mdWriter, frames: npt.NDArray[np.float64]) -> None:
    for positions in frames:
        number = writer.frames
        cell = _atoms().cell.array * (1 + 0.001 * number)
        writer.append(5 * number, positions, cell, {"temperature": 300.0 + number})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "run.h5"
    writer = _create(path, regions=["a"] * 4 + ["b"] * 4, parameters={"x": {"y": 1}})
    _append(writer, _frames(30))
    writer.commit()
    return path


def test_what_is_written_is_read(path: Path) -> None:
    with H5mdReader(path) as read_back:
        assert (read_back.n_frames, read_back.n_atoms) == (30, 8)
        assert read_back.symbols == ("Cu",) * 8
        assert read_back.pbc == (True, True, False)
        assert read_back.time_step_fs == 10
        assert read_back.regions == ("a",) * 4 + ("b",) * 4
        assert read_back.parameters == {"x": {"y": 1}}
        assert np.allclose(read_back.positions(), _frames(30), atol=2e-6)
        assert np.allclose(read_back.cells(7, 8)[0], _atoms().cell.array * 1.007, atol=0)
        assert np.array_equal(read_back.steps(), 5 * np.arange(30))
        assert np.array_equal(read_back.observable("temperature", 3, 6), [303, 304, 305])


def test_blocks_are_the_whole(path: Path) -> None:
    with H5mdReader(path) as read_back:
        parts = [read_back.positions(*block) for block in read_back.blocks(7)]
        assert [len(part) for part in parts] == [7, 7, 7, 7, 2]
        assert np.array_equal(np.concatenate(parts), read_back.positions())
        assert np.array_equal(read_back.positions(step=3), read_back.positions()[::3])
        assert read_back.positions(30).shape == (0, 8, 3)


def test_the_file_is_plain_h5md(path: Path) -> None:
    with h5py.File(path) as file:
        assert list(file["h5md"].attrs["version"]) == [1, 1]
        box, position = file["particles/all/box"], file["particles/all/position"]
        assert box.attrs["dimension"] == 3
        assert position["value"].dtype == np.float32
        assert box["edges/step"] == position["step"]  # one array, two names
        assert position["value"].attrs["unit"] == "Angstrom"
        assert list(position["time"][:3]) == [0, 10, 20]


def test_cut_and_go_on_is_as_if_never_cut(path: Path) -> None:
    writer = H5mdWriter(path)
    writer.truncate(11)
    _append(writer, _frames(30)[11:])
    assert writer.commit() == 30
    with H5mdReader(path) as read_back:
        assert np.allclose(read_back.positions(), _frames(30), atol=2e-6)
        assert np.array_equal(read_back.steps(), 5 * np.arange(30))
    with pytest.raises(InputError, match="cannot keep 31 of 30"):
        writer.truncate(31)


def test_waiting_frames_are_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interlith.h5md.writer.BUFFER_BYTES", 8 * 3 * 4 * 10)
    writer = H5mdWriter(path)
    _append(writer, _frames(25))
    with H5mdReader(path) as read_back:
        assert read_back.n_frames == 30 + 22
    assert writer.frames == 55


def _state(path: Path) -> tuple[int, bytes]:
    with H5mdReader(path) as read_back:
        return read_back.n_frames, read_back.positions().tobytes()


@pytest.mark.parametrize("change", ["append", "truncate"])
def test_dying_at_any_write_of_the_copy_gives_the_new_file(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """The journal is whole from the first of these writes on; dying before is the next test."""

    def die(*_: object) -> None:
        raise Died

    old, victim = tmp_path / "old.h5", tmp_path / "victim.h5"
    shutil.copy(path, old)
    writer = H5mdWriter(path)
    if change == "append":
        _append(writer, _frames(400, seed=1))
    act = writer.commit if change == "append" else lambda: writer.truncate(3)
    with monkeypatch.context() as patch:
        patch.setattr(journal_module, "_apply", die)
        with pytest.raises(Died):
            act()
    journal = journal_path(path).read_bytes()
    recover(path)
    new, writes = _state(path), 0
    assert new[0] == (430 if change == "append" else 3)
    pwrite, died = os.pwrite, True
    while died:
        shutil.copy(old, victim)
        journal_path(victim).write_bytes(journal)
        left = [writes]

        def counted(*arguments, left=left):
            if not left[0]:
                raise Died
            left[0] -= 1
            return pwrite(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", counted)
            try:
                recover(victim)
                died = False
            except Died:
                writes += 1
        assert _state(victim) == new  # by a reader that changes nothing
        recover(victim)
        assert not journal_path(victim).exists()
        with h5py.File(victim) as file:  # and any program can open it now
            assert file["particles/all/position/value"].shape[0] == new[0]
    assert writes > 3


def test_a_journal_cut_anywhere_is_dropped(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _state(path)

    def die(*_: object) -> None:
        raise Died

    monkeypatch.setattr(journal_module, "_apply", die)
    writer = H5mdWriter(path)
    _append(writer, _frames(5))
    with pytest.raises(Died):
        writer.commit()
    monkeypatch.undo()
    journal = journal_path(path)
    content = journal.read_bytes()
    assert _state(path)[0] == 35
    for length in [0, 1, 31, 32, 33, 64, 5000, len(content) // 2, len(content) - 1]:
        journal.write_bytes(content[:length])
        assert _state(path) == before
    journal.write_bytes(content[:-40] + b"x" + content[-39:])  # one byte wrong
    assert _state(path) == before
    assert not recover(path)
    assert not journal.exists()
    assert _state(path) == before


def test_pages_read_as_a_file_would(tmp_path: Path) -> None:
    path = tmp_path / "raw"
    path.write_bytes(bytes(range(256)) * 40)
    mirror, random = bytearray(path.read_bytes()), np.random.default_rng(0)
    with PagedFile(path) as pages:
        for _ in range(200):
            at, length = int(random.integers(0, 20000)), int(random.integers(1, 6000))
            data = random.bytes(length)
            pages.seek(at)
            pages.write(data)
            mirror.extend(bytes(max(0, at + length - len(mirror))))
            mirror[at : at + length] = data
            at = int(random.integers(0, 20000))
            pages.seek(at)
            got = bytearray(5000)
            count = pages.readinto(got)
            assert got[:count] == mirror[at : at + 5000]
        assert path.read_bytes() == bytes(range(256)) * 40  # untouched so far
        pages.commit()
    assert path.read_bytes() == mirror


_FULL = """
import resource, sys
from pathlib import Path
import numpy as np
from interlith.errors import OutputError
from interlith.h5md import H5mdWriter
path = Path(sys.argv[1])
writer = H5mdWriter(path)
limit = path.stat().st_size + 50_000
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
for k in range(2000):
    writer.append(k, np.zeros((8, 3)), np.eye(3))
try:
    writer.commit()
except OutputError as error:
    print(error)
"""


def test_a_full_disk_is_said_and_nothing_is_lost(path: Path) -> None:
    before = _state(path)
    answer = subprocess.run(
        [sys.executable, "-c", _FULL, str(path)], capture_output=True, text=True, check=True
    )
    assert "what it held before is whole" in answer.stdout
    assert _state(path) == before
    assert not journal_path(path).exists()
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


@pytest.mark.parametrize("name", ["a.xyz", "a.traj", "a.lammpstrj"])
def test_converted_frames_are_the_same_crystal(path: Path, name: str) -> None:
    target = convert(path, name)
    fmt = {"format": "lammps-dump-text"} if name.endswith("lammpstrj") else {}
    with H5mdReader(path) as source:
        for number, atoms in enumerate(iread(target, index=":", **fmt)):
            own = Atoms(
                list(source.symbols),
                positions=source.positions(number, number + 1)[0],
                cell=source.cells(number, number + 1)[0],
                pbc=source.pbc,
            )
            assert np.allclose(atoms.cell.cellpar(), own.cell.cellpar(), atol=1e-5)
            assert np.allclose(atoms.get_all_distances(), own.get_all_distances(), atol=2e-5)
            assert list(atoms.pbc) == list(source.pbc)
        assert number == source.n_frames - 1


def test_extxyz_carries_time_region_and_energy(tmp_path: Path) -> None:
    writer = _create(tmp_path / "e.h5", regions=["anode"] * 8)
    for step in (0, 5):
        writer.append(step, _frames(1)[0], np.eye(3) * 9, {"potential_energy": -1.5 - step})
    writer.commit()
    last = read(convert(tmp_path / "e.h5", "e.xyz"), index=-1)
    assert last.info["time_fs"] == 10
    assert last.info["step"] == 5
    assert last.get_potential_energy() == -6.5
    assert set(last.arrays["region"]) == {"anode"}


def test_bad_input_is_said(path: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"known are extxyz"):
        convert(path, tmp_path / "a.pdb")
    with pytest.raises(InputError, match="there is no trajectory"):
        H5mdReader(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("hello")
    for opener in (H5mdReader, H5mdWriter):
        with pytest.raises(InputError, match=r"text\.h5"):
            opener(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(InputError, match="cannot be read as H5MD"):
        H5mdReader(tmp_path / "other.h5")
    with H5mdReader(path) as source, pytest.raises(InputError, match="no observable 'charge'"):
        source.observable("charge")
    with pytest.raises(InputError, match="8 atoms"):
        H5mdWriter(path).append(0, np.zeros((3, 3)), np.eye(3))
    with pytest.raises(OutputError):
        convert(path, tmp_path / "absent" / "a.xyz")
    with pytest.raises(OutputError):
        _create(tmp_path / "absent" / "a.h5")


def test_files_of_other_programs_are_read(tmp_path: Path) -> None:
    """Wrapped positions with images, in nm and ps, one fixed orthorhombic box."""
    with h5py.File(tmp_path / "other.h5", "w") as file:
        group = file.create_group("particles/lipids")
        group["position/value"] = np.array([[[0.1, 0.2, 0.3]], [[0.05, 0.2, 0.3]]])
        group["position/value"].attrs["unit"] = "nm"
        group["position/time"] = [0.0, 0.5]
        group["position/time"].attrs["unit"] = "ps"
        group["position/step"] = [0, 500]
        group["image/value"] = np.array([[[0, 0, 0]], [[1, 0, 0]]])
        group["box/edges"] = [1.0, 2.0, 3.0]
        group["box"].attrs["boundary"] = [b"periodic", b"periodic", b"none"]
        group["species"] = [3]
    with H5mdReader(tmp_path / "other.h5") as other:
        assert other.symbols == ("Li",)
        assert other.time_step_fs == 500
        assert np.allclose(other.positions(), [[[1, 2, 3]], [[10.5, 2, 3]]])
        assert np.allclose(other.cells(1, 2), np.diag([10.0, 20, 30]))
