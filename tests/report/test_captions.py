"""The commands under the figures give the figures' numbers again."""

from __future__ import annotations

import html
import json
import re
import shlex
from typing import Any

import pytest
from typer.testing import CliRunner

from interlith.analysis.study_results import StudyResults
from interlith.cli.main import app
from interlith.report.html import render
from interlith.workflows.assess import AssessMaker
from interlith.workflows.local import run_flow
from interlith.workflows.study import Study

STUDY = {
    "name": "captions",
    "electrolyte": "Li3PS4",
    "anode": "Li",
    "cathode": {"material": "LiCoO2", "voltage_v": [3.0, 4.2]},
    "coatings": ["LiF", "Al2O3"],
    "stages": {
        "thermodynamics": {
            "scheme": "none", "exclude": ["P4S9"],
            "shifts": [{"element": "S", "ev_per_atom": 0.05, "without": ["O"]}],
        }
    },
}  # fmt: skip


def _run(command: str) -> Any:
    words = shlex.split(command.partition("#")[0])
    assert words[0] == "interlith"
    ran = CliRunner().invoke(app, [*words[1:], "--json"])
    assert ran.exit_code == 0, (command, ran.output, ran.exception)
    return json.loads(ran.stdout)


@pytest.mark.slow
def test_captions_can_be_typed() -> None:
    output = run_flow(AssessMaker().make(Study.model_validate(STUDY)))
    results = StudyResults.model_validate(output["results"])
    page = render(results)
    codes = re.findall(r'class="made"> Made by <code>(.*?)</code>', page)
    commands = {html.unescape(code) for code in codes}
    asked = {command.split()[1] for command in commands}
    assert asked == {"window", "react", "screen", "assess"}
    for command in sorted(commands):
        if " assess " in command:
            continue
        found = _run(command)
        if " window " in command:
            found = found if isinstance(found, list) else [found]
            kept = {c.formula: c.window for c in results.components if c.window}
            for one in found:
                window = kept[one["formula"]]
                assert one["oxidation_potential_v"] == window.oxidation_potential_v
                assert one["reduction_potential_v"] == window.reduction_potential_v
        elif " react " in command:
            pair = next(i for i in results.interfaces if (i.a, i.b) == (found["a"], found["b"]))
            assert found["energy_ev_per_atom"] == pytest.approx(pair.closed.energy_ev_per_atom)
        else:
            assert results.coatings is not None
            assert [row["coating"] for row in found["rows"]] == [
                row.coating for row in results.coatings.rows
            ]
