"""How much Dwell's metrics have counted since some moment: one request, however long ago that is.

CloudWatch keeps high-resolution metrics in periods of a second for three hours, of a minute for 15 days, of five
minutes for 63 days and of an hour for 455 days. The period is chosen so that it is still there and that the points
stay few.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef

NAMESPACE = "Dwell"
MAX_SUMS = 500
"""How many queries CloudWatch takes in one request."""
KEPT = timedelta(days=455)

_MOST_POINTS = 500
_PERIODS = (1, 5, 10, 30, 60, 300, 3_600, 86_400)


@dataclass(frozen=True, slots=True)
class MetricSum:
    """What to sum: a metric's name and its exact dimensions."""

    metric: str
    dimensions: tuple[tuple[str, str], ...]


def period(since: datetime, now: datetime) -> int:
    """The shortest period, in seconds, that is still kept for ``since`` and gives at most 500 points."""
    age = now - since
    if age < timedelta(hours=3):
        shortest = 1
    elif age < timedelta(days=15):
        shortest = 60
    elif age < timedelta(days=63):
        shortest = 300
    else:
        shortest = 3_600
    seconds = age.total_seconds()
    return next(
        (length for length in _PERIODS if length >= shortest and seconds <= length * _MOST_POINTS), _PERIODS[-1]
    )


def sums(
    cloudwatch: CloudWatchClient, wanted: Sequence[MetricSum], *, since: datetime, now: datetime
) -> Mapping[MetricSum, float]:
    """Sums from ``since`` (rounded down to a whole period) to ``now``; 0 where nothing was counted.

    Raises ``ValueError`` for more than 500 sums, which do not fit one request.
    """
    if len(wanted) > MAX_SUMS:
        raise ValueError(f"{len(wanted)} sums, and one request holds {MAX_SUMS}")
    totals = dict.fromkeys(wanted, 0.0)
    start = max(since, now - KEPT)
    if not wanted or start >= now:
        return totals
    length = period(start, now)
    start = datetime.fromtimestamp(start.timestamp() // length * length, tz=UTC)
    # The end is exclusive and CloudWatch counts whole periods only, so the current one needs the next one's start.
    end = datetime.fromtimestamp((now.timestamp() // length + 1) * length, tz=UTC)
    queries: list[MetricDataQueryTypeDef] = [
        {
            "Id": f"m{index}",
            "ReturnData": True,
            "MetricStat": {
                "Metric": {
                    "Namespace": NAMESPACE,
                    "MetricName": one.metric,
                    "Dimensions": [{"Name": name, "Value": value} for name, value in one.dimensions],
                },
                "Period": length,
                "Stat": "Sum",
            },
        }
        for index, one in enumerate(wanted)
    ]
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=queries, StartTime=start, EndTime=end
    )
    for page in pages:
        for result in page["MetricDataResults"]:
            totals[wanted[int(result["Id"][1:])]] += sum(result["Values"])
    return totals
