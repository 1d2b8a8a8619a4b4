"""What an alarm does when its state changes: an event on the bus, and its actions, each only if it is permitted."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING, Any

from local_aws import hooks
from local_aws.cloudwatch.notifications import bus_detail, function_event, notification
from local_aws.eventbridge import service_events as events
from local_aws.iam.permissions import Sender
from local_aws.lambda_.event_delivery import DeliveryRefusedError, invoke

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger("local_aws.alarms")

FUNCTIONS_ASKED_BY = "lambda.alarms.cloudwatch.amazonaws.com"
TOPICS_ASKED_BY = "cloudwatch.amazonaws.com"


class ActionRefusedError(RuntimeError):
    """An action that is not permitted, or that there is nothing to do for."""


def check() -> None:
    """Raise ``HookMissingError`` if the emulator has not what actions need."""
    hooks.find(
        "ministack.services.sns",
        "topic_policy_allows",
        arguments=("topic_arn", "service", "source_arn", "source_account"),
    )
    hooks.find("ministack.services.sns", "_topic_by_arn_any_scope")
    hooks.find("ministack.services.sns", "_fanout")


def announce(alarm: Mapping[str, Any], previous: Mapping[str, Any]) -> None:
    """Put the change of state on the event bus."""
    _, _, _, region, account, _ = alarm["AlarmArn"].split(":", 5)
    events.send(
        "aws.cloudwatch",
        "CloudWatch Alarm State Change",
        bus_detail(alarm, previous),
        [alarm["AlarmArn"]],
        account=account,
        region=region,
    )


def execute(action: str, alarm: Mapping[str, Any], previous: Mapping[str, Any]) -> None:
    """Do one action: invoke a function, or notify a topic. Raises ``ActionRefusedError``."""
    service = action.split(":")[2] if action.count(":") >= 5 else ""
    if service == "lambda":
        try:
            invoke(action, function_event(alarm, previous), Sender(FUNCTIONS_ASKED_BY, alarm["AlarmArn"]))
        except DeliveryRefusedError as error:
            raise ActionRefusedError(str(error)) from error
    elif service == "sns":
        _notify(action, alarm, previous)
    else:
        raise ActionRefusedError(f"{action} is no function and no topic: this emulator has no other actions")


def _notify(topic_arn: str, alarm: Mapping[str, Any], previous: Mapping[str, Any]) -> None:
    topics = "ministack.services.sns"
    if hooks.find(topics, "_topic_by_arn_any_scope")(topic_arn) is None:
        raise ActionRefusedError(f"{topic_arn} does not exist")
    source = alarm["AlarmArn"]
    if not hooks.find(topics, "topic_policy_allows")(topic_arn, TOPICS_ASKED_BY, source, source.split(":")[4]):
        raise ActionRefusedError(f"the policy of {topic_arn} does not let {TOPICS_ASKED_BY} publish")
    subject, message = notification(alarm, previous)
    hooks.find(topics, "_fanout")(topic_arn, str(uuid.uuid4()), message, subject)
