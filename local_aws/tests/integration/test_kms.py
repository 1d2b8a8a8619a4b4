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

    from local_aws.tests.integration.factories import LocalAws


@pytest.fixture(scope="module")
def key(aws: LocalAws) -> str:
    """A key whose policy leaves it to IAM."""
    return str(aws.client("kms").create_key()["KeyMetadata"]["Arn"])


@pytest.fixture
def somebody(aws: LocalAws, key: str) -> Callable[..., Callable[[str], Any]]:
    """Makes clients of a user who may do everything, but only what is said with the key."""

    def make(*allowed: str) -> Callable[[str], Any]:
        name = f"somebody-{uuid.uuid4().hex[:12]}"
        statements: list[dict[str, Any]] = [
            {"Effect": "Allow", "Action": ["s3:*", "sqs:*", "sns:*", "kinesis:*", "dynamodb:*"], "Resource": "*"}
        ]
        if allowed:
            statements.append({"Effect": "Allow", "Action": list(allowed), "Resource": key})
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        aws.client("iam").create_user(UserName=name)
        aws.client("iam").put_user_policy(UserName=name, PolicyName="allowed", PolicyDocument=document)
        keys = aws.client("iam").create_access_key(UserName=name)["AccessKey"]
        session = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], region_name="us-east-1")
        return lambda service: session.client(service, endpoint_url=aws.endpoint_url)  # type: ignore[call-overload]  # any service

    return make


def refused(call: Callable[..., Any], /, **arguments: Any) -> str:
    """The message of a refusal."""
    with pytest.raises(ClientError, match="AccessDenied") as refusal:
        call(**arguments)
    return str(refusal.value)


def test_encrypted_bucket_requires_its_key(aws: LocalAws, key: str, somebody: Any) -> None:
    bucket = f"encrypted-{uuid.uuid4().hex[:12]}"
    aws.client("s3").create_bucket(Bucket=bucket)
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    aws.client("s3").put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    writer, reader = somebody("kms:GenerateDataKey")("s3"), somebody("kms:Decrypt")("s3")
    writer.put_object(Bucket=bucket, Key="one", Body=b"1")
    assert reader.get_object(Bucket=bucket, Key="one")["Body"].read() == b"1"
    assert "kms:Decrypt" in refused(writer.get_object, Bucket=bucket, Key="one")
    assert "kms:GenerateDataKey" in refused(reader.put_object, Bucket=bucket, Key="two", Body=b"2")


def test_encrypted_queue_requires_its_key(aws: LocalAws, key: str, somebody: Any) -> None:
    name = f"encrypted-{uuid.uuid4().hex[:12]}"
    url = aws.client("sqs").create_queue(QueueName=name, Attributes={"KmsMasterKeyId": key})["QueueUrl"]
    assert "kms:" in refused(somebody("kms:Decrypt")("sqs").send_message, QueueUrl=url, MessageBody="1")
    assert "kms:Decrypt" in refused(somebody("kms:GenerateDataKey")("sqs").receive_message, QueueUrl=url)
    somebody("kms:GenerateDataKey", "kms:Decrypt")("sqs").send_message(QueueUrl=url, MessageBody="1")
    (message,) = somebody("kms:Decrypt")("sqs").receive_message(QueueUrl=url)["Messages"]
    assert message["Body"] == "1"


def test_encrypted_topic_requires_its_key(aws: LocalAws, key: str, somebody: Any) -> None:
    attributes = {"KmsMasterKeyId": key}
    name = f"encrypted-{uuid.uuid4().hex[:12]}"
    topic = aws.client("sns").create_topic(Name=name, Attributes=attributes)["TopicArn"]
    assert "kms:" in refused(somebody()("sns").publish, TopicArn=topic, Message="1")
    somebody("kms:GenerateDataKey", "kms:Decrypt")("sns").publish(TopicArn=topic, Message="1")


def test_encrypted_stream_requires_its_key(aws: LocalAws, key: str, somebody: Any) -> None:
    name = f"encrypted-{uuid.uuid4().hex[:12]}"
    kinesis = aws.client("kinesis")
    kinesis.create_stream(StreamName=name, ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    kinesis.start_stream_encryption(StreamName=name, EncryptionType="KMS", KeyId=key)
    record = {"StreamName": name, "Records": [{"Data": b"1", "PartitionKey": "1"}]}
    assert "kms:GenerateDataKey" in refused(somebody("kms:Decrypt")("kinesis").put_records, **record)
    assert somebody("kms:GenerateDataKey")("kinesis").put_records(**record)["FailedRecordCount"] == 0


def test_resources_encrypted_by_template_require_key(aws: LocalAws, key: str, somebody: Any) -> None:
    # given a stack of an encrypted bucket, stream and table
    name = f"encrypted-{uuid.uuid4().hex[:12]}"
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    rules = [{"ServerSideEncryptionByDefault": default}]
    table = {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "name", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "name", "KeyType": "HASH"}],
        "SSESpecification": {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": key},
    }
    encryption = {"ServerSideEncryptionConfiguration": rules}
    stream = {"Name": name, "ShardCount": 1, "StreamEncryption": {"EncryptionType": "KMS", "KeyId": key}}
    resources = {
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name, "BucketEncryption": encryption}},
        "Stream": {"Type": "AWS::Kinesis::Stream", "Properties": stream},
        "Table": {"Type": "AWS::DynamoDB::Table", "Properties": table},
    }
    cloudformation = aws.client("cloudformation")
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}))
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    # when somebody who may everything but use the key uses them, then the key is what is missing
    outsider, owner = somebody(), somebody("kms:Decrypt", "kms:GenerateDataKey")
    record = {"StreamName": name, "Data": b"1", "PartitionKey": "1"}
    item = {"TableName": name, "Item": {"name": {"S": "1"}}}
    assert "kms:GenerateDataKey" in refused(outsider("s3").put_object, Bucket=name, Key="1", Body=b"1")
    assert "kms:GenerateDataKey" in refused(outsider("kinesis").put_record, **record)
    assert "kms:Decrypt" in refused(outsider("dynamodb").put_item, **item)
    owner("s3").put_object(Bucket=name, Key="1", Body=b"1")
    owner("kinesis").put_record(**record)
    owner("dynamodb").put_item(**item)
    # reading a record takes it too
    (shard,) = owner("kinesis").list_shards(StreamName=name)["Shards"]
    arn = owner("kinesis").describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
    start = {"StreamARN": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
    read = {"StreamARN": arn, "ShardIterator": owner("kinesis").get_shard_iterator(**start)["ShardIterator"]}
    assert "kms:Decrypt" in refused(outsider("kinesis").get_records, **read)
    assert len(owner("kinesis").get_records(**read)["Records"]) == 1


def test_missing_object_without_list_permission_is_forbidden(aws: LocalAws) -> None:
    bucket, name = f"quiet-{uuid.uuid4().hex[:12]}", f"reader-{uuid.uuid4().hex[:12]}"
    aws.client("s3").create_bucket(Bucket=bucket)
    iam = aws.client("iam")
    iam.create_user(UserName=name)
    keys = iam.create_access_key(UserName=name)["AccessKey"]
    session = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], region_name="us-east-1")
    reader = session.client("s3", endpoint_url=aws.endpoint_url)
    for actions, code in ((["s3:GetObject"], "AccessDenied"), (["s3:GetObject", "s3:ListBucket"], "NoSuchKey")):
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=name, PolicyName="reads", PolicyDocument=document)
        with pytest.raises(ClientError, match=code):
            reader.get_object(Bucket=bucket, Key="not-there")


def test_aws_managed_key_requires_no_permission(aws: LocalAws, somebody: Any) -> None:
    name = f"encrypted-{uuid.uuid4().hex[:12]}"
    attributes = {"KmsMasterKeyId": "alias/aws/sqs"}
    url = aws.client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    somebody()("sqs").send_message(QueueUrl=url, MessageBody="1")
