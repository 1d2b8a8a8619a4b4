"""From the records of a Firehose batch to rows, refused lines and counts. Pure: the same batch, the same outcome."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from feature_schema import Refusal, Sample, open_message, parse_lines, row

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_RESPONSE_BYTES = 6_000_000
"""What one answer may weigh. Lambda cuts off at 6 MiB, and then the whole batch would be lost to its retries."""

_FRAME_BYTES = len('{"recordId":"","result":"ProcessingFailed","data":""}, ')


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line that is no sample, with all that a person needs to find out why and to send it again."""

    line: bytes
    refusal: Refusal
    message_id: str
    position: int
    """Counts the lines of the message from 0."""
    received_at: datetime


@dataclass(slots=True)
class Batch:
    """The outcome of one Firehose batch."""

    answers: list[dict[str, str]] = field(default_factory=list)
    """``{"recordId", "result", "data"}`` for each record, in their order; rows are base64 in ``data``."""
    samples: list[Sample] = field(default_factory=list)
    refused: list[RefusedLine] = field(default_factory=list)
    surplus: int = 0
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
    room = MAX_RESPONSE_BYTES - sum(len(record["recordId"]) + _FRAME_BYTES for record in event["records"])
    for record in event["records"]:
        samples, refused = _read(record)
        data = base64.b64encode("".join(f"{row(sample)}\n" for sample in samples).encode()).decode()
        if len(data) > room:
            batch.surplus += 1
            batch.answers.append(_answer(record["recordId"], "ProcessingFailed", ""))
            continue
        room -= len(data)
        batch.answers.append(_answer(record["recordId"], "Ok" if samples else "Dropped", data))
        batch.samples += samples
        batch.refused += refused
    return batch


def _read(record: Mapping[str, Any]) -> tuple[list[Sample], list[RefusedLine]]:
    # Only a record that came through a stream carries metadata; one put directly is known by its own id.
    message_id = record.get("kinesisRecordMetadata", {}).get("partitionKey", record["recordId"])
    received_at = datetime.fromtimestamp(record["approximateArrivalTimestamp"] / 1000, UTC)
    samples: list[Sample] = []
    refused: list[RefusedLine] = []
    data, message_id = open_message(base64.b64decode(record["data"]), message_id)
    lines = parse_lines(data, message_id=message_id, received_at=received_at)
    for position, (line, read) in enumerate(lines):
        if isinstance(read, Refusal):
            refused.append(RefusedLine(line, read, message_id, position, received_at))
        else:
            samples.append(read)
    return samples, refused


def _answer(record_id: str, result: Literal["Ok", "Dropped", "ProcessingFailed"], data: str) -> dict[str, str]:
    return {"recordId": record_id, "result": result, "data": data}
