"""The failures queue: events that a function could not handle in any attempt, and their redrive."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from dwell.operations import promotion_dead_letters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

VISIBILITY_TIMEOUT_SECONDS = 120
"""How long a received message is hidden from other consumers: longer than Lambda needs to accept an invocation."""

_EMPTY_RESPONSES = 3
"""Consecutive empty responses after which the queue counts as empty. A response may miss messages, since SQS spreads a
queue over several servers:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
"""


@dataclass(frozen=True, slots=True)
class FailedEvent:
    """A message of the queue. ``function`` is the function's name, ``None`` if the message is not Lambda's record."""

    message_id: str
    receipt: str
    parked_at: datetime
    function: str | None
    function_arn: str = ""
    error: str = ""
    payload: Any = None
    target: str = ""
    """ARN of the queue to which EventBridge could not deliver the event, for an event of a rule or a schedule."""


@dataclass(frozen=True, slots=True)
class RedriveResult:
    """``outcome``: ``sent`` to the function, ``would_go_back`` (dry run), ``kept`` (not from a function of the stack),
    or ``refused`` by Lambda."""

    event: FailedEvent
    outcome: str
    detail: str = ""


def parse_message(message: MessageTypeDef) -> FailedEvent:
    """Parse a message of the queue: Lambda's record of a failed asynchronous invocation, which contains the event, or
    an event that EventBridge could not deliver.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    """
    receipt = message["ReceiptHandle"]
    parked_at = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)
    attributes = {name: value.get("StringValue", "") for name, value in message.get("MessageAttributes", {}).items()}
    if "TARGET_ARN" in attributes:  # added by EventBridge and its Scheduler to an event that they could not deliver
        error = attributes.get("ERROR_MESSAGE", attributes.get("ERROR_CODE", ""))
        return FailedEvent(
            message["MessageId"],
            receipt,
            parked_at,
            None,
            error=error,
            payload=message["Body"],
            target=attributes["TARGET_ARN"],
        )
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        record = json.loads(message["Body"])
        # The ARN includes the version, which operators may not invoke.
        arn = record["requestContext"]["functionArn"].removesuffix(":$LATEST")
        response = record.get("responsePayload") or {}
        parts = [response.get(name) for name in ("errorType", "errorMessage")] if isinstance(response, dict) else []
        return FailedEvent(
            message_id=message["MessageId"],
            receipt=receipt,
            parked_at=parked_at,
            function=arn.split(":")[6],
            function_arn=arn,
            error=": ".join(part for part in parts if part) or str(record["requestContext"].get("condition", "")),
            payload=record["requestPayload"],
        )
    return FailedEvent(message["MessageId"], receipt, parked_at, None)


def redrive(
    sqs: SQSClient,
    functions: LambdaClient,
    queue: str,
    *,
    stack: str,
    before: datetime,
    dry_run: bool = False,
    promotion_queue: str = "",
) -> Iterator[RedriveResult]:
    """Send every event that was parked before ``before`` (aware) to its function of ``stack``, once.

    Events that EventBridge could not deliver to ``promotion_queue`` (a URL) are sent to that queue.

    A message is deleted after Lambda has accepted its event; a crash between the two steps sends the event again, which
    every function tolerates. Messages stay if Lambda refuses the event, if they are not from a function of the stack,
    or if they were parked later (such as an event that has failed again). With ``dry_run`` all stay.
    """
    hidden: dict[str, FailedEvent] = {}
    try:
        for event in _receive_all(sqs, queue, hidden):
            if event.parked_at >= before:
                continue
            if event.target and event.target.rpartition(":")[2] == promotion_queue.rpartition("/")[2]:
                if not dry_run:
                    promotion_dead_letters.send_again(sqs, promotion_queue, event.message_id, event.payload)
                    sqs.delete_message(QueueUrl=queue, ReceiptHandle=event.receipt)
                    del hidden[event.message_id]
                yield RedriveResult(event, "would_go_back" if dry_run else "sent")
                continue
            if event.function is None or not event.function.startswith(f"{stack}-"):
                yield RedriveResult(event, "kept", "not Lambda's record of a function of this stack")
                continue
            if not dry_run:
                try:
                    functions.invoke(
                        FunctionName=event.function_arn,
                        InvocationType="Event",
                        Payload=json.dumps(event.payload).encode(),
                    )
                except ClientError as error:
                    yield RedriveResult(event, "refused", str(error))
                    continue
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=event.receipt)
                del hidden[event.message_id]
            yield RedriveResult(event, "would_go_back" if dry_run else "sent")
    finally:
        # Make the rest visible at the end: earlier, the queue would return the same messages again.
        for event in hidden.values():
            sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=event.receipt, VisibilityTimeout=0)


def _receive_all(sqs: SQSClient, queue: str, hidden: dict[str, FailedEvent]) -> Iterator[FailedEvent]:
    """Every message of the queue once. Received messages are added to ``hidden`` with their newest receipt."""
    empty_responses = 0
    while empty_responses < _EMPTY_RESPONSES:
        response = sqs.receive_message(
            QueueUrl=queue,
            MaxNumberOfMessages=10,
            VisibilityTimeout=VISIBILITY_TIMEOUT_SECONDS,
            WaitTimeSeconds=1,
            MessageSystemAttributeNames=["SentTimestamp"],
            MessageAttributeNames=["All"],
        )
        events = [parse_message(message) for message in response.get("Messages", [])]
        new_events = [event for event in events if event.message_id not in hidden]
        hidden.update({event.message_id: event for event in events})
        yield from new_events
        empty_responses = 0 if new_events else empty_responses + 1
