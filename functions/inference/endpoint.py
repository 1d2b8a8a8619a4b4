"""The SageMaker endpoint as this function sees it: rows in, a model's answer out, or a failure with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, ReadTimeoutError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from feature_schema import feature_row, schema_hash
from feature_schema.sample import ExpectedError, FiniteNumber, Identifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

    from feature_schema import Features

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


class EndpointAnswer(BaseModel):
    """What a served model answers: who it is, and one number for each row."""

    model_config = ConfigDict(frozen=True, strict=True)

    model: Identifier
    expected_error: ExpectedError
    schema_hash: str
    predictions: Annotated[list[FiniteNumber], Field(min_length=1)]


def failure_reason(error: BotoCoreError | ClientError) -> FailureReason:
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


def read_answer(body: bytes, *, rows: int) -> EndpointAnswer:
    """Check an answer to ``rows`` rows. Raises ``EndpointFailedError``.

    A model that was trained on another schema would take the columns for something else, so its answer is none: for
    this schema there is no model yet, and the alarm that says so trains one.
    """
    try:
        answer = EndpointAnswer.model_validate_json(body)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise EndpointFailedError("endpoint_error", f"answer not understood: {where} {fault['msg']}") from None
    if answer.schema_hash != schema_hash():
        raise EndpointFailedError(NO_MODEL, f"{answer.model} has schema {answer.schema_hash}, not ours")
    if len(answer.predictions) != rows:
        raise EndpointFailedError("endpoint_error", f"{len(answer.predictions)} predictions for {rows} rows")
    return answer


def ask(runtime: SageMakerRuntimeClient, endpoint_name: str, instances: Sequence[Features]) -> EndpointAnswer:
    """Ask the endpoint once. Raises ``EndpointFailedError``."""
    try:
        response = runtime.invoke_endpoint(
            EndpointName=endpoint_name,
            ContentType="text/csv",
            Accept="application/json",
            Body="\n".join(feature_row(features) for features in instances).encode(),
        )
        body = response["Body"].read()
    except (BotoCoreError, ClientError) as error:
        raise EndpointFailedError(failure_reason(error), str(error)) from error
    return read_answer(body, rows=len(instances))
