"""The dataset of a round: exact objects, the same in every attempt, at a bounded cost."""

from __future__ import annotations

import json
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from feature_schema import describe, get_schema_hash
from retraining import dataset_manifest
from retraining.dataset_manifest import (
    BYTES_PER_SAMPLE,
    MAX_OBJECTS,
    StoredObject,
    has_objects,
    list_objects,
    select_objects,
)
from tests.unit.fake_aws import BUCKET, NOW, Cloud


def key(days_ago: int, number: int) -> str:
    day = (NOW - timedelta(days=days_ago)).date()
    return f"samples/date={day:%Y-%m-%d}/hour=05/dwell-{number:03}.gz"


def listed(cloud: Cloud) -> list[str]:
    return [stored.key for stored in list_objects(cloud.clients()[1], BUCKET, cut_off=NOW)]


def test_objects_of_many_days_and_pages_are_listed_oldest_first() -> None:
    cloud = Cloud()
    keys = [key(days, number) for days in (29, 3, 1, 0) for number in range(5)]
    for name in reversed(keys):
        cloud.s3.store(name, b"x", NOW - timedelta(hours=1))
    assert listed(cloud) == keys


def test_objects_older_than_30_days_or_elsewhere_are_excluded() -> None:
    cloud = Cloud()
    for name in (key(30, 1), key(400, 1), "quarantine/date=2026-11-23/hour=05/x.ndjson", key(0, 1)):
        cloud.s3.store(name, b"x", NOW - timedelta(hours=1))
    assert listed(cloud) == [key(0, 1)]
    assert len(cloud.s3.listed) == 31


def test_objects_after_cut_off_or_within_its_second_are_excluded() -> None:
    cloud = Cloud()
    cloud.s3.store(key(0, 1), b"x", NOW - timedelta(seconds=1))
    cloud.s3.store(key(0, 2), b"x", NOW)
    cloud.s3.store(key(0, 3), b"x", NOW + timedelta(seconds=1))
    assert listed(cloud) == [key(0, 1)]


def test_replaced_object_lists_current_version_and_empty_none() -> None:
    cloud = Cloud()
    cloud.s3.store(key(0, 1), b"old", NOW - timedelta(hours=2))
    current = cloud.s3.store(key(0, 1), b"newer", NOW - timedelta(hours=1))
    cloud.s3.store(key(0, 2), b"", NOW - timedelta(hours=1))
    assert list_objects(cloud.clients()[1], BUCKET, cut_off=NOW) == [StoredObject(key(0, 1), current.number, 5)]


def make_objects(sizes: list[int]) -> list[StoredObject]:
    return [StoredObject(f"samples/date=2026-11-23/hour=05/dwell-{n:05}.gz", "1", size) for n, size in enumerate(sizes)]


def test_objects_within_budget_are_all_selected() -> None:
    objects = make_objects([BYTES_PER_SAMPLE] * 1_000)
    assert select_objects(objects, 1_000) == objects


def test_too_many_objects_keep_newest_half_and_sample_older() -> None:
    # given ten times the budget
    objects = make_objects([BYTES_PER_SAMPLE] * 10_000)
    # when
    selected = select_objects(objects, 1_000)
    # then the budget is used, half of it for the newest, and each older period has its share
    assert len(selected) == 1_000
    assert selected[500:] == objects[-500:]
    fifths = [
        sum(stored in selected[:500] for stored in objects[start : start + 1_900]) for start in range(0, 9_500, 1_900)
    ]
    assert all(75 <= count <= 125 for count in fifths)


def test_many_small_objects_are_limited_by_number() -> None:
    objects = make_objects([1] * (3 * MAX_OBJECTS))
    selected = select_objects(objects, 2_000_000)
    assert len(selected) == MAX_OBJECTS
    assert selected[-MAX_OBJECTS // 2 :] == objects[-MAX_OBJECTS // 2 :]


def test_selected_older_object_stays_selected_in_next_round() -> None:
    objects = make_objects([BYTES_PER_SAMPLE] * 2_000)
    before, after = set(select_objects(objects[:1_990], 200)), set(select_objects(objects, 200))
    assert len({stored for stored in after & before if stored not in objects[-110:]}) >= 95


@given(sizes=st.lists(st.integers(1, 300), min_size=1, max_size=60), maximum=st.integers(1, 100))
def test_selection_is_ordered_within_budget_and_never_empty(sizes: list[int], maximum: int) -> None:
    objects = make_objects(sizes)
    selected = select_objects(objects, maximum)
    assert selected == [stored for stored in objects if stored in set(selected)]
    assert objects[-1] in selected
    assert sum(stored.size for stored in selected) <= max(maximum * BYTES_PER_SAMPLE, objects[-1].size)


def test_has_objects_stops_listing_at_first_object() -> None:
    cloud = Cloud()
    s3 = cloud.clients()[1]
    assert not has_objects(s3, BUCKET, cut_off=NOW)
    for days in range(10):
        cloud.s3.store(key(days, 1), b"xxxx", NOW - timedelta(days=days, hours=1))
    cloud.s3.listed.clear()
    assert has_objects(s3, BUCKET, cut_off=NOW)
    assert len(cloud.s3.listed) == 2  # tomorrow's, for clocks ahead, and today's


def test_written_files_match_sagemaker_and_job_contract() -> None:
    cloud = Cloud()
    objects = [StoredObject(key(1, 1), "v1", 10), StoredObject(key(0, 1), "v2", 20)]
    spec = dataset_manifest.build_dataset_spec(
        objects,
        round_name="20261123T063900Z-model-error",
        round_stamp="20261123T063900Z",
        recent_since=NOW,
        champion="xgboost-20261123T051100Z",
        maximum_samples=2_000_000,
    )
    written = dataset_manifest.write_dataset(cloud.clients()[1], BUCKET, objects, spec, cut_off=NOW, stored_objects=7)
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
        "maximum_samples": 2_000_000,
    }
    assert (written.objects, written.stored_objects, written.bytes, written.cut_off) == (2, 7, 30, NOW)
    assert written.maximum_samples == 2_000_000
    assert written.schema_hash == get_schema_hash()
    assert written.manifest == f"s3://{BUCKET}/{folder}/manifest.json"
