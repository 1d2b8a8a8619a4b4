"""Answers to a planner, and what they are made of. ``features`` may be ``Features`` or a decoded record's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import astuple

from feature_schema.fields import BASELINE, TARGET

if TYPE_CHECKING:
    from feature_schema.contracts import PredictionProvenance


def build_prediction(value: float, *, model: str | None, expected_error: float | None) -> dict[str, Any]:
    """An answer, JSON-ready. ``value`` and ``expected_error`` are in the target's unit; no ``model``: the fallback."""
    return {
        TARGET.name: value,
        "expected_error": expected_error,
        "model": model,
        "source": "fallback" if model is None else "model",
    }


def get_predicted_value(answer: PredictionProvenance) -> float:
    """The predicted value inside an answer, in the target's unit."""
    return float(getattr(answer, TARGET.name))


def get_actual_value(sample: Any) -> float:
    """The target's value in a sample, in its unit. No attribute: the target may have any name."""
    return float(getattr(sample, TARGET.name))


def clip_to_bounds(value: float) -> float:
    """The value, or the bound of the target next to it.

    What happens is always inside the bounds, so this can only bring an answer nearer to it.
    """
    return min(max(value, TARGET.minimum), TARGET.maximum)


def predict_baseline(features: Any) -> float:
    """The answer without a model, in the target's unit and bounds."""
    if isinstance(BASELINE, str):
        return clip_to_bounds(float(getattr(features, BASELINE)))
    return float(BASELINE)


def to_feature_row(features: Any) -> str:
    """The features as one CSV line without newline, in the order of a row: what the endpoint is asked with."""
    values = astuple(features) if isinstance(features, msgspec.Struct) else features.__dict__.values()
    return ",".join(str(value) for value in values)
