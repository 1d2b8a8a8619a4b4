"""What has been published of a file, so that an interrupted publication goes on where it stopped.

The journal is NDJSON: whose it is in the first line, then a line for each message that SNS confirmed. It is only
appended to, so a process that dies leaves at worst half a last line, which is cut off.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


_BEGINNING = '{"digest": "'
_NONE = "no journal of a publication; move it away, or give --state"


class JournalError(RuntimeError):
    """The journal is another file's, or in use; the message says what to do."""


class JournalPlaceError(JournalError):
    """There can be no journal at that place."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is published where: the file by the digest of its content, its number of records, the topic."""

    digest: str
    records: int
    topic: str


class Journal:
    """Use it as a context manager; meanwhile nobody else can. ``restart``: what it has is forgotten.

    A journal in which nothing is confirmed when it is closed has nothing to tell, and is removed. Raises
    ``JournalError`` and ``OSError``.
    """

    def __init__(self, path: Path, subject: Subject, *, now: datetime, restart: bool = False) -> None:
        self.path = path
        self.started_at = now.astimezone(UTC).replace(microsecond=0)
        """When the file was first published."""
        self.subject = subject
        self._restart = restart
        self._confirmed = bytearray(subject.records + 1)
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        check_place(self.path)
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
            if not self.confirmed and self.path.is_file() and self._is_there():  # a device is nobody's journal
                self.path.unlink()  # before the lock is gone: who opens it meanwhile sees that it is not there any more
            self._file.close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalError(f"{self.path} is in use: the file is being published right now") from None
        if not self._is_there():
            raise JournalError(f"{self.path} was in use until now; try again")

    def _is_there(self) -> bool:
        """Whether the file that is open is still the one of that name."""
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
        """How many records SNS has confirmed."""
        return self._confirmed.count(1)

    def has(self, number: int) -> bool:
        """Whether a record is confirmed."""
        return bool(self._confirmed[number])

    def confirm(self, numbers: Sequence[int], message_id: str) -> None:
        """SNS took the records with these numbers (rising) in one message."""
        ranges = _ranges(numbers)
        self._mark(ranges)
        self._write({"records": ranges, "message_id": message_id})

    def _other(self, head: dict[str, Any]) -> str:
        if head.get("topic") != self.subject.topic:
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
        subject = {"digest": self.subject.digest, "records": self.subject.records, "topic": self.subject.topic}
        try:
            content = self._opened.read()
            whole, newline, torn = content.rpartition("\n")
            if not whole and torn[: len(_BEGINNING)] != _BEGINNING[: len(torn)]:
                raise JournalError(f"{self.path} is {_NONE}")
            head, entries = _parsed(whole) if whole else (None, [])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise JournalError(f"{self.path} is {_NONE}") from error
        if torn:
            self._opened.truncate(len((whole + newline).encode()))
        if head is None:
            self._write({**subject, "started_at": self.started_at.isoformat()})
            return
        self.started_at = datetime.fromisoformat(head.pop("started_at"))
        if head != subject:
            raise JournalError(f"{self.path} tells of another {self._other(head)}")
        if any(not 1 <= first <= last <= self.subject.records for first, last in entries):
            raise JournalError(f"{self.path} tells of records that the file does not have; move it away")
        self._mark(entries)


def check_place(path: Path) -> None:
    """Raise ``JournalPlaceError`` if there can be no journal there. Nothing is made or changed."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise JournalPlaceError(f"no journal can be kept at {path}: there is no folder {folder}")
    if path.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise JournalPlaceError(f"no journal can be kept at {path}: it cannot be written to; give another --state")


def _parsed(text: str) -> tuple[dict[str, Any], list[tuple[int, int]]]:
    """The first line, and the ranges of all others. Raises what a file that is no journal makes it raise."""
    head, *entries = (json.loads(line) for line in text.splitlines())
    datetime.fromisoformat(head["started_at"])
    return head, [(int(first), int(last)) for entry in entries for first, last in entry["records"]]


def _ranges(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Rising numbers as first and last of each run: 1 2 3 7 is (1, 3) (7, 7)."""
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges
