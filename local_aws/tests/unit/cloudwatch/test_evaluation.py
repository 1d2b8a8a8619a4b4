"""Alarms are judged as CloudWatch judges them: the first two tables are those of its user guide."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_aws.cloudwatch.alarm_record import create_record
from local_aws.cloudwatch.evaluation import AlarmRule, Point
from local_aws.cloudwatch.notifications import function_event, notification, reason_data, state, state_history
from local_aws.cloudwatch.queries import QueryError
from local_aws.cloudwatch.store import Datum, Metric, MetricStore

NOW = 1_795_415_942.5
"""2026-11-23 06:39:02.5 UTC."""

RETAIN = "retain"


def alarm(**members: Any) -> dict[str, Any]:
    """PutMetricAlarm's members; the threshold is 1."""
    return {
        "Namespace": "Shop",
        "MetricName": "Fallbacks",
        "Dimensions": [{"Name": "service", "Value": "shop"}],
        "Statistic": "Sum",
        "Period": 10,
        "EvaluationPeriods": 3,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 1,
        **members,
    }


def points(text: str) -> list[Point]:
    """``0`` is a data point within the threshold, ``X`` one beyond, ``-`` a missing one; the oldest comes first."""
    values = {"0": 0.0, "X": 5.0, "-": None}
    return [Point(100.0 + 10 * number, values[sign]) for number, sign in enumerate(text)]


def judged(rule: dict[str, Any], text: str, current: Any = "OK") -> str:
    return AlarmRule.read(rule).evaluate(points(text), current).state


@pytest.mark.parametrize(
    ("text", "missing", "ignore", "breaching", "not_breaching"),
    [
        ("0-X-X", "OK", "OK", "OK", "OK"),
        ("0----", "OK", "OK", "OK", "OK"),
        ("-----", "INSUFFICIENT_DATA", RETAIN, "ALARM", "OK"),
        ("0XX-X", "ALARM", "ALARM", "ALARM", "ALARM"),
        ("----X", "INSUFFICIENT_DATA", RETAIN, "ALARM", "OK"),
        ("X----", "ALARM", RETAIN, "ALARM", "OK"),
        ("--X--", "ALARM", RETAIN, "ALARM", "OK"),
        ("----0", "OK", "OK", "OK", "OK"),
    ],
)
def test_three_of_three_follows_table_of_user_guide(
    text: str, missing: str, ignore: str, breaching: str, not_breaching: str
) -> None:
    expected = {"missing": missing, "ignore": ignore, "breaching": breaching, "notBreaching": not_breaching}
    for treat, state_expected in expected.items():
        for current in ("OK", "ALARM", "INSUFFICIENT_DATA"):
            wanted = current if state_expected == RETAIN else state_expected
            assert judged(alarm(TreatMissingData=treat), text, current) == wanted, treat


@pytest.mark.parametrize(
    ("text", "missing", "ignore", "breaching", "not_breaching"),
    [
        ("0-X-X", "ALARM", "ALARM", "ALARM", "ALARM"),
        ("00X0X", "ALARM", "ALARM", "ALARM", "ALARM"),
        ("0-X--", "OK", "OK", "ALARM", "OK"),
        ("----0", "OK", "OK", "ALARM", "OK"),
        ("----X", "INSUFFICIENT_DATA", RETAIN, "ALARM", "OK"),
        ("---X-", "ALARM", RETAIN, "ALARM", "OK"),
    ],
)
def test_two_of_three_follows_table_of_user_guide(
    text: str, missing: str, ignore: str, breaching: str, not_breaching: str
) -> None:
    expected = {"missing": missing, "ignore": ignore, "breaching": breaching, "notBreaching": not_breaching}
    for treat, state_expected in expected.items():
        wanted = "OK" if state_expected == RETAIN else state_expected
        assert judged(alarm(DatapointsToAlarm=2, TreatMissingData=treat), text) == wanted, treat


def test_default_treatment_is_missing() -> None:
    assert judged(alarm(), "-----") == "INSUFFICIENT_DATA"


def walk(rule: dict[str, Any], text: str) -> str:
    """The states, by their first letter, that an alarm goes through over a long series."""
    read = AlarmRule.read(rule)
    current: Any = "INSUFFICIENT_DATA"
    states = ""
    everything = points(text)
    width = read.evaluation_periods + 2
    for end in range(width, len(everything) + 1):
        current = read.evaluate(everything[end - width : end], current).state
        states += current[0]
    return states


@pytest.mark.parametrize(
    ("text", "rule", "states"),
    [
        # a good series never alarms, a bad one does once it was bad long enough
        ("00000000000", alarm(), "OOOOOOO"),
        ("00000XXX000", alarm(), "OOOAOOO"),
        # one bad period or two are no alarm; three in a row are, and one good period ends it
        ("0000X00XX00", alarm(), "OOOOOOO"),
        # flapping: the metric changes each period. Three in a row never come; two out of three always
        ("0X0X0X0X0X0X", alarm(), "OOOOOOOO"),
        ("0X0X0X0X0X0X", alarm(DatapointsToAlarm=2), "OAOAOAOA"),
        # a metric that only speaks when something is wrong
        ("------X-----", alarm(EvaluationPeriods=1, TreatMissingData="notBreaching"), "OOOOAAAOOO"),
        # a heartbeat: silence is the alarm
        ("00000-----00", alarm(EvaluationPeriods=2, TreatMissingData="breaching"), "OOOOOAAOO"),
        # what was known last is kept while nothing comes
        ("XXXXX-------0", alarm(EvaluationPeriods=2, TreatMissingData="ignore"), "AAAAAAAAAO"),
    ],
)
def test_alarm_over_long_series(text: str, rule: dict[str, Any], states: str) -> None:
    assert walk(rule, text) == states


@pytest.mark.parametrize(
    ("operator", "states"),
    [
        ("GreaterThanThreshold", ["OK", "OK", "ALARM"]),
        ("GreaterThanOrEqualToThreshold", ["OK", "ALARM", "ALARM"]),
        ("LessThanThreshold", ["ALARM", "OK", "OK"]),
        ("LessThanOrEqualToThreshold", ["ALARM", "ALARM", "OK"]),
    ],
)
def test_comparison_operators(operator: str, states: list[str]) -> None:
    rule = AlarmRule.read(alarm(ComparisonOperator=operator, EvaluationPeriods=1))
    assert [rule.evaluate([Point(0, value)], "OK").state for value in (0.5, 1.0, 1.5)] == states


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"EvaluationPeriods": None}, "EvaluationPeriods is required"),
        ({"EvaluationPeriods": 0}, "at least 1"),
        ({"EvaluationPeriods": "many"}, "whole number"),
        ({"DatapointsToAlarm": 4}, "not be greater than EvaluationPeriods"),
        ({"ComparisonOperator": "Above"}, "ComparisonOperator must be one of"),
        ({"TreatMissingData": "forget"}, "TreatMissingData must be one of"),
        ({"Threshold": None}, "Threshold must be a number"),
        ({"Threshold": "nan"}, "finite"),
        ({"Period": 5}, "10, 20, 30 or a multiple of 60"),
        ({"Period": 86400, "EvaluationPeriods": 8}, "a week"),
        ({"Statistic": "Mean"}, "'Mean' is not a statistic"),
        ({"Statistic": None}, "either Statistic or ExtendedStatistic"),
        ({"ExtendedStatistic": "p99"}, "either Statistic or ExtendedStatistic"),
        ({"Namespace": ""}, "needs a Namespace"),
        ({"Metrics": [{"Id": "a", "Expression": "1"}]}, "exclude each other"),
    ],
)
def test_invalid_alarm_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(QueryError, match=reason):
        AlarmRule.read(alarm(**changes))


def total(name: str, period: int = 10, *, returned: bool = False) -> dict[str, Any]:
    metric = {"Namespace": "Shop", "MetricName": name, "Dimensions": []}
    return {"Id": name, "MetricStat": {"Metric": metric, "Period": period, "Stat": "Sum"}, "ReturnData": returned}


def math_alarm(*metrics: dict[str, Any], **members: Any) -> dict[str, Any]:
    rule = {"EvaluationPeriods": 2, "ComparisonOperator": "GreaterThanThreshold", "Threshold": 1.25}
    return {**rule, "Metrics": list(metrics), **members}


ERROR = {"Id": "error", "Expression": "IF(predicted >= 3, (squared / expected) ^ 0.5, 0)", "ReturnData": True}


@pytest.mark.parametrize(
    ("metrics", "reason"),
    [
        ([total("a"), total("b")], "exactly one element"),
        ([total("a", returned=True), {"Id": "b", "Expression": "a"}], "exactly one element"),
        ([total("a"), total("b", 60), {"Id": "e", "Expression": "a + b"}], "the same period"),
        ([{"Id": "e", "Expression": "TIME_SERIES(1)"}], "at least one metric"),
        ([total("a"), {"Id": "e", "Expression": "SQRT(a)"}], "no function SQRT"),
    ],
)
def test_invalid_metric_math_is_refused(metrics: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(QueryError, match=reason):
        AlarmRule.read(math_alarm(*metrics))


def published(*data: tuple[str, float, float]) -> MetricStore:
    """A store with (name, timestamp, value)."""
    store = MetricStore()
    store.put(Datum(Metric("Shop", name), at, ((value, 1.0),), resolution=1) for name, at, value in data)
    return store


def test_metric_math_is_evaluated_over_complete_periods() -> None:
    # given live errors that rise above what was promised, with enough predictions in two periods of three
    store = published(
        *[("predicted", at, 3.0) for at in (1000, 1010)],
        ("predicted", 1020, 2.0),
        *[("squared", at, value) for at, value in ((1000, 200.0), (1015, 200.0), (1025, 900.0))],
        *[("expected", at, 100.0) for at in (1000, 1010, 1020)],
    )
    rule = AlarmRule.read(math_alarm(total("predicted"), total("squared"), total("expected"), ERROR))
    # when they are judged at the end of the second period, and of the third
    second, third = (rule.evaluate(rule.points(store, end), "OK") for end in (1020, 1030))
    # then the first is an alarm, and in the last period there were too few predictions to say anything
    assert (second.state, third.state) == ("ALARM", "OK")
    assert [point.value for point in second.evaluated] == pytest.approx([2**0.5, 2**0.5])
    assert [point.value for point in third.evaluated] == pytest.approx([0, 2**0.5])


def test_alarm_uses_exact_dimensions() -> None:
    # given a metric that is published per service, and per service and reason
    store = MetricStore()
    both = Metric.create("Shop", "Fallbacks", {"service": "shop", "reason": "no_model"})
    store.put([Datum(both, 1000, ((9.0, 1.0),), resolution=1)])
    # when an alarm watches the service alone
    rule = AlarmRule.read(alarm(EvaluationPeriods=1))
    # then the other series is none of its business
    assert [point.value for point in rule.points(store, 1010)] == [None, None, None]
    store.put([Datum(Metric.create("Shop", "Fallbacks", {"service": "shop"}), 1005, ((2.0, 1.0),), resolution=1)])
    assert [point.value for point in rule.points(store, 1010)] == [None, None, 2.0]


@pytest.mark.parametrize(
    ("period", "now", "end"),
    [
        (10, 1011.9, 1000),
        (10, 1012.0, 1010),
        (30, 1012.0, 1010),
        (60, 1081.0, 1020),
        (60, 1082.0, 1080),
        (300, 1082.0, 1080),
    ],
)
def test_period_is_evaluated_two_seconds_after_end(period: int, now: float, end: float) -> None:
    assert AlarmRule.read(alarm(Period=period)).last_end(now) == end


def test_reason_lists_data_points() -> None:
    rule = AlarmRule.read(alarm(DatapointsToAlarm=2, TreatMissingData="notBreaching"))
    verdict = rule.evaluate([Point(NOW - 32.5, 3.0), Point(NOW - 22.5, 0.0), Point(NOW - 12.5, 4.0)], "OK")
    assert verdict.reason == (
        "Threshold Crossed: 2 out of the last 3 datapoints [4.0 (23/11/26 06:38:50), 3.0 (23/11/26 06:38:30)] were "
        "greater than the threshold (1.0) (minimum 2 datapoints for OK -> ALARM transition)."
    )
    assert rule.evaluate([Point(0, None)] * 5, "ALARM").reason == (
        "Threshold Crossed: no datapoints were received for 3 periods and 3 missing datapoints were treated as "
        "[NonBreaching]."
    )
    missing = AlarmRule.read(alarm()).evaluate([Point(0, None)] * 5, "OK")
    assert missing.reason == "Insufficient Data: 3 datapoints were unknown."


def test_reason_data_has_format_of_cloudwatch() -> None:
    rule = AlarmRule.read(alarm(EvaluationPeriods=2, TreatMissingData="breaching"))
    verdict = rule.evaluate([Point(NOW - 32.5, None), Point(NOW - 22.5, 5.0, 3.0), Point(NOW - 12.5, None)], "OK")
    assert json.loads(reason_data(rule, verdict, NOW)) == {
        "version": "1.0",
        "queryDate": "2026-11-23T06:39:02.500+0000",
        "startDate": "2026-11-23T06:38:40.000+0000",
        "statistic": "Sum",
        "period": 10,
        "recentDatapoints": [5.0],
        "threshold": 1.0,
        "evaluatedDatapoints": [
            {"timestamp": "2026-11-23T06:38:50.000+0000"},
            {"timestamp": "2026-11-23T06:38:40.000+0000", "sampleCount": 3.0, "value": 5.0},
        ],
    }


def in_alarm(given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """An alarm that went off, and its state before."""
    record = create_record("arn:aws:cloudwatch:us-east-1:000000000000:alarm:shop-NoModel", given, None, NOW - 60)
    previous = state(record)
    record |= {"StateValue": "ALARM", "StateReason": "why", "StateReasonData": '{"a":1}', "StateUpdatedTimestamp": NOW}
    return record, previous


def test_function_event_has_format_of_cloudwatch() -> None:
    # given an alarm on one metric that went off
    record, previous = in_alarm(alarm(AlarmDescription="No model"))
    # when its event is written
    event = function_event(record, previous)
    # then it has the shape that AWS documents
    (metric,) = event["alarmData"]["configuration"].pop("metrics")
    assert metric.pop("id")
    assert metric == {
        "metricStat": {
            "metric": {"namespace": "Shop", "name": "Fallbacks", "dimensions": {"service": "shop"}},
            "period": 10,
            "stat": "Sum",
        },
        "returnData": True,
    }
    assert event == {
        "source": "aws.cloudwatch",
        "alarmArn": "arn:aws:cloudwatch:us-east-1:000000000000:alarm:shop-NoModel",
        "accountId": "000000000000",
        "time": "2026-11-23T06:39:02.500+0000",
        "region": "us-east-1",
        "alarmData": {
            "alarmName": "shop-NoModel",
            "state": {
                "value": "ALARM",
                "reason": "why",
                "reasonData": '{"a":1}',
                "timestamp": "2026-11-23T06:39:02.500+0000",
            },
            "previousState": {
                "value": "INSUFFICIENT_DATA",
                "reason": "Unchecked: Initial alarm creation",
                "timestamp": "2026-11-23T06:38:02.500+0000",
            },
            "configuration": {"description": "No model"},
        },
    }


def test_configuration_contains_all_queries() -> None:
    record, previous = in_alarm(math_alarm(total("predicted"), total("squared"), total("expected"), ERROR))
    metrics = function_event(record, previous)["alarmData"]["configuration"]["metrics"]
    assert [metric["id"] for metric in metrics] == ["predicted", "squared", "expected", "error"]
    assert metrics[3] == {"id": "error", "expression": ERROR["Expression"], "returnData": True}
    assert metrics[0]["metricStat"]["metric"] == {"namespace": "Shop", "name": "predicted", "dimensions": {}}
    subject, message = notification(record, previous)
    assert subject == 'ALARM: "shop-NoModel" in us-east-1'
    assert json.loads(message)["Trigger"]["Metrics"][3] == ERROR


def test_state_history_contains_both_states() -> None:
    summary, data = state_history(*in_alarm(alarm()))
    assert summary == "Alarm updated from INSUFFICIENT_DATA to ALARM"
    assert json.loads(data)["newState"] == {"stateValue": "ALARM", "stateReason": "why", "stateReasonData": {"a": 1}}


def test_record_from_template_converts_strings() -> None:
    texts = alarm(Period="10", EvaluationPeriods="3", Threshold="1", ActionsEnabled="false")
    arn = "arn:aws:cloudwatch:us-east-1:000000000000:alarm:a"
    record = create_record(arn, texts, None, NOW)
    assert [record[name] for name in ("Period", "EvaluationPeriods", "Threshold", "ActionsEnabled")] == [
        10,
        3,
        1.0,
        False,
    ]
    # and an update leaves the state alone
    updated = create_record(arn, alarm(Threshold=7), record | {"StateValue": "ALARM"}, NOW + 1)
    assert (updated["StateValue"], updated["Threshold"]) == ("ALARM", 7.0)
