"""The dead-letter queue of promotion: events that failed three times, and the way back into promotion's queue."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dwell.operations.endpoint_requests import MESSAGE_GROUP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_sqs import SQSClient

HIDDEN_SECONDS = 60
MAX_MESSAGES = 10
"""How many messages SQS returns at once. While these are not deleted, it returns no more of their message group.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html
"""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that promotion could not handle; ``kind`` is its type, for people."""

    message_id: str
    failed_at: datetime
    kind: str


def redrive(
    sqs: SQSClient, dead_letters: str, queue: str, *, before: datetime, dry_run: bool = False
) -> Iterator[DeadLetter]:
    """Send the events that failed ``before`` (aware) back to ``queue`` in their order, and yield each.

    An event is deleted from the dead-letter queue once it is sent; an interruption between the two sends it again,
    which promotion tolerates. With ``dry_run`` the first ten are only shown.
    """
    while True:
        response = sqs.receive_message(
            QueueUrl=dead_letters,
            MaxNumberOfMessages=MAX_MESSAGES,
            VisibilityTimeout=HIDDEN_SECONDS,
            WaitTimeSeconds=1,
            MessageSystemAttributeNames=["SentTimestamp"],
        )
        messages = response.get("Messages", [])
        sent = 0
        for message in messages:
            failed_at = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)
            if dry_run or failed_at >= before:
                sqs.change_message_visibility(
                    QueueUrl=dead_letters, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
                )
            else:
                send_again(sqs, queue, message["MessageId"], message["Body"])
                sqs.delete_message(QueueUrl=dead_letters, ReceiptHandle=message["ReceiptHandle"])
                sent += 1
            if failed_at < before:
                yield DeadLetter(message["MessageId"], failed_at, _kind(message["Body"]))
        if not sent:
            return


def send_again(sqs: SQSClient, queue: str, message_id: str, body: str) -> None:
    """Send an event to promotion's queue once more.

    It needs a deduplication id of its own: by its content SQS would drop it, without an error, for five minutes after
    it was sent first.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html
    """
    sqs.send_message(
        QueueUrl=queue,
        MessageGroupId=MESSAGE_GROUP,
        MessageDeduplicationId=f"{message_id}-{uuid.uuid4()}",
        MessageBody=body,
    )


def _kind(body: str) -> str:
    try:
        event = json.loads(body)
    except ValueError:
        return "not JSON"
    return (
        str(event.get("detail-type") or event.get("action") or event.get("source")) if isinstance(event, dict) else "?"
    )
