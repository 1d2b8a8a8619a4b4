"""The newest samples as a table, from a bucket that lists as S3 does."""

from __future__ import annotations

import gzip
import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwell.client.stored_samples import newest_samples, parse_object
from feature_schema import FEATURES, ROW_COLUMNS, TARGET, VERSION

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

START = datetime(2026, 11, 23, 22, 0, tzinfo=UTC)


class Bucket:
    """Objects by key, listed one to a page, with folders where a delimiter is asked for."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects = objects
        self.read: list[str] = []

    def get_paginator(self, operation: str) -> Bucket:
        assert operation == "list_objects_v2"
        return self

    def paginate(self, *, Bucket: str, Prefix: str, Delimiter: str | None = None) -> list[dict[str, Any]]:  # noqa: N803
        assert Bucket == "bucket"
        keys = [key for key in sorted(self.objects) if key.startswith(Prefix)]
        if Delimiter is None:
            return [{"Contents": [{"Key": key}]} for key in keys] or [{}]
        folders = dict.fromkeys(Prefix + key.removeprefix(Prefix).split(Delimiter)[0] + Delimiter for key in keys)
        return [{"CommonPrefixes": [{"Prefix": folder}]} for folder in folders] or [{}]

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 (boto3's names)
        assert Bucket == "bucket"
        self.read.append(Key)
        return {"Body": io.BytesIO(self.objects[Key])}


def a_row(
    number: int, *, predicted: bool = False, name: str | None = None, model: str = "m", version: int = VERSION
) -> str:
    """The sample ``s-<number>``, a minute after the one before; ``name`` stands for all of its ids."""
    ids = [f"s-{number}", "r", "f"] if name is None else [name] * 3
    at = (START + timedelta(minutes=number)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    cells = [int(field.minimum) for field in (TARGET, *FEATURES)]
    echo = ["9", "2.5", model] if predicted else ["", "", ""]
    times = ["2026-11-25T00:00:00.789Z", "2026-11-23T21:00:00.456Z" if predicted else ""]
    return ",".join([*map(str, cells), *ids, at, *echo, str(version), *times])


def of_0_1_0(row: str) -> str:
    """The row as version 0.1.0 stored it."""
    return row.rsplit(",", 2)[0]


ROW_OF_0_1_0 = (
    b"14350,15000,210,150,80,2,640,1200,400,280,450,62,35,fc1-robot-0017-20261123T063850Z,robot-0017,fc1,"
    b"2026-11-23T06:38:50.123Z,14100.5,1830.25,xgboost-20261122T181500Z,1"
)


def a_bucket(objects: dict[str, list[str]]) -> Bucket:
    return Bucket({key: gzip.compress("\n".join(rows).encode()) for key, rows in objects.items()})


OVER_MIDNIGHT = {
    "samples/date=2026-11-23/hour=22/delivery-1.gz": [a_row(0), a_row(1)],
    "samples/date=2026-11-23/hour=22/delivery-2.gz": [a_row(2), a_row(3)],
    "samples/date=2026-11-23/hour=23/delivery-3.gz": [a_row(5), a_row(4)],
    "samples/date=2026-11-24/hour=00/delivery-4.gz": [a_row(6, predicted=True)],
    "quarantine/date=2026-11-24/hour=00/delivery-4.ndjson": ["{}"],
}


def newest(bucket: Bucket, rows: int) -> list[str]:
    return list(newest_samples(cast("S3Client", bucket), "bucket", rows=rows)["sample_id"])


@pytest.mark.parametrize(
    ("rows", "expected", "objects"),
    [
        (1, ["s-6"], 1),
        (2, ["s-5", "s-6"], 2),
        (4, ["s-3", "s-4", "s-5", "s-6"], 3),
        (100, [f"s-{number}" for number in range(7)], 4),
    ],
)
def test_newest_samples_read_only_needed_objects_in_order(rows: int, expected: list[str], objects: int) -> None:
    bucket = a_bucket(OVER_MIDNIGHT)
    assert newest(bucket, rows) == expected
    assert bucket.read == sorted(OVER_MIDNIGHT, reverse=True)[:objects]


def test_a_sample_that_was_stored_twice_counts_once() -> None:
    again = {**OVER_MIDNIGHT, "samples/date=2026-11-24/hour=00/delivery-5.gz": [a_row(6, predicted=True), a_row(5)]}
    assert newest(a_bucket(again), 100) == [f"s-{number}" for number in range(7)]


def test_repeated_samples_count_once() -> None:
    again = {**OVER_MIDNIGHT, "samples/date=2026-11-24/hour=00/delivery-5.gz": [a_row(6, predicted=True)] * 5}
    assert newest(a_bucket(again), 4) == ["s-3", "s-4", "s-5", "s-6"]


IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,20}", fullmatch=True)  # as the schema takes them
SAY_NOTHING_ELSEWHERE = ["NA", "nan", "NaN", "null", "NULL", "None", "1e5", "inf", "True", "007"]


@given(name=IDS | st.sampled_from(SAY_NOTHING_ELSEWHERE), predicted=st.booleans())
def test_ids_like_na_and_null_are_kept(name: str, *, predicted: bool) -> None:
    table = parse_object(gzip.compress(a_row(0, name=name, model=name, predicted=predicted).encode()))
    assert table[["sample_id", "robot_id", "fc_id"]].to_numpy().tolist() == [[name] * 3]
    assert table["model"].dropna().to_list() == ([name] if predicted else [])
    assert table["predicted"].dropna().to_list() == ([9] if predicted else [])


@given(
    rows=st.lists(
        st.sampled_from(
            [
                (True, a_row(0)),
                (True, a_row(1, predicted=True)),
                (False, a_row(2, version=VERSION + 1)),
                (False, a_row(3, version=10 * VERSION)),
                (True, of_0_1_0(a_row(7))),
                (True, of_0_1_0(a_row(8, predicted=True))),
                (False, of_0_1_0(a_row(9, version=VERSION + 1))),
                (False, of_0_1_0(a_row(4)).removesuffix(f",{VERSION}")),
                (False, "1," + a_row(5)),
                (False, a_row(6).partition(",")[2]),
                (False, ""),
            ]
        )
    )
)
def test_rows_of_other_versions_and_damaged_lines_are_left_out(rows: list[tuple[bool, str]]) -> None:
    table = parse_object(gzip.compress("\n".join(row for _, row in rows).encode()))
    assert list(table.columns) == list(ROW_COLUMNS)
    assert table["sample_id"].to_list() == [row.split(",")[len(FEATURES) + 1] for good, row in rows if good]
    assert set(table["schema_version"]) <= {VERSION}


def test_table_has_row_columns_and_numeric_predictions() -> None:
    table = newest_samples(cast("S3Client", a_bucket(OVER_MIDNIGHT)), "bucket", rows=100)
    assert list(table.columns) == list(ROW_COLUMNS)
    assert table["recorded_at"].iloc[-1] == START + timedelta(minutes=6)
    assert list(table["predicted"].dropna()) == [9]
    assert list(table["model"].dropna()) == ["m"]
    assert set(table["received_at"]) == {datetime(2026, 11, 25, 0, 0, 0, 789_000, tzinfo=UTC)}
    assert list(table["asked_at"].dropna()) == [datetime(2026, 11, 23, 21, 0, 0, 456_000, tzinfo=UTC)]


def test_rows_of_version_0_1_0_lack_two_times() -> None:
    # given an object of old rows, and one of old and new rows
    bucket = a_bucket(
        {
            "samples/date=2026-11-23/hour=22/delivery-1.gz": [of_0_1_0(a_row(0)), of_0_1_0(a_row(1, predicted=True))],
            "samples/date=2026-11-23/hour=22/delivery-2.gz": [of_0_1_0(a_row(2)), a_row(3, predicted=True)],
        }
    )
    # when
    table = newest_samples(cast("S3Client", bucket), "bucket", rows=100)
    # then
    assert list(table["sample_id"]) == ["s-0", "s-1", "s-2", "s-3"]
    assert list(table["received_at"].isna()) == list(table["asked_at"].isna()) == [True, True, True, False]
    assert list(table["model"].dropna()) == ["m", "m"]


@pytest.mark.usefixtures("robots")
def test_literal_row_of_version_0_1_0_is_read() -> None:
    (row,) = parse_object(gzip.compress(ROW_OF_0_1_0)).to_dict("records")
    assert (row["sample_id"], row[TARGET.name]) == ("fc1-robot-0017-20261123T063850Z", 14_350)
    assert row["recorded_at"] == datetime(2026, 11, 23, 6, 38, 50, 123_000, tzinfo=UTC)
    assert (row["predicted"], row["expected_error"], row["model"]) == (14_100.5, 1_830.25, "xgboost-20261122T181500Z")
    assert pd.isna(row["received_at"])
    assert pd.isna(row["asked_at"])


def test_an_empty_bucket_gives_an_empty_table() -> None:
    table = newest_samples(cast("S3Client", a_bucket({})), "bucket", rows=100)
    assert (len(table), list(table.columns)) == (0, list(ROW_COLUMNS))
