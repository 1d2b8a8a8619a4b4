"""Counting at the embedded AWS what a path from a message to S3 does: ours as it is deployed, and the workshop's."""

from __future__ import annotations

import gzip
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.prices import Counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dwell.local.emulator_process import Laptop

BUFFER_SECONDS = 15
"""Of the transform and of both deliveries: the same for both paths, longer than it takes to publish."""


@dataclass(frozen=True, slots=True)
class Route:
    """A deployed path."""

    topic_arn: str
    functions: tuple[str, ...]
    bucket: str
    prefix: str
    stream: str | None
    """The Kinesis stream; none if messages go to Firehose one by one."""


def workshop(laptop: Laptop) -> Route:
    """Deploy the workshop's path: topic, function, delivery stream, bucket."""
    code = Path(__file__).with_name("baselines").joinpath("forwarder.py").read_text(encoding="utf-8")
    cloudformation = laptop.client("cloudformation")
    cloudformation.create_stack(
        StackName="workshop", TemplateBody=json.dumps(_template(code)), Capabilities=["CAPABILITY_IAM"]
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName="workshop", WaiterConfig={"Delay": 1})
    (stack,) = cloudformation.describe_stacks(StackName="workshop")["Stacks"]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
    return Route(outputs["Topic"], (outputs["Function"],), outputs["Bucket"], "samples/", None)


def _template(code: str) -> dict[str, Any]:
    def role(service: str, *allow: dict[str, Any]) -> dict[str, Any]:
        trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        policy = {
            "PolicyName": "allow",
            "PolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one} for one in allow]},
        }
        document = {"Version": "2012-10-17", "Statement": [trust]}
        return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": document, "Policies": [policy]}}

    def arn(name: str) -> dict[str, Any]:
        return {"Fn::GetAtt": [name, "Arn"]}

    objects = {"Fn::Sub": "${Bucket.Arn}/*"}
    logs = {"Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"}
    delivery = {
        "BucketARN": arn("Bucket"), "RoleARN": arn("DeliveryRole"), "Prefix": "samples/", "CompressionFormat": "GZIP",
        "BufferingHints": {"IntervalInSeconds": BUFFER_SECONDS, "SizeInMBs": 64},
    }  # fmt: skip
    function = {
        "Runtime": "python3.12", "Handler": "index.handler", "Code": {"ZipFile": code}, "Role": arn("Role"),
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
            "DeliveryRole": role("firehose.amazonaws.com", {"Action": "s3:PutObject", "Resource": objects}),
            "Delivery": {
                "Type": "AWS::KinesisFirehose::DeliveryStream",
                "Properties": {"DeliveryStreamType": "DirectPut", "ExtendedS3DestinationConfiguration": delivery},
            },
            "Role": role("lambda.amazonaws.com", {"Action": "firehose:PutRecord", "Resource": arn("Delivery")}, logs),
            "Function": {"Type": "AWS::Lambda::Function", "Properties": function},
            "MayInvoke": {"Type": "AWS::Lambda::Permission", "Properties": permission},
            "Subscription": {
                "Type": "AWS::SNS::Subscription",
                "Properties": {"Protocol": "lambda", "TopicArn": {"Ref": "Topic"}, "Endpoint": arn("Function")},
            },
        },
        "Outputs": {name: {"Value": {"Ref": name}} for name in ("Topic", "Function", "Bucket")},
    }


def count(laptop: Laptop, path: Route, messages: Sequence[bytes], samples: int) -> Counted:
    """Publish the messages, wait until their samples lie in S3, and count what that took."""
    sns = laptop.client("sns")
    before = _Totals.of(laptop, path)
    for message in messages:
        sns.publish(TopicArn=path.topic_arn, Message=message.decode())
    wanted = before.samples + samples
    _wait(lambda: _stored(laptop, path)[1] >= wanted)
    after = _Totals.of(laptop, path)
    records = after.records[len(before.records) :] if path.stream else [len(message) for message in messages]
    return Counted(
        samples=samples,
        publishes=[len(message) for message in messages],
        invocations=after.invocations - before.invocations,
        gb_seconds=after.gb_seconds - before.gb_seconds,
        stream_records=records if path.stream else (),
        delivered_records=records,
        # Firehose gathers what is put within its buffer; the local one does so only behind a stream
        objects=after.objects - before.objects if path.stream else 1,
        log_events=after.log_events - before.log_events,
        log_bytes=after.log_bytes - before.log_bytes,
    )


@dataclass(frozen=True, slots=True)
class _Totals:
    """What a path has done since it was deployed."""

    invocations: int
    gb_seconds: float
    records: list[int]
    objects: int
    samples: int
    log_events: int
    log_bytes: int

    @classmethod
    def of(cls, laptop: Laptop, path: Route) -> _Totals:
        invocations = gb_seconds = 0.0
        events = size = 0
        for function in path.functions:
            settings = laptop.client("lambda").get_function_configuration(FunctionName=function)
            invocations += _metric(laptop, function, "Invocations")
            gb_seconds += _metric(laptop, function, "Duration") / 1_000 * settings["MemorySize"] / 1_024
            messages = _log(laptop, f"/aws/lambda/{function}")
            events += len(messages)
            size += sum(len(message.encode()) for message in messages)
        objects, samples = _stored(laptop, path)
        return cls(int(invocations), gb_seconds, _records(laptop, path.stream), objects, samples, events, size)


def _metric(laptop: Laptop, function: str, name: str) -> float:
    now = datetime.now(UTC)
    answer = laptop.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda", MetricName=name, Dimensions=[{"Name": "FunctionName", "Value": function}],
        StartTime=now - timedelta(hours=1), EndTime=now + timedelta(minutes=1), Period=3_600, Statistics=["Sum"],
    )  # fmt: skip
    return float(sum(point["Sum"] for point in answer["Datapoints"]))


def _log(laptop: Laptop, group: str) -> list[str]:
    logs = laptop.client("logs")
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    try:
        return [event["message"] for page in pages for event in page["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return []  # nothing has been logged yet


def _records(laptop: Laptop, stream: str | None) -> list[int]:
    if stream is None:
        return []
    kinesis = laptop.client("kinesis")
    sizes: list[int] = []
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while True:
            answer = kinesis.get_records(ShardIterator=iterator)
            if not answer["Records"]:
                break
            sizes += [len(record["Data"]) for record in answer["Records"]]
            iterator = answer["NextShardIterator"]
    return sizes


def _stored(laptop: Laptop, path: Route) -> tuple[int, int]:
    """Objects, and samples in them: our rows end with a newline, the workshop's samples run together."""
    s3 = laptop.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=path.bucket, Prefix=path.prefix)
    keys = [one["Key"] for page in pages for one in page.get("Contents", [])]
    texts = [_text(s3.get_object(Bucket=path.bucket, Key=key)["Body"].read()) for key in keys]
    return len(keys), sum(text.count(b"\n") if path.stream else text.count(b'"sample_id"') for text in texts)


def _text(content: bytes) -> bytes:
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


def _wait(until: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise TimeoutError("the samples did not arrive in S3")
        time.sleep(0.5)
