"""A bucket that wants TLS is usable over the loopback, and its policy's other denials stay in force."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from local_aws.tests.integration.factories import LocalAws


def test_bucket_that_requires_tls_accepts_loopback_requests(aws: LocalAws) -> None:
    # given a user with full access, and a bucket whose policy denies what comes without TLS, and all of one folder
    name = f"data-{uuid.uuid4().hex[:12]}"
    aws.client("s3").create_bucket(Bucket=name)
    everything = [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]
    statements = [
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": everything,
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
        {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{name}/locked/*"},
    ]
    aws.client("s3").put_bucket_policy(
        Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements})
    )
    iam = aws.client("iam")
    iam.create_user(UserName=name)
    allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": everything}
    iam.put_user_policy(
        UserName=name,
        PolicyName="data",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
    )
    key = iam.create_access_key(UserName=name)["AccessKey"]
    s3 = boto3.client(
        "s3",
        endpoint_url=aws.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    # when the user writes over plain HTTP, then only the folder is denied
    s3.put_object(Bucket=name, Key="open/one", Body=b"1")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket=name, Key="locked/one", Body=b"1")
