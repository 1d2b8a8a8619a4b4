"""Batches that Firehose put aside because the validator failed on them in every attempt, and their way back."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dwell.messaging.batching import MAX_BYTES, Message, Packer
from dwell.messaging.line import Kind, Line
from dwell.messaging.publisher import PublishError
from dwell.operations.quarantine_replay import REPLAYED, DamagedObjectError
from feature_schema import InvalidInputError, parse_lines, split_message_header

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mypy_boto3_s3 import S3Client

    from dwell.messaging.publisher import Publisher

PREFIX = "failed/processing-failed/"
"""Where Firehose writes a record, as it came, that could not be transformed."""


@dataclass(frozen=True, slots=True)
class FailedRecord:
    """A record as it came from the stream: what one message carried. ``name`` is its own, the same in every look."""

    name: str
    data: bytes
    arrived_at: datetime
    error: str
    entry: Mapping[str, Any] = field(default_factory=dict)
    """All that Firehose wrote of it."""


@dataclass(slots=True)
class SentBack:
    """What was sent back: objects, their records, and the lines in those. What stays is not among the lines."""

    objects: int = 0
    records: int = 0
    lines: int = 0
    errors: list[str] = field(default_factory=list)
    """What Firehose says went wrong, each sentence once."""
    stays: list[str] = field(default_factory=list)
    """What SNS cannot carry, and stays where it was: a sentence for each object."""


def objects(s3: S3Client, bucket: str) -> Iterator[tuple[str, bytes, list[FailedRecord]]]:
    """Each object that Firehose put aside, with its body and its records. Raises ``DamagedObjectError``."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=PREFIX):
        for found in page.get("Contents", []):
            key = found["Key"]
            body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            try:
                text = gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body
                yield key, body, [_record(f"{key}#{number}", line) for number, line in enumerate(text.splitlines())]
            except (OSError, EOFError, KeyError, TypeError, ValueError) as error:
                raise DamagedObjectError(f"s3://{bucket}/{key} is not as Firehose writes it") from error


def _record(name: str, line: bytes) -> FailedRecord:
    entry = json.loads(line)
    return FailedRecord(
        name=name,
        data=base64.b64decode(entry["rawData"]),
        arrived_at=datetime.fromtimestamp(entry["arrivalTimestamp"] / 1000, UTC),
        error=f"{entry['errorCode']}: {entry['errorMessage']}",
        entry=entry,
    )


def lines(record: FailedRecord) -> list[tuple[bytes, Line]]:
    """The lines of a record, each as it came and as it is published again.

    A sample keeps its id, and a workshop row the one that its message gave it: it goes back as a sample. (What was put
    into the stream by hand names no message; where it lies stands for that.) What is refused goes as it is, to be
    refused again with its reason.
    """
    made = []
    data, message_id = split_message_header(record.data, record.name)
    for raw, read in parse_lines(data, message_id=message_id, received_at=record.arrived_at):
        if isinstance(read, InvalidInputError):
            # An empty line may be all that a message has, and SNS takes no empty message.
            line = Line(raw.decode(errors="replace") or " ", Kind.BROKEN, record.name, read.reason)
        else:
            line = Line(read.model_dump_json(exclude_none=True), Kind.SAMPLE, read.sample_id)
        made.append((raw, line))
    return made


def messages(found: Sequence[Line]) -> list[Message]:
    """Lines as messages. What was refused as a whole, newlines and all, has one of its own: it would be refused again
    together with whatever else is in its message."""
    packer = Packer()
    packed = packer.add(line for line in found if "\n" not in line.text) + packer.flush()
    return packed + [Message((line,)) for line in found if "\n" in line.text]


def _fits(line: Line) -> bool:
    """Whether SNS takes it. What is not UTF-8 grows on its way into a message, by up to three times."""
    return len(line.text.encode()) <= MAX_BYTES


def _left(read: Sequence[tuple[FailedRecord, list[tuple[bytes, Line]]]]) -> bytes:
    """What of an object's records SNS cannot carry, as Firehose would have written it: only lines that are refused."""
    kept = [(record, [raw for raw, line in found if not _fits(line)]) for record, found in read]
    entries = [
        {**record.entry, "rawData": base64.b64encode(b"\n".join(raws)).decode()} for record, raws in kept if raws
    ]
    return b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)


def send_back(s3: S3Client, bucket: str, publisher: Publisher, *, dry_run: bool = False) -> SentBack:
    """Publish what Firehose put aside again. Raises ``PublishError``; run it again to go on.

    An object is first published, then kept under ``replayed/``, then taken away; what is too large for a message stays
    in its place. Dying in between repeats samples under the same ids, of which a dataset takes each once.
    """
    done = SentBack()
    for key, body, records in objects(s3, bucket):
        read = [(record, lines(record)) for record in records]
        found = [line for _, of_record in read for _, line in of_record]
        fitting = [line for line in found if _fits(line)]
        if len(fitting) < len(found):
            done.stays.append(
                f"s3://{bucket}/{key} stays, with {len(found) - len(fitting):,} of its {len(found):,} lines: "
                f"as text each has more than the {MAX_BYTES:,} bytes that SNS takes"
            )
        if found and not fitting:
            continue
        done.objects += 1
        done.records += len(records)
        done.lines += len(fitting)
        done.errors += sorted({record.error for record in records} - {*done.errors})
        if dry_run:
            continue
        confirmed = publisher.publish(messages(fitting))
        if confirmed < len(fitting):
            raise PublishError(f"SNS did not confirm {len(fitting) - confirmed} lines; run it again to go on")
        s3.put_object(Bucket=bucket, Key=f"{REPLAYED}{key}", Body=body)
        if len(fitting) < len(found):
            s3.put_object(Bucket=bucket, Key=key, Body=_left(read))
        else:
            s3.delete_object(Bucket=bucket, Key=key)
    return done
