"""Messages of an alarm's state change have CloudWatch's format."""

from __future__ import annotations

import json
from typing import Any

from local_aws.cloudwatch.alarm_record import create_record
from local_aws.cloudwatch.evaluation import AlarmRule, Point
from local_aws.cloudwatch.notifications import function_event, notification, reason_data, state, state_history
from local_aws.tests.unit.cloudwatch.factories import ERROR, NOW, alarm, math_alarm, total


def test_reason_data_has_format_of_cloudwatch() -> None:
    rule = AlarmRule.read(alarm(EvaluationPeriods=2, TreatMissingData="breaching"))
    evaluation = rule.evaluate([Point(NOW - 32.5, None), Point(NOW - 22.5, 5.0, 3.0), Point(NOW - 12.5, None)], "OK")
    assert json.loads(reason_data(rule, evaluation, NOW)) == {
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


def in_alarm(members: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The record of an alarm in ALARM, and its previous state."""
    record = create_record("arn:aws:cloudwatch:us-east-1:000000000000:alarm:shop-NoModel", members, None, NOW - 60)
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
