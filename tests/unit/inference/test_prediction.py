"""Predictions of a model, or of the fallback."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_schema import TARGET, Sample, parse_line, predict_baseline
from inference.endpoint import EndpointFailedError, EndpointResponse, parse_response
from inference.prediction import predict
from tests.factories.samples import EXPECTED_ERROR, field_value, make_sample
from tests.unit.inference.factories import MODEL, make_instances, make_response_body

if TYPE_CHECKING:
    from collections.abc import Sequence

    from feature_schema import Features


def test_predictions_contain_model_and_expected_error() -> None:
    values = [field_value(TARGET, 0.25), field_value(TARGET, 0.75)]
    result = predict(make_instances(2), lambda _: parse_response(make_response_body(values), rows=2))

    assert result.fallback_reason is None
    provenance = {"expected_error": EXPECTED_ERROR, "model": MODEL, "source": "model"}
    assert result.predictions == [{TARGET.name: value, **provenance} for value in values]


@pytest.mark.parametrize("reason", ["no_model", "time_out", "endpoint_error"])
def test_failed_endpoint_gives_the_baseline(reason: Any) -> None:
    def fail(instances: Sequence[Features]) -> EndpointResponse:
        raise EndpointFailedError(reason, "unavailable")

    instances = make_instances(3)
    result = predict(instances, fail)

    assert result.fallback_reason == reason
    assert result.predictions == [
        {TARGET.name: predict_baseline(features), "expected_error": None, "model": None, "source": "fallback"}
        for features in instances
    ]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_prediction_is_clipped_and_can_be_echoed(value: float) -> None:
    (prediction,) = predict(make_instances(), lambda _: parse_response(make_response_body([value]), rows=1)).predictions

    assert TARGET.minimum <= prediction[TARGET.name] <= TARGET.maximum
    if TARGET.minimum <= value <= TARGET.maximum:
        assert prediction[TARGET.name] == value
    assert parse_echo(prediction).prediction is not None


def parse_echo(prediction: dict[str, Any]) -> Sample:
    now = datetime(2026, 11, 23, 6, 39, tzinfo=UTC)
    line = json.dumps(make_sample(prediction=prediction)).encode()
    return parse_line(line, message_id="m", position=0, received_at=now)
