"""CloudWatch's metric operations over a store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from local_aws.cloudwatch.operations import list_metrics, metric_statistics, read_data
from local_aws.cloudwatch.queries import QueryError
from local_aws.cloudwatch.store import MetricStore
from local_aws.tests.unit.cloudwatch.factories import NOW

MINUTE = NOW // 60 * 60


def publish(*data: dict[str, Any]) -> MetricStore:
    store = MetricStore()
    store.put(read_data({"Namespace": "Test", "MetricData": [{"MetricName": "a", **datum} for datum in data]}, NOW))
    return store


def statistics(store: MetricStore, **members: Any) -> list[dict[str, Any]]:
    request: dict[str, Any] = {
        "Namespace": "Test",
        "MetricName": "a",
        "StartTime": NOW - 300,
        "EndTime": NOW + 300,
        "Period": 60,
    }
    datapoints: list[dict[str, Any]] = metric_statistics(request | {"Statistics": ["Sum"]} | members, store)[
        "Datapoints"
    ]
    return datapoints


def test_periods_are_aligned_and_end_is_exclusive() -> None:
    times = [MINUTE - 1, MINUTE, MINUTE + 59, MINUTE + 60]
    store = publish(*[{"Value": 1, "Timestamp": at, "StorageResolution": 1} for at in times])
    points = statistics(store, StartTime=MINUTE + 30, EndTime=MINUTE + 60)
    assert points == [{"Timestamp": MINUTE, "Unit": "None", "Sum": 2.0}]


def test_values_counts_and_statistic_sets_add_up() -> None:
    summary = {"SampleCount": 2, "Sum": 10, "Minimum": 1, "Maximum": 9}
    store = publish({"Values": [2, 4], "Counts": [3, 1]}, {"StatisticValues": summary}, {"Value": 0})
    names = ["Sum", "SampleCount", "Average", "Minimum", "Maximum"]
    (point,) = statistics(store, Statistics=names)
    assert [point[name] for name in names] == [20.0, 7.0, pytest.approx(20 / 7), 0.0, 9.0]
    # the values behind a statistic set are not known, so there is no percentile
    assert "ExtendedStatistics" not in statistics(store, Statistics=[], ExtendedStatistics=["p50"])[0]


def test_percentiles_are_interpolated() -> None:
    (point,) = statistics(
        publish({"Values": [1, 2], "Counts": [1, 3]}), Statistics=[], ExtendedStatistics=["p0", "p25", "p100"]
    )
    assert point["ExtendedStatistics"] == {"p0": 1.0, "p25": 1.75, "p100": 2.0}


def test_unit_filters_data() -> None:
    store = publish({"Value": 1, "Unit": "Count"}, {"Value": 5, "Unit": "Seconds"})
    assert statistics(store)[0]["Sum"] == 6.0
    assert statistics(store, Unit="Seconds") == [{"Timestamp": MINUTE, "Unit": "Seconds", "Sum": 5.0}]


def test_list_metrics_applies_filters() -> None:
    store = publish({"Value": 1}, {"Value": 1, "Dimensions": [{"Name": "model", "Value": "m1"}]})
    assert len(list_metrics({"Namespace": "Test"}, store)["Metrics"]) == 2
    for dimension, count in (({"Name": "model"}, 1), ({"Name": "model", "Value": "m2"}, 0), ({"Name": "other"}, 0)):
        assert len(list_metrics({"Dimensions": [dimension]}, store)["Metrics"]) == count
    assert list_metrics({"MetricName": "b"}, store)["Metrics"] == []


@pytest.mark.parametrize(
    ("datum", "reason"),
    [
        ({}, "one of Value"),
        ({"Value": 1, "Values": [1]}, "one of Value"),
        ({"Values": [1, 2], "Counts": [1]}, "the same length"),
        ({"Value": "inf"}, "must be finite"),
        ({"Value": "many"}, "not a number"),
        ({"Value": 1, "Timestamp": NOW - 15 * 86400}, "two weeks"),
        ({"Value": 1, "Timestamp": NOW + 3 * 3600}, "two hours"),
        ({"Value": 1, "Timestamp": "noon"}, "not a time"),
        ({"Value": 1, "StorageResolution": 10}, "1 or 60"),
        ({"Value": 1, "Dimensions": [{"Name": "a"}]}, "a Name and a Value"),
        ({"StatisticValues": {"SampleCount": 1}}, "needs Sum"),
    ],
)
def test_invalid_data_is_refused(datum: dict[str, Any], reason: str) -> None:
    with pytest.raises(QueryError, match=reason):
        publish(datum)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"Period": 7}, "multiple of 60"),
        ({"Period": None}, "number of seconds"),
        ({"EndTime": NOW - 300}, "before EndTime"),
        ({"StartTime": None}, "StartTime must be a time"),
        ({"Statistics": []}, "name Statistics"),
        ({"Statistics": ["p99"]}, "name Statistics"),
        ({"Statistics": ["Mean"]}, "not a statistic"),
        ({"StartTime": NOW - 86400, "Period": 1}, "at most 1440"),
    ],
)
def test_invalid_request_is_refused(members: dict[str, Any], reason: str) -> None:
    with pytest.raises(QueryError, match=reason):
        statistics(MetricStore(), **members)


def test_start_time_is_accepted_in_every_format() -> None:
    time = datetime.fromtimestamp(NOW - 300, UTC)
    forms = [time, time.replace(tzinfo=None), time.isoformat(), time.timestamp()]
    assert [statistics(publish({"Value": 1}), StartTime=form)[0]["Sum"] for form in forms] == [1.0] * 4
