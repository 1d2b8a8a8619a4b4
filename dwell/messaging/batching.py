"""Groups lines into messages. Many samples in one message keep the backend cheap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dwell.messaging.line import LineKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dwell.messaging.line import Line

MAX_LINES_PER_MESSAGE = 120
"""About 57 KB of samples: a publish is billed in steps of 64 KB (https://aws.amazon.com/sns/pricing/)."""

MAX_MESSAGE_BYTES = 256 * 1024
"""SNS's limit for a message, and for a batch of messages:
https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
"""


@dataclass(frozen=True, slots=True)
class Message:
    """Lines that are published together, joined by newlines."""

    lines: tuple[Line, ...]

    @property
    def text(self) -> str:
        """The body."""
        return "\n".join(line.text for line in self.lines)

    @property
    def size(self) -> int:
        """The size of the body in bytes."""
        return len(self.text.encode())


class Batcher:
    """Collects lines into messages of at most ``max_lines`` lines and ``max_bytes`` bytes.

    Workshop rows get messages of their own, as their senders know no JSON.
    """

    def __init__(self, *, max_lines: int = MAX_LINES_PER_MESSAGE, max_bytes: int = MAX_MESSAGE_BYTES) -> None:
        if not (max_lines >= 1 and 1 <= max_bytes <= MAX_MESSAGE_BYTES):
            raise ValueError(f"a message holds at least one line, and at most {MAX_MESSAGE_BYTES} bytes")
        self._max_lines = max_lines
        self._max_bytes = max_bytes
        self._pending: dict[bool, list[Line]] = {False: [], True: []}
        self._pending_bytes = {False: 0, True: 0}

    def add(self, lines: Iterable[Line]) -> list[Message]:
        """Add ``lines``; returns the messages that are full. Raises ``ValueError`` for a line larger than a message."""
        full = []
        for line in lines:
            is_row = line.kind is LineKind.ROW
            size = len(line.text.encode()) + 1
            if size - 1 > self._max_bytes:
                raise ValueError(f"a line of {size - 1} bytes does not fit into a message of {self._max_bytes}")
            if self._pending_bytes[is_row] + size - 1 > self._max_bytes:
                full.append(self._complete(is_row))
            self._pending[is_row].append(line)
            self._pending_bytes[is_row] += size
            if len(self._pending[is_row]) == self._max_lines:
                full.append(self._complete(is_row))
        return full

    def flush(self) -> list[Message]:
        """Return the messages that are not full, and start new ones."""
        return [self._complete(is_row) for is_row, lines in self._pending.items() if lines]

    def _complete(self, is_row: bool) -> Message:
        message = Message(tuple(self._pending[is_row]))
        self._pending[is_row] = []
        self._pending_bytes[is_row] = 0
        return message
