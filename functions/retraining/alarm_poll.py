"""The schedule's look at alarms: which of those that retrain are in ALARM now."""

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
    cloudwatch: CloudWatchClient, alarms: Sequence[str], *, stack: str, scheduled: datetime
) -> list[Trigger]:
    """A cause for each of the alarms that is in ALARM, in the order given."""
    answer = cloudwatch.describe_alarms(AlarmNames=list(alarms), AlarmTypes=["MetricAlarm"], StateValue="ALARM")
    found = {alarm["AlarmName"]: alarm for alarm in answer["MetricAlarms"] if alarm["StateValue"] == "ALARM"}
    return [
        from_schedule(
            scheduled,
            stack=stack,
            alarm=name,
            reason_data=found[name].get("StateReasonData"),
            changed_at=found[name].get("StateTransitionedTimestamp") or found[name]["StateUpdatedTimestamp"],
            evaluated=_evaluated(found[name]),
        )
        for name in alarms
        if name in found
    ]


def _evaluated(alarm: MetricAlarmTypeDef) -> timedelta:
    """How much time the alarm judges at once. With metric math, the longest period of its metrics counts."""
    periods = [
        metric.get("MetricStat", {}).get("Period", metric.get("Period", 0)) for metric in alarm.get("Metrics", [])
    ]
    period = max([alarm.get("Period", 0), *periods])
    return timedelta(seconds=period * alarm.get("EvaluationPeriods", 1))
