"""``--since``: a time, or how long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_AGO = re.compile(r"(?P<count>[0-9]{1,6})(?P<unit>[smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def since(text: str, *, now: datetime) -> datetime:
    """``90m``, ``24h``, ``7d`` before ``now``; or ISO 8601, in UTC if it names no zone. Raises ``ValueError``."""
    ago = _AGO.fullmatch(text)
    try:
        if ago:
            return now - timedelta(seconds=int(ago["count"]) * _SECONDS[ago["unit"]])
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text!r} is before the calendar begins, or after its end") from None
    except ValueError:
        raise ValueError(f"{text!r} is neither like 90m, 24h or 7d, nor a time like 2026-11-23T06:39:00Z") from None
