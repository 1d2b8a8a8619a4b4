"""What an alarm tells others when its state changes: functions, topics, the event bus and its own history.

Alarms are described by the members that DescribeAlarms answers, with times in epoch seconds.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_aws.cloudwatch.evaluation import AlarmRule, Verdict

_CONFIGURATION_IDS = uuid.UUID("0a4cbc3e-35a7-54d8-a86c-6f53e37ea1d5")


def alarm_time(at: float) -> str:
    """A time as alarms write it: ``2026-11-23T06:39:00.123+0000``."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "+0000")


def reason_data(rule: AlarmRule, verdict: Verdict, now: float) -> str:
    """What a verdict rests on, as JSON."""
    real = [point for point in verdict.evaluated if point.value is not None]
    stat = rule.watched.stat
    data: dict[str, Any] = {"version": "1.0", "queryDate": alarm_time(now)}
    if real:
        data["startDate"] = alarm_time(min(point.start for point in real))
    if stat is not None and not rule.is_math:
        if stat.unit:
            data["unit"] = stat.unit
        data["statistic"] = stat.statistic
    data["period"] = rule.period
    data["recentDatapoints"] = [point.value for point in reversed(real)]
    data["threshold"] = rule.threshold
    data["evaluatedDatapoints"] = [
        {
            "timestamp": alarm_time(point.start),
            **({"sampleCount": point.samples} if point.samples is not None else {}),
            **({"value": point.value} if point.value is not None else {}),
        }
        for point in verdict.evaluated
    ]
    return json.dumps(data, separators=(",", ":"))


def state(alarm: Mapping[str, Any]) -> dict[str, Any]:
    """An alarm's state as messages carry it."""
    return {
        "value": alarm["StateValue"],
        "reason": alarm["StateReason"],
        **({"reasonData": alarm["StateReasonData"]} if alarm.get("StateReasonData") else {}),
        "timestamp": alarm_time(alarm["StateUpdatedTimestamp"]),
    }


def configuration(alarm: Mapping[str, Any]) -> dict[str, Any]:
    """What an alarm watches, as messages carry it."""
    described = {"description": alarm["AlarmDescription"]} if alarm.get("AlarmDescription") else {}
    if "AlarmRule" in alarm:
        return described | {"alarmRule": alarm["AlarmRule"]}
    if "Metrics" in alarm:
        return described | {"metrics": [_query(each) for each in alarm["Metrics"]]}
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
                "dimensions": {each["Name"]: each["Value"] for each in metric.get("Dimensions") or []},
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
    """The event of a function that is an alarm's action; ``previous`` is the ``state`` before."""
    _, _, _, region, account, _ = alarm["AlarmArn"].split(":", 5)
    return {
        "source": "aws.cloudwatch",
        "alarmArn": alarm["AlarmArn"],
        "accountId": account,
        "time": alarm_time(alarm["StateUpdatedTimestamp"]),
        "region": region,
        "alarmData": bus_detail(alarm, previous),
    }


def bus_detail(alarm: Mapping[str, Any], previous: Mapping[str, Any]) -> dict[str, Any]:
    """The detail of EventBridge's ``CloudWatch Alarm State Change``."""
    return {
        "alarmName": alarm["AlarmName"],
        "state": state(alarm),
        "previousState": dict(previous),
        "configuration": configuration(alarm),
    }


def notification(alarm: Mapping[str, Any], previous: Mapping[str, Any]) -> tuple[str, str]:
    """Subject and message of an alarm's notification on a topic."""
    _, _, _, region, account, _ = alarm["AlarmArn"].split(":", 5)
    updated = alarm["AlarmConfigurationUpdatedTimestamp"]
    message: dict[str, Any] = {
        "AlarmName": alarm["AlarmName"],
        "AlarmDescription": alarm.get("AlarmDescription"),
        "AWSAccountId": account,
        "AlarmConfigurationUpdatedTimestamp": alarm_time(updated),
        "NewStateValue": alarm["StateValue"],
        "NewStateReason": alarm["StateReason"],
        "StateChangeTime": alarm_time(alarm["StateUpdatedTimestamp"]),
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
        return rule | {"Metrics": [_named_dimensions(each) for each in alarm["Metrics"]]}
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
        "Dimensions": _lowered(alarm.get("Dimensions")),
    }


def _named_dimensions(query: Mapping[str, Any]) -> dict[str, Any]:
    if "MetricStat" not in query:
        return dict(query)
    metric = query["MetricStat"]["Metric"]
    stat = query["MetricStat"] | {"Metric": metric | {"Dimensions": _lowered(metric.get("Dimensions"))}}
    return dict(query) | {"MetricStat": stat}


def _lowered(dimensions: list[Mapping[str, str]] | None) -> list[dict[str, str]]:
    """Dimensions as notifications spell them."""
    return [{"value": each["Value"], "name": each["Name"]} for each in dimensions or []]


def state_history(alarm: Mapping[str, Any], previous: Mapping[str, Any]) -> tuple[str, str]:
    """Summary and data of a change of state in an alarm's history."""

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
    """Summary and data of an action in an alarm's history; ``error`` says why it failed."""
    data = {
        "version": "1.0",
        "actionState": "Failed" if error else "Succeeded",
        "notificationResource": action,
        "stateUpdateTimestamp": int(alarm["StateUpdatedTimestamp"] * 1000),
        **({"error": error} if error else {}),
    }
    failed = f"Failed to execute action {action}. Received error: {error}"
    done = failed if error else f"Successfully executed action {action}"
    return done, json.dumps(data)
