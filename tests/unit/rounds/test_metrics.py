"""Sums of metrics reach far back with few data points, and never mix metrics."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rounds import MetricQuery, choose_period, get_metric_series, get_metric_sums
from tests.unit.fake_aws import NOW, Cloud

SERVICE = ("service", "dwell")
REJECTED = MetricQuery("RefusedSamples", (SERVICE,))


@given(st.timedeltas(timedelta(seconds=1), timedelta(days=455)))
def test_a_period_is_kept_and_gives_few_points(age: timedelta) -> None:
    period = choose_period(NOW - age, NOW)
    assert age.total_seconds() / period <= 500
    for retention, min_period in ((timedelta(hours=3), 60), (timedelta(days=15), 300), (timedelta(days=63), 3_600)):
        if age >= retention:
            assert period >= min_period


@given(ages=st.lists(st.integers(0, 14 * 86_400), max_size=30), since=st.integers(1, 15 * 86_400))
def test_a_sum_has_all_points_since_and_at_most_a_period_more(ages: list[int], since: int) -> None:
    cloud = Cloud()
    for age in ages:
        cloud.cloudwatch.count("AcceptedSamples", NOW - timedelta(seconds=age), 1, service="dwell")
    query = MetricQuery("AcceptedSamples", (SERVICE,))
    start = NOW - timedelta(seconds=since)
    total = get_metric_sums(cloud.clients()[3], [query], since=start, now=NOW)[query]
    upper = sum(age <= since + choose_period(start, NOW) for age in ages)
    assert sum(age <= since for age in ages) <= total <= upper


def test_sums_of_different_dimensions_do_not_mix() -> None:
    cloud = Cloud()
    cloud.cloudwatch.count("SquaredError", NOW, 9, service="dwell", model="a")
    cloud.cloudwatch.count("SquaredError", NOW, 4, service="dwell", model="b")
    cloud.cloudwatch.count("SquaredError", NOW, 100, service="other", model="a")
    cloud.cloudwatch.count("SquaredError", NOW, 13, service="dwell")
    queries = [MetricQuery("SquaredError", (SERVICE, ("model", model))) for model in "abc"]
    sums = get_metric_sums(cloud.clients()[3], queries, since=NOW - timedelta(minutes=5), now=NOW)
    assert [sums[query] for query in queries] == [9, 4, 0]
    assert len(cloud.cloudwatch.requests) == 1


def test_a_sum_ends_at_until() -> None:
    cloud = Cloud()
    for minute in range(60):
        cloud.cloudwatch.count("RefusedSamples", NOW - timedelta(minutes=minute), 1, service="dwell")
    since, until = NOW - timedelta(minutes=40), NOW - timedelta(minutes=20)
    assert 20 <= get_metric_sums(cloud.clients()[3], [REJECTED], since=since, until=until, now=NOW)[REJECTED] <= 22


def test_a_series_has_every_period_of_all_pages() -> None:
    cloud = Cloud()
    for minute in range(5):
        cloud.cloudwatch.count("RefusedSamples", NOW - timedelta(minutes=minute), minute, service="dwell")
    series = get_metric_series(cloud.clients()[3], [REJECTED], since=NOW - timedelta(minutes=4), until=NOW, period=60)
    current = NOW.replace(second=0, microsecond=0)
    assert series[REJECTED] == {current - timedelta(minutes=minute): minute for minute in range(5)}


def test_no_query_or_an_empty_range_sends_no_request() -> None:
    cloud = Cloud()
    query = MetricQuery("SquaredError", ())
    assert not get_metric_sums(cloud.clients()[3], [], since=NOW - timedelta(hours=1), now=NOW)
    assert get_metric_sums(cloud.clients()[3], [query], since=NOW + timedelta(seconds=1), now=NOW) == {query: 0}
    assert not cloud.cloudwatch.requests


def test_more_queries_than_fit_one_request_are_refused() -> None:
    queries = [MetricQuery(str(index), ()) for index in range(501)]
    with pytest.raises(ValueError, match="501 metric queries"):
        get_metric_sums(Cloud().clients()[3], queries, since=NOW - timedelta(hours=1), now=NOW)
