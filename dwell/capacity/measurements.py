"""What the plan takes from measurements: sizes, work and waiting. All else comes from the template and the price table.

Work is told in seconds of one core; the machine is in docs/scale.md. `python -m benchmarks.training` measures training
again.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

SAMPLE_BYTES = 480
"""A sample with its echoed prediction, as JSON with its newline."""
ROW_BYTES = 180
"""A stored row with its echoed prediction, before compression."""
STORED_BYTES = 33
"""The same after it."""
LINES_A_MESSAGE = 120
"""How many samples the robots pack into one message (``dwell/messaging/batching.py``)."""

FORWARD_SECONDS = 0.020
"""A run of the forwarder, nearly all of it waiting for the stream."""
VALIDATE_SECONDS_A_SAMPLE = 5e-6
"""Work of the validator on packed samples."""
INFERENCE_SECONDS = 0.008
"""A run of the inference function beside the endpoint's own time."""
ENDPOINT_SECONDS_A_REQUEST = 1.5e-3
"""Work of the endpoint's web server."""
ENDPOINT_SECONDS_A_ROW = 30e-6
"""Work of the model."""
LOG_BYTES_A_RUN = 1_000
"""Lambda's three lines and the embedded metrics of one invocation."""
LIST_SECONDS_A_PAGE = 0.3
"""A page of 1,000 keys, with their versions."""


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
"""A round of three candidates. With a recent part there are twice as many: at most twice the time."""

TRAINING_START_SECONDS = 172
"""From the request to the script's first line: the median of public logs of small jobs, 2019 to 2021 (150 to 218 s)."""
TRAINING_END_SECONDS = 30
"""Uploading the model, and the event that tells of it."""
ENDPOINT_UPDATE_SECONDS = {"ml.t2.medium": 453}
"""Until another model serves: median of six timings that public notebooks show (392 to 693 s)."""
ENDPOINT_UPDATE_SECONDS_OTHERS = 241
"""The one timing of a newer notebook (2024)."""


def training(samples: float, *, cores: float = 2, recent_part: bool = True) -> Training:
    """A job of so many samples, between what was measured in a straight line; ``cores`` share the work.

    Beyond it time and memory go on as they went, and the error stays as it was.
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


def endpoint_update(instance_type: str) -> float:
    """Seconds from the request until the new model answers."""
    return ENDPOINT_UPDATE_SECONDS.get(instance_type, ENDPOINT_UPDATE_SECONDS_OTHERS)
