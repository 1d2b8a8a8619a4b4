"""The failures queue: events that a function could not handle in any attempt, and the way back to that function."""

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

HIDDEN_SECONDS = 120
"""How long a message that was received is hidden from others: longer than an invocation takes to be accepted."""

_EMPTY_ANSWERS = 3
"""A queue lies on many servers, and an answer asks some of them: it is empty when it has said so a few times."""


@dataclass(frozen=True, slots=True)
class Parked:
    """An event that waits. ``function`` is the function's name, or nothing if the message is not Lambda's record."""

    message_id: str
    receipt: str
    parked_at: datetime
    function: str | None
    function_arn: str = ""
    error: str = ""
    payload: Any = None
    target: str = ""
    """ARN of the queue that EventBridge could not deliver the event to, for an event of a rule or a schedule."""


@dataclass(frozen=True, slots=True)
class Redriven:
    """What became of an event: ``sent`` back, ``kept`` in the queue since it is none of the stack's, or ``refused``.

    In a dry run it ``would_go_back`` instead of being sent.
    """

    event: Parked
    outcome: str
    detail: str = ""


def parked(message: MessageTypeDef) -> Parked:
    """A message of the queue, read. Lambda's record of a failed asynchronous event holds the event itself."""
    receipt = message["ReceiptHandle"]
    at = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)
    nobodys = Parked(message["MessageId"], receipt, at, None)
    attributes = {name: value.get("StringValue", "") for name, value in message.get("MessageAttributes", {}).items()}
    if "TARGET_ARN" in attributes:  # what EventBridge and its Scheduler add to an event that they could not deliver
        target, error = attributes["TARGET_ARN"], attributes.get("ERROR_MESSAGE", attributes.get("ERROR_CODE", ""))
        return Parked(nobodys.message_id, receipt, at, None, error=error, payload=message["Body"], target=target)
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        record = json.loads(message["Body"])
        # Lambda names the version too; an operator is allowed to invoke the function.
        arn = record["requestContext"]["functionArn"].removesuffix(":$LATEST")
        answer = record.get("responsePayload") or {}
        said = [answer.get(part) for part in ("errorType", "errorMessage")] if isinstance(answer, dict) else []
        return Parked(
            message_id=nobodys.message_id,
            receipt=receipt,
            parked_at=at,
            function=arn.split(":")[6],
            function_arn=arn,
            error=": ".join(one for one in said if one) or str(record["requestContext"].get("condition", "")),
            payload=record["requestPayload"],
        )
    return nobodys


def redrive(
    sqs: SQSClient,
    functions: LambdaClient,
    queue: str,
    *,
    stack: str,
    before: datetime,
    dry_run: bool = False,
    promotion_queue: str = "",
) -> Iterator[Redriven]:
    """Send every event that was parked ``before`` (aware) back to its function of ``stack``, once.

    What EventBridge could not deliver to ``promotion_queue`` (a URL) goes there.

    It is taken out of the queue when Lambda has it; dying between the two steps sends it again, which every function
    can bear. An event that Lambda does not take stays; so does one of no function of the stack, and one that is parked
    later, such as an event that has failed again. With ``dry_run`` all stay.
    """
    held: dict[str, Parked] = {}
    try:
        for event in _received(sqs, queue, held):
            if event.parked_at >= before:
                continue
            if event.target and event.target.rpartition(":")[2] == promotion_queue.rpartition("/")[2]:
                if not dry_run:
                    promotion_dead_letters.send_again(sqs, promotion_queue, event.message_id, event.payload)
                    sqs.delete_message(QueueUrl=queue, ReceiptHandle=event.receipt)
                    del held[event.message_id]
                yield Redriven(event, "would_go_back" if dry_run else "sent")
                continue
            if event.function is None or not event.function.startswith(f"{stack}-"):
                yield Redriven(event, "kept", "not Lambda's record of a function of this stack")
                continue
            if not dry_run:
                try:
                    functions.invoke(
                        FunctionName=event.function_arn,
                        InvocationType="Event",
                        Payload=json.dumps(event.payload).encode(),
                    )
                except ClientError as error:
                    yield Redriven(event, "refused", str(error))
                    continue
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=event.receipt)
                del held[event.message_id]
            yield Redriven(event, "would_go_back" if dry_run else "sent")
    finally:
        # At the end, not at once: the queue would hand them out again.
        for event in held.values():
            sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=event.receipt, VisibilityTimeout=0)


def _received(sqs: SQSClient, queue: str, held: dict[str, Parked]) -> Iterator[Parked]:
    """Everything in the queue, each once, hidden from others and added to ``held`` under the newest receipt."""
    empty = 0
    while empty < _EMPTY_ANSWERS:
        answer = sqs.receive_message(
            QueueUrl=queue,
            MaxNumberOfMessages=10,
            VisibilityTimeout=HIDDEN_SECONDS,
            WaitTimeSeconds=1,
            MessageSystemAttributeNames=["SentTimestamp"],
            MessageAttributeNames=["All"],
        )
        events = [parked(message) for message in answer.get("Messages", [])]
        fresh = [event for event in events if event.message_id not in held]
        held.update({event.message_id: event for event in events})
        yield from fresh
        empty = 0 if fresh else empty + 1
