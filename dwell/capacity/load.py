"""The load that a fleet puts on the stack: rates and sizes at every stage, computed from the template."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dwell.capacity import measurements
from dwell.capacity.prices import INSTANCES, Instance, quota
from dwell.console.errors import InvalidUsageError
from feature_schema import MAX_INSTANCES

if TYPE_CHECKING:
    from dwell.template import Template

DAY_SECONDS = 86_400
MAX_BUSY_SHARE = 0.5
"""Largest average utilization of an endpoint."""
DATASET_DAYS = 30
"""Age of the oldest samples in a dataset (``functions/retraining/dataset.py``)."""


MAX_ROBOTS = 1_000_000_000
"""Largest number of robots in a fleet or in a centre."""
MIN_INTERVAL_SECONDS = 0.001
MAX_INTERVAL_SECONDS = DATASET_DAYS * DAY_SECONDS
"""A robot with a longer interval would leave no sample in a dataset."""


class InvalidFleetError(InvalidUsageError):
    """A number is out of range, or the template names an instance type without a known price."""


@dataclass(frozen=True, slots=True)
class FleetProfile:
    """``robots`` in fulfilment centres of ``centre`` robots each, one interaction every ``interval`` seconds each.

    A fulfilment centre holds samples and prediction requests back for up to ``hold`` seconds, to send many at once.
    Raises ``InvalidFleetError``.
    """

    robots: int
    interval: float
    centre: int = 1_000
    hold: float = 2.0

    def __post_init__(self) -> None:
        if not (1 <= self.robots <= MAX_ROBOTS and 1 <= self.centre <= MAX_ROBOTS):
            raise InvalidFleetError(f"a fleet has 1 to {MAX_ROBOTS:,} robots, and so has a centre")
        if not MIN_INTERVAL_SECONDS <= self.interval <= MAX_INTERVAL_SECONDS:
            raise InvalidFleetError(
                f"the interval is {MIN_INTERVAL_SECONDS} to {MAX_INTERVAL_SECONDS:,} seconds, not {self.interval:g}"
            )
        if not 0 <= self.hold <= DAY_SECONDS:
            raise InvalidFleetError(f"a centre holds back for 0 to {DAY_SECONDS:,} seconds, not {self.hold:g}")

    @property
    def centres(self) -> int:
        """Number of fulfilment centres."""
        return math.ceil(self.robots / self.centre)

    @property
    def samples(self) -> float:
        """Samples a second."""
        return self.robots / self.interval

    def batch_size(self, maximum: int) -> float:
        """Average number of samples that a centre sends together: those of its ``hold`` time, 1 to ``maximum``."""
        return min(float(maximum), max(1.0, self.samples / self.centres * self.hold))


@dataclass(frozen=True, slots=True)
class Load:
    """Rates per second and sizes in bytes; ``concurrency`` is an average, by Little's law."""

    samples: float
    messages: float
    message_bytes: float
    bytes_in: float
    shards_busy: float
    """Incoming bytes or records in units of one shard's capacity."""
    shards: int
    """As provisioned, or the fewest that an on-demand stream needs."""
    on_demand: bool
    validations: float
    validate_seconds: float
    questions: float
    question_rows: float
    inference_seconds: float
    concurrency: float
    objects_a_day: float
    stored_bytes_a_day: float
    endpoint_busy: float
    """Work of the endpoint in units of one instance's capacity."""
    training: measurements.Training
    listing_seconds: float

    @property
    def shards_needed(self) -> int:
        """Shards that a provisioned stream needs for the steady rate; peaks need more."""
        return math.ceil(self.shards_busy)

    @property
    def endpoint_instances_needed(self) -> int:
        """Instances needed for a utilization of at most one half; queues grow fast above it."""
        return math.ceil(self.endpoint_busy / MAX_BUSY_SHARE)

    @property
    def transforms_at_once(self) -> float:
        """Concurrent validators for each shard."""
        return self.validations * self.validate_seconds / self.shards


def run_seconds(work: float, memory_mb: float) -> float:
    """Duration of a single-threaded function for ``work`` seconds of a full core; memory determines its share of one:
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
    """
    return work / min(1.0, memory_mb / quota("lambda_mb_a_vcpu"))


def compute_load(fleet: FleetProfile, template: Template) -> Load:
    """The steady load of a fleet. Raises ``InvalidFleetError``."""
    samples = fleet.samples
    lines = fleet.batch_size(measurements.LINES_PER_MESSAGE)
    messages, message_bytes = samples / lines, lines * measurements.SAMPLE_BYTES
    bytes_in = samples * measurements.SAMPLE_BYTES
    shards_busy = max(bytes_in / quota("shard_bytes"), messages / quota("shard_records"))
    stream = template.properties("SamplesStream")
    on_demand = stream["StreamModeDetails"]["StreamMode"] == "ON_DEMAND"
    shards = math.ceil(shards_busy) if on_demand else _require_integer("StreamShards", stream["ShardCount"])

    buffer_bytes, buffer_seconds, object_bytes, object_seconds = _buffers(template)
    validations = shards * max(bytes_in / shards / buffer_bytes, min(messages / shards, 1 / max(buffer_seconds, 1)))
    memory = template.properties("ValidatorFunction")["MemorySize"]
    validate_seconds = run_seconds(samples / validations * measurements.VALIDATE_SECONDS_PER_SAMPLE, memory)

    rows = fleet.batch_size(MAX_INSTANCES)
    questions = samples / rows
    endpoint_seconds = measurements.ENDPOINT_SECONDS_PER_REQUEST + rows * measurements.ENDPOINT_SECONDS_PER_ROW
    inference_seconds = endpoint_seconds + measurements.INFERENCE_SECONDS
    instance = get_instance(template.parameters["EndpointInstanceType"])

    objects_a_day = DAY_SECONDS * max(
        samples * measurements.ROW_BYTES / object_bytes, min(validations, 1 / max(object_seconds, 1))
    )
    return Load(
        samples=samples,
        messages=messages,
        message_bytes=message_bytes,
        bytes_in=bytes_in,
        shards_busy=shards_busy,
        shards=shards,
        on_demand=on_demand,
        validations=validations,
        validate_seconds=validate_seconds,
        questions=questions,
        question_rows=rows,
        inference_seconds=inference_seconds,
        concurrency=messages * measurements.FORWARD_SECONDS
        + validations * validate_seconds
        + questions * inference_seconds,
        objects_a_day=objects_a_day,
        stored_bytes_a_day=DAY_SECONDS * samples * measurements.STORED_BYTES,
        endpoint_busy=questions * endpoint_seconds / instance.vcpus,
        training=measurements.estimate_training(
            min(template.parameters["MaximumSamples"], DATASET_DAYS * DAY_SECONDS * samples),
            cores=get_instance(template.parameters["TrainingInstanceType"]).vcpus,
        ),
        listing_seconds=math.ceil(DATASET_DAYS * objects_a_day / 1_000) * measurements.LIST_SECONDS_PER_PAGE,
    )


def _require_integer(name: str, value: float) -> int:
    if value != int(value):
        raise InvalidFleetError(f"{name} must be an integer, not {value}")
    return int(value)


def _buffers(template: Template) -> tuple[float, float, float, float]:
    """Bytes and seconds of the transform's buffer, then of the delivery buffer."""
    destination = template.properties("SamplesDelivery")["ExtendedS3DestinationConfiguration"]
    (processor,) = destination["ProcessingConfiguration"]["Processors"]
    settings = {parameter["ParameterName"]: parameter["ParameterValue"] for parameter in processor["Parameters"]}
    hints = destination["BufferingHints"]
    return (
        float(settings["BufferSizeInMBs"]) * 1e6,
        float(settings["BufferIntervalInSeconds"]),
        float(hints["SizeInMBs"]) * 1e6,
        float(hints["IntervalInSeconds"]),
    )


def get_instance(instance_type: str) -> Instance:
    """Price and size of an instance type. Raises ``InvalidFleetError``."""
    try:
        return INSTANCES[instance_type]
    except KeyError:
        raise InvalidFleetError(
            f"the price of {instance_type} is not known; known are {', '.join(INSTANCES)}"
        ) from None
