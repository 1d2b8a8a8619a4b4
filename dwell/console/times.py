"""Times as text: what people type after ``--since``, and what commands print."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_AGO = re.compile(r"(?P<count>[0-9]{1,6})(?P<unit>[smhd])")
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def parse_since(text: str, *, now: datetime) -> datetime:
    """Parse ``90m``, ``24h`` or ``7d`` (before ``now``), or ISO 8601 (UTC if it names no zone) to an aware UTC time.

    Raises ``ValueError``.
    """
    ago = _AGO.fullmatch(text)
    try:
        if ago:
            return now - timedelta(seconds=int(ago["count"]) * _UNIT_SECONDS[ago["unit"]])
        return as_utc(datetime.fromisoformat(text))
    except OverflowError:
        raise ValueError(f"{text!r} is before the calendar begins, or after its end") from None
    except ValueError:
        raise ValueError(f"{text!r} is neither like 90m, 24h or 7d, nor a time like 2026-11-23T06:39:00Z") from None


def as_utc(timestamp: datetime) -> datetime:
    """The same moment in UTC; a time without a zone is taken to be UTC already."""
    return (timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)).astimezone(UTC)


def format_seconds(timestamp: datetime) -> str:
    """ISO 8601 to the second, with the offset."""
    return timestamp.isoformat(timespec="seconds")


def format_milliseconds(timestamp: datetime) -> str:
    """ISO 8601 to the millisecond, with the offset."""
    return timestamp.isoformat(timespec="milliseconds")


def format_clock(iso: str) -> str:
    """The time of day (``06:39:00``) of a time in ISO 8601."""
    return datetime.fromisoformat(iso).strftime("%H:%M:%S")
