"""When alarms were on, from the history that CloudWatch keeps of them for 30 days."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from mypy_boto3_cloudwatch import CloudWatchClient

    from leaderboard.time_range import Window

MOST_CHANGES = 500
"""An alarm that changed more often than this is seen from its last changes only."""

_CHANGE = re.compile(r"Alarm updated from (\w+) to (\w+)")


@dataclass(frozen=True, slots=True)
class Change:
    """An alarm went from one state to another."""

    at: datetime
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class AlarmOn:
    """An alarm was on from ``since`` to ``until``; null while it still is. Its name is without the stack's."""

    alarm: str
    since: datetime
    until: datetime | None


def alarms_on(cloudwatch: CloudWatchClient, alarms: Sequence[str], window: Window, *, stack: str) -> list[AlarmOn]:
    """The times in the window, or until now, when one of the alarms was on; oldest first."""
    found = [
        one
        for alarm in alarms
        for one in times_on(alarm.removeprefix(f"{stack}-"), _changes(cloudwatch, alarm, window.since), window)
    ]
    return sorted(found, key=lambda one: one.since)


def times_on(alarm: str, changes: Iterable[Change], window: Window) -> Iterator[AlarmOn]:
    """When an alarm was on, from its changes (newest first), as far as the window, or now, has to do with it."""
    ended: datetime | None = None
    change: Change | None = None
    for change in changes:
        if change.after == "ALARM" and (ended is None or ended > window.since):
            yield AlarmOn(alarm, change.at, ended)
        ended = change.at
    if change is not None and change.before == "ALARM" and change.at > window.since:
        # it went off before the history begins
        yield AlarmOn(alarm, window.since, change.at)


def _changes(cloudwatch: CloudWatchClient, alarm: str, since: datetime) -> Iterator[Change]:
    """The changes of state back to the last one before ``since``, which says how the time since then began."""
    pages = cloudwatch.get_paginator("describe_alarm_history").paginate(
        AlarmName=alarm,
        HistoryItemType="StateUpdate",
        ScanBy="TimestampDescending",
        PaginationConfig={"MaxItems": MOST_CHANGES, "PageSize": 100},
    )
    for page in pages:
        for item in page["AlarmHistoryItems"]:
            words = _CHANGE.fullmatch(item["HistorySummary"])
            if words is None:
                continue
            yield Change(item["Timestamp"], words[1], words[2])
            if item["Timestamp"] < since:
                return
