"""The time that somebody looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Window:
    """From ``since`` to ``until``; both aware."""

    since: datetime
    until: datetime

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.until - self.since

    def beginning(self, at: datetime) -> Window:
        """The part of it from ``at`` on: all of it if ``at`` is earlier, nothing of it if ``at`` is later."""
        return Window(min(max(self.since, at), self.until), self.until)
