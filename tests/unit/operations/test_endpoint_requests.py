"""Asking for another model, a pause or its end: what is asked again, what is waited for, and what is said."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import chain, repeat
from types import SimpleNamespace
from typing import Any

import pytest

from dwell.client.leaderboard import CONFIRMING_READS, LeaderboardError, read_leaderboard
from dwell.operations import endpoint_requests as endpoint
from dwell.operations.endpoint_requests import REFUSALS, EndpointError, wait
from dwell.operations.function_response import UnusableRequestError
from promotion.events import OperatorRequest, parse
from promotion.outcomes import RequestReason
from rounds import RequestOutcome
from tests.unit.fake_aws import NOW


class FakePromotion:
    """Promotion with its queue and its records: each request gets the next outcome, once it was looked for twice."""

    def __init__(self, *outcomes: dict[str, Any]) -> None:
        self.requests: list[dict[str, Any]] = []
        self._outcomes = list(outcomes)
        self._looks = 0

    def send_message(self, *, QueueUrl: str, MessageGroupId: str, MessageBody: str) -> None:  # noqa: N803
        assert (QueueUrl, MessageGroupId) == ("queue", "promotion")
        self.requests.append(json.loads(MessageBody))
        self._looks = 0

    def get(self, _kind: type[RequestOutcome], request_id: str) -> RequestOutcome | None:
        assert request_id == self.requests[-1]["id"]
        self._looks += 1
        if self._looks == 1 or len(self._outcomes) < len(self.requests):
            return None
        outcome = self._outcomes[len(self.requests) - 1]
        finished_at = None if self._looks == 2 else NOW
        return RequestOutcome(name=request_id, decided_at=NOW, finished_at=finished_at, expires_at=1, **outcome)


def ask(promotion: FakePromotion, seconds: float = 30, **request: str) -> dict[str, Any]:
    clock = iter(range(200))
    return endpoint.request(
        promotion,  # type: ignore[arg-type]  # a fake
        promotion,  # type: ignore[arg-type]  # of two things
        "queue",
        request or {"action": "pause"},
        seconds=seconds,
        sleep=lambda _: None,
        clock=lambda: next(clock),
    )


def said(outcome: str, reason: str, **more: str) -> dict[str, Any]:
    return {"outcome": outcome, "reason": reason, "model": "m", **more}


def test_ask_sends_the_event_that_promotion_reads() -> None:
    promotion = FakePromotion(said("done", "deploying"))
    response = ask(promotion, action="promote", model="m")
    assert (response["outcome"], response["reason"], response["model"]) == ("done", "deploying", "m")
    (request,) = promotion.requests
    assert parse(request, endpoint="dwell") == OperatorRequest(
        source="dwell.operator", id=response["id"], action="promote", model="m"
    )


def test_ask_repeats_a_request_as_a_new_one_while_the_endpoint_is_deleted() -> None:
    promotion = FakePromotion(*[said("refused", "being_deleted")] * 2, said("done", "resuming"))
    assert ask(promotion, action="resume")["reason"] == "resuming"
    assert len({request["id"] for request in promotion.requests}) == 3
    with pytest.raises(EndpointError, match="still being deleted"):
        ask(FakePromotion(*[said("refused", "being_deleted")] * 99))


def test_ask_raises_a_refusal_at_once_and_in_words() -> None:
    promotion = FakePromotion(said("refused", "no_archive"))
    with pytest.raises(EndpointError, match="only the winner of a round is kept"):
        ask(promotion)
    assert len(promotion.requests) == 1
    assert REFUSALS.keys() <= set(RequestReason.__args__)  # type: ignore[attr-defined]  # a Literal has them


def test_ask_names_the_request_that_has_no_outcome_in_time() -> None:
    promotion = FakePromotion()
    with pytest.raises(EndpointError) as late:
        ask(promotion, seconds=5)
    request_id = promotion.requests[0]["id"]
    assert f"the request {request_id} has no outcome after 5 s" in str(late.value)
    assert f"`dwell outcome {request_id}`" in str(late.value)


def test_ask_tells_a_request_that_makes_no_sense_apart() -> None:
    with pytest.raises(UnusableRequestError, match=r"^it is nonsense$"):
        ask(FakePromotion(said("refused", "unusable", error="it is nonsense")))


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

    def look() -> Any:
        observed = next(coming)
        if isinstance(observed, Exception):
            raise observed
        return observed

    return wait(look, model, seconds=seconds, sleep=lambda _: None, clock=lambda: next(clock))


def test_a_model_is_waited_for_until_it_answers() -> None:
    ended = waiting("m", a_board("Updating", "o", wanted="m"), a_board("InService", "m", standing="live"))
    assert ended["model"] == "m"


def test_a_model_that_was_rolled_back_before_is_waited_for_all_the_same() -> None:
    before = a_board("InService", "o", standing="rolled_back", wanted="m")
    assert waiting("m", before, a_board("InService", "m", standing="live"))["model"] == "m"


def test_a_model_that_is_taken_back_is_said_with_its_reason() -> None:
    with pytest.raises(EndpointError, match="m was rolled back: it erred"):
        waiting("m", a_board("Updating", "o", wanted="m"), a_board("InService", "o", standing="rolled_back"))


def test_a_pause_is_waited_for_until_nothing_answers() -> None:
    assert waiting(None, a_board("InService", "m"), a_board("Deleting", None))["status"] == "Deleting"


def test_what_does_not_come_is_said() -> None:
    with pytest.raises(EndpointError, match="the endpoint is Updating after 5 s"):
        waiting("m", a_board("Updating", "o", wanted="m"))


def test_a_look_that_fails_ends_no_waiting_unless_it_is_the_last() -> None:
    failed = LeaderboardError("GET /leaderboard answers 503")
    assert waiting("m", failed, a_board("InService", "m"))["model"] == "m"
    assert waiting(None, failed, a_board("Deleting", None))["status"] == "Deleting"
    with pytest.raises(LeaderboardError, match="503"):
        waiting("m", a_board("Updating", "o", wanted="m"), failed)


@pytest.mark.parametrize(
    ("board", "said"),
    [
        (a_board("InService", "o"), "m does not come: o was selected since"),
        (a_board("InService", "o", wanted="n"), "m does not come: n was selected since"),
        (a_board("Absent", None, resumes="m", pause="paused"), "the endpoint is paused; `dwell resume`"),
        (a_board("Absent", None), "the endpoint is gone"),
    ],
)
def test_a_model_that_somebody_passes_over_is_not_waited_for(board: dict[str, Any], said: str) -> None:
    with pytest.raises(EndpointError, match=said):
        waiting("m", board, seconds=100)
    # but it is not given up for what a few looks show
    arrived = a_board("InService", "m", standing="live")
    assert waiting("m", *[board] * (CONFIRMING_READS - 1), arrived, seconds=100)["model"] == "m"


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
    with pytest.raises(LeaderboardError) as refused:
        read_leaderboard(Answering(status, content))  # type: ignore[arg-type]  # a fake
    assert refused.value.is_final is is_final
