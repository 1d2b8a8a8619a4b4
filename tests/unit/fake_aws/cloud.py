"""All fakes together, at one time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, cast

from tests.unit.fake_aws.cloudwatch import FakeCloudWatch
from tests.unit.fake_aws.requests import NOW, Steps
from tests.unit.fake_aws.s3 import FakeS3
from tests.unit.fake_aws.sagemaker import FakeSageMaker
from tests.unit.fake_aws.table import FakeTable

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

STACK = "dwell"


class Cloud:
    """All of it, and a clock that stands until a test moves it."""

    def __init__(self) -> None:
        self.steps = Steps()
        self.table = FakeTable(self.steps)
        self.s3 = FakeS3(self.steps)
        self.sagemaker = FakeSageMaker(self.steps)
        self.cloudwatch = FakeCloudWatch(self.steps)
        self.time = NOW
        self.move(timedelta())

    def count_requests_in(self, steps: Steps) -> None:
        """Let every service count its requests in ``steps`` from now on, and do with them what those do."""
        self.steps = self.table.steps = self.s3.steps = self.sagemaker.steps = self.cloudwatch.steps = steps

    def move(self, by: timedelta) -> None:
        self.time += by
        self.s3.now = self.sagemaker.now = self.cloudwatch.now = self.time

    def clock(self) -> datetime:
        return self.time

    def clients(self) -> tuple[Table, S3Client, SageMakerClient, CloudWatchClient]:
        """The fakes under the types of what they stand for."""
        return (
            cast("Table", self.table),
            cast("S3Client", self.s3),
            cast("SageMakerClient", self.sagemaker),
            cast("CloudWatchClient", self.cloudwatch),
        )
