"""When an alarm goes off: the rule, and CloudWatch's way of judging data points, missing ones included.

CloudWatch looks at somewhat more periods than the alarm names (the evaluation range). If there are as many data points
in them as the alarm has evaluation periods, the most recent ones decide, and how missing data is treated does not
matter. If there are fewer, every one of them counts, and the rest is filled in as the alarm says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from local_aws.cloudwatch.queries import (
    MetricStat,
    Queries,
    Query,
    QueryError,
    describe_metric,
    read_metric,
    read_period,
    read_statistic,
)
from local_aws.cloudwatch.store import is_percentile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from local_aws.cloudwatch.store import MetricStore

type State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]

RANGE_BEYOND = 2
"""Periods in the evaluation range beyond the alarm's own (CloudWatch documents 5 for an alarm of 3)."""

LATE_SECONDS = 2
"""How long a period waits for late data before it is judged."""

ALARM_PERIODS = (10, 20, 30)

_OPERATORS: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "GreaterThanThreshold": ("greater than", lambda value, threshold: value > threshold),
    "GreaterThanOrEqualToThreshold": ("greater than or equal to", lambda value, threshold: value >= threshold),
    "LessThanThreshold": ("less than", lambda value, threshold: value < threshold),
    "LessThanOrEqualToThreshold": ("less than or equal to", lambda value, threshold: value <= threshold),
}
_MISSING = ("missing", "ignore", "breaching", "notBreaching")


@dataclass(frozen=True, slots=True)
class Point:
    """One period: its start in epoch seconds, and its value if there was data."""

    start: float
    value: float | None
    samples: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state that the data points call for, why, and the data points (newest first) that decided."""

    state: State
    reason: str
    evaluated: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class AlarmRule:
    """What an alarm watches and when it breaches. Made by ``read``."""

    queries: Queries
    watched: Query
    is_math: bool
    period: int
    evaluation_periods: int
    datapoints_to_alarm: int | None
    comparison: str
    threshold: float
    treat_missing: str

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> AlarmRule:
        """From PutMetricAlarm's members; numbers may be texts, as they are in a template. Raises ``QueryError``."""
        if given.get("Metrics"):
            queries, watched, period = _metric_math(given)
        else:
            stat = _metric_stat(given)
            watched = Query("m1", stat, None)
            queries, period = Queries((watched,), (watched,)), stat.period
        if period not in ALARM_PERIODS and period % 60:
            raise QueryError(f"an alarm's period must be 10, 20, 30 or a multiple of 60, not {period}")
        periods = _count(given, "EvaluationPeriods")
        if periods is None:
            raise QueryError("EvaluationPeriods is required")
        datapoints = _count(given, "DatapointsToAlarm")
        if datapoints is not None and datapoints > periods:
            raise QueryError("DatapointsToAlarm must not be greater than EvaluationPeriods")
        if periods * period > 86400 * (7 if period >= 3600 else 1):
            raise QueryError("EvaluationPeriods times the period must not be more than a day (a week from 1 hour on)")
        return cls(
            queries,
            watched,
            bool(given.get("Metrics")),
            period,
            periods,
            datapoints,
            _one_of(given, "ComparisonOperator", tuple(_OPERATORS)),
            _threshold(given),
            _one_of(given, "TreatMissingData", _MISSING, "missing"),
        )

    def describe(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The members that DescribeAlarms answers for the rule; ``given`` says which optional ones were named."""
        stat = self.watched.stat
        members: dict[str, Any] = {
            "EvaluationPeriods": self.evaluation_periods,
            "ComparisonOperator": self.comparison,
            "Threshold": self.threshold,
        }
        if self.datapoints_to_alarm is not None:
            members["DatapointsToAlarm"] = self.datapoints_to_alarm
        if given.get("TreatMissingData"):
            members["TreatMissingData"] = self.treat_missing
        if self.is_math:
            members["Metrics"] = [query.describe() for query in self.queries.given]
        elif stat is not None:
            members |= describe_metric(stat.metric)
            members["Period"] = stat.period
            members["ExtendedStatistic" if is_percentile(stat.statistic) else "Statistic"] = stat.statistic
            if stat.unit:
                members["Unit"] = stat.unit
        return members

    def last_end(self, now: float) -> float:
        """The end of the last period to judge at ``now``: another one every 10 s, or every minute for such periods."""
        step = 60 if self.period >= 60 else 10
        return (now - LATE_SECONDS) // step * step

    def points(self, store: MetricStore, end: float) -> list[Point]:
        """The evaluation range that ends at ``end``, oldest period first. Raises ``QueryError``."""
        count = self.evaluation_periods + RANGE_BEYOND
        start = end - count * self.period
        starts = [start + number * self.period for number in range(count)]
        stat = self.watched.stat
        if stat is not None:
            buckets = store.buckets(stat.metric, period=self.period, start=start, end=end, unit=stat.unit)
            return [
                Point(at, buckets[at].value(stat.statistic), buckets[at].count) if at in buckets else Point(at, None)
                for at in starts
            ]
        series = self.queries.evaluate(store, start=start, end=end, align=False)[self.watched.id]
        if not isinstance(series, dict):
            raise QueryError("the expression of an alarm must yield a single time series")
        return [Point(at, series.get(at)) for at in starts]

    def judge(self, points: Sequence[Point], state: State) -> Verdict:
        """The state that ``points`` (oldest first) call for, given the ``state`` the alarm is in."""
        needed = self.datapoints_to_alarm or self.evaluation_periods
        real = [point for point in points if point.value is not None][-self.evaluation_periods :]
        fills = self.evaluation_periods - len(real)
        breaching = sum(self._breaches(point) for point in real)
        if fills == 0 or breaching >= needed or self.treat_missing == "notBreaching":
            alarm = breaching >= needed
        elif self.treat_missing == "breaching":
            alarm = breaching + fills >= needed
        elif breaching < len(real):
            alarm = False
        elif self.treat_missing == "ignore":
            return Verdict(state, "", ())
        else:
            # Breaching data points alone, fewer than needed: an alarm only if the oldest one is old enough to have
            # been followed by the others, had they come. So a metric that starts to breach does not alarm too early.
            alarm = bool(real) and real[0].start <= points[-needed].start
            if not alarm:
                unknown = f"{fills} datapoint{'s were' if fills > 1 else ' was'} unknown"
                return Verdict("INSUFFICIENT_DATA", f"Insufficient Data: {unknown}.", self._evaluated(points, real))
        new: State = "ALARM" if alarm else "OK"
        return Verdict(new, self._reason(real, fills, state, new), self._evaluated(points, real))

    def _breaches(self, point: Point) -> bool:
        return point.value is not None and _OPERATORS[self.comparison][1](point.value, self.threshold)

    def _evaluated(self, points: Sequence[Point], real: Sequence[Point]) -> tuple[Point, ...]:
        """The data points that decided, and as many of the most recent missing ones as were filled in."""
        missing = [point for point in points if point.value is None][::-1]
        chosen = [*real, *missing[: self.evaluation_periods - len(real)]]
        return tuple(sorted(chosen, key=lambda point: -point.start))

    def _reason(self, real: Sequence[Point], fills: int, old: State, new: State) -> str:
        """The sentence that CloudWatch gives, data points newest first."""
        needed = self.datapoints_to_alarm or self.evaluation_periods
        crossed = [point for point in real if self._breaches(point) == (new == "ALARM")]
        parts = []
        if real:
            listed = ", ".join(f"{point.value!r} ({_short_time(point.start)})" for point in reversed(crossed))
            was = "were" if len(crossed) > 1 else "was"
            negation = "" if new == "ALARM" else "not "
            parts.append(
                f"{len(crossed)} out of the last {len(real)} datapoints [{listed}] {was} {negation}"
                f"{_OPERATORS[self.comparison][0]} the threshold ({self.threshold!r})"
            )
        else:
            parts.append(f"no datapoints were received for {fills} period{'s' if fills > 1 else ''}")
        if fills and self.treat_missing in ("breaching", "notBreaching"):
            treated = "Breaching" if self.treat_missing == "breaching" else "NonBreaching"
            were = "datapoints were" if fills > 1 else "datapoint was"
            parts.append(f"{fills} missing {were} treated as [{treated}]")
        minimum = needed if new == "ALARM" else self.evaluation_periods - needed + 1
        ending = (
            f" (minimum {minimum} datapoint{'s' if minimum > 1 else ''} for {old} -> {new} transition)" if real else ""
        )
        return f"Threshold Crossed: {' and '.join(parts)}{ending}."


def _short_time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%d/%m/%y %H:%M:%S")


def _metric_stat(given: Mapping[str, Any]) -> MetricStat:
    plain, extended = given.get("Statistic"), given.get("ExtendedStatistic")
    if bool(plain) == bool(extended):
        raise QueryError("give either Statistic or ExtendedStatistic")
    if extended and not is_percentile(str(extended)):
        raise QueryError(f"no percentile {extended!r}")
    return MetricStat(
        read_metric(given.get("Namespace"), given.get("MetricName"), given.get("Dimensions")),
        read_period(given.get("Period")),
        read_statistic(plain or extended),
        given.get("Unit") or None,
    )


def _metric_math(given: Mapping[str, Any]) -> tuple[Queries, Query, int]:
    for member in ("MetricName", "Namespace", "Dimensions", "Period", "Statistic", "ExtendedStatistic", "Unit"):
        if given.get(member):
            raise QueryError(f"Metrics and {member} exclude each other")
    queries = Queries.read(given["Metrics"])
    returned = [query for query in queries.given if query.return_data]
    if len(returned) != 1:
        raise QueryError("exactly one element of Metrics must have ReturnData true")
    periods = {query.stat.period for query in queries.given if query.stat}
    if len(periods) != 1:
        raise QueryError("the metrics of an alarm must be there, and have the same period")
    return queries, returned[0], periods.pop()


def _count(given: Mapping[str, Any], member: str) -> int | None:
    value = given.get(member)
    if value is None or value == "":
        return None
    try:
        number = int(str(value))
    except ValueError:
        raise QueryError(f"{member} must be a whole number, not {value!r}") from None
    if number < 1:
        raise QueryError(f"{member} must be at least 1")
    return number


def _threshold(given: Mapping[str, Any]) -> float:
    if given.get("ThresholdMetricId"):
        raise QueryError("this emulator has no anomaly detection (ThresholdMetricId)")
    try:
        number = float(given["Threshold"])
    except (KeyError, TypeError, ValueError):
        raise QueryError("Threshold must be a number") from None
    if not math.isfinite(number):
        raise QueryError("Threshold must be a finite number")
    return number


def _one_of(given: Mapping[str, Any], member: str, allowed: tuple[str, ...], default: str | None = None) -> str:
    value = given.get(member) or default
    if value not in allowed:
        raise QueryError(f"{member} must be one of {', '.join(allowed)}, not {value!r}")
    return str(value)
