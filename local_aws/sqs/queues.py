"""SQS queues where ministack differs from AWS: the type of a dead-letter queue, and changes from several threads.

Messages are received and deleted by replacing a queue's list of messages, while functions' pollers, rules and topics
work in other threads. Without a lock, a message that arrives between reading and replacing the list would be lost.
"""

from __future__ import annotations

import functools
import json
import threading
import time
from typing import TYPE_CHECKING, Any

from local_aws import hooks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

QUEUES = "ministack.services.sqs"
PROVISIONERS = "ministack.services.cloudformation.provisioners"

CHANGES = (
    (QUEUES, "_collect_msgs", ("q", "max_n", "vis_timeout")),
    (QUEUES, "_dlq_sweep", ("q",)),
    (QUEUES, "_expire_retained", ("q",)),
    ("ministack.services.s3", "_deliver_event_to_sqs", ("arn", "event_payload", "bucket_region", "bucket_name")),
)
"""What else changes a queue's messages, beside the operations of the API."""
OPERATIONS = (
    "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch",
    "DeleteMessage",
    "DeleteMessageBatch",
    "PurgeQueue",
    "SendMessage",
    "SendMessageBatch",
)


def install() -> None:
    """Check dead-letter queues, note when a message becomes a dead letter, and let one thread change a queue."""
    lock: Any = threading.RLock()  # ministack's own is not reentrant
    hooks.find(QUEUES, "_queue_by_arn", arguments=("arn",))
    hooks.replace(QUEUES, "_queues_lock", lock)
    sweep = hooks.find(QUEUES, "_dlq_sweep", arguments=("q",))
    hooks.replace(QUEUES, "_dlq_sweep", _noting_dead_letters(sweep))
    for module, name, arguments in CHANGES:
        hooks.replace(module, name, _locked(hooks.find(module, name, arguments=arguments), lock))
    operations = hooks.find(QUEUES, "_HANDLERS")
    for name in OPERATIONS:
        operations[name] = _locked(operations[name], lock)

    for name, is_fifo in (("CreateQueue", _is_fifo_request), ("SetQueueAttributes", _is_fifo_queue)):
        operations[name] = _checking_redrive(operations[name], is_fifo)
    fields = hooks.find(PROVISIONERS, "_sqs_queue_fields", arguments=("props", "is_fifo"))

    def checked_fields(props: dict[str, Any], is_fifo: bool) -> dict[str, str]:
        result: dict[str, str] = fields(props, is_fifo)
        check_dead_letter_queue(result.get("RedrivePolicy"), is_fifo=is_fifo)
        return result

    hooks.replace(PROVISIONERS, "_sqs_queue_fields", checked_fields)


def check_dead_letter_queue(redrive_policy: str | None, *, is_fifo: bool) -> None:
    """Refuse a dead-letter queue of another type than the queue's: raises ministack's error, as AWS words it.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
    """
    if redrive_policy and json.loads(redrive_policy)["deadLetterTargetArn"].endswith(".fifo") != is_fifo:
        raise hooks.find(QUEUES, "_Err")(
            "InvalidParameterValue",
            f"Value {redrive_policy} for parameter RedrivePolicy is invalid. "
            "Reason: Dead-letter queue must be same type of queue as the source.",
        )


def _checking_redrive(
    operation: Callable[[dict[str, Any], str], dict[str, Any]], is_fifo: Callable[[Mapping[str, Any], str], bool]
) -> Callable[[dict[str, Any], str], dict[str, Any]]:
    def checked(data: dict[str, Any], url: str) -> dict[str, Any]:
        policy = (data.get("Attributes") or {}).get("RedrivePolicy")
        if policy:
            hooks.find(QUEUES, "_validate_redrive_policy")(str(policy))
            check_dead_letter_queue(policy, is_fifo=is_fifo(data, url))
        return operation(data, url)

    return checked


def _is_fifo_request(data: Mapping[str, Any], _url: str) -> bool:
    return str(data.get("QueueName", "")).endswith(".fifo")


def _is_fifo_queue(data: Mapping[str, Any], url: str) -> bool:
    return str(data.get("QueueUrl", url)).endswith(".fifo")


def _locked(function: Callable[..., Any], lock: threading.RLock) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        with lock:
            return function(*arguments, **options)

    return call


def _noting_dead_letters(sweep: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    def sweep_and_note(q: dict[str, Any]) -> None:
        sweep(q)
        target = json.loads(q["attributes"].get("RedrivePolicy") or "{}").get("deadLetterTargetArn", "")
        dead_letter_queue = hooks.find(QUEUES, "_queue_by_arn")(target)
        for message in [] if dead_letter_queue is None else dead_letter_queue["messages"]:
            if "DeadLetterQueueSourceArn" in message.get("sys", {}) and "dead_since" not in message:
                message["dead_since"] = time.time()
                message["receives_before"] = message["receive_count"]

    return sweep_and_note
