"""A round's dataset: the exact objects it consists of, as a manifest for SageMaker and a description for the job.

Nothing is copied. The listing is a function of the bucket and the cut-off, so that every attempt at a round writes
the same files.

Where more is stored than one job should learn from, the newest half of its share is taken whole, and older objects by
the hash of their names: a fair picture of the last 30 days, and the same in every attempt. The job then does the same
with samples (``training_job/downsampling.py``), which cannot be counted without reading them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from feature_schema import describe, get_schema_hash
from rounds import Dataset, format_iso

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mypy_boto3_s3 import S3Client

DAYS = 30
"""Older samples tell more about another time than about now."""
BYTES_A_SAMPLE = 64
"""Of a compressed row, rounded up: rows of whole numbers take half, so objects enough are taken, and not too many."""
MAX_OBJECTS = 10_000
"""Each is a download of its own; where objects are small, a job would wait longer for them than it learns."""
TEST_FRACTION = 0.25
"""The newest quarter of the recent part tests, as in the workshop (its last 500,000 of 2,000,000)."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object under ``samples/``; ``size`` in bytes."""

    key: str
    version: str
    size: int


def stored_objects(s3: S3Client, bucket: str, *, cut_off: datetime) -> list[StoredObject]:
    """The objects of the last 30 days that were stored before ``cut_off``, oldest first.

    An object that replaced an earlier version counts in its current version.
    """
    return list(_newest_first(s3, bucket, cut_off))[::-1]


def is_anything_stored(s3: S3Client, bucket: str, *, cut_off: datetime) -> bool:
    """Whether there is an object to learn from, without listing all."""
    return any(True for _ in _newest_first(s3, bucket, cut_off))


def select_objects(objects: Sequence[StoredObject], maximum_samples: int) -> list[StoredObject]:
    """The objects that a job shall read, oldest first: all, or as many as ``maximum_samples`` may take and 10,000.

    ``objects`` come oldest first. The newest object is always among the chosen.
    """
    room = maximum_samples * BYTES_A_SAMPLE
    if len(objects) <= MAX_OBJECTS and sum(one.size for one in objects) <= room:
        return list(objects)
    whole = _fitting(objects[::-1], room // 2, MAX_OBJECTS // 2) or [objects[-1]]
    older = objects[: len(objects) - len(whole)]
    room -= sum(one.size for one in whole)
    thinned = set(_fitting(sorted(older, key=_hash), room, MAX_OBJECTS - len(whole)))
    return [*(one for one in older if one in thinned), *whole[::-1]]


def _fitting(objects: Sequence[StoredObject], room: int, count: int) -> list[StoredObject]:
    """The first of ``objects``, at most ``count``, as long as they fit into ``room`` (bytes)."""
    fitting = []
    for one in objects[:count]:
        room -= one.size
        if room < 0:
            break
        fitting.append(one)
    return fitting


def _hash(one: StoredObject) -> bytes:
    return hashlib.sha256(one.key.encode()).digest()


def _by_key(one: StoredObject) -> str:
    return one.key


def _newest_first(s3: S3Client, bucket: str, cut_off: datetime) -> Iterator[StoredObject]:
    # A clock that runs ahead may have stored under tomorrow's date.
    for days in range(-1, DAYS):
        day = (cut_off - timedelta(days=days)).date()
        yield from sorted(_day(s3, bucket, f"samples/date={day:%Y-%m-%d}/", cut_off), key=_by_key, reverse=True)


def _day(s3: S3Client, bucket: str, prefix: str, cut_off: datetime) -> list[StoredObject]:
    # Times of S3 are whole seconds: one that the cut-off falls into may still fill up between two attempts.
    before = cut_off.replace(microsecond=0)
    return [
        StoredObject(version["Key"], version["VersionId"], version["Size"])
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
        for version in page.get("Versions", [])
        if version["IsLatest"] and version["LastModified"] < before and version["Size"] > 0
    ]


def manifest(bucket: str, objects: Sequence[StoredObject]) -> list[Any]:
    """SageMaker's manifest: a prefix, then keys relative to it."""
    return [{"prefix": f"s3://{bucket}/"}, *(one.key for one in objects)]


def dataset_spec(
    objects: Sequence[StoredObject],
    *,
    round_name: str,
    round_stamp: str,
    recent_since: datetime | None,
    champion: str | None,
    maximum_samples: int,
) -> dict[str, Any]:
    """What the training job has to know about its dataset."""
    return {
        "round": round_name,
        "stamp": round_stamp,
        "schema": describe(),
        "recent_since": None if recent_since is None else format_iso(recent_since),
        "test_fraction": TEST_FRACTION,
        "objects": [asdict(one) for one in objects],
        "champion": champion,
        "maximum_samples": maximum_samples,
    }


def write(
    s3: S3Client,
    bucket: str,
    objects: Sequence[StoredObject],
    details: dict[str, Any],
    *,
    cut_off: datetime,
    stored: int,
) -> Dataset:
    """Write both files of a round's dataset; ``stored`` objects there were to choose from."""
    folder = f"datasets/{details['round']}"
    for name, content in (("manifest.json", manifest(bucket, objects)), ("dataset.json", details)):
        s3.put_object(
            Bucket=bucket, Key=f"{folder}/{name}", Body=json.dumps(content).encode(), ContentType="application/json"
        )
    return Dataset(
        manifest=f"s3://{bucket}/{folder}/manifest.json",
        objects=len(objects),
        stored_objects=stored,
        maximum_samples=details["maximum_samples"],
        bytes=sum(one.size for one in objects),
        cut_off=cut_off,
        schema_hash=get_schema_hash(),
    )
