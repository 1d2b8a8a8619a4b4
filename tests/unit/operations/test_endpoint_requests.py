"""Asking for another model, a pause or its end: what is asked again, what is waited for, and what is said."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from itertools import chain, repeat
from types import SimpleNamespace
from typing import Any

import pytest

import rounds
from dwell.client.leaderboard import LOOKS_TO_BE_SURE, BoardError, read_board
from dwell.operations import endpoint_requests as endpoint
from dwell.operations.endpoint_requests import REFUSALS, EndpointError, wait
from dwell.operations.function_response import UnusableRequestError
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


def test_a_request_that_makes_no_sense_is_told_apart() -> None:
    answer = {"errorMessage": "it is nonsense", "errorType": rounds.UnusableRequestError.__name__}
    with pytest.raises(UnusableRequestError, match=r"^it is nonsense$"):
        ask(FakeFunctions(answer, FunctionError="Unhandled"))


def a_board(status: str, model: str | None, *, standing: str = "deploying", **more: Any) -> dict[str, Any]:
    """The endpoint, and how the model ``m`` stands."""
    return {
        "endpoint": {"status": status, "model": model, "wanted": None, "resumes": None, **more},
        "leaderboard": [{"model": "m", "status": standing, "error": "it erred"}],
    }


def waiting(model: str | None, *looks: dict[str, Any] | Exception, seconds: int = 5) -> dict[str, Any]:
    """Wait for a model; a look is a second, and the last one is had again and again."""
    coming = chain(looks, repeat(looks[-1]))
    clock = iter(range(1_000))

    def look() -> dict[str, Any]:
        seen = next(coming)
        if isinstance(seen, Exception):
            raise seen
        return seen

    return wait(look, model, seconds=seconds, sleep=lambda _: None, clock=lambda: next(clock))


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


def test_a_look_that_fails_ends_no_waiting_unless_it_is_the_last() -> None:
    failed = BoardError("GET /leaderboard answers 503")
    assert waiting("m", failed, a_board("InService", "m"))["model"] == "m"
    assert waiting(None, failed, a_board("Deleting", None))["status"] == "Deleting"
    with pytest.raises(BoardError, match="503"):
        waiting("m", a_board("Updating", "o", wanted="m"), failed)


@pytest.mark.parametrize(
    ("board", "said"),
    [
        (a_board("InService", "o"), "m does not come: o was chosen since"),
        (a_board("InService", "o", wanted="n"), "m does not come: n was chosen since"),
        (a_board("Absent", None, resumes="m", pause="paused"), "the endpoint is paused; `dwell resume`"),
        (a_board("Absent", None), "the endpoint is gone"),
    ],
)
def test_a_model_that_somebody_passes_over_is_not_waited_for(board: dict[str, Any], said: str) -> None:
    with pytest.raises(EndpointError, match=said):
        waiting("m", board, seconds=100)
    # but it is not given up for what a few looks show
    arrived = a_board("InService", "m", standing="live")
    assert waiting("m", *[board] * (LOOKS_TO_BE_SURE - 1), arrived, seconds=100)["model"] == "m"


@dataclass
class Answering:
    """An API that answers one thing."""

    status: int
    content: bytes

    def get(self, _path: str) -> SimpleNamespace:
        return SimpleNamespace(status_code=self.status, content=self.content, text=self.content.decode())


@pytest.mark.parametrize(
    ("status", "content", "is_final"),
    [
        (403, b"{}", True),
        (404, b"", True),
        (408, b"", False),
        (429, b"", False),
        (500, b"", False),
        (200, b"<p>", False),
    ],
)
def test_what_is_no_leaderboard_is_said_and_whether_to_look_again(
    status: int, content: bytes, *, is_final: bool
) -> None:
    with pytest.raises(BoardError) as refused:
        read_board(Answering(status, content))  # type: ignore[arg-type]  # a fake
    assert refused.value.is_final is is_final
