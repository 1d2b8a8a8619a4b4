"""The training benchmark's dataset is what the validator writes, and its baselines train on the same rows."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

from benchmarks import workshop_dataset
from benchmarks.baselines import boosted_trees, reference_model
from dwell.simulator.robots import Robots, sample_line
from feature_schema import TARGET
from retraining.training_job.dataset import read_dataset, read_dataset_spec
from validator.transform import transform

if TYPE_CHECKING:
    from benchmarks.workshop_dataset import TrainingInput


class Channels(NamedTuple):
    samples: Path
    dataset: Path


@pytest.fixture(scope="module")
def job(robots: None, tmp_path_factory: pytest.TempPathFactory) -> TrainingInput:
    return workshop_dataset.write_channels(tmp_path_factory.mktemp("job"), train=3_000, test=1_000)


@pytest.fixture(scope="module")
def channels(job: TrainingInput) -> Channels:
    return Channels(*(Path(job.variables[f"SM_CHANNEL_{name}"]) for name in ("SAMPLES", "DATASET")))


@pytest.fixture(scope="module")
def boosted_trees_result(channels: Channels) -> dict[str, float]:
    return boosted_trees.train_and_test(*channels)


def test_the_rows_are_those_that_the_validator_writes(channels: Channels) -> None:
    # given the same interactions, sent by robots
    robots = Robots(11)
    interactions = robots.take(50)
    predictions = [
        {
            TARGET.name: float(duration),
            "expected_error": workshop_dataset.EXPECTED_ERROR,
            "model": workshop_dataset.MODEL,
        }
        for duration in interactions.expected.round(2)
    ]
    records = []
    for index, sample in enumerate(robots.samples(interactions, workshop_dataset.OLDEST, predictions)):
        recorded_at = workshop_dataset.OLDEST + timedelta(milliseconds=index * workshop_dataset.INTERVAL_MS)
        line = sample_line({**sample, "recorded_at": recorded_at.isoformat(timespec="milliseconds")}).text
        records.append(
            {
                "recordId": str(index),
                "approximateArrivalTimestamp": round(recorded_at.timestamp() * 1000),
                "data": base64.b64encode(line.encode()).decode(),
            }
        )
    # when the validator reads them as soon as they are recorded
    batch = transform({"records": records})
    # then its rows are the first of the dataset
    assert not batch.rejected
    (first, *_) = sorted(channels.samples.rglob("*.gz"))
    assert gzip.decompress(first.read_bytes()).startswith(
        b"".join(base64.b64decode(result["data"]) for result in batch.results)
    )


def test_the_noise_floor_is_that_of_the_test_rows(job: TrainingInput, channels: Channels) -> None:
    dataset = read_dataset(channels.samples, read_dataset_spec(channels.dataset))
    assert (len(dataset.train), len(dataset.test), dataset.duplicates, dataset.thinned) == (3_000, 1_000, 0, 0)
    robots = Robots(11)
    robots.take(3_000)
    tested = robots.take(1_000)
    np.testing.assert_array_equal(dataset.test.target, tested.durations)
    assert job.noise_floor == pytest.approx(float(np.sqrt(((tested.durations - tested.expected) ** 2).mean())))


def test_the_baseline_trains_and_tests_on_the_same_rows(
    job: TrainingInput, channels: Channels, boosted_trees_result: dict[str, float]
) -> None:
    spec = json.loads((channels.dataset / "dataset.json").read_text())
    dataset = read_dataset(channels.samples, read_dataset_spec(channels.dataset))
    table = boosted_trees.read_table(channels.samples, spec)
    np.testing.assert_array_equal(table[TARGET.name][3_000:], dataset.test.target)
    assert (boosted_trees_result["train"], boosted_trees_result["test"]) == (3_000, 1_000)
    assert job.noise_floor < boosted_trees_result["rmse"] < 1.4 * job.noise_floor


def test_the_reference_model_has_a_lower_error(
    job: TrainingInput,
    channels: Channels,
    boosted_trees_result: dict[str, float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # one thread: with 4,000 rows, threads mostly wait for each other
    monkeypatch.setitem(reference_model.SETTINGS, "nthread", 1)
    reference = reference_model.train_and_test(*channels)
    assert job.noise_floor < reference["rmse"] < boosted_trees_result["rmse"]
