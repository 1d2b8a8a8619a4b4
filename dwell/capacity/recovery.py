"""How long recovery from a drift takes on AWS, step by step, computed from the template's periods."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dwell.capacity import measurements
from dwell.capacity.detection import MAX_ROWS_PER_OBJECT, Window, estimate_detection
from dwell.capacity.load import FleetProfile, InvalidFleetError, Load, compute_load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dwell.template import Template

DRIFTED_RATIO = 2.1
"""Live error divided by the promised error after the demo's drift (``dwell/simulator/drift.py``)."""
MAX_ALARM_DELAY_SECONDS = 60
"""CloudWatch evaluates an alarm once a minute; an alarm with a period of 10 or 30 s, once in its period:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
"""
_UNIT_SECONDS = {"minute": 60, "hour": 3_600, "day": 86_400}


class UndetectedDriftError(Exception):
    """The fleet sends too few samples for any window of the monitor."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step with the longest time that it takes, and the parameter that shortens it."""

    name: str
    seconds: float
    moved_by: str


@dataclass(frozen=True, slots=True)
class Recovery:
    """``steps`` in their order. ``recent_stored``: number of samples since the drift that the dataset contains."""

    steps: tuple[Step, ...]
    recent_stored: float

    @property
    def seconds(self) -> float:
        """Duration from the first drifted sample until the new model serves."""
        return math.fsum(step.seconds for step in self.steps)


def estimate_detections(fleet: FleetProfile, template: Template, ratios: Sequence[float]) -> dict[float, Window | None]:
    """The first window that sees live error at each of ``ratios`` times the promise, if every sample has a prediction.

    Raises ``InvalidFleetError``.
    """
    load = compute_load(fleet, template)
    minute, delivery = float(template.parameters["MonitorMinuteSeconds"]), _delivery_seconds(load, template)
    measured = min(load.samples, MAX_ROWS_PER_OBJECT / delivery if delivery else load.samples) * minute
    return {ratio: estimate_detection(ratio, measured, template.parameters["ErrorRatio"]) for ratio in ratios}


def _delivery_seconds(load: Load, template: Template) -> float:
    """How long Firehose collects rows for an object: its interval, or until the object is full."""
    hints = template.properties("SamplesDelivery")["ExtendedS3DestinationConfiguration"]["BufferingHints"]
    fill_seconds = float(hints["SizeInMBs"]) * 1e6 / (load.samples * measurements.ROW_BYTES)
    return min(float(hints["IntervalInSeconds"]), fill_seconds)


def estimate_recovery(fleet: FleetProfile, template: Template) -> Recovery:
    """The steps after a drift as strong as the demo's, each with its longest wait. Raises ``InvalidFleetError``, or
    ``UndetectedDriftError`` if the monitor sees no drift at this rate.
    """
    parameters, load = template.parameters, compute_load(fleet, template)
    rate, minute = load.samples, float(parameters["MonitorMinuteSeconds"])
    buffers = load.shards / load.validations + _delivery_seconds(load, template)
    window = estimate_detections(fleet, template, (DRIFTED_RATIO,))[DRIFTED_RATIO]
    if window is None:
        raise UndetectedDriftError("too few samples: the monitor does not even see a drift that doubles the error")
    period = float(template.properties("ModelErrorAlarm")["Period"])
    delay = period + min(MAX_ALARM_DELAY_SECONDS, period)

    # Samples count from the start of the period in which the evidence was published.
    counted_since = delay
    missing = parameters["MinimumSamples"] - rate * counted_since
    recheck = rate_seconds(str(parameters["AlarmRecheckSchedule"]))
    gathering = math.ceil(missing / rate / recheck) * recheck if missing > 0 else 0.0

    steps = (
        Step("until it is stored", buffers, "TransformBufferSeconds, DeliveryBufferSeconds"),
        Step("evidence", window.minutes * minute, "ErrorRatio"),
        Step("alarm", delay, "CloudWatch"),
        Step("gathering samples", gathering, "MinimumSamples, AlarmRecheckSchedule"),
        Step("dataset", load.listing_seconds, "DeliveryBufferSeconds"),
        Step("start of the instance", measurements.TRAINING_START_SECONDS, "SageMaker"),
        Step("training", load.training.seconds, "MaximumSamples, TrainingInstanceType"),
        Step("end of the job", measurements.TRAINING_END_SECONDS, "SageMaker"),
        Step(
            "deployment",
            measurements.endpoint_update_seconds(parameters["EndpointInstanceType"]),
            "EndpointInstanceType",
        ),
    )
    return Recovery(steps, rate * max(0.0, counted_since + gathering))


def rate_seconds(expression: str) -> float:
    """The interval of ``rate(15 minutes)`` in seconds. Raises ``InvalidFleetError`` for any other expression."""
    match = re.fullmatch(r"rate\(([1-9][0-9]{0,5}) (minute|hour|day)s?\)", expression.strip())
    if match is None:
        raise InvalidFleetError(
            f"AlarmRecheckSchedule is {expression!r}: only rate(...) of a number from 1 is supported"
        )
    return float(match[1]) * _UNIT_SECONDS[match[2]]
