"""Access to S3, CloudWatch and CloudWatch Logs with a role that was passed to SageMaker."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from local_aws.iam import service_role
from local_aws.sagemaker import channels
from local_aws.sagemaker.errors import JobError, invalid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local_aws.sagemaker.channels import Channel, Download, Location

PRINCIPAL = "sagemaker.amazonaws.com"


def require_role(role_arn: object, resource_arn: str) -> str:
    """Return the role's ARN if SageMaker may assume it for ``resource_arn``; otherwise raise ``ApiError``."""
    if not isinstance(role_arn, str) or not role_arn:
        raise invalid("The request needs the ARN of a role.")
    try:
        service_role.check_trust(role_arn, service=PRINCIPAL, source_arn=resource_arn)
    except service_role.RoleRefusedError as error:
        raise invalid(
            f"Could not assume role {role_arn}. Please ensure that the role exists and allows principal "
            f"'{PRINCIPAL}' to assume the role."
        ) from error
    return role_arn


class RoleAccess:
    """The requests of a job or a model. Each raises ``JobError`` with the denied action if it fails."""

    def __init__(self, role_arn: str, resource_arn: str) -> None:
        self.role_arn = role_arn
        try:
            session = service_role.assume(
                role_arn, service=PRINCIPAL, source_arn=resource_arn, session_name="SageMaker"
            )
        except service_role.RoleRefusedError as error:
            raise JobError(f"ClientError: Could not assume the role: {error}") from error
        self._session = session
        self._s3 = service_role.client(session, "s3")
        self.logs: Any = service_role.client(session, "logs")

    @functools.cached_property
    def alarms(self) -> Any:
        """A client of CloudWatch."""
        return service_role.client(self._session, "cloudwatch")

    def download_channel(self, channel: Channel, folder: Path) -> None:
        """Download the objects of a channel into ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        if channel.is_manifest:
            downloads = channels.downloads_of_manifest(self.read(channel.location), channel.location)
        else:
            downloads = list(self._listed(channel.location))
        if not downloads:
            raise JobError(
                f"ClientError: Data download failed: No S3 objects found under S3 URL {channel.location} "
                f"(channel {channel.name}) that the role {self.role_arn} may list"
            )
        for download in downloads:
            self.download(download.location, folder / download.path)

    def download(self, location: Location, path: Path) -> None:
        """Write an object to ``path``."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.read(location))

    def read(self, location: Location) -> bytes:
        """The content of an object."""
        try:
            return bytes(self._s3.get_object(Bucket=location.bucket, Key=location.key)["Body"].read())
        except (ClientError, BotoCoreError) as error:
            raise self._failed("download", "s3:GetObject", location, error) from error

    def upload(self, path: Path, location: Location, key_id: str | None) -> None:
        """Store a file, encrypted with the KMS key ``key_id`` if it is not None."""
        encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_id} if key_id else {}
        try:
            with path.open("rb") as body:
                self._s3.put_object(Bucket=location.bucket, Key=location.key, Body=body, **encryption)
        except (ClientError, BotoCoreError) as error:
            raise self._failed("upload", "s3:PutObject", location, error) from error

    def _listed(self, prefix: Location) -> Iterator[Download]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=prefix.bucket, Prefix=prefix.key)
        try:
            for page in pages:
                for summary in page.get("Contents", ()):
                    if not summary["Key"].endswith("/"):  # a folder's marker
                        yield channels.download_of_key(prefix, summary["Key"])
        except (ClientError, BotoCoreError) as error:
            raise self._failed("download", "s3:ListBucket", prefix, error) from error

    def _failed(self, transfer: str, action: str, location: Location, error: Exception) -> JobError:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
        if code in ("AccessDenied", "403"):
            detail = f"Access denied: the role {self.role_arn} is not allowed {action} on {location}"
        else:
            detail = f"{code} for {location}: {error}"
        return JobError(f"ClientError: Data {transfer} failed: {detail}")
