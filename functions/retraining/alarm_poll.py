"""Polling alarms on a schedule: CloudWatch invokes a function only when an alarm changes its state."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from retraining.triggers import Trigger, from_schedule

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import MetricAlarmTypeDef


def find_active_alarms(
    cloudwatch: CloudWatchClient, alarms: Sequence[str], *, stack: str, scheduled_at: datetime
) -> list[Trigger]:
    """A trigger for each of the named alarms that is in state ALARM, in the order of ``alarms``.

    ``alarms`` has at most 100 names, the limit of one request:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
    """
    response = cloudwatch.describe_alarms(AlarmNames=list(alarms), AlarmTypes=["MetricAlarm"], StateValue="ALARM")
    active = {alarm["AlarmName"]: alarm for alarm in response["MetricAlarms"] if alarm["StateValue"] == "ALARM"}
    return [
        from_schedule(
            scheduled_at,
            stack=stack,
            alarm=name,
            reason_data=active[name].get("StateReasonData"),
            changed_at=active[name].get("StateTransitionedTimestamp") or active[name]["StateUpdatedTimestamp"],
            evaluation_window=_get_evaluation_window(active[name]),
        )
        for name in alarms
        if name in active
    ]


def _get_evaluation_window(alarm: MetricAlarmTypeDef) -> timedelta:
    """The time span that one evaluation covers. With metric math, the longest period of its metrics counts."""
    periods = [
        metric.get("MetricStat", {}).get("Period", metric.get("Period", 0)) for metric in alarm.get("Metrics", [])
    ]
    period = max([alarm.get("Period", 0), *periods])
    return timedelta(seconds=period * alarm.get("EvaluationPeriods", 1))
