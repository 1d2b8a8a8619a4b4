"""Packing lines into messages: many samples in one message is what makes the backend cheap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dwell.messaging.line import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dwell.messaging.line import Line

MAX_LINES = 120
"""Lines in a message: about 57 KB of samples. A publish is billed in steps of 64 KB, and this fills one."""

MAX_BYTES = 256 * 1024
"""What SNS takes in one message, and in one batch of messages."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is published at once: lines, joined by newlines."""

    lines: tuple[Line, ...]

    @property
    def text(self) -> str:
        """The message's body."""
        return "\n".join(line.text for line in self.lines)

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return len(self.text.encode())


class Packer:
    """Collects lines until a message is full. Workshop rows go into messages of their own: their sender knows no JSON.

    At most ``max_lines`` lines and ``max_bytes`` bytes go into a message.
    """

    def __init__(self, *, max_lines: int = MAX_LINES, max_bytes: int = MAX_BYTES) -> None:
        if not (max_lines >= 1 and 1 <= max_bytes <= MAX_BYTES):
            raise ValueError(f"a message needs room for a line, and SNS takes at most {MAX_BYTES} bytes")
        self._max_lines = max_lines
        self._max_bytes = max_bytes
        self._waiting: dict[bool, list[Line]] = {False: [], True: []}
        self._bytes = {False: 0, True: 0}

    def add(self, lines: Iterable[Line]) -> list[Message]:
        """Take ``lines``; answers the messages that became full. Raises ``ValueError`` for a line larger than one."""
        full = []
        for line in lines:
            is_row = line.kind is Kind.ROW
            size = len(line.text.encode()) + 1
            if size - 1 > self._max_bytes:
                raise ValueError(f"a line of {size - 1} bytes does not fit into a message of {self._max_bytes}")
            if self._bytes[is_row] + size - 1 > self._max_bytes:
                full.append(self._message(is_row))
            self._waiting[is_row].append(line)
            self._bytes[is_row] += size
            if len(self._waiting[is_row]) == self._max_lines:
                full.append(self._message(is_row))
        return full

    def flush(self) -> list[Message]:
        """The messages that are not full yet."""
        return [self._message(is_row) for is_row, lines in self._waiting.items() if lines]

    def _message(self, is_row: bool) -> Message:
        message = Message(tuple(self._waiting[is_row]))
        self._waiting[is_row] = []
        self._bytes[is_row] = 0
        return message
