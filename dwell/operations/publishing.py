"""Publishing a file of samples: checked first, packed, and resumable.

A file beside it (``<name>.published``) says how far SNS has confirmed. Whoever runs the command again after an
interruption goes on there; what was on its way is sent again under the same ids, so nothing counts twice.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import batched
from typing import TYPE_CHECKING, Literal

from dwell.fleet.line import Kind, Line
from dwell.fleet.packing import Packer
from dwell.fleet.publisher import PublishError
from dwell.operations import samples_file
from feature_schema import Refusal, parse_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dwell.fleet.publisher import Publisher

CHUNK = 4_000
"""Lines between two notes of how far SNS has confirmed."""

_EXAMPLES = 5

type Refused = Literal["stop", "skip", "send"]


class RefusedLinesError(ValueError):
    """The file has lines that the validator would refuse, and it was not said what to do with them."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a file is published. ``line`` lines are done; ``ends_at`` is the time given to the last row."""

    digest: str
    ends_at: str
    lines: int
    line: int = 0


@dataclass(frozen=True, slots=True)
class Check:
    """What the schema says about a whole file: lines accepted, and lines refused by reason with examples."""

    lines: int
    accepted: int
    refused: Counter[str]
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """The outcome. ``resumed_at`` is the line an earlier run had come to."""

    lines: int
    published: int
    skipped: int
    resumed_at: int


def note_of(path: Path) -> Path:
    """Where it is noted how far a file is published."""
    return path.with_name(f"{path.name}.published")


def _refusal(line: samples_file.FileLine, now: datetime) -> Refusal | None:
    try:
        parse_line(line.text.encode("utf-8", "surrogateescape"), message_id="file", position=0, received_at=now)
    except Refusal as refusal:
        return refusal
    return None


def check(path: Path) -> Check:
    """Read the whole file once. Raises ``SamplesFileError`` if it cannot be read at all."""
    now = datetime.now(UTC)
    refused: Counter[str] = Counter()
    examples: list[str] = []
    lines = 0
    for line in samples_file.read(path, content="", ends_at=now):
        lines += 1
        refusal = _refusal(line, now)
        if refusal is not None:
            refused[refusal.reason] += 1
            if len(examples) < _EXAMPLES:
                examples.append(f"line {line.number}: {refusal}")
    return Check(lines, lines - refused.total(), refused, tuple(examples))


def publish(
    path: Path, publisher: Publisher, *, refused: Refused, checked: Check, on_progress: Callable[[int], None]
) -> Published:
    """Publish what has not been confirmed yet. ``on_progress`` hears how many lines of the file are done.

    Raises ``RefusedLinesError`` (before anything is sent), ``PublishError`` and ``OSError``; run it again to go on.
    """
    if checked.refused and refused == "stop":
        reasons = ", ".join(f"{count} {reason}" for reason, count in checked.refused.most_common())
        raise RefusedLinesError("\n".join([f"{checked.refused.total()} lines would be refused: {reasons}",
                                           *checked.examples]))  # fmt: skip
    progress = _noted(path, checked.lines)
    resumed_at = progress.line
    published = skipped = 0
    ends_at = datetime.fromisoformat(progress.ends_at)
    lines = samples_file.read(path, content=progress.digest, ends_at=ends_at, count=checked.lines)
    done = 0
    for chunk in batched(lines, CHUNK):
        before, done = done, done + len(chunk)
        if done <= progress.line:
            continue
        fresh = chunk[max(0, progress.line - before) :]
        sent = [line for line in fresh if refused == "send" or _refusal(line, datetime.now(UTC)) is None]
        skipped += len(fresh) - len(sent)
        packer = Packer()
        # SNS takes text only: bytes that are no UTF-8 go as the replacement character, and are refused as such
        texts = (line.text.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for line in sent)
        messages = packer.add(Line(text, Kind.SAMPLE) for text in texts if text) + packer.flush()
        expected = sum(len(message.lines) for message in messages)
        confirmed = publisher.publish(messages)
        if confirmed < expected:
            codes = ", ".join(f"{code}: {count}" for code, count in publisher.ledger.failures.items())
            raise PublishError(f"SNS did not confirm {expected - confirmed} lines ({codes}); run it again to go on")
        published += confirmed
        progress = replace(progress, line=done)
        note_of(path).write_text(json.dumps(asdict(progress)) + "\n", encoding="utf-8")
        on_progress(done)
    note_of(path).write_text(json.dumps(asdict(progress)) + "\n", encoding="utf-8")
    return Published(checked.lines, published, skipped, resumed_at)


def _noted(path: Path, lines: int) -> Progress:
    """How far an earlier run came; from the beginning if there was none, or if the file has changed since."""
    content = samples_file.digest(path)
    try:
        noted = Progress(**json.loads(note_of(path).read_text(encoding="utf-8")))
    except FileNotFoundError:
        noted = None
    except (ValueError, TypeError) as error:
        raise samples_file.SamplesFileError(f"{note_of(path)} is not a note of ours; delete it: {error}") from error
    if noted is not None and noted.digest == content:
        return noted
    return Progress(content, datetime.now(UTC).isoformat(), lines)
