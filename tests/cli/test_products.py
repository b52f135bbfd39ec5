"""``interlith products`` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ase import Atoms
from ase.io import write
from typer.testing import CliRunner

from interlith.cli.main import app
from interlith.errors import InputError
from interlith.structures.library import build, load_phase

RUN = CliRunner()


@pytest.fixture
def salt(tmp_path: Path) -> Path:
    """A crystal of Li2S that does not move."""
    crystal = build(load_phase("Li2S")) * 2
    atoms = Atoms(
        [site.specie.symbol for site in crystal],
        crystal.cart_coords,
        cell=crystal.lattice.matrix,
        pbc=True,
    )
    write(tmp_path / "still.extxyz", [atoms] * 3)
    return tmp_path / "still.extxyz"


def test_a_crystal_is_found_and_counted(salt: Path, tmp_path: Path) -> None:
    words = ["products", str(salt), "--time-step", "50", "--phases", "Li,Li2S", "--between", "Li,S"]
    done = RUN.invoke(app, [*words, "--json", "--out", str(tmp_path / "r.json")])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found == json.loads((tmp_path / "r.json").read_text())
    (sulfide,) = found["amounts"]
    assert sulfide["phase"] == "Li2S"
    assert sulfide["predicted_units"] == 32
    assert sulfide["crystalline_units"] == sulfide["like_units"] == [32, 32, 32]
    assert sulfide["tells"] is False
    assert sulfide["lithium_around"][0] == sulfide["crystal_lithium_around"] == 8
    shown = RUN.invoke(app, words).stdout
    assert "predicted: 32 Li2S" in shown
    assert "from the start" in shown


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["--between", "Li"], "two materials"),
        (["--between", "Li,Li6PS5Cl"], "which the cell has not"),
        (["--every", "0"], "start within"),
        (["--phases", "LiF"], "it holds F"),
    ],
)
def test_bad_input(salt: Path, words: list[str], match: str) -> None:
    with pytest.raises(InputError, match=match):
        RUN.invoke(
            app, ["products", str(salt), "--time-step", "50", *words], catch_exceptions=False
        )
