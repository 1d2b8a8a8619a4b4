"""Evaluates alarms as CloudWatch does: data points against a threshold, with the rules for missing data.

CloudWatch retrieves more periods than ``EvaluationPeriods`` (the evaluation range). If they contain at least that many
data points, the most recent ones decide, and ``TreatMissingData`` does not matter. If they contain fewer, all of them
count, and the missing ones are filled in as ``TreatMissingData`` says.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
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

EXTRA_PERIODS = 2
"""Periods in the evaluation range beyond ``EvaluationPeriods``; the guide's example has a range of 5 for 3 periods."""

LATE_DATA_SECONDS = 2
"""Delay between a period's end and its evaluation, for late data."""

ALARM_PERIODS = (10, 20, 30)
"""Seconds; besides them, multiples of 60 are valid.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
"""

_OPERATORS: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "GreaterThanThreshold": ("greater than", lambda value, threshold: value > threshold),
    "GreaterThanOrEqualToThreshold": ("greater than or equal to", lambda value, threshold: value >= threshold),
    "LessThanThreshold": ("less than", lambda value, threshold: value < threshold),
    "LessThanOrEqualToThreshold": ("less than or equal to", lambda value, threshold: value <= threshold),
}
_MISSING = ("missing", "ignore", "breaching", "notBreaching")


@dataclass(frozen=True, slots=True)
class Point:
    """One period: its start in epoch seconds, and its value, None without data."""

    start: float
    value: float | None
    samples: float | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The state that follows from the data points, the reason, and the decisive data points, newest first."""

    state: State
    reason: str
    evaluated: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class AlarmRule:
    """The part of an alarm that its evaluation needs. Created by ``read``."""

    queries: Queries
    result_query: Query
    is_math: bool
    period: int
    evaluation_periods: int
    datapoints_to_alarm: int | None
    comparison: str
    threshold: float
    treat_missing: str

    @classmethod
    def read(cls, members: Mapping[str, Any]) -> AlarmRule:
        """Parse PutMetricAlarm's members; numbers may be strings, as in a template. Raises ``QueryError``."""
        if members.get("Metrics"):
            queries, result_query, period = _metric_math(members)
        else:
            stat = _metric_stat(members)
            result_query = Query("m1", stat, None)
            queries, period = Queries((result_query,), (result_query,)), stat.period
        if period not in ALARM_PERIODS and period % 60:
            raise QueryError(f"an alarm's period must be 10, 20, 30 or a multiple of 60, not {period}")
        periods = _count(members, "EvaluationPeriods")
        if periods is None:
            raise QueryError("EvaluationPeriods is required")
        datapoints = _count(members, "DatapointsToAlarm")
        if datapoints is not None and datapoints > periods:
            raise QueryError("DatapointsToAlarm must not be greater than EvaluationPeriods")
        if periods * period > 86400 * (7 if period >= 3600 else 1):
            raise QueryError("EvaluationPeriods times the period must not be more than a day (a week from 1 hour on)")
        return cls(
            queries,
            result_query,
            bool(members.get("Metrics")),
            period,
            periods,
            datapoints,
            _choice(members, "ComparisonOperator", tuple(_OPERATORS)),
            _threshold(members),
            _choice(members, "TreatMissingData", _MISSING, "missing"),
        )

    def describe(self, members: Mapping[str, Any]) -> dict[str, Any]:
        """DescribeAlarms' members of the rule; ``members`` are the request's, which decide about optional ones."""
        stat = self.result_query.stat
        described: dict[str, Any] = {
            "EvaluationPeriods": self.evaluation_periods,
            "ComparisonOperator": self.comparison,
            "Threshold": self.threshold,
        }
        if self.datapoints_to_alarm is not None:
            described["DatapointsToAlarm"] = self.datapoints_to_alarm
        if members.get("TreatMissingData"):
            described["TreatMissingData"] = self.treat_missing
        if self.is_math:
            described["Metrics"] = [query.describe() for query in self.queries.requested]
        elif stat is not None:
            described |= describe_metric(stat.metric)
            described["Period"] = stat.period
            described["ExtendedStatistic" if is_percentile(stat.statistic) else "Statistic"] = stat.statistic
            if stat.unit:
                described["Unit"] = stat.unit
        return described

    def last_end(self, now: float) -> float:
        """The end of the last period to evaluate at ``now``: every 10 s, or every minute for periods of minutes."""
        step = 60 if self.period >= 60 else 10
        return (now - LATE_DATA_SECONDS) // step * step

    def points(self, store: MetricStore, end: float) -> list[Point]:
        """The periods of the evaluation range that ends at ``end``, oldest first. Raises ``QueryError``."""
        count = self.evaluation_periods + EXTRA_PERIODS
        start = end - count * self.period
        starts = [start + number * self.period for number in range(count)]
        stat = self.result_query.stat
        if stat is not None:
            buckets = store.buckets(stat.metric, period=self.period, start=start, end=end, unit=stat.unit)
            return [
                Point(time, buckets[time].value(stat.statistic), buckets[time].count)
                if time in buckets
                else Point(time, None)
                for time in starts
            ]
        series = self.queries.evaluate(store, start=start, end=end, align=False)[self.result_query.id]
        if not isinstance(series, dict):
            raise QueryError("the expression of an alarm must yield a single time series")
        return [Point(time, series.get(time)) for time in starts]

    def evaluate(self, points: Sequence[Point], state: State) -> Evaluation:
        """The state that follows from ``points`` (oldest first) for an alarm in ``state``."""
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
            return Evaluation(state, "", ())
        else:
            # All data points breach, but there are fewer than needed. The alarm goes off only if the oldest one is so
            # old that the others could have followed it: a metric that starts to breach must not alarm too early.
            alarm = bool(real) and real[0].start <= points[-needed].start
            if not alarm:
                unknown = f"{fills} datapoint{'s were' if fills > 1 else ' was'} unknown"
                return Evaluation("INSUFFICIENT_DATA", f"Insufficient Data: {unknown}.", self._evaluated(points, real))
        new: State = "ALARM" if alarm else "OK"
        return Evaluation(new, self._reason(real, fills, state, new), self._evaluated(points, real))

    def _breaches(self, point: Point) -> bool:
        return point.value is not None and _OPERATORS[self.comparison][1](point.value, self.threshold)

    def _evaluated(self, points: Sequence[Point], real: Sequence[Point]) -> tuple[Point, ...]:
        """The decisive data points, and as many of the most recent missing ones as were filled in."""
        missing = [point for point in points if point.value is None][::-1]
        evaluated = [*real, *missing[: self.evaluation_periods - len(real)]]
        return tuple(sorted(evaluated, key=lambda point: -point.start))

    def _reason(self, real: Sequence[Point], fills: int, old: State, new: State) -> str:
        """CloudWatch's text of the reason, data points newest first."""
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


def _short_time(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%d/%m/%y %H:%M:%S")


def _metric_stat(members: Mapping[str, Any]) -> MetricStat:
    plain, extended = members.get("Statistic"), members.get("ExtendedStatistic")
    if bool(plain) == bool(extended):
        raise QueryError("give either Statistic or ExtendedStatistic")
    if extended and not is_percentile(str(extended)):
        raise QueryError(f"{extended!r} is not a percentile")
    return MetricStat(
        read_metric(members.get("Namespace"), members.get("MetricName"), members.get("Dimensions")),
        read_period(members.get("Period")),
        read_statistic(plain or extended),
        members.get("Unit") or None,
    )


def _metric_math(members: Mapping[str, Any]) -> tuple[Queries, Query, int]:
    for member in ("MetricName", "Namespace", "Dimensions", "Period", "Statistic", "ExtendedStatistic", "Unit"):
        if members.get(member):
            raise QueryError(f"Metrics and {member} exclude each other")
    queries = Queries.read(members["Metrics"])
    returned = [query for query in queries.requested if query.return_data]
    if len(returned) != 1:
        raise QueryError("exactly one element of Metrics must have ReturnData true")
    periods = {query.stat.period for query in queries.requested if query.stat}
    if len(periods) != 1:
        raise QueryError("an alarm needs at least one metric, and all of the same period")
    return queries, returned[0], periods.pop()


def _count(members: Mapping[str, Any], member: str) -> int | None:
    value = members.get(member)
    if value is None or value == "":
        return None
    try:
        number = int(str(value))
    except ValueError:
        raise QueryError(f"{member} must be a whole number, not {value!r}") from None
    if number < 1:
        raise QueryError(f"{member} must be at least 1")
    return number


def _threshold(members: Mapping[str, Any]) -> float:
    if members.get("ThresholdMetricId"):
        raise QueryError("anomaly detection (ThresholdMetricId) is not emulated")
    try:
        number = float(members["Threshold"])
    except (KeyError, TypeError, ValueError):
        raise QueryError("Threshold must be a number") from None
    if not math.isfinite(number):
        raise QueryError("Threshold must be a finite number")
    return number


def _choice(members: Mapping[str, Any], member: str, allowed: tuple[str, ...], default: str | None = None) -> str:
    value = members.get(member) or default
    if value not in allowed:
        raise QueryError(f"{member} must be one of {', '.join(allowed)}, not {value!r}")
    return str(value)
