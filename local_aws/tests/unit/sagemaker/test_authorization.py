"""Operations and resources for IAM."""

from __future__ import annotations

import json

import pytest

from local_aws.sagemaker import authorization
from local_aws.sagemaker.names import Scope

SCOPE = Scope("000000000000", "us-east-1")


@pytest.mark.parametrize(
    ("operation", "request_body", "resource"),
    [
        ("CreateTrainingJob", {"TrainingJobName": "A-1"}, "training-job/a-1"),
        ("CreateEndpointConfig", {"EndpointConfigName": "c"}, "endpoint-config/c"),
        ("UpdateEndpoint", {"EndpointName": "e", "EndpointConfigName": "c"}, "endpoint/e"),
        ("DeleteModel", {"ModelName": "m"}, "model/m"),
    ],
)
def test_resource_arn_is_in_lower_case(operation: str, request_body: dict[str, str], resource: str) -> None:
    arn = authorization.resource_of(operation, "/", json.dumps(request_body).encode(), SCOPE)
    assert arn == f"arn:aws:sagemaker:us-east-1:000000000000:{resource}"


def test_header_decides_operation_before_path() -> None:
    # given a request that names one operation in its header and another in its path
    path = "/endpoints/Mine/invocations"
    # when and then: the header decides for both
    assert authorization.operation_of({"x-amz-target": "SageMaker.ListModels"}, path) == "ListModels"
    assert authorization.operation_of({}, path) == "InvokeEndpoint"
    assert authorization.operation_of({}, "/somewhere") is None
    assert authorization.resource_of("InvokeEndpoint", path, b"", SCOPE).endswith(":endpoint/mine")
    assert authorization.resource_of("ListModels", path, b"{}", SCOPE) == "*"
