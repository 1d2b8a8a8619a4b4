"""A round's dataset: the exact objects it consists of, as a manifest for SageMaker and a description for the job.

Nothing is copied. The listing is a function of the bucket and the cut-off, so that every attempt at a round writes
the same files.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from feature_schema import describe, schema_hash
from rounds import Dataset, iso

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_s3 import S3Client

DAYS = 30
"""Older samples tell more about another time than about now."""
MAX_BYTES = 256 * 1024 * 1024
"""Compressed; about four million samples, more than the training instance should hold in memory at once."""
TEST_FRACTION = 0.25
"""The newest quarter of the recent part tests, as in the workshop (its last 500,000 of 2,000,000)."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object under ``samples/``; ``size`` in bytes."""

    key: str
    version: str
    size: int


def stored_objects(s3: S3Client, bucket: str, *, cut_off: datetime) -> list[StoredObject]:
    """The objects stored before ``cut_off``, oldest first: of the last 30 days, the newest 256 MB.

    Days are listed from the newest back, so the cost is bounded by what is used, not by what is kept. An object that
    replaced an earlier version counts in its current version.
    """
    found: list[StoredObject] = []
    size = 0
    # A clock that runs ahead may have stored under tomorrow's date.
    for days in range(-1, DAYS):
        day = (cut_off - timedelta(days=days)).date()
        for one in sorted(_day(s3, bucket, f"samples/date={day:%Y-%m-%d}/", cut_off), key=_by_key, reverse=True):
            size += one.size
            if found and size > MAX_BYTES:
                return found[::-1]
            found.append(one)
    return found[::-1]


def _by_key(one: StoredObject) -> str:
    return one.key


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


def description(
    objects: Sequence[StoredObject],
    *,
    round_name: str,
    round_stamp: str,
    recent_since: datetime | None,
    champion: str | None,
) -> dict[str, Any]:
    """What the training job has to know about its dataset."""
    return {
        "round": round_name,
        "stamp": round_stamp,
        "schema": describe(),
        "recent_since": None if recent_since is None else iso(recent_since),
        "test_fraction": TEST_FRACTION,
        "objects": [asdict(one) for one in objects],
        "champion": champion,
    }


def write(
    s3: S3Client, bucket: str, objects: Sequence[StoredObject], details: dict[str, Any], *, cut_off: datetime
) -> Dataset:
    """Write both files of a round's dataset."""
    folder = f"datasets/{details['round']}"
    for name, content in (("manifest.json", manifest(bucket, objects)), ("dataset.json", details)):
        s3.put_object(
            Bucket=bucket, Key=f"{folder}/{name}", Body=json.dumps(content).encode(), ContentType="application/json"
        )
    return Dataset(
        manifest=f"s3://{bucket}/{folder}/manifest.json",
        objects=len(objects),
        bytes=sum(one.size for one in objects),
        cut_off=cut_off,
        schema_hash=schema_hash(),
    )
