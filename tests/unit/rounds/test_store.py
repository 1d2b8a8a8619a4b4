"""Writes are conditional: no writer overwrites another's change."""

from __future__ import annotations

from typing import Any

import pytest

from rounds import ContentionError, Round, RoundLock
from tests.unit.fake_aws import Cloud
from tests.unit.rounds.factories import make_round, make_store

NAME = make_round().name


def test_an_existing_record_is_not_created_again() -> None:
    store = make_store(Cloud())
    assert store.create(make_round(cause="first"))
    assert not store.create(make_round(cause="second"))
    stored = store.get(Round, NAME)
    assert stored is not None
    assert stored.cause == "first"


def test_an_overtaken_update_is_repeated_on_the_newer_record() -> None:
    cloud = Cloud()
    store = make_store(cloud)
    store.create(make_round())
    overtaken: list[dict[str, Any]] = []

    def overtake(item: dict[str, Any]) -> None:
        if not overtaken:
            overtaken.append(item)
            store.update(Round, NAME, lambda round_: round_.model_copy(update={"reason": "other writer"}))

    cloud.table.before_put = overtake
    store.update(Round, NAME, lambda round_: round_.model_copy(update={"status": "kept"}))
    stored = store.get(Round, NAME)
    assert stored is not None
    assert (stored.status, stored.reason, stored.revision) == ("kept", "other writer", 2)


def test_an_update_that_is_always_overtaken_fails() -> None:
    cloud = Cloud()
    store = make_store(cloud)
    store.create(make_round())

    def overtake(_item: dict[str, Any]) -> None:
        cloud.table.items["round", NAME]["revision"] += 1

    cloud.table.before_put = overtake
    with pytest.raises(ContentionError, match=NAME):
        store.update(Round, NAME, lambda round_: round_.model_copy(update={"status": "kept"}))


def test_an_update_without_a_change_writes_nothing() -> None:
    cloud = Cloud()
    store = make_store(cloud)
    store.create(make_round())
    assert store.update(Round, NAME, lambda _: None) is None
    assert store.update(Round, "absent", lambda round_: round_) is None
    assert cloud.table.items["round", NAME]["revision"] == 0


def test_the_newest_records_come_first_over_all_pages() -> None:
    store = make_store(Cloud())
    for day in range(10, 30):
        store.create(make_round(f"202611{day}T000000Z-manual"))
    store.create(RoundLock())
    newest = [round_.name[6:8] for round_ in store.newest(Round, limit=8)]
    assert newest == ["29", "28", "27", "26", "25", "24", "23", "22"]
    assert len(store.newest(Round, limit=100)) == 20
