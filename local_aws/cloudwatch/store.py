"""Stores metrics as CloudWatch does: statistics per second or per minute, for three hours.

A series has one namespace, one name and one exact set of dimensions. Values are added on arrival to the second (high
resolution) or minute (standard resolution) of their timestamp, so memory is bounded by time, not by values.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html
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
    """The identity of a series."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...] = ()

    @classmethod
    def create(cls, namespace: str, name: str, dimensions: Mapping[str, str]) -> Metric:
        """A metric whose dimensions compare equal in any order."""
        return cls(namespace, name, tuple(sorted(dimensions.items())))


@dataclass(frozen=True, slots=True)
class Summary:
    """A statistic set: the number of values, their sum, minimum and maximum."""

    count: float
    total: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Datum:
    """One published datum: pairs of a value and its count, or a summary of values that are unknown."""

    metric: Metric
    timestamp: float
    values: tuple[tuple[float, float], ...] = ()
    summary: Summary | None = None
    unit: str = "None"
    resolution: int = STANDARD_RESOLUTION


class Bucket:
    """The statistics of one series over one period."""

    __slots__ = ("count", "high", "low", "samples", "total")

    def __init__(self) -> None:
        self.count = 0.0
        self.total = 0.0
        self.low = math.inf
        self.high = -math.inf
        self.samples: array[float] | None = array("d")  # value, count, value, count...; None if unknown

    def add(self, datum: Datum) -> None:
        """Add the values or the summary of ``datum``."""
        for value, count in datum.values:
            self._widen(count, value * count, value, value)
            if self.samples is not None:
                self.samples.extend((value, count))
        summary = datum.summary
        if summary is not None:
            self._widen(summary.count, summary.total, summary.low, summary.high)
            if summary.low != summary.high:
                self.samples = None
            elif self.samples is not None:
                self.samples.extend((summary.low, summary.count))

    def merge(self, other: Bucket) -> None:
        """Add the statistics of ``other``."""
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
        """One statistic; None for a percentile of unknown or negative values, as in CloudWatch."""
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
        below = _value_at(ordered, math.floor(rank))
        return below + (rank - math.floor(rank)) * (_value_at(ordered, math.ceil(rank)) - below)


def _value_at(ordered: list[tuple[float, float]], index: int) -> float:
    """The value at ``index``, counting each value as often as it occurred."""
    total_count = 0.0
    for value, count in ordered:
        total_count += count
        if index < total_count:
            return value
    return ordered[-1][0]


def is_statistic(name: str) -> bool:
    """Whether ``name`` is a basic statistic or a percentile such as ``p99.9``."""
    return name in _BASIC or is_percentile(name)


def is_percentile(name: str) -> bool:
    """Whether ``name`` is a percentile such as ``p99.9``."""
    return _PERCENTILE.fullmatch(name) is not None


class MetricStore:
    """The series of one account and region. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._series: dict[Metric, dict[str, dict[int, Bucket]]] = {}  # by unit, by second

    def put(self, data: Iterable[Datum]) -> None:
        """Add data; a datum without any value is ignored."""
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
        """The statistics of each period with data, by the period's start: ``start``, ``start + period``...

        Includes data from ``start`` on and before ``end``; with a ``unit``, only data published with it.
        """
        buckets: dict[float, Bucket] = {}
        with self._lock:
            for published_unit, seconds in self._series.get(metric, {}).items():
                if unit is not None and published_unit != unit:
                    continue
                for second, bucket in seconds.items():
                    if start <= second < end:
                        buckets.setdefault(start + (second - start) // period * period, Bucket()).merge(bucket)
        return dict(sorted(buckets.items()))

    def series(
        self, metric: Metric, statistic: str, *, period: int, start: float, end: float, unit: str | None = None
    ) -> Series:
        """One statistic by the start of each period that has it; arguments as for ``buckets``."""
        values: Series = {}
        for period_start, bucket in self.buckets(metric, period=period, start=start, end=end, unit=unit).items():
            value = bucket.value(statistic)
            if value is not None:
                values[period_start] = value
        return values

    def unit(self, metric: Metric) -> str:
        """The first unit that the series was published with."""
        with self._lock:
            return next(iter(self._series.get(metric, {})), "None")

    def metrics(self) -> list[Metric]:
        """All series with data."""
        with self._lock:
            return sorted(self._series, key=lambda metric: (metric.namespace, metric.name, metric.dimensions))

    def prune(self, now: float) -> None:
        """Remove data older than ``RETENTION_SECONDS`` at ``now``."""
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
        """Remove all data."""
        with self._lock:
            self._series.clear()
