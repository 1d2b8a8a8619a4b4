"""Measured sizes, work and delays. The plan takes everything else from the template and the price table.

Work is in seconds of one core of the machine in docs/scale.md. `python -m benchmarks.training` repeats the measurement
of training.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

SAMPLE_BYTES = 525
"""A sample with its echoed prediction, as JSON with its newline."""
ROW_BYTES = 210
"""A stored row with its echoed prediction, before compression."""
STORED_BYTES = 40
"""The same after compression."""
LINES_PER_MESSAGE = 120
"""Samples in one message of the simulated robots (``dwell/messaging/batching.py``)."""

FORWARD_SECONDS = 0.020
"""Duration of the forwarder; nearly all of it is waiting for the stream."""
VALIDATE_SECONDS_PER_SAMPLE = 5e-6
"""Work of the validator on messages of many samples."""
MONITOR_WAIT_SECONDS = 0.1
"""Time in which the monitor waits for S3: an object and the state are read, the state is written."""
MONITOR_SECONDS_PER_OBJECT = 0.075
"""Work of the monitor: its state is decoded and encoded (33 ms), 2,000 rows are measured (40 ms)."""
MONITOR_SECONDS_PER_ROW = 1.9e-6
"""Work of the monitor for every stored row, measured or not: its id is hashed."""
INFERENCE_SECONDS = 0.008
"""Duration of the inference function without the endpoint's time."""
ENDPOINT_SECONDS_PER_REQUEST = 1.5e-3
"""Work of the endpoint's web server."""
ENDPOINT_SECONDS_PER_ROW = 30e-6
"""Work of the model."""
LOG_BYTES_PER_RUN = 1_000
"""Log bytes of one invocation: Lambda's three lines and the embedded metrics."""
LIST_SECONDS_PER_PAGE = 0.3
"""Duration of listing 1,000 keys with their versions."""


@dataclass(frozen=True, slots=True)
class Training:
    """A training job of ``samples``: seconds on two cores, peak memory in GB, error over the test set's noise floor."""

    samples: int
    seconds: float
    memory: float
    error: float


TRAININGS: tuple[Training, ...] = (
    Training(20_000, 2.3, 0.28, 1.044),
    Training(100_000, 7.3, 0.37, 1.032),
    Training(200_000, 14.0, 0.42, 1.020),
    Training(2_000_000, 56.9, 1.54, 1.011),
    Training(4_000_000, 99.5, 2.69, 1.011),
)
"""Rounds of three candidates. After a drift there are twice as many, which takes at most twice the time."""

TRAINING_START_SECONDS = 172
"""From the request to the script's first line: the median of public logs of small jobs, 2019 to 2021 (150 to 218 s)."""
TRAINING_END_SECONDS = 30
"""Uploading the model, and the delay of SageMaker's event."""
ENDPOINT_UPDATE_SECONDS = {"ml.t2.medium": 453}
"""Until the new model serves: median of six timings in public notebooks (392 to 693 s)."""
DEFAULT_ENDPOINT_UPDATE_SECONDS = 241
"""The one timing of a newer notebook (2024)."""


def estimate_training(samples: float, *, cores: float = 2, recent_part: bool = True) -> Training:
    """A job with ``samples`` on ``cores``, linearly interpolated between the measurements.

    Beyond the largest measurement, time and memory are extrapolated, and the error stays constant.
    """
    low, high = TRAININGS[0], TRAININGS[1]
    for smaller, larger in pairwise(TRAININGS):
        low, high = smaller, larger
        if samples <= high.samples:
            break
    share = (samples - low.samples) / (high.samples - low.samples)
    seconds = max(low.seconds + share * (high.seconds - low.seconds), TRAININGS[0].seconds)
    memory = max(low.memory + share * (high.memory - low.memory), TRAININGS[0].memory)
    error = low.error + min(max(share, 0.0), 1.0) * (high.error - low.error)
    return Training(round(samples), seconds * (2 if recent_part else 1) * 2 / max(cores, 1), memory, error)


def endpoint_update_seconds(instance_type: str) -> float:
    """Seconds from the request until the new model serves."""
    return ENDPOINT_UPDATE_SECONDS.get(instance_type, DEFAULT_ENDPOINT_UPDATE_SECONDS)
