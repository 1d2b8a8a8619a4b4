"""What tests of SageMaker create: objects, roles, users, archives of small scripts."""

from __future__ import annotations

import io
import tarfile
import textwrap
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3

from local_aws.tests.integration.factories import policy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local_aws.tests.integration.factories import LocalAws

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"


@dataclass(frozen=True)
class Stage:
    """A bucket, and a role with which SageMaker has access to it."""

    aws: LocalAws
    bucket: str
    role: str

    def client(self, service: str) -> Any:
        """A client with the account's keys."""
        return self.aws.client(service)

    def uri(self, key: str) -> str:
        """The S3 URI of a key in the bucket."""
        return f"s3://{self.bucket}/{key}"

    def put(self, key: str, body: bytes | str) -> str:
        """Store an object; returns its S3 URI."""
        self.client("s3").put_object(Bucket=self.bucket, Key=key, Body=body)
        return self.uri(key)

    def packed(self, key: str, files: Mapping[str, str]) -> str:
        """Store a ``.tar.gz`` of texts; returns its S3 URI."""
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w:gz") as archive:
            for name, text in files.items():
                body = textwrap.dedent(text).encode()
                member = tarfile.TarInfo(name)
                member.size = len(body)
                archive.addfile(member, io.BytesIO(body))
        return self.put(key, content.getvalue())

    def unpacked(self, key: str) -> dict[str, bytes]:
        """The files in a ``.tar.gz``."""
        body = self.client("s3").get_object(Bucket=self.bucket, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body)) as archive:
            files = {member.name: archive.extractfile(member) for member in archive.getmembers() if member.isfile()}
            return {name: content.read() for name, content in files.items() if content is not None}

    def make_role(self, *statements: dict[str, Any], service: str = "sagemaker.amazonaws.com") -> str:
        """Create a role for ``service`` with these permissions; returns its ARN."""
        name = f"role-{uuid.uuid4().hex[:12]}"
        trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        iam = self.client("iam")
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))["Role"]["Arn"]
        if statements:
            iam.put_role_policy(RoleName=name, PolicyName="allow", PolicyDocument=policy(*statements))
        return str(arn)

    def as_user(self, service: str, *statements: dict[str, Any]) -> Any:
        """A client with the keys of a new user with these permissions."""
        name = f"user-{uuid.uuid4().hex[:12]}"
        iam = self.client("iam")
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="allow", PolicyDocument=policy(*statements))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")
        # the type checker's overloads want a literal service name
        return session.client(service, endpoint_url=self.aws.endpoint_url)  # type: ignore[call-overload]

    def log(self, group: str, prefix: str) -> str:
        """All lines of a log group's streams with the prefix; empty if the group does not exist."""
        logs = self.client("logs")
        try:
            events = logs.filter_log_events(logGroupName=group, logStreamNamePrefix=prefix)["events"]
        except logs.exceptions.ResourceNotFoundException:
            return ""
        return "\n".join(event["message"] for event in events)


def describe_until(describe: Callable[[], dict[str, Any]], field: str, *, ends: tuple[str, ...]) -> dict[str, Any]:
    """The first description whose ``field`` is one of ``ends``, within 60 s."""
    for _ in range(600):
        description = describe()
        if description[field] in ends:
            return description
        time.sleep(0.1)
    raise AssertionError(f"{field} is still {description[field]}: {description}")
