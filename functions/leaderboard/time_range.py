"""The time range that a page or a dashboard shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class TimeRange:
    """From ``since`` to ``until``; both are aware."""

    since: datetime
    until: datetime

    @property
    def length(self) -> timedelta:
        """The time between both ends."""
        return self.until - self.since

    def starting_at(self, timestamp: datetime) -> TimeRange:
        """Return the part from ``timestamp`` on: the full range if it is earlier, an empty one if it is later."""
        return TimeRange(min(max(self.since, timestamp), self.until), self.until)
