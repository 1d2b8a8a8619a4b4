"""What CloudWatch's metric operations answer, over a store: PutMetricData, GetMetricData and so on.

Requests and answers are the API's own members. Times in answers are ``Timestamp``, for each protocol to write its way.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from local_aws.cloudwatch.queries import (
    Queries,
    Query,
    QueryError,
    describe_metric,
    read_metric,
    read_period,
    read_statistic,
)
from local_aws.cloudwatch.store import (
    HIGH_RESOLUTION,
    STANDARD_RESOLUTION,
    Datum,
    Summary,
    is_percentile,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_aws.cloudwatch.expressions import Value
    from local_aws.cloudwatch.store import MetricStore, Series

OLDEST_SECONDS, NEWEST_SECONDS = 14 * 86400, 2 * 3600
"""How far from now a timestamp may lie, back and ahead."""

MAX_DATA, MAX_VALUES, MAX_DIMENSIONS, MAX_DATAPOINTS, MAX_QUERIES = 1000, 150, 30, 1440, 500


class Timestamp(float):
    """Epoch seconds."""


def read_time(given: object, member: str) -> float:
    """Epoch seconds from a time as any protocol carries it. Raises ``QueryError``."""
    if isinstance(given, datetime):
        return (given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp()
    if isinstance(given, (int, float)) and math.isfinite(given):
        return float(given)
    if isinstance(given, str):
        try:
            moment = datetime.fromisoformat(given)
        except ValueError:
            raise QueryError(f"{member} is no time: {given!r}") from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    raise QueryError(f"{member} must be a time, not {given!r}")


def read_data(request: Mapping[str, Any], now: float) -> list[Datum]:
    """PutMetricData: what is published. Raises ``QueryError``, and then nothing counts."""
    given = request.get("MetricData") or []
    if len(given) > MAX_DATA:
        raise QueryError(f"at most {MAX_DATA} metrics in one request")
    return [_read_datum(request.get("Namespace"), each, now) for each in given]


def _read_datum(namespace: str | None, given: Mapping[str, Any], now: float) -> Datum:
    metric = read_metric(namespace, given.get("MetricName"), given.get("Dimensions"))
    if len(metric.dimensions) > MAX_DIMENSIONS:
        raise QueryError(f"{metric.name}: at most {MAX_DIMENSIONS} dimensions")
    timestamp = read_time(given["Timestamp"], "Timestamp") if given.get("Timestamp") is not None else now
    if not now - OLDEST_SECONDS <= timestamp <= now + NEWEST_SECONDS:
        raise QueryError(f"{metric.name}: Timestamp must be within the past two weeks or the next two hours")
    resolution = int(str(given.get("StorageResolution") or STANDARD_RESOLUTION))
    if resolution not in (HIGH_RESOLUTION, STANDARD_RESOLUTION):
        raise QueryError(f"{metric.name}: StorageResolution must be 1 or 60")
    kinds = [kind for kind in ("Value", "Values", "StatisticValues") if given.get(kind) is not None]
    if len(kinds) != 1:
        raise QueryError(f"{metric.name}: give one of Value, Values and StatisticValues")
    values: tuple[tuple[float, float], ...] = ()
    summary = None
    if kinds == ["StatisticValues"]:
        summary = _read_summary(metric.name, given["StatisticValues"])
    else:
        values = _read_values(metric.name, given)
    return Datum(metric, timestamp, values, summary, given.get("Unit") or "None", resolution)


def _read_values(name: str, given: Mapping[str, Any]) -> tuple[tuple[float, float], ...]:
    values = [given["Value"]] if given.get("Value") is not None else given["Values"]
    counts = given.get("Counts") or [1] * len(values)
    if len(values) != len(counts) or len(values) > MAX_VALUES:
        raise QueryError(f"{name}: Values and Counts must have the same length, at most {MAX_VALUES}")
    return tuple((_finite(name, value), _finite(name, count)) for value, count in zip(values, counts, strict=True))


def _read_summary(name: str, given: Mapping[str, Any]) -> Summary:
    try:
        numbers = [_finite(name, given[member]) for member in ("SampleCount", "Sum", "Minimum", "Maximum")]
    except KeyError as error:
        raise QueryError(f"{name}: StatisticValues needs {error.args[0]}") from None
    return Summary(*numbers)


def _finite(name: str, given: object) -> float:
    try:
        number = float(str(given))
    except ValueError:
        raise QueryError(f"{name}: {given!r} is no number") from None
    if not math.isfinite(number):
        raise QueryError(f"{name}: NaN and infinities are no values")
    return number


def list_metrics(request: Mapping[str, Any], store: MetricStore) -> dict[str, Any]:
    """ListMetrics: every series that fits the filters."""
    namespace, name = request.get("Namespace"), request.get("MetricName")
    wanted = request.get("Dimensions") or []
    return {
        "Metrics": [
            describe_metric(metric)
            for metric in store.metrics()
            if namespace in (None, metric.namespace)
            and name in (None, metric.name)
            and all(_has(dict(metric.dimensions), each) for each in wanted)
        ]
    }


def _has(dimensions: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    name = wanted.get("Name", "")
    return name in dimensions and wanted.get("Value") in (None, "", dimensions[name])


def _interval(request: Mapping[str, Any]) -> tuple[float, float]:
    start = read_time(request.get("StartTime"), "StartTime")
    end = read_time(request.get("EndTime"), "EndTime")
    if start >= end:
        raise QueryError("StartTime must be before EndTime")
    return start, end


def metric_statistics(request: Mapping[str, Any], store: MetricStore) -> dict[str, Any]:
    """GetMetricStatistics: several statistics of one metric, oldest period first. Raises ``QueryError``."""
    metric = read_metric(request.get("Namespace"), request.get("MetricName"), request.get("Dimensions"))
    start, end = _interval(request)
    period = read_period(request.get("Period"))
    if (end - start) / period > MAX_DATAPOINTS:
        raise QueryError(f"at most {MAX_DATAPOINTS} datapoints: take a longer Period or a shorter time")
    basic = [read_statistic(each) for each in request.get("Statistics") or []]
    extended = [read_statistic(each) for each in request.get("ExtendedStatistics") or []]
    if any(map(is_percentile, basic)) or not all(map(is_percentile, extended)) or not (basic or extended):
        raise QueryError("name Statistics (Sum...) or ExtendedStatistics (p99...)")
    unit = request.get("Unit")
    first = start // period * period
    buckets = store.buckets(metric, period=period, start=first, end=end, unit=unit)
    datapoints = []
    for at, bucket in buckets.items():
        percentiles = {each: value for each in extended if (value := bucket.value(each)) is not None}
        datapoints.append(
            {
                "Timestamp": Timestamp(at),
                "Unit": unit or store.unit(metric),
                **{each: bucket.value(each) for each in basic},
                **({"ExtendedStatistics": percentiles} if percentiles else {}),
            }
        )
    return {"Label": metric.name, "Datapoints": datapoints}


def metric_data(request: Mapping[str, Any], store: MetricStore) -> dict[str, Any]:
    """GetMetricData: metrics and expressions over them, newest first unless asked otherwise. Raises ``QueryError``."""
    start, end = _interval(request)
    given = request.get("MetricDataQueries") or []
    if not 1 <= len(given) <= MAX_QUERIES:
        raise QueryError(f"give 1 to {MAX_QUERIES} MetricDataQueries")
    queries = Queries.read(given)
    order = request.get("ScanBy") or "TimestampDescending"
    if order not in ("TimestampDescending", "TimestampAscending"):
        raise QueryError(f"ScanBy must be TimestampDescending or TimestampAscending, not {order!r}")
    values = queries.evaluate(store, start=start, end=end, align=True)
    return {
        "MetricDataResults": [
            _result(query, series, newest_first=order == "TimestampDescending")
            for query in queries.given
            if query.return_data
            for series in _all_series(query, values[query.id])
        ],
        "Messages": [],
    }


def _all_series(query: Query, value: Value) -> list[Series]:
    if isinstance(value, float):
        raise QueryError(f"query {query.id}: the result must be a time series, not a number (see TIME_SERIES)")
    return value if isinstance(value, list) else [value]


def _result(query: Query, series: Series, *, newest_first: bool) -> dict[str, Any]:
    times = sorted(series, reverse=newest_first)
    label = query.label if query.label is not None else query.stat.metric.name if query.stat else query.id
    return {
        "Id": query.id,
        "Label": label,
        "Timestamps": [Timestamp(at) for at in times],
        "Values": [series[at] for at in times],
        "StatusCode": "Complete",
    }
