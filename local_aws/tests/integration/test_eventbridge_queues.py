"""Rules and schedules send to queues with permission only, and what a target does not get is kept or counted."""

from __future__ import annotations

import json
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from local_aws.tests.integration.factories import policy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local_aws.tests.integration.factories import LocalAws

    type CreateQueue = Callable[..., tuple[str, str]]

ACCOUNT = "000000000000"
RULES = "events.amazonaws.com"


def admit(aws: LocalAws, url: str, arn: str, rule: str) -> None:
    """Let a rule send to a queue."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": RULES},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn(rule)}},
    }
    aws.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy(statement)})


@pytest.fixture(scope="module")
def create_queue(aws: LocalAws, make_queue: Callable[..., tuple[str, str]]) -> CreateQueue:
    """Creates queues that admit a rule, by name; the URL and the ARN of each."""

    def create(rule: str | None = None, **settings: Any) -> tuple[str, str]:
        url, arn = make_queue(**settings)
        if rule is not None:
            admit(aws, url, arn, rule)
        return url, arn

    return create


def rule_arn(rule: str) -> str:
    return f"arn:aws:events:us-east-1:{ACCOUNT}:rule/{rule}"


def put_rule(aws: LocalAws, rule: str, target: Mapping[str, Any]) -> None:
    """A rule for events whose source is the rule's name."""
    events = aws.client("events")
    events.put_rule(Name=rule, EventPattern=json.dumps({"source": [rule]}))
    events.put_targets(Rule=rule, Targets=[{"Id": "queue", **target}])


def put_event(aws: LocalAws, rule: str, **detail: Any) -> None:
    entry = {"Source": rule, "DetailType": "Pod moved", "Detail": json.dumps(detail)}
    aws.client("events").put_events(Entries=[entry])


def receive(aws: LocalAws, url: str, wait: int = 10) -> list[dict[str, Any]]:
    """The messages of a queue, once there are any."""
    answer = aws.client("sqs").receive_message(
        QueueUrl=url,
        WaitTimeSeconds=wait,
        MaxNumberOfMessages=10,
        AttributeNames=["All"],
        MessageAttributeNames=["All"],
    )
    return list(answer.get("Messages", []))


def metric_sum(aws: LocalAws, namespace: str, metric: str, **dimensions: str) -> float:
    now = datetime.now(UTC)
    statistics = aws.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=now - timedelta(minutes=10),
        EndTime=now + timedelta(minutes=1),
        Period=3600,
        Statistics=["Sum"],
    )
    return float(sum(point["Sum"] for point in statistics["Datapoints"]))


def attributes_of(message: Mapping[str, Any]) -> dict[str, str]:
    return {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()}


@pytest.fixture
def rule() -> str:
    """The name of a rule that does not exist yet."""
    return f"rule-{uuid.uuid4().hex[:12]}"


# --- rules ------------------------------------------------------------------------------------------------------------


def test_a_rule_sends_to_a_fifo_queue_in_its_group_and_once(
    aws: LocalAws, create_queue: CreateQueue, rule: str
) -> None:
    # https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_SqsParameters.html
    url, arn = create_queue(rule, fifo=True)
    put_rule(aws, rule, {"Arn": arn, "SqsParameters": {"MessageGroupId": "door"}, "InputPath": "$.detail"})
    for number in (1, 1, 2):
        put_event(aws, rule, number=number)
    messages = receive(aws, url)
    assert [json.loads(message["Body"]) for message in messages] == [{"number": 1}, {"number": 2}]
    assert {message["Attributes"]["MessageGroupId"] for message in messages} == {"door"}


def test_a_fifo_target_needs_a_group_and_a_standard_dlq(aws: LocalAws, create_queue: CreateQueue, rule: str) -> None:
    # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
    _, arn = create_queue(rule, fifo=True)
    with pytest.raises(ClientError, match=r"SqsParameters must be specified for target: queue"):
        put_rule(aws, rule, {"Arn": arn})
    parameters = {"SqsParameters": {"MessageGroupId": "door"}}
    with pytest.raises(ClientError, match="must be a standard queue"):
        put_rule(aws, rule, {"Arn": arn, "DeadLetterConfig": {"Arn": arn}} | parameters)
    put_rule(aws, rule, {"Arn": arn} | parameters)


def test_a_denied_delivery_goes_to_the_dead_letter_queue(aws: LocalAws, create_queue: CreateQueue, rule: str) -> None:
    # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
    url, arn = create_queue(f"other-{rule}", fifo=True)
    dead_url, dead_arn = create_queue(rule)
    target = {"Arn": arn, "SqsParameters": {"MessageGroupId": "door"}, "DeadLetterConfig": {"Arn": dead_arn}}
    put_rule(aws, rule, target | {"InputPath": "$.detail"})
    put_event(aws, rule, number=1)
    # then the whole event is there, with the reason
    (message,) = receive(aws, dead_url)
    assert json.loads(message["Body"])["detail"] == {"number": 1}
    attributes = attributes_of(message)
    assert attributes["ERROR_MESSAGE"]
    assert {name: attributes[name] for name in ("RULE_ARN", "TARGET_ARN", "ERROR_CODE")} == {
        "RULE_ARN": rule_arn(rule),
        "TARGET_ARN": arn,
        "ERROR_CODE": "NO_PERMISSIONS",
    }
    assert receive(aws, url, wait=0) == []
    assert metric_sum(aws, "AWS/Events", "InvocationsSentToDlq", RuleName=rule) == 1
    assert metric_sum(aws, "AWS/Events", "FailedInvocations", RuleName=rule) == 0
    # and when the queue admits the rule, the next event arrives
    admit(aws, url, arn, rule)
    put_event(aws, rule, number=2)
    assert [json.loads(message["Body"]) for message in receive(aws, url)] == [{"number": 2}]


def test_a_denied_delivery_without_a_dlq_is_counted(aws: LocalAws, create_queue: CreateQueue, rule: str) -> None:
    # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html
    _, arn = create_queue()
    put_rule(aws, rule, {"Arn": arn})
    put_event(aws, rule, number=1)
    assert metric_sum(aws, "AWS/Events", "FailedInvocations", RuleName=rule) == 1
    assert metric_sum(aws, "AWS/Events", "Invocations", RuleName=rule) == 1


def test_a_dead_letter_queue_must_admit_the_rule_too(aws: LocalAws, create_queue: CreateQueue, rule: str) -> None:
    # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html#eb-dlq-perms
    _, arn = create_queue()
    dead_url, dead_arn = create_queue(f"other-{rule}")
    put_rule(aws, rule, {"Arn": arn, "DeadLetterConfig": {"Arn": dead_arn}})
    put_event(aws, rule, number=1)
    assert receive(aws, dead_url, wait=0) == []
    assert metric_sum(aws, "AWS/Events", "InvocationsFailedToBeSentToDlq", RuleName=rule) == 1


def test_an_event_that_a_function_refuses_is_a_dead_letter(
    aws: LocalAws, make_function: Callable[..., str], create_queue: CreateQueue, rule: str
) -> None:
    # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
    dead_url, dead_arn = create_queue(rule)
    function = make_function("def handler(event, context): pass")
    put_rule(aws, rule, {"Arn": function, "DeadLetterConfig": {"Arn": dead_arn}})
    put_event(aws, rule, number=1)
    (message,) = receive(aws, dead_url)
    assert attributes_of(message)["ERROR_CODE"] == "NO_PERMISSIONS"


@pytest.mark.parametrize("is_admitted", [True, False])
def test_an_encrypted_queue_needs_its_keys_policy(
    aws: LocalAws, create_queue: CreateQueue, rule: str, is_admitted: bool
) -> None:
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
    owner = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    service = {
        "Effect": "Allow",
        "Principal": {"Service": RULES},
        "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
        "Resource": "*",
        "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn(rule)}},
    }
    key = aws.client("kms").create_key(Policy=policy(owner, *([service] if is_admitted else [])))
    url, arn = create_queue(rule, fifo=True, KmsMasterKeyId=key["KeyMetadata"]["KeyId"])
    put_rule(aws, rule, {"Arn": arn, "SqsParameters": {"MessageGroupId": "door"}})
    put_event(aws, rule, number=1)
    assert len(receive(aws, url, wait=0)) == int(is_admitted)
    assert metric_sum(aws, "AWS/Events", "FailedInvocations", RuleName=rule) == int(not is_admitted)


def test_the_key_that_aws_manages_admits_no_rule(aws: LocalAws, create_queue: CreateQueue, rule: str) -> None:
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
    url, arn = create_queue(rule, KmsMasterKeyId="alias/aws/sqs")
    put_rule(aws, rule, {"Arn": arn})
    put_event(aws, rule, number=1)
    assert receive(aws, url, wait=0) == []
    assert metric_sum(aws, "AWS/Events", "FailedInvocations", RuleName=rule) == 1


# --- schedules --------------------------------------------------------------------------------------------------------


def create_role(aws: LocalAws, *statements: dict[str, Any]) -> str:
    """A role for EventBridge Scheduler."""
    iam, name = aws.client("iam"), f"schedule-{uuid.uuid4().hex[:12]}"
    trust = {"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))["Role"]["Arn"]
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="send", PolicyDocument=policy(*statements))
    return str(arn)


def schedule(aws: LocalAws, role_arn: str, target: Mapping[str, Any]) -> str:
    """A schedule that is due now; its ARN."""
    return str(
        aws.client("scheduler").create_schedule(
            Name=f"schedule-{uuid.uuid4().hex[:12]}",
            ScheduleExpression="at(2026-01-01T00:00:00)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"RoleArn": role_arn, "Input": '{"time": "<aws.scheduler.scheduled-time>"}'} | dict(target),
        )["ScheduleArn"]
    )


def test_a_schedule_sends_to_a_fifo_queue_under_its_role(aws: LocalAws, create_queue: CreateQueue) -> None:
    # https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-templated.html
    key_arn = aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    url, arn = create_queue(fifo=True, KmsMasterKeyId=key_arn)
    use_key = {"Effect": "Allow", "Action": ["kms:GenerateDataKey", "kms:Decrypt"], "Resource": key_arn}
    send = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": arn}
    # given one role that may use queue and key, and one that may not use the key
    for group, role_arn in (
        ("allowed", create_role(aws, send, use_key)),
        ("denied", create_role(aws, send)),
    ):
        schedule(aws, role_arn, {"Arn": arn, "SqsParameters": {"MessageGroupId": group}})
    (message,) = receive(aws, url)
    assert datetime.fromisoformat(json.loads(message["Body"])["time"])
    time.sleep(1.5)
    assert [message["Attributes"]["MessageGroupId"], *receive(aws, url, wait=0)] == ["allowed"]


def test_a_schedule_leaves_a_dead_letter_under_its_role(aws: LocalAws, create_queue: CreateQueue) -> None:
    # https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
    _, arn = create_queue()
    dead_url, dead_arn = create_queue()
    role_arn = create_role(aws, {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": dead_arn})
    schedule_arn = schedule(aws, role_arn, {"Arn": arn, "DeadLetterConfig": {"Arn": dead_arn}})
    (message,) = receive(aws, dead_url)
    assert "time" in json.loads(message["Body"])
    attributes = attributes_of(message)
    assert (attributes["SCHEDULE_ARN"], attributes["TARGET_ARN"]) == (schedule_arn, arn)
    assert attributes["ERROR_CODE"] == "NO_PERMISSIONS"


def test_a_schedule_refuses_a_fifo_dead_letter_queue(aws: LocalAws, create_queue: CreateQueue) -> None:
    # https://docs.aws.amazon.com/scheduler/latest/APIReference/API_DeadLetterConfig.html
    _, arn = create_queue(fifo=True)
    target = {"Arn": arn, "SqsParameters": {"MessageGroupId": "door"}, "DeadLetterConfig": {"Arn": arn}}
    with pytest.raises(ClientError, match=r"failed to satisfy constraint"):
        schedule(aws, create_role(aws), target)


# --- objects ----------------------------------------------------------------------------------------------------------


def test_a_new_object_reaches_a_queue_by_a_rule(aws: LocalAws, create_queue: CreateQueue, rule: str) -> None:
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    url, arn = create_queue(rule, fifo=True)
    bucket, s3, cloudformation = f"bucket-{uuid.uuid4().hex[:12]}", aws.client("s3"), aws.client("cloudformation")
    properties = {
        "BucketName": bucket,
        "VersioningConfiguration": {"Status": "Enabled"},
        "NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}},
    }
    resources = {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": properties}}
    cloudformation.create_stack(StackName=bucket, TemplateBody=json.dumps({"Resources": resources}))
    cloudformation.get_waiter("stack_create_complete").wait(StackName=bucket, WaiterConfig={"Delay": 1})
    pattern = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": [bucket]}, "object": {"key": [{"prefix": "samples/"}]}},
    }
    aws.client("events").put_rule(Name=rule, EventPattern=json.dumps(pattern))
    target = {"Id": "queue", "Arn": arn, "SqsParameters": {"MessageGroupId": "samples"}}
    aws.client("events").put_targets(Rule=rule, Targets=[target])
    # when an object is written, beside one that the rule leaves out
    s3.put_object(Bucket=bucket, Key="errors/one", Body=b"no")
    put = s3.put_object(Bucket=bucket, Key="samples/a b+c", Body=b"12345")
    # then its event has the shape of the documentation
    (message,) = receive(aws, url)
    event = json.loads(message["Body"])
    detail = event.pop("detail")
    assert (event["version"], event["source"], event["detail-type"]) == ("0", "aws.s3", "Object Created")
    assert (event["account"], event["region"]) == (ACCOUNT, "us-east-1")
    assert event["resources"] == [f"arn:aws:s3:::{bucket}"]
    assert datetime.strptime(event["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert uuid.UUID(event["id"])
    assert int(detail["object"].pop("sequencer"), 16) > 0
    assert detail["object"] == {
        "key": "samples/a b+c",
        "size": 5,
        "etag": put["ETag"].strip('"'),
        "version-id": put["VersionId"],
    }
    assert detail["bucket"] == {"name": bucket}
    assert detail["reason"] == "PutObject"
    assert {"version", "request-id", "requester", "source-ip-address"} <= detail.keys()
