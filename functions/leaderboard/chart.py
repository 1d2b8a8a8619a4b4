"""The geometry of the chart: live error over time, and above it lanes for serving models, rounds and alarms.

Horizontal positions and widths are percentages of the chart's width, so that it fits any screen; heights are pixels, so
that text is not stretched. The template draws the result.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import tzinfo

    from leaderboard.live_error_metrics import ErrorInterval
    from leaderboard.page_data import PageData
    from leaderboard.time_range import TimeRange

LANE_HEIGHT, GAP_HEIGHT, PLOT_HEIGHT, FOOTER_HEIGHT = 42, 20, 220, 28
"""Pixels: a lane, the space between lanes and plot, the plot, and the times below it."""
PLOT_SCALE = 1_000
"""The lines of the plot have coordinates from 0 to this in both directions; the template stretches them to the plot."""

_MAX_GAP_SHARE = 1 / 20
"""The line is interrupted where data is missing for longer than this share of the time range."""
_MIN_BAR_WIDTH, _MIN_LABEL_WIDTH = 0.4, 11.0
"""Percentages: the narrowest visible bar, and the width that a label needs."""
_TIME_STEPS = [
    *(timedelta(seconds=seconds) for seconds in (5, 10, 30)),
    *(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15, 30)),
    *(timedelta(hours=hours) for hours in (1, 2, 3, 6, 12)),
    *(timedelta(days=days) for days in (1, 2, 7)),
]
_MAX_TIME_TICKS = 6
_SMALLEST_VALUE = 1e-300
"""Values below are drawn as 0; a fraction of them may underflow."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A period in a lane. ``left``, ``width`` and the free ``space_after`` to its right are percentages."""

    left: float
    width: float
    label: str
    kind: str
    space_after: float = 0.0

    @property
    def is_labelled_beside(self) -> bool:
        """Whether the label fits to the right of the bar, but not into it."""
        return self.width < _MIN_LABEL_WIDTH < self.space_after


@dataclass(frozen=True, slots=True)
class Lane:
    """A row of bars."""

    name: str
    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True)
class Tick:
    """A grid line at ``position``: a percentage from the left, or pixels from the top of the plot."""

    position: float
    value: float | datetime


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything to draw. ``errors`` and ``promises`` are points of polylines, one for each stretch without a gap."""

    lanes: Sequence[Lane]
    errors: Sequence[str]
    promises: Sequence[str]
    times: Sequence[Tick]
    step: timedelta
    values: Sequence[Tick]
    breaches: Sequence[Bar]
    """When the alarm ModelError was on."""
    promotions: Sequence[float]


@dataclass(frozen=True, slots=True)
class _Period:
    """A period to draw as a bar; without ``until`` it lasts to the end of the time range."""

    since: datetime
    until: datetime | None
    label: str
    kind: str


def build_chart(data: PageData, zone: tzinfo = UTC) -> Chart:
    """Compute the chart's geometry, with round times in the zone."""
    charted = data.charted_range
    highest = max((max(interval.rmse, interval.promised) for interval in data.live_error), default=0.0)
    values = _choose_values(highest)
    top_value = values[-1] if values else 1.0
    stretches = list(_split_at_gaps(data.live_error, charted))
    step = choose_time_step(charted)
    alarms = [period for period in data.alarms if period.since < charted.until]
    serving = [_Period(period.since, period.until, period.model, "live") for period in data.serving_periods]
    rounds = [
        _Period(round_.started_at, round_.finished_at, round_.cause, round_.status) for round_ in data.state.rounds
    ]
    return Chart(
        lanes=[
            Lane("serving", _build_bars(charted, serving)),
            Lane("rounds", _build_bars(charted, rounds)),
            Lane(
                "alarms",
                _build_bars(charted, [_Period(period.since, period.until, period.alarm, "alarm") for period in alarms]),
            ),
        ],
        errors=[
            _build_line([(interval, interval.rmse) for interval in stretch], charted, top_value)
            for stretch in stretches
        ],
        promises=[
            _build_line([(interval, interval.promised) for interval in stretch], charted, top_value)
            for stretch in stretches
        ],
        times=[Tick(_get_position(time, charted), time) for time in _list_times(charted, step, zone)],
        step=step,
        values=[Tick(round(PLOT_HEIGHT * (1 - value / top_value), 1), value) for value in values],
        breaches=_build_bars(
            charted,
            [_Period(period.since, period.until, "", "breach") for period in alarms if period.alarm == "ModelError"],
        ),
        promotions=[
            _get_position(period.since, charted)
            for period in data.serving_periods
            if charted.since <= period.since <= charted.until
        ],
    )


def choose_time_step(time_range: TimeRange) -> timedelta:
    """Return the distance of vertical grid lines: a round number of seconds, minutes, hours or days."""
    return next((step for step in _TIME_STEPS if time_range.length / step <= _MAX_TIME_TICKS), _TIME_STEPS[-1])


def _choose_values(highest: float) -> list[float]:
    """Return at most 6 round numbers from 0 to at least ``highest``; none if nothing is above 0."""
    if highest < _SMALLEST_VALUE:
        return []
    exact_step = highest / 4
    magnitude = 10.0 ** math.floor(math.log10(exact_step))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= exact_step * (1 - 1e-9))
    return [step * index for index in range(math.ceil(highest / step * (1 - 1e-9)) + 1)]


def _list_times(time_range: TimeRange, step: timedelta, zone: tzinfo) -> Iterator[datetime]:
    """Yield the multiples of the step since midnight in the zone that are inside the time range."""
    midnight = time_range.since.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    time = midnight + math.ceil((time_range.since - midnight) / step) * step
    while time <= time_range.until:
        yield time
        time += step


def _split_at_gaps(intervals: Sequence[ErrorInterval], time_range: TimeRange) -> Iterator[list[ErrorInterval]]:
    """Split the intervals (in order) where data is missing for too long to connect the points."""
    stretch: list[ErrorInterval] = []
    for interval in intervals:
        if stretch:
            gap = interval.start - stretch[-1].start - timedelta(seconds=interval.seconds)
            if gap > time_range.length * _MAX_GAP_SHARE:
                yield stretch
                stretch = []
        stretch.append(interval)
    if stretch:
        yield stretch


def _build_line(points: Sequence[tuple[ErrorInterval, float]], time_range: TimeRange, top_value: float) -> str:
    """Return the points of a polyline. A single point is repeated: a line of no length is drawn as a dot."""
    coordinates = []
    for interval, value in points:
        middle = interval.start + timedelta(seconds=interval.seconds / 2)
        x = _get_position(min(max(middle, time_range.since), time_range.until), time_range) / 100
        coordinates.append(f"{x * PLOT_SCALE:.1f},{(1 - value / top_value) * PLOT_SCALE:.1f}")
    return " ".join(coordinates if len(coordinates) > 1 else coordinates * 2)


def _build_bars(time_range: TimeRange, periods: Sequence[_Period]) -> list[Bar]:
    """Return a bar for each period that overlaps the time range, oldest first."""
    bars = []
    for period in sorted(periods, key=lambda period: period.since):
        start = max(period.since, time_range.since)
        end = min(period.until or time_range.until, time_range.until)
        if start > time_range.until or end < time_range.since or end < start:
            continue
        left = _get_position(start, time_range)
        width = max(_get_position(end, time_range) - left, _MIN_BAR_WIDTH)
        bars.append(Bar(round(min(left, 100 - width), 3), round(width, 3), period.label, period.kind))
    next_lefts = [*(bar.left for bar in bars[1:]), 100.0]
    return [
        replace(bar, space_after=round(max(0.0, next_left - bar.left - bar.width), 3))
        for bar, next_left in zip(bars, next_lefts, strict=False)
    ]


def _get_position(timestamp: datetime, time_range: TimeRange) -> float:
    """Return a time's percentage from the left."""
    if not time_range.length:
        return 0.0
    return round(100 * ((timestamp - time_range.since) / time_range.length), 3)
