"""The geometry of the chart: live error over time, and above it who served, what was on and what ran.

Widths are percentages of the chart, so that it fits a phone and a wall; heights are pixels, so that text is never
stretched. What is drawn how, the template says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import tzinfo

    from leaderboard.live_error import Interval
    from leaderboard.page_data import Look
    from leaderboard.time_range import Window

LANE, GAP, PLOT, FOOT = 42, 20, 220, 28
"""Heights of a lane, of what lies between lanes and plot, of the plot, and of the times below it."""
SCALE = 1_000
"""The lines of the plot lie in a square of this side, which is stretched over it."""

_LONGEST_BRIDGE = 1 / 20
"""Of the window: over a longer silence no line is drawn, which would say something about it."""
_NARROWEST, _LEGIBLE = 0.4, 11.0
"""Percentages: what can be seen, and what a name needs."""
_STEPS = [
    *(timedelta(seconds=seconds) for seconds in (5, 10, 30)),
    *(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15, 30)),
    *(timedelta(hours=hours) for hours in (1, 2, 3, 6, 12)),
    *(timedelta(days=days) for days in (1, 2, 7)),
]
_MOST_TICKS = 6


@dataclass(frozen=True, slots=True)
class Bar:
    """Something that lasted. ``left`` and ``width`` are percentages, and so is the ``room`` beside it."""

    left: float
    width: float
    label: str
    kind: str
    room: float = 0.0

    @property
    def is_labelled_beside(self) -> bool:
        """Whether its name fits better to its right than into it."""
        return self.width < _LEGIBLE < self.room


@dataclass(frozen=True, slots=True)
class Lane:
    """A row of bars."""

    name: str
    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the grid: ``at`` is a percentage from the left, or pixels from the top of the plot."""

    at: float
    value: float | datetime


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines are the points of polylines, one for each stretch without a silence."""

    lanes: Sequence[Lane]
    errors: Sequence[str]
    promises: Sequence[str]
    times: Sequence[Tick]
    step: timedelta
    values: Sequence[Tick]
    breaches: Sequence[Bar]
    """When live error broke its promise: the alarm that says so was on."""
    promotions: Sequence[float]


def chart(look: Look, zone: tzinfo = UTC) -> Chart:
    """Lay the chart out."""
    window = look.course
    highest = max((max(one.rmse, one.promised) for one in look.live_error), default=0.0)
    values = _values(highest)
    top = values[-1] if values else 1.0
    stretches = list(_stretches(look.live_error, window))
    step = time_step(window)
    alarms = [one for one in look.alarms if one.since < window.until]
    return Chart(
        lanes=[
            Lane("serving", _bars(window, [(one.since, one.until, one.model, "live") for one in look.serving])),
            Lane(
                "rounds",
                _bars(
                    window,
                    [(one.started_at, one.finished_at, one.cause, one.status) for one in look.standing.rounds],
                ),
            ),
            Lane("alarms", _bars(window, [(one.since, one.until, one.alarm, "alarm") for one in alarms])),
        ],
        errors=[_line([(one, one.rmse) for one in stretch], window, top) for stretch in stretches],
        promises=[_line([(one, one.promised) for one in stretch], window, top) for stretch in stretches],
        times=[Tick(_left(at, window), at) for at in _times(window, step, zone)],
        step=step,
        values=[Tick(round(PLOT * (1 - value / top), 1), value) for value in values],
        breaches=_bars(window, [(one.since, one.until, "", "breach") for one in alarms if one.alarm == "ModelError"]),
        promotions=[_left(one.since, window) for one in look.serving if window.since <= one.since <= window.until],
    )


_NOTHING = 1e-300
"""What is as good as 0 in every unit; a fraction of less may be 0 itself."""


def time_step(window: Window) -> timedelta:
    """The distance of the lines of the grid: a round number of seconds, minutes, hours or days."""
    return next((step for step in _STEPS if window.length / step <= _MOST_TICKS), _STEPS[-1])


def _values(highest: float) -> list[float]:
    """Round numbers from 0 to at least ``highest``, five at most; none if there is nothing above 0."""
    if highest < _NOTHING:
        return []
    rough = highest / 4
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= rough * (1 - 1e-9))
    return [step * number for number in range(math.ceil(highest / step * (1 - 1e-9)) + 1)]


def _times(window: Window, step: timedelta, zone: tzinfo) -> Iterator[datetime]:
    """The multiples of the step since midnight in the zone, inside the window."""
    midnight = window.since.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    at = midnight + math.ceil((window.since - midnight) / step) * step
    while at <= window.until:
        yield at
        at += step


def _stretches(intervals: Sequence[Interval], window: Window) -> Iterator[list[Interval]]:
    """The intervals in order, parted where there was silence."""
    stretch: list[Interval] = []
    for one in intervals:
        if stretch:
            silence = one.at - stretch[-1].at - timedelta(seconds=one.seconds)
            if silence > window.length * _LONGEST_BRIDGE:
                yield stretch
                stretch = []
        stretch.append(one)
    if stretch:
        yield stretch


def _line(points: Sequence[tuple[Interval, float]], window: Window, top: float) -> str:
    """The points of a polyline; a lonely one is drawn as a dot, by a line that goes nowhere."""
    places = []
    for interval, value in points:
        middle = interval.at + timedelta(seconds=interval.seconds / 2)
        across = _left(min(max(middle, window.since), window.until), window) / 100
        places.append(f"{across * SCALE:.1f},{(1 - value / top) * SCALE:.1f}")
    return " ".join(places if len(places) > 1 else places * 2)


def _bars(window: Window, lasting: Sequence[tuple[datetime, datetime | None, str, str]]) -> list[Bar]:
    """What of it falls into the window; what has not ended reaches its end."""
    found = []
    for since, until, label, kind in sorted(lasting, key=lambda one: one[0]):
        start, end = max(since, window.since), min(until or window.until, window.until)
        if start > window.until or end < window.since or end < start:
            continue
        left = _left(start, window)
        width = max(_left(end, window) - left, _NARROWEST)
        found.append(Bar(round(min(left, 100 - width), 3), round(width, 3), label, kind))
    ends = [*(one.left for one in found[1:]), 100.0]
    return [
        replace(one, room=round(max(0.0, end - one.left - one.width), 3)) for one, end in zip(found, ends, strict=False)
    ]


def _left(at: datetime, window: Window) -> float:
    return round(100 * ((at - window.since) / window.length), 3) if window.length else 0.0
