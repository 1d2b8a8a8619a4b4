"""Converts the records of a Firehose batch to rows and rejected lines. Pure: the same batch gives the same result.

https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain, repeat
from operator import sub
from typing import TYPE_CHECKING, Any, Literal

import pybase64

from feature_schema import split_message_header
from feature_schema.fast.batch_parser import parse_batch, to_datetime
from feature_schema.limits import format_milliseconds
from feature_schema.rows import to_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from feature_schema import InvalidInputError
    from feature_schema.rows import Record

MAX_RESPONSE_BYTES = 6_000_000
"""Bytes of a response. Lambda rejects more than 6 MB, and the complete batch would then fail on every retry.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

_RESULT_BYTES = len('{"recordId":"","result":"ProcessingFailed","data":""}, ')
"""Bytes of a result without its id and data."""


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """A line that is no sample, with all that a person needs to find the cause and to send it again."""

    line: bytes
    error: InvalidInputError
    message_id: str
    position: int
    """Index of the line in its message, from 0."""
    received_at: datetime


@dataclass(slots=True)
class Batch:
    """The result of one Firehose batch."""

    results: list[dict[str, str]] = field(default_factory=list)
    """``{"recordId", "result", "data"}`` for each record, in order; ``data`` are the rows in base64."""
    accepted: list[Record] = field(default_factory=list)
    rejected: list[RejectedLine] = field(default_factory=list)
    overflowed: int = 0
    """Number of records for Firehose's error prefix, because their rows did not fit into the response."""


def transform(event: Mapping[str, Any]) -> Batch:
    """Parse every line of every record.

    The result of a record with at least one sample is ``Ok`` with its rows; without any, it is ``Dropped``. Rejected
    lines are in ``rejected``; the caller must store them before it responds.

    Rows may exceed the response, since a CSV row gains 109 bytes of ids, times and version. With the template's
    transform buffer of 1 MB this cannot happen for rows of at least 42 bytes (34 if all numbers are integers), but it
    can for many shorter ones. The result of records that do not fit is ``ProcessingFailed``; Firehose writes them
    unchanged to its error prefix, from where they can be sent again. (An exception would fail the complete batch, the
    same way on each retry.) Such a record is not counted, so that sending it again counts it once.
    """
    batch = Batch()
    records = event["records"]
    messages = [pybase64.b64decode(record["data"]) for record in records]
    header_ids: dict[int, str] = {}
    for index, message in enumerate(messages):
        if message.startswith(b"#"):
            messages[index], header_ids[index] = split_message_header(message, _get_message_id(records[index]))

    def get_message_id(index: int) -> str:
        return header_ids.get(index) or _get_message_id(records[index])

    arrived_at = [record["approximateArrivalTimestamp"] for record in records]
    parsed = parse_batch(messages, arrived_at, get_message_id)
    rows = to_rows(parsed.accepted, _repeat_arrivals(arrived_at, parsed.ends))
    remaining_bytes = MAX_RESPONSE_BYTES - sum(len(record["recordId"]) + _RESULT_BYTES for record in records)
    overflowed: set[int] = set()
    start = 0
    for index, end in enumerate(parsed.ends):
        data = pybase64.b64encode_as_string(b"\n".join([*rows[start:end], b""])) if end > start else ""
        if len(data) > remaining_bytes:
            overflowed.add(index)
            batch.results.append(_build_result(records[index]["recordId"], "ProcessingFailed", ""))
        else:
            remaining_bytes -= len(data)
            batch.results.append(_build_result(records[index]["recordId"], "Ok" if data else "Dropped", data))
            batch.accepted += parsed.accepted[start:end]
        start = end
    batch.overflowed = len(overflowed)
    batch.rejected = [
        RejectedLine(
            line.line,
            line.error,
            get_message_id(line.message),
            line.position,
            to_datetime(arrived_at[line.message]),
        )
        for line in parsed.rejected
        if line.message not in overflowed
    ]
    return batch


def _repeat_arrivals(arrived_at: Sequence[int], ends: Sequence[int]) -> Iterator[str]:
    """Yield the arrival of each row: that of its record in the stream. ``ends`` are as in ``ParsedBatch``."""
    texts = {milliseconds: format_milliseconds(milliseconds) for milliseconds in set(arrived_at)}
    counts = map(sub, ends, [0, *ends])
    return chain.from_iterable(map(repeat, map(texts.__getitem__, arrived_at), counts))


def _get_message_id(record: Mapping[str, Any]) -> str:
    # Only records from a stream have metadata; for a record put directly, its own id is the message's.
    message_id: str = record.get("kinesisRecordMetadata", {}).get("partitionKey", record["recordId"])
    return message_id


def _build_result(record_id: str, result: Literal["Ok", "Dropped", "ProcessingFailed"], data: str) -> dict[str, str]:
    return {"recordId": record_id, "result": result, "data": data}
