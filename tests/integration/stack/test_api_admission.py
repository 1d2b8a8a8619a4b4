"""Who may ask the API of the real template, how often, and for how much."""

from __future__ import annotations

import base64
import datetime as dt
import functools
import json
import uuid
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from feature_schema import FEATURES
from feature_schema.contracts import MAX_INSTANCES
from local_aws.apigateway.admission import TOO_MANY_REQUESTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dwell.client.stack import Stack

ONE = {"features": {field.name: int(field.minimum) for field in FEATURES}}


def ask(
    stack: Stack,
    body: bytes,
    *,
    credentials: Credentials | None = None,
    service: str = "execute-api",
    content_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
    sent: bytes | None = None,
) -> requests.Response:
    """``POST /predictions`` with a planner's signature over ``body``; ``sent`` goes out in its place."""
    url = f"{stack.api_url}/predictions"
    request = AWSRequest("POST", url, data=body, headers={"content-type": content_type})
    SigV4Auth(credentials or planner(), service, "us-east-1").add_auth(request)
    return requests.post(url, data=sent or body, headers={**request.headers, **(headers or {})}, timeout=30)


@functools.cache
def planner() -> Credentials:
    """A user who may ask. (The account's own keys open everything on the emulator, whatever is signed with them.)"""
    return user("execute-api:Invoke")


def user(allowed: str | None) -> Credentials:
    """A new user, who may do one action or nothing."""
    name, iam = f"planner-{uuid.uuid4().hex[:8]}", boto3.Session().client("iam")
    iam.create_user(UserName=name)
    if allowed:
        statement = {"Effect": "Allow", "Action": allowed, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=name, PolicyName="allowed", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"])


def body(asked: Any = ONE) -> bytes:
    return json.dumps(asked).encode()


def test_planner_with_permission_is_answered(on_stack: Stack) -> None:
    answer = ask(on_stack, body())
    assert answer.status_code == 200, answer.text
    assert answer.json()["source"] in {"model", "fallback"}


def test_wrong_secret_key_is_denied(on_stack: Stack) -> None:
    for credentials in (
        Credentials("AKIA000000000000NONE", "test"),
        Credentials(planner().access_key, "wrong"),
        Credentials(planner().access_key, planner().secret_key, "a token that was never given"),
        Credentials("ASIA000000000000NONE", "test", "token"),
    ):
        assert ask(on_stack, body(), credentials=credentials).status_code == 403, credentials.access_key


@pytest.mark.parametrize("allowed", [None, "execute-api:ManageConnections", "sns:Publish"])
def test_user_with_another_permission_is_denied(on_stack: Stack, allowed: str | None) -> None:
    assert ask(on_stack, body(), credentials=user(allowed)).status_code == 403


def test_body_that_was_not_signed_is_denied(on_stack: Stack) -> None:
    other = {"features": {**ONE["features"], FEATURES[0].name: int(FEATURES[0].maximum)}}
    assert ask(on_stack, body(), sent=body(other)).status_code == 403


def test_signature_for_another_service_is_denied(on_stack: Stack) -> None:
    assert ask(on_stack, body(), service="s3").status_code == 403


@pytest.mark.parametrize("minutes", [-20, 20])
def test_signature_of_another_time_is_denied(on_stack: Stack, monkeypatch: pytest.MonkeyPatch, minutes: int) -> None:
    now = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: now.replace(tzinfo=None))
    assert ask(on_stack, body()).status_code == 403


@pytest.mark.parametrize("header", ["", "Bearer anything", "AWS4-HMAC-SHA256 Credential=test", "Basic dGVzdDp0ZXN0"])
def test_malformed_signature_header_is_denied(on_stack: Stack, header: str) -> None:
    assert ask(on_stack, body(), headers={"Authorization": header}).status_code in {400, 401, 403}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_path_outside_the_template_does_not_exist(on_stack: Stack, method: str) -> None:
    for path in ("/predictions", "/", "/../leaderboard", "/admin"):
        assert requests.request(method, on_stack.api_url + path, timeout=20).status_code in {403, 404}


def test_too_many_instances_are_rejected(on_stack: Stack) -> None:
    many = body({"instances": [ONE["features"]] * (MAX_INSTANCES + 1)})
    answer = ask(on_stack, many)
    assert (answer.status_code, answer.json()["reason"]) == (400, "out_of_range:instances")
    most = ask(on_stack, body({"instances": [ONE["features"]] * MAX_INSTANCES}))
    assert len(most.json()["predictions"]) == MAX_INSTANCES


@pytest.mark.parametrize("content_type", ["application/json", "application/octet-stream"])
def test_body_above_the_limit_is_rejected(on_stack: Stack, content_type: str) -> None:
    answer = ask(on_stack, b"[" + b" " * (1024 * 1024) + b"]", content_type=content_type)
    assert (answer.status_code, answer.json()["reason"]) == (400, "too_long")


def test_base64_body_is_not_decoded(on_stack: Stack) -> None:
    answer = ask(on_stack, base64.b64encode(body()))
    assert (answer.status_code, answer.json()["reason"]) == (400, "malformed")


def test_requests_above_the_rate_limit_are_throttled(on_stack: Stack) -> None:
    # given the limits of the template's stage, made small
    apis = boto3.Session().client("apigatewayv2")
    api = on_stack.api_url.split("/")[-2]
    (stage,) = apis.get_stages(ApiId=api)["Items"]
    name = stage["StageName"]
    few, many = {"ThrottlingRateLimit": 0.5, "ThrottlingBurstLimit": 3}, stage["DefaultRouteSettings"]
    apis.update_stage(ApiId=api, StageName=name, DefaultRouteSettings=few)  # type: ignore[arg-type]  # a plain dict
    try:
        # when more come at once
        answers = [ask(on_stack, body()) for _ in range(8)]
    finally:
        apis.update_stage(ApiId=api, StageName=name, DefaultRouteSettings=many)
    # then the burst is answered, and the others are told
    codes = [answer.status_code for answer in answers]
    assert codes[:3] == [200] * 3
    assert 429 in codes
    assert answers[codes.index(429)].content == TOO_MANY_REQUESTS[2]
    assert ask(on_stack, body()).status_code == 200
