"""Asking for another model, a pause or its end: what is asked again, what is waited for, and what is said."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from dwell.operations import endpoint
from dwell.operations.endpoint import REFUSALS, EndpointError, wait
from promotion.operator import Reason


class FakeFunctions:
    """Answers like Lambda, one answer after the other."""

    def __init__(self, *payloads: dict[str, Any], **more: str) -> None:
        self.events: list[dict[str, Any]] = []
        self._payloads, self._more = list(payloads), more

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        assert FunctionName == "dwell-promotion"
        self.events.append(json.loads(Payload))
        payload = self._payloads.pop(0)
        return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(payload).encode()), **self._more}


def ask(functions: FakeFunctions, **request: str) -> dict[str, Any]:
    clock = iter(range(100))
    return endpoint.ask(
        functions,  # type: ignore[arg-type]  # a fake
        "dwell-promotion",
        request or {"action": "pause"},
        seconds=5,
        sleep=lambda _: None,
        clock=lambda: next(clock),
    )


def said(outcome: str, reason: str) -> dict[str, Any]:
    return {"outcome": outcome, "reason": reason, "model": "m"}


def test_the_request_is_the_functions_own_event() -> None:
    functions = FakeFunctions(said("done", "deploying"))
    assert ask(functions, action="promote", model="m")["reason"] == "deploying"
    assert functions.events == [{"source": "dwell.operator", "action": "promote", "model": "m"}]


def test_an_endpoint_that_is_still_going_down_is_asked_again() -> None:
    functions = FakeFunctions(
        said("refused", "being_deleted"), said("refused", "being_deleted"), said("done", "resuming")
    )
    assert ask(functions, action="resume")["reason"] == "resuming"
    assert len(functions.events) == 3
    with pytest.raises(EndpointError, match="still being deleted"):
        ask(FakeFunctions(*[said("refused", "being_deleted")] * 9))


def test_a_refusal_is_said_at_once_and_in_words() -> None:
    functions = FakeFunctions(said("refused", "no_archive"))
    with pytest.raises(EndpointError, match="only the winner of a round is kept"):
        ask(functions)
    assert len(functions.events) == 1
    assert REFUSALS.keys() <= set(Reason.__args__)  # type: ignore[attr-defined]  # a Literal has them


def test_what_the_function_cannot_do_is_said() -> None:
    failed = FakeFunctions({"errorMessage": "throttled", "errorType": "X"}, FunctionError="Unhandled")
    with pytest.raises(EndpointError, match="cannot do it: throttled"):
        ask(failed)


def a_board(status: str, model: str | None, *, standing: str = "deploying", **more: Any) -> dict[str, Any]:
    """The endpoint, and how the model ``m`` stands."""
    return {
        "endpoint": {"status": status, "model": model, "wanted": None, "resumes": None, **more},
        "leaderboard": [{"model": "m", "status": standing, "error": "it erred"}],
    }


def waiting(model: str | None, *boards: dict[str, Any]) -> dict[str, Any]:
    looks = iter([*boards, *[boards[-1]] * 10])
    clock = iter(range(100))
    return wait(lambda: next(looks), model, seconds=5, sleep=lambda _: None, clock=lambda: next(clock))


def test_a_model_is_waited_for_until_it_answers() -> None:
    ended = waiting("m", a_board("Updating", "o", wanted="m"), a_board("InService", "m", standing="live"))
    assert ended["model"] == "m"


def test_a_model_that_was_rolled_back_before_is_waited_for_all_the_same() -> None:
    before = a_board("InService", "o", standing="rolled_back", wanted="m")
    assert waiting("m", before, a_board("InService", "m", standing="live"))["model"] == "m"


def test_a_model_that_is_taken_back_is_said_with_its_reason() -> None:
    with pytest.raises(EndpointError, match="m was taken back: it erred"):
        waiting("m", a_board("Updating", "o", wanted="m"), a_board("InService", "o", standing="rolled_back"))


def test_a_pause_is_waited_for_until_nothing_answers() -> None:
    assert waiting(None, a_board("InService", "m"), a_board("Deleting", None))["status"] == "Deleting"


def test_what_does_not_come_is_said() -> None:
    with pytest.raises(EndpointError, match="the endpoint is Updating after 5 s"):
        waiting("m", a_board("Updating", "o", wanted="m"))
