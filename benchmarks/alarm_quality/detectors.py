"""Who raises an alarm at which minute: the monitor's policy, and River's detectors on the same minutes."""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from river.drift import ADWIN, PageHinkley

from monitor import policy
from monitor.segments import Segment, add_segments, to_bin, worst_segment
from monitor.windows import Bin, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from benchmarks.alarm_quality.fleets import Minutes
    from benchmarks.alarm_quality.residuals import Floats
    from monitor.segments import WorstSegment

QUIET_MINUTES = 1_440
"""A second alarm within a day of the first is the same one: a round has started, and its promise is new."""


class _Sums:
    """Windows over minutes, from cumulated sums: what ``Series.window`` answers, for a year."""

    def __init__(self, minutes: Minutes) -> None:
        rows, excess = minutes.rows.sum(axis=0), minutes.excess.sum(axis=0)
        self._rows, self._excess = _cumulated(rows), _cumulated(excess)
        self._bins = _cumulated(rows > 0)
        self._squares = _cumulated(np.diff(excess, prepend=excess[:1]) ** 2)

    def window(self, end: int, length: int) -> Window:
        start = max(0, end - length)
        rows = self._rows[end] - self._rows[start]
        bins = int(self._bins[end] - self._bins[start])
        squares = self._squares[end] - self._squares[min(start + 1, end)]
        variance = squares / 2 * bins / (bins - 1) if bins > 1 else np.inf
        excess = self._excess[end] - self._excess[start]
        return Window(Bin(int(rows), float(rows), float(excess)), bins, float(variance), np.inf)


def _cumulated(values: NDArray[Any]) -> Floats:
    return np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])


def evidence_strengths(
    minutes: Minutes, error_ratio: float = 1.25, *, every: int = 1, has_segments: bool = False
) -> Floats:
    """The evidence that the monitor would publish at each ``every`` minutes (0 where it judges nothing)."""
    sums, count = _Sums(minutes), minutes.rows.shape[1]
    published = np.zeros(count)
    worst: Iterator[WorstSegment | None] = _worst_segments(minutes) if has_segments else itertools.repeat(None)
    for end in range(1, count + 1):
        segment = next(worst)
        if end % every:
            continue
        windows = policy.Windows(
            tuple(
                sums.window(max(0, end - policy.SHORT_MINUTES * index), policy.SHORT_MINUTES)
                for index in range(policy.SHORT_WINDOWS)
            ),
            sums.window(end, policy.HOUR_MINUTES),
            sums.window(end, policy.DAY_MINUTES) if end >= policy.DAY_MINUTES else None,
        )
        strongest = policy.strongest(policy.judge(windows, segment, error_ratio))
        published[end - 1] = 0.0 if strongest is None else strongest.strength
    return published


def _worst_segments(minutes: Minutes) -> Iterator[WorstSegment | None]:
    segments: dict[str, Segment] = {}
    for minute in range(minutes.rows.shape[1]):
        bins = {
            (f"fc-{centre + 1}", to_bin(minute)): Bin(
                int(minutes.rows[centre, minute]), minutes.rows[centre, minute], minutes.excess[centre, minute]
            )
            for centre in range(len(minutes.rows))
        }
        segments = add_segments(segments, bins)
        yield worst_segment(segments)


def monitor_alarms(minutes: Minutes, *, every: int = 1, has_segments: bool = False) -> Floats:
    """The minutes at which ``ErrorEvidence`` goes above 1, a day apart at least."""
    return apart(np.flatnonzero(evidence_strengths(minutes, every=every, has_segments=has_segments) > 1))


def apart(alarms: Iterable[int]) -> Floats:
    """The first of the ascending ``alarms`` (minutes), and each that comes a day or more after the one kept before."""
    kept: list[int] = []
    for minute in alarms:
        if not kept or minute - kept[-1] >= QUIET_MINUTES:
            kept.append(int(minute))
    return np.asarray(kept, dtype=np.float64)


def river_alarms(minutes: Minutes, make: Callable[[], ADWIN | PageHinkley], step_minutes: int) -> Floats:
    """The same of one of River's detectors, which reads the mean excess of each ``step_minutes``.

    ADWIN sees changes both ways: one that leaves a lower mean is no alarm. After an alarm it starts anew.
    """
    steps = minutes.rows.shape[1] // step_minutes
    shape = (steps, step_minutes)
    rows = minutes.rows.sum(axis=0)[: steps * step_minutes].reshape(shape).sum(axis=1)
    excess = minutes.excess.sum(axis=0)[: steps * step_minutes].reshape(shape).sum(axis=1)
    detector, alarms = make(), []
    for index, value in enumerate((excess / np.maximum(rows, 1)).tolist()):
        before = detector.estimation if isinstance(detector, ADWIN) else 0.0
        detector.update(value)
        if detector.drift_detected:
            if not isinstance(detector, ADWIN) or detector.estimation > before:
                alarms.append((index + 1) * step_minutes - 1)
            detector = make()
    return apart(alarms)


RIVER_GRID: dict[str, tuple[Callable[[], ADWIN | PageHinkley], int]] = {
    **{
        f"ADWIN delta={delta} every {step} min": (partial(ADWIN, delta=delta, clock=1, grace_period=10), step)
        for delta in (0.002, 1e-4, 1e-6, 1e-9)
        for step in (1, 5)
    },
    **{
        f"PageHinkley delta={delta} threshold={threshold} every {step} min": (
            partial(PageHinkley, min_instances=30, delta=delta, threshold=threshold, alpha=1.0, mode="up"),
            step,
        )
        for delta in (0.02, 0.05, 0.1, 0.2)
        for threshold in (1.0, 5.0, 20.0)
        for step in (1, 5)
    },
}
"""Written down before any of them was run."""
