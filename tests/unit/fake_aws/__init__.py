"""Fakes of the AWS services behind the loop: they keep state, refuse what AWS refuses, and can die at any step.

Requests are checked against botocore's own service models, so a request that boto3 would not send is not taken here.
"""

from tests.unit.fake_aws.cloud import STACK, Cloud
from tests.unit.fake_aws.cloudwatch import FakeCloudWatch
from tests.unit.fake_aws.requests import NOW, Pages, ProcessDied, Steps, make_client_error, validate_request
from tests.unit.fake_aws.s3 import BUCKET, FakeS3
from tests.unit.fake_aws.sagemaker import ENDPOINT

__all__ = [
    "BUCKET",
    "ENDPOINT",
    "NOW",
    "STACK",
    "Cloud",
    "FakeCloudWatch",
    "FakeS3",
    "Pages",
    "ProcessDied",
    "Steps",
    "make_client_error",
    "validate_request",
]
