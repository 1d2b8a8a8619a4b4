"""What waits in a delivery stream, and when it may go on."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local_aws.firehose.settings import Hints


@dataclass(slots=True)
class Buffer[Item]:
    """A queue that is due by size or by age. Sizes are in bytes; times are seconds of any one clock."""

    size: int = 0
    _waiting: deque[tuple[Item, int, float]] = field(default_factory=deque)

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, item: Item, size: int, now: float) -> None:
        """Append ``item``."""
        self._waiting.append((item, size, now))
        self.size += size

    def due_at(self, hints: Hints) -> float | None:
        """When it is due: minus infinity if it is by size, none while it is empty."""
        if not self._waiting:
            return None
        return float("-inf") if self.size >= hints.size else self._waiting[0][2] + hints.seconds

    def is_due(self, hints: Hints, now: float) -> bool:
        """Whether it is due at ``now``."""
        due_at = self.due_at(hints)
        return due_at is not None and due_at <= now

    def take(self, size: int, *, count: int | None = None) -> list[Item]:
        """Remove and return the oldest items, up to ``size`` bytes and ``count`` items, but one at least."""
        taken: list[Item] = []
        total = 0
        while self._waiting and (not taken or total + self._waiting[0][1] <= size) and len(taken) != count:
            item, item_size, _ = self._waiting.popleft()
            taken.append(item)
            total += item_size
        self.size -= total
        return taken


@dataclass(slots=True)
class Attempts:
    """When something that was refused may be tried again: soon at first, every 5 s in the end."""

    _pause: float = 0.0
    _next: float = float("-inf")

    def is_due(self) -> bool:
        """Whether it may be tried now."""
        return time.monotonic() >= self._next

    def succeeded(self) -> None:
        """Forget earlier failures."""
        self._pause, self._next = 0.0, float("-inf")

    def failed(self) -> None:
        """Wait twice as long as the last time."""
        self._pause = min(max(2 * self._pause, 0.25), 5.0)
        self._next = time.monotonic() + self._pause
