"""What AWS asks for what was counted, by the list prices of ``prices.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

PRICES: dict[str, Any] = tomllib.loads(Path(__file__).with_name("prices.toml").read_text(encoding="utf-8"))


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
    sns, kinesis, firehose, logs = (PRICES[name] for name in ("sns", "kinesis", "firehose", "logs"))
    records = list(counted.stream_records)
    shard_seconds = max(
        sum(records) / kinesis["shard_bytes_per_second"], len(records) / kinesis["shard_records_per_second"]
    )
    units = sum(ceil(size / kinesis["put_unit_bytes"]) for size in records)
    delivered = sum(ceil(size / firehose["record_bytes"]) for size in counted.delivered_records)
    bill = {
        "sns": sum(ceil(size / sns["publish_bytes"]) for size in counted.publishes) * sns["million_publishes"] / 1e6,
        "lambda": counted.invocations * PRICES["lambda"]["million_requests"] / 1e6
        + counted.gb_seconds * PRICES["lambda"]["gb_second"],
        # shards that are as full as they may be, for as long as these samples take
        "kinesis": units * kinesis["million_put_units"] / 1e6 + shard_seconds / 3_600 * kinesis["shard_hour"],
        "firehose": delivered * firehose["record_bytes"] / 1e9 * firehose["gb"],
        "s3": counted.objects * PRICES["s3"]["thousand_puts"] / 1e3,
        "logs": (counted.log_bytes + counted.log_events * logs["event_bytes"]) / 1e9 * logs["gb"],
    }
    return {service: cost * 1e6 / counted.samples for service, cost in bill.items()}
