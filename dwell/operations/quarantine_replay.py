"""Reads the quarantine, and publishes lines again that the current schema accepts."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from dwell.console.errors import ReportedError
from dwell.messaging.batching import Batcher
from dwell.messaging.line import Line, LineKind
from dwell.messaging.publisher import PublishError
from feature_schema import InvalidInputError, Sample, parse_line
from rounds import s3_prefixes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

    from dwell.messaging.publisher import Publisher


class DamagedObjectError(ReportedError):
    """An object of the bucket is not in the format that the validator, or Firehose, writes; the message names it."""


MAX_STREAM_RETENTION = timedelta(hours=8_760)
"""The longest that a Kinesis stream retains records (``StreamRetentionHours``):
https://docs.aws.amazon.com/streams/latest/dev/kinesis-extended-retention.html
"""

_MAX_CLOCK_SKEW = timedelta(minutes=5)
"""Largest assumed difference between the clocks of Kinesis and S3."""

_NDJSON = "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class QuarantinedLine:
    """A refused line as the validator stored it. ``entry`` is the whole stored JSON object."""

    reason: str
    detail: str
    line: bytes
    message_id: str
    position: int
    received_at: datetime
    entry: dict[str, Any]


@dataclass(slots=True)
class Survey:
    """The number of lines in quarantine by reason, with examples of each."""

    lines: int = 0
    objects: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    accepted_now: Counter[str] = field(default_factory=Counter)
    """How many of them the current schema accepts: what a replay would publish again."""
    examples: dict[str, list[QuarantinedLine]] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)
    """Lines that match the selected time, but not the selected reason."""


@dataclass(slots=True)
class ReplayResult:
    """The number of lines published again, and of the lines that are still refused, by reason."""

    replayed: int = 0
    objects: int = 0
    still_refused: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    """As in ``Survey``."""

    @property
    def lines(self) -> int:
        """Number of lines that match the selection."""
        return self.replayed + self.still_refused.total()


@dataclass(frozen=True, slots=True)
class Selection:
    """Lines received at or after ``since`` (aware) and refused for ``reason``; ``None`` selects all."""

    since: datetime | None = None
    reason: str | None = None

    def is_recent(self, line: QuarantinedLine) -> bool:
        """Whether the line matches ``since``."""
        return self.since is None or line.received_at >= self.since

    def matches(self, line: QuarantinedLine) -> bool:
        """Whether the line matches ``since`` and ``reason``."""
        return self.is_recent(line) and self.reason in {None, line.reason}


ALL_LINES = Selection()


def parse_entry(entry: dict[str, Any]) -> QuarantinedLine:
    """Parse a JSON object of the quarantine. Raises ``KeyError`` or ``ValueError`` for any other object."""
    raw = base64.b64decode(entry["raw_base64"]) if "raw_base64" in entry else entry["raw"].encode()
    return QuarantinedLine(
        reason=entry["reason"],
        detail=entry["detail"],
        line=raw,
        message_id=entry["message_id"],
        position=entry["position"],
        received_at=datetime.fromisoformat(entry["received_at"]),
        entry=entry,
    )


def read_objects(
    s3: S3Client, bucket: str, since: datetime | None = None
) -> Iterator[tuple[str, list[QuarantinedLine]]]:
    """Key and lines of each object of the quarantine, oldest first. Raises ``DamagedObjectError``.

    Objects without a line since ``since`` (aware) may be left out.
    """
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=s3_prefixes.QUARANTINE, StartAfter=_start_after(since)
    )
    for page in pages:
        for listed in page.get("Contents", []):
            modified_at = listed.get("LastModified")
            if since and modified_at and modified_at + _MAX_CLOCK_SKEW < since:
                continue  # all its lines were received before
            body = s3.get_object(Bucket=bucket, Key=listed["Key"])["Body"].read()
            try:
                yield listed["Key"], [parse_entry(json.loads(line)) for line in body.splitlines()]
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise DamagedObjectError(
                    f"s3://{bucket}/{listed['Key']} is not in the format that the validator writes"
                ) from error


def _start_after(since: datetime | None) -> str:
    """The key after which objects may contain lines received at or after ``since``.

    An object is stored under the hour of its earliest line, and after an outage its last line may be later by as much
    as the stream's retention.
    """
    try:
        day = None if since is None else (since.astimezone(UTC) - MAX_STREAM_RETENTION).date()
    except OverflowError:  # before the calendar begins
        day = None
    return s3_prefixes.QUARANTINE if day is None else f"{s3_prefixes.QUARANTINE}date={day.isoformat()}/"


def survey(s3: S3Client, bucket: str, *, selection: Selection = ALL_LINES, examples: int = 3, now: datetime) -> Survey:
    """Count the lines in quarantine and keep up to ``examples`` lines of each reason."""
    result = Survey()
    for _, lines in read_objects(s3, bucket, selection.since):
        recent = [line for line in lines if selection.is_recent(line)]
        matches = [line for line in recent if selection.matches(line)]
        result.others.update(line.reason for line in recent if not selection.matches(line))
        result.objects += bool(matches)
        for line in matches:
            result.lines += 1
            result.reasons[line.reason] += 1
            result.accepted_now[line.reason] += isinstance(parse_again(line, now), Sample)
            kept = result.examples.setdefault(line.reason, [])
            if len(kept) < examples:
                kept.append(line)
    return result


def parse_again(line: QuarantinedLine, now: datetime) -> Sample | InvalidInputError:
    """Parse a line with the current schema: the sample with the id of its first delivery, or the error.

    A line that was refused for a time in the future is parsed as of ``now``; a workshop row keeps its arrival time.
    """
    received_at = max(line.received_at, now) if line.reason == "in_the_future" else line.received_at
    try:
        return parse_line(line.line, message_id=line.message_id, position=line.position, received_at=received_at)
    except InvalidInputError as error:
        return error


def replay(
    s3: S3Client,
    bucket: str,
    publisher: Publisher,
    *,
    selection: Selection = ALL_LINES,
    dry_run: bool = False,
    now: datetime,
) -> ReplayResult:
    """Publish every selected line again that is accepted now. Raises ``PublishError``; a repeated call continues.

    The lines of an object are published, then stored under ``replayed/``, then removed from the quarantine; lines that
    are still refused stay. A crash between these steps repeats samples with the same ids, which a dataset counts once.
    A workshop row is published as a sample with the id that its first delivery gave it.
    """
    result = ReplayResult()
    for key, lines in read_objects(s3, bucket, selection.since):
        others = [line for line in lines if not selection.matches(line)]
        parsed = [(line, parse_again(line, now)) for line in lines if selection.matches(line)]
        samples = [sample for _, sample in parsed if isinstance(sample, Sample)]
        refused = [(line, error) for line, error in parsed if isinstance(error, InvalidInputError)]
        result.still_refused.update(error.reason for _, error in refused)
        result.others.update(line.reason for line in others if selection.is_recent(line))
        if not samples:
            continue
        result.replayed += len(samples)
        result.objects += 1
        if dry_run:
            continue
        batcher = Batcher()
        messages = batcher.add(
            Line(sample.model_dump_json(exclude_none=True), LineKind.SAMPLE, sample.sample_id) for sample in samples
        )
        confirmed = publisher.publish(messages + batcher.flush())
        if confirmed < len(samples):
            raise PublishError(f"SNS did not confirm {len(samples) - confirmed} lines; repeat the command to continue")
        replayed = _to_ndjson([line.entry for line, sample in parsed if isinstance(sample, Sample)])
        # The digest keeps the results of several replays of one object apart.
        digest = hashlib.sha256(replayed).hexdigest()[:16]
        name = key.removeprefix(s3_prefixes.QUARANTINE).removesuffix(".ndjson")
        s3.put_object(
            Bucket=bucket, Key=f"{s3_prefixes.REPLAYED}{name}-{digest}.ndjson", Body=replayed, ContentType=_NDJSON
        )
        if refused or others:
            remaining = _to_ndjson([line.entry for line in [*others, *(line for line, _ in refused)]])
            s3.put_object(Bucket=bucket, Key=key, Body=remaining, ContentType=_NDJSON)
        else:
            s3.delete_object(Bucket=bucket, Key=key)
    return result


def _to_ndjson(entries: list[dict[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(entry, separators=(',', ':'))}\n" for entry in entries).encode()
