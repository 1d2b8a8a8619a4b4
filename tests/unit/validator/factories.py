"""Firehose events, rows and rejected lines for tests of the validator."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from feature_schema import FEATURES, ROW_COLUMNS, TARGET, InvalidInputError
from tests.factories.samples import field_value, make_csv_row
from validator.transform import RejectedLine

if TYPE_CHECKING:
    from collections.abc import Callable

    type ReadEvent = Callable[[str], dict[str, Any]]

ARRIVED = datetime(2026, 11, 23, 6, 39, 0, 789_000, tzinfo=UTC)


def read_rows(result: dict[str, str]) -> list[dict[str, str]]:
    """Return the rows in the result of a record, by column."""
    text = base64.b64decode(result["data"]).decode()
    assert text.endswith("\n")
    return [dict(zip(ROW_COLUMNS, line.split(","), strict=True)) for line in text.splitlines()]


def make_row() -> bytes:
    return make_csv_row().encode()


def make_shortest_row() -> bytes:
    """Return a row with the smallest numbers, padded to the length from which rows never exceed the response."""
    min_length = 34 if all(field.type == "integer" for field in (TARGET, *FEATURES)) else 42
    return ",".join(f"{field_value(field, 0):g}" for field in (TARGET, *FEATURES)).ljust(min_length - 1).encode()


def make_firehose_event(*messages: bytes) -> dict[str, Any]:
    return {
        "invocationId": "invocation",
        "deliveryStreamArn": "arn:aws:firehose:us-east-1:123456789012:deliverystream/dwell-samples",
        "sourceKinesisStreamArn": "arn:aws:kinesis:us-east-1:123456789012:stream/dwell-samples",
        "region": "us-east-1",
        "records": [
            {
                "recordId": f"record-{index}",
                "approximateArrivalTimestamp": int(ARRIVED.timestamp() * 1000),
                "data": base64.b64encode(message).decode(),
                "kinesisRecordMetadata": {"partitionKey": f"message-{index}"},
            }
            for index, message in enumerate(messages)
        ],
    }


def make_rejected_line(line: bytes = b"broken", *, received_at: datetime = ARRIVED, position: int = 0) -> RejectedLine:
    return RejectedLine(
        line, InvalidInputError("malformed", None, "not valid JSON"), "message-1", position, received_at
    )
