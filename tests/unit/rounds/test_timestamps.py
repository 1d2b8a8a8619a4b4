"""Formatted times sort like the times themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given

from rounds import NAME_STAMP_FORMAT, format_iso, format_name_stamp, utc_now
from tests.unit.rounds.strategies import timestamps


@given(timestamps, timestamps)
def test_formatted_times_sort_like_times(first: datetime, second: datetime) -> None:
    assert (format_iso(first) < format_iso(second)) == (first < second)
    if format_name_stamp(first) < format_name_stamp(second):
        assert first < second


def test_another_time_zone_is_converted_to_utc() -> None:
    timestamp = datetime(2026, 11, 23, 7, 39, 0, 123_456, tzinfo=timezone(timedelta(hours=1)))
    assert format_iso(timestamp) == "2026-11-23T06:39:00.123Z"
    assert format_name_stamp(timestamp) == "20261123T063900Z"


def test_a_name_stamp_is_parsed_by_its_format() -> None:
    timestamp = datetime(2026, 11, 23, 6, 39, tzinfo=UTC)
    assert datetime.strptime(format_name_stamp(timestamp), NAME_STAMP_FORMAT).replace(tzinfo=UTC) == timestamp


def test_the_clock_is_in_utc() -> None:
    assert utc_now().utcoffset() == timedelta()
