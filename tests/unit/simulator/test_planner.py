"""The planner: signed questions, checked answers, and an API that is down is no reason to stop."""

from __future__ import annotations

import json
from collections import Counter
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from urllib3 import HTTPResponse

from dwell.client.signed_api import NotSignableError, SignedApi
from dwell.simulator.planner import Planner, PlannerError, create_planner
from feature_schema import TARGET, build_prediction, parse_request, predict_baseline
from tests.factories.samples import EXPECTED_ERROR, field_value, make_features

if TYPE_CHECKING:
    from collections.abc import Callable

URL = "https://abc.execute-api.eu-west-1.amazonaws.com"
CREDENTIALS = Credentials("AKIDEXAMPLE", "a-secret", "a-token")
INSTANCES = [make_features() for _ in range(3)]


def answer(request: AWSPreparedRequest) -> tuple[int, bytes]:
    """What the inference function answers without a model."""
    question = parse_request(body_of(request))
    answers = [
        build_prediction(predict_baseline(features), model=None, expected_error=None)
        for features in (question.instances or [question.features])
        if features is not None
    ]
    return 200, json.dumps({"predictions": answers} if question.instances else answers[0]).encode()


class FakeApi:
    """Stands where the network is: checks the signature as AWS does, then lets ``handler`` answer."""

    def __init__(self, handler: Callable[[AWSPreparedRequest], tuple[int, bytes]] = answer) -> None:
        self.handler = handler
        self.requests: list[AWSPreparedRequest] = []

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        self.requests.append(request)
        status, body = self.handler(request) if is_signed(request) else (403, b'{"message":"Forbidden"}')
        response = AWSResponse(request.url, status, HTTPHeaders(), HTTPResponse(BytesIO(body), preload_content=False))
        assert response.content == body
        return response


def is_signed(request: AWSPreparedRequest) -> bool:
    """The signature, computed again from the secret, over what came."""
    signer = SigV4Auth(CREDENTIALS, "execute-api", "eu-west-1")
    again = AWSRequest(method=request.method, url=request.url, data=request.body)
    given = {name.lower(): text(value) for name, value in request.headers.items()}
    signed = given["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    for name in signed:
        if name != "host":
            again.headers[name] = given[name]
    again.context["timestamp"] = given["x-amz-date"]
    signature = signer.signature(signer.string_to_sign(again, signer.canonical_request(again)), again)
    scope = f"AKIDEXAMPLE/{given['x-amz-date'][:8]}/eu-west-1/execute-api/aws4_request"
    return given["authorization"].endswith(f"Signature={signature}") and scope in given["authorization"]


def body_of(request: AWSPreparedRequest) -> bytes:
    assert isinstance(request.body, bytes)
    return request.body


def text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def planner_of(api: FakeApi, url: str = URL, credentials: Credentials = CREDENTIALS, **options: Any) -> Planner:
    return Planner(SignedApi(url, credentials=credentials, region="eu-west-1", session=api), **options)


@pytest.mark.parametrize("url", [URL, f"{URL}/", "http://127.0.0.1:4566/_aws/execute-api/abc/$default"])
def test_questions_are_signed_for_the_api(url: str) -> None:
    api = FakeApi()

    answers = planner_of(api, url).request_predictions(INSTANCES)

    assert [one["source"] for one in answers] == ["fallback"] * 3
    assert [request.url for request in api.requests] == [f"{url.rstrip('/')}/predictions"]
    assert text(api.requests[0].headers["X-Amz-Security-Token"]) == "a-token"


def test_the_fake_would_notice_a_wrong_signature() -> None:
    planner = planner_of(FakeApi(), credentials=Credentials("AKIDEXAMPLE", "another-secret", "a-token"))

    with pytest.raises(PlannerError, match="http_403"):
        planner.request_predictions(INSTANCES)


def test_a_single_question_has_no_list_around_it() -> None:
    api = FakeApi()

    (one,) = planner_of(api).request_predictions(INSTANCES, single=True)

    assert json.loads(body_of(api.requests[0])) == {"features": INSTANCES[0]}
    assert one["source"] == "fallback"


def test_predictions_are_counted_by_source_and_unchanged() -> None:
    given = [
        build_prediction(
            field_value(TARGET), model="m-1", expected_error=EXPECTED_ERROR, asked_at="2026-11-23T06:38:48.456Z"
        ),
        build_prediction(field_value(TARGET, 0.25), model=None, expected_error=None),
    ]
    planner = planner_of(FakeApi(lambda _: (200, json.dumps({"predictions": given}).encode())))

    assert planner.request_predictions(INSTANCES[:2]) == given
    assert planner.sources == Counter({"model": 1, "fallback": 1})
    assert planner.requests == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b'{"predictions": null}',
        b'{"predictions": [1, 2, 3]}',
        b'{"predictions": []}',
        b'{"predictions": [{"source": "model"}, {"source": "model"}, {"source": "model"}]}',
        b"\xff",
        json.dumps(
            {
                "predictions": [build_prediction(field_value(TARGET), model=None, expected_error=None, asked_at="now")]
                * 3
            }
        ).encode(),
    ],
)
def test_an_answer_outside_the_contract_is_a_failure(body: bytes) -> None:
    planner = planner_of(FakeApi(lambda _: (200, body)))

    with pytest.raises(PlannerError) as failed:
        planner.request_predictions(INSTANCES)

    assert failed.value.reason == "bad_answer"
    assert planner.failures == Counter({"bad_answer": 1})
    assert not planner.sources


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ReadTimeoutError(endpoint_url=URL), "ReadTimeoutError"),
        (EndpointConnectionError(endpoint_url=URL), "EndpointConnectionError"),
    ],
)
def test_an_api_that_cannot_be_reached_is_a_failure(error: Exception, reason: str) -> None:
    def broken(_: AWSPreparedRequest) -> tuple[int, bytes]:
        raise error

    planner = planner_of(FakeApi(broken))

    with pytest.raises(PlannerError):
        planner.request_predictions(INSTANCES)

    assert planner.failures == Counter({reason: 1})


def test_planner_pauses_after_too_many_failures() -> None:
    # Given an API that is down, and a budget of two failures
    api, now = FakeApi(lambda _: (500, b"")), [100.0]
    planner = planner_of(api, max_failures=2, clock=lambda: now[0])

    reasons = []
    for _ in range(4):
        with pytest.raises(PlannerError) as failed:
            planner.request_predictions(INSTANCES)
        reasons.append(failed.value.reason)

    # Then it is asked twice, and left alone
    assert reasons == ["http_500", "http_500", "resting", "resting"]
    assert len(api.requests) == planner.requests == 2
    # when it is up again after the rest, all is well
    now[0] += 1.0
    api.handler = answer
    assert len(planner.request_predictions(INSTANCES)) == 3
    # and one more failure is within the budget again
    api.handler = lambda _: (500, b"")
    for _ in range(2):
        with pytest.raises(PlannerError, match="http_500"):
            planner.request_predictions(INSTANCES)


def test_rests_grow_and_stay_bounded() -> None:
    now = [0.0]
    planner = planner_of(FakeApi(lambda _: (500, b"")), max_failures=1, clock=lambda: now[0])

    rests = []
    for _ in range(6):
        with pytest.raises(PlannerError, match="http_500"):
            planner.request_predictions(INSTANCES)
        start = now[0]
        while True:
            now[0] += 0.5
            try:
                planner.request_predictions(INSTANCES)
            except PlannerError as error:
                if error.reason != "resting":
                    break
        rests.append(now[0] - start)
        now[0] += 8.0

    assert rests[0] == 1.0
    assert max(rests) == 8.0


@pytest.mark.parametrize("url", ["abc.execute-api.eu-west-1.amazonaws.com", "ftp://host", "https://"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not the URL"):
        planner_of(FakeApi(), url)


@pytest.fixture
def no_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> pytest.MonkeyPatch:
    """An environment without credentials, region or metadata service."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return monkeypatch


def test_without_credentials_there_is_no_planner(no_aws: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotSignableError, match="AWS credentials"):
        create_planner(URL)


def test_region_is_the_urls_on_aws_else_the_chains(no_aws: pytest.MonkeyPatch) -> None:
    no_aws.setenv("AWS_ACCESS_KEY_ID", "test")
    no_aws.setenv("AWS_SECRET_ACCESS_KEY", "test")

    create_planner(URL)
    with pytest.raises(NotSignableError, match="region"):
        create_planner("http://127.0.0.1:4566/_aws/execute-api/abc/$default")
