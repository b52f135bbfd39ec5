"""``interlith barrier``: contract fields, going on, mistakes in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from interlith.cli.main import app
from interlith.errors import InputError

COPPER = (
    "barrier", "Cu", "--engine", "emt", "--ion", "Cu", "--max-distance", "3", "--min-length", "7",
    "--images", "1",
)  # fmt: skip


def _run(*arguments: str) -> Any:
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_a_barrier_its_profile_and_going_on(tmp_path: Path) -> None:
    out = str(tmp_path / "hops")
    first = json.loads(_run(*COPPER, "--out", out, "--json").stdout)
    (hop,) = first["hops"]
    assert hop["status"] == first["status"] == "ok"
    assert 0.5 < hop["barrier"]["forward_ev"] < 1.0  # EMT: 0.79 eV in 31 atoms
    assert first["potential"]["name"] == "emt"
    assert (tmp_path / "hops" / "profile.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "hops" / "barriers.json").read_text()) == first
    again = _run(*COPPER, "--out", out)
    assert f"{hop['barrier']['forward_ev']:.3f} eV" in again.stdout
    kept = json.loads((tmp_path / "hops" / "barriers.json").read_text())
    assert kept["hops"][0]["barrier"]["resumed"] is True


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("--kind", "exchange"), "kind 'exchange'"),
        (("--images", "0"), "images"),
        (("--ion", "Al"), "holds no Al"),
        (("--potential", "gap"), "no potential"),
    ],
)
def test_bad_input_is_refused_in_words(change: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        _run(*COPPER, *change)
