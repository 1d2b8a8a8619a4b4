"""The messages of an alarm's state change: for functions, topics and the event bus, and for the alarm's history.

Alarms are mappings with DescribeAlarms' members and times in epoch seconds.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_aws.cloudwatch.evaluation import AlarmRule, Evaluation

_CONFIGURATION_IDS = uuid.UUID("0a4cbc3e-35a7-54d8-a86c-6f53e37ea1d5")


def format_time(timestamp: float) -> str:
    """A time in an alarm's format: ``2026-11-23T06:39:00.123+0000``."""
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="milliseconds").replace("+00:00", "+0000")


def reason_data(rule: AlarmRule, evaluation: Evaluation, now: float) -> str:
    """``StateReasonData``: the evaluated data points as JSON."""
    real = [point for point in evaluation.evaluated if point.value is not None]
    stat = rule.result_query.stat
    data: dict[str, Any] = {"version": "1.0", "queryDate": format_time(now)}
    if real:
        data["startDate"] = format_time(min(point.start for point in real))
    if stat is not None and not rule.is_math:
        if stat.unit:
            data["unit"] = stat.unit
        data["statistic"] = stat.statistic
    data["period"] = rule.period
    data["recentDatapoints"] = [point.value for point in reversed(real)]
    data["threshold"] = rule.threshold
    data["evaluatedDatapoints"] = [
        {
            "timestamp": format_time(point.start),
            **({"sampleCount": point.samples} if point.samples is not None else {}),
            **({"value": point.value} if point.value is not None else {}),
        }
        for point in evaluation.evaluated
    ]
    return json.dumps(data, separators=(",", ":"))


def state(alarm: Mapping[str, Any]) -> dict[str, Any]:
    """An alarm's state in the format of messages."""
    return {
        "value": alarm["StateValue"],
        "reason": alarm["StateReason"],
        **({"reasonData": alarm["StateReasonData"]} if alarm.get("StateReasonData") else {}),
        "timestamp": format_time(alarm["StateUpdatedTimestamp"]),
    }


def configuration(alarm: Mapping[str, Any]) -> dict[str, Any]:
    """An alarm's metrics or rule in the format of messages."""
    described = {"description": alarm["AlarmDescription"]} if alarm.get("AlarmDescription") else {}
    if "AlarmRule" in alarm:
        return described | {"alarmRule": alarm["AlarmRule"]}
    if "Metrics" in alarm:
        return described | {"metrics": [_query(query) for query in alarm["Metrics"]]}
    single = {
        "Id": str(uuid.uuid5(_CONFIGURATION_IDS, alarm["AlarmArn"])),
        "MetricStat": {
            "Metric": {name: alarm.get(name) for name in ("Namespace", "MetricName", "Dimensions")},
            "Period": alarm.get("Period"),
            "Stat": alarm.get("ExtendedStatistic") or alarm.get("Statistic"),
            **({"Unit": alarm["Unit"]} if alarm.get("Unit") else {}),
        },
        "ReturnData": True,
    }
    return described | {"metrics": [_query(single)]}


def _query(query: Mapping[str, Any]) -> dict[str, Any]:
    members = {"id": query["Id"]}
    if "MetricStat" in query:
        stat, metric = query["MetricStat"], query["MetricStat"]["Metric"]
        members["metricStat"] = {
            "metric": {
                "namespace": metric["Namespace"],
                "name": metric["MetricName"],
                "dimensions": {dimension["Name"]: dimension["Value"] for dimension in metric.get("Dimensions") or []},
            },
            "period": stat["Period"],
            "stat": stat["Stat"],
            **({"unit": stat["Unit"]} if "Unit" in stat else {}),
        }
    else:
        members["expression"] = query["Expression"]
    if "Label" in query:
        members["label"] = query["Label"]
    return members | {"returnData": query["ReturnData"]}


def function_event(alarm: Mapping[str, Any], previous: Mapping[str, Any]) -> dict[str, Any]:
    """The event that an alarm action sends to a function; ``previous`` is the ``state`` before the change."""
    _, _, _, region, account, _ = alarm["AlarmArn"].split(":", 5)
    return {
        "source": "aws.cloudwatch",
        "alarmArn": alarm["AlarmArn"],
        "accountId": account,
        "time": format_time(alarm["StateUpdatedTimestamp"]),
        "region": region,
        "alarmData": bus_detail(alarm, previous),
    }


def bus_detail(alarm: Mapping[str, Any], previous: Mapping[str, Any]) -> dict[str, Any]:
    """The ``detail`` of the event ``CloudWatch Alarm State Change``."""
    return {
        "alarmName": alarm["AlarmName"],
        "state": state(alarm),
        "previousState": dict(previous),
        "configuration": configuration(alarm),
    }


def notification(alarm: Mapping[str, Any], previous: Mapping[str, Any]) -> tuple[str, str]:
    """Subject and message of a notification to a topic."""
    _, _, _, region, account, _ = alarm["AlarmArn"].split(":", 5)
    updated = alarm["AlarmConfigurationUpdatedTimestamp"]
    message: dict[str, Any] = {
        "AlarmName": alarm["AlarmName"],
        "AlarmDescription": alarm.get("AlarmDescription"),
        "AWSAccountId": account,
        "AlarmConfigurationUpdatedTimestamp": format_time(updated),
        "NewStateValue": alarm["StateValue"],
        "NewStateReason": alarm["StateReason"],
        "StateChangeTime": format_time(alarm["StateUpdatedTimestamp"]),
        "Region": region,
        "AlarmArn": alarm["AlarmArn"],
        "OldStateValue": previous["value"],
        **{kind: alarm.get(kind, []) for kind in ("OKActions", "AlarmActions", "InsufficientDataActions")},
    }
    if "AlarmRule" in alarm:
        message["AlarmRule"] = alarm["AlarmRule"]
    else:
        message["Trigger"] = _trigger(alarm)
    subject = f'{alarm["StateValue"]}: "{alarm["AlarmName"]}" in {region}'
    return subject[:100], json.dumps(message)


def _trigger(alarm: Mapping[str, Any]) -> dict[str, Any]:
    rule = {
        **{name: alarm.get(name) for name in ("EvaluationPeriods", "ComparisonOperator", "Threshold")},
        **{name: alarm[name] for name in ("DatapointsToAlarm", "Period") if name in alarm},
        "TreatMissingData": alarm.get("TreatMissingData", ""),
        "EvaluateLowSampleCountPercentile": "",
    }
    if "Metrics" in alarm:
        return rule | {"Metrics": [_with_lower_case_dimensions(query) for query in alarm["Metrics"]]}
    extended = "ExtendedStatistic" in alarm
    return rule | {
        "MetricName": alarm.get("MetricName"),
        "Namespace": alarm.get("Namespace"),
        "StatisticType": "ExtendedStatistic" if extended else "Statistic",
        **(
            {"ExtendedStatistic": alarm["ExtendedStatistic"]}
            if extended
            else {"Statistic": str(alarm.get("Statistic", "")).upper()}
        ),
        "Unit": alarm.get("Unit"),
        "Dimensions": _lower_case(alarm.get("Dimensions")),
    }


def _with_lower_case_dimensions(query: Mapping[str, Any]) -> dict[str, Any]:
    if "MetricStat" not in query:
        return dict(query)
    metric = query["MetricStat"]["Metric"]
    stat = query["MetricStat"] | {"Metric": metric | {"Dimensions": _lower_case(metric.get("Dimensions"))}}
    return dict(query) | {"MetricStat": stat}


def _lower_case(dimensions: list[Mapping[str, str]] | None) -> list[dict[str, str]]:
    """Dimensions with the member names of notifications."""
    return [{"value": dimension["Value"], "name": dimension["Name"]} for dimension in dimensions or []]


def state_history(alarm: Mapping[str, Any], previous: Mapping[str, Any]) -> tuple[str, str]:
    """Summary and data of a state change in an alarm's history."""

    def described(state: Mapping[str, Any]) -> dict[str, Any]:
        data = state.get("reasonData")
        return {
            "stateValue": state["value"],
            "stateReason": state.get("reason", ""),
            **({"stateReasonData": json.loads(data)} if data else {}),
        }

    new = state(alarm)
    data = {"version": "1.0", "oldState": described(previous), "newState": described(new)}
    return f"Alarm updated from {previous['value']} to {new['value']}", json.dumps(data)


def action_history(alarm: Mapping[str, Any], action: str, error: str | None) -> tuple[str, str]:
    """Summary and data of an action in an alarm's history; ``error`` is set if it failed."""
    data = {
        "version": "1.0",
        "actionState": "Failed" if error else "Succeeded",
        "notificationResource": action,
        "stateUpdateTimestamp": int(alarm["StateUpdatedTimestamp"] * 1000),
        **({"error": error} if error else {}),
    }
    failed = f"Failed to execute action {action}. Received error: {error}"
    summary = failed if error else f"Successfully executed action {action}"
    return summary, json.dumps(data)
