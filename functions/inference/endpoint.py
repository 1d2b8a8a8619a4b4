"""The SageMaker endpoint as this function sees it: rows in, a model's answer out, or a failure with its reason."""

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
"""Nothing serves that understands this schema: a reason to train."""

PAUSED: FailureReason = "paused"
"""Nothing serves because an operator took the endpoint down: no reason for anything."""


class EndpointFailedError(RuntimeError):
    """The endpoint gave no answer that can be used. ``reason`` is one of four, fit for a metric's dimension."""

    def __init__(self, reason: FailureReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: FailureReason = reason


class EndpointResponse(NamedTuple):
    """What a served model answers: who it is, and one number for each row."""

    model: str
    expected_error: float
    schema_hash: str
    predictions: list[float]


_PREDICTION = {field["name"]: field["shape"] for field in decoders.SHAPES["Prediction"]["fields"]}
_decode = msgspec.json.Decoder(
    msgspec.defstruct(
        "EndpointAnswer",
        [
            ("model", decoders.to_pattern_type(_PREDICTION["model"])),
            ("expected_error", decoders.to_type(_PREDICTION["expected_error"])),
            ("schema_hash", str),
            (
                "predictions",
                decoders.to_type({"kind": "many", "item": {"kind": "number"}, "minimum": 1, "maximum": None}),
            ),
        ],
    )
).decode


def classify_failure(error: BotoCoreError | ClientError) -> FailureReason:
    """Which kind of failure an exception of botocore is.

    ``ValidationError`` is how ``InvokeEndpoint`` says that it knows no such endpoint (also one still being created).
    Everything else that it checks is fixed in this module, so the code alone decides, not the message. A 400 of the
    model's own means that it was trained on rows of another width: ours are valid. A model that is there and not
    ready, throttled, forbidden or failing is an error: training another would not help.
    """
    if isinstance(error, ConnectTimeoutError | ReadTimeoutError):
        return "time_out"
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code")
        if code == "ValidationError" or (code == "ModelError" and error.response.get("OriginalStatusCode") == 400):
            return NO_MODEL
    return "endpoint_error"


def parse_response(body: bytes, *, rows: int) -> EndpointResponse:
    """Check an answer to ``rows`` rows. Raises ``EndpointFailedError``.

    A model that was trained on another schema would take the columns for something else, so its answer is none: for
    this schema there is no model yet, and the alarm that says so trains one.
    """
    try:
        answer = EndpointResponse(*msgspec.structs.astuple(_decode(body)))
    except decoders.DECODE_ERRORS as error:
        raise EndpointFailedError("endpoint_error", f"answer not understood: {error}") from None
    if answer.schema_hash != get_schema_hash():
        raise EndpointFailedError(NO_MODEL, f"{answer.model} has schema {answer.schema_hash}, not ours")
    if len(answer.predictions) != rows:
        raise EndpointFailedError("endpoint_error", f"{len(answer.predictions)} predictions for {rows} rows")
    return answer


def invoke(runtime: SageMakerRuntimeClient, endpoint_name: str, instances: Sequence[Any]) -> EndpointResponse:
    """Ask the endpoint once. Raises ``EndpointFailedError``."""
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
