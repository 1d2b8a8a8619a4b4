"""What the page draws and how it reads: alarms out of their history, the chart's geometry, numbers and times."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard import formatting
from leaderboard.alarm_history import AlarmOn, Change, alarms_on, times_on
from leaderboard.chart import PLOT, SCALE, chart, time_step
from leaderboard.live_error import Interval, live_error_over_time
from leaderboard.page_data import serving
from leaderboard.time_range import Window
from promotion import promotion_gate as gate
from retraining import decision
from tests.unit.fake_aws import NOW, STACK, Cloud
from tests.unit.leaderboard.leaderboard_fixtures import LOOK, SCENE

WINDOW = Window(NOW - timedelta(hours=6), NOW)


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def changes(*told: tuple[float, str, str]) -> list[Change]:
    """Changes so many hours ago, newest first."""
    return sorted((Change(ago(hours), before, after) for hours, before, after in told), key=lambda one: one.at)[::-1]


class TestAlarms:
    def test_on_and_off_again(self) -> None:
        told = changes((8, "INSUFFICIENT_DATA", "OK"), (3, "OK", "ALARM"), (2, "ALARM", "OK"), (1, "OK", "ALARM"))
        assert list(times_on("a", told, WINDOW)) == [AlarmOn("a", ago(1), None), AlarmOn("a", ago(3), ago(2))]

    def test_on_since_before_the_window(self) -> None:
        assert list(times_on("a", changes((7, "OK", "ALARM"), (2, "ALARM", "OK")), WINDOW)) == [
            AlarmOn("a", ago(7), ago(2))
        ]

    def test_on_and_off_before_the_window_is_of_no_interest(self) -> None:
        assert list(times_on("a", changes((9, "OK", "ALARM"), (8, "ALARM", "OK")), WINDOW)) == []

    def test_too_little_data_ends_an_alarm_too(self) -> None:
        told = changes((3, "OK", "ALARM"), (2, "ALARM", "INSUFFICIENT_DATA"), (1, "INSUFFICIENT_DATA", "OK"))
        assert list(times_on("a", told, WINDOW)) == [AlarmOn("a", ago(3), ago(2))]

    def test_on_since_before_the_history_begins(self) -> None:
        assert list(times_on("a", changes((2, "ALARM", "OK")), WINDOW)) == [AlarmOn("a", WINDOW.since, ago(2))]

    def test_an_alarm_that_never_changed_was_never_on(self) -> None:
        assert list(times_on("a", [], WINDOW)) == []

    def test_the_history_is_read_back_to_the_last_change_before_the_window(self) -> None:
        cloud = Cloud()
        for minutes in range(0, 12 * 60, 5):
            before, after = ("OK", "ALARM") if minutes % 10 else ("ALARM", "OK")
            cloud.cloudwatch.changes.append((f"{STACK}-ModelError", NOW - timedelta(minutes=minutes), before, after))
        found = alarms_on(cloud.clients()[3], [f"{STACK}-ModelError"], WINDOW, stack=STACK)
        assert len(found) == 36
        assert {one.alarm for one in found} == {"ModelError"}
        assert found[0].since <= found[-1].since
        assert cloud.steps.count == 25  # three changes a page: those of six hours and one more

    @given(st.lists(st.tuples(st.integers(1, 20 * 60), st.booleans()), unique_by=lambda one: one[0]))
    def test_whenever_it_was_on_it_is_told_and_never_twice(self, told: list[tuple[int, bool]]) -> None:
        states, history = "INSUFFICIENT_DATA", []
        for minutes, on in sorted(told, reverse=True):
            after = "ALARM" if on else "OK"
            if after != states:
                history.append(Change(NOW - timedelta(minutes=minutes), states, after))
                states = after
        found = sorted(times_on("a", history[::-1], WINDOW), key=lambda one: one.since)
        for one, following in pairwise(found):
            assert one.until is not None
            assert one.until <= following.since
        for minutes in range(0, 6 * 60, 7):
            at = NOW - timedelta(minutes=minutes)
            last = next((one for one in history[::-1] if one.at <= at), None)
            is_on = any(one.since <= at and (one.until is None or at < one.until) for one in found)
            assert is_on == (last is not None and last.after == "ALARM")


class TestServing:
    def test_each_until_the_next_and_the_last_until_now(self) -> None:
        told = [(one.model, one.since, one.until) for one in serving(LOOK.standing.rounds, live=SCENE.second)]
        assert told == [
            (SCENE.first, SCENE.at(0.17), SCENE.at(0.74)),
            (SCENE.second, SCENE.at(0.74), None),
        ]

    def test_a_winner_that_an_operator_had_deployed_is_among_them(self) -> None:
        kept = LOOK.standing.rounds[0].model_copy(
            update={"status": "kept", "promoted": None, "winner": "xgboost-recent"}
        )
        told = [(one.model, one.until) for one in serving([kept, *LOOK.standing.rounds[1:]], live=SCENE.second)]
        assert told == [(SCENE.first, SCENE.at(0.74)), (SCENE.second, None)]

    def test_what_answers_no_more_is_not_said_to_answer(self) -> None:
        assert [one.model for one in serving(LOOK.standing.rounds, live=None)] == [SCENE.first]


class TestLiveErrorOverTime:
    def test_it_is_what_was_counted(self) -> None:
        cloud = Cloud()
        for model, squared in (("a", 4.0), ("b", 36.0)):
            at = NOW - timedelta(minutes=5)
            for dimensions in ({}, {"model": model}):
                cloud.cloudwatch.count("SquaredError", at, squared, service=STACK, **dimensions)
                cloud.cloudwatch.count("ExpectedSquaredError", at, 4.5, service=STACK, **dimensions)
                cloud.cloudwatch.count("PredictedSamples", at, 1, service=STACK, **dimensions)
        (told,) = live_error_over_time(cloud.clients()[3], WINDOW, service=STACK, now=NOW)
        assert told.samples == 2
        assert told.rmse == pytest.approx(20**0.5)
        assert told.promised == pytest.approx(4.5**0.5)
        assert told.at <= NOW - timedelta(minutes=5) < told.at + timedelta(seconds=told.seconds)

    @given(st.timedeltas(timedelta(minutes=1), timedelta(days=30)), st.timedeltas(timedelta(), timedelta(days=30)))
    def test_points_are_few_however_long_and_long_ago(self, length: timedelta, before: timedelta) -> None:
        cloud = Cloud()
        until = NOW - before
        assert live_error_over_time(cloud.clients()[3], Window(until - length, until), service=STACK, now=NOW) == []
        (request,) = cloud.cloudwatch.requests
        seconds = (request["EndTime"] - request["StartTime"]).total_seconds()
        assert seconds / request["MetricDataQueries"][0]["MetricStat"]["Period"] <= 202


class TestChart:
    def test_bars_and_lines_lie_where_their_times_do(self) -> None:
        look = replace(LOOK, course=Window(SCENE.at(0), SCENE.at(1)))
        drawn = chart(look)
        lanes = {
            lane.name: [(round(bar.left), round(bar.width), bar.label) for bar in lane.bars] for lane in drawn.lanes
        }
        assert lanes["serving"] == [(17, 57, SCENE.first), (74, 26, SCENE.second)]
        assert lanes["alarms"] == [(8, 11, "NoModel"), (58, 19, "ModelError")]
        assert [left for left, _, _ in lanes["rounds"]] == [10, 42, 66]
        assert [(round(one.left), round(one.width)) for one in drawn.breaches] == [(58, 19)]
        assert [round(left) for left in drawn.promotions] == [17, 74]

    def test_axes_have_round_numbers(self) -> None:
        drawn = chart(LOOK)
        assert [tick.value for tick in drawn.values] == [0, 2_000, 4_000, 6_000]
        assert [tick.at for tick in drawn.values] == [PLOT, round(PLOT * 2 / 3, 1), round(PLOT / 3, 1), 0]
        assert [tick.value.strftime("%H:%M") for tick in drawn.times if isinstance(tick.value, datetime)] == [
            "03:00", "04:00", "05:00", "06:00",
        ]  # fmt: skip

    def test_times_are_round_where_the_reader_is(self) -> None:
        drawn = chart(LOOK, timezone(timedelta(hours=5, minutes=30)))
        assert {tick.value.minute for tick in drawn.times if isinstance(tick.value, datetime)} == {0}

    def test_over_a_silence_there_is_no_line(self) -> None:
        def interval(hours: float) -> Interval:
            return Interval(ago(hours), 300, 1_000, 900, 5)

        told = [interval(5), interval(4.95), interval(4.9), interval(2), interval(1.95), interval(0.5)]
        drawn = chart(replace(LOOK, course=WINDOW, live_error=told))
        assert [len(line.split()) for line in drawn.errors] == [3, 2, 2]
        lonely = drawn.errors[2].split()
        assert lonely[0] == lonely[1]

    @given(
        st.lists(
            st.builds(
                Interval,
                at=st.datetimes(ago(9).replace(tzinfo=None), NOW.replace(tzinfo=None), timezones=st.just(UTC)),
                seconds=st.sampled_from([1, 300]),
                rmse=st.floats(0, 1e9),
                promised=st.floats(0, 1e9),
                samples=st.integers(1, 9),
            ),
            max_size=8,
        ),
        st.timedeltas(timedelta(), timedelta(days=30)),
    )
    def test_everything_lies_inside(self, told: list[Interval], length: timedelta) -> None:
        window = Window(NOW - length, NOW)
        inside = sorted((one for one in told if window.since <= one.at), key=lambda one: one.at)
        drawn = chart(replace(LOOK, course=window, live_error=inside))
        for lane in drawn.lanes:
            for bar in lane.bars:
                assert 0 <= bar.left <= bar.left + bar.width <= 100.001
        for line in [*drawn.errors, *drawn.promises]:
            for point in line.split():
                across, down = map(float, point.split(","))
                assert 0 <= across <= SCALE
                assert 0 <= down <= SCALE
        assert all(0 <= tick.at <= 100 for tick in drawn.times)
        assert len(drawn.times) <= 7
        assert len(drawn.values) <= 6

    @given(st.timedeltas(timedelta(seconds=10), timedelta(days=30)))
    def test_there_are_times_to_read_however_long_it_is(self, length: timedelta) -> None:
        step = time_step(Window(NOW - length, NOW))
        assert length / step <= 6
        assert length >= step


class TestWording:
    @pytest.mark.parametrize(
        ("value", "said"),
        [(None, "\N{EN DASH}"), (0, "0"), (0.034_56, "0.0346"), (5.5, "5.5"), (99.96, "100"), (1_842.4, "1,842")],
    )
    def test_numbers(self, value: float | None, said: str) -> None:
        assert formatting.number(value) == said

    @pytest.mark.parametrize(
        ("part", "whole", "said"),
        [(0, 0, "\N{EN DASH}"), (0, 9, "0 %"), (13, 4_213, "0.31 %"), (1, 20, "5 %"), (1, 3, "33 %"), (9, 9, "100 %")],
    )
    def test_shares(self, part: int, whole: int, said: str) -> None:
        assert formatting.percent(part, whole) == said

    @pytest.mark.parametrize(
        ("seconds", "said"),
        [
            (None, "\N{EN DASH}"),
            (0.2, "0 s"),
            (21.4, "21 s"),
            (60, "1 min"),
            (119, "1 min 59 s"),
            (200, "3 min"),
            (3_900, "1 h 5 min"),
            (90_000, "1 day 1 h"),
            (4 * 86_400, "4 days"),
        ],
    )
    def test_lengths_of_time(self, seconds: float | None, said: str) -> None:
        assert formatting.lasted(seconds) == said

    @pytest.mark.parametrize(
        ("text", "said"), [("1h", "the last hour"), ("90m", "the last 90 minutes"), ("7d", "the last 7 days")]
    )
    def test_spans(self, text: str, said: str) -> None:
        assert formatting.span(text) == said

    def test_every_reason_has_words(self) -> None:
        refused = LOOK.standing.decisions[0]
        newest = LOOK.standing.rounds[0]
        for reason in get_args(decision.Reason):
            outcome = "start" if reason in {"alarm", "schedule", "manual"} else "refuse"
            told = formatting.decided(refused.model_copy(update={"reason": reason, "outcome": outcome}))
            assert told != reason, reason
        for reason in get_args(gate.Reason):
            assert formatting.ended(newest.model_copy(update={"reason": reason})) != reason, reason

    def test_times_have_a_date_if_it_is_not_todays(self) -> None:
        assert formatting.clock(ago(1), UTC, NOW) == "05:39"
        assert formatting.clock(ago(7), UTC, NOW) == "22 Nov 23:39"
        assert formatting.clock(ago(7), timezone(timedelta(hours=1)), NOW) == "00:39"

    @pytest.mark.parametrize(
        ("value", "other", "said"),
        [(104, 100, "4 % more than"), (90, 100, "10 % less than"), (100.2, 100, "as much as"), (1, 0, "as much as")],
    )
    def test_comparisons(self, value: float, other: float, said: str) -> None:
        assert formatting.compared(value, other) == said

    def test_a_round_that_ended_otherwise_says_how(self) -> None:
        newest = LOOK.standing.rounds[0]
        told: dict[str, dict[str, Any]] = {
            "is running": {"status": "started", "reason": None},
            "better than the champion, but its deployment failed": {"deployment": "failed"},
            "better than the champion, but a person has to approve it": {"deployment": "awaiting_approval"},
            "better than the champion, but it was taken back: NewModelError, 1.4": {
                "deployment": "rolled_back",
                "deployment_reason": "NewModelError, 1.4",
            },
            "nobody was better; an operator asked for it, and it was taken back": {
                "status": "kept",
                "reason": "not_better",
                "promoted": None,
                "deployment": "rolled_back",
            },
            "AlgorithmError: no rows": {"status": "failed", "reason": "AlgorithmError: no rows"},
            "the champion stays": {"status": "kept", "reason": None},
        }
        assert {said: formatting.ended(newest.model_copy(update=update)) for said, update in told.items()} == {
            said: said for said in told
        }
