"""Publishes a file: records become lines, lines fill messages, and a journal records what SNS confirmed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from dwell.messaging.batching import Batcher
from dwell.messaging.line import Line, LineKind
from dwell.messaging.publisher import PublishError, is_permanent
from dwell.messaging.record_encoder import FileOrigin, encode_record
from dwell.messaging.samples_file import SamplesFileError, read_records
from dwell.operations.file_validation import MAX_LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path
    from threading import Event

    from dwell.messaging.batching import Message
    from dwell.operations.publish_journal import Journal

MAX_MESSAGE_BYTES = MAX_LINE_BYTES
"""SNS accepts 256 KB and bills every 64 KB (https://aws.amazon.com/sns/pricing/): a larger message would save nothing
and lose more when it is repeated."""

_MESSAGES_PER_WINDOW = 16
"""Messages that are sent before the journal is written: one megabyte."""

_RETRY_DELAYS_SECONDS = (0.0, 0.5, 2.0, 5.0)
"""Delay before each attempt at a message; botocore makes its own attempts within each."""


class Sender(Protocol):
    """The part of ``Publisher`` that is needed here."""

    def send(self, messages: Sequence[Message]) -> Iterator[tuple[Message, str | Exception]]:
        """Each message with its SNS message id, or with the error."""
        ...


@dataclass(slots=True)
class RateLimit:
    """Limits the average rate since the start. ``bytes_per_second`` 0: no limit."""

    bytes_per_second: float
    clock: Callable[[], float] = time.monotonic
    _sent_bytes: int = 0
    _started_at: float | None = field(default=None)

    def wait(self, size: int) -> float:
        """Count ``size`` more bytes; returns the seconds to wait before sending them."""
        now = self.clock()
        self._started_at = now if self._started_at is None else self._started_at
        due = self._started_at + self._sent_bytes / self.bytes_per_second if self.bytes_per_second else now
        self._sent_bytes += size
        return max(0.0, due - now)


def publish_file(
    path: Path,
    origin: FileOrigin,
    journal: Journal,
    sender: Sender,
    *,
    skipped: AbstractSet[int],
    rate_limit: RateLimit,
    stop: Event,
    on_progress: Callable[[int], None],
) -> int:
    """Publish the records that are not in the journal until ``stop`` is set; returns the number of messages sent.

    ``skipped`` are numbers of records to leave out. ``on_progress`` is called after each message with its number of
    records. Raises ``PublishError`` if SNS does not accept a message, ``SamplesFileError`` if the file has grown since
    its validation; the journal then contains what SNS has accepted.
    """
    sent = 0
    for window in _group_windows(_build_messages(path, origin, journal, skipped)):
        if stop.wait(rate_limit.wait(sum(message.size for message in window))):
            break
        for message, message_id in _send_with_retries(window, sender, stop):
            journal.confirm([int(line.identity) for line in message.lines], message_id)
            sent += 1
            on_progress(len(message.lines))
        if stop.is_set():
            break
    return sent


def _build_messages(path: Path, origin: FileOrigin, journal: Journal, skipped: AbstractSet[int]) -> Iterator[Message]:
    # No limit to the number of lines: only the size of a message counts.
    batcher = Batcher(max_lines=MAX_MESSAGE_BYTES, max_bytes=MAX_MESSAGE_BYTES)
    for record in read_records(path):
        if record.number > origin.records:
            raise SamplesFileError(
                f"the file changed while it was published: {path} had {origin.records:,} samples when it was checked, "
                "and now has more"
            )
        if not journal.has(record.number) and record.number not in skipped:
            yield from batcher.add([Line(encode_record(record, origin), LineKind.SAMPLE, str(record.number))])
    yield from batcher.flush()


def _group_windows(messages: Iterable[Message]) -> Iterator[list[Message]]:
    window: list[Message] = []
    for message in messages:
        window.append(message)
        if len(window) == _MESSAGES_PER_WINDOW:
            yield window
            window = []
    if window:
        yield window


def _send_with_retries(window: list[Message], sender: Sender, stop: Event) -> Iterator[tuple[Message, str]]:
    """The messages that SNS accepted. Raises ``PublishError`` at the end if it did not accept all."""
    pending, error = window, None
    for delay in _RETRY_DELAYS_SECONDS:
        if not pending or stop.wait(delay):
            return
        failed = []
        for message, result in sender.send(pending):
            if isinstance(result, str):
                yield message, result
            else:
                failed.append(message)
                error = result
        pending = failed
        if error is not None and is_permanent(error):
            break
    if pending:
        raise PublishError(f"SNS does not accept the samples: {error}") from error
