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

ASKED_AT = "2026-11-23T06:38:48.456Z"


def test_predictions_contain_model_and_expected_error() -> None:
    values = [field_value(TARGET, 0.25), field_value(TARGET, 0.75)]
    result = predict(make_instances(2), lambda _: parse_response(make_response_body(values), rows=2), asked_at=ASKED_AT)

    assert result.fallback_reason is None
    provenance = {"expected_error": EXPECTED_ERROR, "model": MODEL, "source": "model", "asked_at": ASKED_AT}
    assert result.predictions == [{TARGET.name: value, **provenance} for value in values]


@pytest.mark.parametrize("reason", ["no_model", "time_out", "endpoint_error"])
def test_failed_endpoint_gives_the_baseline(reason: Any) -> None:
    def fail(instances: Sequence[Features]) -> EndpointResponse:
        raise EndpointFailedError(reason, "unavailable")

    instances = make_instances(3)
    result = predict(instances, fail, asked_at=ASKED_AT)

    assert result.fallback_reason == reason
    assert result.predictions == [
        {
            TARGET.name: predict_baseline(features),
            "expected_error": None,
            "model": None,
            "source": "fallback",
            "asked_at": ASKED_AT,
        }
        for features in instances
    ]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_prediction_is_clipped_and_can_be_echoed(value: float) -> None:
    (prediction,) = predict(
        make_instances(), lambda _: parse_response(make_response_body([value]), rows=1), asked_at=ASKED_AT
    ).predictions

    assert TARGET.minimum <= prediction[TARGET.name] <= TARGET.maximum
    if TARGET.minimum <= value <= TARGET.maximum:
        assert prediction[TARGET.name] == value
    echo = parse_echo(prediction).prediction
    assert echo is not None
    assert echo.asked_at == datetime.fromisoformat(ASKED_AT)


def parse_echo(prediction: dict[str, Any]) -> Sample:
    now = datetime(2026, 11, 23, 6, 39, tzinfo=UTC)
    line = json.dumps(make_sample(prediction=prediction)).encode()
    return parse_line(line, message_id="m", position=0, received_at=now)
