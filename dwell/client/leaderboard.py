"""The leaderboard as the API tells it: models, rounds and decisions, newest or best first."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from dwell.client.signed_api import NO_ANSWER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dwell.client.signed_api import Api

LOOKS_TO_BE_SURE = 30
"""Looks in a row, a second apart, that have to say that nothing will bring a model behind the endpoint any more. The
board is not read in one instant, and an endpoint's change is told a few seconds after it has begun."""

_TOO_MUCH = {408, 429}
_CHANGING = {"Creating", "Updating", "SystemUpdating", "RollingBack"}


class BoardError(RuntimeError):
    """The API does not give the leaderboard; the message says what it answered.

    ``is_final`` says that another attempt will be answered the same.
    """

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


def read_board(api: Api, *, limit: int = 20) -> dict[str, Any]:
    """``GET /leaderboard``: ``endpoint``, ``leaderboard``, ``rounds`` and ``decisions``, at most ``limit`` of each.

    Raises ``BoardError``, and one of ``NO_ANSWER`` if none comes.
    """
    response = api.get(f"/leaderboard?limit={limit}")
    if response.status_code != 200:
        refused = 400 <= response.status_code < 500 and response.status_code not in _TOO_MUCH
        raise BoardError(f"GET /leaderboard answers {response.status_code}: {response.text[:300]}", is_final=refused)
    try:
        board: dict[str, Any] = json.loads(response.content)
    except ValueError as error:
        raise BoardError(f"GET /leaderboard answers something else than JSON: {response.text[:300]}") from error
    return board


def boards(
    look: Callable[[], dict[str, Any]],
    *,
    seconds: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[dict[str, Any]]:
    """What ``look`` reads, every second until ``seconds`` are over, and once at least.

    A look that fails says nothing about what is waited for, so it is passed over. Raises what the last one raised,
    and at once a ``BoardError`` that is final.
    """
    end = clock() + seconds
    while True:
        failed: Exception | None = None
        try:
            board = look()
        except (BoardError, *NO_ANSWER) as error:
            if isinstance(error, BoardError) and error.is_final:
                raise
            failed = error
        else:
            yield board
        if clock() >= end:
            if failed is not None:
                raise failed
            return
        sleep(1)


def is_passed_over(endpoint: dict[str, Any], model: str) -> bool:
    """Whether the endpoint of a board neither has a model nor shall have it, and is not changing."""
    about = {endpoint.get("model"), endpoint.get("wanted"), endpoint.get("resumes")}
    return bool(endpoint) and model not in about and endpoint.get("status") not in _CHANGING
