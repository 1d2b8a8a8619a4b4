"""The contracts on the wire: a sample, the prediction that it may echo, a request for predictions and its answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, create_model

from feature_schema import schema
from feature_schema.fields import TARGET
from feature_schema.schema import Features, Target

MAX_INSTANCES = 500
"""How many predictions one request may ask for: well inside the payload limits of Lambda and SageMaker (6 MB)."""

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$")]
"""A name that is safe in a CSV cell, a metric dimension and an S3 key. At most 128 characters."""

FiniteNumber = Annotated[float, Field(allow_inf_nan=False, strict=True)]
"""A float or a whole number; no NaN, no infinity, no digits in quotes."""

ExpectedError = Annotated[FiniteNumber, Field(gt=0, le=TARGET.maximum - TARGET.minimum)]
"""How far off a model expects to be: a root mean square, in the target's unit."""

MIN_RECORDED_AT = datetime(2000, 1, 1, tzinfo=UTC)
"""Nobody sent samples before; an older time is a clock that was never set. The time of what a sample is *about*, if it
is another, is a feature."""

_CONTRACT = ConfigDict(extra="forbid", frozen=True, strict=True)


class PredictionProvenance(BaseModel):
    """Where an answer comes from. ``model`` and ``expected_error`` are null when the source is the fallback."""

    model_config = _CONTRACT

    expected_error: ExpectedError | None = None
    """The model's error on its test set: a root mean square, in the target's unit."""
    model: Identifier | None = None
    source: Literal["model", "fallback"] = "model"


_PREDICTED: dict[str, Any] = {  # inside the target's bounds: one absurd echo must not overflow the sums of errors
    TARGET.name: (
        FiniteNumber,
        Field(ge=TARGET.minimum, le=TARGET.maximum, description=f"predicted, in {TARGET.unit}"),
    )
}

Prediction = create_model(
    "Prediction",
    __base__=PredictionProvenance,
    __doc__="The answer to a planner, and what is echoed inside the sample of the same interaction.",
    **_PREDICTED,
)


class Sample(Target):
    """One interaction that happened: target, features, provenance and, if one was asked for, the prediction.

    The target stands at the top level under its own name.
    """

    sample_id: Identifier
    robot_id: Identifier
    fc_id: Identifier
    recorded_at: Annotated[AwareDatetime, Field(ge=MIN_RECORDED_AT)]
    schema_version: Annotated[int, Field(ge=schema.VERSION, le=schema.VERSION)]  # a Literal would take `true` for 1
    features: Features
    prediction: Prediction | None = None


class PredictionRequest(BaseModel):
    """``POST /predictions``: exactly one of ``features`` (one answer) and ``instances`` (an answer each, in order)."""

    model_config = _CONTRACT

    features: Features | None = None
    instances: Annotated[tuple[Features, ...], Field(min_length=1, max_length=MAX_INSTANCES, strict=False)] | None = (
        None
    )
