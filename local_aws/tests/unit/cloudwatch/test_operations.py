"""Metrics are kept and answered as CloudWatch does, for a bounded time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from local_aws.cloudwatch.operations import Timestamp, list_metrics, metric_statistics, read_data
from local_aws.cloudwatch.protocol import nested, xml
from local_aws.cloudwatch.queries import QueryError
from local_aws.cloudwatch.store import RETENTION_SECONDS, Datum, Metric, MetricStore

NOW = 1_795_415_942.5
MINUTE = NOW // 60 * 60


def publish(*data: dict[str, Any]) -> MetricStore:
    store = MetricStore()
    store.put(read_data({"Namespace": "Test", "MetricData": [{"MetricName": "a", **each} for each in data]}, NOW))
    return store


def statistics(store: MetricStore, **members: Any) -> list[dict[str, Any]]:
    request = {"Namespace": "Test", "MetricName": "a", "StartTime": NOW - 300, "EndTime": NOW + 300, "Period": 60}
    found: list[dict[str, Any]] = metric_statistics(request | {"Statistics": ["Sum"]} | members, store)["Datapoints"]
    return found


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


def test_prune_removes_data_beyond_retention() -> None:
    # given a value each second for longer than the retention, and a series that ended
    store = MetricStore()
    metric, ended = Metric("Test", "a"), Metric("Test", "ended")
    oldest = int(NOW) - RETENTION_SECONDS - 100
    store.put(Datum(metric, at, ((1.0, 1.0),), resolution=1) for at in range(oldest, int(NOW)))
    store.put([Datum(ended, oldest, ((1.0, 1.0),))])
    # when it is pruned, then what is older is gone, and an empty series with it
    store.prune(int(NOW))
    kept = store.series(metric, "Sum", period=1, start=0, end=NOW)
    assert (len(kept), min(kept)) == (RETENTION_SECONDS, int(NOW) - RETENTION_SECONDS)
    assert store.metrics() == [metric]


def test_list_metrics_applies_filters() -> None:
    store = publish({"Value": 1}, {"Value": 1, "Dimensions": [{"Name": "model", "Value": "m1"}]})
    assert len(list_metrics({"Namespace": "Test"}, store)["Metrics"]) == 2
    for wanted, found in (({"Name": "model"}, 1), ({"Name": "model", "Value": "m2"}, 0), ({"Name": "other"}, 0)):
        assert len(list_metrics({"Dimensions": [wanted]}, store)["Metrics"]) == found
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
    moment = datetime.fromtimestamp(NOW - 300, UTC)
    forms = [moment, moment.replace(tzinfo=None), moment.isoformat(), moment.timestamp()]
    assert [statistics(publish({"Value": 1}), StartTime=form)[0]["Sum"] for form in forms] == [1.0] * 4


def test_forms_are_parsed_and_xml_is_written() -> None:
    form = {"Action": ["Get"], "Q.member.2.Id": ["b"], "Q.member.1.Id": ["a"], "Q.member.1.M.D.member.1.Name": ["n"]}
    assert nested(form) == {"Action": "Get", "Q": [{"Id": "a", "M": {"D": [{"Name": "n"}]}}, {"Id": "b"}]}
    answer = {"Datapoints": [{"Timestamp": Timestamp(NOW), "Sum": 1.0}], "Label": "a < b", "Flag": True, "No": None}
    assert xml(answer) == (
        "<Datapoints><member><Timestamp>2026-11-23T06:39:02.500Z</Timestamp><Sum>1.0</Sum></member></Datapoints>"
        "<Label>a &lt; b</Label><Flag>true</Flag>"
    )
