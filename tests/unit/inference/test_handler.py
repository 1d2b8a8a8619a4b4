"""The handler of inference: every valid request gets a prediction, every invalid one a reason."""

from __future__ import annotations

import importlib
import io
import itertools
import json
import re
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from botocore.exceptions import ReadTimeoutError
from botocore.response import StreamingBody
from botocore.session import Session, get_session
from botocore.stub import Stubber

from feature_schema import FEATURES, TARGET, clip_to_bounds, parse_request, predict_baseline, to_feature_row
from inference.http_request import parse_query
from rounds import Endpoint, Store
from tests.factories.samples import EXPECTED_ERROR, make_features
from tests.unit.fake_aws import Cloud
from tests.unit.inference.factories import ENDPOINT, MODEL, make_client_error, make_instances, make_response_body

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from tests.unit.conftest import Context, Metrics

    type ReadEvent = Callable[[str], dict[str, Any]]
    type Call = Callable[..., dict[str, Any]]

ASKED_AT = "2026-11-23T06:38:48.456Z"


@dataclass
class FakeRuntime:
    """A served model that predicts 1,000.5 times the row's number (from 1), or the configured response or error."""

    response: bytes | Exception | None = None
    rows: list[str] = field(default_factory=list)

    def invoke_endpoint(self, *, EndpointName: str, ContentType: str, Accept: str, Body: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's names
        assert (EndpointName, ContentType, Accept) == (ENDPOINT, "text/csv", "application/json")
        self.rows = Body.decode().split("\n")
        if isinstance(self.response, Exception):
            raise self.response
        body = self.response or make_response_body([1_000.5 * (number + 1) for number in range(len(self.rows))])
        return {"Body": StreamingBody(io.BytesIO(body), len(body))}


@pytest.fixture(scope="module")
def session() -> Session:
    """Return a session that all imports of the handler share, since each new one loads botocore's data again."""
    return get_session()


@pytest.fixture
def inference(lambda_environment: pytest.MonkeyPatch, session: Session) -> ModuleType:
    lambda_environment.setattr("botocore.session.get_session", lambda: session)
    lambda_environment.setenv("ENDPOINT_NAME", ENDPOINT)
    lambda_environment.setenv("ENDPOINT_TIMEOUT", "0.5")
    lambda_environment.delitem(sys.modules, "inference.handler", raising=False)
    handler = importlib.import_module("inference.handler")
    cloud = Cloud()
    lambda_environment.setattr(handler, "get_store", lambda: Store(cloud.clients()[0]))
    lambda_environment.setattr(handler, "cloud", cloud, raising=False)
    times = itertools.chain([ASKED_AT], itertools.repeat("later"))
    lambda_environment.setattr(handler, "get_current_time", lambda: next(times))
    return handler


@pytest.fixture
def runtime(inference: ModuleType, monkeypatch: pytest.MonkeyPatch) -> FakeRuntime:
    runtime = FakeRuntime()
    monkeypatch.setattr(inference, "runtime", runtime)
    return runtime


@pytest.fixture
def call(inference: ModuleType, event: ReadEvent, context: Context) -> Call:
    """Call the handler with a file of ``events/`` and changes to it."""

    def call(name: str, **changes: Any) -> dict[str, Any]:
        response: dict[str, Any] = inference.handler(event(name) | changes, context)
        return response

    return call


def parse_json_body(response: dict[str, Any]) -> Any:
    assert response["headers"]["Content-Type"] == "application/json"
    return json.loads(response["body"])


@pytest.mark.usefixtures("robots")
@pytest.mark.parametrize("name", ["api-predictions-one", "api-predictions-base64"])
def test_single_request_returns_one_prediction(
    call: Call, runtime: FakeRuntime, event: ReadEvent, published: Callable[[], Metrics], name: str
) -> None:
    response = call(name)

    features = parse_request(APIGatewayProxyEventV2(event(name)).decoded_body or "").features
    assert features is not None
    assert runtime.rows == [to_feature_row(features)]
    assert response["statusCode"] == 200
    assert parse_json_body(response) == {
        TARGET.name: 1_000.5,
        "expected_error": EXPECTED_ERROR,
        "model": MODEL,
        "source": "model",
        "asked_at": ASKED_AT,
    }
    assert published() == {
        (frozenset(), "Predictions"): 1,
        (frozenset(), "Fallbacks"): 0,
        (frozenset({("reason", "no_model")}), "Fallbacks"): 0,
    }


@pytest.mark.usefixtures("robots")
def test_predictions_are_in_the_order_of_instances(
    call: Call, runtime: FakeRuntime, published: Callable[[], Metrics]
) -> None:
    response = call("api-predictions-many")

    assert len(runtime.rows) == 3
    assert [prediction[TARGET.name] for prediction in parse_json_body(response)["predictions"]] == [
        1_000.5,
        2_001.0,
        3_001.5,
    ]
    assert [prediction["asked_at"] for prediction in parse_json_body(response)["predictions"]] == [ASKED_AT] * 3
    assert published()[frozenset(), "Predictions"] == 3


def test_sender_of_a_request_does_not_change_the_prediction(call: Call, runtime: FakeRuntime) -> None:
    body = json.dumps({"features": make_features(), "fc_id": "fc-2", "robot_id": "robot-17"})

    response = call("api-predictions-one", body=body)

    assert (response["statusCode"], parse_json_body(response)[TARGET.name]) == (200, clip_to_bounds(1_000.5))
    assert len(runtime.rows) == 1


def test_request_of_an_invalid_sender_is_a_bad_request(call: Call, runtime: FakeRuntime) -> None:
    response = call("api-predictions-one", body=json.dumps({"features": make_features(), "fc_id": "fc 2"}))

    assert (response["statusCode"], runtime.rows) == (400, [])
    assert parse_json_body(response)["field"] == "fc_id"


def test_current_time_is_in_the_format_of_a_row(lambda_environment: pytest.MonkeyPatch, inference: ModuleType) -> None:
    lambda_environment.undo()
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    text = inference.get_current_time()
    assert re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z", text)
    assert before <= datetime.fromisoformat(text) <= datetime.now(UTC)


@pytest.mark.usefixtures("robots")
def test_live_inference_returns_a_plain_number(call: Call, runtime: FakeRuntime, event: ReadEvent) -> None:
    response = call("api-liveinference")

    assert runtime.rows == [event("api-liveinference")["queryStringParameters"]["features"]]
    assert (response["statusCode"], response["body"]) == (200, "1000.5")
    assert response["headers"]["Content-Type"] == "text/plain"


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (make_client_error("ValidationError", "Endpoint not found"), "no_model"),
        (ReadTimeoutError(endpoint_url="https://endpoint"), "time_out"),
        (make_client_error("ModelError"), "endpoint_error"),
        (b"<html>", "endpoint_error"),
        (make_response_body([1.0]), "endpoint_error"),
    ],
    ids=["no-model", "time-out", "model-error", "nonsense", "too-few"],
)
def test_valid_request_gets_fallback_on_any_failure(
    call: Call, runtime: FakeRuntime, published: Callable[[], Metrics], failure: Any, reason: str
) -> None:
    runtime.response = failure
    instances = make_instances(3)
    body = json.dumps({"instances": [features.model_dump() for features in instances]})

    response = call("api-predictions-many", body=body)

    assert response["statusCode"] == 200
    assert [
        (prediction[TARGET.name], prediction["source"], prediction["asked_at"])
        for prediction in parse_json_body(response)["predictions"]
    ] == [(predict_baseline(features), "fallback", ASKED_AT) for features in instances]
    assert published() == {
        (frozenset(), "Predictions"): 0,
        (frozenset(), "Fallbacks"): 3,
        (frozenset({("reason", "no_model")}), "Fallbacks"): 0,
        (frozenset({("reason", reason)}), "Fallbacks"): 3,
    }


@pytest.mark.usefixtures("robots")
@pytest.mark.parametrize("pause", ["paused", "resuming"])
def test_paused_endpoint_does_not_count_as_no_model(
    call: Call, inference: ModuleType, runtime: FakeRuntime, published: Callable[[], Metrics], pause: Any
) -> None:
    # given a pause in the table, and no endpoint
    Store(inference.cloud.clients()[0]).create(
        Endpoint(name=ENDPOINT, pause=pause, updated_at=datetime(2026, 11, 23, tzinfo=UTC))
    )
    runtime.response = make_client_error("ValidationError", "Endpoint not found")
    # when planners send several requests
    assert parse_json_body(call("api-predictions-one"))["source"] == "fallback"
    assert parse_json_body(call("api-predictions-one"))["source"] == "fallback"
    # then the metric of the NoModel alarm stays 0, and the table was read once
    assert published() == {
        (frozenset(), "Predictions"): 0,
        (frozenset(), "Fallbacks"): 2,
        (frozenset({("reason", "no_model")}), "Fallbacks"): 0,
        (frozenset({("reason", "paused")}), "Fallbacks"): 2,
    }
    assert inference.cloud.steps.count == 2  # the creation above, and one read


def test_table_is_not_read_if_a_model_is_deployed(call: Call, inference: ModuleType, runtime: FakeRuntime) -> None:
    for response in (None, make_client_error("ModelError"), ReadTimeoutError(endpoint_url="https://endpoint")):
        runtime.response = response
        call("api-predictions-one")
    assert inference.cloud.steps.count == 0


@pytest.mark.usefixtures("robots")
def test_live_inference_returns_fallback(call: Call, runtime: FakeRuntime, event: ReadEvent) -> None:
    runtime.response = make_client_error("ValidationError")

    response = call("api-liveinference")

    features = parse_query(event("api-liveinference")["queryStringParameters"])
    assert (response["statusCode"], float(response["body"])) == (200, predict_baseline(features))


@pytest.mark.usefixtures("robots")
@pytest.mark.parametrize(
    ("name", "reason_and_field"),
    [
        ("api-predictions-bad", (f"out_of_range:{FEATURES[-2].name}", FEATURES[-2].name)),
        ("api-liveinference-bad", ("malformed", None)),
        ("api-liveinference-no-features", ("missing:features", "features")),
    ],
)
def test_invalid_request_is_rejected_without_invocation(
    call: Call,
    runtime: FakeRuntime,
    published: Callable[[], Metrics],
    name: str,
    reason_and_field: tuple[str, str | None],
) -> None:
    response = call(name)

    error = parse_json_body(response)
    assert response["statusCode"] == 400
    assert (error["reason"], error["field"]) == reason_and_field
    assert error["message"]
    assert runtime.rows == []
    assert published() == {}


def test_invalid_instance_is_named(call: Call, runtime: FakeRuntime) -> None:
    features = make_features()
    response = call(
        "api-predictions-one", body=json.dumps({"instances": [features, features, {**features, "more": 1}, features]})
    )

    assert (response["statusCode"], runtime.rows) == (400, [])
    assert parse_json_body(response) == {
        "reason": "unexpected_field",
        "field": "more",
        "message": "no such field in the contract: 'more'",
        "instance": 2,
    }


@pytest.mark.parametrize(
    ("body", "is_base64"), [("%%%", True), ("{", False), ("[]", False), ("{}", False), (None, False)]
)
def test_malformed_body_is_a_bad_request(call: Call, runtime: FakeRuntime, body: str | None, is_base64: bool) -> None:
    response = call("api-predictions-one", body=body, isBase64Encoded=is_base64)

    assert (response["statusCode"], runtime.rows) == (400, [])


@pytest.mark.parametrize(("method", "path"), [("GET", "/predictions"), ("POST", "/liveinference"), ("GET", "/other")])
def test_unknown_route_is_not_found(call: Call, event: ReadEvent, method: str, path: str) -> None:
    context = event("api-predictions-one")["requestContext"]
    context["http"] |= {"method": method, "path": path}

    assert call("api-predictions-one", rawPath=path, requestContext=context)["statusCode"] == 404


@pytest.mark.usefixtures("robots")
def test_request_matches_sagemaker_api(inference: ModuleType, event: ReadEvent, context: Context) -> None:
    sent = event("api-liveinference")
    expected = {
        "EndpointName": ENDPOINT,
        "ContentType": "text/csv",
        "Accept": "application/json",
        "Body": sent["queryStringParameters"]["features"].encode(),
    }
    body = make_response_body([14_100.5])
    with Stubber(inference.runtime) as stubber:
        response = {"Body": StreamingBody(io.BytesIO(body), len(body)), "ContentType": "application/json"}
        stubber.add_response("invoke_endpoint", response, expected)

        assert inference.handler(sent, context)["body"] == "14100.5"

        stubber.assert_no_pending_responses()


def test_client_uses_timeout_and_no_retries(inference: ModuleType) -> None:
    config = inference.runtime.meta.config
    assert (config.connect_timeout, config.read_timeout) == (0.5, 0.5)
    assert config.retries["total_max_attempts"] == 1
