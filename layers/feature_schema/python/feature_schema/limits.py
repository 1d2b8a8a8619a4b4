"""Limits of lines and messages, and default values of CSV rows, which the models cannot express."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from feature_schema.errors import InvalidInputError
from feature_schema.fields import FEATURES

MAX_LINE_BYTES = 4_096 + 1_024 * len(FEATURES)
"""A sample takes about 200 bytes plus 20 for each feature, so a much longer line is no sample."""

MAX_LINES = 1_048_576 // (2 * (1 + len(FEATURES)))
"""Lines in a message: as many CSV rows of one-digit numbers as fit into a record of 1 MiB. It bounds the memory that a
message of a million newlines takes.

Record size: https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html"""

MAX_CLOCK_SKEW = timedelta(minutes=5)
"""How far a sender's clock may be ahead of the stream's."""

UNKNOWN_SENDER = "unknown"
"""``robot_id`` and ``fc_id`` of a CSV row, which contains neither."""


def split_lines(data: bytes) -> list[bytes]:
    """Split a message into lines; a final newline ends the last line and starts no new one.

    Raises ``InvalidInputError`` for more than ``MAX_LINES`` lines.
    """
    lines = data.split(b"\n")
    if len(lines) > MAX_LINES + 1:
        raise InvalidInputError("too_many_lines", detail=f"{len(lines) - 1} lines, at most {MAX_LINES} in a message")
    if len(lines) > 1 and not lines[-1]:
        lines.pop()
    return lines


def derive_csv_sample_id(message_id: str, position: int) -> str:
    """Return the id of a CSV row. ``position`` counts the lines of the message from 0.

    Repeated deliveries of a message get the same ids, so that a dataset can drop the duplicates.
    """
    import uuid  # noqa: PLC0415 (imports hashlib, which samples with their own id do not need)

    return str(uuid.uuid5(uuid.UUID("6f0cf3a6-3ff1-5a3c-9f5f-5d1f0a1f6c53"), f"{message_id}/{position}"))


def format_milliseconds(milliseconds: int) -> str:
    """Format milliseconds since 1970 as ``format_time`` does: several times faster for times of few seconds."""
    seconds, remainder = divmod(milliseconds, 1_000)
    return f"{_format_seconds(seconds)}.{remainder:03}Z"


@lru_cache(maxsize=1_024)
def _format_seconds(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")[:19]


def format_time(time: datetime) -> str:
    """Format an aware time as in a row: UTC with milliseconds, truncated, ``2026-11-23T06:39:00.123Z``."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
