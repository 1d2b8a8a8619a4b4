"""FIFO queues, and functions that read queues, behave as AWS documents."""

from __future__ import annotations

import itertools
import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_aws.tests.integration.factories import LocalAws

    MakeFunction = Callable[..., str]
    MakeQueue = Callable[..., tuple[str, str]]

READ_QUEUE = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]

RECORD = """
import boto3, json, os, time
def handler(event, context):
    sqs = boto3.client("sqs")
    for record in event["Records"]:
        message = json.loads(record["body"])
        entry = {"message": message, "receives": record["attributes"]["ApproximateReceiveCount"],
                 "group": record["attributes"].get("MessageGroupId"), "started": time.time()}
        time.sleep(message.get("seconds", 0))
        entry["ended"] = time.time()
        sqs.send_message(QueueUrl=os.environ["RESULTS"], MessageBody=json.dumps(entry))
        if message.get("fails"):
            raise RuntimeError("this message always fails")
"""
"""Writes down each message and when it was processed; fails and takes time as the message says."""


@pytest.fixture
def create_reader(aws: LocalAws, make_function: MakeFunction, make_queue: MakeQueue) -> Callable[..., Any]:
    """Maps a queue to a function that writes down what it gets; what collects that."""

    def create(queue_arn: str, **settings: Any) -> Callable[[int], list[dict[str, Any]]]:
        results_url, results_arn = make_queue()
        allow = [
            {"Effect": "Allow", "Action": READ_QUEUE, "Resource": queue_arn},
            {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": results_arn},
        ]
        function = make_function(RECORD, allow=allow, variables={"RESULTS": results_url}, timeout=3)
        aws.client("lambda").create_event_source_mapping(
            FunctionName=function, EventSourceArn=queue_arn, **{"BatchSize": 1} | settings
        )
        return lambda count: receive(aws, results_url, count)

    return create


def receive(aws: LocalAws, url: str, count: int, seconds: float = 40) -> list[dict[str, Any]]:
    """The first ``count`` messages of a queue, in the order in which they came."""
    messages: list[dict[str, Any]] = []
    deadline = time.monotonic() + seconds
    while len(messages) < count and time.monotonic() < deadline:
        answer = aws.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=5, MaxNumberOfMessages=10)
        messages += [json.loads(message["Body"]) for message in answer.get("Messages", [])]
    assert len(messages) == count
    return messages


def send(aws: LocalAws, url: str, group: str | None = None, **message: Any) -> str:
    """Send a message; its id."""
    options = {} if group is None else {"MessageGroupId": group}
    return str(aws.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(message), **options)["MessageId"])


def redrive(dead_letter_arn: str, receives: int) -> str:
    return json.dumps({"deadLetterTargetArn": dead_letter_arn, "maxReceiveCount": receives})


# --- FIFO queues ------------------------------------------------------------------------------------------------------


def test_a_fifo_queue_deduplicates_by_id_and_by_body(aws: LocalAws, make_queue: MakeQueue) -> None:
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html
    sqs = aws.client("sqs")
    url, _ = make_queue(fifo=True)
    first = send(aws, url, "group", number=1)
    # when the same body comes again, also in another group, and another body under an id that was used
    assert send(aws, url, "group", number=1) == send(aws, url, "other group", number=1) == first
    for body in ("2", "3"):
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="group", MessageDeduplicationId="once")
    # then one message each is delivered, even after the first one was deleted
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert [message["Body"] for message in messages] == ['{"number": 1}', "2"]
    for message in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert send(aws, url, "group", number=1) == first
    assert "Messages" not in sqs.receive_message(QueueUrl=url)


def test_a_group_waits_for_its_message_in_flight(aws: LocalAws, make_queue: MakeQueue) -> None:
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html
    sqs = aws.client("sqs")
    url, _ = make_queue(fifo=True, VisibilityTimeout="2")
    for group, number in (("a", 1), ("a", 2), ("b", 3)):
        send(aws, url, group, number=number)

    def receive_one() -> dict[str, Any] | None:
        messages = sqs.receive_message(QueueUrl=url).get("Messages")
        return messages[0] if messages else None

    first, other = receive_one(), receive_one()
    assert first is not None
    assert other is not None
    assert (first["Body"], other["Body"]) == ('{"number": 1}', '{"number": 3}')
    assert receive_one() is None
    # when the first becomes visible again, then it comes again before the second
    time.sleep(2.1)
    again = receive_one()
    assert again is not None
    assert again["MessageId"] == first["MessageId"]
    # and only when it is deleted, the second follows
    sqs.delete_message(QueueUrl=url, ReceiptHandle=again["ReceiptHandle"])
    sqs.delete_message(QueueUrl=url, ReceiptHandle=other["ReceiptHandle"])
    following = receive_one()
    assert following is not None
    assert following["Body"] == '{"number": 2}'


def test_a_dead_letter_makes_way_for_its_group(aws: LocalAws, make_queue: MakeQueue) -> None:
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
    sqs = aws.client("sqs")
    dead_url, dead_arn = make_queue(fifo=True)
    url, arn = make_queue(fifo=True, VisibilityTimeout="0", RedrivePolicy=redrive(dead_arn, 2))
    send(aws, url, "group", number=1)
    send(aws, url, "group", number=2)
    # when the first has been received as often as it may
    bodies = [sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] for _ in range(3)]
    # then the second follows, and the first is a dead letter that says where it comes from
    assert bodies == ['{"number": 1}', '{"number": 1}', '{"number": 2}']
    (dead,) = sqs.receive_message(QueueUrl=dead_url, AttributeNames=["All"])["Messages"]
    assert dead["Body"] == '{"number": 1}'
    assert dead["Attributes"]["DeadLetterQueueSourceArn"] == arn
    assert dead["Attributes"]["MessageGroupId"] == "group"


@pytest.mark.parametrize("is_fifo", [True, False])
def test_a_dead_letter_queue_of_another_type_is_refused(aws: LocalAws, make_queue: MakeQueue, is_fifo: bool) -> None:
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
    _, dead_arn = make_queue(fifo=not is_fifo)
    policy = redrive(dead_arn, 3)
    with pytest.raises(ClientError, match="Dead-letter queue must be same type of queue as the source"):
        make_queue(fifo=is_fifo, RedrivePolicy=policy)
    url, _ = make_queue(fifo=is_fifo)
    with pytest.raises(ClientError, match="Dead-letter queue must be same type of queue as the source"):
        aws.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy})
    # also in a template
    name = {"QueueName": f"queue-{uuid.uuid4().hex[:12]}.fifo", "FifoQueue": True} if is_fifo else {}
    resources = {"Queue": {"Type": "AWS::SQS::Queue", "Properties": name | {"RedrivePolicy": json.loads(policy)}}}
    assert "must be same type" in failed_deployment(aws, resources)


def failed_deployment(aws: LocalAws, resources: dict[str, Any]) -> str:
    """Why a stack of these resources is not created."""
    cloudformation = aws.client("cloudformation")
    stack = f"refused-{uuid.uuid4().hex[:8]}"
    cloudformation.create_stack(StackName=stack, TemplateBody=json.dumps({"Resources": resources}), OnFailure="DELETE")
    for _ in range(100):
        events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
        reasons = [event["ResourceStatusReason"] for event in events if event["ResourceStatus"] == "CREATE_FAILED"]
        if reasons:
            return " ".join(reasons)
        time.sleep(0.1)
    raise AssertionError("the stack was created")


# --- functions that read a queue --------------------------------------------------------------------------------------


def test_a_function_gets_a_groups_messages_one_at_a_time(
    aws: LocalAws, make_queue: MakeQueue, create_reader: Callable[..., Any]
) -> None:
    # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
    url, arn = make_queue(fifo=True, VisibilityTimeout="10")
    collect = create_reader(arn)
    for number in range(3):
        send(aws, url, "a", number=number, seconds=0.4)
        send(aws, url, "b", number=number, seconds=0.4, other=True)
    entries = collect(6)
    for group in ("a", "b"):
        own = sorted((entry for entry in entries if entry["group"] == group), key=lambda entry: entry["started"])
        # then a group is processed in order, one message after another
        assert [entry["message"]["number"] for entry in own] == [0, 1, 2]
        assert all(before["ended"] <= after["started"] for before, after in itertools.pairwise(own))
    # and groups side by side: all of it one by one would take 2.4 s at least
    first_of_b = min(entry["started"] for entry in entries if entry["group"] == "b")
    assert first_of_b < max(entry["ended"] for entry in entries if entry["group"] == "a")


def test_a_failed_message_returns_and_becomes_a_dead_letter(
    aws: LocalAws, make_queue: MakeQueue, create_reader: Callable[..., Any]
) -> None:
    # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    dead_url, dead_arn = make_queue(fifo=True)
    url, arn = make_queue(fifo=True, VisibilityTimeout="3", RedrivePolicy=redrive(dead_arn, 2))
    collect = create_reader(arn)
    send(aws, url, "group", number=0)
    collect(1)  # the function has started
    send(aws, url, "group", number=1, fails=True)
    send(aws, url, "group", number=2)
    # then it is tried twice, with the visibility timeout between, and what is behind it follows
    entries = collect(3)
    assert [(entry["message"]["number"], entry["receives"]) for entry in entries] == [(1, "1"), (1, "2"), (2, "1")]
    assert entries[1]["started"] - entries[0]["started"] >= 2.5
    (dead,) = receive(aws, dead_url, 1)
    assert dead["number"] == 1


def test_a_mapping_processes_at_most_its_concurrency_at_once(
    aws: LocalAws, make_queue: MakeQueue, create_reader: Callable[..., Any]
) -> None:
    # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html#events-sqs-max-concurrency
    url, arn = make_queue(fifo=True, VisibilityTimeout="20")
    collect = create_reader(arn, ScalingConfig={"MaximumConcurrency": 2})
    for number in range(6):
        send(aws, url, f"group-{number}", number=number, seconds=0.5)
    entries = collect(6)
    at_once = [sum(other["started"] <= entry["started"] < other["ended"] for other in entries) for entry in entries]
    assert max(at_once) <= 2


def test_a_visibility_below_the_function_timeout_is_refused(
    aws: LocalAws, make_queue: MakeQueue, make_function: MakeFunction
) -> None:
    # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    _, arn = make_queue(fifo=True, VisibilityTimeout="29")
    allow = [{"Effect": "Allow", "Action": READ_QUEUE, "Resource": arn}]
    function = make_function("def handler(event, context): pass", allow=allow, timeout=30)
    sentence = "Queue visibility timeout: 29 seconds is less than Function timeout: 30 seconds"
    with pytest.raises(ClientError, match=sentence) as refusal:
        aws.client("lambda").create_event_source_mapping(FunctionName=function, EventSourceArn=arn)
    assert refusal.value.response["Error"]["Code"] == "InvalidParameterValueException"
    # also in a template
    properties = {"FunctionName": function, "EventSourceArn": arn, "BatchSize": 1}
    resources = {"Mapping": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": properties}}
    assert sentence in failed_deployment(aws, resources)


def test_a_mapping_takes_a_role_that_may_read_the_queue(
    aws: LocalAws, make_queue: MakeQueue, make_function: MakeFunction
) -> None:
    # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html#events-sqs-permissions
    _, arn = make_queue(fifo=True)
    allow = [{"Effect": "Allow", "Action": "sqs:ReceiveMessage", "Resource": arn}]
    function = make_function("def handler(event, context): pass", allow=allow)
    with pytest.raises(ClientError, match="role does not have permissions to call DeleteMessage on SQS"):
        aws.client("lambda").create_event_source_mapping(FunctionName=function, EventSourceArn=arn)


@pytest.mark.parametrize("settings", [{"MaximumBatchingWindowInSeconds": 1}, {"BatchSize": 11}])
def test_a_fifo_queue_has_no_batching_window_and_small_batches(
    aws: LocalAws, make_queue: MakeQueue, make_function: MakeFunction, settings: dict[str, int]
) -> None:
    # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-parameters.html
    _, arn = make_queue(fifo=True)
    function = make_function(
        "def handler(event, context): pass", allow=[{"Effect": "Allow", "Action": READ_QUEUE, "Resource": arn}]
    )
    with pytest.raises(ClientError, match="FIFO"):
        aws.client("lambda").create_event_source_mapping(FunctionName=function, EventSourceArn=arn, **settings)


def test_a_partial_failure_brings_back_the_messages_that_failed(
    aws: LocalAws, make_queue: MakeQueue, make_function: MakeFunction
) -> None:
    # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
    url, arn = make_queue(VisibilityTimeout="3")
    results_url, results_arn = make_queue()
    allow = [
        {"Effect": "Allow", "Action": READ_QUEUE, "Resource": arn},
        {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": results_arn},
    ]
    source = """
        import boto3, json, os
        def handler(event, context):
            failed = [record for record in event["Records"] if json.loads(record["body"])["fails"]
                      and record["attributes"]["ApproximateReceiveCount"] == "1"]
            for record in event["Records"]:
                boto3.client("sqs").send_message(QueueUrl=os.environ["RESULTS"], MessageBody=record["body"])
            return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in failed]}
    """
    function = make_function(source, allow=allow, variables={"RESULTS": results_url}, timeout=3)
    for number in range(2):
        send(aws, url, number=number, fails=bool(number))
    aws.client("lambda").create_event_source_mapping(
        FunctionName=function, EventSourceArn=arn, FunctionResponseTypes=["ReportBatchItemFailures"]
    )
    assert sorted(message["number"] for message in receive(aws, results_url, 3)) == [0, 1, 1]


def fifo_template(function_source: str, results_arn: str) -> dict[str, Any]:
    """A rule, an encrypted FIFO queue with a dead-letter queue, and the function that it invokes."""
    region = "us-east-1"
    root = {"AWS": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:root"}}
    rule = {"ArnEquals": {"aws:SourceArn": {"Fn::Sub": f"arn:aws:events:{region}:${{AWS::AccountId}}:rule/${{Name}}"}}}
    events = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Condition": rule}
    queue_arn, key_arn = {"Fn::GetAtt": ["Queue", "Arn"]}, {"Fn::GetAtt": ["Key", "Arn"]}
    lambda_ = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    allow: list[dict[str, Any]] = [
        {"Effect": "Allow", "Action": READ_QUEUE, "Resource": queue_arn},
        {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key_arn},
        {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": results_arn},
    ]
    properties: dict[str, tuple[str, dict[str, Any]]] = {
        "Key": (
            "AWS::KMS::Key",
            {
                "KeyPolicy": statements(
                    {"Effect": "Allow", "Principal": root, "Action": "kms:*", "Resource": "*"},
                    events | {"Action": ["kms:GenerateDataKey", "kms:Decrypt"], "Resource": "*"},
                )
            },
        ),
        "DeadLetters": ("AWS::SQS::Queue", {"FifoQueue": True, "KmsMasterKeyId": {"Ref": "Key"}}),
        "Queue": (
            "AWS::SQS::Queue",
            {
                "FifoQueue": True,
                "ContentBasedDeduplication": True,
                "VisibilityTimeout": 3,
                "KmsMasterKeyId": {"Ref": "Key"},
                "RedrivePolicy": {
                    "deadLetterTargetArn": {"Fn::GetAtt": ["DeadLetters", "Arn"]},
                    "maxReceiveCount": 1,
                },
            },
        ),
        "QueuePolicy": (
            "AWS::SQS::QueuePolicy",
            {
                "Queues": [{"Ref": "Queue"}],
                "PolicyDocument": statements(events | {"Action": "sqs:SendMessage", "Resource": queue_arn}),
            },
        ),
        "Rule": (
            "AWS::Events::Rule",
            {
                "Name": {"Ref": "Name"},
                "EventPattern": {"source": [{"Ref": "Name"}]},
                "Targets": [
                    {
                        "Id": "queue",
                        "Arn": queue_arn,
                        "InputPath": "$.detail",
                        "SqsParameters": {"MessageGroupId": "events"},
                    }
                ],
            },
        ),
        "Role": (
            "AWS::IAM::Role",
            {
                "AssumeRolePolicyDocument": statements(lambda_),
                "Policies": [{"PolicyName": "read", "PolicyDocument": statements(*allow)}],
            },
        ),
        "Function": (
            "AWS::Lambda::Function",
            {
                "Runtime": "python3.12",
                "Handler": "index.handler",
                "Code": {"ZipFile": function_source},
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Environment": {"Variables": {"RESULTS": {"Ref": "Results"}}},
            },
        ),
        "Mapping": (
            "AWS::Lambda::EventSourceMapping",
            {"FunctionName": {"Ref": "Function"}, "EventSourceArn": queue_arn, "BatchSize": 1},
        ),
    }
    return {
        "Parameters": {"Name": {"Type": "String"}, "Results": {"Type": "String"}},
        "Resources": {name: {"Type": type_, "Properties": values} for name, (type_, values) in properties.items()},
        "Outputs": {"DeadLettersUrl": {"Value": {"Ref": "DeadLetters"}}},
    }


def statements(*entries: dict[str, Any]) -> dict[str, Any]:
    """A policy document of a template."""
    return {"Version": "2012-10-17", "Statement": list(entries)}


def test_a_template_puts_a_fifo_queue_before_a_function(aws: LocalAws, make_queue: MakeQueue) -> None:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sqs-queue.html
    results_url, results_arn = make_queue()
    cloudformation, stack = aws.client("cloudformation"), f"fifo-{uuid.uuid4().hex[:8]}"
    parameters = {"Name": stack, "Results": results_url}
    cloudformation.create_stack(
        StackName=stack,
        TemplateBody=json.dumps(fifo_template(RECORD, results_arn)),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    # when events come, one of them twice and one that fails
    details = [{"number": 1}, {"number": 1}, {"number": 2, "fails": True}, {"number": 3}]
    for detail in details:
        entry = {"Source": stack, "DetailType": "Pod moved", "Detail": json.dumps(detail)}
        aws.client("events").put_events(Entries=[entry])
    # then each is processed once and in order, and the failed one is set aside
    assert [entry["message"]["number"] for entry in receive(aws, results_url, 3)] == [1, 2, 3]
    (output,) = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
    assert receive(aws, output["OutputValue"], 1) == [{"number": 2, "fails": True}]
    cloudformation.delete_stack(StackName=stack)


# --- metrics ----------------------------------------------------------------------------------------------------------


def test_a_queues_metrics_raise_an_alarm(aws: LocalAws, make_queue: MakeQueue) -> None:
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    url, arn = make_queue(fifo=True)
    name = arn.rpartition(":")[2]
    cloudwatch = aws.client("cloudwatch")
    for metric, threshold in (("ApproximateAgeOfOldestMessage", 2), ("ApproximateNumberOfMessagesVisible", 0)):
        cloudwatch.put_metric_alarm(
            AlarmName=f"{metric}-{name}",
            Namespace="AWS/SQS",
            MetricName=metric,
            Dimensions=[{"Name": "QueueName", "Value": name}],
            Statistic="Maximum",
            Period=10,
            EvaluationPeriods=1,
            Threshold=threshold,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="notBreaching",
        )
    send(aws, url, "group", number=1)

    def states() -> set[str]:
        alarms = cloudwatch.describe_alarms(AlarmNamePrefix="Approximate")["MetricAlarms"]
        return {alarm["StateValue"] for alarm in alarms if alarm["AlarmName"].endswith(name)}

    deadline = time.monotonic() + 60
    while states() != {"ALARM"}:
        assert time.monotonic() < deadline
        time.sleep(1)
