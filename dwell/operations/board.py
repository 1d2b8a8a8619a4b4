"""The leaderboard, as the API gives it to whoever may see it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dwell.api import api_for

if TYPE_CHECKING:
    from dwell.stack import Stack


class BoardError(RuntimeError):
    """The API does not give the leaderboard; the message says what it answered."""


def read(stack: Stack, limit: int = 20) -> dict[str, Any]:
    """``GET /leaderboard``. Raises ``BoardError``, and botocore's ``HTTPClientError`` if nobody answers."""
    response = api_for(stack.api_url, timeout=20).get(f"/leaderboard?limit={limit}")
    if response.status_code != 200:
        raise BoardError(f"GET /leaderboard answers {response.status_code}: {response.text[:300]}")
    board: dict[str, Any] = json.loads(response.content)
    return board
