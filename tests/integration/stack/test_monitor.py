"""A stored object reaches the monitor over the template's own rule, queue and permissions, and counts once."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import boto3

from monitor import state_store
from monitor.ledger import has_key
from rounds.s3_prefixes import SAMPLES
from tests.eventually import eventually
from tests.factories.samples import make_sample

if TYPE_CHECKING:
    from dwell.client.stack import Stack
    from monitor.monitor_state import State


def read_state(stack: Stack) -> State:
    return state_store.load(boto3.Session().client("s3"), stack.bucket).state


def stored_keys(stack: Stack) -> set[str]:
    pages = boto3.Session().client("s3").get_paginator("list_objects_v2").paginate(Bucket=stack.bucket, Prefix=SAMPLES)
    return {entry["Key"] for page in pages for entry in page.get("Contents", [])}


def test_stored_object_is_measured_once(on_stack: Stack) -> None:
    # given a sample of now
    before = stored_keys(on_stack)
    recorded_at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    sample = make_sample(sample_id=f"monitored-{uuid.uuid4().hex}", recorded_at=recorded_at)
    # when it is published and stored
    boto3.Session().client("sns").publish(TopicArn=on_stack.topic_arn, Message=json.dumps(sample))
    (key, *_) = eventually(lambda: stored_keys(on_stack) - before)
    # then the monitor has measured its object
    state = eventually(lambda: read_state(on_stack), lambda found: has_key(found.ledger, key))
    assert state.watermark > 0
    # when the same object is announced again
    events = boto3.Session().client("sqs")
    url = events.get_queue_url(QueueName=f"{on_stack.name}-sample-objects.fifo")["QueueUrl"]
    event = {"detail": {"bucket": {"name": on_stack.bucket}, "object": {"key": key}}, "id": uuid.uuid4().hex}
    events.send_message(QueueUrl=url, MessageBody=json.dumps(event), MessageGroupId="samples")
    # then the queue empties, and the state says the same of it
    attributes = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    eventually(
        lambda: events.get_queue_attributes(QueueUrl=url, AttributeNames=attributes)["Attributes"],  # type: ignore[arg-type]
        lambda counts: set(counts.values()) == {"0"},
    )
    assert read_state(on_stack).live == state.live
