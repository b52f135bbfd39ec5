"""Figures and tables for papers: files in the study's folder, one style for all."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from interlith.analysis.study_results import StudyResults
from interlith.analysis.windows import WindowSigma
from interlith.report.commands import react_command, screen_command, window_command
from interlith.report.html import compose
from interlith.report.output import write_results
from interlith.report.svg import STYLE, drawing_style


@pytest.fixture(scope="module")
def folder(results: StudyResults, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("files") / "out"
    write_results(results, made)
    return made


def test_every_figure_is_there_three_times(folder: Path, results: StudyResults) -> None:
    names = [drawing.name for drawing in compose(results).figures]
    assert names == [
        "windows",
        "ladder",
        "reactions-electrodes",
        "reactions-electrolyte",
        "coatings",
    ]
    found = {path.name for path in (folder / "figures").iterdir()}
    assert found == {f"{name}.{kind}" for name in names for kind in ("svg", "png", "csv")}
    for name in names:
        tree = ElementTree.parse(folder / "figures" / f"{name}.svg")
        assert tree.getroot().tag == "{http://www.w3.org/2000/svg}svg"
        assert "currentColor" not in (folder / "figures" / f"{name}.svg").read_text()
        with Image.open(folder / "figures" / f"{name}.png") as image:
            assert image.size[0] >= 1000
            assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_the_numbers_of_a_figure_are_those_of_the_results(
    folder: Path, results: StudyResults
) -> None:
    rows = list(csv.DictReader(io.StringIO((folder / "figures/windows.csv").read_text())))
    assert [row["formula"] for row in rows] == [c.formula for c in results.components]
    first = results.components[0].window
    assert first is not None
    assert float(rows[0]["oxidation_potential_v"]) == first.oxidation_potential_v
    corners = list(
        csv.DictReader(io.StringIO((folder / "figures/reactions-electrodes.csv").read_text()))
    )
    lowest = min(float(row["energy_ev_per_atom"]) for row in corners if row["a"] == "Li")
    reaction = next(i.closed for i in results.interfaces if i.a == "Li")
    assert lowest == pytest.approx(reaction.energy_ev_per_atom)


def test_every_table_is_there(folder: Path) -> None:
    found = {path.name for path in (folder / "data").iterdir()}
    assert found == {"windows.csv", "ladders.csv", "reactions.csv", "coatings.csv"}


def test_a_stated_uncertainty_is_drawn(results: StudyResults) -> None:
    def with_sigma(sigma: float | None) -> str:
        interfaces = tuple(
            i.model_copy(
                update={"closed": i.closed.model_copy(update={"sigma_ev_per_atom": sigma})}
            )
            for i in results.interfaces
        )
        changed = results.model_copy(update={"interfaces": interfaces})
        return next(d.svg for d in compose(changed).figures if d.name == "reactions-electrodes")

    assert "±" not in with_sigma(None)
    assert "± 20" in with_sigma(0.02)


def test_the_style_is_found_by_name_and_is_that_of_the_report() -> None:
    import matplotlib as mpl
    from matplotlib import style

    with style.context(STYLE):
        shared = dict(mpl.rcParams)
    with drawing_style():
        for key in ("font.size", "axes.prop_cycle", "axes.spines.top", "legend.frameon"):
            assert mpl.rcParams[key] == shared[key]
    assert shared["axes.prop_cycle"].by_key()["color"][0] == "#0072b2"


def test_captions_name_commands_with_the_settings_of_the_study(results: StudyResults) -> None:
    settings = {
        "reference": "my set.json", "scheme": "none", "exclude": ["LiS4", "P2S7"],
        "shifts": [{"element": "S", "ev_per_atom": 0.66, "excepted": ["S"], "without": ["O"]}],
    }  # fmt: skip
    study = {**results.study, "stages": {"thermodynamics": settings}}
    asked = results.model_copy(update={"study": study})
    options = (
        "--reference 'my set.json' --scheme none --exclude LiS4,P2S7 --shift S=0.66 "
        "--shift-except S --shift-without O"
    )
    assert window_command(asked, ["Li2S"]) == f"interlith window Li2S {options}"
    assert react_command(results, "Li", "Li2S") == "interlith react Li Li2S"
    assert "--coatings LiF,Al2O3," in str(screen_command(results))
    assert screen_command(results.model_copy(update={"coatings": None})) is None
    hostile = react_command(results, "$(rm -rf x)", "a;b")
    assert hostile == "interlith react '$(rm -rf x)' 'a;b'"


def test_answers_carry_their_uncertainty(results: StudyResults) -> None:
    first = results.components[0]
    assert first.window is not None
    sigma = WindowSigma(reduction_v=0.05, oxidation_v=0.3)
    window = first.window.model_copy(update={"sigma": sigma})
    changed = (first.model_copy(update={"window": window}), *results.components[1:])
    page = compose(results.model_copy(update={"components": changed})).page
    answer = page.partition('<div class="answer">')[2].partition("</div>")[0]
    assert "± 0.05 V" in answer
    assert "± 0.3 V" in answer
    assert "Li metal (0 V) reduces it." in answer
