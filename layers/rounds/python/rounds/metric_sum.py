"""How much Dwell's metrics have counted over some time: one request, however long ago it began.

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
_PERIODS = (1, 5, 10, 30, 60, 300, 900, 3_600, 21_600, 86_400)


@dataclass(frozen=True, slots=True)
class MetricSum:
    """What to sum: a metric's name and its exact dimensions."""

    metric: str
    dimensions: tuple[tuple[str, str], ...]


def period(since: datetime, now: datetime, *, until: datetime | None = None, most_points: int = _MOST_POINTS) -> int:
    """The shortest period, in seconds, that is still kept for ``since`` and gives few enough points up to ``until``."""
    age = now - since
    if age < timedelta(hours=3):
        shortest = 1
    elif age < timedelta(days=15):
        shortest = 60
    elif age < timedelta(days=63):
        shortest = 300
    else:
        shortest = 3_600
    seconds = ((until or now) - since).total_seconds()
    return next((length for length in _PERIODS if length >= shortest and seconds <= length * most_points), _PERIODS[-1])


def sums(
    cloudwatch: CloudWatchClient,
    wanted: Sequence[MetricSum],
    *,
    since: datetime,
    now: datetime,
    until: datetime | None = None,
) -> Mapping[MetricSum, float]:
    """Sums from ``since`` (rounded down to a whole period) to ``until`` (or ``now``); 0 where nothing was counted.

    Raises ``ValueError`` for more than 500 sums, which do not fit one request.
    """
    totals = dict.fromkeys(wanted, 0.0)
    since = max(since, now - KEPT)
    if wanted and since < (until or now):
        length = period(since, now, until=until)
        found = counts(cloudwatch, wanted, since=since, until=until or now, length=length)
        totals |= {one: sum(points.values()) for one, points in found.items()}
    return totals


def counts(
    cloudwatch: CloudWatchClient, wanted: Sequence[MetricSum], *, since: datetime, until: datetime, length: int
) -> Mapping[MetricSum, Mapping[datetime, float]]:
    """Sums of each period of ``length`` seconds that has any, by its start; the one that holds ``until`` is the last.

    Raises ``ValueError`` for more than 500 sums, which do not fit one request.
    """
    if len(wanted) > MAX_SUMS:
        raise ValueError(f"{len(wanted)} sums, and one request holds {MAX_SUMS}")
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
        MetricDataQueries=queries,
        StartTime=datetime.fromtimestamp(since.timestamp() // length * length, tz=UTC),
        # The end is exclusive and CloudWatch counts whole periods only, so the last one needs the next one's start.
        EndTime=datetime.fromtimestamp((until.timestamp() // length + 1) * length, tz=UTC),
    )
    found: dict[MetricSum, dict[datetime, float]] = {one: {} for one in wanted}
    for page in pages:
        for result in page["MetricDataResults"]:
            values = zip(result["Timestamps"], result["Values"], strict=True)
            found[wanted[int(result["Id"][1:])]].update(values)
    return found
