"""Asking the promotion function for another model, for a pause and for its end, and waiting for what comes of it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from dwell.client.leaderboard import LOOKS_TO_BE_SURE, boards, is_passed_over
from dwell.operations.function_response import read_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_lambda import LambdaClient

ANSWER_SECONDS = 130
"""The function has 120 s; a client should wait as long."""

REFUSALS = {
    "unknown_model": "there is no such model; `dwell leaderboard` names them",
    "no_archive": "it has no archive: only the winner of a round is kept, whether it was promoted or not",
    "schema_changed": "it was trained on another schema than the one that is deployed",
    "not_promisable": "it promises an error that no answer may promise, so that planners would get the baseline",
    "already_live": "it answers already",
    "already_paused": "the endpoint is paused already",
    "not_paused": "the endpoint is not paused",
    "being_deleted": "the endpoint is still being deleted; ask again in a minute",
    "busy": "an event of the endpoint is being answered; ask again in a moment",
}
_PASSING = {"being_deleted", "busy"}


class EndpointError(RuntimeError):
    """It was refused, or did not end well, or not in time; the message says which."""


def ask(
    functions: LambdaClient,
    function: str,
    request: dict[str, str],
    *,
    seconds: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Ask for ``{"action": ...}``, again while an endpoint is still going down; what the function answers.

    Raises ``EndpointError``, and ``UnusableRequestError`` if the request makes no sense.
    """
    end = clock() + seconds
    while True:
        event = {"source": "dwell.operator", **request}
        answer = functions.invoke(FunctionName=function, Payload=json.dumps(event).encode())
        said = read_answer(answer, function, failed=EndpointError)
        if said["outcome"] == "done":
            return said
        if said["reason"] not in _PASSING or clock() >= end:
            raise EndpointError(f"refused: {REFUSALS.get(said['reason'], said['reason'])}")
        sleep(2)


def wait(
    look: Callable[[], dict[str, Any]],
    model: str | None,
    *,
    seconds: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Wait until ``model`` answers, or with none until the endpoint is gone; the endpoint as the leaderboard has it.

    ``look`` reads the leaderboard. Raises ``EndpointError`` if the model is taken back, if another was chosen or the
    endpoint paused since, and when ``seconds`` are over; what the last look raised if that failed.
    """
    endpoint: dict[str, Any] = {}
    passed_over = 0
    for board in boards(look, seconds=seconds, sleep=sleep, clock=clock):
        endpoint = board["endpoint"] or {}
        if model is None and endpoint.get("status") in {"Absent", "Deleting"} and endpoint.get("model") is None:
            return endpoint
        if model is None:
            continue
        if endpoint.get("model") == model and endpoint.get("status") == "InService":
            return endpoint
        if endpoint.get("status") in {"InService", "Failed"}:
            undone = [one for one in board["leaderboard"] if one["model"] == model and one["status"] in _UNDONE]
            if undone and model not in {endpoint.get("wanted"), endpoint.get("resumes")}:
                raise EndpointError(f"{model} was taken back: {undone[0]['error'] or undone[0]['status']}")
        held = endpoint.get("pause") == "paused"
        passed_over = passed_over + 1 if held or is_passed_over(endpoint, model) else 0
        if passed_over >= LOOKS_TO_BE_SURE:
            raise EndpointError(f"{model} does not come: {_instead(endpoint)}")
    raise EndpointError(f"the endpoint is {endpoint.get('status', 'Absent')} after {seconds:.0f} s")


def _instead(endpoint: dict[str, Any]) -> str:
    if endpoint.get("pause") == "paused":
        return "the endpoint is paused; `dwell resume` ends that"
    chosen = endpoint.get("wanted") or endpoint.get("model")
    return f"{chosen} was chosen since" if chosen else "the endpoint is gone"


_UNDONE = {"rolled_back", "failed"}
