"""What a fleet's minutes look like to the monitor, in worlds without drift and with one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.alarm_quality.residuals import SCALES
from dwell.simulator.physics import World
from monitor.step import MAX_ROWS

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from benchmarks.alarm_quality.residuals import Floats, Moments

DAY_MINUTES = 1_440
OBJECTS_A_MINUTE = 2
"""Stored objects at a buffer of 30 s; the monitor measures at most ``MAX_ROWS`` of each."""
PACK_ROWS = 67
PACK_SPREAD = 0.29
"""Standard deviation of a pack's logarithmic error scale: an intra-pack correlation of squared errors of about 0.05."""
WANDER_PERSISTENCE = 0.8


@dataclass(frozen=True, slots=True)
class Conditions:
    """A year without drift. Shares are relative: 0.05 is a daily cycle of the error of 5 % up and down."""

    name: str
    cycle: float = 0.0
    wander: float = 0.0
    """Standard deviation of a random walk of the error that returns to its mean, day by day."""
    pack_spread: float = PACK_SPREAD
    has_stops: bool = False
    promise_too_low: float = 0.0
    has_weekly_incident: bool = False
    """Four minutes at twice the error, once a week."""


CONDITIONS = (
    Conditions("flat"),
    Conditions("cycle of 5 %", cycle=0.05),
    Conditions("cycle of 8 %", cycle=0.08),
    Conditions("wander of 1 %", wander=0.01),
    Conditions("packs twice as alike", pack_spread=PACK_SPREAD * 2**0.5),
    Conditions("rare stops", has_stops=True),
    Conditions("promise 2 % too low", promise_too_low=0.02),
    Conditions("weekly incident", has_weekly_incident=True),
)


@dataclass(frozen=True, slots=True)
class Minutes:
    """Measured rows and their summed excess by minute: the fleet's, and by centre, (5, minutes)."""

    rows: Floats
    excess: Floats


def error_scale(conditions: Conditions, minutes: int, rng: Generator) -> Floats:
    """By minute: the error over the promised one."""
    time = np.arange(minutes)
    scale = 1 + conditions.cycle * np.sin(2 * np.pi * time / DAY_MINUTES + rng.uniform(0, 2 * np.pi))
    if conditions.wander:
        steps = rng.normal(0, conditions.wander * np.sqrt(1 - WANDER_PERSISTENCE**2), minutes // DAY_MINUTES + 2)
        walk = np.zeros(len(steps))
        for day in range(1, len(walk)):
            walk[day] = WANDER_PERSISTENCE * walk[day - 1] + steps[day]
        scale = scale * np.exp(np.interp(time / DAY_MINUTES, np.arange(len(walk)), walk))
    scale = scale / np.sqrt((scale**2).mean()) / (1 - conditions.promise_too_low)
    if conditions.has_weekly_incident:
        for week in range(0, minutes - 7 * DAY_MINUTES, 7 * DAY_MINUTES):
            start = week + rng.integers(0, 7 * DAY_MINUTES - 4)
            scale[start : start + 4] *= 2
    return np.asarray(scale, dtype=np.float64)


def draw_minutes(
    robots: int,
    scale: Floats,
    conditions: Conditions,
    moments: Moments,
    rng: Generator,
    *,
    slow_centre: Floats | None = None,
) -> Minutes:
    """The sums of each minute of ``robots`` that send one sample a minute each.

    ``scale`` is the fleet's error over the promised one by minute; ``slow_centre`` multiplies that of the last centre
    (12 % of the fleet). A pack's common scale has mean square 1.
    """
    shares = [centre.share for centre in World().centres]
    measured = min(robots, OBJECTS_A_MINUTE * MAX_ROWS)
    rows, excess = np.zeros((5, len(scale))), np.zeros((5, len(scale)))
    for centre, share in enumerate(shares):
        count: NDArray[np.int64] = rng.poisson(measured * share, len(scale))
        packs = np.maximum(1, robots * share / PACK_ROWS)
        spread = conditions.pack_spread / np.sqrt(packs)
        logarithm = np.log(scale) + spread * rng.standard_normal(len(scale)) - spread**2
        if slow_centre is not None and centre == len(shares) - 1:
            logarithm = logarithm + np.log(slow_centre)
        mean = np.interp(logarithm, np.log(SCALES), moments.means[centre])
        variance = np.interp(logarithm, np.log(SCALES), moments.variances[centre])
        drawn = count * mean + np.sqrt(count * variance) * rng.standard_normal(len(scale))
        rows[centre], excess[centre] = count, np.clip(drawn, -count, 24 * count)
    return Minutes(rows, excess)
