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
    return [one.key for one in list_objects(cloud.clients()[1], BUCKET, cut_off=NOW)]


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
    assert list_objects(cloud.clients()[1], BUCKET, cut_off=NOW) == [StoredObject(key(0, 1), current.number, 5)]


def stored(sizes: list[int]) -> list[StoredObject]:
    return [StoredObject(f"samples/date=2026-11-23/hour=05/dwell-{n:05}.gz", "1", size) for n, size in enumerate(sizes)]


def test_all_objects_are_chosen_as_long_as_the_job_may_learn_from_so_many() -> None:
    objects = stored([BYTES_PER_SAMPLE] * 1_000)
    assert select_objects(objects, 1_000) == objects


def test_of_too_many_the_newest_half_is_whole_and_the_older_are_thinned_evenly() -> None:
    # given ten times as much as a job may read
    objects = stored([BYTES_PER_SAMPLE] * 10_000)
    # when
    taken = select_objects(objects, 1_000)
    # then it is full, half of it is the newest, and each older part of the time has its share
    assert len(taken) == 1_000
    assert taken[500:] == objects[-500:]
    fifths = [sum(one in taken[:500] for one in objects[start : start + 1_900]) for start in range(0, 9_500, 1_900)]
    assert all(75 <= count <= 125 for count in fifths)


def test_of_too_many_small_objects_no_more_are_chosen_than_a_job_downloads_in_time() -> None:
    objects = stored([1] * (3 * MAX_OBJECTS))
    taken = select_objects(objects, 2_000_000)
    assert len(taken) == MAX_OBJECTS
    assert taken[-MAX_OBJECTS // 2 :] == objects[-MAX_OBJECTS // 2 :]


def test_an_older_object_that_was_chosen_stays_chosen_when_few_others_came() -> None:
    objects = stored([BYTES_PER_SAMPLE] * 2_000)
    before, after = set(select_objects(objects[:1_990], 200)), set(select_objects(objects, 200))
    assert len({one for one in after & before if one not in objects[-110:]}) >= 95


@given(sizes=st.lists(st.integers(1, 300), min_size=1, max_size=60), maximum=st.integers(1, 100))
def test_the_choice_is_in_order_within_its_room_and_never_empty(sizes: list[int], maximum: int) -> None:
    objects = stored(sizes)
    taken = select_objects(objects, maximum)
    assert taken == [one for one in objects if one in set(taken)]
    assert objects[-1] in taken
    assert sum(one.size for one in taken) <= max(maximum * BYTES_PER_SAMPLE, objects[-1].size)


def test_whether_anything_is_stored_takes_one_look_where_something_is() -> None:
    cloud = Cloud()
    s3 = cloud.clients()[1]
    assert not has_objects(s3, BUCKET, cut_off=NOW)
    for days in range(10):
        cloud.s3.store(key(days, 1), b"xxxx", NOW - timedelta(days=days, hours=1))
    cloud.s3.listed.clear()
    assert has_objects(s3, BUCKET, cut_off=NOW)
    assert len(cloud.s3.listed) == 2  # tomorrow's, for clocks ahead, and today's


def test_the_files_are_what_sagemaker_and_the_job_expect() -> None:
    cloud = Cloud()
    objects = [StoredObject(key(1, 1), "v1", 10), StoredObject(key(0, 1), "v2", 20)]
    details = dataset_manifest.build_dataset_spec(
        objects,
        round_name="20261123T063900Z-model-error",
        round_stamp="20261123T063900Z",
        recent_since=NOW,
        champion="xgboost-20261123T051100Z",
        maximum_samples=2_000_000,
    )
    written = dataset_manifest.write_dataset(
        cloud.clients()[1], BUCKET, objects, details, cut_off=NOW, stored_objects=7
    )
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
