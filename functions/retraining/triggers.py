"""What may start a round: an alarm, the schedule that found an alarm in ALARM, or an operator.

A trigger derives its round's name from its event, so that every delivery of one event asks for the same round.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from retraining.alarm_breach import find_breach_start
from retraining.training_job.algorithms import build_candidates
from rounds import Entrant, format_iso, format_name_stamp, parse_request

if TYPE_CHECKING:
    from collections.abc import Sequence

MODEL_ERROR = "model-error"
"""The cause that knows when the drift began: when live error exceeded its threshold."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A request for a round.

    ``cause`` is ``model-error``, ``no-model`` or ``manual``; ``event_id`` and ``occurred_at`` identify the event.
    """

    cause: str
    kind: Literal["alarm", "schedule", "manual"]
    event_id: str
    occurred_at: datetime
    alarm: str | None = None
    drift_start: datetime | None = None
    """When live error exceeded its threshold, for a model error."""
    evaluation_window: timedelta = timedelta()
    """The time span that the alarm evaluates, if the schedule found it in ALARM."""
    note: str | None = None
    entrant: str | None = None
    hyperparameters: dict[str, Any] = field(default_factory=dict)

    @property
    def round_name(self) -> str:
        """The round's name, the same for every delivery of the event."""
        return f"{format_name_stamp(self.occurred_at)}-{self.cause}"

    @property
    def decision_name(self) -> str:
        """The name of the decision's record, the same for every delivery of the event."""
        return f"{format_iso(self.occurred_at)}#{self.event_id}"


class UnknownEventError(ValueError):
    """An event that is no trigger of a round."""


class _WireModel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)


class _MetricStat(_WireModel):
    period: int | None = None


class _Metric(_WireModel):
    metric_stat: _MetricStat | None = None


class _AlarmConfiguration(_WireModel):
    metrics: tuple[_Metric, ...] = ()


class _AlarmState(_WireModel):
    value: str
    timestamp: AwareDatetime
    reason_data: str | None = None


class _AlarmData(_WireModel):
    alarm_name: str
    state: _AlarmState
    configuration: _AlarmConfiguration = _AlarmConfiguration()


class AlarmEvent(_WireModel):
    """What CloudWatch sends to a function that is an alarm's action.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html
    """

    source: Literal["aws.cloudwatch"]
    alarm_data: _AlarmData


class ScheduleEvent(_WireModel):
    """What the schedule sends; ``time`` is the scheduled time."""

    source: Literal["dwell.schedule"]
    time: AwareDatetime


def _reject_sagemaker_name(name: str) -> str:
    if name.startswith("sagemaker_"):
        raise ValueError("hyperparameters called sagemaker_... belong to SageMaker")
    return name


def _validate_hyperparameters(hyperparameters: dict[str, Any]) -> dict[str, Any]:
    """Reject, before a job is paid for, what the job itself would reject; its own code decides."""
    build_candidates(hyperparameters, with_recent=True)
    return hyperparameters


HyperparameterName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$"), AfterValidator(_reject_sagemaker_name)
]


class OperatorEvent(_WireModel):
    """An operator's request for a round.

    ``id`` makes the request repeatable. ``hyperparameters`` replace the algorithms' own. With ``entrant``, the round's
    candidates appear on the leaderboard under that name.
    """

    source: Literal["dwell.operator"]
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$")] | None = None
    reason: str | None = None
    entrant: Entrant | None = None
    hyperparameters: Annotated[dict[HyperparameterName, Any], AfterValidator(_validate_hyperparameters)] = Field(
        default_factory=dict
    )


_EVENT_TYPES: dict[str, type[AlarmEvent | ScheduleEvent | OperatorEvent]] = {
    "aws.cloudwatch": AlarmEvent,
    "dwell.schedule": ScheduleEvent,
    "dwell.operator": OperatorEvent,
}


def parse_event(event: dict[str, Any]) -> AlarmEvent | ScheduleEvent | OperatorEvent:
    """Parse an event by its ``source``. Raises ``UnknownEventError`` or ``UnusableRequestError``."""
    event_type = _EVENT_TYPES.get(str(event.get("source")))
    if event_type is None:
        raise UnknownEventError(f"an event with source {event.get('source')!r} triggers no round")
    return parse_request(event_type, event)


def alarm_to_cause(stack: str, alarm: str) -> str:
    """An alarm's name without the stack's, in kebab case: ``<stack>-ModelError`` gives ``model-error``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", alarm.removeprefix(f"{stack}-"))
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def from_alarm(event: AlarmEvent, *, stack: str, alarms: Sequence[str]) -> Trigger | None:
    """The trigger in an alarm's event, or None if the alarm's new state is not ALARM.

    Raises ``UnknownEventError`` for an alarm that is not in ``alarms``.
    """
    alarm, state = event.alarm_data, event.alarm_data.state
    if alarm.alarm_name not in alarms:
        raise UnknownEventError(f"the alarm {alarm.alarm_name} starts no rounds; these do: {', '.join(alarms)}")
    if state.value != "ALARM":
        return None
    periods = [metric.metric_stat.period for metric in alarm.configuration.metrics if metric.metric_stat]
    window = timedelta(seconds=max((period for period in periods if period), default=0))
    cause = alarm_to_cause(stack, alarm.alarm_name)
    return Trigger(
        cause=cause,
        kind="alarm",
        event_id=f"{alarm.alarm_name}@{format_iso(state.timestamp)}",
        occurred_at=state.timestamp,
        alarm=alarm.alarm_name,
        drift_start=_find_drift_start(cause, state.reason_data, state.timestamp, window),
    )


def from_schedule(
    scheduled_at: datetime,
    *,
    stack: str,
    alarm: str,
    reason_data: str | None,
    changed_at: datetime,
    evaluation_window: timedelta,
) -> Trigger:
    """The trigger for an alarm that a poll found in ALARM since ``changed_at``.

    ``evaluation_window`` is the alarm's period times its evaluation periods.
    """
    cause = alarm_to_cause(stack, alarm)
    return Trigger(
        cause=cause,
        kind="schedule",
        event_id=f"{alarm}@{format_iso(scheduled_at)}@look",
        occurred_at=scheduled_at,
        alarm=alarm,
        drift_start=_find_drift_start(cause, reason_data, changed_at, evaluation_window),
        evaluation_window=evaluation_window,
    )


def from_operator(event: OperatorEvent, *, event_id: str, received_at: datetime) -> Trigger:
    """The trigger for an operator's request. It carries no time, so ``received_at`` of its first delivery counts."""
    return Trigger(
        cause="manual",
        kind="manual",
        event_id=event_id,
        occurred_at=received_at,
        note=event.reason,
        entrant=event.entrant,
        hyperparameters=event.hyperparameters,
    )


def _find_drift_start(cause: str, reason_data: str | None, changed_at: datetime, window: timedelta) -> datetime | None:
    return find_breach_start(reason_data, changed_at, evaluation_window=window) if cause == MODEL_ERROR else None
