"""Log lines become metrics, or say why not."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricResolution, MetricUnit
from hypothesis import given
from hypothesis import strategies as st

from local_aws.cloudwatch.embedded_metrics import EmbeddedMetricError, read
from local_aws.cloudwatch.store import Datum, Metric

NOW = 1_795_415_942.5


def line(root: dict[str, Any], **directive: Any) -> str:
    """A line at ``NOW`` with one directive."""
    complete = {"Namespace": "Shop", "Dimensions": [["service"]], "Metrics": [{"Name": "Count"}], **directive}
    return json.dumps({"_aws": {"Timestamp": NOW * 1000, "CloudWatchMetrics": [complete]}, **root})


def test_output_of_powertools_is_parsed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    # given metrics published with Powertools
    monkeypatch.delenv("POWERTOOLS_METRICS_DISABLED", raising=False)
    metrics = Metrics(namespace="Shop", service="shop")
    metrics.add_dimension("model", "m1")
    for value in (1.5, 2.5):
        metrics.add_metric("SquaredError", MetricUnit.Count, value, resolution=MetricResolution.High)
    metrics.set_timestamp(int(NOW * 1000))
    metrics.flush_metrics()
    # when the printed line is parsed
    (datum,) = read(capsys.readouterr().out, NOW)
    # then it has all values
    expected = Metric("Shop", "SquaredError", (("model", "m1"), ("service", "shop")))
    assert datum == Datum(expected, NOW, ((1.5, 1.0), (2.5, 1.0)), unit="Count", resolution=1)


def test_each_dimension_set_is_a_series() -> None:
    root = {"service": "shop", "reason": "no_model", "Count": 2, "Other": [1, 2]}
    sets = [["service"], ["service", "reason"], []]
    data = read(line(root, Dimensions=sets, Metrics=[{"Name": "Count", "Unit": "Count"}, {"Name": "Other"}]), NOW)
    assert [(datum.metric.name, dict(datum.metric.dimensions), datum.values) for datum in data] == [
        ("Count", {"service": "shop"}, ((2.0, 1.0),)),
        ("Count", {"service": "shop", "reason": "no_model"}, ((2.0, 1.0),)),
        ("Count", {}, ((2.0, 1.0),)),
        ("Other", {"service": "shop"}, ((1.0, 1.0), (2.0, 1.0))),
        ("Other", {"service": "shop", "reason": "no_model"}, ((1.0, 1.0), (2.0, 1.0))),
        ("Other", {}, ((1.0, 1.0), (2.0, 1.0))),
    ]
    assert {datum.resolution for datum in data} == {60}


@pytest.mark.parametrize("text", ["", "hello", '{"level": "INFO"}', '{"_aws": 1}', '{"_aws": {}}', '"_aws"', '{"_aws"'])
def test_other_lines_have_no_metrics(text: str) -> None:
    assert read(text, NOW) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (line({"service": "shop"}), "'Count' has no value"),
        (line({"Count": 1}), "'service' has no string value"),
        (line({"service": 7, "Count": 1}), "'service' has no string value"),
        (line({"service": "shop", "Count": "many"}), "not a number"),
        (line({"service": "shop", "Count": True}), "not a number"),
        (line({"service": "shop", "Count": float("nan")}), "not a number"),
        (line({"service": "shop", "Count": 10**400}), "not a number"),
        (line({"service": "shop", "Count": [1] * 101}), "at most 100"),
        (line({"service": "shop", "Count": 1}, Namespace=""), "Namespace"),
        (line({"service": "shop", "Count": 1}, Dimensions="service"), "list of Dimensions"),
        (line({"service": "shop", "Count": 1}, Dimensions=["service"]), "list of at most"),
        (line({"service": "shop", "Count": 1}, Metrics=None), "list of Metrics"),
        (line({"service": "shop", "Count": 1}, Metrics=[{"Name": "Count", "StorageResolution": 5}]), "1 or 60"),
        ('{"_aws": {"CloudWatchMetrics": []}}', "Timestamp"),
        ('{"_aws": {"Timestamp": 0, "CloudWatchMetrics": []}}', "two weeks"),
        ('{"_aws": {"Timestamp": 1795415942500, "CloudWatchMetrics": {}}}', "must be a list"),
        ('{"_aws": {"Timestamp": 1795415942500, "CloudWatchMetrics": [1]}}', "must be an object"),
    ],
)
def test_invalid_metrics_are_refused_with_reason(text: str, reason: str) -> None:
    with pytest.raises(EmbeddedMetricError, match=reason):
        read(text, NOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.sampled_from(["Namespace", "Dimensions", "Metrics", "Name", "Unit", "a"]), children)
    ),
    max_leaves=8,
)


@given(timestamp=JSON | st.just(NOW * 1000), directives=JSON | st.lists(JSON), value=JSON)
def test_any_json_parses_or_is_refused(timestamp: object, directives: object, value: object) -> None:
    with contextlib.suppress(EmbeddedMetricError):
        read(json.dumps({"_aws": {"Timestamp": timestamp, "CloudWatchMetrics": directives}, "a": value}), NOW)
