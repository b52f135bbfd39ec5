"""What every test gets: a folder of its own, settings of its own, one thread, no network."""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.database import DirectoryBasedExampleDatabase

REPOSITORY = Path(__file__).resolve().parent.parent
_SESSION_FOLDER = pytest.StashKey[Path]()


class NetworkRefusedError(RuntimeError):
    """Not an ``OSError``: code that retries or falls back on those would hide the attempt."""


def pytest_configure(config: pytest.Config) -> None:
    """Settle the environment before any test module, and so any library, is imported."""
    folder = Path(tempfile.mkdtemp(prefix="interlith-tests-"))
    config.stash[_SESSION_FOLDER] = folder
    for name in [n for n in os.environ if n.startswith("INTERLITH_")]:
        if not name.startswith("INTERLITH_TEST_"):  # those are meant for the tests
            del os.environ[name]
    own = folder / "no-user-settings.yaml"
    own.write_text("{}\n")
    os.environ |= {
        "INTERLITH_CACHE": str(folder / "cache"),
        # The libraries read files in the home directory unless told of another one.
        "JOBFLOW_CONFIG_FILE": str(own),
        "ATOMATE2_CONFIG_FILE": str(own),
        "PMG_CONFIG_FILE": str(own),
        "FW_CONFIG_FILE": str(own),
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": str(folder / "matplotlib"),
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    (folder / "matplotlib").mkdir()
    examples = DirectoryBasedExampleDatabase(REPOSITORY / ".hypothesis")
    settings.register_profile("local", deadline=None, database=examples)
    settings.register_profile("ci", deadline=None, derandomize=True, database=None)
    settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[_SESSION_FOLDER], ignore_errors=True)


def _check_local(host: object) -> None:
    if host is None or host in ("", b"", "localhost", b"localhost"):
        return
    text = host.decode() if isinstance(host, bytes) else str(host)
    try:
        local = ipaddress.ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        local = False
    if not local:
        raise NetworkRefusedError(
            f"a test tried to reach {text!r}; tests may only talk to this machine (127.0.0.1, ::1)"
        )


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex
    getaddrinfo = socket.getaddrinfo

    def check(sock: socket.socket, address: Any) -> None:
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            _check_local(address[0])

    def checked_connect(sock: socket.socket, address: Any) -> None:
        check(sock, address)
        connect(sock, address)

    def checked_connect_ex(sock: socket.socket, address: Any) -> int:
        check(sock, address)
        return connect_ex(sock, address)

    def checked_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        _check_local(host)  # a name look-up would leave the machine too
        return getaddrinfo(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", checked_connect)
        patch.setattr(socket.socket, "connect_ex", checked_connect_ex)
        patch.setattr(socket, "getaddrinfo", checked_getaddrinfo)
        yield


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference and literature data beside the checkout."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"no reference data: the folder {folder} is absent")
    return folder
