"""Reads the bucket's samples and quarantined lines, for the reconciliation and for the live error."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from dwell.client.stored_samples import parse_object
from rounds import s3_prefixes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client


def _list_keys(s3: S3Client, bucket: str, prefix: str) -> Iterator[str]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from (entry["Key"] for entry in page.get("Contents", []))


@dataclass(slots=True)
class BucketContents:
    """The samples and quarantined lines read so far; ``read`` adds new objects."""

    s3: S3Client
    bucket: str
    _samples: dict[str, pd.DataFrame]
    _quarantined: dict[str, list[dict[str, Any]]]

    @classmethod
    def create(cls, s3: S3Client, bucket: str) -> BucketContents:
        """The contents of a bucket, of which nothing has been read."""
        return cls(s3, bucket, {}, {})

    def read(self) -> None:
        """Read the objects that are new since the last call. Objects never change."""
        for key in _list_keys(self.s3, self.bucket, s3_prefixes.SAMPLES):
            if key not in self._samples:
                self._samples[key] = parse_object(self._read_bytes(key))
        for key in _list_keys(self.s3, self.bucket, s3_prefixes.QUARANTINE):
            if key not in self._quarantined:
                self._quarantined[key] = [json.loads(line) for line in self._read_bytes(key).splitlines()]

    def _read_bytes(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def samples(self) -> pd.DataFrame:
        """Every stored row, with duplicates: columns are ``feature_schema.ROW_COLUMNS``; times are UTC."""
        if not self._samples:
            return parse_object(gzip.compress(b""))
        return pd.concat(self._samples.values(), ignore_index=True)

    def quarantined(self) -> list[dict[str, Any]]:
        """All quarantined lines, with ``reason`` and ``raw``."""
        return [line for lines in self._quarantined.values() for line in lines]

    def failed(self) -> int:
        """Number of objects with data that Firehose could not process."""
        return sum(1 for _ in _list_keys(self.s3, self.bucket, s3_prefixes.FAILED))
