"""The stored samples as a table: what the validator accepted, read from ``samples/`` in the bucket."""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING

import pandas as pd

from feature_schema import ROW_COLUMNS, VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

FOLDER = "samples/"
"""Below it, objects lie in folders by the day and the hour in which they arrived."""

_TEXT = ("sample_id", "robot_id", "fc_id", "model")
_ABSENT = {name: [""] for name in ("predicted", "expected_error", "model")}
"""Cells that are empty in a row without a prediction. Nothing else is missing: ``NA`` and ``null`` are ids too."""
_END = f",{VERSION}".encode()


def newest_samples(s3: S3Client, bucket: str, *, rows: int) -> pd.DataFrame:
    """The newest ``rows`` samples, or as many as there are, oldest first and each once.

    The columns are ``feature_schema.ROW_COLUMNS``; ``recorded_at`` is UTC. Objects are read from the newest back until
    there are enough samples, so the cost is bounded by what is asked for, not by what is kept.
    """
    read = [parse(gzip.compress(b""))]
    found: set[str] = set()
    for key in _newest_first(s3, bucket):
        if len(found) >= rows:
            break
        read.append(parse(s3.get_object(Bucket=bucket, Key=key)["Body"].read()))
        found.update(read[-1]["sample_id"])
    filled = [one for one in read if len(one)] or read
    table = pd.concat(filled, ignore_index=True).sort_values("recorded_at", kind="stable")
    return table.drop_duplicates("sample_id").tail(rows).reset_index(drop=True)


def parse(compressed: bytes) -> pd.DataFrame:
    """The rows of one object: ``feature_schema.ROW_COLUMNS``; ``recorded_at`` is UTC, absent cells are missing.

    Left out are, as a training job does, rows of another version of the schema, which mean something else, and what is
    no row: a cell more or less would shift every column after it.
    """
    rows = pd.read_csv(
        io.BytesIO(b"\n".join(line for line in gzip.decompress(compressed).splitlines() if _is_row(line))),
        names=list(ROW_COLUMNS),
        dtype=dict.fromkeys(_TEXT, "string"),
        header=None,
        keep_default_na=False,
        na_values=_ABSENT,
    )
    rows["recorded_at"] = pd.to_datetime(rows["recorded_at"], utc=True, format="ISO8601")
    return rows


def _is_row(line: bytes) -> bool:
    """Whether a line is a row of this version of the schema. No cell of a row holds a comma."""
    return line.endswith(_END) and line.count(b",") == len(ROW_COLUMNS) - 1


def _newest_first(s3: S3Client, bucket: str) -> Iterator[str]:
    """Keys from the newest hour back; within an hour, Firehose's names sort by time."""
    for day in reversed(_folders(s3, bucket, FOLDER)):
        for hour in reversed(_folders(s3, bucket, day)):
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=hour)
            yield from sorted((entry["Key"] for page in pages for entry in page.get("Contents", [])), reverse=True)


def _folders(s3: S3Client, bucket: str, prefix: str) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
    return sorted(folder["Prefix"] for page in pages for folder in page.get("CommonPrefixes", []))
