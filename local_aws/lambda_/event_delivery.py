"""Events of AWS services to functions: only with permission, and with Lambda's retries and on-failure destinations.

ministack gives an event of SNS or EventBridge one try, without any permission. On AWS the function's resource policy
must admit the service (or, for EventBridge Scheduler, the schedule's role must allow it), a failing event is tried
again (``MaximumRetryAttempts``), and the function's own role must be allowed to send an event to its on-failure
destination.

https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from local_aws import hooks
from local_aws.iam import permissions
from local_aws.iam.permissions import Sender
from local_aws.kms import key_access

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("local_aws.deliveries")

FUNCTIONS = "ministack.services.lambda_svc"


class DeliveryRefusedError(RuntimeError):
    """A service may not invoke a function (``code`` is ``NO_PERMISSIONS``), or it does not exist (``NO_RESOURCE``)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def install() -> None:
    """Check permissions before SNS invokes a function, and before a function's failure is sent to its destination."""
    for name, arguments in (
        ("_get_func_record_for_ref", ("function_ref",)),
        ("_execution_record_for_config", ("func", "config")),
        ("invoke_async_with_retry", ("func", "event")),
    ):
        hooks.find(FUNCTIONS, name, arguments=arguments)
    permissions.require()
    hooks.replace(
        "ministack.services.sns",
        "_deliver_to_lambda",
        _deliver_notification,
        arguments=("endpoint", "envelope", "topic_arn", "sub_arn", "msg_id", "raw_message", "message_attributes"),
    )
    route = hooks.find(FUNCTIONS, "_route_async_failure", arguments=("target_arn", "func_name", "event", "result"))
    hooks.replace(FUNCTIONS, "_route_async_failure", _if_permitted(route))


def invoke(function_arn: str, event: dict[str, Any], sender: Sender) -> None:
    """Invoke a function of the current account and region asynchronously, for a service.

    Raises ``DeliveryRefusedError``.
    """
    record, config, _ = hooks.find(FUNCTIONS, "_get_func_record_for_ref")(function_arn)
    if record is None or config is None:
        raise DeliveryRefusedError("NO_RESOURCE", f"{sender.source_arn} invokes {function_arn}, which does not exist")
    if sender.role_arn is not None:
        if not permissions.role_allows(sender.role_arn, "lambda:InvokeFunction", function_arn):
            raise DeliveryRefusedError(
                "NO_PERMISSIONS", f"{sender.role_arn} is not allowed lambda:InvokeFunction on {function_arn}"
            )
    elif not permissions.policy_allows(record["policy"], "lambda:InvokeFunction", function_arn, sender):
        raise DeliveryRefusedError(
            "NO_PERMISSIONS",
            f"no AWS::Lambda::Permission of {function_arn} admits {sender.service} for {sender.source_arn}",
        )
    execution_record = hooks.find(FUNCTIONS, "_execution_record_for_config")(record, config)
    hooks.find(FUNCTIONS, "invoke_async_with_retry")(execution_record, event)


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
    try:
        invoke(endpoint, {"Records": [record]}, Sender("sns.amazonaws.com", topic_arn))
    except DeliveryRefusedError as refusal:
        logger.warning("Not delivered: %s", refusal)


def _if_permitted(route: Callable[..., None]) -> Callable[..., None]:
    actions = {"sqs": "sqs:SendMessage", "sns": "sns:Publish", "lambda": "lambda:InvokeFunction"}

    def route_if_permitted(target_arn: str, func_name: str, event: object, result: dict[str, Any]) -> None:
        _, config, _ = hooks.find(FUNCTIONS, "_get_func_record_for_ref")(func_name)
        service = target_arn.split(":")[2]
        required = [(actions[service], target_arn)] if service in actions else []
        if key_arn := key_access.key_of(service, target_arn):
            required += [(action, key_arn) for action in key_access.NEEDS.get(actions[service], ())]
        for action, resource_arn in required:
            if config and not permissions.role_allows(config["Role"], action, resource_arn):
                logger.error(
                    "The failed event of %s is lost: %s is not allowed %s on %s",
                    func_name,
                    config["Role"],
                    action,
                    resource_arn,
                )
                return
        route(target_arn, func_name, event, result)

    return route_if_permitted
