"""Predicts with the model, or with the fallback if the model fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from feature_schema import build_prediction, clip_to_bounds, predict_baseline
from inference.endpoint import NO_MODEL, PAUSED, EndpointFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inference.endpoint import EndpointResponse, FailureReason


@dataclass(frozen=True, slots=True)
class PredictionResult:
    """One JSON-ready prediction for each instance, in order: all from one model, or all from the fallback."""

    predictions: list[dict[str, Any]]
    failure: EndpointFailedError | None = None
    """Why the fallback predicted; none if the model did."""

    @property
    def fallback_reason(self) -> FailureReason | None:
        """The failure's reason, if there was one."""
        return None if self.failure is None else self.failure.reason


def predict(
    instances: Sequence[Any],
    invoke: Callable[[Sequence[Any]], EndpointResponse],
    is_paused: Callable[[], bool] = lambda: False,
    *,
    asked_at: str,
) -> PredictionResult:
    """Predict for at least one instance, whatever the endpoint does. All predictions carry ``asked_at``.

    A model that extrapolates may predict an impossible value, such as a negative time, so predictions are clipped to
    the target's bounds. If ``invoke`` raises ``EndpointFailedError``, all predictions are the baseline's. If no model
    is deployed, ``is_paused`` returns whether an operator paused the endpoint.
    """
    try:
        response = invoke(instances)
    except EndpointFailedError as error:
        failure = EndpointFailedError(PAUSED, str(error)) if error.reason == NO_MODEL and is_paused() else error
        return PredictionResult([_build_fallback(features, asked_at) for features in instances], failure)
    return PredictionResult(
        [
            build_prediction(
                clip_to_bounds(value), model=response.model, expected_error=response.expected_error, asked_at=asked_at
            )
            for value in response.predictions
        ]
    )


def _build_fallback(features: Any, asked_at: str) -> dict[str, Any]:
    return build_prediction(predict_baseline(features), model=None, expected_error=None, asked_at=asked_at)
