"""A stack that is created again gives its resources other names; an updated stack does not."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_aws.tests.integration.factories import LocalAws

NAMES = {
    "Topic": "AWS::SNS::Topic",
    "Queue": "AWS::SQS::Queue",
    "Table": "AWS::DynamoDB::Table",
    "Bucket": "AWS::S3::Bucket",
}


def template(note: str) -> str:
    """A template with a resource of each type without a name; ``note`` changes every resource."""
    properties: dict[str, dict[str, Any]] = {
        "Table": {
            "AttributeDefinitions": [{"AttributeName": "kind", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
        }
    }
    tags = {"Tags": [{"Key": "note", "Value": note}]}
    resources = {
        name: {
            "Type": kind,
            "Properties": properties.get(name, {}) | tags | ({"DisplayName": note} if name == "Topic" else {}),
        }
        for name, kind in NAMES.items()
    }
    return json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources})


def physical_names(aws: LocalAws, stack: str) -> Mapping[str, str]:
    """The physical names of a stack's resources, by their logical ids."""
    resources = aws.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}


def test_new_stack_gets_new_names_and_update_keeps_them(aws: LocalAws) -> None:
    # given a stack that does not name its resources
    cloudformation = aws.client("cloudformation")
    stack = f"names-{uuid.uuid4().hex[:8]}"
    wait = {"Delay": 1, "MaxAttempts": 60}
    cloudformation.create_stack(StackName=stack, TemplateBody=template("first"))
    cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig=wait)
    first = physical_names(aws, stack)
    assert first.keys() == NAMES.keys()
    # when it is updated, then the names stay
    cloudformation.update_stack(StackName=stack, TemplateBody=template("second"))
    cloudformation.get_waiter("stack_update_complete").wait(StackName=stack, WaiterConfig=wait)
    tags = aws.client("sns").list_tags_for_resource(ResourceArn=first["Topic"])["Tags"]
    assert {"Key": "note", "Value": "second"} in tags
    assert physical_names(aws, stack) == first
    # when it is deleted and created again, then they differ
    cloudformation.delete_stack(StackName=stack)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig=wait)
    cloudformation.create_stack(StackName=stack, TemplateBody=template("second"))
    cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig=wait)
    again = physical_names(aws, stack)
    assert again.keys() == first.keys()
    assert [name for name in NAMES if again[name] == first[name]] == []
