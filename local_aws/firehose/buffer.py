"""Buffers of a delivery stream, and the backoff of its requests."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local_aws.firehose.settings import Hints

BASE_DELAY_SECONDS, MAX_DELAY_SECONDS = 0.25, 5.0


@dataclass(slots=True)
class Buffer[Item]:
    """A queue that is due by size (bytes) or by age (seconds, of any clock)."""

    size: int = 0
    _waiting: deque[tuple[Item, int, float]] = field(default_factory=deque)

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, item: Item, size: int, now: float) -> None:
        """Append ``item`` of ``size`` bytes."""
        self._waiting.append((item, size, now))
        self.size += size

    def due_at(self, hints: Hints) -> float | None:
        """The time at which it is due: minus infinity if it is due by size, None while it is empty."""
        if not self._waiting:
            return None
        return float("-inf") if self.size >= hints.size else self._waiting[0][2] + hints.seconds

    def is_due(self, hints: Hints, now: float) -> bool:
        """Whether it is due at ``now``."""
        due_at = self.due_at(hints)
        return due_at is not None and due_at <= now

    def take(self, max_bytes: int, *, max_items: int | None = None) -> list[Item]:
        """Remove and return the oldest items within both limits, and at least one."""
        taken: list[Item] = []
        total = 0
        while self._waiting and (not taken or total + self._waiting[0][1] <= max_bytes) and len(taken) != max_items:
            item, item_size, _ = self._waiting.popleft()
            taken.append(item)
            total += item_size
        self.size -= total
        return taken


@dataclass(slots=True)
class Backoff:
    """Delays after failed attempts: 0.25 s at first, doubled each time, 5 s at most."""

    _delay_seconds: float = 0.0
    _next: float = float("-inf")

    def is_due(self) -> bool:
        """Whether the next attempt may be made now."""
        return time.monotonic() >= self._next

    def record_success(self) -> None:
        """Reset the delay."""
        self._delay_seconds, self._next = 0.0, float("-inf")

    def record_failure(self) -> None:
        """Double the delay."""
        self._delay_seconds = min(max(2 * self._delay_seconds, BASE_DELAY_SECONDS), MAX_DELAY_SECONDS)
        self._next = time.monotonic() + self._delay_seconds
