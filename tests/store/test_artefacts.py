"""Files by their hash: whole or not there, and never outside of their folder."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlith.errors import OutputError
from interlith.store.artefacts import PART, Artefact, ArtefactFolder, check_name
from interlith.store.errors import ArtefactError, ArtefactNameError


@pytest.fixture
def files(tmp_path: Path) -> ArtefactFolder:
    return ArtefactFolder(tmp_path / "artefacts")


def test_content_is_kept_once(files: ArtefactFolder, tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_bytes(b"frames" * 1000)
    first = files.put(tmp_path / "a.h5")
    second = files.put_bytes(b"frames" * 1000, "other/name.h5")
    assert first.sha256 == second.sha256
    assert first.size_bytes == 6000
    assert list(files.stored()) == [first.sha256]
    assert files.read(first.sha256) == b"frames" * 1000
    assert files.write_out(second, tmp_path / "out") == tmp_path / "out/other/name.h5"
    assert files.verify([first, second]) == []


def test_damage_is_found(files: ArtefactFolder) -> None:
    kept = [files.put_bytes(text, "x.txt") for text in (b"one", b"two", b"three")]
    path = files.path_of(kept[0].sha256)
    path.write_bytes(b"onE")  # the same size
    files.path_of(kept[1].sha256).write_bytes(b"tw")
    files.path_of(kept[2].sha256).unlink()
    (files.folder / f"{PART}abc").write_bytes(b"half")
    (files.folder / "notes.txt").write_bytes(b"?")
    faults = {fault.fault for fault in files.verify(kept)}
    assert faults == {"corrupted", "missing", "half-written", "foreign"}
    with pytest.raises(ArtefactError, match="damaged"):
        files.read(kept[0].sha256)
    with pytest.raises(ArtefactError, match="2 bytes instead of 3"):
        files.get(kept[1])
    with pytest.raises(ArtefactError, match="missing"):
        files.get(kept[2])


def test_a_damaged_file_is_put_right_by_putting_it_again(files: ArtefactFolder) -> None:
    kept = files.put_bytes(b"frames", "x")
    files.path_of(kept.sha256).write_bytes(b"fra")
    files.put_bytes(b"frames", "x")
    assert files.verify([kept]) == []


def test_an_interrupted_write_takes_no_place(
    files: ArtefactFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"No space left.*check the space"):
        files.put_bytes(b"frames", "x")
    assert list(files.folder.rglob("*")) == []


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../x",
        "a/../../x",
        "..\\x",
        "C:\\x",
        "c:x",
        "",
        ".",
        "a\0b",
        "a\nb",
        "\\\\h\\s",
    ],
)
def test_names_that_leave_are_refused(files: ArtefactFolder, name: str) -> None:
    with pytest.raises(ArtefactNameError):
        check_name(name)
    with pytest.raises(ArtefactNameError):
        files.put_bytes(b"x", name)
    forged = Artefact(name=name, sha256=files.put_bytes(b"x", "x").sha256, size_bytes=1)
    with pytest.raises(ArtefactNameError):
        files.write_out(forged, files.folder.parent / "out")


@given(st.text(max_size=40))
def test_a_name_that_passes_stays(name: str) -> None:
    try:
        checked = check_name(name)
    except ArtefactNameError:
        return
    root = Path("/data/out")
    assert Path(os.path.normpath(root / checked)).is_relative_to(root)
    assert Path(os.path.normpath(root / checked)) != root


def test_a_link_does_not_lead_out(files: ArtefactFolder, tmp_path: Path) -> None:
    kept = files.put_bytes(b"x", "sub/x")
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out/sub").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtefactNameError, match="through a link"):
        files.write_out(kept, tmp_path / "out")
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("text", ["../../etc/passwd", "", "ab" * 31, "AB" * 32, "zz" * 32])
def test_a_hash_is_a_hash(files: ArtefactFolder, text: str) -> None:
    with pytest.raises(ArtefactNameError):
        files.path_of(text)


def test_a_copy_of_the_folder_is_whole(files: ArtefactFolder, tmp_path: Path) -> None:
    kept = files.put_bytes(b"frames", "x")
    shutil.copytree(files.folder, tmp_path / "copy")
    assert ArtefactFolder(tmp_path / "copy").verify([kept]) == []
