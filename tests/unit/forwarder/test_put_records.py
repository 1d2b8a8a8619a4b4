"""Retries of failed entries, until the time of the invocation is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.put_records import (
    BASE_DELAY_SECONDS,
    MAX_DELAY_SECONDS,
    RESERVED_SECONDS,
    PutRecordsFailedError,
    backoff_cap,
    full_jitter,
    put_with_retries,
)
from tests.unit.forwarder.factories import INTERNAL, THROTTLED, FakeClock, FakeStream, make_entry

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_kinesis.type_defs import PutRecordsRequestEntryTypeDef as Entry


def put(stream: FakeStream, entries: list[Entry], clock: FakeClock) -> Any:
    return put_with_retries(
        cast("KinesisClient", stream),
        "samples",
        entries,
        seconds_left=clock.seconds_left,
        sleep=clock.sleep,
        jitter=lambda max_seconds: max_seconds,
    )


def test_accepted_entries_are_put_once() -> None:
    stream, clock = FakeStream(), FakeClock()

    result = put(stream, [make_entry("a", b"1"), make_entry("b", b"2")], clock)

    assert stream.records == [("a", b"1"), ("b", b"2")]
    assert (result.forwarded, result.retried, result.failed.total()) == (2, 0, 0)
    assert clock.delays == []


def test_only_failed_entries_are_retried() -> None:
    stream, clock = FakeStream({"b": [THROTTLED, INTERNAL], "c": [THROTTLED]}), FakeClock()

    result = put(stream, [make_entry("a"), make_entry("b"), make_entry("c"), make_entry("d")], clock)

    assert sorted(key for key, _ in stream.records) == ["a", "b", "c", "d"]
    assert stream.requests == [4, 2, 1]
    assert (result.forwarded, result.retried, result.failed.total()) == (4, 3, 0)
    assert clock.delays == [BASE_DELAY_SECONDS, 2 * BASE_DELAY_SECONDS]


def test_entry_that_keeps_failing_raises_before_timeout() -> None:
    stream, clock = FakeStream({"b": [THROTTLED] * 1_000}), FakeClock(left=30.0)

    result = put(stream, [make_entry("a"), make_entry("b")], clock)

    assert (result.forwarded, dict(result.failed)) == (1, {THROTTLED: 1})
    assert clock.left >= RESERVED_SECONDS
    assert max(clock.delays) == MAX_DELAY_SECONDS
    with pytest.raises(PutRecordsFailedError, match=f"1 entries after all retries.*{THROTTLED}: 1"):
        result.raise_for_failed()


def test_no_retry_without_remaining_time() -> None:
    stream, clock = FakeStream({"a": [INTERNAL]}), FakeClock(left=RESERVED_SECONDS)

    result = put(stream, [make_entry("a")], clock)

    assert (stream.requests, clock.delays, dict(result.failed)) == ([1], [], {INTERNAL: 1})


@given(st.dictionaries(st.text(min_size=1, max_size=3), st.lists(st.sampled_from([THROTTLED, INTERNAL]), max_size=4)))
def test_retries_put_every_entry_exactly_once(failures: dict[str, list[str]]) -> None:
    retries = sum(len(codes) for codes in failures.values())
    stream = FakeStream({key: list(codes) for key, codes in failures.items()})

    result = put(stream, [make_entry(key) for key in failures], FakeClock(left=1_000.0))

    assert sorted(key for key, _ in stream.records) == sorted(failures)
    assert (result.forwarded, result.retried) == (len(failures), retries)


def test_delays_grow_to_a_limit_with_full_jitter() -> None:
    caps = [backoff_cap(retry) for retry in range(2_000)]
    assert caps[:3] == [BASE_DELAY_SECONDS, 2 * BASE_DELAY_SECONDS, 4 * BASE_DELAY_SECONDS]
    assert caps == sorted(caps)
    assert caps[-1] == MAX_DELAY_SECONDS

    delays = [full_jitter(1.0) for _ in range(200)]
    assert all(0 <= delay <= 1 for delay in delays)
    assert len(set(delays)) > 100
