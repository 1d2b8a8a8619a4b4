"""The model registry: versions in a group, approval with its event, permissions by ARN, templates."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"
CONTENT = {
    "Containers": [{"Image": IMAGE, "ModelDataUrl": "s3://bucket/model.tar.gz"}],
    "SupportedContentTypes": ["text/csv"],
    "SupportedResponseMIMETypes": ["application/json"],
}
ARN = "arn:aws:sagemaker:us-east-1:000000000000"


@pytest.fixture
def group(stage: Any) -> str:
    """A new group; its name."""
    name = f"group-{uuid.uuid4().hex[:12]}"
    stage.client("sagemaker").create_model_package_group(ModelPackageGroupName=name)
    return name


@pytest.fixture
def register(stage: Any, group: str) -> Callable[..., str]:
    """Makes a package in the group; its ARN."""

    def create(client: Any = None, **more: Any) -> str:
        request = {"ModelPackageGroupName": group, "InferenceSpecification": CONTENT, **more}
        return str((client or stage.client("sagemaker")).create_model_package(**request)["ModelPackageArn"])

    return create


def test_versions_count_up_and_repeated_token_creates_one(stage: Any, group: str, register: Any) -> None:
    first = register(ClientToken="one", CustomerMetadataProperties={"model": "m-1"})
    assert register(ClientToken="one") == first == f"{ARN}:model-package/{group}/1"
    second = register(ClientToken="two", ModelApprovalStatus="Approved")
    assert second.endswith("/2")
    sagemaker = stage.client("sagemaker")
    description = sagemaker.describe_model_package(ModelPackageName=first)
    assert (description["ModelApprovalStatus"], description["ModelPackageStatus"]) == (
        "PendingManualApproval",
        "Completed",
    )
    assert description["CustomerMetadataProperties"] == {"model": "m-1"}
    assert description["InferenceSpecification"]["Containers"][0]["ModelDataUrl"] == "s3://bucket/model.tar.gz"
    listed = sagemaker.list_model_packages(ModelPackageGroupName=group)["ModelPackageSummaryList"]
    assert [package["ModelPackageVersion"] for package in listed] == [2, 1]
    approved = sagemaker.list_model_packages(ModelPackageGroupName=group, ModelApprovalStatus="Approved")
    assert [package["ModelPackageArn"] for package in approved["ModelPackageSummaryList"]] == [second]


def test_approval_sends_event_with_reason(stage: Any, group: str, register: Any, sent: Any) -> None:
    package = register()
    stage.client("sagemaker").update_model_package(
        ModelPackageArn=package, ModelApprovalStatus="Rejected", ApprovalDescription="too simple"
    )
    events = sent("1", lambda event: event["resources"] == [package] and event["detail"].get("ApprovalDescription"))
    states = [event for event in events if event["resources"] == [package]]
    assert {event["detail-type"] for event in states} == {"SageMaker Model Package State Change"}
    assert [event["detail"]["ModelApprovalStatus"] for event in states] == ["PendingManualApproval", "Rejected"]
    assert states[-1]["detail"]["ModelPackageGroupName"] == group
    described = stage.client("sagemaker").describe_model_package(ModelPackageName=package)
    assert (described["ModelApprovalStatus"], described["ApprovalDescription"]) == ("Rejected", "too simple")


def test_permissions_apply_to_group_and_package_arns(stage: Any, group: str, register: Any) -> None:
    # given somebody who may register, and somebody who may only look
    packages = {"Effect": "Allow", "Resource": f"{ARN}:model-package/{group}/*"}
    may = stage.as_user("sagemaker", {**packages, "Action": "sagemaker:CreateModelPackage"})
    looks = stage.as_user("sagemaker", {**packages, "Action": "sagemaker:DescribeModelPackage"})
    # when and then
    package = register(may)
    assert looks.describe_model_package(ModelPackageName=package)["ModelPackageVersion"] == 1
    with pytest.raises(ClientError, match="AccessDenied"):
        register(looks)
    with pytest.raises(ClientError, match="AccessDenied"):
        may.update_model_package(ModelPackageArn=package, ModelApprovalStatus="Approved")


def test_invalid_requests_are_refused(stage: Any, group: str, register: Any) -> None:
    sagemaker = stage.client("sagemaker")
    with pytest.raises(ClientError, match="already exists"):
        sagemaker.create_model_package_group(ModelPackageGroupName=group)
    with pytest.raises(ClientError, match="does not exist"):
        sagemaker.create_model_package(ModelPackageGroupName="never-was", InferenceSpecification=CONTENT)
    with pytest.raises(ClientError, match="does not exist"):
        sagemaker.describe_model_package(ModelPackageName=f"{ARN}:model-package/{group}/7")
    with pytest.raises(ClientError, match="Member must have 1 to 256"):
        register(CustomerMetadataProperties={"note": "x" * 257})
    package = register()
    with pytest.raises(ClientError, match="still has model packages"):
        sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    sagemaker.delete_model_package(ModelPackageName=package)
    sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    with pytest.raises(ClientError, match="does not exist"):
        sagemaker.describe_model_package_group(ModelPackageGroupName=group)


def test_stack_creates_and_deletes_model_package_group(stage: Any) -> None:
    cloudformation, sagemaker = stage.client("cloudformation"), stage.client("sagemaker")
    name = f"stack-{uuid.uuid4().hex[:12]}"
    template = {
        "Resources": {
            "Models": {"Type": "AWS::SageMaker::ModelPackageGroup", "Properties": {"ModelPackageGroupName": name}}
        },
        "Outputs": {"Arn": {"Value": {"Ref": "Models"}}},
    }
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
    (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    assert stack["Outputs"][0]["OutputValue"] == f"{ARN}:model-package-group/{name}"
    assert sagemaker.describe_model_package_group(ModelPackageGroupName=name)["ModelPackageGroupStatus"] == "Completed"
    cloudformation.delete_stack(StackName=name)
    for _ in range(60):
        groups = sagemaker.list_model_package_groups(NameContains=name)["ModelPackageGroupSummaryList"]
        if not groups:
            return
        time.sleep(0.2)
    pytest.fail("the group is still there")
