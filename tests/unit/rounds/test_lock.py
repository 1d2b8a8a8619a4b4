"""The lock is released only by the round that holds it."""

from __future__ import annotations

import pytest

from rounds import InFlightRound, RoundLock, release_round_lock
from tests.unit.fake_aws import NOW, Cloud
from tests.unit.rounds.factories import make_store


@pytest.mark.parametrize(
    ("round_name", "event", "is_released"),
    [("r", None, True), ("r", "e", True), ("r", "another event", False), ("another round", None, False)],
)
def test_the_lock_is_released_only_by_its_holder(round_name: str, event: str | None, *, is_released: bool) -> None:
    store = make_store(Cloud())
    store.create(RoundLock(holder=InFlightRound(round="r", job="j", event="e", cut_off=NOW, lease_until=NOW)))
    release_round_lock(store, round_name, event=event)
    lock = store.get(RoundLock, "round")
    assert lock is not None
    assert (lock.holder is None) == is_released


def test_releasing_a_free_or_missing_lock_changes_nothing() -> None:
    cloud = Cloud()
    store = make_store(cloud)
    release_round_lock(store, "r")
    assert not cloud.table.items
    store.create(RoundLock())
    release_round_lock(store, "r")
    assert store.get(RoundLock, "round") == RoundLock()
