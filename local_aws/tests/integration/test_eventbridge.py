"""Events of AWS services reach functions: by rule, by schedule and by topic, with permission only."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from local_aws.tests.integration.factories import PYTHON, ROOT, policy

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_aws.tests.integration.factories import LocalAws

    MakeQueue = Callable[..., tuple[str, str]]

FORWARD = """
import boto3, json, os
def handler(event, context):
    if os.environ.get("FAIL_FIRST"):
        del os.environ["FAIL_FIRST"]
        raise RuntimeError("the first try fails")
    boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(event))
"""


@pytest.fixture
def make_listener(
    aws: LocalAws, make_function: Callable[..., str], make_queue: MakeQueue
) -> Callable[..., tuple[str, Callable[..., list[dict[str, Any]]]]]:
    """Creates a function that forwards its events to a queue; its ARN, and a function that reads that queue."""

    def make(**variables: str) -> tuple[str, Callable[..., list[dict[str, Any]]]]:
        url, arn = make_queue()
        allow = [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": arn}]
        function = make_function(FORWARD, allow=allow, variables={"QUEUE": url, **variables})

        def events(wait: int = 20) -> list[dict[str, Any]]:
            response = aws.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=wait, MaxNumberOfMessages=10)
            return [json.loads(message["Body"]) for message in response.get("Messages", [])]

        return function, events

    return make


def allow_events(aws: LocalAws, function: str, service: str, source_arn: str) -> None:
    """Admit a service, as an AWS::Lambda::Permission does."""
    aws.client("lambda").add_permission(
        FunctionName=function,
        StatementId=uuid.uuid4().hex,
        Action="lambda:InvokeFunction",
        Principal=service,
        SourceArn=source_arn,
    )


def put_rule(aws: LocalAws, function: str, source: str) -> str:
    name = f"rule-{uuid.uuid4().hex[:12]}"
    events = aws.client("events")
    rule = events.put_rule(Name=name, EventPattern=json.dumps({"source": [source]}))["RuleArn"]
    events.put_targets(Rule=name, Targets=[{"Id": "function", "Arn": function}])
    return str(rule)


def send(aws: LocalAws, source: str, detail: dict[str, Any]) -> None:
    aws.client("events").put_events(
        Entries=[{"Source": source, "DetailType": "Pod moved", "Detail": json.dumps(detail)}]
    )


def test_a_rule_invokes_a_function_that_admits_it(aws: LocalAws, make_listener: Any) -> None:
    function, events = make_listener()
    source = f"shop.{uuid.uuid4().hex}"
    # given a rule that its function does not admit
    rule = put_rule(aws, function, source)
    send(aws, source, {"number": 1})
    # when the function admits it and another event comes
    allow_events(aws, function, "events.amazonaws.com", rule)
    send(aws, source, {"number": 2})
    # then only the second event arrives
    assert [event["detail"] for event in events()] == [{"number": 2}]


def test_a_failed_event_of_a_rule_is_retried(aws: LocalAws, make_listener: Any) -> None:
    function, events = make_listener(FAIL_FIRST="yes")
    source = f"shop.{uuid.uuid4().hex}"
    allow_events(aws, function, "events.amazonaws.com", put_rule(aws, function, source))
    send(aws, source, {"number": 1})
    assert [event["detail"] for event in events()] == [{"number": 1}]


def test_a_failed_notification_of_a_topic_is_retried(aws: LocalAws, make_listener: Any) -> None:
    # given a function that fails once, subscribed to a topic that it lets in
    function, events = make_listener(FAIL_FIRST="yes")
    topic = aws.client("sns").create_topic(Name=f"samples-{uuid.uuid4().hex}")["TopicArn"]
    allow_events(aws, function, "sns.amazonaws.com", topic)
    aws.client("sns").subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function)
    # when a message is published
    message = aws.client("sns").publish(TopicArn=topic, Message="one\ntwo")["MessageId"]
    # then it arrives at the second attempt
    ((record,),) = [event["Records"] for event in events()]
    assert record["EventSource"] == "aws:sns"
    assert (record["Sns"]["MessageId"], record["Sns"]["Message"]) == (message, "one\ntwo")


def test_schedule_invokes_function_with_its_role(aws: LocalAws, make_listener: Any) -> None:
    # given two schedules that are due at once, and only one role that may invoke the function
    function, events = make_listener()
    iam = aws.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}
    invoking = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": function}
    for name, statements in (("allowed", [invoking]), ("denied", [])):
        role = f"{name}-{uuid.uuid4().hex[:12]}"
        arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=policy(trust))["Role"]["Arn"]
        if statements:
            iam.put_role_policy(RoleName=role, PolicyName="invoke", PolicyDocument=policy(*statements))
        # when both are due
        aws.client("scheduler").create_schedule(
            Name=role,
            ScheduleExpression="at(2026-01-01T00:00:00)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": function,
                "RoleArn": arn,
                "Input": json.dumps({"schedule": name, "time": "<aws.scheduler.scheduled-time>"}),
            },
        )
    # then only the allowed one arrives, with the time filled in
    (event,) = events()
    assert event["schedule"] == "allowed"
    assert datetime.fromisoformat(event["time"]).tzinfo is not None
    assert events(wait=1) == []


def test_a_failed_event_without_permission_is_lost(
    aws: LocalAws, make_function: Callable[..., str], make_queue: MakeQueue
) -> None:
    # given two failing functions with the same destination, and only one role that may use it
    url, arn = make_queue()
    allow = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": arn}
    for number, statements in enumerate(([], [allow])):
        function = make_function("def handler(event, context): raise RuntimeError(event)", allow=statements)
        aws.client("lambda").put_function_event_invoke_config(
            FunctionName=function, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": arn}}
        )
        # when both fail
        aws.client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(number))
    # then the queue has the event of the function with the permission
    response = aws.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=20, MaxNumberOfMessages=10)
    assert [json.loads(message["Body"])["requestPayload"] for message in response["Messages"]] == [1]


SENDING_IN_PROCESS = """
import asyncio, json
from local_aws.eventbridge import service_events as events
events.install()
from ministack.services import eventbridge, sqs

def call(service, target, arguments):
    headers = {"x-amz-target": target, "content-type": "application/x-amz-json-1.0"}
    status, _, body = asyncio.run(service.handle_request("POST", "/", headers, json.dumps(arguments).encode(), {}))
    assert status == 200, body
    return json.loads(body or "{}")

queue = call(sqs, "AmazonSQS.CreateQueue", {"QueueName": "jobs"})["QueueUrl"]
call(eventbridge, "AWSEvents.PutRule", {"Name": "jobs", "EventPattern": json.dumps({
    "source": ["aws.sagemaker"], "detail": {"TrainingJobStatus": ["Completed"]}})})
call(eventbridge, "AWSEvents.PutTargets", {"Rule": "jobs", "Targets": [
    {"Id": "queue", "Arn": "arn:aws:sqs:us-east-1:000000000000:jobs"}]})
for status in ("InProgress", "Completed"):
    events.send("aws.sagemaker", "SageMaker Training Job State Change",
                {"TrainingJobStatus": status}, ["arn:aws:sagemaker:us-east-1:000000000000:training-job/first"])
messages = call(sqs, "AmazonSQS.ReceiveMessage", {"QueueUrl": queue, "MaxNumberOfMessages": 10})["Messages"]
print(json.dumps([json.loads(message["Body"]) for message in messages]))
"""


def test_a_service_sends_events_that_callers_may_not(aws: LocalAws) -> None:
    # given that PutEvents refuses a source of AWS
    response = aws.client("events").put_events(
        Entries=[{"Source": "aws.sagemaker", "DetailType": "forged", "Detail": "{}"}]
    )
    assert response["FailedEntryCount"] == 1
    # when code in the process of the local AWS sends events of a training job
    completed = subprocess.run(
        [PYTHON, "-c", SENDING_IN_PROCESS],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LOG_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    # then the rule's target gets the matching one, in EventBridge's envelope
    assert completed.returncode == 0, completed.stderr
    (event,) = json.loads(completed.stdout.splitlines()[-1])
    assert (event["source"], event["detail-type"]) == ("aws.sagemaker", "SageMaker Training Job State Change")
    assert event["detail"] == {"TrainingJobStatus": "Completed"}
    assert event["resources"] == ["arn:aws:sagemaker:us-east-1:000000000000:training-job/first"]
    assert (event["account"], event["region"]) == ("000000000000", "us-east-1")
