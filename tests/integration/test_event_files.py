"""The files of ``events/`` have the shapes that AWS documents: as sam generates them, and as powertools reads them."""

from __future__ import annotations

import hashlib
import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.utilities.parser.models import (
    APIGatewayProxyEventV2Model,
    EventBridgeModel,
    KinesisFirehoseModel,
    S3EventNotificationEventBridgeModel,
    SnsModel,
    SqsModel,
)

from dwell.local.deployment import SAM
from dwell.local.emulator_process import ROOT
from dwell.operations.endpoint_requests import MESSAGE_GROUP
from monitor.stored_object import object_key
from promotion.events import parse
from rounds.s3_prefixes import SAMPLES

if TYPE_CHECKING:
    from pydantic import BaseModel

EVENTS = {path.stem: path for path in (ROOT / "events").glob("*.json")}

GENERATED = {
    "sns-": ("sns", "notification"),
    "firehose-direct-put": ("kinesis", "kinesis-firehose"),
    "firehose-": ("kinesis", "streams-as-source"),
    "api-": ("apigateway", "http-api-proxy"),
    **dict.fromkeys(
        ("training-job-", "endpoint-", "model-package-", "promote-", "pause-", "resume-", "reconcile", "samples-"),
        ("sqs", "receive-message"),
    ),
}
"""What sam calls an event, by how the name of a file begins; the first that fits. Of alarms, SageMaker's changes of
state and our own schedule and request, sam knows nothing."""

ONLY_OURS = {
    "sourceKinesisStreamArn",  # of a delivery stream that reads a stream; sam's example is older
    "deliveryStreamArn",  # sam writes "deliverySteamArn" for the one that reads a stream
    "authorizer.iam",  # of a signed request; sam shows one with a JWT
    "attributes.MessageDeduplicationId",  # of a FIFO queue; sam shows a standard one
    "attributes.MessageGroupId",
    "attributes.SequenceNumber",
}
ONLY_SAMS = {
    "deliverySteamArn",
    "cookies",  # of a browser
    "requestContext.authentication",  # of a client with a certificate
    "authorizer.jwt",
    "pathParameters",  # no path of ours has one
    "stageVariables",
    "body",  # of a GET
    "queryStringParameters",  # of a POST
    "queryStringParameters.parameter1",
    "queryStringParameters.parameter2",
    "headers.Header1",
    "headers.Header2",
    "MessageAttributes.Test",
    "MessageAttributes.TestBinary",
}
OTHER_TYPE = {
    "subsequenceNumber",  # a number for powertools and for AWS's Go library, text for sam
    "Subject",  # null if a message has none
}

PARSED: dict[str, type[BaseModel]] = {
    "sns-": SnsModel,
    "firehose-": KinesisFirehoseModel,
    "api-": APIGatewayProxyEventV2Model,
}
MESSAGES: dict[str, type[BaseModel] | None] = {
    "training-job-": EventBridgeModel,
    "endpoint-": EventBridgeModel,
    "model-package-": EventBridgeModel,
    "promote-": None,
    "pause-": None,
    "resume-": None,
    "reconcile": None,
}
"""What is in a message of promotion's queue: an event of EventBridge, or one of our own."""
SAMPLES_STORED = "samples-stored"


def first[T](table: dict[str, T], event: str) -> T | None:
    return next((value for start, value in table.items() if event.startswith(start)), None)


def generated(*command: str) -> Any:
    """What ``sam local generate-event`` prints."""
    ran = subprocess.run(
        [SAM / "sam", "local", "generate-event", *command], check=True, capture_output=True, cwd=ROOT, text=True
    )
    return json.loads(ran.stdout)


def differences(ours: Any, sams: Any, path: str = "") -> list[str]:
    """Keys that only one of two events has, and values of another type, as dotted paths; lists by their first item."""
    if isinstance(ours, dict) and isinstance(sams, dict):
        found = [f"only ours: {path}.{key}" for key in ours.keys() - sams.keys()]
        found += [f"only sam's: {path}.{key}" for key in sams.keys() - ours.keys()]
        for key in ours.keys() & sams.keys():
            found += differences(ours[key], sams[key], f"{path}.{key}")
        return found
    if isinstance(ours, list) and isinstance(sams, list):
        return differences(ours[0], sams[0], path)
    return [] if type(ours) is type(sams) else [f"other type: {path}"]


def explained(difference: str) -> bool:
    kind, path = difference.split(": ")
    known = {"only ours": ONLY_OURS, "only sam's": ONLY_SAMS, "other type": OTHER_TYPE}[kind]
    if kind == "only ours" and path.rpartition(".")[0] in {".headers", ".queryStringParameters"}:
        return True  # each client sends its own
    return any(path.endswith(f".{name}") for name in known)


@pytest.fixture(scope="module")
def examples() -> dict[tuple[str, str], Any]:
    return {command: generated(*command) for command in set(GENERATED.values())}


@pytest.mark.parametrize("event", sorted(name for name in EVENTS if first(GENERATED, name)))
def test_event_file_has_the_shape_of_sams_event(event: str, examples: dict[tuple[str, str], Any]) -> None:
    command = first(GENERATED, event)
    assert command is not None
    found = differences(json.loads(EVENTS[event].read_text()), examples[command])
    assert [path for path in found if not explained(path)] == []


@pytest.mark.parametrize("event", sorted(name for name in EVENTS if first(PARSED, name)))
def test_powertools_parses_event_file(event: str) -> None:
    model = first(PARSED, event)
    assert model is not None
    model.model_validate_json(EVENTS[event].read_text())


@pytest.mark.parametrize("event", sorted(name for name in EVENTS if any(name.startswith(one) for one in MESSAGES)))
def test_powertools_reads_a_message_and_its_event(event: str) -> None:
    message = read_message(event, MESSAGE_GROUP)
    model = first(MESSAGES, event)
    if model is not None:
        model.model_validate_json(message.body)
    parse(json.loads(message.body), endpoint="dwell")


def test_monitor_reads_the_key_of_a_stored_object() -> None:
    message = read_message(SAMPLES_STORED, "samples")
    parsed = S3EventNotificationEventBridgeModel.model_validate_json(message.body)
    assert object_key(json.loads(message.body)) == parsed.detail.object.key
    assert parsed.detail.object.key.startswith(SAMPLES)


def read_message(event: str, group: str) -> Any:
    """The one message of an event file of a FIFO queue, with the digests that SQS computes."""
    (message,) = SqsModel.model_validate_json(EVENTS[event].read_text()).Records
    assert message.attributes.MessageGroupId == group
    assert isinstance(message.body, str)
    # content-based deduplication: SQS hashes the body
    assert message.attributes.MessageDeduplicationId == hashlib.sha256(message.body.encode()).hexdigest()
    assert message.md5OfBody == hashlib.md5(message.body.encode(), usedforsecurity=False).hexdigest()
    return message


def test_unexplained_difference_is_found() -> None:
    assert differences({"a": 1, "b": [{"c": None}]}, {"b": [{"c": ""}], "d": 1}) == [
        "only ours: .a",
        "only sam's: .d",
        "other type: .b.c",
    ]
