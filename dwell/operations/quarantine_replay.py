"""Looking into the quarantine, and putting lines back that the schema accepts by now."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from dwell.messaging.batching import Packer
from dwell.messaging.line import Kind, Line
from dwell.messaging.publisher import PublishError
from feature_schema import InvalidInputError, Sample, parse_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

    from dwell.messaging.publisher import Publisher

PREFIX = "quarantine/"
REPLAYED = "replayed/"
"""Where lines are kept that were put back."""


class DamagedObjectError(ValueError):
    """An object of the quarantine that is not as the validator writes them; the message names it."""


LONGEST_RETENTION = timedelta(hours=8_760)
"""The longest that a stream may keep samples which cannot be delivered yet (``StreamRetentionHours``)."""

_CLOCKS = timedelta(minutes=5)
"""How far the clocks of the stream and of the bucket may be apart."""

_NDJSON = "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class Held:
    """A refused line as the validator wrote it. ``entry`` is its whole record."""

    reason: str
    detail: str
    line: bytes
    message_id: str
    position: int
    received_at: datetime
    entry: dict[str, Any]


@dataclass(slots=True)
class Survey:
    """How many lines wait, by reason, with examples of each."""

    lines: int = 0
    objects: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    accepted_now: Counter[str] = field(default_factory=Counter)
    """How many of them the schema accepts by now: what a replay would put back."""
    examples: dict[str, list[Held]] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)
    """Lines that came in the chosen time but were refused for another reason than the chosen one."""


@dataclass(slots=True)
class Replay:
    """What a replay did: lines put back, and lines that are still refused, by reason."""

    replayed: int = 0
    objects: int = 0
    still_refused: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    """As in a survey."""

    @property
    def found(self) -> int:
        """Lines that were meant."""
        return self.replayed + self.still_refused.total()


def held(entry: dict[str, Any]) -> Held:
    """A record of the quarantine, read. Raises ``KeyError`` or ``ValueError`` for something else."""
    raw = base64.b64decode(entry["raw_base64"]) if "raw_base64" in entry else entry["raw"].encode()
    return Held(
        reason=entry["reason"],
        detail=entry["detail"],
        line=raw,
        message_id=entry["message_id"],
        position=entry["position"],
        received_at=datetime.fromisoformat(entry["received_at"]),
        entry=entry,
    )


def objects(s3: S3Client, bucket: str, since: datetime | None = None) -> Iterator[tuple[str, list[Held]]]:
    """Each object of the quarantine with its lines, oldest first; those without a line since ``since`` (aware) may be
    left out.

    Raises ``DamagedObjectError``.
    """
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=PREFIX, StartAfter=_start(since))
    for page in pages:
        for found in page.get("Contents", []):
            written = found.get("LastModified")
            if since and written and written + _CLOCKS < since:
                continue  # all its lines had been received by then
            body = s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()
            try:
                yield found["Key"], [held(json.loads(line)) for line in body.splitlines()]
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise DamagedObjectError(f"s3://{bucket}/{found['Key']} is not as the validator writes it") from error


def _start(since: datetime | None) -> str:
    """The key after which objects may have lines since then.

    An object lies under the hour of its earliest line, and after an outage its last one may have come much later: as
    long as the stream keeps samples.
    """
    try:
        day = None if since is None else (since.astimezone(UTC) - LONGEST_RETENTION).date()
    except OverflowError:  # before the calendar begins
        day = None
    return PREFIX if day is None else f"{PREFIX}date={day.isoformat()}/"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which lines: received at or after ``since`` (aware), refused for ``reason``. Nothing said: all."""

    since: datetime | None = None
    reason: str | None = None

    def is_recent(self, line: Held) -> bool:
        """Whether a line came in time."""
        return self.since is None or line.received_at >= self.since

    def takes(self, line: Held) -> bool:
        """Whether a line is meant."""
        return self.is_recent(line) and self.reason in {None, line.reason}


ALL = Chosen()


def survey(s3: S3Client, bucket: str, *, chosen: Chosen = ALL, examples: int = 3, now: datetime) -> Survey:
    """Count what waits in quarantine."""
    seen = Survey()
    for _, held_lines in objects(s3, bucket, chosen.since):
        recent = [line for line in held_lines if chosen.is_recent(line)]
        lines = [line for line in recent if chosen.takes(line)]
        seen.others.update(line.reason for line in recent if not chosen.takes(line))
        seen.objects += bool(lines)
        for line in lines:
            seen.lines += 1
            seen.reasons[line.reason] += 1
            seen.accepted_now[line.reason] += isinstance(accepted_now(line, now), Sample)
            shown = seen.examples.setdefault(line.reason, [])
            if len(shown) < examples:
                shown.append(line)
    return seen


def accepted_now(line: Held, now: datetime) -> Sample | InvalidInputError:
    """What the schema of today says about a line: the sample, under the id that it had or would have had.

    What was ahead of its time is looked at as of ``now``; a workshop row keeps the time when it was received.
    """
    at = max(line.received_at, now) if line.reason == "in_the_future" else line.received_at
    try:
        return parse_line(line.line, message_id=line.message_id, position=line.position, received_at=at)
    except InvalidInputError as refusal:
        return refusal


def replay(
    s3: S3Client, bucket: str, publisher: Publisher, *, chosen: Chosen = ALL, dry_run: bool = False, now: datetime
) -> Replay:
    """Put every chosen line back that is accepted by now, each once. Raises ``PublishError``; run it again to go on.

    An object is first published, then kept under ``replayed/``, then taken out of the quarantine (lines that are
    still refused stay). Dying in between repeats samples under the same ids, of which a dataset takes each once. A
    workshop row goes back as a sample with the id that its first delivery gave it.
    """
    done = Replay()
    for key, lines in objects(s3, bucket, chosen.since):
        others = [line for line in lines if not chosen.takes(line)]
        answers = [(line, accepted_now(line, now)) for line in lines if chosen.takes(line)]
        samples = [answer for _, answer in answers if isinstance(answer, Sample)]
        still = [(line, answer) for line, answer in answers if isinstance(answer, InvalidInputError)]
        done.still_refused.update(answer.reason for _, answer in still)
        done.others.update(line.reason for line in others if chosen.is_recent(line))
        if not samples:
            continue
        done.replayed += len(samples)
        done.objects += 1
        if dry_run:
            continue
        packer = Packer()
        texts = [sample.model_dump_json(exclude_none=True) for sample in samples]
        messages = packer.add(Line(text, Kind.SAMPLE, sample.sample_id) for text, sample in
                              zip(texts, samples, strict=True)) + packer.flush()  # fmt: skip
        confirmed = publisher.publish(messages)
        if confirmed < len(samples):
            raise PublishError(f"SNS did not confirm {len(samples) - confirmed} lines; run it again to go on")
        put_back = _document([line.entry for line, answer in answers if isinstance(answer, Sample)])
        # The name says what is in it: what a later replay of the same object puts back is another object.
        digest = hashlib.sha256(put_back).hexdigest()[:16]
        name = key.removeprefix(PREFIX).removesuffix(".ndjson")
        s3.put_object(Bucket=bucket, Key=f"{REPLAYED}{name}-{digest}.ndjson", Body=put_back, ContentType=_NDJSON)
        if still or others:
            left = _document([line.entry for line in [*others, *(line for line, _ in still)]])
            s3.put_object(Bucket=bucket, Key=key, Body=left, ContentType=_NDJSON)
        else:
            s3.delete_object(Bucket=bucket, Key=key)
    return done


def _document(entries: list[dict[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(entry, separators=(',', ':'))}\n" for entry in entries).encode()
