"""What lies in the bucket: rows of samples and lines in quarantine, read for reconciliation and for live error."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from dwell.client.stored_samples import FOLDER, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client


def _objects(s3: S3Client, bucket: str, prefix: str) -> Iterator[str]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from (entry["Key"] for entry in page.get("Contents", []))


@dataclass(slots=True)
class Storage:
    """The bucket's samples and quarantine, as far as they have been read; reading again adds what is new."""

    s3: S3Client
    bucket: str
    _samples: dict[str, pd.DataFrame]
    _quarantined: dict[str, list[dict[str, Any]]]

    @classmethod
    def of(cls, s3: S3Client, bucket: str) -> Storage:
        """The storage behind a bucket; nothing has been read yet."""
        return cls(s3, bucket, {}, {})

    def read(self) -> None:
        """Read the objects that are new since the last time. Objects are never changed once written."""
        for key in _objects(self.s3, self.bucket, FOLDER):
            if key not in self._samples:
                self._samples[key] = parse(self._bytes(key))
        for key in _objects(self.s3, self.bucket, "quarantine/"):
            if key not in self._quarantined:
                self._quarantined[key] = [json.loads(line) for line in self._bytes(key).splitlines()]

    def _bytes(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def samples(self) -> pd.DataFrame:
        """Every stored row, with duplicates: columns are ``feature_schema.ROW_COLUMNS``; ``recorded_at`` is UTC."""
        if not self._samples:
            return parse(gzip.compress(b""))
        return pd.concat(self._samples.values(), ignore_index=True)

    def quarantined(self) -> list[dict[str, Any]]:
        """Every line in quarantine, with ``reason`` and ``raw``."""
        return [line for lines in self._quarantined.values() for line in lines]

    def failed(self) -> int:
        """How many objects Firehose put aside because it could not have them processed."""
        return sum(1 for _ in _objects(self.s3, self.bucket, "failed/"))
