"""Asking for a round: what is waited for, and what is said when it does not come."""

from __future__ import annotations

import io
import json
from itertools import chain, repeat
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import rounds
from dwell.client.leaderboard import CONFIRMING_READS, LeaderboardError
from dwell.commands import retrain as cli
from dwell.commands.app import app
from dwell.operations import retraining_requests as retraining
from dwell.operations.function_response import UnusableRequestError
from dwell.operations.retraining_requests import RetrainingError, wait


class FakeFunctions:
    """Answers like Lambda."""

    def __init__(self, payload: dict[str, Any], **more: str) -> None:
        self.events: list[dict[str, Any]] = []
        self._answer = {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(payload).encode()), **more}

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        assert FunctionName == "dwell-retraining"
        self.events.append(json.loads(Payload))
        return self._answer


def ask(functions: FakeFunctions, **options: Any) -> dict[str, Any]:
    options = {"reason": "why", "hyperparameters": {}, "entrant": None, **options}
    return retraining.request_round(functions, "dwell-retraining", **options)  # type: ignore[arg-type] # a fake


def decision(outcome: str, reason: str) -> dict[str, Any]:
    return {"decisions": [{"outcome": outcome, "reason": reason, "round": "r"}]}


def test_the_request_is_the_manual_event() -> None:
    functions = FakeFunctions(decision("start", "manual"))
    assert ask(functions, hyperparameters={"xgboost.eta": 0.1})["round"] == "r"
    (event,) = functions.events
    assert event.pop("id")
    assert event == {"source": "dwell.operator", "reason": "why", "hyperparameters": {"xgboost.eta": 0.1}}


def test_an_entrant_is_named() -> None:
    functions = FakeFunctions(decision("start", "manual"))
    ask(functions, entrant="night-shift")
    assert functions.events[0]["entrant"] == "night-shift"


def test_refused_round_raises_with_the_reason() -> None:
    with pytest.raises(RetrainingError, match="refused: in_flight"):
        ask(FakeFunctions(decision("refuse", "in_flight")))


def test_failed_function_raises_with_its_message() -> None:
    failed = FakeFunctions({"errorMessage": "no such hyperparameter", "errorType": "X"}, FunctionError="Unhandled")
    with pytest.raises(RetrainingError, match="failed: no such hyperparameter"):
        ask(failed)


def test_invalid_request_raises_unusable_request_error() -> None:
    response = {"errorMessage": "it is nonsense", "errorType": rounds.UnusableRequestError.__name__}
    with pytest.raises(UnusableRequestError, match=r"^it is nonsense$"):
        ask(FakeFunctions(response, FunctionError="Unhandled"))


def a_board(status: str | None = None, **more: Any) -> dict[str, Any]:
    endpoint = {"status": "InService", "model": "o", "wanted": "m", "resumes": None, "pause": None}
    endpoint |= more.pop("endpoint", {})
    one = {"round": "r", "status": status, "reason": "it broke", "promoted": None, "deployment": None, **more}
    rounds = [{"round": "another", "status": "failed"}] + ([] if status is None else [one])
    return {"rounds": rounds, "endpoint": endpoint}


def waiting(*looks: dict[str, Any] | Exception, seconds: int = 5) -> Any:
    """Wait for the round ``r``; a look is a second, and the last one is had again and again."""
    coming = chain(looks, repeat(looks[-1]))
    clock = iter(range(1_000))

    def look() -> Any:
        observed = next(coming)
        if isinstance(observed, Exception):
            raise observed
        return observed

    return wait(look, "r", seconds=seconds, sleep=lambda _: None, clock=lambda: next(clock))


def test_the_end_is_waited_for() -> None:
    assert waiting(a_board(), a_board("started"), a_board("kept"))["status"] == "kept"


def test_wait_ends_at_a_model_that_awaits_approval() -> None:
    waits = a_board("promoted", promoted="m", deployment="awaiting_approval")
    assert waiting(waits)["deployment"] == "awaiting_approval"


def test_a_promoted_model_is_waited_for_until_it_serves() -> None:
    promoted = a_board("promoted", promoted="m")
    assert waiting(promoted, promoted, a_board("promoted", promoted="m", deployment="live"))["deployment"] == "live"


PASSING = [
    LeaderboardError("answers 503"),
    LeaderboardError("answers 429"),
    ConnectTimeoutError(endpoint_url="https://api"),
    ReadTimeoutError(endpoint_url="https://api"),
]


@given(failed=st.lists(st.sampled_from(PASSING), max_size=3), after=st.integers(0, 1))
def test_looks_that_fail_say_nothing_of_the_round(failed: list[Exception], after: int) -> None:
    assert waiting(*[a_board("started")] * after, *failed, a_board("kept"))["status"] == "kept"


@pytest.mark.parametrize("failed", PASSING)
def test_wait_raises_the_error_of_its_last_read(failed: Exception) -> None:
    with pytest.raises(type(failed), match=str(failed)):
        waiting(a_board("started"), failed)


def test_wait_raises_a_final_error_at_once() -> None:
    with pytest.raises(LeaderboardError, match="answers 403"):
        waiting(LeaderboardError("answers 403", is_final=True), a_board("kept"))


def test_wait_ends_at_a_winner_that_awaits_resume() -> None:
    paused = {"status": "Absent", "model": None, "wanted": None, "resumes": "m", "pause": "paused"}
    assert waiting(a_board("promoted", promoted="m", endpoint=paused))["deployment"] == "awaiting_resume"
    # but one that is coming up again is
    live = a_board("promoted", promoted="m", deployment="live")
    assert (
        waiting(a_board("promoted", promoted="m", endpoint=paused | {"pause": "resuming"}), live) == live["rounds"][1]
    )


NOT_ABOUT_IT = [
    {"wanted": None},
    {"wanted": "another"},
    {"model": None, "wanted": None, "resumes": "o", "pause": "paused"},
]


@pytest.mark.parametrize("endpoint", NOT_ABOUT_IT)
def test_wait_ends_at_a_winner_that_was_passed_over(endpoint: dict[str, Any]) -> None:
    gone = a_board("promoted", promoted="m", endpoint=endpoint)
    assert waiting(gone, seconds=100)["deployment"] == "passed_over"
    # but it is not given up for what a few looks show, nor while the endpoint changes
    live = a_board("promoted", promoted="m", deployment="live")
    assert waiting(*[gone] * (CONFIRMING_READS - 1), live, seconds=100)["deployment"] == "live"
    changing = a_board("promoted", promoted="m", endpoint={"status": "Updating", "wanted": "another"})
    assert waiting(*[changing] * CONFIRMING_READS, live, seconds=100)["deployment"] == "live"


@pytest.mark.parametrize(
    ("deployment", "said"),
    [
        ("awaiting_resume", "dwell resume"),
        ("passed_over", "another model"),
        ("awaiting_approval", "approval"),
        ("live", "m."),
    ],
)
def test_retrain_prints_what_a_winner_waits_for(
    deployment: str, said: str, monkeypatch: pytest.MonkeyPatch, lambda_environment: pytest.MonkeyPatch
) -> None:
    ended = a_board("promoted", promoted="m", deployment=deployment)["rounds"][1]
    monkeypatch.setattr(cli, "find", lambda _: SimpleNamespace(retraining_function="f", api_url="https://api"))
    monkeypatch.setattr(retraining, "request_round", lambda *_, **__: {"round": "r"})
    monkeypatch.setattr(retraining, "wait", lambda *_, **__: ended)
    output = CliRunner().invoke(app, ["retrain", "--wait"])
    assert output.exit_code == 0, output.output
    assert said in output.output.splitlines()[-1]


@pytest.mark.parametrize(
    ("board", "message"),
    [
        (a_board("failed"), "r failed: it broke"),
        (a_board("promoted", promoted="m", deployment="failed"), "r: m could not be deployed"),
        (
            a_board("promoted", promoted="m", deployment="rolled_back", deployment_reason="it erred"),
            "r: m was rolled back: it erred",
        ),
        (
            a_board("promoted", promoted="m", deployment="rejected", deployment_reason="too simple"),
            "r: m was rejected: too simple",
        ),
        (a_board(), "r is not there after 5 s"),
        (a_board("started"), "r is started after 5 s"),
        (a_board("promoted", promoted="m"), "r is promoted after 5 s"),
    ],
)
def test_what_does_not_come_is_said(board: dict[str, Any], message: str) -> None:
    with pytest.raises(RetrainingError, match=message):
        waiting(board)
