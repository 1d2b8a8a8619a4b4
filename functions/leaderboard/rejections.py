"""What was refused, by reason: from the validator's counts, as a look into quarantine itself costs by the object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rounds import MAX_QUERIES_PER_REQUEST, METRIC_NAMESPACE, MetricQuery, get_metric_sums

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_cloudwatch import CloudWatchClient

    from leaderboard.time_range import Window


@dataclass(frozen=True, slots=True)
class Refusals:
    """How many lines were accepted and refused. ``reasons`` has the most frequent first."""

    accepted: int
    refused: int
    reasons: tuple[tuple[str, int], ...]

    @property
    def unnamed(self) -> int:
        """Refused lines whose reason is not known yet: CloudWatch lists a new metric within a quarter of an hour."""
        return max(0, self.refused - sum(count for _, count in self.reasons))


def refusals(cloudwatch: CloudWatchClient, window: Window, *, service: str, now: datetime) -> Refusals:
    """Count what the window has, with two requests however many lines there were."""
    of_service = ("service", service)
    accepted, refused = (MetricQuery(name, (of_service,)) for name in ("AcceptedSamples", "RefusedSamples"))
    by_reason = {
        reason: MetricQuery(refused.metric, (of_service, ("reason", reason)))
        for reason in _reasons(cloudwatch, refused.metric, service)[: MAX_QUERIES_PER_REQUEST - 2]
    }
    wanted = [accepted, refused, *by_reason.values()]
    found = get_metric_sums(cloudwatch, wanted, since=window.since, until=window.until, now=now)
    counts = [(reason, round(found[one])) for reason, one in by_reason.items()]
    return Refusals(
        accepted=round(found[accepted]),
        refused=round(found[refused]),
        reasons=tuple(sorted((one for one in counts if one[1]), key=lambda one: (-one[1], one[0]))),
    )


def _reasons(cloudwatch: CloudWatchClient, metric: str, service: str) -> list[str]:
    """The reasons that were counted in the last two weeks."""
    pages = cloudwatch.get_paginator("list_metrics").paginate(
        Namespace=METRIC_NAMESPACE,
        MetricName=metric,
        Dimensions=[{"Name": "service", "Value": service}, {"Name": "reason"}],
    )
    found = {
        dimension["Value"]
        for page in pages
        for listed in page["Metrics"]
        for dimension in listed["Dimensions"]
        if dimension["Name"] == "reason"
    }
    return sorted(found)
