"""Faults on demand: who is hit, what takes effect, and that nobody is while nothing is asked for."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from local_aws.faults import injection as faults
from local_aws.tests.integration.factories import LOGS, FunctionMaker, LocalAws, running_aws

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
    """Sets the rules; none are left afterwards."""

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


def invoked(faulty: LocalAws, function: str) -> tuple[str | None, Any]:
    answer = faulty.client("lambda").invoke(FunctionName=function)
    return answer.get("FunctionError"), json.load(answer["Payload"])


def messages(faulty: LocalAws, queue: str) -> int:
    name = "ApproximateNumberOfMessages"
    answer = faulty.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=[name])
    return int(answer["Attributes"][name])


def test_no_rules_means_no_faults(faulty: LocalAws, sender: tuple[str, str]) -> None:
    assert invoked(faulty, sender[0]) == (None, "sent")


def test_account_keys_are_exempt_from_faults(
    faulty: LocalAws, sender: tuple[str, str], rules: Callable[..., None]
) -> None:
    rules({"caller": "*", "action": "sqs:*", "fault": "denied"})
    faulty.client("sqs").send_message(QueueUrl=sender[1], MessageBody="from outside")
    error, answer = invoked(faulty, sender[0])
    assert error is not None
    assert "AccessDenied" in answer["errorMessage"]
    assert messages(faulty, sender[1]) == 1


@pytest.mark.parametrize(
    ("fault", "sent"), [("reset", 1), ("answer_lost", 2), ("failed", 1), ("throttled", 1), ("unavailable", 1)]
)
def test_retry_after_fault_repeats_effect_only_if_lost(
    faulty: LocalAws, sender: tuple[str, str], rules: Callable[..., None], fault: str, sent: int
) -> None:
    rules({"caller": "*", "action": "sqs:SendMessage", "fault": fault, "at_most": 1})
    assert invoked(faulty, sender[0]) == (None, "sent")
    assert messages(faulty, sender[1]) == sent


@pytest.mark.parametrize(("fault", "sent"), [("killed_before", 0), ("killed_after", 1)])
def test_function_is_killed_before_or_after_its_effect(
    faulty: LocalAws, sender: tuple[str, str], rules: Callable[..., None], fault: str, sent: int
) -> None:
    rules({"caller": "*", "action": "sqs:SendMessage", "fault": fault, "at_most": 1})
    error, answer = invoked(faulty, sender[0])
    assert error is not None
    assert answer["errorType"] == "Runtime.ExitError"
    assert messages(faulty, sender[1]) == sent
    assert invoked(faulty, sender[0]) == (None, "sent")


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
