"""Asking for a round, and waiting for what comes of it."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

from dwell.client.leaderboard import LOOKS_TO_BE_SURE, boards, is_passed_over
from dwell.operations.function_response import read_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_lambda import LambdaClient

ANSWER_SECONDS = 130
"""The function has 120 s to decide and start; a client should wait as long."""


class RetrainingError(RuntimeError):
    """The round was refused, has failed, or did not end in time; the message says which."""


def ask(
    functions: LambdaClient, function: str, *, reason: str, hyperparameters: dict[str, Any], entrant: str | None
) -> dict[str, Any]:
    """Ask the retraining function for a round; its decision: ``outcome``, ``reason`` and ``round``.

    The request has an id, so a client that repeats it after a broken connection asks for the same round. Raises
    ``RetrainingError`` if the function fails or refuses, ``UnusableRequestError`` if the request makes no sense.
    """
    event = {
        "source": "dwell.operator",
        "id": uuid.uuid4().hex[:12],
        "reason": reason,
        "hyperparameters": hyperparameters,
        **({} if entrant is None else {"entrant": entrant}),
    }
    answer = functions.invoke(FunctionName=function, Payload=json.dumps(event).encode())
    decision: dict[str, Any] = read_answer(answer, function, failed=RetrainingError)["decisions"][0]
    if decision["outcome"] == "refuse":
        raise RetrainingError(f"refused: {decision['reason']}")
    return decision


def round_of(board: dict[str, Any], name: str) -> dict[str, Any] | None:
    """The round of that name, if it has begun."""
    found = [one for one in board["rounds"] if one["round"] == name]
    return found[0] if found else None


def wait(
    look: Callable[[], dict[str, Any]],
    name: str,
    *,
    seconds: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Wait for the end of a round, and for its model to serve if one was promoted. ``look`` reads the leaderboard.

    The answer is the round as the leaderboard has it. A winner that a person holds back is not waited for: the round's
    ``deployment`` is ``awaiting_approval`` then, or in its place ``awaiting_resume`` while the endpoint is paused, and
    ``passed_over`` if another model was chosen since.

    Raises ``RetrainingError`` for a failed round or deployment, and when ``seconds`` are over; what the last look
    raised if that failed.
    """
    status, passed_over = "not there", 0
    for board in boards(look, seconds=seconds, sleep=sleep, clock=clock):
        begun = round_of(board, name)
        status = "not there" if begun is None else begun["status"]
        if begun is None:
            continue
        if _has_ended(begun):
            return begun
        endpoint: dict[str, Any] = board["endpoint"] or {}
        if status == "promoted":
            passed_over = passed_over + 1 if is_passed_over(endpoint, begun["promoted"]) else 0
            if passed_over >= LOOKS_TO_BE_SURE:
                return begun | {"deployment": "passed_over"}
            if endpoint.get("pause") == "paused" and not passed_over:
                return begun | {"deployment": "awaiting_resume"}
    raise RetrainingError(f"{name} is {status} after {seconds:.0f} s; look again with `dwell rounds`")


def _has_ended(begun: dict[str, Any]) -> bool:
    """Whether nothing more will come of a round. Raises ``RetrainingError`` for a failed round or deployment."""
    name, deployment = begun["round"], begun.get("deployment")
    if begun["status"] == "failed":
        raise RetrainingError(f"{name} failed: {begun['reason']}")
    if deployment == "rejected":
        raise RetrainingError(f"{name}: {begun['promoted']} was rejected: {begun['deployment_reason']}")
    if deployment == "rolled_back":
        raise RetrainingError(f"{name}: {begun['promoted']} was rolled back: {begun['deployment_reason']}")
    if deployment == "failed":
        raise RetrainingError(f"{name}: {begun['promoted']} could not be deployed")
    return begun["status"] == "kept" or deployment in {"awaiting_approval", "live"}
