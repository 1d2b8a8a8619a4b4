"""The wire contracts: a sample, the prediction that it may echo, and a request for predictions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, create_model

from feature_schema import schema
from feature_schema.fields import TARGET
from feature_schema.schema import Features, Target

MAX_INSTANCES = 500
"""Instances in one request: far below the payload limits of Lambda and of SageMaker's real-time endpoints (6 MB).

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html"""

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$")]
"""A name that is safe in a CSV cell, a metric dimension and an S3 key. At most 128 characters."""

FiniteNumber = Annotated[float, Field(allow_inf_nan=False, strict=True)]
"""A float or a whole number; no NaN, no infinity, no digits in quotes."""

ExpectedError = Annotated[FiniteNumber, Field(gt=0, le=TARGET.maximum - TARGET.minimum)]
"""The root mean square error that a model expects, in the target's unit."""

MIN_RECORDED_AT = datetime(2000, 1, 1, tzinfo=UTC)
"""An older time comes from a clock that was never set. If a sample is about an older event, the event's time is a
feature."""

ValidTime = Annotated[AwareDatetime, Field(ge=MIN_RECORDED_AT)]
"""A time with an offset from UTC."""

_CONTRACT = ConfigDict(extra="forbid", frozen=True, strict=True)


class PredictionProvenance(BaseModel):
    """The source of a prediction. ``model`` and ``expected_error`` are null if the source is the fallback."""

    model_config = _CONTRACT

    expected_error: ExpectedError | None = None
    """The model's root mean square error on its test set, in the target's unit."""
    model: Identifier | None = None
    source: Literal["model", "fallback"] = "model"
    asked_at: ValidTime | None = None
    """When the request arrived at the inference function; the same for all instances of a request. Older senders do not
    echo it."""


_PREDICTED: dict[str, Any] = {  # within the target's bounds, so that one absurd echo cannot overflow the sums of errors
    TARGET.name: (
        FiniteNumber,
        Field(ge=TARGET.minimum, le=TARGET.maximum, description=f"predicted, in {TARGET.unit}"),
    )
}

Prediction = create_model(
    "Prediction",
    __base__=PredictionProvenance,
    __doc__="The response for one instance. The sample of the same interaction may echo it.",
    **_PREDICTED,
)


class Sample(Target):
    """One interaction that happened: target, features, provenance and, if one was requested, the prediction.

    The target is a top-level field under its own name.
    """

    sample_id: Identifier
    robot_id: Identifier
    fc_id: Identifier
    recorded_at: ValidTime
    schema_version: Annotated[int, Field(ge=schema.VERSION, le=schema.VERSION)]  # a Literal would accept `true` for 1
    features: Features
    prediction: Prediction | None = None


class PredictionRequest(BaseModel):
    """``POST /predictions``: either ``features`` (one prediction) or ``instances`` (one prediction each, in order).

    ``fc_id`` and ``robot_id`` say for whom all of them are. No model uses them yet.
    """

    model_config = _CONTRACT

    fc_id: Identifier | None = None
    robot_id: Identifier | None = None
    features: Features | None = None
    instances: Annotated[tuple[Features, ...], Field(min_length=1, max_length=MAX_INSTANCES, strict=False)] | None = (
        None
    )
