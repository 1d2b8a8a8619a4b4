"""Inference: a good request always gets an answer, a bad one a reason, and no doubt is left who answered."""

from __future__ import annotations

import base64
import importlib
import io
import json
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from botocore.response import StreamingBody
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from feature_schema import (
    FEATURES,
    MAX_INSTANCES,
    TARGET,
    InvalidInputError,
    Sample,
    clip_to_bounds,
    get_schema_hash,
    parse_line,
    parse_request,
    predict_baseline,
    to_feature_row,
)
from inference import http_request
from inference.endpoint import EndpointFailedError, EndpointResponse, classify_failure, parse_response
from inference.pause_state import TtlCache, is_endpoint_paused
from inference.prediction import predict
from rounds import Endpoint, Store
from tests.factories.samples import EXPECTED_ERROR, field_value, make_features, make_sample
from tests.unit.fake_aws import Cloud

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from feature_schema import Features
    from tests.unit.conftest import Context, Metrics

    type ReadEvent = Callable[[str], dict[str, Any]]
    type Call = Callable[..., dict[str, Any]]

MODEL = "xgboost-20261123T063900Z"
ENDPOINT = "live-inference"


def some_features(count: int = 1) -> list[Features]:
    asked = parse_request(json.dumps({"instances": [make_features()] * count}))
    return list(asked.instances or ())


def answer_body(predictions: Sequence[Any], **changed: Any) -> bytes:
    answer = {"model": MODEL, "expected_error": EXPECTED_ERROR, "schema_hash": get_schema_hash()}
    return json.dumps(answer | {"predictions": predictions} | changed).encode()


def client_error(code: str, message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "InvokeEndpoint")


# --- what the endpoint's failures mean -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (client_error("ValidationError", f"Endpoint {ENDPOINT} of account 123456789012 not found."), "no_model"),
        (client_error("ModelError", "Received server error (500) from primary"), "endpoint_error"),
        (client_error("ModelNotReadyException"), "endpoint_error"),
        (client_error("ServiceUnavailable"), "endpoint_error"),
        (client_error("ThrottlingException"), "endpoint_error"),
        (client_error("AccessDeniedException", "not found or not allowed"), "endpoint_error"),
        (ConnectTimeoutError(endpoint_url="https://endpoint"), "time_out"),
        (ReadTimeoutError(endpoint_url="https://endpoint"), "time_out"),
        (EndpointConnectionError(endpoint_url="https://endpoint"), "endpoint_error"),
        (ConnectionClosedError(endpoint_url="https://endpoint"), "endpoint_error"),
        (ResponseStreamingError(error="cut off"), "endpoint_error"),
        (NoCredentialsError(), "endpoint_error"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_each_exception_means_one_reason(error: Any, reason: str) -> None:
    assert classify_failure(error) == reason


def test_an_answer_says_which_model_gave_it() -> None:
    answer = parse_response(answer_body([14_100.5, 9_000]), rows=2)

    assert (answer.model, answer.expected_error, answer.predictions) == (MODEL, EXPECTED_ERROR, [14_100.5, 9_000.0])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"14100.5",
        b"[14100.5]",
        b"<html>Internal Server Error</html>",
        b"\xff",
        answer_body([]),
        answer_body([1.0, 2.0]),
        answer_body(["14100"]),
        answer_body([None]),
        answer_body([True]),
        answer_body([[14_100.5]]),
        answer_body([float("nan")]),
        answer_body([float("inf")]),
        answer_body([14_100.5]).replace(b"14100.5", b"1e999"),
        answer_body([1.0], schema_hash=None),
        answer_body([1.0], model="no,name"),
        answer_body([1.0], model=None),
        answer_body([1.0], expected_error=0),
        answer_body([1.0], expected_error=float("nan")),
        answer_body([1.0], expected_error=1e308),
        json.dumps({"predictions": [1.0]}).encode(),
    ],
)
def test_nonsense_is_an_endpoint_error(body: bytes) -> None:
    with pytest.raises(EndpointFailedError) as failed:
        parse_response(body, rows=1)
    assert failed.value.reason == "endpoint_error"


def test_a_model_of_another_schema_is_no_model() -> None:
    with pytest.raises(EndpointFailedError) as failed:
        parse_response(answer_body([1.0], schema_hash="0123456789abcdef"), rows=1)
    assert failed.value.reason == "no_model"


def test_a_model_that_refuses_our_rows_is_no_model() -> None:
    response: Any = {"Error": {"Code": "ModelError", "Message": "400"}, "OriginalStatusCode": 400}
    assert classify_failure(ClientError(response, "InvokeEndpoint")) == "no_model"


@given(st.binary(max_size=200), st.integers(1, 3))
def test_arbitrary_bytes_are_an_endpoint_error(body: bytes, rows: int) -> None:
    with pytest.raises(EndpointFailedError, match="endpoint_error"):
        parse_response(body, rows=rows)


# --- answers ---------------------------------------------------------------------------------------------------


def test_a_models_answers_carry_its_name_and_expected_error() -> None:
    told = [field_value(TARGET, 0.25), field_value(TARGET, 0.75)]
    answers = predict(some_features(2), lambda _: parse_response(answer_body(told), rows=2))

    assert answers.fallback_reason is None
    by_model = {"expected_error": EXPECTED_ERROR, "model": MODEL, "source": "model"}
    assert answers.predictions == [{TARGET.name: one, **by_model} for one in told]


@pytest.mark.parametrize("reason", ["no_model", "time_out", "endpoint_error"])
def test_without_the_endpoint_every_answer_is_the_baseline(reason: Any) -> None:
    def fail(instances: Sequence[Features]) -> EndpointResponse:
        raise EndpointFailedError(reason, "it is gone")

    instances = some_features(3)
    answers = predict(instances, fail)

    assert answers.fallback_reason == reason
    assert answers.predictions == [
        {TARGET.name: predict_baseline(features), "expected_error": None, "model": None, "source": "fallback"}
        for features in instances
    ]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_an_answer_is_inside_the_targets_bounds_and_a_robot_can_echo_it(value: float) -> None:
    (answer,) = predict(some_features(), lambda _: parse_response(answer_body([value]), rows=1)).predictions

    assert TARGET.minimum <= answer[TARGET.name] <= TARGET.maximum
    if TARGET.minimum <= value <= TARGET.maximum:
        assert answer[TARGET.name] == value
    assert echo(answer).prediction is not None


def echo(answer: dict[str, Any]) -> Sample:
    now = datetime(2026, 11, 23, 6, 39, tzinfo=UTC)
    line = json.dumps(make_sample(prediction=answer)).encode()
    return parse_line(line, message_id="m", position=0, received_at=now)


def test_bounds_themselves_stay() -> None:
    assert clip_to_bounds(TARGET.minimum) == TARGET.minimum
    assert clip_to_bounds(TARGET.maximum + 1) == TARGET.maximum
    assert clip_to_bounds(-1e300) == TARGET.minimum


# --- requests --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "is_base64", "reason"),
    [
        (None, False, "malformed"),
        ("", False, "malformed"),
        ("not base64!", True, "malformed"),
        ("YWJ", True, "malformed"),
        ("e3!0=", True, "malformed"),
        ("ü", True, "malformed"),
        ("\ud800", False, "malformed"),
        ("x" * (http_request.MAX_BODY_BYTES + 1), False, "too_long"),
        ("ü" * (http_request.MAX_BODY_BYTES // 2 + 1), False, "too_long"),
        ("x" * 2 * http_request.MAX_BODY_BYTES, True, "too_long"),
        (base64.b64encode(b"x" * (http_request.MAX_BODY_BYTES + 1)).decode(), True, "too_long"),
    ],
    ids=range(11),
)
def test_a_body_that_cannot_be_read_is_refused(body: str | None, is_base64: bool, reason: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        http_request.parse_body(body, is_base64=is_base64)
    assert refused.value.reason == reason


def test_the_largest_request_that_the_schema_allows_is_read() -> None:
    largest = {feature.name: field_value(feature, 1) for feature in FEATURES}
    body = json.dumps({"instances": [largest] * MAX_INSTANCES}, indent=2)

    for encoded, is_base64 in ((body, False), (base64.b64encode(body.encode()).decode(), True)):
        assert len(http_request.parse_body(encoded, is_base64=is_base64).instances or ()) == MAX_INSTANCES


# --- the function ----------------------------------------------------------------------------------------------


@dataclass
class Runtime:
    """A served model: 1,000 times the number of the row, or what it is told to do instead."""

    answer: bytes | Exception | None = None
    asked: list[str] = field(default_factory=list)

    def invoke_endpoint(self, *, EndpointName: str, ContentType: str, Accept: str, Body: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's names
        assert (EndpointName, ContentType, Accept) == (ENDPOINT, "text/csv", "application/json")
        self.asked = Body.decode().split("\n")
        if isinstance(self.answer, Exception):
            raise self.answer
        body = self.answer or answer_body([1_000.5 * (number + 1) for number in range(len(self.asked))])
        return {"Body": StreamingBody(io.BytesIO(body), len(body))}


@pytest.fixture
def inference(lambda_environment: pytest.MonkeyPatch) -> ModuleType:
    lambda_environment.setenv("ENDPOINT_NAME", ENDPOINT)
    lambda_environment.setenv("ENDPOINT_TIMEOUT", "0.5")
    lambda_environment.delitem(sys.modules, "inference.handler", raising=False)
    handler = importlib.import_module("inference.handler")
    cloud = Cloud()
    lambda_environment.setattr(handler, "get_store", lambda: Store(cloud.clients()[0]))
    lambda_environment.setattr(handler, "cloud", cloud, raising=False)
    return handler


@pytest.fixture
def runtime(inference: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    runtime = Runtime()
    monkeypatch.setattr(inference, "runtime", runtime)
    return runtime


@pytest.fixture
def call(inference: ModuleType, event: ReadEvent, context: Context) -> Call:
    """Calls the function with a file of ``events/``, changed as told."""

    def call(name: str, **changed: Any) -> dict[str, Any]:
        answer: dict[str, Any] = inference.handler(event(name) | changed, context)
        return answer

    return call


def body_of(answer: dict[str, Any]) -> Any:
    assert answer["headers"]["Content-Type"] == "application/json"
    return json.loads(answer["body"])


@pytest.mark.usefixtures("robots")
@pytest.mark.parametrize("name", ["api-predictions-one", "api-predictions-base64"])
def test_one_prediction(
    call: Call, runtime: Runtime, event: ReadEvent, published: Callable[[], Metrics], name: str
) -> None:
    answer = call(name)

    features = parse_request(APIGatewayProxyEventV2(event(name)).decoded_body or "").features
    assert features is not None
    assert runtime.asked == [to_feature_row(features)]
    assert answer["statusCode"] == 200
    assert body_of(answer) == {
        TARGET.name: 1_000.5,
        "expected_error": EXPECTED_ERROR,
        "model": MODEL,
        "source": "model",
    }
    assert published() == {
        (frozenset(), "Predictions"): 1,
        (frozenset(), "Fallbacks"): 0,
        (frozenset({("reason", "no_model")}), "Fallbacks"): 0,
    }


@pytest.mark.usefixtures("robots")
def test_many_predictions_come_in_the_order_of_the_instances(
    call: Call, runtime: Runtime, published: Callable[[], Metrics]
) -> None:
    answer = call("api-predictions-many")

    assert len(runtime.asked) == 3
    assert [one[TARGET.name] for one in body_of(answer)["predictions"]] == [1_000.5, 2_001.0, 3_001.5]
    assert published()[frozenset(), "Predictions"] == 3


@pytest.mark.usefixtures("robots")
def test_the_workshops_interface_answers_with_a_plain_number(call: Call, runtime: Runtime, event: ReadEvent) -> None:
    answer = call("api-liveinference")

    assert runtime.asked == [event("api-liveinference")["queryStringParameters"]["features"]]
    assert (answer["statusCode"], answer["body"]) == (200, "1000.5")
    assert answer["headers"]["Content-Type"] == "text/plain"


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (client_error("ValidationError", "Endpoint not found"), "no_model"),
        (ReadTimeoutError(endpoint_url="https://endpoint"), "time_out"),
        (client_error("ModelError"), "endpoint_error"),
        (b"<html>", "endpoint_error"),
        (answer_body([1.0]), "endpoint_error"),
    ],
    ids=["no-model", "time-out", "model-error", "nonsense", "too-few"],
)
def test_a_good_request_is_answered_whatever_the_endpoint_does(
    call: Call, runtime: Runtime, published: Callable[[], Metrics], failure: Any, reason: str
) -> None:
    runtime.answer = failure
    instances = some_features(3)
    body = json.dumps({"instances": [features.model_dump() for features in instances]})

    answer = call("api-predictions-many", body=body)

    assert answer["statusCode"] == 200
    assert [(one[TARGET.name], one["source"]) for one in body_of(answer)["predictions"]] == [
        (predict_baseline(features), "fallback") for features in instances
    ]
    assert published() == {
        (frozenset(), "Predictions"): 0,
        (frozenset(), "Fallbacks"): 3,
        (frozenset({("reason", "no_model")}), "Fallbacks"): 0,
        (frozenset({("reason", reason)}), "Fallbacks"): 3,
    }


@pytest.mark.usefixtures("robots")
@pytest.mark.parametrize("pause", ["paused", "resuming"])
def test_an_endpoint_that_is_down_on_purpose_is_no_missing_model(
    call: Call, inference: ModuleType, runtime: Runtime, published: Callable[[], Metrics], pause: Any
) -> None:
    # given a pause in the table, and an endpoint that is not there
    Store(inference.cloud.clients()[0]).create(
        Endpoint(name=ENDPOINT, pause=pause, updated_at=datetime(2026, 11, 23, tzinfo=UTC))
    )
    runtime.answer = client_error("ValidationError", "Endpoint not found")
    # when planners ask, more than once
    assert body_of(call("api-predictions-one"))["source"] == "fallback"
    assert body_of(call("api-predictions-one"))["source"] == "fallback"
    # then nothing is counted that the NoModel alarm would take for a missing model, and the table was asked once
    assert published() == {
        (frozenset(), "Predictions"): 0,
        (frozenset(), "Fallbacks"): 2,
        (frozenset({("reason", "no_model")}), "Fallbacks"): 0,
        (frozenset({("reason", "paused")}), "Fallbacks"): 2,
    }
    assert inference.cloud.steps.count == 2  # the creation above, and one look


def test_other_failures_and_good_answers_never_ask_the_table(
    call: Call, inference: ModuleType, runtime: Runtime
) -> None:
    for answer in (None, client_error("ModelError"), ReadTimeoutError(endpoint_url="https://endpoint")):
        runtime.answer = answer
        call("api-predictions-one")
    assert inference.cloud.steps.count == 0


@pytest.mark.parametrize(
    "error", [client_error("ProvisionedThroughputExceededException"), ReadTimeoutError(endpoint_url="https://table")]
)
def test_a_table_that_does_not_answer_leaves_it_a_missing_model(error: Exception) -> None:
    class Silent:
        def get(self, *_: object) -> None:
            raise error

    assert is_endpoint_paused(Silent(), ENDPOINT) is False  # type: ignore[arg-type]  # as much of a store as is asked


def test_a_pause_is_looked_at_again_after_a_while() -> None:
    now, state = [0.0], [False]
    remembered = TtlCache(lambda: state[0], lambda: now[0])
    assert not remembered()
    state[0] = True
    assert not remembered()
    now[0] = 20.0
    assert remembered()


@pytest.mark.usefixtures("robots")
def test_the_workshops_interface_falls_back_too(call: Call, runtime: Runtime, event: ReadEvent) -> None:
    runtime.answer = client_error("ValidationError")

    answer = call("api-liveinference")

    features = http_request.parse_query(event("api-liveinference")["queryStringParameters"])
    assert (answer["statusCode"], float(answer["body"])) == (200, predict_baseline(features))


@pytest.mark.usefixtures("robots")
@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("api-predictions-bad", (f"out_of_range:{FEATURES[-2].name}", FEATURES[-2].name)),
        ("api-liveinference-bad", ("malformed", None)),
        ("api-liveinference-no-features", ("missing:features", "features")),
    ],
)
def test_a_bad_request_gets_a_reason_and_the_endpoint_is_not_asked(
    call: Call, runtime: Runtime, published: Callable[[], Metrics], name: str, fault: tuple[str, str | None]
) -> None:
    answer = call(name)

    problem = body_of(answer)
    assert answer["statusCode"] == 400
    assert (problem["reason"], problem["field"]) == fault
    assert problem["message"]
    assert runtime.asked == []
    assert published() == {}


def test_of_many_the_bad_one_is_told(call: Call, runtime: Runtime) -> None:
    good = make_features()
    answer = call("api-predictions-one", body=json.dumps({"instances": [good, good, {**good, "more": 1}, good]}))

    assert (answer["statusCode"], runtime.asked) == (400, [])
    assert body_of(answer) == {
        "reason": "unexpected_field",
        "field": "more",
        "message": "no such field in the contract: 'more'",
        "instance": 2,
    }


@pytest.mark.parametrize(
    ("body", "is_base64"), [("%%%", True), ("{", False), ("[]", False), ("{}", False), (None, False)]
)
def test_a_body_that_is_no_request_is_a_bad_request(
    call: Call, runtime: Runtime, body: str | None, is_base64: bool
) -> None:
    answer = call("api-predictions-one", body=body, isBase64Encoded=is_base64)

    assert (answer["statusCode"], runtime.asked) == (400, [])


@pytest.mark.parametrize(("method", "path"), [("GET", "/predictions"), ("POST", "/liveinference"), ("GET", "/other")])
def test_what_is_no_route_is_not_found(call: Call, event: ReadEvent, method: str, path: str) -> None:
    context = event("api-predictions-one")["requestContext"]
    context["http"] |= {"method": method, "path": path}

    assert call("api-predictions-one", rawPath=path, requestContext=context)["statusCode"] == 404


@pytest.mark.usefixtures("robots")
def test_the_endpoint_is_asked_as_sagemaker_expects(inference: ModuleType, event: ReadEvent, context: Context) -> None:
    sent = event("api-liveinference")
    expected = {
        "EndpointName": ENDPOINT,
        "ContentType": "text/csv",
        "Accept": "application/json",
        "Body": sent["queryStringParameters"]["features"].encode(),
    }
    body = answer_body([14_100.5])
    with Stubber(inference.runtime) as stubber:
        answer = {"Body": StreamingBody(io.BytesIO(body), len(body)), "ContentType": "application/json"}
        stubber.add_response("invoke_endpoint", answer, expected)

        assert inference.handler(sent, context)["body"] == "14100.5"

        stubber.assert_no_pending_responses()


def test_the_client_waits_as_long_as_it_may_and_asks_once(inference: ModuleType) -> None:
    config = inference.runtime.meta.config
    assert (config.connect_timeout, config.read_timeout) == (0.5, 0.5)
    assert config.retries["total_max_attempts"] == 1
