"""What is encrypted with a customer managed key is open to those only who may use the key."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dwell.local.laptop import Laptop


@pytest.fixture(scope="module")
def key(laptop: Laptop) -> str:
    """A key whose policy leaves it to IAM."""
    return str(laptop.client("kms").create_key()["KeyMetadata"]["Arn"])


@pytest.fixture
def somebody(laptop: Laptop, key: str) -> Callable[..., Callable[[str], Any]]:
    """Makes clients of a user who may do everything, but only what is said with the key."""

    def make(*allowed: str) -> Callable[[str], Any]:
        name = f"somebody-{uuid.uuid4().hex[:12]}"
        statements: list[dict[str, Any]] = [
            {"Effect": "Allow", "Action": ["s3:*", "sqs:*", "sns:*", "kinesis:*"], "Resource": "*"}
        ]
        if allowed:
            statements.append({"Effect": "Allow", "Action": list(allowed), "Resource": key})
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        laptop.client("iam").create_user(UserName=name)
        laptop.client("iam").put_user_policy(UserName=name, PolicyName="allowed", PolicyDocument=document)
        keys = laptop.client("iam").create_access_key(UserName=name)["AccessKey"]
        session = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], region_name="us-east-1")
        return lambda service: session.client(service, endpoint_url=laptop.endpoint_url)  # type: ignore[call-overload]  # any service

    return make


def refused(call: Callable[..., Any], /, **arguments: Any) -> str:
    """The message of a refusal."""
    with pytest.raises(ClientError, match="AccessDenied") as refusal:
        call(**arguments)
    return str(refusal.value)


def test_an_encrypted_bucket_takes_its_key(laptop: Laptop, key: str, somebody: Any) -> None:
    bucket = f"encrypted-{uuid.uuid4().hex[:12]}"
    laptop.client("s3").create_bucket(Bucket=bucket)
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    laptop.client("s3").put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    writer, reader = somebody("kms:GenerateDataKey")("s3"), somebody("kms:Decrypt")("s3")
    writer.put_object(Bucket=bucket, Key="one", Body=b"1")
    assert reader.get_object(Bucket=bucket, Key="one")["Body"].read() == b"1"
    assert "kms:Decrypt" in refused(writer.get_object, Bucket=bucket, Key="one")
    assert "kms:GenerateDataKey" in refused(reader.put_object, Bucket=bucket, Key="two", Body=b"2")


def test_an_encrypted_queue_takes_its_key(laptop: Laptop, key: str, somebody: Any) -> None:
    name = f"encrypted-{uuid.uuid4().hex[:12]}"
    url = laptop.client("sqs").create_queue(QueueName=name, Attributes={"KmsMasterKeyId": key})["QueueUrl"]
    assert "kms:" in refused(somebody("kms:Decrypt")("sqs").send_message, QueueUrl=url, MessageBody="1")
    assert "kms:Decrypt" in refused(somebody("kms:GenerateDataKey")("sqs").receive_message, QueueUrl=url)
    somebody("kms:GenerateDataKey", "kms:Decrypt")("sqs").send_message(QueueUrl=url, MessageBody="1")
    (message,) = somebody("kms:Decrypt")("sqs").receive_message(QueueUrl=url)["Messages"]
    assert message["Body"] == "1"


def test_an_encrypted_topic_takes_its_key(laptop: Laptop, key: str, somebody: Any) -> None:
    attributes = {"KmsMasterKeyId": key}
    name = f"encrypted-{uuid.uuid4().hex[:12]}"
    topic = laptop.client("sns").create_topic(Name=name, Attributes=attributes)["TopicArn"]
    assert "kms:" in refused(somebody()("sns").publish, TopicArn=topic, Message="1")
    somebody("kms:GenerateDataKey", "kms:Decrypt")("sns").publish(TopicArn=topic, Message="1")


def test_an_encrypted_stream_takes_its_key(laptop: Laptop, key: str, somebody: Any) -> None:
    name = f"encrypted-{uuid.uuid4().hex[:12]}"
    kinesis = laptop.client("kinesis")
    kinesis.create_stream(StreamName=name, ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    kinesis.start_stream_encryption(StreamName=name, EncryptionType="KMS", KeyId=key)
    record = {"StreamName": name, "Records": [{"Data": b"1", "PartitionKey": "1"}]}
    assert "kms:GenerateDataKey" in refused(somebody("kms:Decrypt")("kinesis").put_records, **record)
    assert somebody("kms:GenerateDataKey")("kinesis").put_records(**record)["FailedRecordCount"] == 0


def test_what_aws_encrypts_with_its_own_key_takes_nothing(laptop: Laptop, somebody: Any) -> None:
    name = f"encrypted-{uuid.uuid4().hex[:12]}"
    attributes = {"KmsMasterKeyId": "alias/aws/sqs"}
    url = laptop.client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    somebody()("sqs").send_message(QueueUrl=url, MessageBody="1")
