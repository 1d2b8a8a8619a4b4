"""Asking for a round: what is waited for, and what is said when it does not come."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dwell.operations import retraining
from dwell.operations.retraining import RetrainingError, wait


class FakeFunctions:
    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> None:  # noqa: N803
        assert (FunctionName, InvocationType) == ("dwell-retraining", "Event")
        self.events.append(json.loads(Payload))


def decided(outcome: str, reason: str = "manual") -> dict[str, Any]:
    return {"decision": "2026-11-23T06:39:00.000Z#me", "outcome": outcome, "reason": reason, "round": "r"}


def a_board(*decisions: dict[str, Any], status: str | None = None) -> dict[str, Any]:
    rounds = [] if status is None else [{"round": "r", "status": status, "reason": "it broke"}]
    return {"decisions": [*decisions, {"decision": "x#somebody-else", "outcome": "start"}], "rounds": rounds}


def waiting(*boards: dict[str, Any], until_ended: bool) -> Any:
    looks = iter([*boards, *[boards[-1]] * 10])
    clock = iter(range(100))
    return wait(
        lambda: next(looks), "me", until_ended=until_ended, seconds=5, sleep=lambda _: None, clock=lambda: next(clock)
    )


def test_the_request_is_the_manual_event() -> None:
    functions = FakeFunctions()
    identity = retraining.ask(
        functions,  # type: ignore[arg-type] # a fake
        "dwell-retraining",
        reason="why",
        hyperparameters={"xgboost.eta": 0.1},
        entrant=None,
    )
    (event,) = functions.events
    assert event == {
        "source": "dwell.operator", "id": identity.removeprefix("operator:"), "reason": "why",
        "hyperparameters": {"xgboost.eta": 0.1},
    }  # fmt: skip


def test_a_start_is_waited_for() -> None:
    decision, begun = waiting(a_board(), a_board(decided("start")), until_ended=False)
    assert decision["round"] == "r"
    assert begun is None


def test_the_end_is_waited_for() -> None:
    boards = [a_board(decided("start")), a_board(decided("start"), status="started")]
    _, begun = waiting(*boards, a_board(decided("start"), status="kept"), until_ended=True)
    assert begun["status"] == "kept"


@pytest.mark.parametrize(
    ("board", "until_ended", "message"),
    [
        (a_board(decided("refuse", "in_flight")), False, "refused: in_flight"),
        (a_board(decided("start"), status="failed"), True, "r failed: it broke"),
        (a_board(), False, "no decision within 5 s"),
        (a_board(decided("start"), status="started"), True, "no end within 5 s"),
    ],
)
def test_what_does_not_come_is_said(board: dict[str, Any], until_ended: bool, message: str) -> None:
    with pytest.raises(RetrainingError, match=message):
        waiting(board, until_ended=until_ended)
