"""What the promotion function reads from and writes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from promotion.settings import Settings
from rounds import AwsContext

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class Context(AwsContext[Settings]):
    """Settings, the table's store, AWS clients, the clock, and where metrics are counted."""

    count: Callable[[str], None] = lambda _metric: None
    """Counts one occurrence of a metric; alarms depend on it."""
