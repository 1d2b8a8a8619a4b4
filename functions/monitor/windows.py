"""Sums of error by minute, and the sliding windows that are judged from them.

A minute is a number since 1970. It has 60 seconds; on a laptop, where days must pass in minutes, a stack may say less
(``MonitorMinuteSeconds``).

Samples come in packs and resemble their neighbours, so their number overstates what they prove. The variance of a
window's sum is therefore estimated from the differences of successive minutes: that counts every correlation within a
minute, and neither a daily cycle nor the lasting difference between fulfilment centres inflates it.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from msgspec import Struct

from monitor.capped_error import error_ratio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KEPT_MINUTES = 1_440 + 60
"""A day's window, and an hour for objects that come late."""


class Bin(Struct, frozen=True):
    """Sums over the rows of a stretch of time, usually a minute.

    ``rows`` is their number; ``weight`` counts each by the inverse of the share that was drawn. ``excess`` sums the
    capped excess of the model, ``baseline_excess`` that of BASELINE against the same promise, both weighted.
    """

    rows: int = 0
    weight: float = 0.0
    excess: float = 0.0
    baseline_excess: float = 0.0

    def plus(self, other: Bin) -> Bin:
        """The sums of both."""
        return Bin(
            self.rows + other.rows,
            self.weight + other.weight,
            self.excess + other.excess,
            self.baseline_excess + other.baseline_excess,
        )


EMPTY = Bin()


class Window(Struct, frozen=True):
    """The sums of some successive bins with rows, and the variances of the sums.

    ``excess_variance`` is that of ``sums.excess``; ``loss_variance`` that of the paired difference between the model's
    and BASELINE's excess. Both are infinite for fewer than two bins, which tell nothing of their variance.
    """

    sums: Bin
    bins: int
    excess_variance: float
    loss_variance: float

    @property
    def ratio(self) -> float:
        """Live error over promised error, both capped root mean squares; NaN without rows."""
        return error_ratio(self.sums.excess / self.sums.weight) if self.sums.weight else math.nan

    def lower_ratio(self, standard_errors: float) -> float:
        """The ratio less that many standard errors of the mean excess; NaN without rows."""
        if not self.sums.weight:
            return math.nan
        lower = self.sums.excess - standard_errors * math.sqrt(self.excess_variance)
        return error_ratio(lower / self.sums.weight)

    def lower_loss(self, standard_errors: float) -> float:
        """The model's mean capped square less BASELINE's, in promised squares, less that many standard errors."""
        if not self.sums.weight:
            return math.nan
        loss = self.sums.excess - self.sums.baseline_excess
        return (loss - standard_errors * math.sqrt(self.loss_variance)) / self.sums.weight


def window_of(bins: Sequence[Bin]) -> Window:
    """The window over these bins, in the order of time; bins without rows are left out."""
    filled = [bin_ for bin_ in bins if bin_.rows]
    sums = EMPTY
    for bin_ in filled:
        sums = sums.plus(bin_)
    return Window(
        sums,
        len(filled),
        successive_variance([bin_.excess for bin_ in filled]),
        successive_variance([bin_.excess - bin_.baseline_excess for bin_ in filled]),
    )


def successive_variance(values: Sequence[float]) -> float:
    """The variance of the sum of independent ``values`` whose mean moves slowly: half their squared differences.

    The mean-square successive difference (von Neumann and others, 1941), scaled from n - 1 differences to n values.
    """
    count = len(values)
    if count < 2:
        return math.inf
    squares = sum((later - earlier) ** 2 for earlier, later in itertools.pairwise(values))
    return squares / 2 * count / (count - 1)


class Series(Struct, frozen=True):
    """One model's error since its promise began, by minute since 1970.

    ``since`` is in seconds since 1970, ``expected_error`` is the promise in the target's unit.
    """

    model: str
    since: float
    expected_error: float
    minutes: dict[int, Bin] = {}

    def window(self, end_minute: int, length: int) -> Window:
        """The window of the ``length`` minutes that end before ``end_minute``."""
        return window_of([self.minutes.get(minute, EMPTY) for minute in range(end_minute - length, end_minute)])

    def age_minutes(self, end_minute: int) -> int:
        """How many minutes lie between the first row kept and ``end_minute``."""
        return end_minute - min(self.minutes, default=end_minute)


def add_bins(series: Series, bins: Mapping[int, Bin]) -> Series:
    """Add sums by minute, and forget the minutes that no window reaches any more."""
    minutes = dict(series.minutes)
    for minute, bin_ in bins.items():
        minutes[minute] = minutes.get(minute, EMPTY).plus(bin_)
    oldest = max(minutes, default=0) - KEPT_MINUTES
    kept = {minute: bin_ for minute, bin_ in minutes.items() if minute > oldest}
    return Series(series.model, series.since, series.expected_error, kept)
