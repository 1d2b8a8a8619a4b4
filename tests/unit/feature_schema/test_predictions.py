"""Building, clipping and reading predictions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from feature_schema import BASELINE, TARGET, build_prediction, clip_to_bounds, get_predicted_value, predict_baseline
from tests.factories.samples import EXPECTED_ERROR, make_features, make_sample
from tests.unit.feature_schema.factories import identifiers, parse_sample


@given(st.floats(TARGET.minimum, TARGET.maximum), st.none() | identifiers)
def test_prediction_can_be_echoed_unchanged(value: float, model: str | None) -> None:
    prediction = build_prediction(value, model=model, expected_error=None if model is None else EXPECTED_ERROR)

    echoed = parse_sample(make_sample(prediction=prediction)).prediction

    assert echoed is not None
    assert get_predicted_value(echoed) == value
    assert (echoed.model, echoed.source) == (model, "fallback" if model is None else "model")


def test_baseline_follows_the_schema() -> None:
    value = predict_baseline(parse_sample(make_sample()).features)
    expected = make_features()[BASELINE] if isinstance(BASELINE, str) else BASELINE
    assert value == clip_to_bounds(expected)


def test_clip_keeps_bounds() -> None:
    assert clip_to_bounds(TARGET.minimum) == TARGET.minimum
    assert clip_to_bounds(TARGET.maximum + 1) == TARGET.maximum
    assert clip_to_bounds(-1e300) == TARGET.minimum
