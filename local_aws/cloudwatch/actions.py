"""Carries out an alarm's state change: an event on the default bus, and its actions if they are permitted.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-actions.html
"""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING, Any

from local_aws import hooks
from local_aws.cloudwatch.notifications import bus_detail, function_event, notification
from local_aws.eventbridge import service_events
from local_aws.iam.permissions import Sender
from local_aws.lambda_.event_delivery import DeliveryRefusedError, invoke

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger("local_aws.alarms")

LAMBDA_PRINCIPAL = "lambda.alarms.cloudwatch.amazonaws.com"
SNS_PRINCIPAL = "cloudwatch.amazonaws.com"


class ActionRefusedError(RuntimeError):
    """An action is not permitted, or its target does not exist."""


def check() -> None:
    """Raise ``HookMissingError`` if ministack lacks a name that actions use."""
    hooks.find(
        "ministack.services.sns",
        "topic_policy_allows",
        arguments=("topic_arn", "service", "source_arn", "source_account"),
    )
    hooks.find("ministack.services.sns", "_topic_by_arn_any_scope")
    hooks.find("ministack.services.sns", "_fanout")


def announce(alarm: Mapping[str, Any], previous: Mapping[str, Any]) -> None:
    """Send the state change to the default event bus."""
    _, _, _, region, account, _ = alarm["AlarmArn"].split(":", 5)
    service_events.send(
        "aws.cloudwatch",
        "CloudWatch Alarm State Change",
        bus_detail(alarm, previous),
        [alarm["AlarmArn"]],
        account=account,
        region=region,
    )


def execute(action: str, alarm: Mapping[str, Any], previous: Mapping[str, Any]) -> None:
    """Carry out one action: invoke a function, or notify a topic. Raises ``ActionRefusedError``."""
    service = action.split(":")[2] if action.count(":") >= 5 else ""
    if service == "lambda":
        try:
            invoke(action, function_event(alarm, previous), Sender(LAMBDA_PRINCIPAL, alarm["AlarmArn"]))
        except DeliveryRefusedError as error:
            raise ActionRefusedError(str(error)) from error
    elif service == "sns":
        _notify(action, alarm, previous)
    else:
        raise ActionRefusedError(f"{action} is neither a function nor a topic: other actions are not emulated")


def _notify(topic_arn: str, alarm: Mapping[str, Any], previous: Mapping[str, Any]) -> None:
    topics = "ministack.services.sns"
    if hooks.find(topics, "_topic_by_arn_any_scope")(topic_arn) is None:
        raise ActionRefusedError(f"{topic_arn} does not exist")
    source = alarm["AlarmArn"]
    if not hooks.find(topics, "topic_policy_allows")(topic_arn, SNS_PRINCIPAL, source, source.split(":")[4]):
        raise ActionRefusedError(f"the policy of {topic_arn} does not let {SNS_PRINCIPAL} publish")
    subject, message = notification(alarm, previous)
    hooks.find(topics, "_fanout")(topic_arn, str(uuid.uuid4()), message, subject)
