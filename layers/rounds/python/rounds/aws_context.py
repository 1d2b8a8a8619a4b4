"""What a function of the training loop works with: its settings, its AWS clients, the table's store and a clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

import boto3
from botocore.config import Config

from rounds.store import Store
from rounds.timestamps import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

CONNECT_TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsContext[Settings]:
    """Base of a function's context. Tests pass fakes and a fixed clock; ``connect`` gives the real ones."""

    settings: Settings
    store: Store
    s3: S3Client
    sagemaker: SageMakerClient
    cloudwatch: CloudWatchClient
    clock: Callable[[], datetime] = utc_now


class AwsClients(TypedDict):
    """The fields of ``AwsContext`` that ``connect`` provides."""

    store: Store
    s3: S3Client
    sagemaker: SageMakerClient
    cloudwatch: CloudWatchClient


def build_client_config(*, read_timeout_seconds: float) -> Config:
    """Return the botocore configuration of a function's clients: short timeouts, and botocore's standard retries.

    Standard mode makes at most 3 attempts, with exponential backoff:
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
    """
    return Config(
        connect_timeout=CONNECT_TIMEOUT_SECONDS, read_timeout=read_timeout_seconds, retries={"mode": "standard"}
    )


def open_store(table_name: str, config: Config) -> Store:
    """Return the store over the table of this name."""
    return Store(boto3.resource("dynamodb", config=config).Table(table_name))


def connect(table_name: str, *, read_timeout_seconds: float) -> AwsClients:
    """Create the clients once for each Lambda execution environment; creating them takes some 100 ms.

    Region and credentials come from the environment.
    """
    config = build_client_config(read_timeout_seconds=read_timeout_seconds)
    return {
        "store": open_store(table_name, config),
        "s3": boto3.client("s3", config=config),
        "sagemaker": boto3.client("sagemaker", config=config),
        "cloudwatch": boto3.client("cloudwatch", config=config),
    }
