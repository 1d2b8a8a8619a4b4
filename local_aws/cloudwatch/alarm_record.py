"""An alarm's record: DescribeAlarms' members, created from PutMetricAlarm's members or a template's properties.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local_aws.cloudwatch.evaluation import AlarmRule
from local_aws.cloudwatch.queries import QueryError, read_flag

if TYPE_CHECKING:
    from collections.abc import Mapping

STATES = ("OK", "ALARM", "INSUFFICIENT_DATA")
ACTIONS = {"OK": "OKActions", "ALARM": "AlarmActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}
MAX_ACTIONS = 5
MAX_NAME_LENGTH = 255

_STATE_MEMBERS = ("StateValue", "StateReason", "StateReasonData", "StateUpdatedTimestamp", "StateTransitionedTimestamp")


def create_record(
    arn: str, members: Mapping[str, Any], existing: Mapping[str, Any] | None, now: float
) -> dict[str, Any]:
    """The record of an alarm; it keeps the state of ``existing``, an alarm of that name. Raises ``QueryError``."""
    name = arn.split(":", 6)[6]
    if not 1 <= len(name) <= MAX_NAME_LENGTH:
        raise QueryError(f"AlarmName must have 1 to {MAX_NAME_LENGTH} characters")
    if members.get("EvaluateLowSampleCountPercentile") == "ignore":
        raise QueryError("EvaluateLowSampleCountPercentile=ignore is not emulated")
    rule = AlarmRule.read(members)
    record: dict[str, Any] = {
        "AlarmName": name,
        "AlarmArn": arn,
        "AlarmConfigurationUpdatedTimestamp": now,
        "ActionsEnabled": read_flag(members.get("ActionsEnabled", True)),
        **{kind: _actions(members, kind) for kind in ACTIONS.values()},
        **rule.describe(members),
    }
    if members.get("AlarmDescription"):
        record["AlarmDescription"] = str(members["AlarmDescription"])
    if existing is not None:
        return record | {member: existing[member] for member in _STATE_MEMBERS if member in existing}
    return record | {
        "StateValue": "INSUFFICIENT_DATA",
        "StateReason": "Unchecked: Initial alarm creation",
        "StateUpdatedTimestamp": now,
        "StateTransitionedTimestamp": now,
    }


def _actions(members: Mapping[str, Any], member: str) -> list[str]:
    actions = members.get(member) or []
    if not isinstance(actions, list) or len(actions) > MAX_ACTIONS:
        raise QueryError(f"{member} must be a list of at most {MAX_ACTIONS} ARNs")
    return [str(action) for action in actions]
