"""Builds predictions and the values in them. ``features`` is a ``Features`` model or the struct of a decoded record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import astuple

from feature_schema.fields import BASELINE, TARGET

if TYPE_CHECKING:
    from feature_schema.contracts import PredictionProvenance


def build_prediction(
    value: float, *, model: str | None, expected_error: float | None, asked_at: str | None = None
) -> dict[str, Any]:
    """Build the JSON-ready response for one instance.

    ``value`` and ``expected_error`` are in the target's unit. Without a ``model``, the source is the fallback.
    ``asked_at`` is the time of the request in the format of a row; without it, the response has none.
    """
    asked = {} if asked_at is None else {"asked_at": asked_at}
    return {
        TARGET.name: value,
        "expected_error": expected_error,
        "model": model,
        "source": "fallback" if model is None else "model",
        **asked,
    }


def get_predicted_value(prediction: PredictionProvenance) -> float:
    """Return the predicted value in the target's unit."""
    return float(getattr(prediction, TARGET.name))


def get_actual_value(sample: Any) -> float:
    """Return the target's value in a sample, in its unit. A function, since the target's name depends on the schema."""
    return float(getattr(sample, TARGET.name))


def clip_to_bounds(value: float) -> float:
    """Return the value, or the nearest bound of the target.

    Actual values are always within the bounds, so clipping never increases a prediction's error.
    """
    return min(max(value, TARGET.minimum), TARGET.maximum)


def predict_baseline(features: Any) -> float:
    """Return the prediction of the baseline, which needs no model, in the target's unit and bounds."""
    if isinstance(BASELINE, str):
        return clip_to_bounds(float(getattr(features, BASELINE)))
    return float(BASELINE)


def to_feature_row(features: Any) -> str:
    """Convert features to the endpoint's input: one CSV line without newline, in the order of ``FEATURES``."""
    values = astuple(features) if isinstance(features, msgspec.Struct) else features.__dict__.values()
    return ",".join(str(value) for value in values)
