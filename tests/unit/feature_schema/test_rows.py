"""Rows of a dataset."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given

from feature_schema import PROVENANCE_COLUMNS, ROW_COLUMNS, TARGET, VERSION, to_row
from tests.unit.feature_schema.factories import FEATURE_NAMES, parse_sample, samples


@given(samples)
def test_row_has_schema_columns_and_sample_values(sent: dict[str, Any]) -> None:
    cells = dict(zip(ROW_COLUMNS, to_row(parse_sample(sent)).split(","), strict=True))

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
