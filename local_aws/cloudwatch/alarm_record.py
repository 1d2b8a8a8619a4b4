"""An alarm as it is kept: the members that DescribeAlarms answers, from PutMetricAlarm's or a template's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local_aws.cloudwatch.evaluation import AlarmRule
from local_aws.cloudwatch.queries import QueryError, read_flag

if TYPE_CHECKING:
    from collections.abc import Mapping

STATES = ("OK", "ALARM", "INSUFFICIENT_DATA")
ACTIONS = {"OK": "OKActions", "ALARM": "AlarmActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}
MAX_ACTIONS = 5
MAX_NAME = 255

_STATE_MEMBERS = ("StateValue", "StateReason", "StateReasonData", "StateUpdatedTimestamp", "StateTransitionedTimestamp")


def alarm_record(arn: str, given: Mapping[str, Any], existing: Mapping[str, Any] | None, now: float) -> dict[str, Any]:
    """What is kept of an alarm; an ``existing`` one of that name keeps its state. Raises ``QueryError``."""
    name = arn.split(":", 6)[6]
    if not 1 <= len(name) <= MAX_NAME:
        raise QueryError(f"AlarmName must have 1 to {MAX_NAME} characters")
    if given.get("EvaluateLowSampleCountPercentile") == "ignore":
        raise QueryError("this emulator always evaluates percentiles of few samples")
    rule = AlarmRule.read(given)
    record: dict[str, Any] = {
        "AlarmName": name,
        "AlarmArn": arn,
        "AlarmConfigurationUpdatedTimestamp": now,
        "ActionsEnabled": read_flag(given.get("ActionsEnabled", True)),
        **{member: _actions(given, member) for member in ACTIONS.values()},
        **rule.describe(given),
    }
    if given.get("AlarmDescription"):
        record["AlarmDescription"] = str(given["AlarmDescription"])
    if existing is not None:
        return record | {member: existing[member] for member in _STATE_MEMBERS if member in existing}
    return record | {
        "StateValue": "INSUFFICIENT_DATA",
        "StateReason": "Unchecked: Initial alarm creation",
        "StateUpdatedTimestamp": now,
        "StateTransitionedTimestamp": now,
    }


def _actions(given: Mapping[str, Any], member: str) -> list[str]:
    actions = given.get(member) or []
    if not isinstance(actions, list) or len(actions) > MAX_ACTIONS:
        raise QueryError(f"{member} must be a list of at most {MAX_ACTIONS} ARNs")
    return [str(action) for action in actions]
