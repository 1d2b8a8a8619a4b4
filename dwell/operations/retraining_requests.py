"""Requests for a retraining round, and waiting for its result."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

from dwell.client.leaderboard import CONFIRMING_READS, is_passed_over, poll_leaderboard
from dwell.console.errors import ReportedError
from dwell.operations.function_response import parse_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_lambda import LambdaClient

    from dwell.client.leaderboard import Leaderboard, ListedRound

RESPONSE_TIMEOUT_SECONDS = 130
"""Read timeout of the Lambda client: longer than the function's own timeout of 120 s."""


class RetrainingError(ReportedError):
    """The round was refused, has failed, or did not end in time; the message says which."""


def request_round(
    functions: LambdaClient, function: str, *, reason: str, hyperparameters: dict[str, Any], entrant: str | None
) -> dict[str, Any]:
    """Invoke the retraining function; returns its decision with ``outcome``, ``reason`` and ``round``.

    The request has an id, so a client that repeats it after a broken connection requests the same round. Raises
    ``RetrainingError`` if the function fails or refuses, ``UnusableRequestError`` for an invalid request.
    """
    event = {
        "source": "dwell.operator",
        "id": uuid.uuid4().hex[:12],
        "reason": reason,
        "hyperparameters": hyperparameters,
        **({} if entrant is None else {"entrant": entrant}),
    }
    response = functions.invoke(FunctionName=function, Payload=json.dumps(event).encode())
    decision: dict[str, Any] = parse_response(response, function, failed=RetrainingError)["decisions"][0]
    if decision["outcome"] == "refuse":
        raise RetrainingError(f"refused: {decision['reason']}")
    return decision


def find_round(leaderboard: Leaderboard, name: str) -> ListedRound | None:
    """The round with that name, or ``None`` if it has not started."""
    return next((round_ for round_ in leaderboard["rounds"] if round_["round"] == name), None)


def wait(
    read: Callable[[], Leaderboard],
    name: str,
    *,
    seconds: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> ListedRound:
    """Wait until a round has ended and its model, if one was promoted, serves. ``read`` reads the leaderboard.

    Returns the round as the leaderboard lists it. A winner that a person holds back is not waited for: ``deployment``
    is then ``awaiting_approval``, ``awaiting_resume`` while the endpoint is paused, or ``passed_over`` if another model
    was selected in the meantime.

    Raises ``RetrainingError`` for a failed round or deployment and after ``seconds``, and the last read's error if that
    failed.
    """
    status, passed_over_reads = "not there", 0
    for leaderboard in poll_leaderboard(read, seconds=seconds, sleep=sleep, clock=clock):
        round_ = find_round(leaderboard, name)
        if round_ is None:
            status = "not there"
            continue
        status = round_["status"]
        if _has_ended(round_):
            return round_
        endpoint, model = leaderboard["endpoint"], round_["promoted"]
        if status == "promoted" and model is not None:
            passed_over_reads = passed_over_reads + 1 if is_passed_over(endpoint, model) else 0
            if passed_over_reads >= CONFIRMING_READS:
                return {**round_, "deployment": "passed_over"}
            if endpoint and endpoint.get("pause") == "paused" and not passed_over_reads:
                return {**round_, "deployment": "awaiting_resume"}
    raise RetrainingError(f"{name} is {status} after {seconds:.0f} s; see `dwell rounds` for its progress")


def _has_ended(round_: ListedRound) -> bool:
    """Whether the round's result is final. Raises ``RetrainingError`` for a failed round or deployment."""
    name, deployment = round_["round"], round_.get("deployment")
    if round_["status"] == "failed":
        raise RetrainingError(f"{name} failed: {round_['reason']}")
    if deployment == "rejected":
        raise RetrainingError(f"{name}: {round_['promoted']} was rejected: {round_['deployment_reason']}")
    if deployment == "rolled_back":
        raise RetrainingError(f"{name}: {round_['promoted']} was rolled back: {round_['deployment_reason']}")
    if deployment == "failed":
        raise RetrainingError(f"{name}: {round_['promoted']} could not be deployed")
    return round_["status"] == "kept" or deployment in {"awaiting_approval", "live"}
