"""A round's dataset: a manifest of exact objects for SageMaker, and a specification for the training job.

Nothing is copied. The selection depends only on the bucket and the cut-off, so every attempt at a round writes the same
files.

Where more is stored than one job should learn from, the newest objects fill half of the budget, and older ones are
sampled by the hash of their keys: evenly over the last 30 days, and the same in every attempt. The job then does the
same with samples (``training_job/downsampling.py``), which cannot be counted without reading the objects.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from feature_schema import describe, get_schema_hash
from rounds import Dataset, format_iso, s3_prefixes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mypy_boto3_s3 import S3Client

MAX_AGE_DAYS = 30
"""Older samples describe conditions that no longer hold."""
BYTES_PER_SAMPLE = 64
"""A compressed row, rounded up; rows of whole numbers take half. The estimate bounds the objects of a dataset."""
MAX_OBJECTS = 10_000
"""Each object is one download; with smaller objects, a job would download for longer than it trains."""
TEST_FRACTION = 0.25
"""The newest quarter of the recent part is the test set, as in the workshop (the last 500,000 of 2,000,000)."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object under ``samples/``; ``size`` in bytes."""

    key: str
    version: str
    size: int


def list_objects(s3: S3Client, bucket: str, *, cut_off: datetime) -> list[StoredObject]:
    """The objects of the last 30 days that were stored before ``cut_off``, oldest first, in their current versions."""
    return list(_iterate_newest_first(s3, bucket, cut_off))[::-1]


def has_objects(s3: S3Client, bucket: str, *, cut_off: datetime) -> bool:
    """Whether ``list_objects`` would find any; lists no further than to the first."""
    return any(True for _ in _iterate_newest_first(s3, bucket, cut_off))


def select_objects(objects: Sequence[StoredObject], maximum_samples: int) -> list[StoredObject]:
    """The objects that a job reads, oldest first: all, if they fit into the budget, else a sample of them.

    The budget is ``maximum_samples`` in bytes, and ``MAX_OBJECTS``. ``objects`` come oldest first; the newest one is
    always selected, even if it alone exceeds the budget.
    """
    budget_bytes = maximum_samples * BYTES_PER_SAMPLE
    if len(objects) <= MAX_OBJECTS and sum(stored.size for stored in objects) <= budget_bytes:
        return list(objects)
    newest = _take_while_fitting(objects[::-1], budget_bytes // 2, MAX_OBJECTS // 2) or [objects[-1]]
    older = objects[: len(objects) - len(newest)]
    remaining_bytes = budget_bytes - sum(stored.size for stored in newest)
    sampled = set(_take_while_fitting(sorted(older, key=_hash_key), remaining_bytes, MAX_OBJECTS - len(newest)))
    return [*(stored for stored in older if stored in sampled), *newest[::-1]]


def _take_while_fitting(objects: Sequence[StoredObject], max_bytes: int, max_objects: int) -> list[StoredObject]:
    """The first of ``objects``, up to the first that exceeds either limit."""
    fitting = []
    remaining_bytes = max_bytes
    for stored in objects[:max_objects]:
        remaining_bytes -= stored.size
        if remaining_bytes < 0:
            break
        fitting.append(stored)
    return fitting


def _hash_key(stored: StoredObject) -> bytes:
    return hashlib.sha256(stored.key.encode()).digest()


def _get_key(stored: StoredObject) -> str:
    return stored.key


def _iterate_newest_first(s3: S3Client, bucket: str, cut_off: datetime) -> Iterator[StoredObject]:
    # From tomorrow on: a sender's clock that runs ahead may have put samples under tomorrow's date.
    for days in range(-1, MAX_AGE_DAYS):
        day = (cut_off - timedelta(days=days)).date()
        prefix = f"{s3_prefixes.SAMPLES}date={day:%Y-%m-%d}/"
        yield from sorted(_list_prefix(s3, bucket, prefix, cut_off), key=_get_key, reverse=True)


def _list_prefix(s3: S3Client, bucket: str, prefix: str, cut_off: datetime) -> list[StoredObject]:
    # S3's times are whole seconds. More objects may arrive within the cut-off's own second, so that second is excluded.
    before = cut_off.replace(microsecond=0)
    return [
        StoredObject(version["Key"], version["VersionId"], version["Size"])
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
        for version in page.get("Versions", [])
        if version["IsLatest"] and version["LastModified"] < before and version["Size"] > 0
    ]


def build_manifest(bucket: str, objects: Sequence[StoredObject]) -> list[Any]:
    """SageMaker's manifest: a prefix, then keys relative to it.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3DataSource.html
    """
    return [{"prefix": f"s3://{bucket}/"}, *(stored.key for stored in objects)]


def build_dataset_spec(
    objects: Sequence[StoredObject],
    *,
    round_name: str,
    round_stamp: str,
    recent_since: datetime | None,
    champion: str | None,
    maximum_samples: int,
) -> dict[str, Any]:
    """The content of ``dataset.json``, which tells the training job how to read and split its dataset."""
    return {
        "round": round_name,
        "stamp": round_stamp,
        "schema": describe(),
        "recent_since": None if recent_since is None else format_iso(recent_since),
        "test_fraction": TEST_FRACTION,
        "objects": [asdict(stored) for stored in objects],
        "champion": champion,
        "maximum_samples": maximum_samples,
    }


def write_dataset(
    s3: S3Client,
    bucket: str,
    objects: Sequence[StoredObject],
    spec: dict[str, Any],
    *,
    cut_off: datetime,
    stored_objects: int,
) -> Dataset:
    """Write both files of a round's dataset; ``objects`` were selected out of ``stored_objects``."""
    folder = f"{s3_prefixes.DATASETS}{spec['round']}"
    for name, content in (("manifest.json", build_manifest(bucket, objects)), ("dataset.json", spec)):
        s3.put_object(
            Bucket=bucket, Key=f"{folder}/{name}", Body=json.dumps(content).encode(), ContentType="application/json"
        )
    return Dataset(
        manifest=f"s3://{bucket}/{folder}/manifest.json",
        objects=len(objects),
        stored_objects=stored_objects,
        maximum_samples=spec["maximum_samples"],
        bytes=sum(stored.size for stored in objects),
        cut_off=cut_off,
        schema_hash=get_schema_hash(),
    )
