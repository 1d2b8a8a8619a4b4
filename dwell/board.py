"""The leaderboard as the API tells it: models, rounds and decisions, newest or best first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dwell.api import Api


class BoardError(RuntimeError):
    """The API does not give the leaderboard; the message says what it answered."""


def read_board(api: Api, *, limit: int = 20) -> dict[str, Any]:
    """``GET /leaderboard``: ``endpoint``, ``leaderboard``, ``rounds`` and ``decisions``, at most ``limit`` of each.

    Raises ``BoardError``, and ``HTTPClientError`` if no answer comes.
    """
    response = api.get(f"/leaderboard?limit={limit}")
    if response.status_code != 200:
        raise BoardError(f"GET /leaderboard answers {response.status_code}: {response.text[:300]}")
    board: dict[str, Any] = json.loads(response.content)
    return board
