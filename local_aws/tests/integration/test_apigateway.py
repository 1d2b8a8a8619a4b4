"""HTTP APIs that SAM makes get their routes, and ask for a signature where the template says so."""

from __future__ import annotations

import base64
import json
import uuid
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from botocore.credentials import ReadOnlyCredentials

    from local_aws.tests.integration.factories import LocalAws

ECHO = """
import json
def handler(event, context):
    return {"statusCode": 201, "headers": {"x-answer": "yes"}, "body": json.dumps(event)}
"""


def template(function: str, *, signed: bool = True, paths: tuple[str, ...] = ("/predictions",)) -> str:
    """A SAM template of one HTTP API whose routes lead to an existing function."""
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations"
    integration = {"type": "aws_proxy", "httpMethod": "POST", "payloadFormatVersion": "2.0", "uri": uri}
    operation = {"x-amazon-apigateway-integration": integration, "responses": {}}
    routes: dict[str, Any] = {path: {"post": operation, "get": operation} for path in paths}
    routes["/open/{name}"] = {"get": operation | {"security": [{"NONE": []}]}}
    properties: dict[str, Any] = {
        "DefinitionBody": {"openapi": "3.0.1", "info": {"title": "planner", "version": "1"}, "paths": routes}
    }
    if signed:
        properties["Auth"] = {"EnableIamAuthorizer": True, "DefaultAuthorizer": "AWS_IAM"}
    document = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {"Api": {"Type": "AWS::Serverless::HttpApi", "Properties": properties}},
        "Outputs": {"Api": {"Value": {"Ref": "Api"}}},
    }
    return json.dumps(document)


@pytest.fixture
def stack(aws: LocalAws) -> Iterator[Callable[[str], str]]:
    """Creates a stack, or updates it, with a template; the URL of its API."""
    name = f"stack-{uuid.uuid4().hex[:12]}"
    cloudformation = aws.client("cloudformation")
    created: list[str] = []

    def deploy(body: str) -> str:
        # SAM's transform needs a change set
        kind = "UPDATE" if created else "CREATE"
        cloudformation.create_change_set(
            StackName=name,
            ChangeSetName=f"change-{len(created)}",
            ChangeSetType=kind,
            TemplateBody=body,
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        wait = {"Delay": 0.1, "MaxAttempts": 300}
        changed = {"StackName": name, "ChangeSetName": f"change-{len(created)}"}
        cloudformation.get_waiter("change_set_create_complete").wait(**changed, WaiterConfig=wait)
        cloudformation.execute_change_set(**changed)
        created.append(kind)
        cloudformation.get_waiter(f"stack_{kind.lower()}_complete").wait(StackName=name, WaiterConfig=wait)
        (output,) = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
        return f"{aws.endpoint_url}/_aws/execute-api/{output['OutputValue']}/$default"

    yield deploy
    cloudformation.delete_stack(StackName=name)


def call(
    method: str, url: str, credentials: ReadOnlyCredentials | None = None, body: str | None = None
) -> requests.Response:
    """Send a request, signed for API Gateway if there are credentials."""
    request = AWSRequest(method=method, url=url, data=body, headers={"content-type": "application/json"})
    if credentials is not None:
        SigV4Auth(credentials, "execute-api", "us-east-1").add_auth(request)
    return requests.request(method, url, data=body, headers=dict(request.headers), timeout=20)


def credentials_of(aws: LocalAws, statement: dict[str, Any] | None) -> ReadOnlyCredentials:
    """The keys of a new user who may do what the statement says."""
    name = f"planner-{uuid.uuid4().hex[:12]}"
    iam = aws.client("iam")
    iam.create_user(UserName=name)
    if statement is not None:
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=name, PolicyName="calls", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")
    credentials = session.get_credentials()
    assert credentials is not None
    return credentials.get_frozen_credentials()


def test_only_signed_request_reaches_function(
    aws: LocalAws, make_function: Callable[..., str], stack: Callable[[str], str]
) -> None:
    # given an API with IAM authorization, and a planner who may call one route of it
    url = stack(template(make_function(ECHO)))
    api = url.split("/")[-2]
    planner = credentials_of(
        aws,
        {
            "Effect": "Allow",
            "Action": "execute-api:Invoke",
            "Resource": f"arn:aws:execute-api:us-east-1:000000000000:{api}/$default/POST/predictions",
        },
    )
    # when the planner calls it, then the function answers
    answer = call("POST", f"{url}/predictions?customer=7&customer=8", planner, '{"features": {}}')
    assert (answer.status_code, answer.headers["x-answer"]) == (201, "yes")
    event = answer.json()
    assert (event["version"], event["routeKey"], event["rawPath"]) == ("2.0", "POST /predictions", "/predictions")
    assert event["body"] == '{"features": {}}'
    assert event["isBase64Encoded"] is False
    assert event["rawQueryString"] == "customer=7&customer=8"
    assert event["queryStringParameters"] == {"customer": "7,8"}
    context = event["requestContext"]
    assert (context["apiId"], context["stage"], context["http"]["method"]) == (api, "$default", "POST")
    assert context["authorizer"]["iam"]["accessKey"] == planner.access_key
    # and nothing else gets through
    assert call("POST", f"{url}/predictions").status_code == 403  # unsigned
    assert call("GET", f"{url}/predictions", planner).status_code == 403  # not allowed on this route
    assert call("POST", f"{url}/predictions", credentials_of(aws, None)).status_code == 403  # no policy
    stranger = planner._replace(secret_key="x" * 40)
    assert call("POST", f"{url}/predictions", stranger).status_code == 403  # a wrong signature
    assert call("POST", f"{url}/nowhere", planner).status_code == 403  # no such route


def test_route_without_authorizer_needs_no_signature(
    make_function: Callable[..., str], stack: Callable[[str], str]
) -> None:
    url = stack(template(make_function(ECHO)))
    answer = call("GET", f"{url}/open/pod")
    assert answer.status_code == 201
    assert answer.json()["pathParameters"] == {"name": "pod"}
    assert "body" not in answer.json()


def test_update_replaces_routes_and_authorization(
    make_function: Callable[..., str], stack: Callable[[str], str]
) -> None:
    # given an API of one signed route
    function = make_function(ECHO)
    url = stack(template(function))
    # when the template opens it and moves the route
    again = stack(template(function, signed=False, paths=("/live",)))
    # then it is the same API with the new route only
    assert again == url
    assert call("POST", f"{url}/live").status_code == 201
    assert call("POST", f"{url}/predictions").status_code == 404


def test_binary_body_arrives_in_base64(make_function: Callable[..., str], stack: Callable[[str], str]) -> None:
    url = stack(template(make_function(ECHO), signed=False))
    answer = requests.post(
        f"{url}/predictions", data=b"\xff\x00", headers={"content-type": "application/octet-stream"}, timeout=20
    )
    event = answer.json()
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == b"\xff\x00"
