"""Events of AWS services to functions: only with permission, and with Lambda's retries and on-failure destinations.

ministack gives an event of SNS or EventBridge one try, and asks nobody. On AWS the function's resource policy must let
the service in (or, for EventBridge Scheduler, the schedule's role must allow it), a failing event is tried again
(``MaximumRetryAttempts``), and the function's own role must be allowed to send what stays failed to its destination.
"""

from __future__ import annotations

import contextvars
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_aws import hooks
from local_aws.kms import key_access

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("local_aws.deliveries")


@dataclass(frozen=True)
class Sender:
    """Who delivers: a service, for one of its resources, perhaps under a role."""

    service: str
    """Its principal, such as ``sns.amazonaws.com``."""
    source_arn: str
    role_arn: str | None = None


_sender: contextvars.ContextVar[Sender] = contextvars.ContextVar("sender")


class DeliveryRefusedError(RuntimeError):
    """A service may not invoke a function, or there is no such function."""


def install() -> None:
    """Take the place of ministack's deliveries to functions."""
    for name, arguments in (
        ("_get_func_record_for_ref", ("function_ref",)),
        ("_execution_record_for_config", ("func", "config")),
        ("invoke_async_with_retry", ("func", "event")),
    ):
        hooks.find("ministack.services.lambda_svc", name, arguments=arguments)
    hooks.find("ministack.core.iam_evaluator", "evaluate_resource_policy")
    hooks.find("ministack.core.iam_evaluator", "evaluate")
    hooks.find("ministack.core.iam_evaluator", "_gather_role_policies", arguments=("role_name", "account_id"))

    hooks.replace(
        "ministack.services.sns",
        "_deliver_to_lambda",
        _deliver_notification,
        arguments=("endpoint", "envelope", "topic_arn", "sub_arn", "msg_id", "raw_message", "message_attributes"),
    )
    hooks.replace("ministack.services.eventbridge", "_dispatch_to_lambda", _deliver_event, arguments=("arn", "payload"))
    target = hooks.find(
        "ministack.services.eventbridge", "_invoke_target", arguments=("target", "event", "rule", "view")
    )
    hooks.replace("ministack.services.eventbridge", "_invoke_target", _naming_the_sender(target))
    failure = hooks.find(
        "ministack.services.lambda_svc",
        "_route_async_failure",
        arguments=("target_arn", "func_name", "event", "result"),
    )
    hooks.replace("ministack.services.lambda_svc", "_route_async_failure", _if_permitted(failure))


def invoke(function_arn: str, event: dict[str, Any], sender: Sender) -> None:
    """Invoke a function asynchronously for a service. In the account's scope. Raises ``DeliveryRefusedError``."""
    functions = "ministack.services.lambda_svc"
    record, config, _ = hooks.find(functions, "_get_func_record_for_ref")(function_arn)
    if record is None or config is None:
        raise DeliveryRefusedError(f"{sender.source_arn} wants to invoke {function_arn}, which does not exist")
    if sender.role_arn is not None:
        if not role_may(sender.role_arn, "lambda:InvokeFunction", function_arn):
            raise DeliveryRefusedError(f"{sender.role_arn} is not allowed lambda:InvokeFunction on {function_arn}")
    elif not _lets_in(record["policy"], function_arn, sender):
        raise DeliveryRefusedError(
            f"{function_arn} does not let {sender.service} in for {sender.source_arn} by an AWS::Lambda::Permission"
        )
    hooks.find(functions, "invoke_async_with_retry")(
        hooks.find(functions, "_execution_record_for_config")(record, config), event
    )


def role_may(role_arn: str, action: str, resource_arn: str) -> bool:
    """Whether the role's identity policies allow ``action`` on ``resource_arn``."""
    account, name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
    policies = hooks.find("ministack.core.iam_evaluator", "_gather_role_policies")(name, account)
    context = _context(role_arn, "AssumedRole", account, action, resource_arn)
    return bool(hooks.find("ministack.core.iam_evaluator", "evaluate")(context, policies).decision == "Allow")


def _lets_in(policy: dict[str, Any], function_arn: str, sender: Sender) -> bool:
    context = _context("*", "Service", "", "lambda:InvokeFunction", function_arn)
    context.service_context = {
        "aws:sourcearn": sender.source_arn,
        "aws:sourceaccount": function_arn.split(":")[4],
    }
    decide = hooks.find("ministack.core.iam_evaluator", "evaluate_resource_policy")
    return bool(decide(policy, context, service=sender.service).decision == "Allow")


def _context(principal: str, kind: str, account: str, action: str, resource_arn: str) -> Any:
    return hooks.find("ministack.core.iam_evaluator", "EvalContext")(
        principal_arn=principal,
        principal_type=kind,
        principal_account=account,
        action=action,
        resource_arn=resource_arn,
        region=resource_arn.split(":")[3],
    )


def _deliver(function_arn: str, event: dict[str, Any], sender: Sender) -> None:
    try:
        invoke(function_arn, event, sender)
    except DeliveryRefusedError as refusal:
        logger.warning("Not delivered: %s", refusal)  # AWS counts it as a failed invocation, and tells nobody either


def _deliver_notification(  # noqa: PLR0917 (ministack's call)
    endpoint: str,
    envelope: str,
    topic_arn: str,
    sub_arn: str,
    msg_id: str,  # noqa: ARG001
    raw_message: str,  # noqa: ARG001
    message_attributes: dict[str, Any],  # noqa: ARG001
) -> None:
    record = {
        "EventVersion": "1.0",
        "EventSubscriptionArn": sub_arn,
        "EventSource": "aws:sns",
        "Sns": json.loads(envelope),
    }
    _deliver(endpoint, {"Records": [record]}, Sender("sns.amazonaws.com", topic_arn))


def _deliver_event(arn: str, payload: str) -> None:
    _deliver(arn, json.loads(payload), _sender.get())


def _naming_the_sender(invoke_target: Callable[..., None]) -> Callable[..., None]:
    def invoke_named(
        target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: object | None = None
    ) -> None:
        role = target.get("RoleArn")
        scheduled = ":scheduler:" in rule["Arn"]
        service = "scheduler.amazonaws.com" if scheduled else "events.amazonaws.com"
        # A rule's role is for other kinds of targets: functions are asked themselves.
        token = _sender.set(Sender(service, rule["Arn"], role if scheduled else None))
        try:
            invoke_target(target, event, rule, view)
        finally:
            _sender.reset(token)

    return invoke_named


def _if_permitted(route: Callable[..., None]) -> Callable[..., None]:
    actions = {"sqs": "sqs:SendMessage", "sns": "sns:Publish", "lambda": "lambda:InvokeFunction"}

    def route_if_permitted(target_arn: str, func_name: str, event: object, result: dict[str, Any]) -> None:
        _, config, _ = hooks.find("ministack.services.lambda_svc", "_get_func_record_for_ref")(func_name)
        service = target_arn.split(":")[2]
        needed = [(actions[service], target_arn)] if service in actions else []
        if key := key_access.key_of(service, target_arn):
            needed += [(action, key) for action in key_access.NEEDS.get(actions[service], ())]
        for action, resource in needed:
            if config and not role_may(config["Role"], action, resource):
                lost = "The failed event of %s is lost: %s is not allowed %s on %s"
                logger.error(lost, func_name, config["Role"], action, resource)
                return
        route(target_arn, func_name, event, result)

    return route_if_permitted
