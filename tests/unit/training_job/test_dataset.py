"""The training job's dataset: reading, deduplication, split, summary, and errors for unusable input."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feature_schema import ROW_COLUMNS, ROW_COLUMNS_0_1_0, TARGET, VERSION, get_schema_hash
from retraining.training_job.dataset import Dataset, DatasetError, read_dataset, read_dataset_spec
from tests.factories.datasets import SyntheticDataset, make_dataset, recorded_at, write_channels

ROWS = make_dataset(400)
RECORDED_AT, SCHEMA_VERSION = ROW_COLUMNS.index("recorded_at"), ROW_COLUMNS.index("schema_version")
ROW_OF_0_1_0 = (
    b"14350,15000,210,150,80,2,640,1200,400,280,450,62,35,fc1-robot-0017-20261123T063850Z,robot-0017,fc1,"
    b"2026-11-23T06:38:50.123Z,14100.5,1830.25,xgboost-20261122T181500Z,1"
)


def read(folder: Path, lines: list[str], **options: Any) -> Dataset:
    channels = write_channels(folder, lines, **options)
    description = read_dataset_spec(Path(channels["SM_CHANNEL_DATASET"]))
    return read_dataset(Path(channels["SM_CHANNEL_SAMPLES"]), description)


def test_rows_are_read_and_split_by_time(tmp_path: Path) -> None:
    # given rows in random order
    shuffled = [ROWS.lines[position] for position in np.random.default_rng(1).permutation(len(ROWS.lines))]
    # when they are read
    dataset = read(tmp_path, shuffled, rows_per_object=70)
    # then the oldest three quarters are the training rows, in order, and the newest quarter is the test set
    assert (len(dataset.train), len(dataset.test), dataset.duplicates) == (300, 100, 0)
    np.testing.assert_array_equal(np.vstack([dataset.train.features, dataset.test.features]), ROWS.features)
    np.testing.assert_array_equal(np.concatenate([dataset.train.target, dataset.test.target]), ROWS.target)
    assert dataset.train.recorded_at.max() < dataset.test.recorded_at.min()
    assert not dataset.has_recent_part


def test_test_set_is_newest_fraction_of_recent_part(tmp_path: Path) -> None:
    dataset = read(tmp_path, ROWS.lines, recent_since=recorded_at(200))
    assert (len(dataset.train), len(dataset.recent_train), len(dataset.test)) == (350, 150, 50)
    assert dataset.has_recent_part
    np.testing.assert_array_equal(dataset.recent_train.target, ROWS.target[200:350])
    assert dataset.summarize() == {
        "samples": 400,
        "duplicates": 0,
        "thinned": 0,
        "train": 350,
        "recent_train": 150,
        "test": 50,
        "split_at": "2026-11-23T06:01:27.500Z",
        "oldest": "2026-11-23T06:00:00.000Z",
        "newest": "2026-11-23T06:01:39.750Z",
    }


def test_recent_part_of_all_rows_counts_as_none(tmp_path: Path) -> None:
    assert not read(tmp_path, ROWS.lines, recent_since=recorded_at(0)).has_recent_part


def test_duplicate_sample_keeps_earliest_row(tmp_path: Path) -> None:
    # given ten samples twice, with a later time in the copies (a line without a time gets the stream's)
    later = [line.replace("T06:00:", "T06:30:") for line in ROWS.lines[:10]]
    # when
    dataset = read(tmp_path, later + ROWS.lines)
    # then
    assert dataset.duplicates == 10
    np.testing.assert_array_equal(dataset.train.target, ROWS.target[:300])


def test_samples_of_same_time_are_not_separated(tmp_path: Path) -> None:
    # given rows on both sides of the split with the same time
    moment = ROWS.lines[300].split(",")[RECORDED_AT]
    lines = [",".join(cells(line, RECORDED_AT, moment)) for line in ROWS.lines[290:310]]
    dataset = read(tmp_path, ROWS.lines[:290] + lines + ROWS.lines[310:])
    assert (len(dataset.train), len(dataset.test)) == (290, 110)


def test_too_many_samples_keep_newest_half_and_sample_older(tmp_path: Path) -> None:
    # given twice as many samples as the maximum, a tenth of them delivered twice
    lines = ROWS.lines + ROWS.lines[:40]
    # when the same objects are read twice
    dataset, again = (read(tmp_path / name, lines, maximum_samples=200) for name in ("first", "again"))
    # then so many are used, and none of the newest half was left out
    assert (len(dataset.train), len(dataset.test)) == (150, 50)
    assert (dataset.duplicates, dataset.thinned) == (40, 200)
    np.testing.assert_array_equal(dataset.test.target, ROWS.target[350:])
    np.testing.assert_array_equal(dataset.train.target[100:], ROWS.target[300:350])
    # and the older ones are from all of the time before, in order, the same in every attempt
    assert dataset.train.recorded_at[0] < np.datetime64(recorded_at(30)[:-1])
    assert (np.diff(dataset.train.recorded_at) > np.timedelta64(0)).all()
    np.testing.assert_array_equal(dataset.train.target, again.train.target)


def test_many_batches_and_one_give_same_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = read(tmp_path / "original", ROWS.lines, rows_per_object=30)
    monkeypatch.setattr("retraining.training_job.dataset.BATCH_BYTES", 10_000)
    parts = read(tmp_path / "parts", ROWS.lines, rows_per_object=30)
    np.testing.assert_array_equal(parts.train.features, original.train.features)
    np.testing.assert_array_equal(parts.test.recorded_at, original.test.recorded_at)


def test_echoed_prediction_and_missing_newline_are_accepted(tmp_path: Path) -> None:
    lines = [line.replace(",,,,", ",5.25,1.5,xgboost-20261123T063900Z,") for line in ROWS.lines]
    channels = write_channels(tmp_path, lines)
    (stored,) = Path(channels["SM_CHANNEL_SAMPLES"]).rglob("*.gz")
    stored.write_bytes(gzip.compress("\n".join(lines).encode()))
    spec_file = Path(channels["SM_CHANNEL_DATASET"]) / "dataset.json"
    spec_file.write_text(json.dumps(json.loads(spec_file.read_text()) | {"objects": [{"size": stored.stat().st_size}]}))
    dataset = read_dataset(Path(channels["SM_CHANNEL_SAMPLES"]), read_dataset_spec(spec_file.parent))
    np.testing.assert_array_equal(dataset.test.target, ROWS.target[300:])


def test_rows_of_another_schema_version_are_left_out(tmp_path: Path) -> None:
    # given rows of two versions of a schema, some in the same object, and rows with another number of cells
    before = [line.replace("s1-", "old-") for line in of_version(VERSION - 1, ROWS.lines[:50])]
    wider = [f"1,{line}" for line in before]
    # when
    dataset = read(tmp_path, [*before, *wider, *ROWS.lines, *before], rows_per_object=70)
    # then only those of this version count
    np.testing.assert_array_equal(np.vstack([dataset.train.features, dataset.test.features]), ROWS.features)


@pytest.mark.parametrize("rows_per_object", [1_000, 200, 150])
def test_rows_of_version_0_1_0_count_as_others(tmp_path: Path, rows_per_object: int) -> None:
    # given half of the rows as version 0.1.0 stored them, in objects of their own or beside newer ones, and some as
    # another schema
    lines = [*of_0_1_0(ROWS.lines[:200]), *ROWS.lines[200:]]
    other = [line.replace("s1-", "old-") for line in of_version(VERSION + 1, lines[150:250])]
    # when
    dataset = read(tmp_path, [*lines, *other], rows_per_object=rows_per_object)
    # then all rows of this schema are the same as if they were new
    np.testing.assert_array_equal(np.vstack([dataset.train.features, dataset.test.features]), ROWS.features)
    np.testing.assert_array_equal(np.concatenate([dataset.train.target, dataset.test.target]), ROWS.target)
    assert dataset.test.recorded_at[-1] == np.datetime64(recorded_at(399)[:-1])


def test_sample_stored_before_and_after_an_update_counts_once(tmp_path: Path) -> None:
    dataset = read(tmp_path, [*ROWS.lines, *of_0_1_0(ROWS.lines[:30])], rows_per_object=70)
    assert dataset.duplicates == 30
    np.testing.assert_array_equal(dataset.train.target, ROWS.target[:300])


@pytest.mark.usefixtures("robots")
def test_literal_row_of_version_0_1_0_is_read(tmp_path: Path) -> None:
    # given
    lines = [ROW_OF_0_1_0.decode(), *ROWS.lines]
    # when
    dataset = read(tmp_path, lines)
    # then it is the newest row
    assert dataset.test.target[-1] == 14_350
    assert dataset.test.recorded_at[-1] == np.datetime64("2026-11-23T06:38:50.123")
    assert dataset.test.features[-1].tolist() == [15000, 210, 150, 80, 2, 640, 1200, 400, 280, 450, 62, 35]


def test_asked_at_and_received_at_do_not_hide_a_version(tmp_path: Path) -> None:
    # given rows with both times, and rows of another schema that end like them
    lines = [f"{line}2026-11-23T05:59:59.250Z" for line in ROWS.lines]
    dataset = read(tmp_path, [*lines, *of_version(10 * VERSION + 1, lines)])
    np.testing.assert_array_equal(dataset.test.target, ROWS.target[300:])


def test_numbers_are_parsed_exactly(tmp_path: Path) -> None:
    # given numbers whose last digit a fast parser gets wrong
    numbers = np.random.default_rng(1).normal(size=len(ROWS.lines))
    lines = [",".join(cells(line, 1, str(number))) for line, number in zip(ROWS.lines, numbers.tolist(), strict=True)]
    # when they are read
    dataset = read(tmp_path, lines)
    # then they equal the numbers of an inference request
    np.testing.assert_array_equal(np.concatenate([dataset.train.features[:, 0], dataset.test.features[:, 0]]), numbers)


def test_dataset_spec_has_schema(tmp_path: Path) -> None:
    channels = write_channels(tmp_path, ROWS.lines, recent_since="2026-11-23T07:00:00+01:00")
    description = read_dataset_spec(Path(channels["SM_CHANNEL_DATASET"]))
    assert (description.schema_hash, description.schema_version) == (get_schema_hash(), VERSION)
    assert description.recent_since == np.datetime64("2026-11-23T06:00:00.000", "ms")


def cells(line: str, position: int, value: str) -> list[str]:
    """A row with one changed cell."""
    changed = line.split(",")
    changed[position] = value
    return changed


def cell(position: int, value: str) -> list[str]:
    return [*ROWS.lines[:7], ",".join(cells(ROWS.lines[7], position, value)), *ROWS.lines[8:]]


def of_one_moment() -> list[str]:
    moment = ROWS.lines[0].split(",")[RECORDED_AT]
    return [",".join(cells(line, RECORDED_AT, moment)) for line in ROWS.lines]


def of_version(version: int, lines: list[str]) -> list[str]:
    return [",".join(cells(line, SCHEMA_VERSION, str(version))) for line in lines]


def of_0_1_0(lines: list[str]) -> list[str]:
    """Rows as version 0.1.0 stored them, without the last two cells."""
    return [",".join(line.split(",")[: len(ROW_COLUMNS_0_1_0)]) for line in lines]


@pytest.mark.parametrize("line", [f"1,{of_0_1_0(ROWS.lines)[0]}", of_0_1_0(ROWS.lines)[0].partition(",")[2]])
def test_old_row_with_another_number_of_cells_raises_error(tmp_path: Path, line: str) -> None:
    with pytest.raises(DatasetError, match=f"{len(ROW_COLUMNS_0_1_0)}, of version 0.1.0"):
        read(tmp_path, [*of_0_1_0(ROWS.lines), line])


@pytest.mark.parametrize(
    ("lines", "changes", "reason"),
    [
        (ROWS.lines, {"recent_since": "2027-01-01T00:00:00Z"}, "none of 400 samples is as recent as"),
        (ROWS.lines[:2], {}, "the test set has one of 2 samples"),
        (ROWS.lines[:1] * 3, {}, "the test set has one of 1 samples"),
        (of_one_moment(), {}, "none is older"),
        ([], {}, "the dataset is empty"),
        ([*ROWS.lines, f"1,{ROWS.lines[0]}"], {}, f"without exactly {len(ROW_COLUMNS)} cells"),
        (of_version(VERSION + 1, ROWS.lines), {}, f"none of 400 rows is of the schema's version {VERSION}"),
        (cell(1, "wide"), {}, "not as the validator writes it"),
        (cell(1, ""), {}, "not as the validator writes it"),
        (cell(1, "nan"), {}, "not as the validator writes it"),
        (cell(1, "inf"), {}, "a number is not finite"),
        (cell(RECORDED_AT, "yesterday"), {}, "not as the validator writes it"),
        (ROWS.lines, {"test_fraction": 1.0}, "test_fraction is 1.0"),
        (ROWS.lines, {"maximum_samples": 1}, "maximum_samples is 1"),
        (ROWS.lines, {"recent_since": "2026-11-23T07:00:00"}, "no offset from UTC"),
        (ROWS.lines, {"schema": {}}, "KeyError"),
    ],
)
def test_unusable_dataset_raises_error_with_reason(
    tmp_path: Path, lines: list[str], changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(DatasetError, match=reason):
        read(tmp_path, lines, **changes)


def test_damaged_or_missing_object_raises_error(tmp_path: Path) -> None:
    channels = write_channels(tmp_path, ROWS.lines, rows_per_object=100)
    samples = Path(channels["SM_CHANNEL_SAMPLES"])
    description = read_dataset_spec(Path(channels["SM_CHANNEL_DATASET"]))
    victim = sorted(samples.rglob("*.gz"))[2]
    original = victim.read_bytes()

    victim.write_bytes(original[:-20] + bytes(20))
    with pytest.raises(DatasetError, match=victim.name):
        read_dataset(samples, description)

    victim.unlink()
    with pytest.raises(DatasetError, match=r"3 objects of .* lists 4"):
        read_dataset(samples, description)


def test_synthetic_rows_have_their_noise_floor() -> None:
    rows: SyntheticDataset = make_dataset(2_000, noise=0.0)
    assert rows.noise_floor(0) < (1.0 if TARGET.type == "integer" else 1e-9), "without noise only rounding remains"
