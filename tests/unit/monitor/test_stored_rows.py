"""A stored object's rows as the monitor reads them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from feature_schema import (
    TARGET,
    VERSION,
    Sample,
    get_actual_value,
    predict_baseline,
    to_feature_row,
    to_row,
)
from monitor.stored_rows import HASH_RANGE, hash_fraction, read_rows, sampled_share, to_seconds
from tests.factories.samples import EXPECTED_ERROR, make_sample

RECEIVED_AT = datetime(2026, 11, 23, 6, 39, 0, 789_000, tzinfo=UTC)
ROW_OF_0_1_0 = (
    b"14350,15000,210,150,80,2,640,1200,400,280,450,62,35,fc1-robot-0017-20261123T063850Z,robot-0017,fc1,"
    b"2026-11-23T06:38:50.123Z,14100.5,1830.25,xgboost-20261122T181500Z,1"
)


def stored_line(**changes: object) -> tuple[Sample, bytes]:
    """A sample, and its line in a stored object."""
    sample = Sample.model_validate_json(json.dumps(make_sample(**changes)))
    return sample, to_row(sample, received_at=RECEIVED_AT).encode()


def test_row_is_read_as_it_was_stored() -> None:
    asked_at = "2026-11-23T06:38:40.456Z"
    echo = {
        TARGET.name: TARGET.minimum + 1,
        "expected_error": EXPECTED_ERROR,
        "model": "xgboost-1",
        "asked_at": asked_at,
    }
    sample, line = stored_line(prediction=echo)
    read = read_rows("samples/a.gz", line + b"\n", max_rows=10, schema_version=VERSION)
    (row,) = read.rows
    assert (read.key, read.stored, read.share) == ("samples/a.gz", 1, 1.0)
    assert (row.sample_id, row.sender, row.segment) == (sample.sample_id, sample.robot_id, sample.fc_id)
    assert (row.target, row.predicted, row.model) == (get_actual_value(sample), TARGET.minimum + 1, "xgboost-1")
    assert row.baseline == predict_baseline(sample.features)
    assert row.features == to_feature_row(sample.features)
    assert row.recorded_at == sample.recorded_at.timestamp()
    assert row.asked_at == to_seconds(asked_at)
    assert row.received_at == RECEIVED_AT.timestamp()


@pytest.mark.usefixtures("robots")
def test_row_of_version_0_1_0_is_received_and_asked_when_recorded() -> None:
    # given a row without the last two cells, before one with them
    content = b"\n".join([ROW_OF_0_1_0, stored_line()[1], b""])
    # when
    row, newer = read_rows("a", content, max_rows=10, schema_version=VERSION).rows
    # then
    assert (row.sample_id, row.segment, row.target, row.predicted) == (
        "fc1-robot-0017-20261123T063850Z", "fc1", 14_350, 14_100.5,
    )  # fmt: skip
    assert row.model == "xgboost-20261122T181500Z"
    assert row.recorded_at == row.received_at == row.asked_at == to_seconds("2026-11-23T06:38:50.123Z")
    assert newer.received_at == RECEIVED_AT.timestamp()


def test_row_without_prediction_names_no_model() -> None:
    _, line = stored_line()
    (row,) = read_rows("a", line, max_rows=10, schema_version=VERSION).rows
    assert (row.predicted, row.model) == (None, None)
    assert row.asked_at == row.recorded_at


def test_lines_that_are_no_rows_are_left_out() -> None:
    _, line = stored_line()
    other_version = line.replace(f",{VERSION},".encode(), b",999,")
    content = b"\n".join([line, b"", b"1,2,3", other_version, line + b",", line.rpartition(b",")[0]])
    assert len(read_rows("a", content, max_rows=10, schema_version=VERSION).rows) == 1


def test_large_object_is_thinned_by_the_hash_of_ids() -> None:
    lines = [stored_line(sample_id=f"sample-{number}")[1] for number in range(1_000)]
    read = read_rows("a", b"\n".join(lines), max_rows=300, schema_version=VERSION)
    assert read.share == 0.25
    assert {row.sample_id for row in read.rows} == {
        f"sample-{number}" for number in range(1_000) if hash_fraction(f"sample-{number}") < 0.25
    }
    assert 180 < len(read.rows) < 320


@pytest.mark.parametrize(("stored", "share"), [(0, 1.0), (300, 1.0), (301, 0.5), (1_200, 0.25), (1_201, 0.125)])
def test_share_is_a_power_of_two(stored: int, share: float) -> None:
    assert sampled_share(stored, 300) == share


def test_hash_fractions_are_even() -> None:
    fractions = [hash_fraction(f"robot-{number}") for number in range(10_000)]
    assert 0 <= min(fractions) <= max(fractions) < 1
    for tenth in range(10):
        assert 850 < sum(tenth <= 10 * fraction < tenth + 1 for fraction in fractions) < 1_150
    assert HASH_RANGE == 2**32


def test_time_is_seconds_since_1970() -> None:
    assert to_seconds("1970-01-01T00:01:00.500Z") == 60.5
