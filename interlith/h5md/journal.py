"""Transactions on a file: all of a change is on disk, or none of it, whenever the process dies.

HDF5 changes its tables in place, so a process killed while it flushes leaves a file that cannot be
opened. Here HDF5 writes to pages in memory (:class:`PagedFile`), and :meth:`PagedFile.commit` puts
them on disk in three steps:

1. room for the new size is reserved, then all changed pages go to ``NAME.journal``, closed with
   their sha256, and are flushed to the disk; the file itself is as it was;
2. the pages are copied into the file, and that is flushed;
3. the journal is removed.

A kill during step 1 leaves an unfinished journal (its sha256 is missing), which is thrown away: the
file is the old one. A kill during 2 or 3 leaves a whole journal, and copying it again gives the new
file however much of it had been copied. :func:`recover` does that for writers; readers lay the
journal's pages over the file and change nothing. A full disk is met in step 1 alone.
"""

from __future__ import annotations

import hashlib
import io
import os
import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from interlith.errors import OutputError

PAGE_BYTES = 4096
_HEADER = struct.Struct("<16sQQ")
_MAGIC = b"interlith jrnl 1"


class PagedFile(io.RawIOBase):
    """A file whose changes stay in memory until :meth:`commit`.

    Parameters
    ----------
    path : Path
        An existing file. A journal left by a killed process is taken into account, not applied.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY)
        self._pages: dict[int, bytearray] = {}
        self._size = os.fstat(self._descriptor).st_size
        self._at = 0
        left = read_journal(path)
        if left is not None:
            self._size, pages = left
            self._pages = {number: bytearray(page) for number, page in pages.items()}

    def readable(self) -> bool:
        """Yes."""
        return True

    def writable(self) -> bool:
        """Yes, to memory."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Offset of the next read or write, in bytes."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move to an offset and return it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def readinto(self, buffer: object, /) -> int:
        """Fill ``buffer`` from memory where a page changed, else from the file."""
        target = memoryview(buffer).cast("B")  # type: ignore[arg-type]  # any buffer
        wanted = max(0, min(len(target), self._size - self._at))
        for number, first, last, done in self._spans(wanted):
            page = self._pages.get(number)
            target[done : done + last - first] = (
                self._stored(number)[first:last] if page is None else page[first:last]
            )
        self._at += wanted
        return wanted

    def write(self, data: object, /) -> int:
        """Put ``data`` into the pages in memory."""
        source = memoryview(data).cast("B")  # type: ignore[arg-type]  # any buffer
        for number, first, last, done in self._spans(len(source)):
            if number not in self._pages:
                self._pages[number] = bytearray(self._stored(number))
            self._pages[number][first:last] = source[done : done + last - first]
        self._at += len(source)
        self._size = max(self._size, self._at)
        return len(source)

    def truncate(self, size: int | None = None, /) -> int:
        """Set the length; what lies behind it is forgotten."""
        self._size = self._at if size is None else size
        last = -(-self._size // PAGE_BYTES)
        for number in [number for number in self._pages if number >= last]:
            del self._pages[number]
        return self._size

    def commit(self) -> None:
        """Bring the changes to the disk, all or none.

        Raises
        ------
        OutputError
            If there is no room or no permission; the file is as it was before.
        """
        if not self._pages and self._size == os.fstat(self._descriptor).st_size:
            return
        _write_journal(self.path, self._size, self._pages)
        _apply(self.path, self._size, self._pages)
        self._pages = {}

    def close(self) -> None:
        """Forget what was not committed."""
        if not self.closed:
            os.close(self._descriptor)
        super().close()

    def _spans(self, length: int) -> Iterator[tuple[int, int, int, int]]:
        """Page, first and last byte in it, and bytes before it, from the present offset on."""
        done = 0
        while done < length:
            number, first = divmod(self._at + done, PAGE_BYTES)
            last = min(PAGE_BYTES, first + length - done)
            yield number, first, last, done
            done += last - first

    def _stored(self, number: int) -> bytes:
        return os.pread(self._descriptor, PAGE_BYTES, number * PAGE_BYTES).ljust(PAGE_BYTES, b"\0")


def recover(path: Path) -> bool:
    """Finish or drop what a killed process left of a commit; true if something was finished."""
    left = read_journal(path)
    if left is not None:
        _apply(path, *left)
        return True
    journal_path(path).unlink(missing_ok=True)
    return False


def journal_path(path: Path) -> Path:
    """Where the journal of a file lies."""
    return path.with_name(path.name + ".journal")


def read_journal(path: Path) -> tuple[int, dict[int, bytes]] | None:
    """Size of the file and its changed pages by number; None without a whole journal."""
    try:
        content = journal_path(path).read_bytes()
    except FileNotFoundError:
        return None
    body, digest = content[:-32], content[-32:]
    if len(body) < _HEADER.size or hashlib.sha256(body).digest() != digest:
        return None
    magic, size, count = _HEADER.unpack_from(body)
    if magic != _MAGIC:
        return None
    start = _HEADER.size + 8 * count
    numbers = struct.unpack_from(f"<{count}Q", body, _HEADER.size)
    edges = range(start, start + (count + 1) * PAGE_BYTES, PAGE_BYTES)
    return size, {n: body[a:b] for n, (a, b) in zip(numbers, pairwise(edges), strict=True)}


def _write_journal(path: Path, size: int, pages: dict[int, bytearray]) -> None:
    order = sorted(pages)
    parts = [_HEADER.pack(_MAGIC, size, len(order)), struct.pack(f"<{len(order)}Q", *order)]
    body = b"".join([*parts, *(pages[number] for number in order)])
    before = path.stat().st_size
    try:
        _reserve(path, before, size)
        with journal_path(path).open("wb") as journal:
            journal.write(body)
            journal.write(hashlib.sha256(body).digest())
            journal.flush()
            os.fsync(journal.fileno())
        sync_folder(path.parent)
    except OSError as error:
        journal_path(path).unlink(missing_ok=True)
        os.truncate(path, before)
        raise OutputError(
            f"'{path}' could not be extended ({error.strerror}); what it held before is whole; "
            "make room and resume"
        ) from error


def _reserve(path: Path, before: int, after: int) -> None:
    if after > before:
        with path.open("rb+") as file:
            os.posix_fallocate(file.fileno(), before, after - before)


def _apply(path: Path, size: int, pages: dict[int, bytearray] | dict[int, bytes]) -> None:
    with path.open("rb+") as file:
        for number in sorted(pages, reverse=True):  # new pages before the tables that name them
            os.pwrite(file.fileno(), pages[number], number * PAGE_BYTES)
        os.ftruncate(file.fileno(), size)
        os.fsync(file.fileno())
    journal_path(path).unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
