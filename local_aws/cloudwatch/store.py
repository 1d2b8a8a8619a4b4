"""Metrics as CloudWatch keeps them: statistics by the second or by the minute, for three hours.

A series is one namespace, name and exact set of dimensions. Values are summed up when they arrive, into the second
(high resolution) or the minute (standard resolution) of their timestamp, so what is held is bounded by time.
"""

from __future__ import annotations

import math
import re
import threading
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

type Series = dict[float, float]
"""Value by the start of its period, in epoch seconds; a period without data is absent."""

RETENTION_SECONDS = 3 * 3600
HIGH_RESOLUTION, STANDARD_RESOLUTION = 1, 60

_PERCENTILE = re.compile(r"p(100(?:\.0+)?|\d{1,2}(?:\.\d+)?)")
_BASIC = ("SampleCount", "Sum", "Average", "Minimum", "Maximum")


@dataclass(frozen=True, slots=True)
class Metric:
    """What names a series."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, namespace: str, name: str, dimensions: Mapping[str, str]) -> Metric:
        return cls(namespace, name, tuple(sorted(dimensions.items())))


@dataclass(frozen=True, slots=True)
class Summary:
    """A statistic set: how many values there were, and their sum and range."""

    count: float
    total: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Datum:
    """What is published at once: values with how often each occurred, or a summary of values that are not known."""

    metric: Metric
    timestamp: float
    values: tuple[tuple[float, float], ...] = ()
    summary: Summary | None = None
    unit: str = "None"
    resolution: int = STANDARD_RESOLUTION


class Bucket:
    """The statistics of one series over some time."""

    __slots__ = ("count", "high", "low", "samples", "total")

    def __init__(self) -> None:
        self.count = 0.0
        self.total = 0.0
        self.low = math.inf
        self.high = -math.inf
        self.samples: array[float] | None = array("d")  # value, count, value, count...; None once they are not known

    def add(self, datum: Datum) -> None:
        for value, count in datum.values:
            self._widen(count, value * count, value, value)
            if self.samples is not None:
                self.samples.extend((value, count))
        given = datum.summary
        if given is not None:
            self._widen(given.count, given.total, given.low, given.high)
            if given.low != given.high:
                self.samples = None
            elif self.samples is not None:
                self.samples.extend((given.low, given.count))

    def merge(self, other: Bucket) -> None:
        self._widen(other.count, other.total, other.low, other.high)
        if other.samples is None:
            self.samples = None
        elif self.samples is not None:
            self.samples.extend(other.samples)

    def _widen(self, count: float, total: float, low: float, high: float) -> None:
        self.count += count
        self.total += total
        self.low = min(self.low, low)
        self.high = max(self.high, high)

    def value(self, statistic: str) -> float | None:
        """One statistic; None for a percentile of values that are not known, or negative (as CloudWatch)."""
        match statistic:
            case "SampleCount":
                return self.count
            case "Sum":
                return self.total
            case "Average":
                return self.total / self.count
            case "Minimum":
                return self.low
            case "Maximum":
                return self.high
        return self._percentile(float(statistic[1:]))

    def _percentile(self, percent: float) -> float | None:
        if self.samples is None or self.low < 0:
            return None
        ordered = sorted(zip(self.samples[::2], self.samples[1::2], strict=True))
        rank = percent / 100 * (self.count - 1)
        below = _at(ordered, math.floor(rank))
        return below + (rank - math.floor(rank)) * (_at(ordered, math.ceil(rank)) - below)


def _at(ordered: list[tuple[float, float]], index: int) -> float:
    seen = 0.0
    for value, count in ordered:
        seen += count
        if index < seen:
            return value
    return ordered[-1][0]


def is_statistic(name: str) -> bool:
    """Whether ``name`` is a basic statistic or a percentile such as ``p99.9``."""
    return name in _BASIC or is_percentile(name)


def is_percentile(name: str) -> bool:
    return _PERCENTILE.fullmatch(name) is not None


class MetricStore:
    """The series of one account and region. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._series: dict[Metric, dict[str, dict[int, Bucket]]] = {}  # by unit, by second

    def put(self, data: Iterable[Datum]) -> None:
        """Add what was published; a datum without a value in it leaves no trace."""
        with self._lock:
            for datum in data:
                if not datum.values and (datum.summary is None or datum.summary.count <= 0):
                    continue
                second = int(datum.timestamp // datum.resolution) * datum.resolution
                buckets = self._series.setdefault(datum.metric, {}).setdefault(datum.unit, {})
                buckets.setdefault(second, Bucket()).add(datum)

    def buckets(
        self, metric: Metric, *, period: int, start: float, end: float, unit: str | None = None
    ) -> dict[float, Bucket]:
        """The statistics of each period that has data, by its start: ``start``, ``start + period``...

        Data from ``start`` on and before ``end`` counts, of ``unit`` only if that is given.
        """
        found: dict[float, Bucket] = {}
        with self._lock:
            for kind, seconds in self._series.get(metric, {}).items():
                if unit is not None and kind != unit:
                    continue
                for second, bucket in seconds.items():
                    if start <= second < end:
                        found.setdefault(start + (second - start) // period * period, Bucket()).merge(bucket)
        return dict(sorted(found.items()))

    def series(
        self, metric: Metric, statistic: str, *, period: int, start: float, end: float, unit: str | None = None
    ) -> Series:
        """One statistic of each period that has it, as ``buckets`` divides time."""
        values: Series = {}
        for at, bucket in self.buckets(metric, period=period, start=start, end=end, unit=unit).items():
            value = bucket.value(statistic)
            if value is not None:
                values[at] = value
        return values

    def unit(self, metric: Metric) -> str:
        """The unit that the series was published with, or the first of them."""
        with self._lock:
            return next(iter(self._series.get(metric, {})), "None")

    def metrics(self) -> list[Metric]:
        """Every series that has data."""
        with self._lock:
            return sorted(self._series, key=lambda metric: (metric.namespace, metric.name, metric.dimensions))

    def prune(self, now: float) -> None:
        """Forget what is older than the retention."""
        oldest = now - RETENTION_SECONDS
        with self._lock:
            for metric, units in list(self._series.items()):
                for unit, seconds in list(units.items()):
                    for second in [second for second in seconds if second < oldest]:
                        del seconds[second]
                    if not seconds:
                        del units[unit]
                if not units:
                    del self._series[metric]

    def clear(self) -> None:
        with self._lock:
            self._series.clear()
