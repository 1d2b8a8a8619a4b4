"""What ``dwell leaderboard``, ``rounds`` and ``decisions`` say of a working day."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from dwell.commands import show as cli
from dwell.commands.app import app
from leaderboard.json_view import build_leaderboard_json
from leaderboard.leaderboard_state import load_leaderboard_state
from tests.unit.leaderboard.leaderboard_fixtures import make_context, make_filled_cloud


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the API answers; a test may change it."""
    response: dict[str, Any] = json.loads(
        json.dumps(
            build_leaderboard_json(load_leaderboard_state(make_context(make_filled_cloud()), limit=20), limit=20)
        )
    )
    monkeypatch.setattr(cli, "find", lambda _: None)
    monkeypatch.setattr(cli, "_read", lambda *_: response)
    monkeypatch.setattr(cli, "out", Console(width=80, force_terminal=True, color_system=None, soft_wrap=True))
    return response


def dwell(*arguments: str) -> list[str]:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


@pytest.mark.parametrize("command", ["leaderboard", "rounds", "decisions"])
def test_it_fits_a_terminal_and_breaks_no_name(told: dict[str, Any], command: str) -> None:
    lines = dwell(command)
    assert max(len(line) for line in lines if not line.startswith("Errors on")) <= 80
    text = "\n".join(lines)
    names = {
        "leaderboard": [one["model"] for one in told["leaderboard"]],
        "rounds": [name for round_ in told["rounds"] for name in (round_["round"], round_["promoted"]) if name],
        "decisions": [name for decision in told["decisions"] for name in (decision["cause"], decision["decided_at"])],
    }
    assert [name for name in names[command] if name not in text] == []


@pytest.mark.parametrize("command", ["leaderboard", "rounds"])
def test_entrant_is_printed_below_its_row(told: dict[str, Any], command: str) -> None:
    assert "    entrant: night-shift" in dwell(command)


def test_groups_of_one_test_set_say_which(told: dict[str, Any]) -> None:
    lines = dwell("leaderboard")
    groups = [line.split()[3].rstrip(",") for line in lines if line.startswith("Test set of")]
    assert groups == list(dict.fromkeys(one["test_set"] for one in told["leaderboard"]))
    assert len(groups) > 1
    assert any("are not comparable" in line for line in lines)


def test_only_the_model_that_answers_is_live(told: dict[str, Any]) -> None:
    newest, kept, oldest = told["rounds"]
    lines = dwell("rounds")
    assert f"    result: {newest['promoted']} (live): better than the champion" in lines
    assert f"    result: {oldest['promoted']} (deployed): better than the baseline" in lines
    assert f"    result: {kept['sentence']}" in lines
    told["endpoint"] = None
    assert "(live)" not in "\n".join(dwell("rounds"))


def test_rounds_print_a_model_deployed_by_an_operator(told: dict[str, Any]) -> None:
    kept = told["rounds"][1]
    assert (kept["promoted"], kept["submitted"], kept["status"]) == (None, None, "kept")
    told["rounds"] = [kept | {"submitted": "linear-20261123T034505Z", "deployment": "rolled_back"}]
    assert f"linear-20261123T034505Z (rolled back): {kept['sentence']}" in "\n".join(dwell("rounds"))


def test_rounds_print_champion_and_best_candidate(told: dict[str, Any]) -> None:
    newest = told["rounds"][0]
    best = min(candidate["rmse"] for candidate in newest["candidates"] if candidate["rmse"])
    line = next(line for line in dwell("rounds") if line.startswith(newest["round"]))
    assert line.split()[-2:] == [f"{newest['champion_rmse']:,.0f}", f"{best:,.0f}"]


def test_decisions_print_sentence_note_and_entrant(told: dict[str, Any]) -> None:
    told["decisions"][0]["facts"] |= {"note": "new [pods]", "entrant": "night-shift"}
    lines = dwell("decisions")
    assert {"    entrant: night-shift", "    note: new [pods]"} <= set(lines)
    assert "    why: too few new samples: 7,214 of 10,000" in lines
    assert "too_few_samples" not in "\n".join(lines)


@pytest.mark.parametrize("command", ["rounds", "decisions"])
def test_response_without_sentences_prints_reason_codes(told: dict[str, Any], command: str) -> None:
    for one in told[command]:
        del one["sentence"]
        one.pop("submitted", None)
    assert told[command][1]["reason"] in "\n".join(dwell(command))
