"""Changes the states of alarms: each is evaluated when one of its periods is complete, by any clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_aws.cloudwatch.evaluation import AlarmRule
from local_aws.cloudwatch.notifications import reason_data, state

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping

    from local_aws.cloudwatch.store import MetricStore


@dataclass(frozen=True, slots=True)
class StateChange:
    """The state that an alarm moves to, and why; ``reason_data`` is JSON."""

    state: str
    reason: str
    reason_data: str | None = None


class AlarmEvaluator:
    """Remembers up to which time each alarm has been evaluated, so that no period is evaluated twice."""

    def __init__(self) -> None:
        self._evaluated: dict[Hashable, tuple[float, float]] = {}  # time of the configuration, end of the last period

    def evaluate(self, key: Hashable, alarm: Mapping[str, Any], store: MetricStore, now: float) -> StateChange | None:
        """The change that is due at ``now`` (epoch seconds) for the record ``alarm``; None if its state stays.

        An alarm is evaluated when a period has ended since its last evaluation, or its configuration is new.
        Raises ``QueryError`` if its expression cannot be evaluated.
        """
        rule = AlarmRule.read(alarm)
        due = (alarm["AlarmConfigurationUpdatedTimestamp"], rule.last_end(now))
        if self._evaluated.get(key) == due:
            return None
        self._evaluated[key] = due
        evaluation = rule.evaluate(rule.points(store, due[1]), alarm["StateValue"])
        if evaluation.state == alarm["StateValue"]:
            return None
        return StateChange(evaluation.state, evaluation.reason, reason_data(rule, evaluation, now))

    def keep_only(self, keys: Iterable[Hashable]) -> None:
        """Forget all other alarms: they have been deleted."""
        present = set(keys)
        self._evaluated = {key: due for key, due in self._evaluated.items() if key in present}


def apply_change(alarm: dict[str, Any], change: StateChange, now: float) -> dict[str, Any] | None:
    """Write a change into the record; returns the previous ``state``, or None if only the reason is new."""
    previous = state(alarm)
    alarm |= {"StateValue": change.state, "StateReason": change.reason, "StateUpdatedTimestamp": now}
    alarm.pop("StateReasonData", None)
    if change.reason_data is not None:
        alarm["StateReasonData"] = change.reason_data
    if previous["value"] == change.state:
        return None
    alarm["StateTransitionedTimestamp"] = now
    return previous
