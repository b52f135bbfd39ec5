"""The OPTIMADE server: what it answers, that it only reads, that it stays on this machine."""

from __future__ import annotations

import importlib.util
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from interlith.errors import InputError, MissingDependencyError
from interlith.store.optimade_server import FIELDS, application, check_address
from interlith.store.results import ResultsDatabase

STRUCTURE = (
    '2\nLattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3 pbc="T T T"\nLi 0 0 0\nF 2 2 2\n'
)
INSTALLED = importlib.util.find_spec("optimade") is not None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "node7", "example.org"])
def test_other_machines_only_if_meant(host: str) -> None:
    with pytest.raises(InputError, match="--public"):
        check_address(host, public=False)
    check_address(host, public=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.0.0.5"])
def test_this_machine(host: str) -> None:
    check_address(host, public=False)


@pytest.mark.skipif(INSTALLED, reason="optimade is installed")
def test_without_the_extra(database: ResultsDatabase) -> None:
    with pytest.raises(MissingDependencyError, match=r"interlith\[optimade\]"):
        application(database)


@pytest.fixture
def address(database: ResultsDatabase, make: Any) -> Iterator[str]:
    """A running server with one structure."""
    pytest.importorskip("optimade", reason="the extra optimade is not installed")
    import uvicorn

    file = database.artefacts.put_bytes(STRUCTURE.encode(), "structures/x.extxyz")
    database.add(make.window(), artefacts=[file])
    settings = uvicorn.Config(application(database), host="127.0.0.1", port=0, log_level="error")
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def get(address: str, path: str) -> Any:
    with urllib.request.urlopen(f"{address}/v1/{path}") as answer:
        return json.load(answer)


def test_structures_are_found(address: str) -> None:
    for wanted in ('elements HAS "F"', '_interlith_kind="window"', "nsites=2"):
        found = get(address, "structures?filter=" + urllib.parse.quote(wanted))
        assert len(found["data"]) == 1, wanted
    attributes = found["data"][0]["attributes"]
    assert attributes["chemical_formula_reduced"] == "FLi"
    assert attributes["_interlith_subject"] == "Li3PS4"
    nothing = urllib.parse.quote('elements HAS "Pu"')
    assert get(address, f"structures?filter={nothing}")["data"] == []


def test_fields_are_declared(address: str) -> None:
    declared = get(address, "info/structures")["data"]["properties"]
    assert {f"_interlith_{name}" for name, _, _ in FIELDS} <= set(declared)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_written(address: str, method: str) -> None:
    request = urllib.request.Request(f"{address}/v1/structures", data=b"{}", method=method)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 405
