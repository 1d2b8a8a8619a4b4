"""Each segment (a fulfilment centre) against its own promise: the global mean hides one that gets worse.

Segments differ for good: the slowest centre's mean square is 1.7 times the promised one, the fastest's 0.7. What a
segment's error is compared with is its own: the first rows after the promise began.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec import Struct

from monitor.windows import EMPTY, Bin, window_of

if TYPE_CHECKING:
    from collections.abc import Mapping

BIN_MINUTES = 2
WINDOW_MINUTES = 60
MAX_SEGMENTS = 200
"""Segments that are followed: the first to appear. The rows of others count in the global windows only."""
MIN_REFERENCE_ROWS = 2_000
MIN_REFERENCE_BINS = 30
MAX_REFERENCE_BINS = 720
"""What a segment's own promise is measured on: at least so many rows over an hour, and at most the first day."""
MIN_ROWS = 300
MIN_BINS = 8
STANDARD_ERRORS = 4.0
"""More than for the fleet: the worst of many segments is looked at."""


class Segment(Struct, frozen=True):
    """One segment's error: its reference, and the bins of the last hour by number of two minutes since 1970."""

    reference: Bin = EMPTY
    reference_squares: float = 0.0
    """Sum over the reference's bins of the squared excess, for its variance."""
    reference_bins: int = 0
    bins: dict[int, Bin] = {}

    @property
    def has_reference(self) -> bool:
        """Whether its own promise is known."""
        return self.reference.rows >= MIN_REFERENCE_ROWS and self.reference_bins >= MIN_REFERENCE_BINS


class WorstSegment(Struct, frozen=True):
    """A segment and its live error over its own promise: as measured, and what chance leaves of it."""

    name: str
    ratio: float
    lower_ratio: float


def to_bin(minute: int) -> int:
    """The number of the two minutes that ``minute`` is one of."""
    return minute // BIN_MINUTES


def add_segments(segments: Mapping[str, Segment], bins: Mapping[tuple[str, int], Bin]) -> dict[str, Segment]:
    """Add sums by (segment, bin number). A bin that leaves the hour's window joins the reference until that is full."""
    changed = dict(segments)
    for (name, number), bin_ in bins.items():
        if name not in changed and len(changed) >= MAX_SEGMENTS:
            continue
        segment = changed.get(name, Segment())
        recent = {**segment.bins, number: segment.bins.get(number, EMPTY).plus(bin_)}
        changed[name] = Segment(segment.reference, segment.reference_squares, segment.reference_bins, recent)
    newest = max((number for segment in changed.values() for number in segment.bins), default=0)
    return {name: _expire(segment, newest) for name, segment in changed.items()}


def _expire(segment: Segment, newest: int) -> Segment:
    oldest = newest - WINDOW_MINUTES // BIN_MINUTES
    expired = [number for number in segment.bins if number <= oldest]
    if not expired:
        return segment
    reference, squares, count = segment.reference, segment.reference_squares, segment.reference_bins
    for number in sorted(expired):
        if count >= MAX_REFERENCE_BINS and reference.rows >= MIN_REFERENCE_ROWS:
            break
        reference = reference.plus(segment.bins[number])
        squares += segment.bins[number].excess ** 2
        count += 1
    kept = {number: bin_ for number, bin_ in segment.bins.items() if number > oldest}
    return Segment(reference, squares, count, kept)


def worst_segment(segments: Mapping[str, Segment]) -> WorstSegment | None:
    """The segment whose error is most surely above its own promise; None if none can be judged."""
    judged = [worst for name, segment in segments.items() if (worst := _judge(name, segment)) is not None]
    return max(judged, key=lambda worst: (worst.lower_ratio, worst.name), default=None)


def _judge(name: str, segment: Segment) -> WorstSegment | None:
    window = window_of([segment.bins[number] for number in sorted(segment.bins)])
    if not segment.has_reference or window.sums.rows < MIN_ROWS or window.bins < MIN_BINS:
        return None
    promised = 1 + segment.reference.excess / segment.reference.weight
    reference_variance = max(0.0, segment.reference_squares - segment.reference.excess**2 / segment.reference_bins) / (
        segment.reference.weight**2
    )
    live = 1 + window.sums.excess / window.sums.weight
    variance = window.excess_variance / window.sums.weight**2 + reference_variance * (live / promised) ** 2
    lower = live - STANDARD_ERRORS * math.sqrt(variance)
    return WorstSegment(name, math.sqrt(live / promised), math.sqrt(max(0.0, lower) / promised))
