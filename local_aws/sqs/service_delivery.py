"""Messages that an AWS service sends to a queue: only if the queue, and the key that encrypts it, admit the service.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
"""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any

from local_aws import hooks
from local_aws.iam import permissions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local_aws.iam.permissions import Sender

QUEUES = "ministack.services.sqs"
KEY_ACTIONS = ("kms:GenerateDataKey", "kms:Decrypt")
"""What sending to an encrypted queue takes of its key."""

_is_admitted: contextvars.ContextVar[bool] = contextvars.ContextVar("is_admitted", default=False)


class SendRefusedError(RuntimeError):
    """A queue did not take a message. ``code`` is EventBridge's: ``NO_PERMISSIONS``, ``NO_RESOURCE``, …"""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def install() -> None:
    """Check the names used here, and do not ask a queue's policy about the request that caused a service to send."""
    permissions.require()
    hooks.find(QUEUES, "_queue_by_arn", arguments=("arn",))
    hooks.find(QUEUES, "_Err", arguments=("code", "message", "status"))
    hooks.find("ministack.services.kms", "_resolve_key", arguments=("key_id_or_arn",))
    enforce = hooks.find(QUEUES, "_enforce_queue_policy", arguments=("q", "iam_action"))
    hooks.replace(QUEUES, "_enforce_queue_policy", _unless_admitted(enforce))


def _unless_admitted(enforce: Callable[[dict[str, Any], str], None]) -> Callable[[dict[str, Any], str], None]:
    def enforce_for_requests(q: dict[str, Any], iam_action: str) -> None:
        if not _is_admitted.get():
            enforce(q, iam_action)

    return enforce_for_requests


def send(
    queue_arn: str,
    body: str,
    sender: Sender,
    *,
    message_group_id: str | None = None,
    attributes: Mapping[str, str] | None = None,
) -> None:
    """Send one message to a queue of the account and region at work, for a service.

    Raises ``SendRefusedError``.
    """
    queue = hooks.find(QUEUES, "_queue_by_arn")(queue_arn)
    if queue is None:
        raise SendRefusedError("NO_RESOURCE", f"the queue {queue_arn} does not exist")
    check_access(queue_arn, queue["attributes"], sender)
    message: dict[str, Any] = {"QueueUrl": queue["url"], "MessageBody": body}
    if message_group_id:
        message["MessageGroupId"] = message_group_id
    if attributes:
        message["MessageAttributes"] = {
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        }
    token = _is_admitted.set(True)
    try:
        hooks.find(QUEUES, "_HANDLERS")["SendMessage"](message, queue["url"])
    except hooks.find(QUEUES, "_Err") as error:
        raise SendRefusedError("INVALID_PARAMETER", f"{queue_arn}: {error.message}") from error
    finally:
        _is_admitted.reset(token)


def check_access(queue_arn: str, queue_attributes: Mapping[str, str], sender: Sender) -> None:
    """Raise ``SendRefusedError`` unless the sender may send to the queue and use its key."""
    action = "sqs:SendMessage"
    if sender.role_arn is not None:
        if not permissions.role_allows(sender.role_arn, action, queue_arn):
            raise SendRefusedError("NO_PERMISSIONS", f"{sender.role_arn} is not allowed {action} on {queue_arn}")
    elif not permissions.policy_allows(queue_attributes.get("Policy") or {}, action, queue_arn, sender):
        raise SendRefusedError(
            "NO_PERMISSIONS", f"the policy of {queue_arn} does not let {sender.service} send for {sender.source_arn}"
        )
    if key_id := queue_attributes.get("KmsMasterKeyId"):
        _check_key(queue_arn, key_id, sender)


def _check_key(queue_arn: str, key_id: str, sender: Sender) -> None:
    key = hooks.find("ministack.services.kms", "_resolve_key")(key_id)
    if key is None:  # the key that AWS manages: it admits the account's principals, and no service
        if sender.role_arn is None:
            raise SendRefusedError(
                "NO_PERMISSIONS", f"{queue_arn} is encrypted by {key_id}, whose policy does not admit {sender.service}"
            )
        return
    via = f"sqs.{queue_arn.split(':')[3]}.amazonaws.com"
    for action in KEY_ACTIONS:
        if sender.role_arn is not None:
            is_allowed = permissions.role_allows(sender.role_arn, action, key["Arn"], key_policy=key["Policy"])
        else:
            is_allowed = permissions.policy_allows(key["Policy"], action, key["Arn"], sender, kms_viaservice=via)
        if not is_allowed:
            principal = sender.role_arn or sender.service
            raise SendRefusedError(
                "NO_PERMISSIONS", f"{principal} is not allowed {action} on {key['Arn']}, the key of {queue_arn}"
            )
