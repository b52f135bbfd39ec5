"""The promises of conftest.py: own folder, own settings, one thread, no network."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest


def test_connecting_to_another_machine_is_refused() -> None:
    documentation_address = "192.0.2.1"
    with socket.socket() as sock, pytest.raises(RuntimeError, match=documentation_address):
        sock.connect((documentation_address, 80))
    with socket.socket() as sock, pytest.raises(RuntimeError, match=documentation_address):
        sock.connect_ex((documentation_address, 80))


def test_looking_up_another_machine_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"example\.invalid"):
        socket.create_connection(("example.invalid", 80), timeout=1)


def test_connecting_to_this_machine_works() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()


def test_the_folder_is_empty_and_outside_the_checkout(tmp_path: Path, repository: Path) -> None:
    assert Path.cwd() == tmp_path
    assert not list(tmp_path.iterdir())
    assert not tmp_path.is_relative_to(repository)


def test_settings_are_those_of_the_session() -> None:
    assert "interlith-tests-" in os.environ["INTERLITH_CACHE"]
    assert {n for n in os.environ if n.startswith("INTERLITH_")} - {"INTERLITH_CACHE"} <= {
        n for n in os.environ if n.startswith("INTERLITH_TEST_")
    }
    assert os.environ["OMP_NUM_THREADS"] == "1"
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
