"""Asking for a round, and waiting for what comes of it."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

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
    ``RetrainingError`` if the function cannot use the request, or refuses.
    """
    event = {
        "source": "dwell.operator",
        "id": uuid.uuid4().hex[:12],
        "reason": reason,
        "hyperparameters": hyperparameters,
        **({"entrant": entrant} if entrant else {}),
    }
    answer = functions.invoke(FunctionName=function, Payload=json.dumps(event).encode())
    said = json.loads(answer["Payload"].read())
    if answer.get("FunctionError"):
        raise RetrainingError(f"{function} cannot do it: {said.get('errorMessage', said)}")
    decision: dict[str, Any] = said["decisions"][0]
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

    Raises ``RetrainingError`` for a failed round or deployment, and when ``seconds`` are over.
    """
    end = clock() + seconds
    while True:
        begun = round_of(look(), name)
        status = "not there" if begun is None else begun["status"]
        if begun is not None:
            deployment = begun.get("deployment")
            if status == "failed":
                raise RetrainingError(f"{name} failed: {begun['reason']}")
            if deployment == "awaiting_approval":
                return begun
            if deployment == "rejected":
                raise RetrainingError(f"{name}: {begun['promoted']} was rejected: {begun['deployment_reason']}")
            if deployment == "rolled_back":
                raise RetrainingError(f"{name}: {begun['promoted']} was rolled back: {begun['deployment_reason']}")
            if deployment == "failed":
                raise RetrainingError(f"{name}: {begun['promoted']} could not be deployed")
            if status == "kept" or deployment == "live":
                return begun
        if clock() >= end:
            raise RetrainingError(f"{name} is {status} after {seconds:.0f} s; look again with `dwell rounds`")
        sleep(1)
