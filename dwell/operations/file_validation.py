"""Look at a whole file before anything of it is published: would the validator take every line?"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dwell.messaging.record_encoder import Origin, ignored, line
from dwell.messaging.samples_file import SamplesFileError, records
from feature_schema import InvalidInputError, parse_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EXAMPLES = 5
"""How many bad samples of each reason are remembered."""

MAX_LINE_BYTES = 64 * 1024
"""The validator refuses much shorter lines; a longer one fits into no message."""


@dataclass(frozen=True, slots=True)
class Bad:
    """A record that would be refused, and why. ``line`` is where it stands in the file."""

    line: int
    detail: str


@dataclass(slots=True)
class Inspection:
    """What a file holds. ``refused`` counts records by the validator's reason, ``bad`` are their numbers; ``ignored``
    are columns that the schema does not know."""

    digest: str
    records: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    bad: set[int] = field(default_factory=set)
    examples: dict[str, list[Bad]] = field(default_factory=dict)
    ignored: set[str] = field(default_factory=set)


def digest(path: Path) -> str:
    """The SHA-256 of the file's content. Raises ``OSError``."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def inspect(path: Path, *, now: datetime, advance: Callable[[int], None]) -> Inspection:
    """Read the whole file; ``advance`` hears after every record how many there were.

    Raises ``SamplesFileError`` and ``OSError``.
    """
    found = Inspection(digest(path))
    origin = Origin(found.digest, 0, datetime(2001, 1, 1, tzinfo=UTC))  # any time that is allowed
    for record in records(path):
        found.records = record.number
        found.ignored |= ignored(record)
        text = line(record, origin).encode(errors="surrogatepass")
        if len(text) > MAX_LINE_BYTES:
            raise SamplesFileError(
                f"{path}, line {record.line}: {len(text)} bytes, at most {MAX_LINE_BYTES} can be published"
            )
        try:
            parse_line(text, message_id="", position=0, received_at=now)
        except InvalidInputError as refused:
            found.bad.add(record.number)
            found.refused[refused.reason] += 1
            examples = found.examples.setdefault(refused.reason, [])
            if len(examples) < EXAMPLES:
                examples.append(Bad(record.line, refused.detail))
        advance(record.number)
    if not found.records:
        raise SamplesFileError(f"{path}: no samples in it; an export that failed may leave such a file")
    return found
