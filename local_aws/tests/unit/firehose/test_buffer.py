"""Buffers and backoff of delivery streams."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from local_aws.firehose.buffer import Backoff, Buffer
from local_aws.firehose.settings import Hints


def test_buffer_is_due_by_age_or_size() -> None:
    hints = Hints(size=10, seconds=5)
    buffer: Buffer[str] = Buffer()
    assert not buffer.is_due(hints, now=1e9)
    buffer.add("old", 4, now=100)
    buffer.add("young", 5, now=104)
    assert not buffer.is_due(hints, now=104.9)
    assert buffer.is_due(hints, now=105)
    assert not buffer.is_due(Hints(size=10, seconds=900), now=105)
    buffer.add("last straw", 1, now=104)
    assert buffer.is_due(Hints(size=10, seconds=900), now=105)


@given(sizes=st.lists(st.integers(0, 20)), limit=st.integers(1, 30), count=st.integers(1, 5))
def test_take_keeps_all_items_in_order_within_limits(sizes: list[int], limit: int, count: int) -> None:
    buffer: Buffer[tuple[int, int]] = Buffer()
    for number, size in enumerate(sizes):
        buffer.add((number, size), size, now=0)
    taken = []
    while len(buffer):
        batch = buffer.take(limit, max_items=count)
        assert 1 <= len(batch) <= count
        assert len(batch) == 1 or sum(size for _, size in batch) <= limit
        taken += batch
    assert taken == list(enumerate(sizes))
    assert buffer.size == 0


def test_backoff_waits_until_success() -> None:
    backoff = Backoff()
    assert backoff.is_due()
    backoff.record_failure()
    assert not backoff.is_due()
    backoff.record_success()
    assert backoff.is_due()
