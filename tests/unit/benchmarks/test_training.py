"""The benchmark's dataset is what the validator would have written, and its baselines do the same work."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmarks import workshop_dataset
from benchmarks.baselines import boosted_trees, reference_model
from benchmarks.recovery import ReportError, laptop_seconds
from dwell.simulator.robots import Robots, sample_line
from feature_schema import TARGET
from retraining.training_job.dataset import read_dataset, read_dataset_spec
from validator.transform import transform

if TYPE_CHECKING:
    from benchmarks.workshop_dataset import Job


@pytest.fixture(scope="module")
def job(robots: None, tmp_path_factory: pytest.TempPathFactory) -> Job:
    return workshop_dataset.write(tmp_path_factory.mktemp("job"), train=3_000, test=1_000)


def test_the_rows_are_those_that_the_validator_writes(job: Job) -> None:
    # given the same interactions as robots report them
    robots = Robots(11)
    interactions = robots.take(50)
    answers = [
        {TARGET.name: float(one), "expected_error": workshop_dataset.EXPECTED_ERROR, "model": workshop_dataset.MODEL}
        for one in interactions.expected.round(2)
    ]
    lines = []
    for number, sample in enumerate(robots.samples(interactions, workshop_dataset.OLDEST, answers)):
        moment = workshop_dataset.OLDEST + timedelta(milliseconds=number * workshop_dataset.INTERVAL_MS)
        lines.append(sample_line({**sample, "recorded_at": moment.isoformat(timespec="milliseconds")}).text)
    record = {
        "recordId": "1",
        "approximateArrivalTimestamp": int(datetime(2026, 11, 24, tzinfo=UTC).timestamp() * 1000),
        "data": base64.b64encode("\n".join(lines).encode()).decode(),
    }
    # when the validator reads them
    batch = transform({"records": [record]})
    # then its rows are the first of the dataset
    assert not batch.rejected
    (first, *_) = sorted(Path(job.variables["SM_CHANNEL_SAMPLES"]).rglob("*.gz"))
    assert gzip.decompress(first.read_bytes()).startswith(base64.b64decode(batch.results[0]["data"]))


def test_the_job_reads_as_many_rows_as_were_ordered_and_the_floor_is_that_of_its_test_set(job: Job) -> None:
    description = read_dataset_spec(Path(job.variables["SM_CHANNEL_DATASET"]))
    dataset = read_dataset(Path(job.variables["SM_CHANNEL_SAMPLES"]), description)
    assert (len(dataset.train), len(dataset.test), dataset.duplicates, dataset.thinned) == (3_000, 1_000, 0, 0)
    robots = Robots(11)
    robots.take(3_000)
    tested = robots.take(1_000)
    np.testing.assert_array_equal(dataset.test.target, tested.durations)
    assert job.noise_floor == pytest.approx(float(np.sqrt(((tested.durations - tested.expected) ** 2).mean())))


def test_the_baseline_learns_from_and_tests_on_the_same_rows(job: Job) -> None:
    channels = [Path(job.variables[f"SM_CHANNEL_{name}"]) for name in ("SAMPLES", "DATASET")]
    told = json.loads((channels[1] / "dataset.json").read_text())
    dataset = read_dataset(channels[0], read_dataset_spec(channels[1]))
    table = boosted_trees.read(channels[0], told)
    np.testing.assert_array_equal(table[TARGET.name][3_000:], dataset.test.target)
    found = boosted_trees.run(*channels)
    assert (found["train"], found["test"]) == (3_000, 1_000)
    assert job.noise_floor < found["rmse"] < 1.4 * job.noise_floor


def test_the_reference_reads_the_same_and_comes_nearer(job: Job) -> None:
    channels = [Path(job.variables[f"SM_CHANNEL_{name}"]) for name in ("SAMPLES", "DATASET")]
    assert job.noise_floor < reference_model.run(*channels)["rmse"] < boosted_trees.run(*channels)["rmse"]


def report(errors: list[float], **changes: Any) -> dict[str, Any]:
    """A run whose world changes after 10 seconds, with live error every 5 seconds."""
    start = datetime(2026, 11, 23, 6, tzinfo=UTC)
    return {
        "moments": [{"at": (start + timedelta(seconds=10)).isoformat(), "kind": "drift"}],
        "live_error": {"before_drift": 100.0, "noise_floor_before": 90.0, "noise_floor_after": 99.0},
        "error_series": [
            {"at": (start + timedelta(seconds=5 * number)).isoformat(), "error": error, "samples": 50}
            for number, error in enumerate(errors)
        ],
        **changes,
    }


def test_recovery_is_the_end_of_the_first_interval_from_which_on_error_stays_back() -> None:
    # given an error that was 100 before, may be 121 after (the world is noisier), and dips once too early
    errors = [100.0, 100, 200, 200, 120, 200, 118, 118, 130, 118, 118, 115, 115]
    # then one interval alone, which errs by chance, delays nothing
    assert laptop_seconds(report(errors)) == 25.0


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (report([100, 100, *[200] * 9]), "did not come back"),
        (report([100] * 9), "never rose"),
        (report([100, 100, *[200] * 4, *[100] * 6], moments=[]), "no drift"),
    ],
)
def test_a_run_that_tells_no_recovery_is_refused(told: dict[str, Any], reason: str) -> None:
    with pytest.raises(ReportError, match=reason):
        laptop_seconds(told)
