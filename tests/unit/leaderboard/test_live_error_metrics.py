"""Live error over time is read with few data points."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.live_error_metrics import get_live_error_series
from leaderboard.time_range import TimeRange
from tests.unit.fake_aws import NOW, STACK, Cloud

SIX_HOURS = TimeRange(NOW - timedelta(hours=6), NOW)


def test_an_interval_has_the_error_of_all_models_together() -> None:
    cloud = Cloud()
    timestamp = NOW - timedelta(minutes=5)
    for model, squared in (("a", 4.0), ("b", 36.0)):
        for dimensions in ({}, {"model": model}):
            cloud.cloudwatch.count("SquaredError", timestamp, squared, service=STACK, **dimensions)
            cloud.cloudwatch.count("ExpectedSquaredError", timestamp, 4.5, service=STACK, **dimensions)
            cloud.cloudwatch.count("PredictedSamples", timestamp, 1, service=STACK, **dimensions)
    (interval,) = get_live_error_series(cloud.clients()[3], SIX_HOURS, service=STACK, now=NOW)
    assert interval.samples == 2
    assert interval.rmse == pytest.approx(20**0.5)
    assert interval.promised == pytest.approx(4.5**0.5)
    assert interval.start <= timestamp < interval.start + timedelta(seconds=interval.seconds)


@given(st.timedeltas(timedelta(minutes=1), timedelta(days=30)), st.timedeltas(timedelta(), timedelta(days=30)))
def test_points_are_few_for_any_length_and_age(length: timedelta, age: timedelta) -> None:
    cloud = Cloud()
    until = NOW - age
    assert get_live_error_series(cloud.clients()[3], TimeRange(until - length, until), service=STACK, now=NOW) == []
    (request,) = cloud.cloudwatch.requests
    seconds = (request["EndTime"] - request["StartTime"]).total_seconds()
    assert seconds / request["MetricDataQueries"][0]["MetricStat"]["Period"] <= 202
