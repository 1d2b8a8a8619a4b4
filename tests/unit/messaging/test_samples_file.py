"""Files of samples, of any form: records with their places, and lines that the validator takes."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path  # noqa: TC003 (fixtures of pytest)
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dwell.messaging.record_encoder import FileOrigin, encode_record
from dwell.messaging.samples_file import SamplesFileError, read_records
from dwell.operations.file_validation import validate_file
from feature_schema import (
    FEATURES,
    ROW_COLUMNS,
    ROW_COLUMNS_0_1_0,
    TARGET,
    VERSION,
    Sample,
    build_prediction,
    get_actual_value,
    parse_line,
    to_row,
)
from tests.factories.samples import field_value

NOW = datetime(2026, 11, 23, 6, 39, tzinfo=UTC)
NAMES = [TARGET.name, *(feature.name for feature in FEATURES)]
ORIGIN = FileOrigin("digest", 10, NOW)


def values(number: int = 0) -> list[int | float]:
    return [field_value(TARGET, 0) + number, *(field_value(feature, 0) for feature in FEATURES)]


def row_text(number: int = 0) -> str:
    return ",".join(map(str, values(number)))


def a_sample(**changes: Any) -> dict[str, Any]:
    named = dict(zip(NAMES, values(), strict=True))
    return {
        "sample_id": "own-id", "robot_id": "r-1", "fc_id": "fc-9", "recorded_at": "2026-11-22T06:39:00Z",
        "schema_version": VERSION, TARGET.name: named.pop(TARGET.name), "features": named, **changes,
    }  # fmt: skip


def read(path: Path, content: str | bytes) -> list[Sample]:
    """Write the file, and read it as the validator would read what is published of it."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return [
        parse_line(encode_record(record, ORIGIN).encode(), message_id="m", position=0, received_at=NOW)
        for record in read_records(path)
    ]


def test_workshop_rows_are_read_by_position(tmp_path: Path) -> None:
    samples = read(tmp_path / "rows.csv", f"{row_text(1)}\n\n{row_text(2)}\r\n{row_text(3)}")
    assert [get_actual_value(sample) for sample in samples] == [TARGET.minimum + number for number in (1, 2, 3)]
    assert [sample.fc_id for sample in samples] == ["unknown"] * 3
    # the order of the file is the order of time
    assert [sample.recorded_at for sample in samples] == [
        NOW - timedelta(milliseconds=remaining) for remaining in (9, 8, 7)
    ]
    assert len({sample.sample_id for sample in samples}) == 3


@pytest.mark.parametrize("byte_order_mark", [b"", b"\xef\xbb\xbf"])
def test_columns_are_found_by_name(tmp_path: Path, byte_order_mark: bytes) -> None:
    header = ",".join([*reversed(NAMES), "sample_id", " fc_id ", "recorded_at"])
    cells = ",".join([*map(str, reversed(values(7))), "own-id", "", "2026-11-22 06:39:00+00:00"])
    (sample,) = read(tmp_path / "named.csv", byte_order_mark + f"{header}\n{cells}\n".encode())
    assert (sample.sample_id, sample.fc_id, get_actual_value(sample)) == ("own-id", "unknown", TARGET.minimum + 7)
    assert sample.recorded_at == datetime(2026, 11, 22, 6, 39, tzinfo=UTC)


@pytest.mark.parametrize("cell_count", [len(ROW_COLUMNS), len(ROW_COLUMNS_0_1_0)])
def test_stored_rows_are_read_with_all_that_they_say(tmp_path: Path, cell_count: int) -> None:
    # a row of version 0.1.0 has no time of the request
    asked_at = "2026-11-22T06:38:40.456Z" if cell_count == len(ROW_COLUMNS) else None
    echo = build_prediction(TARGET.minimum + 5, model="xgboost-20261123T063900Z", expected_error=3.5, asked_at=asked_at)
    raw = json.dumps(a_sample(prediction=echo)).encode()
    stored = parse_line(raw, message_id="m", position=0, received_at=NOW)
    row = ",".join(to_row(stored, received_at=NOW).split(",")[:cell_count])
    assert read(tmp_path / "from-the-bucket", gzip.compress(f"{row}\n".encode())) == [stored]


def test_whole_numbers_may_be_written_as_floats(tmp_path: Path) -> None:
    # as pandas writes a column in which a value was missing once
    cells = ",".join(str(float(one)) for one in values(7))
    (sample,) = read(tmp_path / "floats.csv", f"{cells}\n")
    assert get_actual_value(sample) == TARGET.minimum + 7


def test_json_samples_stay_as_they_are(tmp_path: Path) -> None:
    text = json.dumps(a_sample())
    path = tmp_path / "samples.txt"
    path.write_text(f"{text}\n")
    assert [encode_record(record, ORIGIN) for record in read_records(path)] == [text]


def test_json_samples_get_what_they_do_not_say(tmp_path: Path) -> None:
    options = a_sample()
    del options["sample_id"], options["recorded_at"]
    (sample,) = read(tmp_path / "samples.ndjson", json.dumps(options))
    assert sample.sample_id == ORIGIN.sample_id(1)
    assert (sample.robot_id, sample.recorded_at) == ("r-1", ORIGIN.recorded_at(1))


def test_flat_json_is_read_by_name(tmp_path: Path) -> None:
    flat = dict(zip(NAMES, values(3), strict=True)) | {"fc_id": "fc-9"}
    (sample,) = read(tmp_path / "flat.jsonl", json.dumps(flat))
    assert (get_actual_value(sample), sample.fc_id) == (TARGET.minimum + 3, "fc-9")


@pytest.mark.parametrize("recorded_at", [datetime(2026, 11, 22, 6, 39), datetime(2026, 11, 22, 6, 39, tzinfo=UTC)])  # noqa: DTZ001 (a column without a zone)
def test_parquet_is_read_by_name(tmp_path: Path, recorded_at: datetime) -> None:
    path = tmp_path / "rows"
    table = [dict(zip(NAMES, map(float, values(number)), strict=True)) for number in range(3)]
    pq.write_table(pa.Table.from_pylist([one | {"recorded_at": recorded_at} for one in table]), path)
    samples = read(path, path.read_bytes())
    assert [get_actual_value(sample) for sample in samples] == [TARGET.minimum + number for number in range(3)]
    assert samples[0].recorded_at == datetime(2026, 11, 22, 6, 39, tzinfo=UTC)


def test_nested_parquet_is_a_sample(tmp_path: Path) -> None:
    path = tmp_path / "nested.parquet"
    pq.write_table(pa.Table.from_pylist([a_sample(prediction=None)]), path)
    (sample,) = read(path, path.read_bytes())
    assert (sample.sample_id, sample.prediction) == ("own-id", None)


def test_ids_follow_from_content_and_place() -> None:
    assert ORIGIN.sample_id(1) == FileOrigin("digest", 99, NOW + timedelta(days=1)).sample_id(1)
    assert len({ORIGIN.sample_id(1), ORIGIN.sample_id(2), FileOrigin("another", 10, NOW).sample_id(1)}) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b,c\n1,2,3\n", f"line 1: neither a row nor a header .* missing: {TARGET.name}"),
        (f"{','.join([*NAMES, NAMES[0]])}\n".encode(), f"line 1: the header has duplicate columns: {TARGET.name}"),
        (f"{','.join(NAMES)}\n\n1\n".encode(), f"line 3: 1 cells, but the header has {len(NAMES)}"),
        (f"{row_text()}\n\xff\n".encode("latin-1"), "line 2: not UTF-8"),
        (f'{row_text()}\n"{row_text()}\n'.encode(), "line 2: unexpected end of data"),
        (gzip.compress(row_text().encode(), mtime=0)[:-9], "damaged gzip"),
        (json.dumps([a_sample()]).encode(), "a JSON array; expected is one JSON object a line"),
        (b" [\n" + json.dumps(a_sample()).encode() + b"]", "a JSON array"),
        (b"PAR1 or not", "row 1: not readable as Parquet"),
    ],
)
def test_unreadable_file_raises_with_line_and_reason(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(SamplesFileError, match=message):
        read(tmp_path / "a-file", content)


def test_parquet_of_another_schema_raises(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist([{"colour": "red"}]), path)
    with pytest.raises(SamplesFileError, match="lacks columns of the schema: "):
        read(path, path.read_bytes())


def test_validation_reports_every_error_with_its_line(tmp_path: Path) -> None:
    header = ",".join([*NAMES, "colour"])
    rows = [
        [*values(), "red"],
        [TARGET.minimum - 1, *values()[1:], "red"],
        ["", *values()[1:], "blue"],
        ["x", *values()[1:], ""],
    ]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join([header, *(",".join(map(str, cells)) for cells in rows)]))
    observed: list[int] = []

    result = validate_file(path, now=NOW, on_progress=observed.append)

    assert (result.records, result.bad, result.ignored, observed) == (4, {2, 3, 4}, {"colour"}, [1, 2, 3, 4])
    assert {reason: one.line for reason, (one,) in result.examples.items()} == {
        f"out_of_range:{TARGET.name}": 3, f"missing:{TARGET.name}": 4, f"wrong_type:{TARGET.name}": 5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1", "malformed"),
        ("null", "malformed"),
        ('{"sample_id": ', "malformed"),
        (json.dumps(a_sample())[:-1] + ', "fc_id": "again"}', "duplicate_key"),
        (json.dumps(a_sample(colour="red")), "unexpected_field"),
        (json.dumps({"sample_id": "x", "features": None}), f"missing:{TARGET.name}"),
    ],
)
def test_unrecognizable_record_stays_unchanged_and_is_invalid(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "samples"
    path.write_text(f"{json.dumps(a_sample()) if text[0] == '{' else row_text()}\n{text}\n")
    result = validate_file(path, now=NOW, on_progress=lambda _: None)
    assert (result.records, dict(result.refused)) == (2, {reason: 1})


@pytest.mark.parametrize("content", [b"", b"\n", f"{','.join(NAMES)}\n".encode(), gzip.compress(b"", mtime=0)])
def test_file_without_samples_raises(tmp_path: Path, content: bytes) -> None:
    # it is what an export leaves that failed, and nobody would notice
    path = tmp_path / "export"
    path.write_bytes(content)
    with pytest.raises(SamplesFileError, match="contains no samples"):
        validate_file(path, now=NOW, on_progress=lambda _: None)


def test_line_larger_than_a_message_raises(tmp_path: Path) -> None:
    path = tmp_path / "samples.ndjson"
    path.write_text("{" + " " * 70_000 + "x}\n")
    with pytest.raises(SamplesFileError, match="line 1: 70003 bytes, but a message holds 65536"):
        validate_file(path, now=NOW, on_progress=lambda _: None)
