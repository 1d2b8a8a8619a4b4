"""The gate: only a significant gain over the right rival goes live."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from feature_schema import TARGET, Prediction, build_prediction, get_schema_hash
from inference.endpoint import EndpointFailedError, parse_response
from promotion.promotion_gate import PromotionDecision
from tests.unit.promotion.factories import (
    CHAMPION,
    PROMISED,
    WINNER,
    decide_gate,
    make_candidate,
    make_comparison,
)


def test_significant_gain_over_champion_is_promoted() -> None:
    assert decide_gate() == PromotionDecision(WINNER, "beats_champion")


def test_first_model_has_to_beat_baseline() -> None:
    against = make_comparison(against="baseline", model=None)
    assert decide_gate(None, None, champion=None, comparison=against) == PromotionDecision(WINNER, "beats_baseline")
    assert decide_gate(None, None, champion=None) == PromotionDecision(
        None, "not_compared"
    )  # a champion that does not exist


def test_unscored_champion_leaves_baseline_to_beat() -> None:
    unscored = {"model": CHAMPION, "rmse": None, "error": "its archive was not delivered"}
    against = make_comparison(against="baseline", model=None)
    assert decide_gate(champion=unscored, comparison=against) == PromotionDecision(WINNER, "beats_baseline")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"winner": None}, "no_winner"),
        ({"winner": "somebody"}, "no_winner"),
        ({"candidates": make_candidate(rmse=None)}, "not_finite"),
        ({"candidates": make_candidate(rmse=math.nan)}, "not_finite"),
        ({"candidates": make_candidate(rmse=-1.0)}, "not_finite"),
        ({"candidates": make_candidate(expected_error=None)}, "not_promisable"),
        ({"candidates": make_candidate(rmse=0.0, expected_error=0.0)}, "not_promisable"),
        ({"champion": {"model": CHAMPION, "rmse": math.nan}}, "not_finite"),
        ({"comparison": make_comparison(mean_gain=math.nan)}, "not_finite"),
        ({"comparison": make_comparison(standard_error=math.inf)}, "not_finite"),
        ({"comparison": None}, "not_compared"),
        ({"comparison": make_comparison(against="baseline")}, "not_compared"),
        ({"champion": {"model": "another", "rmse": 2_600.0}}, "not_compared"),
        ({"champion": None, "comparison": make_comparison(against="baseline", model=None)}, "not_compared"),
        ({"candidates": make_candidate(rmse=2_600.0)}, "not_better"),
        ({"candidates": make_candidate(rmse=2_700.0)}, "not_better"),
        ({"comparison": make_comparison(mean_gain=0.0)}, "not_better"),
        ({"comparison": make_comparison(mean_gain=-1.0)}, "not_better"),
        ({"comparison": make_comparison(significant=False)}, "not_significant"),
        ({"schema_hash": "another"}, "schema_changed"),
    ],
)
def test_everything_else_keeps_the_live_model(changes: dict[str, Any], reason: str) -> None:
    assert decide_gate(**changes) == PromotionDecision(None, reason)  # type: ignore[arg-type]  # the table has plain text


@pytest.mark.parametrize(
    "promise",
    [
        0.0,
        -1.0,
        5e-324,
        1,
        PROMISED,
        *(side * (TARGET.maximum - TARGET.minimum) for side in (1, 1.001)),
        math.inf,
        math.nan,
    ],
)
def test_promoted_promise_is_accepted_by_inference(promise: float) -> None:
    answer = {
        "model": WINNER,
        "expected_error": promise,
        "schema_hash": get_schema_hash(),
        "predictions": [TARGET.maximum],
    }
    try:
        parse_response(json.dumps(answer).encode(), rows=1)
        Prediction.model_validate(build_prediction(TARGET.maximum, model=WINNER, expected_error=promise))
        takes = True
    except (EndpointFailedError, ValidationError):
        takes = False
    expected = PromotionDecision(WINNER, "beats_champion") if takes else PromotionDecision(None, "not_promisable")
    assert decide_gate(candidates=make_candidate(expected_error=promise)) == expected
    assert takes == (0 < promise <= TARGET.maximum - TARGET.minimum)


def test_changed_champion_keeps_winner_out() -> None:
    assert decide_gate(live="another-20261123T063800Z") == PromotionDecision(None, "champion_changed")
    assert decide_gate(at_start=None, live=CHAMPION) == PromotionDecision(None, "champion_changed")


def test_missing_champion_does_not_matter() -> None:
    assert decide_gate(live=None) == PromotionDecision(WINNER, "beats_champion")


def test_repeated_event_with_live_winner_decides_the_same() -> None:
    assert decide_gate(live=WINNER) == PromotionDecision(WINNER, "beats_champion")


anything = st.one_of(st.none(), st.floats())


@given(rmse=anything, rival=anything, gain=st.floats(), error=st.floats(), significant=st.booleans())
def test_only_better_and_significant_is_promoted(
    rmse: float | None, rival: float | None, gain: float, error: float, *, significant: bool
) -> None:
    given_verdict = decide_gate(
        candidates=make_candidate(rmse=rmse, expected_error=rmse),
        champion={"model": CHAMPION, "rmse": rival},
        comparison=make_comparison(mean_gain=gain, standard_error=error, significant=significant),
    )
    if given_verdict.promoted is not None:
        assert rmse is not None
        assert rival is not None
        assert 0 < rmse < rival < math.inf
        assert 0 < gain < math.inf
        assert significant
