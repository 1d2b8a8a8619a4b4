"""Rejected lines by reason, from the validator's metrics: reading ``quarantine/`` would cost a request per object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rounds import MAX_QUERIES_PER_REQUEST, METRIC_NAMESPACE, MetricQuery, get_metric_sums

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_cloudwatch import CloudWatchClient

    from leaderboard.time_range import TimeRange


@dataclass(frozen=True, slots=True)
class Rejections:
    """Counts of accepted and rejected lines. ``reasons`` are (reason, lines), the most frequent first."""

    accepted: int
    rejected: int
    reasons: tuple[tuple[str, int], ...]

    @property
    def without_reason(self) -> int:
        """Rejected lines whose reason CloudWatch does not list yet, which takes up to 15 minutes for a new metric.

        https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_ListMetrics.html
        """
        return max(0, self.rejected - sum(lines for _, lines in self.reasons))


def count_rejections(cloudwatch: CloudWatchClient, time_range: TimeRange, *, service: str, now: datetime) -> Rejections:
    """Count the lines of the time range, with two requests whatever the number of lines.

    Errors of CloudWatch pass through as ``ClientError``.
    """
    service_dimension = ("service", service)
    accepted, rejected = (MetricQuery(name, (service_dimension,)) for name in ("AcceptedSamples", "RefusedSamples"))
    by_reason = {
        reason: MetricQuery(rejected.metric, (service_dimension, ("reason", reason)))
        for reason in _list_reasons(cloudwatch, rejected.metric, service)[: MAX_QUERIES_PER_REQUEST - 2]
    }
    queries = [accepted, rejected, *by_reason.values()]
    sums = get_metric_sums(cloudwatch, queries, since=time_range.since, until=time_range.until, now=now)
    lines_by_reason = [(reason, round(sums[query])) for reason, query in by_reason.items()]
    return Rejections(
        accepted=round(sums[accepted]),
        rejected=round(sums[rejected]),
        reasons=tuple(sorted((entry for entry in lines_by_reason if entry[1]), key=_by_frequency)),
    )


def _by_frequency(entry: tuple[str, int]) -> tuple[int, str]:
    reason, lines = entry
    return -lines, reason


def _list_reasons(cloudwatch: CloudWatchClient, metric: str, service: str) -> list[str]:
    """Return the reasons of the last two weeks, which is how far back ``ListMetrics`` reaches."""
    pages = cloudwatch.get_paginator("list_metrics").paginate(
        Namespace=METRIC_NAMESPACE,
        MetricName=metric,
        Dimensions=[{"Name": "service", "Value": service}, {"Name": "reason"}],
    )
    reasons = {
        dimension["Value"]
        for page in pages
        for listed in page["Metrics"]
        for dimension in listed["Dimensions"]
        if dimension["Name"] == "reason"
    }
    return sorted(reasons)
