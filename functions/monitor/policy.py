"""When live error is evidence of a worse model: each window with the threshold that its samples support.

Published is one number, the largest evidence over its threshold; above 1 the alarm ModelError starts a round.
Thresholds are an error ratio plus what chance, daily cycles and an uncertain promise can do: a short window sees a
large loss within minutes, a day's window a small one within a day.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec import Struct

from monitor.windows import Sums

if TYPE_CHECKING:
    from monitor.windows import Series

SHORT_MINUTES = 5
MIN_SHORT_ROWS = 1_000
HOUR_MINUTES = 60
DAY_MINUTES = 1_440
MIN_LONG_ROWS = 2_000
MIN_BLOCKS = 30
STANDARD_ERRORS = 2.5
"""Confidence that a long window's loss is not chance; the windows slide, so that a year holds many looks."""
HOUR_SHARE = 0.4
DAY_SHARE = 0.12
"""Which share of ``ErrorRatio``'s tolerance the long windows allow: 10 % and 3 % at the default of 1.25."""
TRIAL_MINUTES = 10
MIN_TRIAL_ROWS = 200


class Evidence(Struct, frozen=True):
    """One judged window: its length, live over promised error, the threshold, and their quotient."""

    window: str
    ratio: float
    threshold: float

    @property
    def strength(self) -> float:
        """Above 1 it is evidence."""
        return self.ratio / self.threshold


def tolerated(error_ratio: float, share: float) -> float:
    """A long window's threshold: the ``share`` of the tolerance that ``error_ratio`` (``ErrorRatio``) has above 1."""
    return 1 + share * (error_ratio - 1)


class Windows(Struct, frozen=True):
    """The sums of the windows that end at one minute; ``previous_short`` is the short window before ``short``."""

    short: Sums
    previous_short: Sums
    hour: Sums
    day: Sums


def windows_of(series: Series, end_minute: int) -> Windows:
    """The windows of a series that end before ``end_minute`` (minutes since 1970)."""
    return Windows(
        series.window(end_minute, SHORT_MINUTES),
        series.window(end_minute - SHORT_MINUTES, SHORT_MINUTES),
        series.window(end_minute, HOUR_MINUTES),
        series.window(end_minute, DAY_MINUTES),
    )


def judge(windows: Windows, error_ratio: float, promise_error: float = 0.0) -> list[Evidence]:
    """The evidence of every window that has enough rows.

    ``promise_error`` is the relative standard error of the promise itself; the long windows tolerate two of them,
    since a promise that came out too low is no drift.
    """
    tolerance = 2 * promise_error
    judged = [
        _short(windows, error_ratio),
        _long("hour", windows.hour, tolerated(error_ratio, HOUR_SHARE) + tolerance),
        _long("day", windows.day, tolerated(error_ratio, DAY_SHARE) + tolerance),
    ]
    return [evidence for evidence in judged if evidence is not None]


def _short(windows: Windows, threshold: float) -> Evidence | None:
    """Two short windows in a row: the weaker one counts, since an incident of some minutes is no drift."""
    both = (windows.previous_short, windows.short)
    if any(sums.rows < MIN_SHORT_ROWS for sums in both):
        return None
    return Evidence("5 minutes", min(sums.ratio for sums in both), threshold)


def _long(window: str, sums: Sums, threshold: float) -> Evidence | None:
    if sums.rows < MIN_LONG_ROWS or sums.blocks < MIN_BLOCKS:
        return None
    return Evidence(window, sums.lower_ratio(STANDARD_ERRORS), threshold)


def strongest(judged: list[Evidence]) -> Evidence | None:
    """The evidence that is largest over its threshold; None if no window could be judged."""
    return max(judged, key=lambda evidence: evidence.strength, default=None)


def is_worse_than_baseline(sums: Sums, *, was_worse: bool) -> bool:
    """Whether BASELINE has been better than the model over the hour's ``sums``.

    It takes two standard errors to become worse, and the model only has to be no worse again to end it.
    """
    if sums.rows < MIN_TRIAL_ROWS or sums.blocks < MIN_BLOCKS:
        return was_worse
    return sums.lower_loss(2.0) > 0 or (was_worse and sums.lower_loss(0.0) > 0)


def trial_strength(trial: Series, old: Series, end_minute: int, error_ratio: float) -> float:
    """The new model's error over the old one's in the same minutes, over ``error_ratio``; 0 while it is not judged.

    Both are sums of squares in the new model's promised squares, so that one cap applies to both. Two standard errors
    of the new model's sums must speak against it.
    """
    first = max(trial_start(trial), end_minute - TRIAL_MINUTES)
    minutes = end_minute - first
    new, reference = trial.window(end_minute, minutes), old.window(end_minute, minutes)
    if minutes <= 0 or min(new.rows, reference.rows) < MIN_TRIAL_ROWS:
        return 0.0
    lower = new.lower_ratio(2.0)
    denominator = reference.ratio
    if math.isnan(lower) or denominator <= 0:
        return 0.0
    return lower / denominator / error_ratio


def trial_start(trial: Series) -> int:
    """The first whole minute of a trial."""
    return math.ceil(trial.since / 60)
