"""Injected faults: which calls they hit, which of them take effect, and that there are none by default."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from local_aws.faults import injection as faults
from local_aws.faults.rules import DELIVER
from local_aws.tests.integration.factories import LOGS, FunctionMaker, LocalAws, policy, running_aws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SEND = """
    import os

    import boto3
    from botocore.config import Config

    queue = boto3.client("sqs", config=Config(retries={"mode": "standard", "total_max_attempts": 2}))

    def handler(event, context):
        queue.send_message(QueueUrl=os.environ["QUEUE"], MessageBody="hello")
        return "sent"
"""


@pytest.fixture(scope="module")
def faulty() -> Iterator[LocalAws]:
    """A local AWS with fault injection."""
    with running_aws(LOGS / "faults.log", **{faults.VARIABLE: "on"}) as running:
        yield running


@pytest.fixture
def rules(faulty: LocalAws) -> Iterator[Callable[..., None]]:
    """Sets the rules, and removes them after the test."""

    def put(*entries: dict[str, Any]) -> None:
        body = json.dumps({"seed": 1, "rules": entries}).encode()
        request = urllib.request.Request(faulty.endpoint_url + faults.PATH, data=body, method="PUT")  # noqa: S310
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310 (the local AWS)
            pass

    yield put
    put()


@pytest.fixture
def sender(faulty: LocalAws) -> tuple[str, str]:
    """A function that sends a message, and its queue."""
    sqs = faulty.client("sqs")
    url = sqs.create_queue(QueueName=f"queue-{uuid.uuid4().hex[:12]}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": arn}
    return FunctionMaker(faulty)(SEND, allow=[allow], variables={"QUEUE": url}), url


def invoke(faulty: LocalAws, function: str) -> tuple[str | None, Any]:
    response = faulty.client("lambda").invoke(FunctionName=function)
    return response.get("FunctionError"), json.load(response["Payload"])


def count_messages(faulty: LocalAws, queue: str) -> int:
    name = "ApproximateNumberOfMessages"
    response = faulty.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=[name])
    return int(response["Attributes"][name])


def test_no_rules_means_no_faults(faulty: LocalAws, sender: tuple[str, str]) -> None:
    assert invoke(faulty, sender[0]) == (None, "sent")


def test_account_keys_are_exempt_from_faults(
    faulty: LocalAws, sender: tuple[str, str], rules: Callable[..., None]
) -> None:
    rules({"caller": "*", "action": "sqs:*", "fault": "denied"})
    faulty.client("sqs").send_message(QueueUrl=sender[1], MessageBody="from outside")
    error, payload = invoke(faulty, sender[0])
    assert error is not None
    assert "AccessDenied" in payload["errorMessage"]
    assert count_messages(faulty, sender[1]) == 1


@pytest.mark.parametrize(
    ("fault", "sent"), [("reset", 1), ("answer_lost", 2), ("failed", 1), ("throttled", 1), ("unavailable", 1)]
)
def test_retry_after_fault_repeats_effect_only_if_lost(
    faulty: LocalAws, sender: tuple[str, str], rules: Callable[..., None], fault: str, sent: int
) -> None:
    rules({"caller": "*", "action": "sqs:SendMessage", "fault": fault, "at_most": 1})
    assert invoke(faulty, sender[0]) == (None, "sent")
    assert count_messages(faulty, sender[1]) == sent


@pytest.mark.parametrize(("fault", "sent"), [("killed_before", 0), ("killed_after", 1)])
def test_function_is_killed_before_or_after_its_effect(
    faulty: LocalAws, sender: tuple[str, str], rules: Callable[..., None], fault: str, sent: int
) -> None:
    rules({"caller": "*", "action": "sqs:SendMessage", "fault": fault, "at_most": 1})
    error, payload = invoke(faulty, sender[0])
    assert error is not None
    assert payload["errorType"] == "Runtime.ExitError"
    assert count_messages(faulty, sender[1]) == sent
    assert invoke(faulty, sender[0]) == (None, "sent")


def test_invalid_rule_is_refused(rules: Callable[..., None]) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        rules({"caller": "*", "action": "*", "fault": "meteor"})
    refused.value.close()
    assert refused.value.code == 400


def test_fault_api_is_absent_by_default(aws: LocalAws) -> None:
    """Some service of AWS takes the path for one of its own, and says that it does not know it."""
    with pytest.raises(urllib.error.HTTPError) as unknown:
        urllib.request.urlopen(aws.endpoint_url + faults.PATH, timeout=10)  # noqa: S310
    assert unknown.value.code == 404
    unknown.value.close()


def test_delivered_batch_is_processed_twice(
    faulty: LocalAws, rules: Callable[..., None], sender: tuple[str, str]
) -> None:
    # https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
    # given a FIFO queue before the function that sends a message for each event
    function, results_url = sender
    sqs, name = faulty.client("sqs"), f"queue-{uuid.uuid4().hex[:12]}.fifo"
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    role = faulty.client("lambda").get_function_configuration(FunctionName=function)["Role"].rpartition("/")[2]
    actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    allow = {"Effect": "Allow", "Action": actions, "Resource": arn}
    faulty.client("iam").put_role_policy(RoleName=role, PolicyName="read", PolicyDocument=policy(allow))
    faulty.client("lambda").create_event_source_mapping(FunctionName=function, EventSourceArn=arn, BatchSize=1)
    # when its batches are repeated
    rules({"caller": function.rpartition(":")[2], "action": DELIVER, "fault": "twice"})
    sqs.send_message(QueueUrl=url, MessageBody="event", MessageGroupId="group")
    # then the one message is processed twice
    deadline = time.monotonic() + 30
    while count_messages(faulty, results_url) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert count_messages(faulty, results_url) == 2
