"""How long the loop needs on AWS from a drift to its recovery, step by step, from the template's own periods."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dwell.capacity import measurements as measured
from dwell.capacity.load import Fleet, FleetError, load

if TYPE_CHECKING:
    from dwell.template import Template

DRIFTED_RATIO = 2.1
"""Live error over the promised one after the demonstration's drift (``dwell/simulator/drift.py``)."""
ALARM_SECONDS = 60
"""CloudWatch looks at an alarm once a minute; at one of 10 or 30 seconds as often as its period."""
UNITS = {"minute": 60, "hour": 3_600, "day": 86_400}


@dataclass(frozen=True, slots=True)
class Step:
    """A stretch of the way, and the parameter that shortens it."""

    name: str
    seconds: float
    moved_by: str


@dataclass(frozen=True, slots=True)
class Recovery:
    """``steps`` in their order, each at its longest. ``recent_stored``: samples of the new world in the dataset."""

    steps: tuple[Step, ...]
    recent_stored: float

    @property
    def seconds(self) -> float:
        """From the first drifted sample until the new model answers."""
        return math.fsum(step.seconds for step in self.steps)


def recovery(fleet: Fleet, template: Template) -> Recovery:
    """The whole way for a drift of the demonstration's strength, every wait at its longest."""
    parameters, of = template.parameters, load(fleet, template)
    period, rate = float(parameters["AlarmPeriodSeconds"]), of.samples
    metered = of.shards / of.validations
    # So large a share of a period must have drifted to break the threshold; if the drift comes later, the next does.
    share = min(1.0, (parameters["ErrorRatio"] ** 2 - 1) / (DRIFTED_RATIO**2 - 1))
    alarm = (1 + share) * period + min(ALARM_SECONDS, period)

    # The samples that count are those since the start of the period that broke.
    counted_since = period + min(ALARM_SECONDS, period)
    missing = parameters["MinimumSamples"] - rate * counted_since
    look = look_again_seconds(str(parameters["LookAgain"]))
    gathering = math.ceil(missing / rate / look) * look if missing > 0 else 0.0

    destination = template.properties("SamplesDelivery")["ExtendedS3DestinationConfiguration"]["BufferingHints"]
    full = float(destination["SizeInMBs"]) * 1e6 / (rate * measured.ROW_BYTES)
    delivered = min(float(destination["IntervalInSeconds"]), full)
    steps = (
        Step("until it is metered", metered, "TransformBufferSeconds"),
        Step("alarm", alarm, "AlarmPeriodSeconds"),
        Step("gathering samples", gathering, "MinimumSamples, LookAgain"),
        Step("dataset", of.listing_seconds, "DeliveryBufferSeconds"),
        Step("start of the instance", measured.TRAINING_START_SECONDS, "SageMaker"),
        Step("training", of.training.seconds, "MaximumSamples, TrainingInstanceType"),
        Step("end of the job", measured.TRAINING_END_SECONDS, "SageMaker"),
        Step("deployment", measured.endpoint_update(parameters["EndpointInstanceType"]), "EndpointInstanceType"),
    )
    return Recovery(steps, rate * max(0.0, counted_since + gathering - metered - delivered))


def look_again_seconds(expression: str) -> float:
    """The interval of ``rate(15 minutes)``. Raises ``FleetError`` for what is no rate."""
    found = re.fullmatch(r"rate\(([1-9][0-9]{0,5}) (minute|hour|day)s?\)", expression.strip())
    if found is None:
        raise FleetError(f"LookAgain is {expression!r}, and only rate(...) of a number from 1 has an interval")
    return float(found[1]) * UNITS[found[2]]
