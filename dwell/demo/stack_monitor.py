"""Observes the stack as an operator would: the leaderboard over HTTP, and the alarms."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dwell.client.leaderboard import LeaderboardError, read_leaderboard
from dwell.client.signed_api import NO_RESPONSE_ERRORS
from dwell.demo.report import TimelineEvent

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_cloudwatch import CloudWatchClient

    from dwell.client.leaderboard import Leaderboard
    from dwell.client.signed_api import SignedApi

RETRAINING_ALARMS = ("NoModel", "ModelError")
"""The alarms in the report."""


class MonitorError(RuntimeError):
    """The leaderboard cannot be read."""


@dataclass(slots=True)
class StackMonitor:
    """Reads the state of the stack with the name ``stack``."""

    stack: str
    api: SignedApi
    cloudwatch: CloudWatchClient

    def leaderboard(self) -> Leaderboard:
        """``GET /leaderboard``. Raises ``MonitorError``."""
        try:
            return read_leaderboard(self.api)
        except (LeaderboardError, *NO_RESPONSE_ERRORS) as error:
            raise MonitorError(str(error)) from error

    def alarms(self) -> dict[str, str]:
        """The state of each retraining alarm by its name without the stack's prefix."""
        names = [f"{self.stack}-{name}" for name in RETRAINING_ALARMS]
        alarms = self.cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"]
        return {alarm["AlarmName"].removeprefix(f"{self.stack}-"): alarm["StateValue"] for alarm in alarms}

    def alarm_events(self, since: datetime) -> list[TimelineEvent]:
        """The events at which a retraining alarm went to ALARM since ``since``."""
        events = []
        for name in RETRAINING_ALARMS:
            history = self.cloudwatch.describe_alarm_history(
                AlarmName=f"{self.stack}-{name}", HistoryItemType="StateUpdate", StartDate=since
            )["AlarmHistoryItems"]
            events += [
                TimelineEvent(item["Timestamp"], "alarm", f"alarm {name}")
                for item in history
                if json.loads(item["HistoryData"])["newState"]["stateValue"] == "ALARM"
            ]
        return events
