"""Invokes the SageMaker endpoint: rows in, the model's response out, or an error with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, ReadTimeoutError

from feature_schema import get_schema_hash, to_feature_row
from feature_schema.fast import decoders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

type FailureReason = Literal["no_model", "paused", "time_out", "endpoint_error"]

NO_MODEL: FailureReason = "no_model"
"""No model for this schema is deployed: a reason to train."""

PAUSED: FailureReason = "paused"
"""No model is deployed because an operator paused the endpoint: no reason to train."""


class EndpointFailedError(RuntimeError):
    """The endpoint gave no valid response. ``reason`` is one of four codes, safe as a metric dimension."""

    def __init__(self, reason: FailureReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: FailureReason = reason


class EndpointResponse(NamedTuple):
    """The response of a served model: its name, and one number for each row."""

    model: str
    expected_error: float
    """Root mean square error on the test set, in the target's unit."""
    schema_hash: str
    predictions: list[float]
    """In the target's unit."""


_PREDICTION = {field["name"]: field["shape"] for field in decoders.SHAPES["Prediction"]["fields"]}
_NUMBERS: dict[str, Any] = {"kind": "array", "item": {"kind": "number"}, "minimum": 1, "maximum": None}
_decode = msgspec.json.Decoder(
    msgspec.defstruct(
        "EndpointResponse",
        [
            ("model", decoders.to_pattern_type(_PREDICTION["model"])),
            ("expected_error", decoders.to_type(_PREDICTION["expected_error"])),
            ("schema_hash", str),
            ("predictions", decoders.to_type(_NUMBERS)),
        ],
    )
).decode


def classify_failure(error: BotoCoreError | ClientError) -> FailureReason:
    """Return the reason for an exception of botocore.

    ``InvokeEndpoint`` answers ``ValidationError`` for an endpoint that does not exist or is still being created. All
    other inputs that it validates are fixed in this module, so the code alone is sufficient. A model's own status 400
    means that it was trained on rows of another width, since our rows are valid. An existing model that is not ready,
    throttled, forbidden or failing is an error; training another one would not help.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
    """
    if isinstance(error, ConnectTimeoutError | ReadTimeoutError):
        return "time_out"
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code")
        if code == "ValidationError" or (code == "ModelError" and error.response.get("OriginalStatusCode") == 400):
            return NO_MODEL
    return "endpoint_error"


def parse_response(body: bytes, *, rows: int) -> EndpointResponse:
    """Parse and validate the response to ``rows`` rows. Raises ``EndpointFailedError``.

    A model of another schema interprets the columns differently, so its predictions are invalid. Its reason is
    ``no_model``, whose alarm trains a model for this schema.
    """
    try:
        response = EndpointResponse(*msgspec.structs.astuple(_decode(body)))
    except decoders.DECODE_ERRORS as error:
        raise EndpointFailedError("endpoint_error", f"invalid response: {error}") from None
    if response.schema_hash != get_schema_hash():
        raise EndpointFailedError(
            NO_MODEL, f"{response.model} has schema {response.schema_hash}, expected {get_schema_hash()}"
        )
    if len(response.predictions) != rows:
        raise EndpointFailedError("endpoint_error", f"{len(response.predictions)} predictions for {rows} rows")
    return response


def invoke(runtime: SageMakerRuntimeClient, endpoint_name: str, instances: Sequence[Any]) -> EndpointResponse:
    """Invoke the endpoint once, with one CSV row for each instance. Raises ``EndpointFailedError``."""
    try:
        response = runtime.invoke_endpoint(
            EndpointName=endpoint_name,
            ContentType="text/csv",
            Accept="application/json",
            Body="\n".join(to_feature_row(features) for features in instances).encode(),
        )
        body = response["Body"].read()
    except (BotoCoreError, ClientError) as error:
        raise EndpointFailedError(classify_failure(error), str(error)) from error
    return parse_response(body, rows=len(instances))
