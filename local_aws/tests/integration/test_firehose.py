"""Delivery streams with a Kinesis source behave as on AWS: batches, a checked transform, buffers, and their role."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import re
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from local_aws.tests.integration.factories import LocalAws, eventually, policy, running_aws

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_aws.tests.integration.factories import LocalAws

    MakeFunction = Callable[..., str]

ACCOUNT = "000000000000"
RESOURCE_TYPE = "AWS::KinesisFirehose::DeliveryStream"

TRANSFORM = """
    import base64, json, os, pathlib, time

    attempts = {}

    def handler(event, context):
        while (gate := os.environ.get("GATE")) and not pathlib.Path(gate).exists():
            time.sleep(0.05)
        head = {name: value for name, value in event.items() if name != "records"}
        answers = []
        for record in event["records"]:
            text = base64.b64decode(record["data"]).decode()
            attempts[record["recordId"]] = attempts.get(record["recordId"], 0) + 1
            if text == "raise" or (text == "raise once" and attempts[record["recordId"]] == 1):
                raise RuntimeError(text)
            line = json.dumps({"head": head, "size": len(event["records"]), "record": record, "text": text}) + "\\n"
            answer = {"recordId": record["recordId"], "result": "Ok", "data": base64.b64encode(line.encode()).decode()}
            if text == "drop":
                answer |= {"result": "Dropped"}
            if text == "fail":
                answer |= {"result": "ProcessingFailed"}
            if text == "not base64":
                answer |= {"data": "***"}
            answers += {"lose": [], "double": [answer, answer]}.get(text, [answer])
        return {"records": answers}
"""


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """A Kinesis stream, a bucket, a role, and the delivery stream between them."""

    aws: LocalAws
    name: str

    @property
    def role_arn(self) -> str:
        return f"arn:aws:iam::{ACCOUNT}:role/{self.name}"

    def prepare(self, *, trusted: str = "firehose.amazonaws.com", may_write: bool = True) -> None:
        self.aws.client("kinesis").create_stream(StreamName=self.name, StreamModeDetails={"StreamMode": "ON_DEMAND"})
        self.aws.client("kinesis").get_waiter("stream_exists").wait(StreamName=self.name)
        self.aws.client("s3").create_bucket(Bucket=self.name)
        self.aws.client("iam").create_role(
            RoleName=self.name,
            AssumeRolePolicyDocument=document(
                "sts:AssumeRole",
                Principal={"Service": trusted},
                Condition={"StringEquals": {"aws:SourceAccount": ACCOUNT}},
            ),
        )
        self.allow("kinesis:DescribeStream", "kinesis:ListShards", "kinesis:GetShardIterator", "kinesis:GetRecords")
        self.allow("lambda:InvokeFunction")
        if may_write:
            self.allow("s3:PutObject")

    def allow(self, *actions: str) -> None:
        resource = {
            "kinesis": f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/{self.name}",
            "lambda": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:*",
            "s3": f"arn:aws:s3:::{self.name}/*",
        }[actions[0].partition(":")[0]]
        self.aws.client("iam").put_role_policy(
            RoleName=self.name,
            PolicyName=actions[0].replace(":", "-"),
            PolicyDocument=document(*actions, Resource=resource),
        )

    def creation(self, function: str | None, *, interval: int = 0, retries: int = 2, **changes: Any) -> dict[str, Any]:
        """The arguments of CreateDeliveryStream, which are also the properties in a template."""
        parameters = {"LambdaArn": function, "NumberOfRetries": retries, "BufferIntervalInSeconds": 0}
        processor = {
            "Type": "Lambda",
            "Parameters": [{"ParameterName": name, "ParameterValue": str(value)} for name, value in parameters.items()],
        }
        return {
            "DeliveryStreamName": self.name,
            "DeliveryStreamType": "KinesisStreamAsSource",
            "KinesisStreamSourceConfiguration": {
                "KinesisStreamARN": f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/{self.name}",
                "RoleARN": self.role_arn,
            },
            "ExtendedS3DestinationConfiguration": {
                "BucketARN": f"arn:aws:s3:::{self.name}",
                "RoleARN": self.role_arn,
                "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": interval},
                "CompressionFormat": "GZIP",
                "Prefix": "samples/date=!{timestamp:yyyy-MM-dd}/!{timestamp:'hour='HH}/",
                "ErrorOutputPrefix": "failed/!{firehose:error-output-type}/",
                "ProcessingConfiguration": {"Enabled": function is not None, "Processors": [processor]},
                **changes,
            },
        }

    def create(self, function: str | None, **changes: Any) -> None:
        self.aws.client("firehose").create_delivery_stream(**self.creation(function, **changes))

    def put(self, *texts: str) -> list[dict[str, str]]:
        response = self.aws.client("kinesis").put_records(
            StreamName=self.name,
            Records=[{"Data": text.encode(), "PartitionKey": f"key {number}"} for number, text in enumerate(texts)],
        )
        assert response["FailedRecordCount"] == 0
        return [{"text": text, **record} for text, record in zip(texts, response["Records"], strict=True)]

    def keys(self, prefix: str) -> list[str]:
        pages = self.aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return [summary["Key"] for page in pages for summary in page.get("Contents", [])]

    def delivered(self, prefix: str = "samples/") -> list[str]:
        """The lines of all objects with the prefix."""
        bodies = [
            self.aws.client("s3").get_object(Bucket=self.name, Key=key)["Body"].read() for key in self.keys(prefix)
        ]
        return [line for body in bodies for line in gzip.decompress(body).decode().splitlines()]


def document(*actions: str, **members: Any) -> str:
    """An IAM policy document that allows these actions."""
    return policy({"Effect": "Allow", "Action": actions, **members})


def lines(pipeline: Pipeline, count: int, prefix: str = "samples/") -> list[dict[str, Any]]:
    """The JSON lines of all objects with the prefix, when there are ``count``."""
    eventually(lambda: len(pipeline.delivered(prefix)) >= count)
    delivered = [json.loads(line) for line in pipeline.delivered(prefix)]
    assert len(delivered) == count
    return delivered


@pytest.fixture
def pipeline(aws: LocalAws) -> Pipeline:
    return Pipeline(aws, f"samples-{uuid.uuid4().hex[:12]}")


@pytest.fixture(scope="module")
def transform(make_function: MakeFunction) -> str:
    return make_function(TRANSFORM)


def test_records_are_transformed_in_batches_and_delivered_once(pipeline: Pipeline, transform: str) -> None:
    # given a delivery stream that gathers for two seconds, and a record that was there before it
    pipeline.prepare()
    pipeline.put("too early")
    pipeline.create(transform, interval=2)
    # when 700 records arrive in two calls, right after its creation
    put = [record for first in (0, 350) for record in pipeline.put(*(f"sample {first + n}" for n in range(350)))]
    # then each of them arrives once, after few invocations and in few objects
    delivered = lines(pipeline, 700)
    assert {line["text"] for line in delivered} == {record["text"] for record in put}
    assert len({line["head"]["invocationId"] for line in delivered}) <= 10
    keys = pipeline.keys("")
    assert len(keys) <= 5
    name = rf"{pipeline.name}-1-\d{{4}}(-\d\d){{5}}-[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}\.gz"
    assert all(re.fullmatch(rf"samples/date=\d{{4}}-\d\d-\d\d/hour=\d\d/{name}", key) for key in keys)


def test_transform_event_has_kinesis_metadata(pipeline: Pipeline, transform: str) -> None:
    pipeline.prepare()
    pipeline.create(transform)
    (put,) = pipeline.put("one")
    (line,) = lines(pipeline, 1)
    record = line["record"]
    arrived = record["approximateArrivalTimestamp"]
    assert line["head"] == {
        "invocationId": str(uuid.UUID(line["head"]["invocationId"])),
        "deliveryStreamArn": f"arn:aws:firehose:us-east-1:{ACCOUNT}:deliverystream/{pipeline.name}",
        "sourceKinesisStreamArn": f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/{pipeline.name}",
        "region": "us-east-1",
    }
    assert record == {
        "recordId": put["SequenceNumber"] + "000000",
        "approximateArrivalTimestamp": arrived,
        "data": base64.b64encode(b"one").decode(),
        "kinesisRecordMetadata": {
            "sequenceNumber": put["SequenceNumber"],
            "subsequenceNumber": 0,
            "partitionKey": "key 0",
            "shardId": put["ShardId"],
            "approximateArrivalTimestamp": arrived,
        },
    }
    assert abs(arrived / 1000 - time.time()) < 3600  # milliseconds, and of today


def test_failed_record_goes_to_error_prefix(pipeline: Pipeline, transform: str) -> None:
    # given records that the function drops, fails, loses and doubles, and one that it transforms
    pipeline.prepare()
    pipeline.create(transform, interval=1)
    pipeline.put("fine", "drop", "fail", "lose", "double")
    # then the good one arrives, and each bad one is in the error object with its reason and its data
    assert [line["text"] for line in lines(pipeline, 1)] == ["fine"]
    failed = lines(pipeline, 3, "failed/processing-failed/")
    assert {(base64.b64decode(line["rawData"]).decode(), line["errorCode"]) for line in failed} == {
        ("fail", "Lambda.ProcessingFailedStatus"),
        ("lose", "Lambda.MissingRecordId"),
        ("double", "Lambda.DuplicatedRecordId"),
    }
    for line in failed:
        assert (line["attemptsMade"], line["lambdaArn"]) == (1, transform)
        assert line["errorMessage"]
        assert line["arrivalTimestamp"] <= line["attemptEndingTimestamp"]


@pytest.mark.parametrize("text", ["raise", "not base64"])
def test_failed_batch_goes_to_error_prefix_after_retries(pipeline: Pipeline, transform: str, text: str) -> None:
    pipeline.prepare()
    pipeline.create(transform, retries=2)
    pipeline.put(text)
    (line,) = lines(pipeline, 1, "failed/")
    assert (line["attemptsMade"], line["errorCode"]) == (3, "Lambda.FunctionError")
    assert base64.b64decode(line["rawData"]).decode() == text
    assert pipeline.keys("samples/") == []


def test_failed_batch_is_retried(pipeline: Pipeline, transform: str) -> None:
    pipeline.prepare()
    pipeline.create(transform)
    pipeline.put("raise once")
    assert [line["text"] for line in lines(pipeline, 1)] == ["raise once"]
    assert pipeline.keys("failed/") == []


def test_put_records_does_not_wait_for_transform(
    pipeline: Pipeline, make_function: MakeFunction, tmp_path: Path
) -> None:
    # given a function that answers only when a gate is open
    gate = tmp_path / "gate"
    pipeline.prepare()
    pipeline.create(make_function(TRANSFORM, variables={"GATE": str(gate)}, timeout=60))
    # when records are put, they are accepted while it is closed (waiting for it would be waiting for ever)
    pipeline.put("first")
    pipeline.put("second")
    assert pipeline.keys("") == []
    # then they arrive when it opens
    gate.touch()
    assert {line["text"] for line in lines(pipeline, 2)} == {"first", "second"}


def test_role_without_put_object_delays_delivery_without_loss(pipeline: Pipeline, transform: str) -> None:
    # given a role without s3:PutObject, and a function whose first invocations have succeeded
    pipeline.prepare(may_write=False)
    pipeline.create(transform)
    pipeline.put("first")
    pipeline.put("second")
    log = Path(pipeline.aws.log)
    eventually(lambda: re.search(rf"{pipeline.name} cannot deliver: .*AccessDenied", log.read_text()))
    assert pipeline.keys("") == []
    # when it gets the permission, then all is delivered, once
    pipeline.allow("s3:PutObject")
    assert {line["text"] for line in lines(pipeline, 2)} == {"first", "second"}


def test_role_without_invoke_fails_transform(pipeline: Pipeline, transform: str) -> None:
    pipeline.prepare()
    pipeline.aws.client("iam").delete_role_policy(RoleName=pipeline.name, PolicyName="lambda-InvokeFunction")
    pipeline.create(transform, retries=0)
    pipeline.put("one")
    (line,) = lines(pipeline, 1, "failed/")
    assert (line["errorCode"], line["attemptsMade"]) == ("Lambda.InvokeAccessDenied", 1)


def test_role_without_read_access_delays_reading(pipeline: Pipeline, transform: str) -> None:
    pipeline.prepare()
    iam = pipeline.aws.client("iam")
    iam.delete_role_policy(RoleName=pipeline.name, PolicyName="kinesis-DescribeStream")
    pipeline.create(transform)
    pipeline.put("one")
    log = Path(pipeline.aws.log)
    eventually(lambda: re.search(rf"{pipeline.name} cannot read: .*AccessDenied", log.read_text()))
    pipeline.allow("kinesis:DescribeStream", "kinesis:ListShards", "kinesis:GetShardIterator", "kinesis:GetRecords")
    assert [line["text"] for line in lines(pipeline, 1)] == ["one"]


def test_role_without_trust_in_firehose_is_refused(pipeline: Pipeline, transform: str) -> None:
    pipeline.prepare(trusted="lambda.amazonaws.com")
    with pytest.raises(ClientError, match=r"does not let firehose\.amazonaws\.com assume it"):
        pipeline.create(transform)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"BufferingHints": {"SizeInMBs": 5, "IntervalInSeconds": 901}}, "IntervalInSeconds must be between 0 and 900"),
        ({"ErrorOutputPrefix": "failed/!{timestamp:yyyy}/"}, "must contain !{firehose:error-output-type}"),
        ({"Prefix": "samples/!{timestamp:yyyy-QQ}/"}, "the timestamp letter 'Q'"),
        ({"DynamicPartitioningConfiguration": {"Enabled": True}}, "DynamicPartitioningConfiguration is not supported"),
    ],
)
def test_invalid_configuration_is_refused(
    pipeline: Pipeline, transform: str, changes: dict[str, Any], message: str
) -> None:
    pipeline.prepare()
    with pytest.raises(ClientError, match=re.escape(message)) as refusal:
        pipeline.create(transform, **changes)
    assert refusal.value.response["Error"]["Code"] == "InvalidArgumentException"


def test_update_applies_without_loss(pipeline: Pipeline, transform: str) -> None:
    # given a delivery stream whose buffer would be due in 15 minutes
    pipeline.prepare()
    pipeline.create(transform, interval=900)
    pipeline.put("before")
    firehose = pipeline.aws.client("firehose")
    described = firehose.describe_delivery_stream(DeliveryStreamName=pipeline.name)["DeliveryStreamDescription"]
    # when its interval and prefix change
    firehose.update_destination(
        DeliveryStreamName=pipeline.name,
        CurrentDeliveryStreamVersionId=described["VersionId"],
        DestinationId=described["Destinations"][0]["DestinationId"],
        ExtendedS3DestinationUpdate={
            "Prefix": "moved/!{timestamp:yyyy}/",
            "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 0},
        },
    )
    pipeline.put("after")
    # then what was waiting and what comes go where it says now
    assert {line["text"] for line in lines(pipeline, 2, "moved/")} == {"before", "after"}
    assert all(f"/{pipeline.name}-2-" in key for key in pipeline.keys("moved/"))


def test_records_without_transform_are_joined_by_delimiter(pipeline: Pipeline) -> None:
    pipeline.prepare()
    processing = {"Enabled": True, "Processors": [{"Type": "AppendDelimiterToRecord"}]}
    pipeline.create(None, interval=1, ProcessingConfiguration=processing, Prefix="samples/", FileExtension=".txt.gz")
    pipeline.put("one", "two")
    eventually(lambda: len(pipeline.delivered()) == 2)
    assert set(pipeline.delivered()) == {"one", "two"}
    assert all(re.fullmatch(r"samples/\d{4}/\d\d/\d\d/\d\d/.*\.txt\.gz", key) for key in pipeline.keys(""))


def test_objects_are_encrypted_with_configured_key(pipeline: Pipeline) -> None:
    pipeline.prepare()
    key = pipeline.aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    pipeline.aws.client("iam").put_role_policy(
        RoleName=pipeline.name, PolicyName="key", PolicyDocument=document("kms:GenerateDataKey", Resource=key)
    )
    pipeline.create(None, EncryptionConfiguration={"KMSEncryptionConfig": {"AWSKMSKeyARN": key}})
    pipeline.put("one")
    (name,) = eventually(lambda: pipeline.keys("samples/"))
    stored = pipeline.aws.client("s3").head_object(Bucket=pipeline.name, Key=name)
    assert (stored["ServerSideEncryption"], stored["SSEKMSKeyId"]) == ("aws:kms", key)


def test_deletion_delivers_buffered_records(pipeline: Pipeline, transform: str) -> None:
    # given records in a buffer that would be due in 15 minutes
    pipeline.prepare()
    pipeline.create(transform, interval=900)
    pipeline.put("one", "two")
    # when the delivery stream is deleted
    firehose = pipeline.aws.client("firehose")
    firehose.delete_delivery_stream(DeliveryStreamName=pipeline.name)
    # then they are delivered before it is gone
    eventually(lambda: pipeline.name not in firehose.list_delivery_streams(Limit=1000)["DeliveryStreamNames"])
    assert {json.loads(line)["text"] for line in pipeline.delivered()} == {"one", "two"}


def test_stack_updates_and_drains_its_delivery_stream(pipeline: Pipeline, transform: str) -> None:
    # given a delivery stream of a stack, with a record in a buffer that would be due in 15 minutes
    pipeline.prepare()
    cloudformation = pipeline.aws.client("cloudformation")

    def template(interval: int) -> str:
        properties = pipeline.creation(transform, interval=interval)
        return json.dumps({"Resources": {"Delivery": {"Type": RESOURCE_TYPE, "Properties": properties}}})

    def settle(waiter: str) -> None:
        cloudformation.get_waiter(waiter).wait(StackName=pipeline.name, WaiterConfig={"Delay": 1})

    cloudformation.create_stack(StackName=pipeline.name, TemplateBody=template(900))
    settle("stack_create_complete")
    pipeline.put("one")
    # when it is updated wrongly, then the update is rolled back
    cloudformation.update_stack(StackName=pipeline.name, TemplateBody=template(901))
    settle("stack_rollback_complete")
    # when it is updated, then the record is delivered as it says now
    cloudformation.update_stack(StackName=pipeline.name, TemplateBody=template(1))
    settle("stack_update_complete")
    assert [line["text"] for line in lines(pipeline, 1)] == ["one"]
    # when it is deleted with a record in the buffer, then that one has been delivered too
    cloudformation.update_stack(StackName=pipeline.name, TemplateBody=template(900))
    settle("stack_update_complete")
    pipeline.put("two")
    cloudformation.delete_stack(StackName=pipeline.name)
    settle("stack_delete_complete")
    assert {json.loads(line)["text"] for line in pipeline.delivered()} == {"one", "two"}


def test_shutdown_delivers_buffered_records(tmp_path: Path) -> None:
    # given a process that stores objects on disk, and a record in a buffer that is due in 15 minutes
    with running_aws(tmp_path / "log", S3_PERSIST="1", S3_DATA_DIR=str(tmp_path / "s3")) as other_aws:
        pipeline = Pipeline(other_aws, f"samples-{uuid.uuid4().hex[:12]}")
        pipeline.prepare()
        pipeline.create(None, interval=900)
        pipeline.put("one")
    # when it has stopped, then the record is in an object
    (file,) = (tmp_path / "s3").rglob(f"{pipeline.name}-1-*.gz")
    assert gzip.decompress(file.read_bytes()) == b"one"


def test_delivered_object_sends_event(aws: LocalAws, pipeline: Pipeline) -> None:
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    # given a bucket that sends its events to the bus, and a rule that sends new objects to a queue
    pipeline.prepare()
    rule, sqs = pipeline.name, aws.client("sqs")
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:{rule}"
    policy = document(
        "sqs:SendMessage",
        Principal={"Service": "events.amazonaws.com"},
        Resource=arn,
        Condition={"ArnEquals": {"aws:SourceArn": f"arn:aws:events:us-east-1:{ACCOUNT}:rule/{rule}"}},
    )
    url = sqs.create_queue(QueueName=rule, Attributes={"Policy": policy})["QueueUrl"]
    pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": {"bucket": {"name": [rule]}}}
    aws.client("events").put_rule(Name=rule, EventPattern=json.dumps(pattern))
    aws.client("events").put_targets(Rule=rule, Targets=[{"Id": "queue", "Arn": arn}])
    aws.client("s3").put_bucket_notification_configuration(
        Bucket=rule, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    # when Firehose delivers an object
    pipeline.create(None)
    pipeline.put("sample")
    # then its event names it
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
    detail = json.loads(message["Body"])["detail"]
    assert [detail["object"]["key"]] == pipeline.keys("samples/")
    stored = aws.client("s3").head_object(Bucket=rule, Key=detail["object"]["key"])
    assert (detail["object"]["size"], detail["object"]["etag"]) == (stored["ContentLength"], stored["ETag"].strip('"'))
