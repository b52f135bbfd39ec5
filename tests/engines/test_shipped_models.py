"""The committees in the package are the ones that their data cards describe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from interlith.engines.ml import shipped_models as shipped
from interlith.engines.ml.shipped_models import check_shipped, shipped_card, shipped_models
from interlith.errors import FailureError, InputError

LARGEST_FILE_BYTES = 1_000_000


COMMITTEES = [name for name, paths in shipped_models().items() if len(paths) > 1]


@pytest.mark.parametrize("name", COMMITTEES)
def test_files_are_those_of_the_card(name: str) -> None:
    check_shipped(name)
    paths = shipped_models()[name]
    assert len(paths) >= 4
    assert all(path.stat().st_size < LARGEST_FILE_BYTES for path in paths)
    for path in paths:  # each member has a name of its own, and the committee's card
        assert shipped_models()[path.stem] == [path]
        assert shipped_card(path.stem) == shipped_card(name)


@pytest.mark.parametrize("name", COMMITTEES)
def test_the_card_says_what_was_measured(name: str) -> None:
    card = shipped_card(name)
    if card.get("started_from"):  # tuned: judged on the same frames before and after
        before, after = (one[0]["errors"][-1] for one in (card["before"], card["after"]))
        assert before["group"] == after["group"] == "all"
        assert after["force_rmse_mev_per_angstrom"] < before["force_rmse_mev_per_angstrom"]
    else:
        own = [one for one in card["rounds"] if one["name"].startswith("own-")]
        assert len(own) >= 2
    assert card["rounds"][-1]["name"] == "check"
    assert card["teacher"]["sha256"]
    assert card["limits"]
    assert all(fit["command"].startswith("--name") for fit in card["fits"])
    assert len({fit["seed"] for fit in card["fits"] if fit["name"].startswith("member")}) >= 4


def test_an_unknown_committee_is_refused() -> None:
    with pytest.raises(InputError, match="no committee 'none-such' is shipped"):
        shipped_card("none-such")


def test_an_exchanged_file_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a-1.model").write_text("not this")
    entry = {"file": "a-1.model", "sha256": "0" * 64}
    (tmp_path / "a-card.json").write_text(json.dumps({"models": [entry]}))
    monkeypatch.setattr(shipped, "MODELS_FOLDER", tmp_path)
    assert shipped_models() == {"a": [tmp_path / "a-1.model"], "a-1": [tmp_path / "a-1.model"]}
    with pytest.raises(FailureError, match="not the file"):
        check_shipped("a")
    (tmp_path / "a-1.model").unlink()
    with pytest.raises(FailureError, match="is absent"):
        check_shipped("a")
