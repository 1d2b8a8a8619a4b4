"""The query parameters of ``GET /leaderboard`` and ``GET /``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
DEFAULT_SPAN = "6h"
SHORTEST_SPAN, LONGEST_SPAN = timedelta(minutes=1), timedelta(days=30)
"""CloudWatch keeps the history of alarms for 30 days."""
SHORTEST_REFRESH, LONGEST_REFRESH = 5, 3_600

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


class BadQueryError(ValueError):
    """A query parameter that cannot be obeyed. ``reason`` is a code."""

    def __init__(self, reason: str, field: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.field = field


def limit(event: dict[str, Any]) -> int:
    """How many of each are asked for: 1 to 100, 20 if it is not said. Raises ``BadQueryError``."""
    text = _text(event, "limit")
    return DEFAULT_LIMIT if text is None else _whole("limit", text, 1, MAX_LIMIT)


def refresh(event: dict[str, Any]) -> int | None:
    """After how many seconds the page is to ask again; not at all unless somebody wants it. Raises ``BadQueryError``.

    A page that reloads by itself takes the reader's place away from those who read slowly or by ear.
    """
    text = _text(event, "refresh")
    return None if text is None else _whole("refresh", text, SHORTEST_REFRESH, LONGEST_REFRESH)


@dataclass(frozen=True, slots=True)
class Span:
    """How far back the page looks, as it was said."""

    text: str
    length: timedelta


def span(event: dict[str, Any]) -> Span:
    """What is asked for: ``90m``, ``24h``, ``7d``; 6 hours if it is not said. Raises ``BadQueryError``."""
    text = _text(event, "span") or DEFAULT_SPAN
    asked = re.fullmatch(r"([0-9]{1,6})([mhd])", text)
    if not asked:
        raise BadQueryError("wrong_type:span", "span", "span is like 90m, 24h or 7d")
    length = int(asked[1]) * _UNITS[asked[2]]
    if not SHORTEST_SPAN <= length <= LONGEST_SPAN:
        raise BadQueryError("out_of_range:span", "span", "span is at least 1m and at most 30d")
    return Span(text, length)


def _text(event: dict[str, Any], name: str) -> str | None:
    text: str | None = (event.get("queryStringParameters") or {}).get(name)
    return text


def _whole(name: str, text: str, least: int, most: int) -> int:
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise BadQueryError(f"wrong_type:{name}", name, f"{name} is a whole number")
    if not least <= int(text) <= most:
        raise BadQueryError(f"out_of_range:{name}", name, f"{name} is at least {least} and at most {most}")
    return int(text)
