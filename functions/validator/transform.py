"""From the records of a Firehose batch to rows, refused lines and counts. Pure: the same batch, the same outcome."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pybase64

from feature_schema import split_message_header
from feature_schema.fast.batch_parser import parse_batch, to_datetime
from feature_schema.rows import to_rows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from feature_schema import InvalidInputError
    from feature_schema.rows import Record

MAX_RESPONSE_BYTES = 6_000_000
"""What one answer may weigh. Lambda cuts off at 6 MiB, and then the whole batch would be lost to its retries."""

_FRAME_BYTES = len('{"recordId":"","result":"ProcessingFailed","data":""}, ')


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """A line that is no sample, with all that a person needs to find out why and to send it again."""

    line: bytes
    error: InvalidInputError
    message_id: str
    position: int
    """Counts the lines of the message from 0."""
    received_at: datetime


@dataclass(slots=True)
class Batch:
    """The outcome of one Firehose batch."""

    results: list[dict[str, str]] = field(default_factory=list)
    """``{"recordId", "result", "data"}`` for each record, in their order; rows are base64 in ``data``."""
    accepted: list[Record] = field(default_factory=list)
    rejected: list[RejectedLine] = field(default_factory=list)
    overflowed: int = 0
    """Records that were left for Firehose's error prefix, because their rows did not fit into the answer."""


def transform(event: Mapping[str, Any]) -> Batch:
    """Read every line of every record.

    A record with at least one sample is answered ``Ok`` with its rows, one with none is ``Dropped`` (its lines are
    among ``refused``, which the caller has to store before it answers).

    Rows may outgrow the answer: a bare workshop row gets 83 bytes of ids, time and version. A transform buffer of 1 MB,
    as the template has it, never gets there with rows of at least 34 bytes (26 if all numbers are whole); shorter ones
    in great numbers may. The records that do not fit are answered ``ProcessingFailed``, and Firehose writes them, as
    they came, under its error prefix, from where they can be sent again. (Raising instead would fail the whole batch
    the same way on each retry.) Such a record counts nowhere, so that sending it again counts it once.
    """
    batch = Batch()
    records = event["records"]
    messages = [pybase64.b64decode(record["data"]) for record in records]
    named: dict[int, str] = {}
    for number, message in enumerate(messages):
        if message.startswith(b"#"):
            messages[number], named[number] = split_message_header(message, _message_id(records[number]))

    def message_id(number: int) -> str:
        return named.get(number) or _message_id(records[number])

    reading = parse_batch(messages, [record["approximateArrivalTimestamp"] for record in records], message_id)
    lines = to_rows(reading.accepted)
    room = MAX_RESPONSE_BYTES - sum(len(record["recordId"]) + _FRAME_BYTES for record in records)
    left_out: set[int] = set()
    start = 0
    for number, end in enumerate(reading.ends):
        data = pybase64.b64encode_as_string(b"\n".join([*lines[start:end], b""])) if end > start else ""
        if len(data) > room:
            left_out.add(number)
            batch.results.append(_answer(records[number]["recordId"], "ProcessingFailed", ""))
        else:
            room -= len(data)
            batch.results.append(_answer(records[number]["recordId"], "Ok" if data else "Dropped", data))
            batch.accepted += reading.accepted[start:end]
        start = end
    batch.overflowed = len(left_out)
    batch.rejected = [
        RejectedLine(
            one.line,
            one.error,
            message_id(one.message),
            one.position,
            to_datetime(records[one.message]["approximateArrivalTimestamp"]),
        )
        for one in reading.rejected
        if one.message not in left_out
    ]
    return batch


def _message_id(record: Mapping[str, Any]) -> str:
    # Only a record that came through a stream carries metadata; one put directly is known by its own id.
    known: str = record.get("kinesisRecordMetadata", {}).get("partitionKey", record["recordId"])
    return known


def _answer(record_id: str, result: Literal["Ok", "Dropped", "ProcessingFailed"], data: str) -> dict[str, str]:
    return {"recordId": record_id, "result": result, "data": data}
