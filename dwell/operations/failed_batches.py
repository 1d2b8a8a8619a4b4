"""Batches that Firehose put aside because the validator failed on them in every attempt, and their way back."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dwell.fleet.line import Kind, Line
from dwell.fleet.packing import Packer
from dwell.fleet.publisher import PublishError
from dwell.operations.quarantine import REPLAYED, DamagedObjectError
from feature_schema import Refusal, open_message, parse_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

    from dwell.fleet.publisher import Publisher

PREFIX = "failed/processing-failed/"
"""Where Firehose writes a record, as it came, that could not be transformed."""


@dataclass(frozen=True, slots=True)
class FailedRecord:
    """A record as it came from the stream: what one message carried. ``name`` is its own, the same in every look."""

    name: str
    data: bytes
    arrived_at: datetime
    error: str


@dataclass(slots=True)
class SentBack:
    """What was sent back: objects, their records, and the lines in those."""

    objects: int = 0
    records: int = 0
    lines: int = 0
    errors: list[str] = field(default_factory=list)
    """What Firehose says went wrong, each sentence once."""


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
    )


def lines(record: FailedRecord) -> list[Line]:
    """The lines of a record as they are published again.

    A sample keeps its id, and a workshop row the one that its message gave it: it goes back as a sample. (What was put
    into the stream by hand names no message; where it lies stands for that.) What is refused goes as it is, to be
    refused again with its reason.
    """
    made = []
    data, message_id = open_message(record.data, record.name)
    for raw, read in parse_lines(data, message_id=message_id, received_at=record.arrived_at):
        if isinstance(read, Refusal):
            # An empty line may be all that a message has, and SNS takes no empty message.
            made.append(Line(raw.decode(errors="replace") or " ", Kind.BROKEN, record.name, read.reason))
        else:
            made.append(Line(read.model_dump_json(exclude_none=True), Kind.SAMPLE, read.sample_id))
    return made


def send_back(s3: S3Client, bucket: str, publisher: Publisher, *, dry_run: bool = False) -> SentBack:
    """Publish what Firehose put aside again. Raises ``PublishError``; run it again to go on.

    An object is first published, then kept under ``replayed/``, then taken away. Dying in between repeats samples
    under the same ids, of which a dataset takes each once.
    """
    done = SentBack()
    for key, body, records in objects(s3, bucket):
        found = [line for record in records for line in lines(record)]
        done.objects += 1
        done.records += len(records)
        done.lines += len(found)
        done.errors += sorted({record.error for record in records} - {*done.errors})
        if dry_run:
            continue
        packer = Packer()
        confirmed = publisher.publish(packer.add(found) + packer.flush())
        if confirmed < len(found):
            raise PublishError(f"SNS did not confirm {len(found) - confirmed} lines; run it again to go on")
        s3.put_object(Bucket=bucket, Key=f"{REPLAYED}{key}", Body=body)
        s3.delete_object(Bucket=bucket, Key=key)
    return done
