"""The query parameters of ``GET /leaderboard`` and ``GET /``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
DEFAULT_SPAN = "6h"
MIN_SPAN, MAX_SPAN = timedelta(minutes=1), timedelta(days=30)
"""CloudWatch keeps the history of alarms for 30 days:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarmHistory.html
"""
MIN_REFRESH_SECONDS, MAX_REFRESH_SECONDS = 5, 3_600

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


class InvalidQueryError(ValueError):
    """A query parameter is invalid. ``reason`` is a code such as ``out_of_range:limit``; ``field`` is the parameter."""

    def __init__(self, reason: str, field: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.field = field


@dataclass(frozen=True, slots=True)
class Span:
    """How far back the page shows: the requested ``text`` and its ``length``."""

    text: str
    length: timedelta


def parse_limit(event: dict[str, Any]) -> int:
    """Return the requested number of entries of each kind: 1 to 100, default 20. Raises ``InvalidQueryError``."""
    text = _get_parameter(event, "limit")
    return DEFAULT_LIMIT if text is None else _parse_integer("limit", text, 1, MAX_LIMIT)


def parse_refresh(event: dict[str, Any]) -> int | None:
    """Return after how many seconds the page reloads; None by default. Raises ``InvalidQueryError``.

    Reloading is off by default because it interrupts people who read slowly or with a screen reader.
    """
    text = _get_parameter(event, "refresh")
    return None if text is None else _parse_integer("refresh", text, MIN_REFRESH_SECONDS, MAX_REFRESH_SECONDS)


def parse_span(event: dict[str, Any]) -> Span:
    """Return the requested span, such as ``90m``, ``24h`` or ``7d``; default 6 hours. Raises ``InvalidQueryError``."""
    text = _get_parameter(event, "span") or DEFAULT_SPAN
    match = re.fullmatch(r"([0-9]{1,6})([mhd])", text)
    if not match:
        raise InvalidQueryError("wrong_type:span", "span", "span is like 90m, 24h or 7d")
    length = int(match[1]) * _UNITS[match[2]]
    if not MIN_SPAN <= length <= MAX_SPAN:
        raise InvalidQueryError("out_of_range:span", "span", "span is at least 1m and at most 30d")
    return Span(text, length)


def _get_parameter(event: dict[str, Any], name: str) -> str | None:
    text: str | None = (event.get("queryStringParameters") or {}).get(name)
    return text


def _parse_integer(name: str, text: str, minimum: int, maximum: int) -> int:
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise InvalidQueryError(f"wrong_type:{name}", name, f"{name} is a whole number")
    if not minimum <= int(text) <= maximum:
        raise InvalidQueryError(f"out_of_range:{name}", name, f"{name} is at least {minimum} and at most {maximum}")
    return int(text)
