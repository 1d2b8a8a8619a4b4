"""When live error is evidence of a worse model: each window with the threshold that its samples support.

Published is one number, the largest evidence over its threshold; above 1 the alarm ModelError starts a round.
Thresholds are an error ratio plus what chance can do. The ratios leave room for daily cycles and for a promise that is
a little too low: a short window sees a large loss within minutes, a day's window a small one within a day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from monitor.windows import Window

if TYPE_CHECKING:
    from monitor.segments import WorstSegment
    from monitor.windows import Series

SHORT_MINUTES = 2
SHORT_WINDOWS = 4
"""So many short windows in a row must agree: an incident of five minutes leaves one of them untouched."""
MIN_SHORT_ROWS = 250
HOUR_MINUTES = 60
DAY_MINUTES = 1_440
MIN_LONG_ROWS = 2_000
MIN_LONG_BINS = 20
STANDARD_ERRORS = 3.3
"""Confidence that a long window's loss is not chance; the windows slide, so that a year holds thousands of looks."""
HOUR_SHARE = 0.37
DAY_SHARE = 0.10
"""Which share of the tolerance that ``ErrorRatio`` has above 1 the long windows allow: 9 % and 2.5 % at 1.25."""
TRIAL_MINUTES = 10
MIN_TRIAL_ROWS = 200


class Evidence(Struct, frozen=True):
    """One judged window or segment: live over promised error (less what chance can do), and the threshold for it."""

    window: str
    ratio: float
    threshold: float
    segment: str | None = None

    @property
    def strength(self) -> float:
        """Above 1 it is evidence."""
        return self.ratio / self.threshold


class Windows(Struct, frozen=True):
    """The windows that end at one minute; ``short`` are ``SHORT_WINDOWS`` in a row, the newest first.

    ``day`` is None until the series is a day old: a part of a day holds a part of a daily cycle.
    """

    short: tuple[Window, ...]
    hour: Window
    day: Window | None


def windows_of(series: Series, end_minute: int) -> Windows:
    """The windows of a series that end before ``end_minute`` (minutes since 1970)."""
    return Windows(
        tuple(series.window(end_minute - SHORT_MINUTES * index, SHORT_MINUTES) for index in range(SHORT_WINDOWS)),
        series.window(end_minute, HOUR_MINUTES),
        series.window(end_minute, DAY_MINUTES) if series.age_minutes(end_minute) >= DAY_MINUTES else None,
    )


def tolerated(error_ratio: float, share: float) -> float:
    """A long window's threshold: the ``share`` of the tolerance that ``error_ratio`` (``ErrorRatio``) has above 1."""
    return 1 + share * (error_ratio - 1)


def judge(
    windows: Windows, worst: WorstSegment | None, error_ratio: float, promise_error: float = 0.0
) -> list[Evidence]:
    """The evidence of every window that has enough rows, and of the worst segment.

    ``promise_error`` is the relative standard error of the promise itself; the long windows tolerate two of them,
    since a promise that came out too low is no drift.
    """
    tolerance = 2 * promise_error
    hour, day = (tolerated(error_ratio, share) + tolerance for share in (HOUR_SHARE, DAY_SHARE))
    judged = [
        _short(windows.short, error_ratio),
        _long("hour", windows.hour, hour),
        None if windows.day is None else _long("day", windows.day, day),
        None if worst is None else Evidence("hour", worst.lower_ratio, hour, worst.name),
    ]
    return [evidence for evidence in judged if evidence is not None]


def _short(windows: tuple[Window, ...], threshold: float) -> Evidence | None:
    """The weakest of the windows counts."""
    if any(window.sums.rows < MIN_SHORT_ROWS for window in windows):
        return None
    return Evidence("8 minutes", min(window.ratio for window in windows), threshold)


def _long(name: str, window: Window, threshold: float) -> Evidence | None:
    if window.sums.rows < MIN_LONG_ROWS or window.bins < MIN_LONG_BINS:
        return None
    return Evidence(name, window.lower_ratio(STANDARD_ERRORS), threshold)


def strongest(judged: list[Evidence]) -> Evidence | None:
    """The evidence that is largest over its threshold; None if no window could be judged."""
    return max(judged, key=lambda evidence: evidence.strength, default=None)


def is_worse_than_baseline(window: Window, *, was_worse: bool) -> bool:
    """Whether BASELINE has been better than the model over the hour's ``window``.

    It takes two standard errors to become worse; it ends when the model is no worse.
    """
    if window.sums.rows < MIN_TRIAL_ROWS or window.bins < MIN_LONG_BINS:
        return was_worse
    return window.lower_loss(2.0) > 0 or (was_worse and window.lower_loss(0.0) > 0)


def trial_strength(trial: Series, reference: Series, end_minute: int, start_minute: int, error_ratio: float) -> float:
    """The new model's error over the old one's in the same minutes, over ``error_ratio``; 0 while it is not judged.

    Both series count squares in units of the new model's promise, so that one cap applies to both. Two standard errors
    of the new model's sums must speak against it.
    """
    length = min(TRIAL_MINUTES, end_minute - start_minute)
    if length <= 0:
        return 0.0
    new, old = trial.window(end_minute, length), reference.window(end_minute, length)
    if min(new.sums.rows, old.sums.rows) < MIN_TRIAL_ROWS or new.bins < 2 or old.ratio <= 0:
        return 0.0
    return new.lower_ratio(2.0) / old.ratio / error_ratio
