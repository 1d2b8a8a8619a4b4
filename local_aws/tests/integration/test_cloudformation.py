"""A stack that is made again gives its resources other names; one that is updated does not."""

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
    """A resource of each kind that a name is made up for, all of which an update has to change."""
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


def physical(aws: LocalAws, stack: str) -> Mapping[str, str]:
    found = aws.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in found}


def test_new_stack_gets_new_names_and_update_keeps_them(aws: LocalAws) -> None:
    # given a stack that does not name its resources
    cloudformation = aws.client("cloudformation")
    stack = f"names-{uuid.uuid4().hex[:8]}"
    quick = {"Delay": 1, "MaxAttempts": 60}
    cloudformation.create_stack(StackName=stack, TemplateBody=template("first"))
    cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig=quick)
    first = physical(aws, stack)
    assert first.keys() == NAMES.keys()
    # when it is updated, then the names stay
    cloudformation.update_stack(StackName=stack, TemplateBody=template("second"))
    cloudformation.get_waiter("stack_update_complete").wait(StackName=stack, WaiterConfig=quick)
    tags = aws.client("sns").list_tags_for_resource(ResourceArn=first["Topic"])["Tags"]
    assert {"Key": "note", "Value": "second"} in tags
    assert physical(aws, stack) == first
    # when it is deleted and made again, then there are others
    cloudformation.delete_stack(StackName=stack)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig=quick)
    cloudformation.create_stack(StackName=stack, TemplateBody=template("second"))
    cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig=quick)
    again = physical(aws, stack)
    assert again.keys() == first.keys()
    assert [name for name in NAMES if again[name] == first[name]] == []
