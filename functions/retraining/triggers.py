"""Why a round is asked for: an alarm, the schedule's look at an alarm, or an operator.

A cause carries its own identity, so that the same event always asks for the same round.
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
"""The cause whose dataset has a recent part: what came since live error broke its promise."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """``at`` and ``event`` are the event's own time and id; ``recent_since`` is when a model error began."""

    name: str
    trigger: Literal["alarm", "schedule", "manual"]
    event: str
    at: datetime
    alarm: str | None = None
    recent_since: datetime | None = None
    judged: timedelta = timedelta()
    """How much time the alarm judges at once, if a look found it in ALARM."""
    note: str | None = None
    entrant: str | None = None
    hyperparameters: dict[str, Any] = field(default_factory=dict)

    @property
    def round(self) -> str:
        """The round's name, the same for every delivery of the event."""
        return f"{format_name_stamp(self.at)}-{self.name}"

    @property
    def decision(self) -> str:
        """The name of the decision about it."""
        return f"{format_iso(self.at)}#{self.event}"


class UnknownEventError(ValueError):
    """The event is none that asks for a round."""


class _Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)


class _Stat(_Wire):
    period: int | None = None


class _Metric(_Wire):
    metric_stat: _Stat | None = None


class _Configuration(_Wire):
    metrics: tuple[_Metric, ...] = ()


class _State(_Wire):
    value: str
    timestamp: AwareDatetime
    reason_data: str | None = None


class _Alarm(_Wire):
    alarm_name: str
    state: _State
    configuration: _Configuration = _Configuration()


class AlarmEvent(_Wire):
    """CloudWatch's own event to a Lambda function that is an alarm's action."""

    source: Literal["aws.cloudwatch"]
    alarm_data: _Alarm


class ScheduleEvent(_Wire):
    """The scheduler's look; ``time`` is the scheduled time."""

    source: Literal["dwell.schedule"]
    time: AwareDatetime


def _not_sagemakers(name: str) -> str:
    if name.startswith("sagemaker_"):
        raise ValueError("hyperparameters called sagemaker_... belong to SageMaker")
    return name


def _validate_hyperparameters(given: dict[str, Any]) -> dict[str, Any]:
    """Refuse what the job would fail of, before anybody pays for it.

    The rule is the job's own. To the image the job's files are top-level modules, and so the type checker knows them;
    here they are reached by the package's name.
    """
    build_candidates(given, recent=True)
    return given


HyperparameterName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$"), AfterValidator(_not_sagemakers)
]


class OperatorEvent(_Wire):
    """A person asks. ``id`` makes the request repeatable; ``hyperparameters`` go to the training job as they are.

    With ``entrant`` the round's candidates stand on the leaderboard under that name.
    """

    source: Literal["dwell.operator"]
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$")] | None = None
    reason: str | None = None
    entrant: Entrant | None = None
    hyperparameters: Annotated[dict[HyperparameterName, Any], AfterValidator(_validate_hyperparameters)] = Field(
        default_factory=dict
    )


_EVENTS: dict[str, type[AlarmEvent | ScheduleEvent | OperatorEvent]] = {
    "aws.cloudwatch": AlarmEvent,
    "dwell.schedule": ScheduleEvent,
    "dwell.operator": OperatorEvent,
}


def parse(event: dict[str, Any]) -> AlarmEvent | ScheduleEvent | OperatorEvent:
    """Read an event by its ``source``. Raises ``UnknownEventError`` or ``UnusableRequestError``."""
    kind = _EVENTS.get(str(event.get("source")))
    if kind is None:
        raise UnknownEventError(f"no cause of a round: an event with source {event.get('source')!r}")
    return parse_request(kind, event)


def alarm_to_cause(stack: str, alarm: str) -> str:
    """The cause behind an alarm's name in kebab case: ``<stack>-ModelError`` is ``model-error``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", alarm.removeprefix(f"{stack}-"))
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def from_alarm(event: AlarmEvent, *, stack: str, alarms: Sequence[str]) -> Trigger | None:
    """The cause in an alarm's own event, or nothing if the alarm has not gone off.

    Raises ``UnknownEventError`` for an alarm that is not one of those that retrain.
    """
    alarm, state = event.alarm_data, event.alarm_data.state
    if alarm.alarm_name not in alarms:
        raise UnknownEventError(f"the alarm {alarm.alarm_name} is none that retrains: {', '.join(alarms)}")
    if state.value != "ALARM":
        return None
    periods = [metric.metric_stat.period for metric in alarm.configuration.metrics if metric.metric_stat]
    name = alarm_to_cause(stack, alarm.alarm_name)
    return Trigger(
        name=name,
        trigger="alarm",
        event=f"{alarm.alarm_name}@{format_iso(state.timestamp)}",
        at=state.timestamp,
        alarm=alarm.alarm_name,
        recent_since=_recent_since(
            name, state.reason_data, state.timestamp, timedelta(seconds=max((p for p in periods if p), default=0))
        ),
    )


def from_schedule(
    scheduled: datetime,
    *,
    stack: str,
    alarm: str,
    reason_data: str | None,
    changed_at: datetime,
    evaluated: timedelta,
) -> Trigger:
    """The cause in an alarm that a look at ``scheduled`` found in ALARM since ``changed_at``.

    ``evaluated`` is how much time the alarm judges at once: its period times its evaluation periods.
    """
    name = alarm_to_cause(stack, alarm)
    return Trigger(
        name=name,
        trigger="schedule",
        event=f"{alarm}@{format_iso(scheduled)}@look",
        at=scheduled,
        alarm=alarm,
        recent_since=_recent_since(name, reason_data, changed_at, evaluated),
        judged=evaluated,
    )


def from_operator(event: OperatorEvent, *, event_id: str, first_seen: datetime) -> Trigger:
    """The cause in an operator's request, which carries no time: ``first_seen`` is when it first arrived."""
    return Trigger(
        name="manual",
        trigger="manual",
        event=event_id,
        at=first_seen,
        note=event.reason,
        entrant=event.entrant,
        hyperparameters=event.hyperparameters,
    )


def _recent_since(name: str, reason_data: str | None, changed_at: datetime, evaluated: timedelta) -> datetime | None:
    return find_breach_start(reason_data, changed_at, evaluated=evaluated) if name == MODEL_ERROR else None
