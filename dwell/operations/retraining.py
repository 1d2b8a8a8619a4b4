"""Asking for a round, and waiting for what comes of it."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_lambda import LambdaClient


class RetrainingError(RuntimeError):
    """The round was refused, has failed, or did not end in time; the message says which."""


def ask(
    functions: LambdaClient, function: str, *, reason: str, hyperparameters: dict[str, Any], entrant: str | None
) -> str:
    """Ask the retraining function for a round; the id under which its decision is recorded."""
    identity = uuid.uuid4().hex[:12]
    event = {
        "source": "dwell.operator",
        "id": identity,
        "reason": reason,
        "hyperparameters": hyperparameters,
        **({"entrant": entrant} if entrant else {}),
    }
    functions.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(event).encode())
    return f"operator:{identity}"


def decision_of(board: dict[str, Any], identity: str) -> dict[str, Any] | None:
    """The decision about the request, if it was made yet."""
    found = [one for one in board["decisions"] if one["decision"].endswith(f"#{identity}")]
    return found[0] if found else None


def round_of(board: dict[str, Any], name: str) -> dict[str, Any] | None:
    """The round of that name, if it has begun."""
    found = [one for one in board["rounds"] if one["round"] == name]
    return found[0] if found else None


def wait(
    look: Callable[[], dict[str, Any]],
    identity: str,
    *,
    until_ended: bool,
    seconds: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Wait for the decision and, if asked to, for the end of the round. ``look`` reads the leaderboard.

    Raises ``RetrainingError`` for a refusal, a failed round, and when ``seconds`` are over.
    """
    end = clock() + seconds
    while True:
        board = look()
        decision = decision_of(board, identity)
        if decision is not None and decision["outcome"] == "refuse":
            raise RetrainingError(f"refused: {decision['reason']}")
        if decision is not None:
            begun = round_of(board, decision["round"])
            if not until_ended:
                return decision, begun
            if begun is not None and begun["status"] == "failed":
                raise RetrainingError(f"{begun['round']} failed: {begun['reason']}")
            if begun is not None and begun["status"] != "started":
                return decision, begun
        if clock() >= end:
            raise RetrainingError(
                f"no decision within {seconds:.0f} s" if decision is None else f"no end within {seconds:.0f} s"
            )
        sleep(1)
