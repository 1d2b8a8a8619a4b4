"""The chart's geometry: positions follow times, axes have round numbers, and nothing lies outside."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from leaderboard.chart import PLOT_HEIGHT, PLOT_SCALE, build_chart, choose_time_step
from leaderboard.live_error_metrics import ErrorInterval
from leaderboard.time_range import TimeRange
from tests.unit.fake_aws import NOW
from tests.unit.leaderboard.leaderboard_fixtures import HISTORY, PAGE

SIX_HOURS = TimeRange(NOW - timedelta(hours=6), NOW)


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def test_bars_and_lines_are_positioned_by_their_times() -> None:
    chart = build_chart(replace(PAGE, charted_range=TimeRange(HISTORY.at(0), HISTORY.at(1))))
    lanes = {lane.name: [(round(bar.left), round(bar.width), bar.label) for bar in lane.bars] for lane in chart.lanes}
    assert lanes["serving"] == [(17, 57, HISTORY.first), (74, 26, HISTORY.second)]
    assert lanes["alarms"] == [(8, 11, "NoModel"), (58, 19, "ModelError")]
    assert [left for left, _, _ in lanes["rounds"]] == [10, 42, 66]
    assert [(round(bar.left), round(bar.width)) for bar in chart.breaches] == [(58, 19)]
    assert [round(left) for left in chart.promotions] == [17, 74]


def test_axes_have_round_numbers() -> None:
    chart = build_chart(PAGE)
    assert [tick.value for tick in chart.values] == [0, 2_000, 4_000, 6_000]
    positions = [PLOT_HEIGHT, round(PLOT_HEIGHT * 2 / 3, 1), round(PLOT_HEIGHT / 3, 1), 0]
    assert [tick.position for tick in chart.values] == positions
    times = [tick.value.strftime("%H:%M") for tick in chart.times if isinstance(tick.value, datetime)]
    assert times == ["03:00", "04:00", "05:00", "06:00"]


def test_times_are_round_in_the_viewers_zone() -> None:
    chart = build_chart(PAGE, timezone(timedelta(hours=5, minutes=30)))
    assert {tick.value.minute for tick in chart.times if isinstance(tick.value, datetime)} == {0}


def test_the_line_is_interrupted_where_data_is_missing() -> None:
    intervals = [ErrorInterval(ago(hours), 300, 1_000, 900, 5) for hours in (5, 4.95, 4.9, 2, 1.95, 0.5)]
    chart = build_chart(replace(PAGE, charted_range=SIX_HOURS, live_error=intervals))
    assert [len(line.split()) for line in chart.errors] == [3, 2, 2]
    single_point = chart.errors[2].split()
    assert single_point[0] == single_point[1]


@given(
    st.lists(
        st.builds(
            ErrorInterval,
            start=st.datetimes(ago(9).replace(tzinfo=None), NOW.replace(tzinfo=None), timezones=st.just(UTC)),
            seconds=st.sampled_from([1, 300]),
            rmse=st.floats(0, 1e9),
            promised=st.floats(0, 1e9),
            samples=st.integers(1, 9),
        ),
        max_size=8,
    ),
    st.timedeltas(timedelta(), timedelta(days=30)),
)
def test_everything_lies_inside_the_chart(intervals: list[ErrorInterval], length: timedelta) -> None:
    time_range = TimeRange(NOW - length, NOW)
    inside = [interval for interval in intervals if time_range.since <= interval.start]
    inside.sort(key=lambda interval: interval.start)
    chart = build_chart(replace(PAGE, charted_range=time_range, live_error=inside))
    for lane in chart.lanes:
        for bar in lane.bars:
            assert 0 <= bar.left <= bar.left + bar.width <= 100.001
    for line in [*chart.errors, *chart.promises]:
        for point in line.split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= PLOT_SCALE
            assert 0 <= y <= PLOT_SCALE
    assert all(0 <= tick.position <= 100 for tick in chart.times)
    assert len(chart.times) <= 7
    assert len(chart.values) <= 6


@given(st.timedeltas(timedelta(seconds=10), timedelta(days=30)))
def test_a_time_range_of_any_length_has_ticks(length: timedelta) -> None:
    step = choose_time_step(TimeRange(NOW - length, NOW))
    assert length / step <= 6
    assert length >= step
