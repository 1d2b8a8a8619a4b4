"""The journal of a file's publication, so that an interrupted publication continues where it stopped.

The journal is NDJSON: the first line describes the publication, then one line for each message that SNS confirmed. It
is only appended to, so a crash leaves at most an incomplete last line, which is removed at the next start.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any, Self

from dwell.console.errors import ReportedError
from dwell.console.exit_status import UNUSABLE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


_FIRST_BYTES = '{"digest": "'
_NOT_A_JOURNAL = "not the journal of a publication; move it away, or give --state"


class JournalError(ReportedError):
    """The journal belongs to another publication, or is in use; the message says what to do."""


class JournalLocationError(JournalError):
    """A journal cannot be written at that location."""

    exit_status = UNUSABLE


@dataclass(frozen=True, slots=True)
class Publication:
    """What is published: the file, by the digest of its content and its number of records, and the topic's ARN."""

    digest: str
    records: int
    topic: str


class Journal:
    """A context manager; while it is open, no other process can open the same journal. ``restart`` clears it.

    A journal without a confirmed record is removed when it is closed. Raises ``JournalError`` and ``OSError``.
    """

    def __init__(self, path: Path, publication: Publication, *, now: datetime, restart: bool = False) -> None:
        self.path = path
        self.started_at = now.astimezone(UTC).replace(microsecond=0)
        """Time of the first attempt."""
        self.publication = publication
        self._restart = restart
        self._confirmed = bytearray(publication.records + 1)
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        check_location(self.path)
        self._file = self.path.open("a+", encoding="utf-8")
        try:
            self._lock()
            if self._restart:
                self._file.truncate(0)
            self._file.seek(0)
            self._read()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            if not self.confirmed and self.path.is_file() and self._is_same_file():  # never remove a device
                # Before the lock is released: a process that has opened the file meanwhile notices that it is gone.
                self.path.unlink()
            self._file.close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalError(f"{self.path} is in use: the file is being published right now") from None
        if not self._is_same_file():
            raise JournalError(f"{self.path} was in use until now; try again")

    def _is_same_file(self) -> bool:
        """Whether the open file is still the one with that name."""
        try:
            return os.path.samestat(self.path.stat(), os.fstat(self._opened.fileno()))
        except FileNotFoundError:
            return False

    @property
    def _opened(self) -> IO[str]:
        if self._file is None:
            raise RuntimeError("the journal is not open")
        return self._file

    @property
    def confirmed(self) -> int:
        """Number of records that SNS has confirmed."""
        return self._confirmed.count(1)

    def has(self, number: int) -> bool:
        """Whether the record with that number is confirmed."""
        return bool(self._confirmed[number])

    def confirm(self, numbers: Sequence[int], message_id: str) -> None:
        """Record that SNS accepted the records with these numbers (ascending) in one message."""
        ranges = _to_ranges(numbers)
        self._mark(ranges)
        self._write({"records": ranges, "message_id": message_id})

    def _describe_difference(self, head: dict[str, Any]) -> str:
        if head.get("topic") != self.publication.topic:
            return "topic; give --restart to start over, or another --state"
        return (
            "content of the file. If lines were added, publish them alone, as a file of their own. With --restart, or "
            "another --state, the whole file is sent: lines without a sample_id of their own get new ones, and those "
            "that were published before count twice"
        )

    def _mark(self, ranges: Sequence[tuple[int, int]]) -> None:
        for first, last in ranges:
            self._confirmed[first : last + 1] = b"\x01" * (last + 1 - first)

    def _write(self, entry: dict[str, Any]) -> None:
        self._opened.write(json.dumps(entry) + "\n")
        self._opened.flush()

    def _read(self) -> None:
        publication = {
            "digest": self.publication.digest,
            "records": self.publication.records,
            "topic": self.publication.topic,
        }
        try:
            content = self._opened.read()
            complete, newline, incomplete = content.rpartition("\n")
            if not complete and incomplete[: len(_FIRST_BYTES)] != _FIRST_BYTES[: len(incomplete)]:
                raise JournalError(f"{self.path} is {_NOT_A_JOURNAL}")
            head, entries = _parse(complete) if complete else (None, [])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise JournalError(f"{self.path} is {_NOT_A_JOURNAL}") from error
        if incomplete:
            self._opened.truncate(len((complete + newline).encode()))
        if head is None:
            self._write({**publication, "started_at": self.started_at.isoformat()})
            return
        self.started_at = datetime.fromisoformat(head.pop("started_at"))
        if head != publication:
            raise JournalError(f"{self.path} is the journal of another {self._describe_difference(head)}")
        if any(not 1 <= first <= last <= self.publication.records for first, last in entries):
            raise JournalError(f"{self.path} lists records that the file does not have; move it away")
        self._mark(entries)


def check_location(path: Path) -> None:
    """Raise ``JournalLocationError`` if no journal can be written at ``path``. Nothing is created or changed."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise JournalLocationError(f"no journal can be kept at {path}: there is no folder {folder}")
    if path.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise JournalLocationError(f"no journal can be kept at {path}: it cannot be written to; give another --state")


def _parse(text: str) -> tuple[dict[str, Any], list[tuple[int, int]]]:
    """The first line, and the ranges of all others. Raises various errors for text that is not a journal."""
    head, *entries = (json.loads(line) for line in text.splitlines())
    datetime.fromisoformat(head["started_at"])
    return head, [(int(first), int(last)) for entry in entries for first, last in entry["records"]]


def _to_ranges(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending numbers as first and last of each run: 1 2 3 7 is (1, 3) (7, 7)."""
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges
