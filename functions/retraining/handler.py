"""An event in, the decision about each of its causes out."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, assert_never

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricResolution, MetricUnit
from botocore.config import Config

from retraining.alarm_poll import find_active_alarms
from retraining.settings import Settings
from retraining.start_round import RetrainingContext, answer
from retraining.triggers import AlarmEvent, OperatorEvent, ScheduleEvent, Trigger, from_alarm, from_operator, parse
from rounds import EventReceipt, Store

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@cache
def surroundings() -> RetrainingContext:
    """The clients of this environment, made at the first event."""
    settings = Settings.read(os.environ)
    config = Config(connect_timeout=2, read_timeout=20, retries={"mode": "standard"})
    return RetrainingContext(
        settings=settings,
        store=Store(boto3.resource("dynamodb", config=config).Table(settings.table)),
        s3=boto3.client("s3", config=config),
        sagemaker=boto3.client("sagemaker", config=config),
        cloudwatch=boto3.client("cloudwatch", config=config),
        clock=lambda: datetime.now(UTC),
        tell_failed=tell_failed,
    )


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer every cause in the event. Raises for an event of another kind, and when AWS fails: it is tried again."""
    around = surroundings()
    answers = []
    for cause in causes(event, around, request_id=context.aws_request_id):
        one = answer(cause, around, lease=timedelta(milliseconds=context.get_remaining_time_in_millis()))
        _publish(started=one.started, refused=one.refused)
        details = {"outcome": one.decision.outcome, "reason": one.decision.reason, "round": one.decision.round}
        logger.info("decided", extra={**details, "facts": one.decision.facts, "event": cause.event})
        answers.append(details)
    if not answers:
        logger.info("nothing to decide", extra={"source": event.get("source")})
    return {"decisions": answers}


def causes(event: dict[str, Any], around: RetrainingContext, *, request_id: str) -> list[Trigger]:
    """The causes in an event: none if no alarm is in ALARM, and one for each that is."""
    settings = around.settings
    parsed = parse(event)
    match parsed:
        case AlarmEvent():
            cause = from_alarm(parsed, stack=settings.stack, alarms=settings.alarm_names)
            return [] if cause is None else [cause]
        case ScheduleEvent():
            return find_active_alarms(
                around.cloudwatch, settings.alarm_names, stack=settings.stack, scheduled=parsed.time
            )
        case OperatorEvent():
            # Lambda's retries keep the request's id, so the first attempt's time is found again.
            event_id = f"operator:{parsed.id or request_id}"
            return [from_operator(parsed, event_id=event_id, first_seen=_first_seen(around, event_id))]
        case _:
            assert_never(parsed)


def _first_seen(around: RetrainingContext, event_id: str) -> datetime:
    now = around.clock()
    around.store.create(
        EventReceipt(name=event_id, received_at=now, expires_at=int((now + timedelta(days=90)).timestamp()))
    )
    seen = around.store.get(EventReceipt, event_id)
    return now if seen is None else seen.received_at


def _publish(*, started: bool, refused: bool) -> None:
    if started or refused:
        _count("RoundsStarted" if started else "RoundsRefused")


def tell_failed() -> None:
    """Count a round that was given up, for the alarm TrainingFailed."""
    _count("RoundsFailed")


def _count(metric: str) -> None:
    metrics = EphemeralMetrics()
    metrics.add_metric(metric, MetricUnit.Count, 1, MetricResolution.High)
    metrics.flush_metrics()
