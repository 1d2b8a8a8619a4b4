"""How soon the monitor sees a loss: the windows of its policy, at a fleet's rate.

The windows and thresholds are those of ``functions/monitor/policy.py``, which this package may not import; a test keeps
them equal. `make alarm-quality` simulates the delays, with daily cycles and their percentiles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SHORT_MINUTES = 2
SHORT_WINDOWS = 4
MIN_SHORT_ROWS = 250
HOUR_MINUTES = 60
DAY_MINUTES = 1_440
MIN_LONG_ROWS = 2_000
STANDARD_ERRORS = 3.3
HOUR_SHARE = 0.37
DAY_SHARE = 0.10
MAX_ROWS_PER_OBJECT = 2_000
EXCESS_SPREAD = 5.4
"""Standard deviation of a row's capped excess, with what the likeness of a message's samples adds (packs of 67)."""


@dataclass(frozen=True, slots=True)
class Window:
    """A window that sees the loss, and how many of the monitor's minutes that takes."""

    name: str
    minutes: float


def estimate_detection(ratio: float, rows_per_minute: float, error_ratio: float) -> Window | None:
    """The first window that sees live error at ``ratio`` times the promise; None if none ever does.

    ``rows_per_minute`` is how many rows with a prediction the monitor measures; ``error_ratio`` is ``ErrorRatio``.
    """
    found = []
    if ratio > error_ratio and rows_per_minute * SHORT_MINUTES >= MIN_SHORT_ROWS:
        minutes = SHORT_MINUTES * SHORT_WINDOWS
        found.append(Window(f"{minutes} minutes", minutes))
    for name, length, share in (("hour", HOUR_MINUTES, HOUR_SHARE), ("day", DAY_MINUTES, DAY_SHARE)):
        rows = rows_per_minute * length
        if rows < MIN_LONG_ROWS or ratio <= 1:
            continue
        threshold = (1 + share * (error_ratio - 1)) ** 2 - 1
        needed = threshold + STANDARD_ERRORS * EXCESS_SPREAD / math.sqrt(rows)
        part = needed / (ratio**2 - 1)
        if part <= 1:
            found.append(Window(name, part * length))
    return min(found, key=lambda window: window.minutes, default=None)
