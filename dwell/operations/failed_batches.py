"""Batches on which the validator failed in every attempt: Firehose stores them in the bucket, ``republish`` sends them
to the topic again."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dwell.messaging.batching import MAX_MESSAGE_BYTES, Batcher, Message
from dwell.messaging.line import Line, LineKind
from dwell.messaging.publisher import PublishError
from dwell.operations.quarantine_replay import DamagedObjectError
from feature_schema import InvalidInputError, parse_lines, split_message_header
from rounds import s3_prefixes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mypy_boto3_s3 import S3Client

    from dwell.messaging.publisher import Publisher


@dataclass(frozen=True, slots=True)
class FailedRecord:
    """A record of the stream: the content of one message. ``name`` identifies it and is the same at every read."""

    name: str
    data: bytes
    arrived_at: datetime
    error: str
    entry: Mapping[str, Any] = field(default_factory=dict)
    """The whole entry that Firehose wrote."""


@dataclass(slots=True)
class RepublishResult:
    """Counts of objects, records and lines that were published again, without what stays in the bucket."""

    objects: int = 0
    records: int = 0
    lines: int = 0
    errors: list[str] = field(default_factory=list)
    """Firehose's error messages, each once."""
    stays: list[str] = field(default_factory=list)
    """A sentence for each object that stays, in whole or in part, because a line is too large for SNS."""


def read_objects(s3: S3Client, bucket: str) -> Iterator[tuple[str, bytes, list[FailedRecord]]]:
    """Key, content and records of each object that Firehose stored. Raises ``DamagedObjectError``.

    The format: https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-failure-handling.html
    """
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=s3_prefixes.FAILED_BATCHES):
        for listed in page.get("Contents", []):
            key = listed["Key"]
            body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            try:
                text = gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body
                yield key, body, [_parse_entry(f"{key}#{index}", line) for index, line in enumerate(text.splitlines())]
            except (OSError, EOFError, KeyError, TypeError, ValueError) as error:
                raise DamagedObjectError(f"s3://{bucket}/{key} is not in the format that Firehose writes") from error


def _parse_entry(name: str, line: bytes) -> FailedRecord:
    entry = json.loads(line)
    return FailedRecord(
        name=name,
        data=base64.b64decode(entry["rawData"]),
        arrived_at=datetime.fromtimestamp(entry["arrivalTimestamp"] / 1000, UTC),
        error=f"{entry['errorCode']}: {entry['errorMessage']}",
        entry=entry,
    )


def to_lines(record: FailedRecord) -> list[tuple[bytes, Line]]:
    """The lines of a record: the original bytes, and the line to publish.

    A sample keeps its id. A workshop row becomes a sample with the id that its message gave it; a record without a
    message id uses its own name instead. An invalid line is published unchanged, so that the validator refuses it again
    with a reason.
    """
    lines = []
    data, message_id = split_message_header(record.data, record.name)
    for raw, parsed in parse_lines(data, message_id=message_id, received_at=record.arrived_at):
        if isinstance(parsed, InvalidInputError):
            # SNS rejects an empty message, and an empty line may be the whole message.
            line = Line(raw.decode(errors="replace") or " ", LineKind.BROKEN, record.name, parsed.reason)
        else:
            line = Line(parsed.model_dump_json(exclude_none=True), LineKind.SAMPLE, parsed.sample_id)
        lines.append((raw, line))
    return lines


def to_messages(lines: Sequence[Line]) -> list[Message]:
    """Lines as messages. A line with newlines was refused as a whole record; it gets a message of its own, since the
    validator would refuse everything in its message together with it."""
    batcher = Batcher()
    messages = batcher.add(line for line in lines if "\n" not in line.text) + batcher.flush()
    return messages + [Message((line,)) for line in lines if "\n" in line.text]


def _fits_message(line: Line) -> bool:
    """Whether SNS accepts the line. Bytes that are not UTF-8 become up to three times as long as text."""
    return len(line.text.encode()) <= MAX_MESSAGE_BYTES


def _build_remainder(records: Sequence[tuple[FailedRecord, list[tuple[bytes, Line]]]]) -> bytes:
    """The lines of an object that are too large for SNS, in Firehose's format."""
    too_large = [(record, [raw for raw, line in lines if not _fits_message(line)]) for record, lines in records]
    entries = [
        {**record.entry, "rawData": base64.b64encode(b"\n".join(raws)).decode()} for record, raws in too_large if raws
    ]
    return b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)


def republish(s3: S3Client, bucket: str, publisher: Publisher, *, dry_run: bool = False) -> RepublishResult:
    """Publish the failed batches again. Raises ``PublishError``; a repeated call continues.

    An object is published, then copied to ``replayed/``, then deleted; lines that are too large for a message stay in
    it. A crash between these steps repeats samples with the same ids, which a dataset counts once.
    """
    result = RepublishResult()
    for key, body, records in read_objects(s3, bucket):
        lines_by_record = [(record, to_lines(record)) for record in records]
        lines = [line for _, record_lines in lines_by_record for _, line in record_lines]
        fitting = [line for line in lines if _fits_message(line)]
        if len(fitting) < len(lines):
            result.stays.append(
                f"s3://{bucket}/{key} stays, with {len(lines) - len(fitting):,} of its {len(lines):,} lines: "
                f"as text each has more than the {MAX_MESSAGE_BYTES:,} bytes that SNS accepts"
            )
        if lines and not fitting:
            continue
        result.objects += 1
        result.records += len(records)
        result.lines += len(fitting)
        result.errors += sorted({record.error for record in records} - {*result.errors})
        if dry_run:
            continue
        confirmed = publisher.publish(to_messages(fitting))
        if confirmed < len(fitting):
            raise PublishError(f"SNS did not confirm {len(fitting) - confirmed} lines; repeat the command to continue")
        s3.put_object(Bucket=bucket, Key=f"{s3_prefixes.REPLAYED}{key}", Body=body)
        if len(fitting) < len(lines):
            s3.put_object(Bucket=bucket, Key=key, Body=_build_remainder(lines_by_record))
        else:
            s3.delete_object(Bucket=bucket, Key=key)
    return result
