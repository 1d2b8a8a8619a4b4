"""The cost of measured usage, by the price table of ``dwell plan``, which names its sources."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from dwell.capacity.prices import price, quota

if TYPE_CHECKING:
    from collections.abc import Iterable

PUBLISH_BYTES = 64 * 1024
PUT_UNIT_BYTES = 25 * 1024
FIREHOSE_BYTES = 5 * 1024
"""Billing increments of an SNS message, a Kinesis record (payload unit) and a Firehose record, in bytes."""
LOG_EVENT_BYTES = 26
"""What CloudWatch Logs adds to the size of each event:
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
"""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a path used for ``samples`` samples."""

    samples: int
    publishes: Iterable[int]
    """Bytes of each message."""
    invocations: int
    gb_seconds: float
    stream_records: Iterable[int] = ()
    """Bytes of each record put into a Kinesis stream."""
    delivered_records: Iterable[int] = ()
    """Bytes of each record put into Firehose."""
    objects: int = 0
    log_events: int = 0
    log_bytes: int = 0


def compute_cost_per_million(usage: Usage) -> dict[str, float]:
    """Return the cost of a million samples in US dollars, by service."""
    records = list(usage.stream_records)
    shard_seconds = max(sum(records) / quota("shard_bytes"), len(records) / quota("shard_records"))
    put_units = sum(ceil(size / PUT_UNIT_BYTES) for size in records)
    delivered_units = sum(ceil(size / FIREHOSE_BYTES) for size in usage.delivered_records)
    logged_bytes = usage.log_bytes + usage.log_events * LOG_EVENT_BYTES
    costs = {
        "sns": sum(ceil(size / PUBLISH_BYTES) for size in usage.publishes) * price("sns_publish"),
        "lambda": usage.invocations * price("lambda_request") + usage.gb_seconds * price("lambda_gb_second"),
        # shards at their throughput limit, for the time that these samples take
        "kinesis": put_units * price("kinesis_put_unit") + shard_seconds / 3_600 * price("kinesis_shard_hour"),
        "firehose": delivered_units * FIREHOSE_BYTES / 1e9 * price("firehose_gb"),
        "s3": usage.objects * price("s3_put"),
        "logs": logged_bytes / 1e9 * price("logs_gb"),
    }
    return {service: cost * 1e6 / usage.samples for service, cost in costs.items()}
