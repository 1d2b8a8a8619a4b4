"""The fleet publishes to a real topic: what subscribers receive is what its ledger says, by the same ids."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from dwell.messaging.publisher import Publisher, PublishError, create_sns_client
from dwell.simulator.fleet_runner import Fleet, FleetSettings
from feature_schema import InvalidInputError, Sample, parse_lines

if TYPE_CHECKING:
    from dwell.local.emulator_process import Laptop


@pytest.fixture
def environment(laptop: Laptop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual AWS environment points at the emulator, as it does for a user."""
    for name, value in laptop.environment().items():
        monkeypatch.setenv(name, value)


def received(queue: Any, url: str, count: int) -> list[tuple[str, str]]:
    """The first ``count`` messages, as (SNS message id, text)."""
    messages: dict[str, str] = {}
    while len(messages) < count:
        answer = queue.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5)
        assert answer.get("Messages"), f"{len(messages)} of {count} messages arrived"
        for message in answer["Messages"]:
            notification = json.loads(message["Body"])
            messages[notification["MessageId"]] = notification["Message"]
            queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return list(messages.items())


@pytest.mark.usefixtures("environment")
def test_subscribers_receive_what_the_ledger_says(laptop: Laptop) -> None:
    # Given a topic with a subscriber
    name = f"samples-{uuid.uuid4().hex[:12]}"
    topic = laptop.client("sns").create_topic(Name=name)["TopicArn"]
    queue = laptop.client("sqs")
    url = queue.create_queue(QueueName=name)["QueueUrl"]
    arn = queue.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    may_send = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [may_send]})
    queue.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    laptop.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    # When robots publish good, broken, doubled and single samples and workshop rows
    settings = FleetSettings(rate=1_000, broken=0.03, duplicates=0.03, rows=0.2, single=0.02, seed=11)
    with Publisher(create_sns_client(topic), topic) as publisher:
        fleet = Fleet(settings, publisher)
        fleet.run(0.7)

    # Then every line has arrived under the identity that the ledger has for it
    lines = [
        line
        for message_id, text in received(queue, url, fleet.publish_log.messages)
        for line in parse_lines(text.encode(), message_id=message_id, received_at=datetime.now(UTC))
    ]
    ids = Counter(answer.sample_id for _, answer in lines if isinstance(answer, Sample))
    assert set(ids) == fleet.publish_log.published_ids
    assert ids.total() - len(ids) == fleet.publish_log.duplicates > 0
    assert {raw.decode(): answer.reason for raw, answer in lines if isinstance(answer, InvalidInputError)} == {
        broken.raw: broken.reason for broken in fleet.publish_log.broken.values()
    }
    assert len(ids) + len(fleet.publish_log.broken) == fleet.robots.taken > 0


@pytest.mark.usefixtures("environment")
def test_missing_topic_is_reported() -> None:
    topic = "arn:aws:sns:us-east-1:000000000000:not-there"

    with Publisher(create_sns_client(topic), topic) as publisher, pytest.raises(PublishError, match="not-there"):
        Fleet(FleetSettings(rate=1_000), publisher).run(1)
