"""Answers to a planner: the model's, or the fallback's when there is none."""

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
    """One answer for each instance, in order, JSON-ready: all from one model, or all from the fallback."""

    answers: list[dict[str, Any]]
    failure: EndpointFailedError | None = None
    """Why the fallback answered; none when the model did."""

    @property
    def fallback_reason(self) -> FailureReason | None:
        """The failure's reason, if there was one."""
        return None if self.failure is None else self.failure.reason


def predict(
    instances: Sequence[Any],
    ask: Callable[[Sequence[Any]], EndpointResponse],
    paused: Callable[[], bool] = lambda: False,
) -> PredictionResult:
    """An answer for each of at least one instance, whatever the endpoint does.

    A model that extrapolates may answer what cannot be, such as less than no time, which no planner can use: an answer
    is inside the target's bounds. ``ask`` raises ``EndpointFailedError`` when it has no answer; then every answer is
    the baseline's. If nothing serves, ``paused`` says whether that is on purpose.
    """
    try:
        answer = ask(instances)
    except EndpointFailedError as failure:
        why = EndpointFailedError(PAUSED, str(failure)) if failure.reason == NO_MODEL and paused() else failure
        return PredictionResult([_fallback(features) for features in instances], why)
    return PredictionResult(
        [
            build_prediction(clip_to_bounds(value), model=answer.model, expected_error=answer.expected_error)
            for value in answer.predictions
        ]
    )


def _fallback(features: Any) -> dict[str, Any]:
    return build_prediction(predict_baseline(features), model=None, expected_error=None)
