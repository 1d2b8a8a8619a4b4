"""Alarms are evaluated as CloudWatch does; the first two tables are those of its user guide.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

from __future__ import annotations

from typing import Any

import pytest

from local_aws.cloudwatch.evaluation import AlarmRule, Point
from local_aws.cloudwatch.queries import QueryError
from local_aws.cloudwatch.store import Datum, Metric, MetricStore
from local_aws.tests.unit.cloudwatch.factories import ERROR, NOW, alarm, math_alarm, total

RETAIN = "retain"


def points(text: str) -> list[Point]:
    """``0`` is a data point within the threshold, ``X`` one beyond, ``-`` a missing one; the oldest comes first."""
    values = {"0": 0.0, "X": 5.0, "-": None}
    return [Point(100.0 + 10 * number, values[sign]) for number, sign in enumerate(text)]


def state_after(rule: dict[str, Any], text: str, current: Any = "OK") -> str:
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
            expected_state = current if state_expected == RETAIN else state_expected
            assert state_after(alarm(TreatMissingData=treat), text, current) == expected_state, treat


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
        expected_state = "OK" if state_expected == RETAIN else state_expected
        assert state_after(alarm(DatapointsToAlarm=2, TreatMissingData=treat), text) == expected_state, treat


def test_default_treatment_is_missing() -> None:
    assert state_after(alarm(), "-----") == "INSUFFICIENT_DATA"


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
        # three bad periods in a row are needed
        ("00000000000", alarm(), "OOOOOOO"),
        ("00000XXX000", alarm(), "OOOAOOO"),
        # one or two bad periods are no alarm
        ("0000X00XX00", alarm(), "OOOOOOO"),
        # a metric that changes each period: never three in a row, often two of three
        ("0X0X0X0X0X0X", alarm(), "OOOOOOOO"),
        ("0X0X0X0X0X0X", alarm(DatapointsToAlarm=2), "OAOAOAOA"),
        # a metric with data only on failures
        ("------X-----", alarm(EvaluationPeriods=1, TreatMissingData="notBreaching"), "OOOOAAAOOO"),
        # a heartbeat: missing data is an alarm
        ("00000-----00", alarm(EvaluationPeriods=2, TreatMissingData="breaching"), "OOOOOAAOO"),
        # the state is kept while data is missing
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
    # given errors that exceed the threshold, with enough predictions in two periods of three
    store = published(
        *[("predicted", at, 3.0) for at in (1000, 1010)],
        ("predicted", 1020, 2.0),
        *[("squared", at, value) for at, value in ((1000, 200.0), (1015, 200.0), (1025, 900.0))],
        *[("expected", at, 100.0) for at in (1000, 1010, 1020)],
    )
    rule = AlarmRule.read(math_alarm(total("predicted"), total("squared"), total("expected"), ERROR))
    # when they are evaluated at the end of the second period, and of the third
    second, third = (rule.evaluate(rule.points(store, end), "OK") for end in (1020, 1030))
    # then the first is an alarm; the last period has too few predictions
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
    # then it does not use the other series
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
    evaluation = rule.evaluate([Point(NOW - 32.5, 3.0), Point(NOW - 22.5, 0.0), Point(NOW - 12.5, 4.0)], "OK")
    assert evaluation.reason == (
        "Threshold Crossed: 2 out of the last 3 datapoints [4.0 (23/11/26 06:38:50), 3.0 (23/11/26 06:38:30)] were "
        "greater than the threshold (1.0) (minimum 2 datapoints for OK -> ALARM transition)."
    )
    assert rule.evaluate([Point(0, None)] * 5, "ALARM").reason == (
        "Threshold Crossed: no datapoints were received for 3 periods and 3 missing datapoints were treated as "
        "[NonBreaching]."
    )
    missing = AlarmRule.read(alarm()).evaluate([Point(0, None)] * 5, "OK")
    assert missing.reason == "Insufficient Data: 3 datapoints were unknown."
