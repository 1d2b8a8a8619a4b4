"""A day of a fleet, minute by minute: a peak, an outage of the stream's consumer, and how the backlog goes away.

Three difference equations: what robots send goes into the stream as far as its shards take it (the rest waits in
Lambda's retries), and out of it as far as shards are read and validators work. Nothing is drawn by chance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dwell.capacity import measurements as measured
from dwell.capacity.load import Fleet, FleetError, load
from dwell.capacity.prices import quota

if TYPE_CHECKING:
    from dwell.template import Template

STEP = 60
MINUTES = 24 * 60
NIGHT = 0.4
"""What a fleet does at its quietest, at 3 o'clock, over what it does at its busiest."""
ON_DEMAND_ROOM = 2
"""An on-demand stream takes twice the highest rate of its last 30 days at once."""


@dataclass(frozen=True, slots=True)
class Peak:
    """``factor`` times the rate, for ``seconds`` from ``at`` (seconds after midnight)."""

    factor: float = 2.0
    at: float = 14 * 3_600
    seconds: float = 2 * 3_600


@dataclass(frozen=True, slots=True)
class Outage:
    """The stream's consumer stands still for ``seconds`` from ``at`` (seconds after midnight)."""

    at: float = 10 * 3_600
    seconds: float = 3_600


@dataclass(frozen=True, slots=True)
class Day:
    """One number a minute: samples/s that come and go, samples in the stream and the oldest's wait there (s).

    ``in_front`` are samples that the stream refused and that wait in retries; ``lost`` outlived the stream's retention.
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
        """Samples."""
        return max(self.backlog)

    @property
    def refused(self) -> float:
        """The most samples that waited in front of the stream."""
        return max(self.in_front)

    @property
    def longest_wait(self) -> float:
        """Seconds."""
        return max(self.wait)

    @property
    def caught_up_after(self) -> float | None:
        """Seconds from the end of the outage until nothing waits longer than a step; None if not on that day."""
        end = math.ceil((self.outage.at + self.outage.seconds) / STEP)
        return next(((minute - end) * STEP for minute in range(end, MINUTES) if self.backlog[minute] < 1), None)


def usual(second: float) -> float:
    """The share of the busiest rate at a time of the day: lowest at 3 o'clock, highest at 15."""
    return NIGHT + (1 - NIGHT) * (1 - math.cos(2 * math.pi * (second - 3 * 3_600) / (24 * 3_600))) / 2


def simulate(fleet: Fleet, template: Template, peak: Peak, outage: Outage) -> Day:
    """The day of a fleet whose own rate is the busiest without a peak.

    Raises ``FleetError`` for an impossible peak or outage.
    """
    if peak.factor < 0 or peak.seconds < 0 or outage.seconds < 0:
        raise FleetError("a peak and an outage take no negative time, and a peak's factor is not negative")
    of = load(fleet, template)
    if of.on_demand:
        takes = ON_DEMAND_ROOM * of.samples * max(1.0, peak.factor)
        shards = takes * measured.SAMPLE_BYTES / quota("shard_bytes")
    else:
        shards = float(of.shards)
        a_record = of.samples / of.messages
        takes = shards * min(quota("shard_bytes") / measured.SAMPLE_BYTES, quota("shard_records") * a_record)
    per_validator = of.samples / of.validations / of.validate_seconds
    gives = shards * min(
        quota("shard_read_bytes") / measured.SAMPLE_BYTES, quota("firehose_transforms") * per_validator
    )
    retention = float(template.parameters["StreamRetentionHours"]) * 3_600

    sent, delivered, backlogs, waits, in_front, entered = [], [], [], [], [], [0.0]
    waiting = backlog = left = lost = 0.0
    for minute in range(MINUTES):
        second = minute * STEP
        rate = of.samples * usual(second)
        if peak.at <= second < peak.at + peak.seconds:
            rate *= peak.factor
        stands_still = outage.at <= second < outage.at + outage.seconds
        coming = rate * STEP + waiting
        into = min(coming, takes * STEP)
        waiting = coming - into
        out = 0.0 if stands_still else min(backlog + into, gives * STEP)
        backlog = max(0.0, backlog + into - out)
        left += out
        entered.append(entered[-1] + into)
        oldest = _minutes_since(entered, left)
        if oldest * STEP > retention:
            # what entered longer ago than the retention is gone
            kept_from = entered[max(0, len(entered) - 1 - int(retention // STEP))]
            lost, backlog, left = lost + kept_from - left, backlog - (kept_from - left), kept_from
        in_front.append(waiting)
        sent.append(rate)
        delivered.append(out / STEP)
        backlogs.append(backlog)
        waits.append(oldest * float(STEP) if backlog >= 1 else 0.0)
    return Day(peak, outage, tuple(sent), tuple(delivered), tuple(backlogs), tuple(waits), tuple(in_front), lost)


def _minutes_since(entered: list[float], left: float) -> int:
    """How many steps ago the oldest sample entered that has not left; ``entered`` is cumulative."""
    steps = 0
    while steps < len(entered) - 1 and entered[-1 - steps] > left + 1e-6:
        steps += 1
    return steps
