"""A deterministic simulation of a day, minute by minute: a peak, an outage of the stream's consumer, and its backlog.

Three difference equations: samples enter the stream up to the capacity of its shards (the rest waits in Lambda's
retries), and leave it up to the read capacity of the shards and of the validators.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dwell.capacity import measurements
from dwell.capacity.load import FleetProfile, InvalidFleetError, compute_load
from dwell.capacity.prices import quota

if TYPE_CHECKING:
    from dwell.template import Template

STEP_SECONDS = 60
MINUTES = 24 * 60
MIN_ACTIVITY = 0.4
"""Activity of a fleet at its minimum (3 o'clock), relative to its maximum."""
ON_DEMAND_HEADROOM = 2
"""An on-demand stream accepts up to twice the peak rate of its last 30 days at once:
https://docs.aws.amazon.com/streams/latest/dev/how-do-i-size-a-stream.html
"""


@dataclass(frozen=True, slots=True)
class Peak:
    """``factor`` times the rate, for ``seconds`` from ``at`` (seconds after midnight)."""

    factor: float = 2.0
    at: float = 14 * 3_600
    seconds: float = 2 * 3_600


@dataclass(frozen=True, slots=True)
class Outage:
    """The stream's consumer stops for ``seconds`` from ``at`` (seconds after midnight)."""

    at: float = 10 * 3_600
    seconds: float = 3_600


@dataclass(frozen=True, slots=True)
class Day:
    """One value for each minute: samples/s sent and delivered, samples in the stream, and the age of the oldest (s).

    ``in_front`` are samples that the stream refused and that wait in retries; ``lost`` is the number of samples that
    outlived the stream's retention.
    """

    peak: Peak
    outage: Outage
    sent: tuple[float, ...]
    delivered: tuple[float, ...]
    backlog: tuple[float, ...]
    wait: tuple[float, ...]
    in_front: tuple[float, ...]
    lost: float

    @property
    def largest_backlog(self) -> float:
        """The largest number of samples in the stream."""
        return max(self.backlog)

    @property
    def refused(self) -> float:
        """The largest number of samples that waited in retries."""
        return max(self.in_front)

    @property
    def longest_wait(self) -> float:
        """The longest time that a sample was in the stream, in seconds."""
        return max(self.wait)

    @property
    def caught_up_after(self) -> float | None:
        """Seconds from the end of the outage until the backlog is gone; ``None`` if that is not on the same day."""
        end = math.ceil((self.outage.at + self.outage.seconds) / STEP_SECONDS)
        return next(((minute - end) * STEP_SECONDS for minute in range(end, MINUTES) if self.backlog[minute] < 1), None)


def activity(second: float) -> float:
    """Activity relative to the maximum at a time of the day (s): lowest at 3 o'clock, highest at 15."""
    return MIN_ACTIVITY + (1 - MIN_ACTIVITY) * (1 - math.cos(2 * math.pi * (second - 3 * 3_600) / (24 * 3_600))) / 2


def simulate(fleet: FleetProfile, template: Template, peak: Peak, outage: Outage) -> Day:
    """The day of a fleet; its own rate is the day's maximum outside the peak.

    Raises ``InvalidFleetError`` for a negative peak or outage.
    """
    if peak.factor < 0 or peak.seconds < 0 or outage.seconds < 0:
        raise InvalidFleetError("the durations of a peak and an outage and the factor of a peak must not be negative")
    load = compute_load(fleet, template)
    if load.on_demand:
        capacity_in = ON_DEMAND_HEADROOM * load.samples * max(1.0, peak.factor)
        shards = capacity_in * measurements.SAMPLE_BYTES / quota("shard_bytes")
    else:
        shards = float(load.shards)
        samples_per_record = load.samples / load.messages
        capacity_in = shards * min(
            quota("shard_bytes") / measurements.SAMPLE_BYTES, quota("shard_records") * samples_per_record
        )
    per_validator = load.samples / load.validations / load.validate_seconds
    capacity_out = shards * min(
        quota("shard_read_bytes") / measurements.SAMPLE_BYTES, quota("firehose_transforms") * per_validator
    )
    retention = float(template.parameters["StreamRetentionHours"]) * 3_600

    sent, delivered, backlogs, waits, in_front, entered = [], [], [], [], [], [0.0]
    waiting = backlog = left = lost = 0.0
    for minute in range(MINUTES):
        second = minute * STEP_SECONDS
        rate = load.samples * activity(second)
        if peak.at <= second < peak.at + peak.seconds:
            rate *= peak.factor
        is_stopped = outage.at <= second < outage.at + outage.seconds
        arriving = rate * STEP_SECONDS + waiting
        entering = min(arriving, capacity_in * STEP_SECONDS)
        waiting = arriving - entering
        leaving = 0.0 if is_stopped else min(backlog + entering, capacity_out * STEP_SECONDS)
        backlog = max(0.0, backlog + entering - leaving)
        left += leaving
        entered.append(entered[-1] + entering)
        oldest = _minutes_since(entered, left)
        if oldest * STEP_SECONDS > retention:
            # samples that entered longer ago than the retention are lost
            kept_from = entered[max(0, len(entered) - 1 - int(retention // STEP_SECONDS))]
            lost, backlog, left = lost + kept_from - left, backlog - (kept_from - left), kept_from
        in_front.append(waiting)
        sent.append(rate)
        delivered.append(leaving / STEP_SECONDS)
        backlogs.append(backlog)
        waits.append(oldest * float(STEP_SECONDS) if backlog >= 1 else 0.0)
    return Day(peak, outage, tuple(sent), tuple(delivered), tuple(backlogs), tuple(waits), tuple(in_front), lost)


def _minutes_since(entered: list[float], left: float) -> int:
    """Number of steps since the oldest remaining sample entered; ``entered`` and ``left`` are cumulative."""
    steps = 0
    while steps < len(entered) - 1 and entered[-1 - steps] > left + 1e-6:
        steps += 1
    return steps
