"""Rows of a dataset."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from feature_schema import PROVENANCE_COLUMNS, ROW_COLUMNS, TARGET, VERSION, to_row
from feature_schema.limits import format_milliseconds, format_time
from feature_schema.rows import to_record, to_rows
from tests.factories.samples import make_sample
from tests.unit.feature_schema.factories import FEATURE_NAMES, NOW, parse_sample, samples


@given(samples)
def test_row_has_schema_columns_and_sample_values(sent: dict[str, Any]) -> None:
    cells = dict(zip(ROW_COLUMNS, to_row(parse_sample(sent), received_at=NOW).split(","), strict=True))

    prediction = sent.get("prediction") or {}
    assert {name: json.loads(cells[name]) for name in FEATURE_NAMES} == sent["features"]
    assert json.loads(cells[TARGET.name]) == sent[TARGET.name]
    assert cells["schema_version"] == str(VERSION)
    assert [cells[name] for name in PROVENANCE_COLUMNS[:3]] == [sent["sample_id"], sent["robot_id"], sent["fc_id"]]
    milliseconds = timedelta(milliseconds=1)
    assert (
        abs(datetime.fromisoformat(cells["recorded_at"]) - datetime.fromisoformat(sent["recorded_at"])) < milliseconds
    )
    assert [float(cells[name]) if cells[name] else None for name in ("predicted", "expected_error")] == [
        prediction.get(TARGET.name),
        prediction.get("expected_error"),
    ]
    assert (cells["model"] or None) == prediction.get("model")
    asked_at = prediction.get("asked_at")
    assert cells["received_at"] == format_time(NOW)
    assert cells["asked_at"] == (format_time(datetime.fromisoformat(asked_at)) if asked_at else "")


def test_each_row_has_arrival_of_its_record() -> None:
    record = to_record(parse_sample(make_sample()))

    rows = to_rows([record] * 3, ["a", "b", "c"])

    assert [row.split(b",")[ROW_COLUMNS.index("received_at")] for row in rows] == [b"a", b"b", b"c"]


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_milliseconds_are_formatted_as_times_are(milliseconds: int) -> None:
    time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    assert format_milliseconds(milliseconds) == format_time(time)
