"""CloudWatch's metric operations over a store: PutMetricData, ListMetrics, GetMetricStatistics, GetMetricData.

Requests and responses have the API's own members. Times in responses are ``Timestamp``; each protocol formats them.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Operations.html
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
"""The maximum distance of a timestamp from now, in the past and in the future.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
"""

MAX_DATA, MAX_VALUES, MAX_DIMENSIONS, MAX_DATAPOINTS, MAX_QUERIES = 1000, 150, 30, 1440, 500
"""https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html"""


class Timestamp(float):
    """Epoch seconds."""


def read_time(value: object, member: str) -> float:
    """Epoch seconds of a time in the format of any protocol. Raises ``QueryError``."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, (int, float)) and math.isfinite(value):
        return float(value)
    if isinstance(value, str):
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            raise QueryError(f"{member} is not a time: {value!r}") from None
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    raise QueryError(f"{member} must be a time, not {value!r}")


def read_data(request: Mapping[str, Any], now: float) -> list[Datum]:
    """PutMetricData: the published data. Raises ``QueryError`` if any of it is invalid."""
    value = request.get("MetricData") or []
    if len(value) > MAX_DATA:
        raise QueryError(f"at most {MAX_DATA} metrics in one request")
    return [_read_datum(request.get("Namespace"), datum, now) for datum in value]


def _read_datum(namespace: str | None, members: Mapping[str, Any], now: float) -> Datum:
    metric = read_metric(namespace, members.get("MetricName"), members.get("Dimensions"))
    if len(metric.dimensions) > MAX_DIMENSIONS:
        raise QueryError(f"{metric.name}: at most {MAX_DIMENSIONS} dimensions")
    timestamp = read_time(members["Timestamp"], "Timestamp") if members.get("Timestamp") is not None else now
    if not now - OLDEST_SECONDS <= timestamp <= now + NEWEST_SECONDS:
        raise QueryError(f"{metric.name}: Timestamp must be within the past two weeks or the next two hours")
    resolution = int(str(members.get("StorageResolution") or STANDARD_RESOLUTION))
    if resolution not in (HIGH_RESOLUTION, STANDARD_RESOLUTION):
        raise QueryError(f"{metric.name}: StorageResolution must be 1 or 60")
    kinds = [kind for kind in ("Value", "Values", "StatisticValues") if members.get(kind) is not None]
    if len(kinds) != 1:
        raise QueryError(f"{metric.name}: give one of Value, Values and StatisticValues")
    values: tuple[tuple[float, float], ...] = ()
    summary = None
    if kinds == ["StatisticValues"]:
        summary = _read_summary(metric.name, members["StatisticValues"])
    else:
        values = _read_values(metric.name, members)
    return Datum(metric, timestamp, values, summary, members.get("Unit") or "None", resolution)


def _read_values(name: str, members: Mapping[str, Any]) -> tuple[tuple[float, float], ...]:
    values = [members["Value"]] if members.get("Value") is not None else members["Values"]
    counts = members.get("Counts") or [1] * len(values)
    if len(values) != len(counts) or len(values) > MAX_VALUES:
        raise QueryError(f"{name}: Values and Counts must have the same length, at most {MAX_VALUES}")
    return tuple((_finite(name, value), _finite(name, count)) for value, count in zip(values, counts, strict=True))


def _read_summary(name: str, members: Mapping[str, Any]) -> Summary:
    try:
        numbers = [_finite(name, members[member]) for member in ("SampleCount", "Sum", "Minimum", "Maximum")]
    except KeyError as error:
        raise QueryError(f"{name}: StatisticValues needs {error.args[0]}") from None
    return Summary(*numbers)


def _finite(name: str, value: object) -> float:
    try:
        number = float(str(value))
    except ValueError:
        raise QueryError(f"{name}: {value!r} is not a number") from None
    if not math.isfinite(number):
        raise QueryError(f"{name}: values must be finite")
    return number


def list_metrics(request: Mapping[str, Any], store: MetricStore) -> dict[str, Any]:
    """ListMetrics: all series that match the filters."""
    namespace, name = request.get("Namespace"), request.get("MetricName")
    filters = request.get("Dimensions") or []
    return {
        "Metrics": [
            describe_metric(metric)
            for metric in store.metrics()
            if namespace in (None, metric.namespace)
            and name in (None, metric.name)
            and all(_matches(dict(metric.dimensions), dimension) for dimension in filters)
        ]
    }


def _matches(dimensions: Mapping[str, str], dimension_filter: Mapping[str, str]) -> bool:
    name = dimension_filter.get("Name", "")
    return name in dimensions and dimension_filter.get("Value") in (None, "", dimensions[name])


def _interval(request: Mapping[str, Any]) -> tuple[float, float]:
    start = read_time(request.get("StartTime"), "StartTime")
    end = read_time(request.get("EndTime"), "EndTime")
    if start >= end:
        raise QueryError("StartTime must be before EndTime")
    return start, end


def metric_statistics(request: Mapping[str, Any], store: MetricStore) -> dict[str, Any]:
    """GetMetricStatistics: statistics of one metric, oldest period first. Raises ``QueryError``."""
    metric = read_metric(request.get("Namespace"), request.get("MetricName"), request.get("Dimensions"))
    start, end = _interval(request)
    period = read_period(request.get("Period"))
    if (end - start) / period > MAX_DATAPOINTS:
        raise QueryError(f"at most {MAX_DATAPOINTS} datapoints: take a longer Period or a shorter time")
    basic = [read_statistic(name) for name in request.get("Statistics") or []]
    extended = [read_statistic(name) for name in request.get("ExtendedStatistics") or []]
    if any(map(is_percentile, basic)) or not all(map(is_percentile, extended)) or not (basic or extended):
        raise QueryError("name Statistics (Sum...) or ExtendedStatistics (p99...)")
    unit = request.get("Unit")
    first = start // period * period
    buckets = store.buckets(metric, period=period, start=first, end=end, unit=unit)
    datapoints = []
    for start, bucket in buckets.items():
        percentiles = {name: value for name in extended if (value := bucket.value(name)) is not None}
        datapoints.append(
            {
                "Timestamp": Timestamp(start),
                "Unit": unit or store.unit(metric),
                **{name: bucket.value(name) for name in basic},
                **({"ExtendedStatistics": percentiles} if percentiles else {}),
            }
        )
    return {"Label": metric.name, "Datapoints": datapoints}


def metric_data(request: Mapping[str, Any], store: MetricStore) -> dict[str, Any]:
    """GetMetricData: metrics and expressions, newest data point first by default. Raises ``QueryError``."""
    start, end = _interval(request)
    value = request.get("MetricDataQueries") or []
    if not 1 <= len(value) <= MAX_QUERIES:
        raise QueryError(f"give 1 to {MAX_QUERIES} MetricDataQueries")
    queries = Queries.read(value)
    order = request.get("ScanBy") or "TimestampDescending"
    if order not in ("TimestampDescending", "TimestampAscending"):
        raise QueryError(f"ScanBy must be TimestampDescending or TimestampAscending, not {order!r}")
    values = queries.evaluate(store, start=start, end=end, align=True)
    return {
        "MetricDataResults": [
            _result(query, series, newest_first=order == "TimestampDescending")
            for query in queries.requested
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
        "Timestamps": [Timestamp(time) for time in times],
        "Values": [series[time] for time in times],
        "StatusCode": "Complete",
    }
