"""Weight files: their hashes, what stands in them, and the card beside them.

A model file is code (a pickle): nothing here runs it. Elements, heads and number type are read by
an unpickler that puts an empty object in the place of every class.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import struct
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from interlith.errors import InputError
from interlith.records import Record

_ITEM_CODES = {"LongStorage": "q", "IntStorage": "i"}

_UNREADABLE = (
    OSError,
    zipfile.BadZipFile,
    pickle.UnpicklingError,
    EOFError,
    AttributeError,
    KeyError,
    IndexError,
    TypeError,
    ValueError,
    struct.error,
)
"""What comes of reading a file that is not of the kind expected."""


class ModelCard(Record):
    """What a model's maker says of it; read from ``NAME.yaml`` beside ``NAME.model``."""

    functional: str = ""
    corrections: str = ""
    licence: str = ""


@dataclass(frozen=True)
class ModelContents:
    """What stands in a MACE file; empty where it could not be read."""

    elements: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    dtype: str = ""


def file_sha256(path: Path) -> str:
    """Hash of a file, computed once for each content.

    Raises
    ------
    InputError
        If there is no such file or it cannot be read.
    """
    return _hash(*_stamp(path))


def read_contents(path: Path) -> ModelContents:
    """Elements, heads and number type of a MACE file, without running it."""
    return _contents(*_stamp(path))


def read_card(path: Path) -> ModelCard:
    """The card beside a model file, or an empty one.

    Raises
    ------
    InputError
        If there is a card that cannot be read.
    """
    card = path.with_suffix(".yaml")
    if not card.is_file():
        return ModelCard()
    import yaml

    try:
        content = yaml.safe_load(card.read_text(encoding="utf-8")) or {}
        if not isinstance(content, dict):
            raise TypeError("it is no mapping")
        known = {key: content[key] for key in ModelCard.model_fields if key in content}
        return ModelCard(**known)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, ValidationError) as error:
        raise InputError(
            f"the model card '{card}' cannot be read ({error}); it holds lines of text for "
            f"{', '.join(ModelCard.model_fields)}"
        ) from error


def _stamp(path: Path) -> tuple[Path, int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise InputError(f"there is no model file '{path}' ({error.strerror})") from error
    if not path.is_file():
        raise InputError(f"'{path}' is not a model file")
    return path.resolve(), status.st_size, status.st_mtime_ns


@cache
def _hash(path: Path, _size: int, _time: int) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"the model file '{path}' cannot be read ({error.strerror})") from error


def sevennet_elements(path: Path) -> tuple[str, ...]:
    """Elements of a SevenNet checkpoint, without running it.

    Raises
    ------
    InputError
        If the file is none.
    """
    return _sevennet(*_stamp(path))


@cache
def _sevennet(path: Path, _size: int, _time: int) -> tuple[str, ...]:
    from ase.data import chemical_symbols

    try:
        with zipfile.ZipFile(path) as archive:
            checkpoint, _ = _peek(archive)
            numbers = [int(number) for number in checkpoint["config"]["_type_map"]]
        return tuple(chemical_symbols[number] for number in sorted(numbers))
    except _UNREADABLE as error:
        raise InputError(
            f"'{path}' is no checkpoint of SevenNet; give the .pth file that sevenn wrote"
        ) from error


@cache
def _contents(path: Path, _size: int, _time: int) -> ModelContents:
    from ase.data import chemical_symbols

    try:
        with zipfile.ZipFile(path) as archive:
            model, root = _peek(archive)
            state = model.state
            numbers = _numbers(archive, root, state["_buffers"]["atomic_numbers"])
            kind = state["_buffers"]["r_max"].state[0].state[1]
    except _UNREADABLE:
        return ModelContents()
    return ModelContents(
        elements=tuple(chemical_symbols[z] for z in sorted(numbers)),
        heads=tuple(str(head) for head in state.get("heads") or ()),
        dtype={"FloatStorage": "float32", "DoubleStorage": "float64"}.get(kind, ""),
    )


def _peek(archive: zipfile.ZipFile) -> tuple[Any, str]:
    """What a torch file holds, with stand-ins for its classes, and its folder in the archive."""
    (pickled,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
    with archive.open(pickled) as file:
        return _Peek(file).load(), pickled.removesuffix("data.pkl")


def _numbers(archive: zipfile.ZipFile, root: str, tensor: _Stub) -> tuple[int, ...]:
    """The integers of a one-dimensional tensor."""
    storage, offset, (length,) = tensor.state[0].state, tensor.state[1], tensor.state[2]
    code, key, count = _ITEM_CODES[storage[1]], storage[2], int(storage[4])
    stored = struct.unpack(f"<{count}{code}", archive.read(f"{root}data/{key}"))
    return tuple(stored[offset : offset + length])


class _Stub:
    """Stands for any object of a pickle; keeps what it was made from."""

    name = ""

    def __init__(self, *arguments: Any, **_: Any) -> None:
        self.state: Any = arguments

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __call__(self, *arguments: Any) -> _Stub:
        return _Stub(*arguments)

    def __setitem__(self, key: Any, value: Any) -> None:
        if not isinstance(self.state, dict):
            self.state = {}
        self.state[key] = value

    def append(self, _: Any) -> None:
        """Take an item of a list-like object; not kept."""

    def extend(self, _: Any) -> None:
        """Take items of a list-like object; not kept."""

    def __hash__(self) -> int:
        return id(self)


class _Mapping(dict[Any, Any]):
    """Takes attributes, as the ordered dictionaries of torch have them."""


class _Peek(pickle.Unpickler):
    """Reads the structure of a torch file and runs none of its code."""

    def find_class(self, module: str, name: str) -> Any:
        """A plain stand-in for whatever the file names."""
        if (module, name) in (("collections", "OrderedDict"), ("builtins", "dict")):
            return _Mapping
        if module == "torch" and name.endswith("Storage"):
            return name
        return type(name, (_Stub,), {"name": name})

    def persistent_load(self, pid: Any) -> Any:
        """Where the numbers of a tensor lie: ('storage', type, key, device, count)."""
        return _Stub(*pid)


def mace_cache() -> Path:
    """Where mace keeps the models it has fetched: ``$XDG_CACHE_HOME/mace`` or ``~/.cache/mace``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "mace"
