"""The dataset of a round: exact objects, the same in every attempt, at a bounded cost."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

from feature_schema import describe, schema_hash
from retraining import dataset
from retraining.dataset import StoredObject, stored_objects
from tests.unit.fake_aws import BUCKET, NOW, Cloud

if TYPE_CHECKING:
    import pytest


def key(days_ago: int, number: int) -> str:
    day = (NOW - timedelta(days=days_ago)).date()
    return f"samples/date={day:%Y-%m-%d}/hour=05/dwell-{number:03}.gz"


def listed(cloud: Cloud) -> list[str]:
    return [one.key for one in stored_objects(cloud.clients()[1], BUCKET, cut_off=NOW)]


def test_objects_of_many_days_and_pages_are_listed_oldest_first() -> None:
    cloud = Cloud()
    keys = [key(days, number) for days in (29, 3, 1, 0) for number in range(5)]
    for one in reversed(keys):
        cloud.s3.store(one, b"x", NOW - timedelta(hours=1))
    assert listed(cloud) == keys


def test_what_is_older_than_a_month_or_elsewhere_is_left_out() -> None:
    cloud = Cloud()
    for one in (key(30, 1), key(400, 1), "quarantine/date=2026-11-23/hour=05/x.ndjson", key(0, 1)):
        cloud.s3.store(one, b"x", NOW - timedelta(hours=1))
    assert listed(cloud) == [key(0, 1)]
    assert len(cloud.s3.listed) == 31


def test_what_came_after_the_cut_off_or_within_its_second_is_left_out() -> None:
    cloud = Cloud()
    cloud.s3.store(key(0, 1), b"x", NOW - timedelta(seconds=1))
    cloud.s3.store(key(0, 2), b"x", NOW)
    cloud.s3.store(key(0, 3), b"x", NOW + timedelta(seconds=1))
    assert listed(cloud) == [key(0, 1)]


def test_a_replaced_object_counts_in_its_current_version_and_an_empty_one_not_at_all() -> None:
    cloud = Cloud()
    cloud.s3.store(key(0, 1), b"old", NOW - timedelta(hours=2))
    current = cloud.s3.store(key(0, 1), b"newer", NOW - timedelta(hours=1))
    cloud.s3.store(key(0, 2), b"", NOW - timedelta(hours=1))
    assert stored_objects(cloud.clients()[1], BUCKET, cut_off=NOW) == [StoredObject(key(0, 1), current.number, 5)]


def test_the_newest_objects_fill_the_budget_and_older_days_are_not_even_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dataset, "MAX_BYTES", 10)
    cloud = Cloud()
    for days in range(10):
        for number in range(3):
            cloud.s3.store(key(days, number), b"xxxx", NOW - timedelta(days=days, hours=1))
    assert listed(cloud) == [key(0, 1), key(0, 2)]
    assert len(cloud.s3.listed) == 2  # tomorrow's, for clocks ahead, and today's


def test_one_object_over_the_budget_is_better_than_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "MAX_BYTES", 1)
    cloud = Cloud()
    cloud.s3.store(key(0, 1), b"xxxx", NOW - timedelta(hours=1))
    assert listed(cloud) == [key(0, 1)]


def test_the_files_are_what_sagemaker_and_the_job_expect() -> None:
    cloud = Cloud()
    objects = [StoredObject(key(1, 1), "v1", 10), StoredObject(key(0, 1), "v2", 20)]
    details = dataset.description(
        objects,
        round_name="20261123T063900Z-model-error",
        round_stamp="20261123T063900Z",
        recent_since=NOW,
        champion="xgboost-20261123T051100Z",
    )
    written = dataset.write(cloud.clients()[1], BUCKET, objects, details, cut_off=NOW)
    folder = "datasets/20261123T063900Z-model-error"
    assert json.loads(cloud.s3.content(f"{folder}/manifest.json")) == [
        {"prefix": "s3://dwell-data/"},
        key(1, 1),
        key(0, 1),
    ]
    assert json.loads(cloud.s3.content(f"{folder}/dataset.json")) == {
        "round": "20261123T063900Z-model-error",
        "stamp": "20261123T063900Z",
        "schema": describe(),
        "recent_since": "2026-11-23T06:39:05.250Z",
        "test_fraction": 0.25,
        "objects": [
            {"key": key(1, 1), "version": "v1", "size": 10},
            {"key": key(0, 1), "version": "v2", "size": 20},
        ],
        "champion": "xgboost-20261123T051100Z",
    }
    assert (written.objects, written.bytes, written.cut_off) == (2, 30, NOW)
    assert written.schema_hash == schema_hash()
    assert written.manifest == f"s3://{BUCKET}/{folder}/manifest.json"
