"""What AWS asks for what was counted, by the price table of ``dwell plan``, which names its sources."""

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
"""What a message, a record of the stream and a record of Firehose are each counted in."""
LOG_EVENT_BYTES = 26
"""CloudWatch adds so many to each event."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What a path did for so many samples."""

    samples: int
    publishes: Iterable[int]
    """Bytes of each message."""
    invocations: int
    gb_seconds: float
    stream_records: Iterable[int] = ()
    """Bytes of each record that went into a Kinesis stream."""
    delivered_records: Iterable[int] = ()
    """Bytes of each record that went into Firehose."""
    objects: int = 0
    log_events: int = 0
    log_bytes: int = 0


def dollars_per_million(counted: Counted) -> dict[str, float]:
    """What a million samples cost, by service."""
    records = list(counted.stream_records)
    shard_seconds = max(sum(records) / quota("shard_bytes"), len(records) / quota("shard_records"))
    units = sum(ceil(size / PUT_UNIT_BYTES) for size in records)
    delivered = sum(ceil(size / FIREHOSE_BYTES) for size in counted.delivered_records)
    logged = counted.log_bytes + counted.log_events * LOG_EVENT_BYTES
    bill = {
        "sns": sum(ceil(size / PUBLISH_BYTES) for size in counted.publishes) * price("sns_publish"),
        "lambda": counted.invocations * price("lambda_request") + counted.gb_seconds * price("lambda_gb_second"),
        # shards that are as full as they may be, for as long as these samples take
        "kinesis": units * price("kinesis_put_unit") + shard_seconds / 3_600 * price("kinesis_shard_hour"),
        "firehose": delivered * FIREHOSE_BYTES / 1e9 * price("firehose_gb"),
        "s3": counted.objects * price("s3_put"),
        "logs": logged / 1e9 * price("logs_gb"),
    }
    return {service: cost * 1e6 / counted.samples for service, cost in bill.items()}
