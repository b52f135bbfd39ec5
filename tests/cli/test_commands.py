"""The command line as a stranger uses it: contracts, exit codes, messages."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from interlith.analysis.reference_catalog import every_element, set_for
from interlith.cli.common import print_json

ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run ``interlith`` in a folder of its own."""

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "interlith", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return command


def _json(result: subprocess.CompletedProcess[str]) -> object:
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_help_names_the_commands(run: Run) -> None:
    result = run("--help")
    assert result.returncode == 0
    for command in ("assess", "window", "react", "screen", "reference"):
        assert command in result.stdout


def test_window_speaks_the_contract(run: Run) -> None:
    record = _json(run("window", "Li6PS5Cl", "--json"))
    for key in (
        "formula",
        "reduction_potential_v",
        "oxidation_potential_v",
        "energy_above_hull_ev_per_atom",
        "in_reference",
        "reduction",
        "oxidation",
        "ladder",
        "decomposition_energies",
        "topotactic",
        "sigma",
        "reference",
    ):
        assert key in record
    assert set(record["reference"]) >= {"name", "sha256", "scheme", "excluded", "shifts"}
    assert set(record["ladder"][0]) >= {"voltage_v", "li_change_per_formula", "products"}
    assert [e["voltage_v"] for e in record["decomposition_energies"]] == [0.0, 5.0]


def test_several_windows_are_a_list_with_failed_rows(run: Run) -> None:
    rows = _json(run("window", "Li2S", "Bad(", "--json"))
    assert rows[0]["formula"] == "Li2S"
    assert rows[1]["formula"] == "Bad("
    assert "cannot read" in rows[1]["error"]


def test_react_closed_and_open_speak_the_contract(run: Run) -> None:
    closed = _json(run("react", "Li", "Li6PS5Cl", "--json"))
    assert closed["mode"] == "closed"
    assert closed["reaction"] == "8 Li + Li6PS5Cl -> 5 Li2S + Li3P + LiCl"
    assert closed["volume"]["interphase_nm_per_uah_cm2"] == pytest.approx(9.0, abs=0.6)
    opened = _json(run("react", "Li3PS4", "LiCoO2", "--voltage", "4.0", "--json"))
    assert opened["mode"] == "open"
    assert opened["voltage_v"] == 4.0
    for kind in ("total", "mutual"):
        assert {"label", "per_atom", "per_non_lithium_atom"} <= set(opened[kind])
    several = _json(run("react", "Li3PS4", "LiCoO2", "--voltage", "3,4,0.5", "--json"))
    assert [row["voltage_v"] for row in several] == [3.0, 3.5, 4.0]


def test_pairs_come_from_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("a,b\nLi,Li6PS5Cl\nLi,Bad(\nLi6PS5Cl,LiCl\n")
    rows = _json(run("react", "--pairs", "pairs.csv", "--json"))
    assert rows[0]["energy_ev_per_atom"] < -0.4
    assert "error" not in rows[0]
    assert "cannot read" in rows[1]["error"]
    assert rows[2]["energy_ev_per_atom"] == 0.0
    text = run("react", "--pairs", "pairs.csv", "--reference", "auto").stdout
    (failed,) = [line for line in text.splitlines() if "cannot read" in line]
    assert "no reaction" not in failed
    assert "no reaction" in text  # of Li6PS5Cl with LiCl


def test_an_open_reaction_says_whose_capacity_and_which_way(run: Run) -> None:
    out = run("react", "Li6PS5Cl", "LiCoO2", "--voltage", "4.3").stdout
    assert "releases 1328 mAh per g of Li6PS5Cl (Li of both counted)" in out
    assert "takes 799 mAh per g of the other reactant" in run("react", "Li", "Li6PS5Cl").stdout


def test_auto_chooses_by_every_element_of_the_question(run: Run) -> None:
    pair = ("--electrolyte", "Li2S", "--cathode", "LiCl", "--reference", "auto", "--json")
    for coatings, elements in (("LaPO4,LiNbO3,Bad(", "Li S Cl La P O Nb"), ("all", None)):
        screen = _json(run("screen", *pair, "--coatings", coatings))
        asked = elements.split() if elements else every_element()
        assert screen["reference"]["name"] == set_for(asked)
    card = _json(run("scorecard", "Li3N", "--reference", "auto", "--json"))
    (gases,) = [row for row in card["rows"] if row["quantity"] == "toxic_gases_in_air"]
    assert gases["value"] == "NH3"
    some = _json(run("window", "Foo", "Li2S", "--reference", "auto", "--json"))
    assert "error" in some[0]
    assert some[1]["reference"]["name"] == "gpaw-pbe-v1"


def test_gases_that_were_not_judged_are_said_in_words(run: Run, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(
        "formula,formation_energy_ev_per_atom\nLi2S,-1.44\nLi3P,-0.87\nLi3PS4,-1.11\nLiCl,-1.8\n"
    )
    out = run("scorecard", "Li6PS5Cl", "--reference", "own.csv").stdout
    (gases,) = [line for line in out.splitlines() if "toxic gases" in line]
    assert "no answer" in gases
    assert "none" not in gases
    assert "the reference set 'own' holds no H2O" in out


def test_what_a_set_says_of_itself_is_printed(run: Run) -> None:
    assert "the potential knows no spin" in run("window", "Li2S").stdout


def test_screen_speaks_the_contract_and_survives_a_bad_row(run: Run, tmp_path: Path) -> None:
    (tmp_path / "coatings.txt").write_text("LiF\n# a comment\nBad(\nLi3PO4\n")
    screen = _json(
        run(
            "screen", "--electrolyte", "Li6PS5Cl", "--cathode", "LiCoO2",
            "--coatings", "coatings.txt", "--json",
        )
    )  # fmt: skip
    assert {row["coating"] for row in screen["rows"]} == {"LiF", "Li3PO4"}
    assert screen["failures"][0]["coating"] == "Bad("
    assert {"rank", "class", "passes"} <= set(screen["rows"][0])
    assert screen["counts"][0] == {"step": "candidates", "left": 3}


def test_reference_commands(run: Run, tmp_path: Path) -> None:
    sets = _json(run("reference", "list", "--json"))
    assert sets[0]["n_phases"] >= 80
    shown = _json(run("reference", "show", "--elements", "Li,S", "--json"))
    assert {"Li", "S", "Li2S"} <= {row["formula"] for row in shown["phases"]}
    (tmp_path / "own.csv").write_text(
        "formula,formation_energy_ev_per_atom\nLi2S,-1.5\nLi3P,-0.7\n"
    )
    compared = _json(
        run("reference", "compare", "default", "own.csv", "--windows", "Li2S", "--json")
    )
    assert compared["n_common"] == 2
    assert compared["windows"][0]["formula"] == "Li2S"


def test_a_built_data_file_is_a_reference(run: Run, tmp_path: Path) -> None:
    shipped = ROOT / "interlith" / "analysis" / "data" / "sevennet-l3i5-v1.json"
    (tmp_path / "mine.json").write_bytes(shipped.read_bytes())
    mine = _json(run("window", "Li2S", "--reference", "mine.json", "--json"))
    default = _json(run("window", "Li2S", "--json"))
    assert mine["oxidation_potential_v"] == default["oxidation_potential_v"]


def test_own_csv_with_shift_and_exclusion(run: Run, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(
        "formula,formation_energy_ev_per_atom\nLi2S,-1.5\nLiS4,-0.3\nLi2SO4,-1.9\n"
    )
    record = _json(
        run(
            "window", "Li2S", "--reference", "own.csv", "--exclude", "LiS4",
            "--shift", "S=0.3", "--shift-without", "O", "--json",
        )
    )  # fmt: skip
    assert record["oxidation_potential_v"] == pytest.approx((1.5 * 3 - 0.3) / 2)
    assert record["reference"]["excluded"] == ["LiS4"]
    assert record["reference"]["shifts"][0]["ev_per_atom"] == 0.3
    assert record["sigma"] is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("window", "Li6PS5Clx"), "write it like Li6PS5Cl"),
        (("window", "UO2"), "is not in the reference set"),
        (("window", "Li2S", "--voltage-range", "5,0"), "reversed"),
        (("window", "Li2S", "--voltages", "a,b"), "list of numbers"),
        (("window", "Li2S", "--reference", "absent.csv"), "cannot read the reference set"),
        (("window", "Li2S", "--scheme", "MP1999"), "MP2020"),
        (("window", "Li2S", "--refrence", "x"), "--refrence"),
        (("react", "Li"), "give two"),
        (("react", "--pairs", "absent.csv"), "cannot read"),
        (("react", "Li6PS5Cl", "LiCoO2", "--voltage", "nan"), "no finite number"),
        (("react", "Li6PS5Cl", "LiCoO2", "--voltage", "-1"), "Li metal plates"),
        (("window", "Li2S", "--shift", "S=nan"), "no finite number"),
        (("window", "Li3N", "--voltages", "nan", "--json"), "no finite number"),
        (("window", "Li6PS5Cl", "--exclude", "S"), "cannot exclude S: an element"),
        (("scorecard", "Foo"), "cannot read the formula 'Foo'"),
        (("react", "Li", "Li2S", "--voltage", "2"), "open element itself"),
        (("screen", "--electrolyte=Li2S", "--cathode=LiCoO2", "--coatings=x.txt"), "x.txt"),
        (("assess", "absent.yaml"), "cannot read the study"),
        (("reference", "show", "nothing"), "no reference set"),
    ],
)  # fmt: skip
def test_bad_input_exits_with_2_and_one_message(
    run: Run, arguments: tuple[str, ...], says: str
) -> None:
    result = run(*arguments)
    assert result.returncode == 2, result.stderr
    assert says in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("react", "--pairs", "latin.csv"),
        ("assess", "latin.csv"),
        ("screen", "--electrolyte=Li2S", "--cathode=LiCoO2", "--coatings=latin.csv"),
    ],
)
def test_files_that_are_not_utf8_are_refused(
    run: Run, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "latin.csv").write_bytes(b"a,b\nLi,Li2S\xe9\n")
    result = run(*arguments)
    assert result.returncode == 2, result.stderr
    assert "UTF-8" in result.stderr


def test_an_electrolyte_outside_the_set_is_bad_input(run: Run, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("name: a\nelectrolyte: UO2\n")
    result = run("assess", "study.yaml")
    assert result.returncode == 2, result.stderr
    assert "U is not in the reference set" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]


def test_materials_project_without_key(run: Run) -> None:
    result = run("window", "Li2S", "--reference", "mp")
    assert result.returncode == 2
    assert "MP_API_KEY" in result.stderr


def test_an_interrupted_study_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    study = ROOT / "examples" / "li-lpscl-lco.yaml"
    process = subprocess.Popen(
        [sys.executable, "-m", "interlith", "assess", str(study)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a shell starts its background jobs deaf to Ctrl-C, and they pass that on
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    time.sleep(1.5)  # in the study: the command line itself starts in a tenth of a second
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in said
    assert list(tmp_path.iterdir()) == []


def test_json_is_printed_whole_or_not_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        print_json({"first": 1.0, "second": float("nan")})
    assert capsys.readouterr().out == ""
