"""The workshop's number of samples, as the validator and Firehose store them for a training job.

The samples come from the simulated robots' physics, so the error of the best possible predictor is known. Rows are
written in bulk, because the validator needs minutes for two million; a test shows that it would write the same bytes.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dwell.simulator.robots import Robots
from feature_schema import FEATURES, ROW_COLUMNS, TARGET, VERSION, describe

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from dwell.simulator.robots import Interactions

TRAIN, TEST = 1_500_000, 500_000
"""The workshop's split by time: the first rows for training, the last for testing."""
OLDEST = datetime(2026, 11, 23, tzinfo=UTC)
INTERVAL_MS = 10
"""A hundred samples a second: a fleet of 3,000 robots."""
ROWS_PER_OBJECT = 30_000
"""The samples of such a fleet in 5 minutes, which Firehose puts into one object."""
STAMP = "20261123T063900Z"
EXPECTED_ERROR = 1830.5
MODEL = f"xgboost-{STAMP}"
"""The promised error and the model that each row echoes beside the prediction."""


@dataclass(frozen=True, slots=True)
class TrainingInput:
    """The input of a training job: ``variables`` are the ``SM_*`` environment variables of its channels.

    ``noise_floor`` is the RMSE (ms) of the best possible predictor, the conditional mean, on the test set; ``size`` is
    that of all objects in bytes.
    """

    variables: dict[str, str]
    noise_floor: float
    train: int
    test: int
    size: int


def write_channels(folder: Path, *, train: int = TRAIN, test: int = TEST, seed: int = 11) -> TrainingInput:
    """Write the channels ``samples`` and ``dataset`` under an empty folder, as SageMaker lays them out."""
    samples, dataset = folder / "samples", folder / "dataset"
    dataset.mkdir(parents=True)
    robots = Robots(seed)
    objects, squares = [], []
    size = 0
    while robots.taken < train + test:
        count = min(ROWS_PER_OBJECT, train + test - robots.taken)
        interactions = robots.take(count)
        first = OLDEST.timestamp() + interactions.numbers[0] * INTERVAL_MS / 1_000
        key = f"samples/date=2026-11-23/hour=00/dwell-1-{datetime.fromtimestamp(first, UTC):%Y-%m-%d-%H-%M-%S}.gz"
        content = gzip.compress(build_rows(interactions, robots, seed=seed), 6)
        path = samples / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        size += len(content)
        objects.append({"key": key, "version": "1", "size": len(content)})
        residuals = (interactions.durations - interactions.expected)[interactions.numbers >= train]
        squares.append(residuals**2)
    spec = {
        "round": f"{STAMP}-no-model",
        "stamp": STAMP,
        "schema": describe(),
        "recent_since": None,
        "test_fraction": test / (train + test),
        "objects": objects,
        "champion": None,
        "maximum_samples": None,
    }
    (dataset / "dataset.json").write_text(json.dumps(spec))
    return TrainingInput(
        variables={"SM_CHANNEL_SAMPLES": str(samples), "SM_CHANNEL_DATASET": str(dataset)},
        noise_floor=float(np.sqrt(np.concatenate(squares).mean())),
        train=train,
        test=test,
        size=size,
    )


def format_times(numbers: NDArray[np.int64]) -> list[str]:
    """Return the times of interactions, by their numbers, as a stored row contains them; shape (n,)."""
    times = np.datetime64(OLDEST.replace(tzinfo=None), "ms") + numbers * np.timedelta64(INTERVAL_MS, "ms")
    return [f"{time}Z" for time in np.datetime_as_string(times, unit="ms")]


def build_rows(interactions: Interactions, robots: Robots, *, seed: int) -> bytes:
    """Return the stored rows of interactions as CSV, each with the prediction of the best possible model."""
    centres = np.array([centre.fc_id for centre in robots.world.centres])
    columns: dict[str, object] = {
        TARGET.name: interactions.durations,
        **{feature.name: interactions.features[:, index] for index, feature in enumerate(FEATURES)},
        "sample_id": [f"s{seed}-{number:09d}" for number in interactions.numbers.tolist()],
        "robot_id": [f"robot-{robot:05d}" for robot in interactions.robots.tolist()],
        "fc_id": centres[interactions.centres],
        "recorded_at": format_times(interactions.numbers),
        "schema_version": VERSION,
        "predicted": interactions.expected.round(2),
        "expected_error": EXPECTED_ERROR,
        "model": MODEL,
        "received_at": format_times(interactions.numbers),
        "asked_at": "",
    }
    table = pd.DataFrame(columns)[list(ROW_COLUMNS)]
    return table.to_csv(None, header=False, index=False, lineterminator="\n").encode()
