"""Responses and errors of the SageMaker endpoint."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from hypothesis import given
from hypothesis import strategies as st

from inference.endpoint import EndpointFailedError, classify_failure, parse_response
from tests.factories.samples import EXPECTED_ERROR
from tests.unit.inference.factories import ENDPOINT, MODEL, make_client_error, make_response_body


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (make_client_error("ValidationError", f"Endpoint {ENDPOINT} of account 123456789012 not found."), "no_model"),
        (make_client_error("ModelError", "Received server error (500) from primary"), "endpoint_error"),
        (make_client_error("ModelNotReadyException"), "endpoint_error"),
        (make_client_error("ServiceUnavailable"), "endpoint_error"),
        (make_client_error("ThrottlingException"), "endpoint_error"),
        (make_client_error("AccessDeniedException", "not found or not allowed"), "endpoint_error"),
        (ConnectTimeoutError(endpoint_url="https://endpoint"), "time_out"),
        (ReadTimeoutError(endpoint_url="https://endpoint"), "time_out"),
        (EndpointConnectionError(endpoint_url="https://endpoint"), "endpoint_error"),
        (ConnectionClosedError(endpoint_url="https://endpoint"), "endpoint_error"),
        (ResponseStreamingError(error="cut off"), "endpoint_error"),
        (NoCredentialsError(), "endpoint_error"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_exception_has_its_failure_reason(error: Any, reason: str) -> None:
    assert classify_failure(error) == reason


def test_response_contains_model_error_and_predictions() -> None:
    response = parse_response(make_response_body([14_100.5, 9_000]), rows=2)

    assert (response.model, response.expected_error, response.predictions) == (
        MODEL,
        EXPECTED_ERROR,
        [14_100.5, 9_000.0],
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"14100.5",
        b"[14100.5]",
        b"<html>Internal Server Error</html>",
        b"\xff",
        make_response_body([]),
        make_response_body([1.0, 2.0]),
        make_response_body(["14100"]),
        make_response_body([None]),
        make_response_body([True]),
        make_response_body([[14_100.5]]),
        make_response_body([float("nan")]),
        make_response_body([float("inf")]),
        make_response_body([14_100.5]).replace(b"14100.5", b"1e999"),
        make_response_body([1.0], schema_hash=None),
        make_response_body([1.0], model="no,name"),
        make_response_body([1.0], model=None),
        make_response_body([1.0], expected_error=0),
        make_response_body([1.0], expected_error=float("nan")),
        make_response_body([1.0], expected_error=1e308),
        json.dumps({"predictions": [1.0]}).encode(),
    ],
)
def test_invalid_response_is_an_endpoint_error(body: bytes) -> None:
    with pytest.raises(EndpointFailedError) as raised:
        parse_response(body, rows=1)
    assert raised.value.reason == "endpoint_error"


def test_model_of_another_schema_counts_as_no_model() -> None:
    with pytest.raises(EndpointFailedError) as raised:
        parse_response(make_response_body([1.0], schema_hash="0123456789abcdef"), rows=1)
    assert raised.value.reason == "no_model"


def test_model_that_rejects_rows_counts_as_no_model() -> None:
    response: Any = {"Error": {"Code": "ModelError", "Message": "400"}, "OriginalStatusCode": 400}
    assert classify_failure(ClientError(response, "InvokeEndpoint")) == "no_model"


@given(st.binary(max_size=200), st.integers(1, 3))
def test_arbitrary_response_is_an_endpoint_error(body: bytes, rows: int) -> None:
    with pytest.raises(EndpointFailedError, match="endpoint_error"):
        parse_response(body, rows=rows)
