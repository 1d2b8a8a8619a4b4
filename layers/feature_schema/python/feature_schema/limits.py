"""Limits of lines and messages that no model tells, and how what they leave out is made up for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from feature_schema.errors import InvalidInputError
from feature_schema.fields import FEATURES

MAX_LINE_BYTES = 4_096 + 1_024 * len(FEATURES)
"""A sample takes about 200 bytes and 20 for each feature; what is far longer is no sample."""

MAX_LINES = 1_048_576 // (2 * (1 + len(FEATURES)))
"""Lines in one message: what a record of the stream (1 MiB) holds of rows in which every number has one digit. A
message of a million newlines is no reason to run out of memory."""

MAX_CLOCK_SKEW = timedelta(minutes=5)
"""How far a sender's clock may be ahead of the stream's."""

UNKNOWN_SENDER = "unknown"
"""``robot_id`` and ``fc_id`` of a workshop row, which names neither."""


def split_lines(data: bytes) -> list[bytes]:
    """The lines of a message; a final newline ends the last line and starts no new one. Raises ``Refusal``."""
    lines = data.split(b"\n")
    if len(lines) > MAX_LINES + 1:
        raise InvalidInputError("too_many_lines", detail=f"{len(lines) - 1} lines, at most {MAX_LINES} in a message")
    if len(lines) > 1 and not lines[-1]:
        lines.pop()
    return lines


def derive_csv_sample_id(message_id: str, position: int) -> str:
    """The id of a workshop row: the same for every delivery of the same message (``position`` counts lines from 0)."""
    import uuid  # noqa: PLC0415 (it brings hashlib, which samples with an id of their own do not need)

    return str(uuid.uuid5(uuid.UUID("6f0cf3a6-3ff1-5a3c-9f5f-5d1f0a1f6c53"), f"{message_id}/{position}"))


def format_time(time: datetime) -> str:
    """An aware time as a row has it: UTC with milliseconds, cut off and not rounded."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
