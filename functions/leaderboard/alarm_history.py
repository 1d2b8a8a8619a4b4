"""When alarms were in the state ALARM, read from the history that CloudWatch keeps for 30 days.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarmHistory.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from mypy_boto3_cloudwatch import CloudWatchClient

    from leaderboard.time_range import TimeRange

MAX_CHANGES = 500
"""The most state changes read for an alarm; of one that changed more often, only the newest are shown."""

_SUMMARY = re.compile(r"Alarm updated from (\w+) to (\w+)")


@dataclass(frozen=True, slots=True)
class StateChange:
    """A change of an alarm's state, such as from ``OK`` to ``ALARM``."""

    timestamp: datetime
    previous_state: str
    new_state: str


@dataclass(frozen=True, slots=True)
class AlarmPeriod:
    """A time in which an alarm was in ALARM; ``until`` is null while it still is.

    ``alarm`` is the name without the stack's prefix.
    """

    alarm: str
    since: datetime
    until: datetime | None


def get_alarm_periods(
    cloudwatch: CloudWatchClient, alarms: Sequence[str], time_range: TimeRange, *, stack: str
) -> list[AlarmPeriod]:
    """Return the periods in ALARM that end in the time range, or after it; oldest first.

    Errors of CloudWatch pass through as ``ClientError``.
    """
    periods = [
        period
        for alarm in alarms
        for period in compute_alarm_periods(
            alarm.removeprefix(f"{stack}-"), _read_changes(cloudwatch, alarm, time_range.since), time_range
        )
    ]
    return sorted(periods, key=lambda period: period.since)


def compute_alarm_periods(alarm: str, changes: Iterable[StateChange], time_range: TimeRange) -> Iterator[AlarmPeriod]:
    """Yield an alarm's periods in ALARM from its state changes (newest first), except those before the time range."""
    ended_at: datetime | None = None
    change: StateChange | None = None
    for change in changes:
        if change.new_state == "ALARM" and (ended_at is None or ended_at > time_range.since):
            yield AlarmPeriod(alarm, change.timestamp, ended_at)
        ended_at = change.timestamp
    if change is not None and change.previous_state == "ALARM" and change.timestamp > time_range.since:
        # the alarm entered ALARM before the history begins
        yield AlarmPeriod(alarm, time_range.since, change.timestamp)


def _read_changes(cloudwatch: CloudWatchClient, alarm: str, since: datetime) -> Iterator[StateChange]:
    """Yield state changes, newest first, up to the last one before ``since``, which gives the state at ``since``."""
    pages = cloudwatch.get_paginator("describe_alarm_history").paginate(
        AlarmName=alarm,
        HistoryItemType="StateUpdate",
        ScanBy="TimestampDescending",
        PaginationConfig={"MaxItems": MAX_CHANGES, "PageSize": 100},
    )
    for page in pages:
        for item in page["AlarmHistoryItems"]:
            states = _SUMMARY.fullmatch(item["HistorySummary"])
            if states is None:
                continue
            yield StateChange(item["Timestamp"], states[1], states[2])
            if item["Timestamp"] < since:
                return
