"""Validates a whole file before anything of it is published, with the validator's own rules."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dwell.messaging.record_encoder import FileOrigin, encode_record, find_ignored_columns
from dwell.messaging.samples_file import SamplesFileError, read_records
from feature_schema import InvalidInputError, parse_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAX_EXAMPLES = 5
"""Number of invalid samples of each reason to keep."""

MAX_LINE_BYTES = 64 * 1024
"""Size of a message, so a longer line fits into none. The validator refuses much shorter lines already."""


@dataclass(frozen=True, slots=True)
class InvalidRecord:
    """A record that the validator would refuse. ``line`` is its line number in the file."""

    line: int
    detail: str


@dataclass(slots=True)
class ValidationReport:
    """The result of a validation.

    ``refused`` counts records by the validator's reason, ``bad`` are their numbers; ``ignored`` are columns that are
    not in the schema.
    """

    digest: str
    records: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    bad: set[int] = field(default_factory=set)
    examples: dict[str, list[InvalidRecord]] = field(default_factory=dict)
    ignored: set[str] = field(default_factory=set)


def compute_digest(path: Path) -> str:
    """The SHA-256 of the file's content in hexadecimal. Raises ``OSError``."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def validate_file(path: Path, *, now: datetime, on_progress: Callable[[int], None]) -> ValidationReport:
    """Read and validate the whole file; ``on_progress`` is called after each record with the number of records so far.

    Raises ``SamplesFileError`` and ``OSError``.
    """
    report = ValidationReport(compute_digest(path))
    origin = FileOrigin(report.digest, 0, datetime(2001, 1, 1, tzinfo=UTC))  # any valid time
    for record in read_records(path):
        report.records = record.number
        report.ignored |= find_ignored_columns(record)
        line = encode_record(record, origin).encode(errors="surrogatepass")
        if len(line) > MAX_LINE_BYTES:
            raise SamplesFileError(
                f"{path}, line {record.line}: {len(line)} bytes, but a message holds {MAX_LINE_BYTES}"
            )
        try:
            parse_line(line, message_id="", position=0, received_at=now)
        except InvalidInputError as error:
            report.bad.add(record.number)
            report.refused[error.reason] += 1
            examples = report.examples.setdefault(error.reason, [])
            if len(examples) < MAX_EXAMPLES:
                examples.append(InvalidRecord(record.line, error.detail))
        on_progress(record.number)
    if not report.records:
        raise SamplesFileError(f"{path} contains no samples; a failed export may leave such a file")
    return report
