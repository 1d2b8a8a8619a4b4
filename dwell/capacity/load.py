"""What a fleet does to the stack: rates and sizes at every stage, from the template's own numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dwell.capacity import measurements as measured
from dwell.capacity.prices import INSTANCES, Instance, quota
from feature_schema import MAX_INSTANCES

if TYPE_CHECKING:
    from dwell.template import Template

DAY = 86_400
MOST_BUSY = 0.5
"""How busy an endpoint may be on average."""
DAYS_OF_A_DATASET = 30
"""How far back a dataset reaches (``functions/retraining/dataset.py``)."""


LARGEST = 1_000_000_000
"""Robots of a fleet or of a centre: more there are not."""
SHORTEST, LONGEST = 0.001, DAYS_OF_A_DATASET * DAY
"""Seconds between two interactions. A robot that is rarer than the longest leaves no sample in a dataset."""


class FleetError(ValueError):
    """Numbers that are no fleet, or a template that names a machine without a price."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """``robots`` in fulfilment centres of ``centre`` robots each, one interaction every ``interval`` seconds each.

    A fulfilment centre holds samples and questions back for up to ``hold`` seconds, to send many at once.
    Raises ``FleetError``.
    """

    robots: int
    interval: float
    centre: int = 1_000
    hold: float = 2.0

    def __post_init__(self) -> None:
        if not (1 <= self.robots <= LARGEST and 1 <= self.centre <= LARGEST):
            raise FleetError(f"a fleet has 1 to {LARGEST:,} robots, and so has a centre")
        if not SHORTEST <= self.interval <= LONGEST:
            raise FleetError(f"the interval is {SHORTEST} to {LONGEST:,} seconds, not {self.interval:g}")
        if not 0 <= self.hold <= DAY:
            raise FleetError(f"a centre holds back for 0 to {DAY:,} seconds, not {self.hold:g}")

    @property
    def centres(self) -> int:
        """How many fulfilment centres there are."""
        return math.ceil(self.robots / self.centre)

    @property
    def samples(self) -> float:
        """Samples a second."""
        return self.robots / self.interval

    def packed(self, most: int) -> float:
        """How many samples of a centre go together on average: what comes while it holds back, 1 to ``most``."""
        return min(float(most), max(1.0, self.samples / self.centres * self.hold))


@dataclass(frozen=True, slots=True)
class Load:
    """Rates a second and sizes in bytes; concurrency is an average, by Little's law."""

    samples: float
    messages: float
    message_bytes: float
    bytes_in: float
    shards_busy: float
    """How many shards' worth of bytes or records comes in."""
    shards: int
    """As provisioned, or as an on-demand stream would have at least."""
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
    """How many instances' worth of work the endpoint gets."""
    training: measured.Training
    listing_seconds: float

    @property
    def shards_needed(self) -> int:
        """Shards that a provisioned stream must have for the steady rate; peaks need more."""
        return math.ceil(self.shards_busy)

    @property
    def endpoint_instances_needed(self) -> int:
        """Instances that are at most half busy: a queue in front of a machine that is busier grows fast."""
        return math.ceil(self.endpoint_busy / MOST_BUSY)

    @property
    def transforms_at_once(self) -> float:
        """Validators that run at the same time, for each shard."""
        return self.validations * self.validate_seconds / self.shards


def work_seconds(work: float, memory_mb: float) -> float:
    """How long a function of one thread takes for ``work`` seconds of a whole core: memory buys a share of one."""
    return work / min(1.0, memory_mb / quota("lambda_mb_a_vcpu"))


def load(fleet: Fleet, template: Template) -> Load:
    """The steady load of a fleet. Raises ``FleetError``."""
    samples = fleet.samples
    lines = fleet.packed(measured.LINES_A_MESSAGE)
    messages, message_bytes = samples / lines, lines * measured.SAMPLE_BYTES
    bytes_in = samples * measured.SAMPLE_BYTES
    shards_busy = max(bytes_in / quota("shard_bytes"), messages / quota("shard_records"))
    stream = template.properties("SamplesStream")
    on_demand = stream["StreamModeDetails"]["StreamMode"] == "ON_DEMAND"
    shards = math.ceil(shards_busy) if on_demand else _whole("StreamShards", stream["ShardCount"])

    buffer_bytes, buffer_seconds, object_bytes, object_seconds = _buffers(template)
    validations = shards * max(bytes_in / shards / buffer_bytes, min(messages / shards, 1 / max(buffer_seconds, 1)))
    memory = template.properties("ValidatorFunction")["MemorySize"]
    validate_seconds = work_seconds(samples / validations * measured.VALIDATE_SECONDS_A_SAMPLE, memory)

    rows = fleet.packed(MAX_INSTANCES)
    questions = samples / rows
    endpoint_seconds = measured.ENDPOINT_SECONDS_A_REQUEST + rows * measured.ENDPOINT_SECONDS_A_ROW
    inference_seconds = endpoint_seconds + measured.INFERENCE_SECONDS
    instance = machine(template.parameters["EndpointInstanceType"])

    objects = DAY * max(samples * measured.ROW_BYTES / object_bytes, min(validations, 1 / max(object_seconds, 1)))
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
        concurrency=messages * measured.FORWARD_SECONDS
        + validations * validate_seconds
        + questions * inference_seconds,
        objects_a_day=objects,
        stored_bytes_a_day=DAY * samples * measured.STORED_BYTES,
        endpoint_busy=questions * endpoint_seconds / instance.vcpus,
        training=measured.training(
            min(template.parameters["MaximumSamples"], DAYS_OF_A_DATASET * DAY * samples),
            cores=machine(template.parameters["TrainingInstanceType"]).vcpus,
        ),
        listing_seconds=math.ceil(DAYS_OF_A_DATASET * objects / 1_000) * measured.LIST_SECONDS_A_PAGE,
    )


def _whole(name: str, value: float) -> int:
    if value != int(value):
        raise FleetError(f"{name} takes a whole number, not {value}")
    return int(value)


def _buffers(template: Template) -> tuple[float, float, float, float]:
    """Bytes and seconds of the transform's buffer, then of the delivery's."""
    destination = template.properties("SamplesDelivery")["ExtendedS3DestinationConfiguration"]
    (processor,) = destination["ProcessingConfiguration"]["Processors"]
    of = {one["ParameterName"]: one["ParameterValue"] for one in processor["Parameters"]}
    hints = destination["BufferingHints"]
    return (
        float(of["BufferSizeInMBs"]) * 1e6,
        float(of["BufferIntervalInSeconds"]),
        float(hints["SizeInMBs"]) * 1e6,
        float(hints["IntervalInSeconds"]),
    )


def machine(instance_type: str) -> Instance:
    """What an instance type is and costs. Raises ``FleetError``."""
    try:
        return INSTANCES[instance_type]
    except KeyError:
        raise FleetError(f"no price is known of {instance_type}; known are {', '.join(INSTANCES)}") from None
