"""Reads sums of Dwell's metrics from CloudWatch with one ``GetMetricData`` request, whatever the age of the data.

CloudWatch keeps data points of high-resolution metrics for 3 hours at a period of 1 s, for 15 days at 60 s, for 63 days
at 300 s and for 455 days at 3,600 s. The period is chosen so that the data is still available and the number of points
stays small. See https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html#metrics-retention
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef

METRIC_NAMESPACE = "Dwell"
MAX_QUERIES_PER_REQUEST = 500
"""The quota of ``GetMetricData``:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
"""
RETENTION = timedelta(days=455)
"""How long CloudWatch keeps data points of any period."""

_MAX_POINTS = 500
_PERIODS_SECONDS = (1, 5, 10, 30, 60, 300, 900, 3_600, 21_600, 86_400)


@dataclass(frozen=True, slots=True)
class MetricQuery:
    """A metric's name and its exact dimensions, as (name, value) pairs."""

    metric: str
    dimensions: tuple[tuple[str, str], ...]


def choose_period(
    since: datetime, now: datetime, *, until: datetime | None = None, max_points: int = _MAX_POINTS
) -> int:
    """Return the shortest period in seconds that is kept for ``since`` with at most ``max_points`` points."""
    age = now - since
    if age < timedelta(hours=3):
        min_seconds = 1
    elif age < timedelta(days=15):
        min_seconds = 60
    elif age < timedelta(days=63):
        min_seconds = 300
    else:
        min_seconds = 3_600
    range_seconds = ((until or now) - since).total_seconds()
    return next(
        (period for period in _PERIODS_SECONDS if period >= min_seconds and range_seconds <= period * max_points),
        _PERIODS_SECONDS[-1],
    )


def get_metric_sums(
    cloudwatch: CloudWatchClient,
    queries: Sequence[MetricQuery],
    *,
    since: datetime,
    now: datetime,
    until: datetime | None = None,
) -> Mapping[MetricQuery, float]:
    """Return the sum of each metric from ``since`` (rounded down to a whole period) to ``until`` (default: ``now``).

    A metric without data points has the sum 0. Raises ``ValueError`` for more than 500 queries, which do not fit one
    request; errors of CloudWatch pass through as ``ClientError``.
    """
    totals = dict.fromkeys(queries, 0.0)
    since = max(since, now - RETENTION)
    if queries and since < (until or now):
        period = choose_period(since, now, until=until)
        series = get_metric_series(cloudwatch, queries, since=since, until=until or now, period=period)
        totals |= {query: sum(points.values()) for query, points in series.items()}
    return totals


def get_metric_series(
    cloudwatch: CloudWatchClient, queries: Sequence[MetricQuery], *, since: datetime, until: datetime, period: int
) -> Mapping[MetricQuery, Mapping[datetime, float]]:
    """Return the sums of each metric by the start of each ``period`` (in seconds) that has data points.

    The last period is the one that contains ``until``. Raises ``ValueError`` for more than 500 queries, which do not
    fit one request.
    """
    if len(queries) > MAX_QUERIES_PER_REQUEST:
        raise ValueError(f"{len(queries)} metric queries do not fit one request, which holds {MAX_QUERIES_PER_REQUEST}")
    data_queries: list[MetricDataQueryTypeDef] = [
        {
            "Id": f"m{index}",
            "ReturnData": True,
            "MetricStat": {
                "Metric": {
                    "Namespace": METRIC_NAMESPACE,
                    "MetricName": query.metric,
                    "Dimensions": [{"Name": name, "Value": value} for name, value in query.dimensions],
                },
                "Period": period,
                "Stat": "Sum",
            },
        }
        for index, query in enumerate(queries)
    ]
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=data_queries,
        StartTime=datetime.fromtimestamp(since.timestamp() // period * period, tz=UTC),
        # EndTime is exclusive and CloudWatch returns whole periods only: ask up to the start of the following period.
        EndTime=datetime.fromtimestamp((until.timestamp() // period + 1) * period, tz=UTC),
    )
    series: dict[MetricQuery, dict[datetime, float]] = {query: {} for query in queries}
    for page in pages:
        for result in page["MetricDataResults"]:
            points = zip(result["Timestamps"], result["Values"], strict=True)
            series[queries[int(result["Id"][1:])]].update(points)
    return series
