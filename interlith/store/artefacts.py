"""Files by their content: trajectories, structures, logs.

A file is kept under the sha256 of its bytes, so nothing is kept twice and what was damaged shows.
It is written beside its place under another name, flushed, then renamed: what carries its hash
as name is whole, and what was interrupted is recognised by its name.

>>> store = ArtefactFolder(Path("files"))
>>> kept = store.put_bytes(b"frames", "md/trajectory.txt")
>>> kept.size_bytes, store.read(kept.sha256)
(6, b'frames')
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal

from interlith.errors import OutputError
from interlith.provenance import file_sha256
from interlith.records import Record
from interlith.store.errors import ArtefactError, ArtefactNameError

PART = ".part-"
HASH = re.compile(r"[0-9a-f]{64}")
BLOCK = 1 << 20


class Artefact(Record):
    """A stored file.

    Attributes
    ----------
    name : str
        Relative path that it has where it is written out.
    """

    name: str
    sha256: str
    size_bytes: int


class ArtefactFault(Record):
    """What is wrong with one stored file."""

    file: str
    fault: Literal["corrupted", "half-written", "missing", "foreign"]
    reason: str


def check_name(name: str) -> str:
    """A relative file name that stays in its folder, with forward slashes.

    Raises
    ------
    ArtefactNameError
        On an absolute path, a drive, ``..``, an empty name or control characters.
    """
    parts = PurePosixPath(name.replace("\\", "/")).parts
    absolute = name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name)
    if not parts or absolute or ".." in parts or not name.isprintable() or len(name) > 500:
        raise ArtefactNameError(
            f"the file name {name[:80]!r} is not allowed: it must be a relative path that stays in "
            "its folder, such as md/trajectory.h5"
        )
    return "/".join(parts)


class ArtefactFolder:
    """A folder of files by hash; several processes may write into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path_of(self, sha256: str) -> Path:
        """Where a file is, or would be.

        Raises
        ------
        ArtefactNameError
            If this is no hash.
        """
        if not HASH.fullmatch(sha256):
            raise ArtefactNameError(f"{sha256[:80]!r} is no sha256: 64 digits of 0-9a-f")
        return self.folder / sha256[:2] / sha256

    def put(self, path: Path, name: str | None = None) -> Artefact:
        """Keep a copy of a file.

        Raises
        ------
        OutputError
            If it cannot be read or written; nothing half-written takes its place.
        """
        try:
            with path.open("rb") as file:
                return self._put(file, check_name(name or path.name))
        except OSError as error:
            raise OutputError(
                f"cannot keep {path} in {self.folder} ({error.strerror or error}); "
                "check the space left and the rights, and run again"
            ) from error

    def put_bytes(self, content: bytes, name: str) -> Artefact:
        """Keep some bytes under a name."""
        import io

        try:
            return self._put(io.BytesIO(content), check_name(name))
        except OSError as error:
            raise OutputError(
                f"cannot keep {name} in {self.folder} ({error.strerror or error}); "
                "check the space left and the rights, and run again"
            ) from error

    def _put(self, source: BinaryIO, name: str) -> Artefact:
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.folder / f"{PART}{uuid.uuid4().hex}"
        digest, size = hashlib.sha256(), 0
        try:
            with part.open("wb") as file:
                while block := source.read(BLOCK):
                    digest.update(block)
                    size += len(block)
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())
            place = self.path_of(digest.hexdigest())
            place.parent.mkdir(exist_ok=True)
            if place.exists() and place.stat().st_size == size:
                part.unlink()
            else:
                part.replace(place)
                _sync_folder(place.parent)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        return Artefact(name=name, sha256=digest.hexdigest(), size_bytes=size)

    def get(self, artefact: Artefact) -> Path:
        """Path of a file that is there with its full size; :meth:`verify` also hashes.

        Raises
        ------
        ArtefactError
            If it is missing or short.
        """
        path = self.path_of(artefact.sha256)
        if not path.is_file():
            raise ArtefactError(
                f"the file {artefact.name} (sha256 {artefact.sha256[:12]}) is missing from "
                f"{self.folder}; import the study's folder again, or restore a copy"
            )
        size = path.stat().st_size
        if size != artefact.size_bytes:
            raise ArtefactError(
                f"the file {artefact.name} (sha256 {artefact.sha256[:12]}) has {size} bytes "
                f"instead of {artefact.size_bytes}: it is damaged; restore a copy of {path}"
            )
        return path

    def read(self, sha256: str) -> bytes:
        """Content of a file, checked against its hash.

        Raises
        ------
        ArtefactError
            If it is missing or damaged.
        """
        path = self.path_of(sha256)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ArtefactError(f"the file {path} cannot be read ({error.strerror})") from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ArtefactError(f"the file {path} is damaged: its content has another sha256")
        return content

    def write_out(self, artefact: Artefact, folder: Path) -> Path:
        """Copy a file to its name within a folder.

        Raises
        ------
        ArtefactNameError
            If the name, or a link on the way, would leave the folder.
        """
        target = folder / check_name(artefact.name)
        if not target.resolve().is_relative_to(folder.resolve()):
            raise ArtefactNameError(f"{artefact.name} leaves {folder} through a link; not written")
        source = self.get(artefact)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        except OSError as error:
            raise OutputError(f"cannot write {target} ({error.strerror or error})") from error
        return target

    def stored(self) -> Iterator[str]:
        """Hashes of all files, sorted."""
        for path in sorted(self.folder.glob("[0-9a-f][0-9a-f]/*")):
            if HASH.fullmatch(path.name):
                yield path.name

    def verify(self, wanted: Iterable[Artefact] = ()) -> list[ArtefactFault]:
        """Hash every file, look for halves, and for what is wanted and absent."""
        faults = []
        present = set()
        for path in sorted(p for p in self.folder.rglob("*") if p.is_file()):
            place = str(path.relative_to(self.folder))
            if path.name.startswith(PART):
                reason = "a write was interrupted; it may be deleted"
                faults.append(ArtefactFault(file=place, fault="half-written", reason=reason))
            elif not HASH.fullmatch(path.name) or path.parent.name != path.name[:2]:
                reason = "its name is no hash; interlith did not write it"
                faults.append(ArtefactFault(file=place, fault="foreign", reason=reason))
            elif file_sha256(path) != path.name:
                reason = "its content has another sha256; restore a copy or import again"
                faults.append(ArtefactFault(file=place, fault="corrupted", reason=reason))
                present.add(path.name)
            else:
                present.add(path.name)
        for one in {a.sha256: a for a in wanted if a.sha256 not in present}.values():
            reason = f"{one.name} of {one.size_bytes} bytes is in a record and not here"
            faults.append(ArtefactFault(file=one.sha256, fault="missing", reason=reason))
        return faults

    def remove(self, sha256: str) -> None:
        """Delete a file; absent ones are no error."""
        self.path_of(sha256).unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
