"""Hypothesis strategies for records."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import strategies as st

timestamps = st.datetimes(
    min_value=datetime(2020, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2040, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
).map(lambda timestamp: timestamp.replace(microsecond=timestamp.microsecond // 1000 * 1000))
"""Aware times of whole milliseconds, which is what a record stores."""
