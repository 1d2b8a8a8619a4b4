"""Requests to promotion for another model, a pause or its end, and waiting for their outcomes.

A request is a message in promotion's queue. Its outcome is recorded in the table under the request's id.
"""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any, cast

from dwell.client.leaderboard import CONFIRMING_READS, is_passed_over, poll_leaderboard
from dwell.console.errors import ReportedError
from dwell.operations.function_response import UnusableRequestError
from rounds import RequestOutcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_sqs import SQSClient

    from dwell.client.leaderboard import Leaderboard
    from rounds import Store

MESSAGE_GROUP = "promotion"
"""The one message group of promotion's queue, so that its events are handled one at a time."""
POLL_SECONDS = 0.5
REPEAT_SECONDS = 2.0
"""How long to wait before repeating a request that was refused for a temporary reason."""

REFUSALS = {
    "unknown_model": "there is no such model; `dwell leaderboard` names them",
    "no_archive": "it has no archive: only the winner of a round is kept, whether it was promoted or not",
    "schema_changed": "it was trained on another schema than the one that is deployed",
    "not_promisable": "it promises an error that no answer may promise, so that planners would get the baseline",
    "already_live": "it answers already",
    "already_paused": "the endpoint is paused already",
    "not_paused": "the endpoint is not paused",
    "being_deleted": "the endpoint is still being deleted; ask again in a minute",
}
_TEMPORARY = {"being_deleted"}


class EndpointError(ReportedError):
    """The request was refused, failed or timed out; the message says which."""


def request(
    sqs: SQSClient,
    store: Store,
    queue: str,
    body: dict[str, str],
    *,
    seconds: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Send a request such as ``{"action": "pause"}`` and wait for its outcome (see ``read_outcome``).

    A request that is refused because the endpoint is still being deleted is repeated, each time as a new one. Raises
    ``EndpointError`` if it is refused or has no outcome after ``seconds``, and ``UnusableRequestError`` if it makes no
    sense.
    """
    end = clock() + seconds
    while True:
        request_id = send(sqs, queue, body)
        outcome = read_outcome(store, request_id)
        while outcome is None:
            if clock() >= end:
                raise EndpointError(
                    f"the request {request_id} has no outcome after {seconds:.0f} s; it is carried out after the "
                    f"events before it, within minutes: look again with `dwell outcome {request_id}`"
                )
            sleep(POLL_SECONDS)
            outcome = read_outcome(store, request_id)
        if outcome["outcome"] == "done" or outcome["reason"] not in _TEMPORARY or clock() >= end:
            return raise_if_refused(outcome)
        sleep(REPEAT_SECONDS)


def send(sqs: SQSClient, queue: str, body: dict[str, str]) -> str:
    """Send a request under a new id, which is returned: the same request sent again is another one."""
    request_id = str(uuid.uuid4())
    message = {"source": "dwell.operator", "id": request_id, **body}
    sqs.send_message(QueueUrl=queue, MessageGroupId=MESSAGE_GROUP, MessageBody=json.dumps(message))
    return request_id


def read_outcome(store: Store, request_id: str) -> dict[str, Any] | None:
    """The outcome of a request, or None if it has not been carried out (yet)."""
    record = store.get(RequestOutcome, request_id)
    if record is None or record.finished_at is None:
        return None
    return {
        "id": request_id,
        "outcome": record.outcome,
        "reason": record.reason,
        "model": record.model,
        "error": record.error,
    }


def raise_if_refused(outcome: dict[str, Any]) -> dict[str, Any]:
    """The outcome, if it is "done". Raises ``EndpointError`` or ``UnusableRequestError`` for a refusal."""
    if outcome["outcome"] == "done":
        return outcome
    if outcome["reason"] == "unusable":
        raise UnusableRequestError(str(outcome["error"]))
    raise EndpointError(f"refused: {REFUSALS.get(outcome['reason'], outcome['reason'])}")


def wait(
    read: Callable[[], Leaderboard],
    model: str | None,
    *,
    seconds: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Wait until ``model`` serves, or without one until the endpoint is deleted; returns the leaderboard's endpoint.

    Raises ``EndpointError`` if the model is rolled back, if another was selected or the endpoint paused since, and when
    ``seconds`` are over; the error of the last ``read`` if that failed.
    """
    endpoint: dict[str, Any] = {}
    passed_over = 0
    for board in poll_leaderboard(read, seconds=seconds, sleep=sleep, clock=clock):
        endpoint = cast("dict[str, Any]", board["endpoint"] or {})
        if model is None and endpoint.get("status") in {"Absent", "Deleting"} and endpoint.get("model") is None:
            return endpoint
        if model is None:
            continue
        if endpoint.get("model") == model and endpoint.get("status") == "InService":
            return endpoint
        if endpoint.get("status") in {"InService", "Failed"}:
            undone = [entry for entry in board["leaderboard"] if entry["model"] == model and entry["status"] in _UNDONE]
            if undone and model not in {endpoint.get("wanted"), endpoint.get("resumes")}:
                raise EndpointError(f"{model} was rolled back: {undone[0]['error'] or undone[0]['status']}")
        is_paused = endpoint.get("pause") == "paused"
        passed_over = passed_over + 1 if is_paused or is_passed_over(board["endpoint"], model) else 0
        if passed_over >= CONFIRMING_READS:
            raise EndpointError(f"{model} does not come: {_instead(endpoint)}")
    raise EndpointError(f"the endpoint is {endpoint.get('status', 'Absent')} after {seconds:.0f} s")


def _instead(endpoint: dict[str, Any]) -> str:
    if endpoint.get("pause") == "paused":
        return "the endpoint is paused; `dwell resume` ends that"
    selected = endpoint.get("wanted") or endpoint.get("model")
    return f"{selected} was selected since" if selected else "the endpoint is gone"


_UNDONE = {"rolled_back", "failed"}
