"""How times are written in records, in the API's JSON and in names. Every time is aware (it has a UTC offset)."""

from __future__ import annotations

from datetime import UTC, datetime

NAME_STAMP_FORMAT = "%Y%m%dT%H%M%SZ"
"""``strftime`` format of the time in the names of rounds and models. It sorts as text and SageMaker allows it."""


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def format_iso(timestamp: datetime) -> str:
    """Format as ISO 8601 in UTC with milliseconds and a ``Z``, of fixed width, so that text sorts by time."""
    return timestamp.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def format_name_stamp(timestamp: datetime) -> str:
    """Format as the stamp in a name, e.g. ``20261123T063900Z``."""
    return timestamp.astimezone(UTC).strftime(NAME_STAMP_FORMAT)
