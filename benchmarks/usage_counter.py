"""Counts on the local AWS what a path from a message to S3 uses: our deployed one, or the workshop's."""

from __future__ import annotations

import gzip
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.cost import Usage
from rounds import s3_prefixes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dwell.local.emulator_process import Laptop

BUFFER_SECONDS = 15
"""Buffering interval of the transform and of both deliveries; longer than publishing takes."""


@dataclass(frozen=True, slots=True)
class DeployedPath:
    """A deployed path from a topic to objects in S3."""

    topic_arn: str
    functions: tuple[str, ...]
    bucket: str
    prefix: str
    stream: str | None
    """The Kinesis stream; None if messages go to Firehose one by one."""


def deploy_workshop_path(laptop: Laptop) -> DeployedPath:
    """Deploy the workshop's path: topic, function, delivery stream, bucket."""
    code = Path(__file__).with_name("baselines").joinpath("forwarder.py").read_text(encoding="utf-8")
    cloudformation = laptop.client("cloudformation")
    cloudformation.create_stack(
        StackName="workshop", TemplateBody=json.dumps(_build_template(code)), Capabilities=["CAPABILITY_IAM"]
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName="workshop", WaiterConfig={"Delay": 1})
    (stack,) = cloudformation.describe_stacks(StackName="workshop")["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    return DeployedPath(outputs["Topic"], (outputs["Function"],), outputs["Bucket"], s3_prefixes.SAMPLES, None)


def _build_template(code: str) -> dict[str, Any]:
    def build_role(service: str, *statements: dict[str, Any]) -> dict[str, Any]:
        trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        policy = {
            "PolicyName": "allow",
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", **statement} for statement in statements],
            },
        }
        document = {"Version": "2012-10-17", "Statement": [trust]}
        return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": document, "Policies": [policy]}}

    def get_arn(name: str) -> dict[str, Any]:
        return {"Fn::GetAtt": [name, "Arn"]}

    objects = {"Fn::Sub": "${Bucket.Arn}/*"}
    logs = {"Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"}
    delivery = {
        "BucketARN": get_arn("Bucket"), "RoleARN": get_arn("DeliveryRole"), "Prefix": s3_prefixes.SAMPLES,
        "CompressionFormat": "GZIP",
        "BufferingHints": {"IntervalInSeconds": BUFFER_SECONDS, "SizeInMBs": 64},
    }  # fmt: skip
    function = {
        "Runtime": "python3.12", "Handler": "index.handler", "Code": {"ZipFile": code}, "Role": get_arn("Role"),
        "MemorySize": 512, "Timeout": 30, "Environment": {"Variables": {"STREAM_NAME": {"Ref": "Delivery"}}},
    }  # fmt: skip
    permission = {
        "Action": "lambda:InvokeFunction", "FunctionName": {"Ref": "Function"}, "Principal": "sns.amazonaws.com",
        "SourceArn": {"Ref": "Topic"},
    }  # fmt: skip
    return {
        "Resources": {
            "Topic": {"Type": "AWS::SNS::Topic"},
            "Bucket": {"Type": "AWS::S3::Bucket"},
            "DeliveryRole": build_role("firehose.amazonaws.com", {"Action": "s3:PutObject", "Resource": objects}),
            "Delivery": {
                "Type": "AWS::KinesisFirehose::DeliveryStream",
                "Properties": {"DeliveryStreamType": "DirectPut", "ExtendedS3DestinationConfiguration": delivery},
            },
            "Role": build_role(
                "lambda.amazonaws.com", {"Action": "firehose:PutRecord", "Resource": get_arn("Delivery")}, logs
            ),
            "Function": {"Type": "AWS::Lambda::Function", "Properties": function},
            "MayInvoke": {"Type": "AWS::Lambda::Permission", "Properties": permission},
            "Subscription": {
                "Type": "AWS::SNS::Subscription",
                "Properties": {"Protocol": "lambda", "TopicArn": {"Ref": "Topic"}, "Endpoint": get_arn("Function")},
            },
        },
        "Outputs": {name: {"Value": {"Ref": name}} for name in ("Topic", "Function", "Bucket")},
    }


def count_usage(laptop: Laptop, path: DeployedPath, messages: Sequence[bytes], samples: int) -> Usage:
    """Publish the messages, wait until their samples are stored in S3, and return what that used.

    Raises ``TimeoutError`` if they are not stored within 120 s.
    """
    sns = laptop.client("sns")
    before = _Totals.read(laptop, path)
    for message in messages:
        sns.publish(TopicArn=path.topic_arn, Message=message.decode())
    expected_samples = before.samples + samples
    _wait(lambda: _count_stored(laptop, path)[1] >= expected_samples)
    after = _Totals.read(laptop, path)
    records = after.records[len(before.records) :] if path.stream else [len(message) for message in messages]
    return Usage(
        samples=samples,
        publishes=[len(message) for message in messages],
        invocations=after.invocations - before.invocations,
        gb_seconds=after.gb_seconds - before.gb_seconds,
        stream_records=records if path.stream else (),
        delivered_records=records,
        # Firehose buffers records put directly; the local one buffers only those of a stream
        objects=after.objects - before.objects if path.stream else 1,
        log_events=after.log_events - before.log_events,
        log_bytes=after.log_bytes - before.log_bytes,
    )


@dataclass(frozen=True, slots=True)
class _Totals:
    """What a path has used since it was deployed."""

    invocations: int
    gb_seconds: float
    records: list[int]
    objects: int
    samples: int
    log_events: int
    log_bytes: int

    @classmethod
    def read(cls, laptop: Laptop, path: DeployedPath) -> _Totals:
        invocations = gb_seconds = 0.0
        events = size = 0
        for function in path.functions:
            settings = laptop.client("lambda").get_function_configuration(FunctionName=function)
            invocations += _sum_metric(laptop, function, "Invocations")
            gb_seconds += _sum_metric(laptop, function, "Duration") / 1_000 * settings["MemorySize"] / 1_024
            messages = _read_log(laptop, f"/aws/lambda/{function}")
            events += len(messages)
            size += sum(len(message.encode()) for message in messages)
        objects, samples = _count_stored(laptop, path)
        return cls(
            int(invocations), gb_seconds, _read_record_sizes(laptop, path.stream), objects, samples, events, size
        )


def _sum_metric(laptop: Laptop, function: str, name: str) -> float:
    now = datetime.now(UTC)
    response = laptop.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda", MetricName=name, Dimensions=[{"Name": "FunctionName", "Value": function}],
        StartTime=now - timedelta(hours=1), EndTime=now + timedelta(minutes=1), Period=3_600, Statistics=["Sum"],
    )  # fmt: skip
    return float(sum(point["Sum"] for point in response["Datapoints"]))


def _read_log(laptop: Laptop, group: str) -> list[str]:
    logs = laptop.client("logs")
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    try:
        return [event["message"] for page in pages for event in page["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return []  # the function has not logged anything yet


def _read_record_sizes(laptop: Laptop, stream: str | None) -> list[int]:
    if stream is None:
        return []
    kinesis = laptop.client("kinesis")
    sizes: list[int] = []
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while True:
            response = kinesis.get_records(ShardIterator=iterator)
            if not response["Records"]:
                break
            sizes += [len(record["Data"]) for record in response["Records"]]
            iterator = response["NextShardIterator"]
    return sizes


def _count_stored(laptop: Laptop, path: DeployedPath) -> tuple[int, int]:
    """Return the numbers of objects and samples. Our rows end with a newline, the workshop's JSON does not."""
    s3 = laptop.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=path.bucket, Prefix=path.prefix)
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    texts = [_decompress(s3.get_object(Bucket=path.bucket, Key=key)["Body"].read()) for key in keys]
    return len(keys), sum(text.count(b"\n") if path.stream else text.count(b'"sample_id"') for text in texts)


def _decompress(content: bytes) -> bytes:
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


def _wait(is_done: Callable[[], bool], timeout_seconds: float = 120) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not is_done():
        if time.monotonic() > deadline:
            raise TimeoutError("the samples were not stored in S3 in time")
        time.sleep(0.5)
