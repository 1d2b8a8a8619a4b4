"""The Lambda function that starts training rounds."""

from __future__ import annotations

import os
from datetime import timedelta
from functools import cache, partial
from typing import TYPE_CHECKING, Any, assert_never

from aws_lambda_powertools import Logger

from retraining.alarm_poll import find_active_alarms
from retraining.settings import Settings
from retraining.start_round import RetrainingContext, handle_trigger
from retraining.triggers import (
    AlarmEvent,
    OperatorEvent,
    ScheduleEvent,
    Trigger,
    from_alarm,
    from_operator,
    parse_event,
)
from rounds import EventReceipt, connect
from rounds.metric_counter import count_metric

if TYPE_CHECKING:
    from datetime import datetime

    from aws_lambda_powertools.utilities.typing import LambdaContext

READ_TIMEOUT_SECONDS = 20.0
RECEIPT_RETENTION = timedelta(days=90)

logger = Logger()


@cache
def create_context() -> RetrainingContext:
    """Settings and AWS clients, created at the first event of an execution environment."""
    settings = Settings.read(os.environ)
    return RetrainingContext(
        settings=settings,
        **connect(settings.table, read_timeout_seconds=READ_TIMEOUT_SECONDS),
        on_round_failed=partial(count_metric, "RoundsFailed"),
    )


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle every trigger in the event; returns ``{"decisions": [{"outcome", "reason", "round"}, ...]}``.

    Raises ``UnknownEventError`` or ``UnusableRequestError`` for an event that it cannot read, and errors of AWS: Lambda
    then retries the event.
    """
    retraining = create_context()
    decisions = []
    for trigger in find_triggers(event, retraining, request_id=context.aws_request_id):
        lease = timedelta(milliseconds=context.get_remaining_time_in_millis())
        result = handle_trigger(trigger, retraining, lease=lease)
        if result.round_started:
            count_metric("RoundsStarted")
        elif result.round_refused:
            count_metric("RoundsRefused")
        decision = result.decision
        details = {"outcome": decision.outcome, "reason": decision.reason, "round": decision.round}
        logger.info("decided", extra={**details, "facts": decision.facts, "event": trigger.event_id})
        decisions.append(details)
    if not decisions:
        logger.info("nothing to decide", extra={"source": event.get("source")})
    return {"decisions": decisions}


def find_triggers(event: dict[str, Any], context: RetrainingContext, *, request_id: str) -> list[Trigger]:
    """The triggers in an event: one for each alarm in state ALARM, or an operator's request; possibly none."""
    settings = context.settings
    parsed = parse_event(event)
    match parsed:
        case AlarmEvent():
            trigger = from_alarm(parsed, stack=settings.stack, alarms=settings.alarm_names)
            return [] if trigger is None else [trigger]
        case ScheduleEvent():
            return find_active_alarms(
                context.cloudwatch, settings.alarm_names, stack=settings.stack, scheduled_at=parsed.time
            )
        case OperatorEvent():
            # Lambda keeps the request id when it retries an asynchronous event: every attempt finds the same receipt.
            event_id = f"operator:{parsed.id or request_id}"
            return [from_operator(parsed, event_id=event_id, received_at=_receive(context, event_id))]
        case _:
            assert_never(parsed)


def _receive(context: RetrainingContext, event_id: str) -> datetime:
    """When the event first arrived. The first attempt records it."""
    now = context.clock()
    expires_at = int((now + RECEIPT_RETENTION).timestamp())
    context.store.create(EventReceipt(name=event_id, received_at=now, expires_at=expires_at))
    receipt = context.store.get(EventReceipt, event_id)
    return now if receipt is None else receipt.received_at
