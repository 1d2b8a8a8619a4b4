"""The query parameters of ``GET /leaderboard``."""

from __future__ import annotations

import re
from typing import Any

DEFAULT_LIMIT = 20
MAX_LIMIT = 100


class BadQueryError(ValueError):
    """A query parameter that cannot be obeyed. ``reason`` is a code."""

    def __init__(self, reason: str, field: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.field = field


def limit(event: dict[str, Any]) -> int:
    """How many of each are asked for: 1 to 100, 20 if it is not said. Raises ``BadQueryError``."""
    text = (event.get("queryStringParameters") or {}).get("limit")
    if text is None:
        return DEFAULT_LIMIT
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise BadQueryError("wrong_type:limit", "limit", "limit is a whole number")
    if not 1 <= int(text) <= MAX_LIMIT:
        raise BadQueryError("out_of_range:limit", "limit", f"limit is at least 1 and at most {MAX_LIMIT}")
    return int(text)
