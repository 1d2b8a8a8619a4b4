"""Publish a file: records become lines, lines fill messages, and what SNS confirmed is written into a journal."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from dwell.messaging.batching import Packer
from dwell.messaging.line import Kind, Line
from dwell.messaging.publisher import PublishError, is_hopeless
from dwell.messaging.record_encoder import Origin, line
from dwell.messaging.samples_file import SamplesFileError, records
from dwell.operations.file_validation import MAX_LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path
    from threading import Event

    from dwell.messaging.batching import Message
    from dwell.operations.publish_journal import Journal

MESSAGE_BYTES = MAX_LINE_BYTES
"""SNS takes 256 KB and bills every 64 KB, so a larger message would save nothing and lose more when it is repeated."""

_WINDOW = 16
"""Messages that are sent before the journal is written: a megabyte."""

_PAUSES = (0.0, 0.5, 2.0, 5.0)
"""Seconds before each attempt at a message; botocore has its own attempts within each."""


class Sender(Protocol):
    """What sends messages: a ``Publisher``."""

    def send(self, messages: Sequence[Message]) -> Iterator[tuple[Message, str | Exception]]:
        """Each message with its SNS message id or the error."""
        ...


@dataclass(slots=True)
class Pace:
    """At most so many bytes a second, on average since the start. 0: no limit."""

    bytes_per_second: float
    clock: Callable[[], float] = time.monotonic
    _sent: int = 0
    _started: float | None = field(default=None)

    def wait(self, size: int) -> float:
        """Seconds to wait before ``size`` more bytes go out."""
        now = self.clock()
        self._started = now if self._started is None else self._started
        due = self._started + self._sent / self.bytes_per_second if self.bytes_per_second else now
        self._sent += size
        return max(0.0, due - now)


def publish(
    path: Path,
    origin: Origin,
    journal: Journal,
    sender: Sender,
    *,
    skipped: AbstractSet[int],
    pace: Pace,
    stop: Event,
    advance: Callable[[int], None],
) -> int:
    """Publish what the journal does not have yet, until ``stop`` is set; how many messages SNS took.

    ``skipped`` are numbers of records to leave out. ``advance`` hears after every message how many records it had.
    Raises ``PublishError`` when SNS does not take a message, ``SamplesFileError`` when the file has grown since it was
    checked; what SNS took is in the journal then.
    """
    taken = 0
    for window in _windows(_messages(path, origin, journal, skipped)):
        if stop.wait(pace.wait(sum(message.size for message in window))):
            break
        for message, message_id in _confirmed(window, sender, stop):
            journal.confirm([int(one.identity) for one in message.lines], message_id)
            taken += 1
            advance(len(message.lines))
        if stop.is_set():
            break
    return taken


def _messages(path: Path, origin: Origin, journal: Journal, skipped: AbstractSet[int]) -> Iterator[Message]:
    packer = Packer(max_lines=MESSAGE_BYTES, max_bytes=MESSAGE_BYTES)  # as many lines as there is room for
    for record in records(path):
        if record.number > origin.records:
            raise SamplesFileError(
                f"the file changed while it was published: {path} had {origin.records:,} samples when it was checked, "
                "and has more by now"
            )
        if not journal.has(record.number) and record.number not in skipped:
            yield from packer.add([Line(line(record, origin), Kind.SAMPLE, str(record.number))])
    yield from packer.flush()


def _windows(messages: Iterable[Message]) -> Iterator[list[Message]]:
    window: list[Message] = []
    for message in messages:
        window.append(message)
        if len(window) == _WINDOW:
            yield window
            window = []
    if window:
        yield window


def _confirmed(window: list[Message], sender: Sender, stop: Event) -> Iterator[tuple[Message, str]]:
    """The messages that SNS took. Raises ``PublishError``, after those, if others it never took."""
    waiting, error = window, None
    for pause in _PAUSES:
        if not waiting or stop.wait(pause):
            return
        refused = []
        for message, answer in sender.send(waiting):
            if isinstance(answer, str):
                yield message, answer
            else:
                refused.append(message)
                error = answer
        waiting = refused
        if error is not None and is_hopeless(error):
            break
    if waiting:
        raise PublishError(f"SNS does not take the samples: {error}") from error
