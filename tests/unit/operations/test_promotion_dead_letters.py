"""Events that promotion could not handle go back into its queue, each once and in their order."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dwell.operations import failed_events
from dwell.operations.promotion_dead_letters import redrive

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TARGET = "arn:aws:sqs:us-east-1:123456789012:dwell-promotion.fifo"
QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/dwell-promotion.fifo"


@dataclass
class FakeSqs:
    """A FIFO queue of one message group: what was received hides the others until it is deleted or shown again."""

    bodies: dict[str, str]
    failed_at: datetime = NOW - timedelta(minutes=5)
    hidden: set[str] = field(default_factory=set)
    sent: list[dict[str, Any]] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)

    def receive_message(self, **request: Any) -> dict[str, Any]:
        visible = [] if self.hidden else list(self.bodies)[: request["MaxNumberOfMessages"]]
        self.hidden |= set(visible)
        sent_at = {"SentTimestamp": str(int(self.failed_at.timestamp() * 1000))}
        messages = [
            {"MessageId": name, "ReceiptHandle": name, "Body": self.bodies[name], "Attributes": sent_at}
            | ({"MessageAttributes": self.attributes} if self.attributes else {})
            for name in visible
        ]
        return {"Messages": messages} if messages else {}

    def send_message(self, **request: Any) -> None:
        self.sent.append(request)

    def delete_message(self, **request: str) -> None:
        del self.bodies[request["ReceiptHandle"]]
        self.hidden.discard(request["ReceiptHandle"])

    def change_message_visibility(self, **request: Any) -> None:
        assert request["VisibilityTimeout"] == 0
        self.hidden.discard(request["ReceiptHandle"])


def make_queue(count: int) -> FakeSqs:
    return FakeSqs({f"m{number}": json.dumps({"detail-type": "T", "n": number}) for number in range(count)})


@pytest.mark.parametrize("count", [0, 1, 10, 25])
def test_redrive_sends_every_event_once_in_order(count: int) -> None:
    sqs = make_queue(count)
    done = list(redrive(sqs, "dead", "queue", before=NOW))  # type: ignore[arg-type]  # a fake
    assert [letter.message_id for letter in done] == [f"m{number}" for number in range(count)]
    assert {letter.kind for letter in done} <= {"T"}
    assert [json.loads(message["MessageBody"])["n"] for message in sqs.sent] == list(range(count))
    assert {(message["QueueUrl"], message["MessageGroupId"]) for message in sqs.sent} <= {("queue", "promotion")}
    assert len({message["MessageDeduplicationId"] for message in sqs.sent}) == count
    assert sqs.bodies == {}


def test_redrive_in_a_dry_run_leaves_events() -> None:
    sqs = make_queue(3)
    done = list(redrive(sqs, "dead", "queue", before=NOW, dry_run=True))  # type: ignore[arg-type]  # a fake
    assert (len(done), sqs.sent, len(sqs.bodies), sqs.hidden) == (3, [], 3, set())


def test_redrive_leaves_event_that_fails_again() -> None:
    sqs = make_queue(2)
    sqs.failed_at = NOW + timedelta(seconds=1)
    assert list(redrive(sqs, "dead", "queue", before=NOW)) == []  # type: ignore[arg-type]  # a fake
    assert (sqs.sent, len(sqs.bodies), sqs.hidden) == ([], 2, set())


@pytest.mark.parametrize(("target", "outcome"), [(TARGET, "sent"), ("arn:aws:sqs:us-east-1:1:another.fifo", "kept")])
def test_undelivered_event_of_a_rule_goes_to_promotion(target: str, outcome: str) -> None:
    # given an event with the attributes that EventBridge adds
    sqs = make_queue(1)
    sqs.attributes = {
        "TARGET_ARN": {"DataType": "String", "StringValue": target},
        "ERROR_MESSAGE": {"DataType": "String", "StringValue": "no permission"},
    }
    # when it is redriven
    (done,) = failed_events.redrive(
        sqs,  # type: ignore[arg-type]  # a fake
        None,  # type: ignore[arg-type]  # no function is invoked
        "failures",
        stack="dwell",
        before=NOW,
        promotion_queue=QUEUE,
    )
    # then it is sent to the queue that it was for, unchanged
    assert (done.outcome, done.event.error) == (outcome, "no permission")
    assert [(one["QueueUrl"], json.loads(one["MessageBody"])["n"]) for one in sqs.sent] == (
        [(QUEUE, 0)] if outcome == "sent" else []
    )
