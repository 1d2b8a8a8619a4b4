"""Periods in ALARM are computed from an alarm's history."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from leaderboard.alarm_history import AlarmPeriod, StateChange, compute_alarm_periods, get_alarm_periods
from leaderboard.time_range import TimeRange
from tests.unit.fake_aws import NOW, STACK, Cloud

SIX_HOURS = TimeRange(NOW - timedelta(hours=6), NOW)


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def make_changes(*changes: tuple[float, str, str]) -> list[StateChange]:
    """Changes as (hours ago, previous state, new state), newest first."""
    return [StateChange(ago(hours), previous, new) for hours, previous, new in sorted(changes)]


def compute(*changes: tuple[float, str, str]) -> list[AlarmPeriod]:
    return list(compute_alarm_periods("a", make_changes(*changes), SIX_HOURS))


def test_an_alarm_on_off_and_on_has_two_periods() -> None:
    periods = compute((8, "INSUFFICIENT_DATA", "OK"), (3, "OK", "ALARM"), (2, "ALARM", "OK"), (1, "OK", "ALARM"))
    assert periods == [AlarmPeriod("a", ago(1), None), AlarmPeriod("a", ago(3), ago(2))]


def test_a_period_may_start_before_the_time_range() -> None:
    assert compute((7, "OK", "ALARM"), (2, "ALARM", "OK")) == [AlarmPeriod("a", ago(7), ago(2))]


def test_a_period_before_the_time_range_is_left_out() -> None:
    assert compute((9, "OK", "ALARM"), (8, "ALARM", "OK")) == []


def test_insufficient_data_ends_a_period() -> None:
    periods = compute((3, "OK", "ALARM"), (2, "ALARM", "INSUFFICIENT_DATA"), (1, "INSUFFICIENT_DATA", "OK"))
    assert periods == [AlarmPeriod("a", ago(3), ago(2))]


def test_a_period_from_before_the_history_starts_with_the_range() -> None:
    assert compute((2, "ALARM", "OK")) == [AlarmPeriod("a", SIX_HOURS.since, ago(2))]


def test_an_alarm_without_changes_has_no_period() -> None:
    assert compute() == []


def test_the_history_is_read_to_the_last_change_before_the_range() -> None:
    cloud = Cloud()
    for minutes in range(0, 12 * 60, 5):
        before, after = ("OK", "ALARM") if minutes % 10 else ("ALARM", "OK")
        cloud.cloudwatch.changes.append((f"{STACK}-ModelError", NOW - timedelta(minutes=minutes), before, after))
    periods = get_alarm_periods(cloud.clients()[3], [f"{STACK}-ModelError"], SIX_HOURS, stack=STACK)
    assert len(periods) == 36
    assert {period.alarm for period in periods} == {"ModelError"}
    assert periods[0].since <= periods[-1].since
    assert cloud.steps.count == 25  # the fake has three changes a page: those of six hours and one more


@given(st.lists(st.tuples(st.integers(1, 20 * 60), st.booleans()), unique_by=lambda change: change[0]))
def test_every_minute_in_alarm_is_in_exactly_one_period(changes: list[tuple[int, bool]]) -> None:
    # given a history of changes between OK and ALARM
    state, history = "INSUFFICIENT_DATA", []
    for minutes, is_on in sorted(changes, reverse=True):
        new_state = "ALARM" if is_on else "OK"
        if new_state != state:
            history.append(StateChange(NOW - timedelta(minutes=minutes), state, new_state))
            state = new_state
    # when the periods are computed
    periods = sorted(compute_alarm_periods("a", history[::-1], SIX_HOURS), key=lambda period: period.since)
    # then they do not overlap, and cover the time in ALARM exactly
    for period, following in pairwise(periods):
        assert period.until is not None
        assert period.until <= following.since
    for minutes in range(0, 6 * 60, 7):
        time = NOW - timedelta(minutes=minutes)
        last = next((change for change in history[::-1] if change.timestamp <= time), None)
        is_on = any(period.since <= time and (period.until is None or time < period.until) for period in periods)
        assert is_on == (last is not None and last.new_state == "ALARM")
