"""Targets of EventBridge rules and schedules: functions and queues, only with permission; failures are kept or counted.

ministack asks neither queue policies nor keys, ignores dead-letter queues of targets, and does not deduplicate. On AWS
a delivery that is denied is not retried: it goes to the target's dead-letter queue, or is counted as failed.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
"""

from __future__ import annotations

import contextvars
import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from local_aws import hooks
from local_aws.cloudwatch import metrics
from local_aws.iam.permissions import Sender
from local_aws.lambda_ import event_delivery
from local_aws.lambda_.event_delivery import DeliveryRefusedError
from local_aws.sqs import service_delivery
from local_aws.sqs.service_delivery import SendRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

logger = logging.getLogger("local_aws.targets")

EVENTS = "ministack.services.eventbridge"
SCHEDULER = "ministack.services.scheduler"
RULE = "AWS::Events::Rule"
SCHEDULE = "AWS::Scheduler::Schedule"


class TargetRefusedError(ValueError):
    """A rule or schedule does not take a target."""


@dataclass(frozen=True)
class Invocation:
    """One event for one target."""

    sender: Sender
    target: Mapping[str, Any]
    event: Mapping[str, Any]
    source: Mapping[str, Any]
    """The record of the rule or schedule."""

    @property
    def is_scheduled(self) -> bool:
        """Whether EventBridge Scheduler sends it, and not a rule."""
        return self.sender.service == "scheduler.amazonaws.com"


_invocation: contextvars.ContextVar[Invocation] = contextvars.ContextVar("invocation")


def install() -> None:
    """Take the place of ministack's deliveries to functions and queues, and check targets when they are set."""
    invoke = hooks.find(EVENTS, "_invoke_target", arguments=("target", "event", "rule", "view"))
    hooks.find(EVENTS, "_pattern_event_view", arguments=("event",))
    hooks.replace(EVENTS, "_invoke_target", _remembering_the_invocation(invoke))
    hooks.replace(EVENTS, "_dispatch_to_lambda", _deliver_to_function, arguments=("arn", "payload"))
    hooks.replace(EVENTS, "_dispatch_to_sqs", _deliver_to_queue, arguments=("spec", "payload", "sqs_parameters"))

    refuse = hooks.find("ministack.core.responses", "error_response_json")
    put_targets = hooks.find(EVENTS, "_put_targets", arguments=("data",))

    def put_checked_targets(data: dict[str, Any]) -> Any:
        try:
            check_rule_targets(data.get("Targets") or [])
        except TargetRefusedError as error:
            return refuse("ValidationException", str(error), 400)
        return put_targets(data)

    hooks.replace(EVENTS, "_put_targets", put_checked_targets)
    error = hooks.find(SCHEDULER, "_error", arguments=("status", "code", "message"))
    for name in ("_create_schedule", "_update_schedule"):
        change = hooks.find(SCHEDULER, name, arguments=("name", "body"))
        hooks.replace(SCHEDULER, name, _with_checked_target(change, error))
    handlers = hooks.find("ministack.services.cloudformation.provisioners", "_RESOURCE_HANDLERS")
    for resource, check in (
        (RULE, lambda properties: check_rule_targets(properties.get("Targets") or [])),
        (SCHEDULE, lambda properties: check_schedule_target(properties.get("Target") or {})),
    ):
        if "create" not in handlers.get(resource, {}):
            raise hooks.HookMissingError(f"ministack's CloudFormation cannot create {resource}")
        handlers[resource] = handlers[resource] | {"create": _checking(handlers[resource]["create"], check)}


def _checking(create: Callable[..., Any], check: Callable[[Mapping[str, Any]], None]) -> Callable[..., Any]:
    def create_checked(logical_id: str, props: dict[str, Any], stack_name: str) -> Any:
        check(props)
        return create(logical_id, props, stack_name)

    return create_checked


def _with_checked_target(change: Callable[..., Any], refuse: Callable[..., Any]) -> Callable[..., Any]:
    def change_checked(name: str, body: dict[str, Any]) -> Any:
        try:
            check_schedule_target(body.get("Target") or {})
        except TargetRefusedError as error:
            return refuse(400, "ValidationException", str(error))
        return change(name, body)

    return change_checked


def check_rule_targets(targets: list[dict[str, Any]]) -> None:
    """Refuse FIFO queues without a message group, and as dead-letter queues. Raises ``TargetRefusedError``.

    https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_SqsParameters.html
    """
    for target in targets:
        if _is_fifo_queue(target.get("Arn", "")) and not (target.get("SqsParameters") or {}).get("MessageGroupId"):
            raise TargetRefusedError(f"Parameter(s) SqsParameters must be specified for target: {target.get('Id')}.")
        dead_letter_arn = (target.get("DeadLetterConfig") or {}).get("Arn", "")
        if _is_fifo_queue(dead_letter_arn):
            raise TargetRefusedError(
                f"Parameter {dead_letter_arn} is not valid for target {target.get('Id')}. "
                "Reason: A dead-letter queue must be a standard queue."
            )


def check_schedule_target(target: Mapping[str, Any]) -> None:
    """Refuse a FIFO queue as a schedule's dead-letter queue. Raises ``TargetRefusedError``.

    https://docs.aws.amazon.com/scheduler/latest/APIReference/API_DeadLetterConfig.html
    """
    dead_letter_arn = (target.get("DeadLetterConfig") or {}).get("Arn", "")
    if _is_fifo_queue(dead_letter_arn):
        raise TargetRefusedError(
            f"1 validation error detected: Value '{dead_letter_arn}' at 'target.deadLetterConfig.arn' failed to "
            r"satisfy constraint: Member must satisfy regular expression pattern: "
            r"^arn:aws[a-z-]*:sqs:[a-z0-9\-]+:\d{12}:[a-zA-Z0-9\-_]+$"
        )


def _is_fifo_queue(arn: str) -> bool:
    return ":sqs:" in arn and arn.endswith(".fifo")


def _remembering_the_invocation(invoke_target: Callable[..., None]) -> Callable[..., None]:
    def invoke(target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: object | None = None) -> None:
        is_scheduled = ":scheduler:" in rule["Arn"]
        service = "scheduler.amazonaws.com" if is_scheduled else "events.amazonaws.com"
        # A rule's role is for other kinds of targets: functions and queues have policies of their own.
        sender = Sender(service, rule["Arn"], target.get("RoleArn") if is_scheduled else None)
        token = _invocation.set(Invocation(sender, target, event, rule))
        try:
            invoke_target(target, event, rule, view)
        finally:
            _invocation.reset(token)

    return invoke


def _deliver_to_function(arn: str, payload: str) -> None:
    invocation = _invocation.get()
    _count(invocation, "Invocations", "InvocationAttemptCount")
    try:
        event_delivery.invoke(arn, json.loads(payload), invocation.sender)
    except DeliveryRefusedError as refusal:
        _handle_failure(invocation, payload, refusal.code, str(refusal))


def _deliver_to_queue(spec: object, payload: str, sqs_parameters: dict[str, Any] | None = None) -> None:
    invocation = _invocation.get()
    group_id = (sqs_parameters or {}).get("MessageGroupId")
    _count(invocation, "Invocations", "InvocationAttemptCount")
    try:
        service_delivery.send(str(spec), payload, invocation.sender, message_group_id=group_id)
    except SendRefusedError as refusal:
        _handle_failure(invocation, payload, refusal.code, str(refusal))


def _handle_failure(invocation: Invocation, payload: str, code: str, reason: str) -> None:
    """Send what a target did not get to its dead-letter queue; without one, count it as failed."""
    logger.warning("Not delivered: %s", reason)
    dead_letter_arn = (invocation.target.get("DeadLetterConfig") or {}).get("Arn")
    if not dead_letter_arn:
        _count(invocation, "FailedInvocations", "InvocationDroppedCount")
        return
    body = payload if invocation.is_scheduled else _event_json(invocation.event)
    attributes = _dead_letter_attributes(invocation, code, reason)
    try:
        service_delivery.send(dead_letter_arn, body, invocation.sender, attributes=attributes)
    except SendRefusedError as refusal:
        logger.error("Lost, for the dead-letter queue does not take it: %s", refusal)  # noqa: TRY400 (no bug here)
        _count(invocation, "InvocationsFailedToBeSentToDlq", "InvocationsFailedToBeSentToDeadLetterCount")
    else:
        _count(invocation, "InvocationsSentToDlq", "InvocationsSentToDeadLetterCount")


def _dead_letter_attributes(invocation: Invocation, code: str, reason: str) -> dict[str, str]:
    """The message attributes by which a dead letter tells where it comes from and why."""
    attributes = {"TARGET_ARN": invocation.target["Arn"], "ERROR_CODE": code, "ERROR_MESSAGE": reason}
    source_arn = invocation.sender.source_arn
    if not invocation.is_scheduled:
        return {"RULE_ARN": source_arn} | attributes
    due = datetime.fromtimestamp(int(invocation.event["Time"]), UTC)
    return attributes | {
        "SCHEDULE_ARN": source_arn,
        "EXECUTION_ID": invocation.event["EventId"],
        "SCHEDULED_TIME": due.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "RETRY_ATTEMPTS": "0",
    }


def _event_json(event: Mapping[str, Any]) -> str:
    return json.dumps(hooks.find(EVENTS, "_pattern_event_view")(event).event_with_detail())


def _count(invocation: Invocation, rule_metric: str, schedule_metric: str) -> None:
    """Count for the rule or for the schedule's group.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html
    https://docs.aws.amazon.com/scheduler/latest/UserGuide/monitoring-cloudwatch.html
    """
    if invocation.is_scheduled:
        group = {"ScheduleGroup": invocation.source["GroupName"]}
        metrics.publish("AWS/Scheduler", schedule_metric, 1, "Count", group)
    else:
        metrics.publish("AWS/Events", rule_metric, 1, "Count", {"RuleName": invocation.source["Name"]})
