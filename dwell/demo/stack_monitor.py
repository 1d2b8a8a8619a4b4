"""Looking at the stack as an operator would: the leaderboard over HTTP, and the alarms."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dwell.client.leaderboard import BoardError, read_board
from dwell.client.signed_api import NO_ANSWER
from dwell.demo.report import Moment

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_cloudwatch import CloudWatchClient

    from dwell.client.signed_api import Api

RETRAINING_ALARMS = ("NoModel", "ModelError")
"""The alarms whose story is told."""


class WatchError(RuntimeError):
    """The stack does not answer."""


@dataclass(slots=True)
class Watch:
    """The stack called ``stack``."""

    stack: str
    api: Api
    cloudwatch: CloudWatchClient

    def leaderboard(self) -> dict[str, Any]:
        """``GET /leaderboard``. Raises ``WatchError``."""
        try:
            return read_board(self.api)
        except (BoardError, *NO_ANSWER) as error:
            raise WatchError(str(error)) from error

    def alarms(self) -> dict[str, str]:
        """The state of each retraining alarm, by its name without the stack's."""
        names = [f"{self.stack}-{name}" for name in RETRAINING_ALARMS]
        alarms = self.cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"]
        return {alarm["AlarmName"].removeprefix(f"{self.stack}-"): alarm["StateValue"] for alarm in alarms}

    def alarm_moments(self, since: datetime) -> list[Moment]:
        """When the retraining alarms went off."""
        moments = []
        for name in RETRAINING_ALARMS:
            history = self.cloudwatch.describe_alarm_history(
                AlarmName=f"{self.stack}-{name}", HistoryItemType="StateUpdate", StartDate=since
            )["AlarmHistoryItems"]
            moments += [
                Moment(item["Timestamp"], "alarm", f"alarm {name}")
                for item in history
                if json.loads(item["HistoryData"])["newState"]["stateValue"] == "ALARM"
            ]
        return moments
