"""The stored samples as a table, read from ``samples/`` in the bucket."""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING

import pandas as pd

from feature_schema import ROW_COLUMNS, ROW_COLUMNS_0_1_0, VERSION
from rounds import s3_prefixes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

_TIME_COLUMNS = ("recorded_at", "received_at", "asked_at")
_TEXT_COLUMNS = ("sample_id", "robot_id", "fc_id", "model", *_TIME_COLUMNS)
_EMPTY_CELLS = {name: [""] for name in ("predicted", "expected_error", "model", "asked_at")}
"""Cells of a row without a prediction are empty. All other text is a value: ``NA`` and ``null`` may be ids."""
_CELL_COUNTS = {len(ROW_COLUMNS_0_1_0), len(ROW_COLUMNS)}
_VERSION_INDEX, _VERSION = ROW_COLUMNS.index("schema_version"), str(VERSION).encode()


def newest_samples(s3: S3Client, bucket: str, *, rows: int) -> pd.DataFrame:
    """The newest ``rows`` samples, or all if there are fewer, oldest first, without repeats.

    The columns are those of ``parse_object``. Objects are read from the newest back until
    there are enough samples, so the cost depends on ``rows``, not on the number of stored samples.
    """
    tables = [parse_object(gzip.compress(b""))]
    sample_ids: set[str] = set()
    for key in _list_newest_first(s3, bucket):
        if len(sample_ids) >= rows:
            break
        tables.append(parse_object(s3.get_object(Bucket=bucket, Key=key)["Body"].read()))
        sample_ids.update(tables[-1]["sample_id"])
    non_empty = [table for table in tables if len(table)] or tables
    samples = pd.concat(non_empty, ignore_index=True).sort_values("recorded_at", kind="stable")
    return samples.drop_duplicates("sample_id").tail(rows).reset_index(drop=True)


def parse_object(compressed: bytes) -> pd.DataFrame:
    """The rows of one object: ``feature_schema.ROW_COLUMNS``; times are UTC, empty cells are missing values.

    In rows of version 0.1.0, ``received_at`` and ``asked_at`` are missing.

    As in a training job, rows of other schema versions are left out, because their columns differ, and lines with a
    wrong number of cells, in which columns would be shifted.
    """
    rows = pd.read_csv(
        io.BytesIO(b"\n".join(line for line in gzip.decompress(compressed).splitlines() if _is_row(line))),
        names=list(ROW_COLUMNS),
        dtype=dict.fromkeys(_TEXT_COLUMNS, "string"),
        header=None,
        keep_default_na=False,
        na_values=_EMPTY_CELLS,
    )
    for name in _TIME_COLUMNS:
        rows[name] = pd.to_datetime(rows[name], utc=True, format="ISO8601")
    return rows


def _is_row(line: bytes) -> bool:
    """Whether a line is a row of this schema version. No cell contains a comma."""
    cells = line.split(b",")
    return len(cells) in _CELL_COUNTS and cells[_VERSION_INDEX] == _VERSION


def _list_newest_first(s3: S3Client, bucket: str) -> Iterator[str]:
    """Keys from the newest hour to the oldest; within an hour, Firehose's names sort by time."""
    for day in reversed(_list_folders(s3, bucket, s3_prefixes.SAMPLES)):
        for hour in reversed(_list_folders(s3, bucket, day)):
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=hour)
            yield from sorted((entry["Key"] for page in pages for entry in page.get("Contents", [])), reverse=True)


def _list_folders(s3: S3Client, bucket: str, prefix: str) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
    return sorted(folder["Prefix"] for page in pages for folder in page.get("CommonPrefixes", []))
