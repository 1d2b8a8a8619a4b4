"""Asking for a round: what is waited for, and what is said when it does not come."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from dwell.operations import retraining
from dwell.operations.retraining import RetrainingError, wait


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
    return retraining.ask(functions, "dwell-retraining", **options)  # type: ignore[arg-type] # a fake


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


def test_a_refusal_is_said() -> None:
    with pytest.raises(RetrainingError, match="refused: in_flight"):
        ask(FakeFunctions(decision("refuse", "in_flight")))


def test_what_the_function_cannot_use_is_said() -> None:
    failed = FakeFunctions({"errorMessage": "no such hyperparameter", "errorType": "X"}, FunctionError="Unhandled")
    with pytest.raises(RetrainingError, match="cannot do it: no such hyperparameter"):
        ask(failed)


def a_board(status: str | None = None, **more: Any) -> dict[str, Any]:
    one = {"round": "r", "status": status, "reason": "it broke", "promoted": None, "deployment": None, **more}
    return {"rounds": [{"round": "another", "status": "failed"}] + ([] if status is None else [one])}


def waiting(*boards: dict[str, Any]) -> dict[str, Any]:
    looks = iter([*boards, *[boards[-1]] * 10])
    clock = iter(range(100))
    return wait(lambda: next(looks), "r", seconds=5, sleep=lambda _: None, clock=lambda: next(clock))


def test_the_end_is_waited_for() -> None:
    assert waiting(a_board(), a_board("started"), a_board("kept"))["status"] == "kept"


def test_a_model_that_a_person_has_to_approve_is_not_waited_for() -> None:
    waits = a_board("promoted", promoted="m", deployment="awaiting_approval")
    assert waiting(waits)["deployment"] == "awaiting_approval"


def test_a_promoted_model_is_waited_for_until_it_serves() -> None:
    promoted = a_board("promoted", promoted="m")
    assert waiting(promoted, promoted, a_board("promoted", promoted="m", deployment="live"))["deployment"] == "live"


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
