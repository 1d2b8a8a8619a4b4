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
from promotion.job_results import Tournament
from promotion.promotion_gate import Verdict, judge

HASH = "0123456789abcdef"
CHAMPION = "xgboost-20261123T051100Z"
WINNER = "xgboost-recent-20261123T063900Z"
PROMISED = min(1_900.0, TARGET.maximum - TARGET.minimum)
"""What an answer may promise under any schema."""


def tournament(**changes: Any) -> Tournament:
    """A winner at 1900 against a champion at 2600 and a baseline at 5000."""
    known: dict[str, Any] = {
        "round": "20261123T063900Z-model-error",
        "schema_hash": HASH,
        "dataset": {"samples": 10, "duplicates": 0, "train": 6, "recent_train": 2, "test": 2},
        "baseline_rmse": 5_000.0,
        "champion": {"model": CHAMPION, "rmse": 2_600.0},
        "candidates": [
            {
                "name": "xgboost-recent",
                "algorithm": "xgboost",
                "trained_on": "recent",
                "model": WINNER,
                "rmse": 1_900.0,
                "expected_error": PROMISED,
            }
        ],
        "winner": "xgboost-recent",
        "comparison": comparison(),
        "seconds": 12.0,
    }
    return Tournament.model_validate({**known, **changes})


def comparison(**changes: Any) -> dict[str, Any]:
    known = {
        "against": "champion",
        "model": CHAMPION,
        "mean_gain": 3_150_000.0,
        "standard_error": 200_000.0,
        "confidence": 0.95,
        "significant": True,
    }
    return {**known, **changes}


def candidate(**changes: Any) -> list[dict[str, Any]]:
    (known,) = tournament().candidates
    return [{**known.model_dump(), **changes}]


def verdict(at_start: str | None = CHAMPION, live: str | None = CHAMPION, **changes: Any) -> Verdict:
    return judge(tournament(**changes), champion=at_start, will_answer=live, schema_hash=HASH)


def test_a_significant_gain_over_the_champion_is_promoted() -> None:
    assert verdict() == Verdict(WINNER, "beats_champion")


def test_the_first_model_has_to_beat_the_baseline() -> None:
    against = comparison(against="baseline", model=None)
    assert verdict(None, None, champion=None, comparison=against) == Verdict(WINNER, "beats_baseline")
    assert verdict(None, None, champion=None) == Verdict(None, "not_compared")  # with a champion that there is not


def test_a_champion_that_could_not_be_scored_leaves_the_baseline_to_beat() -> None:
    unscored = {"model": CHAMPION, "rmse": None, "error": "its archive was not delivered"}
    against = comparison(against="baseline", model=None)
    assert verdict(champion=unscored, comparison=against) == Verdict(WINNER, "beats_baseline")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"winner": None}, "no_winner"),
        ({"winner": "somebody"}, "no_winner"),
        ({"candidates": candidate(rmse=None)}, "not_finite"),
        ({"candidates": candidate(rmse=math.nan)}, "not_finite"),
        ({"candidates": candidate(rmse=-1.0)}, "not_finite"),
        ({"candidates": candidate(expected_error=None)}, "not_promisable"),
        ({"candidates": candidate(rmse=0.0, expected_error=0.0)}, "not_promisable"),
        ({"champion": {"model": CHAMPION, "rmse": math.nan}}, "not_finite"),
        ({"comparison": comparison(mean_gain=math.nan)}, "not_finite"),
        ({"comparison": comparison(standard_error=math.inf)}, "not_finite"),
        ({"comparison": None}, "not_compared"),
        ({"comparison": comparison(against="baseline")}, "not_compared"),
        ({"champion": {"model": "another", "rmse": 2_600.0}}, "not_compared"),
        ({"champion": None, "comparison": comparison(against="baseline", model=None)}, "not_compared"),
        ({"candidates": candidate(rmse=2_600.0)}, "not_better"),
        ({"candidates": candidate(rmse=2_700.0)}, "not_better"),
        ({"comparison": comparison(mean_gain=0.0)}, "not_better"),
        ({"comparison": comparison(mean_gain=-1.0)}, "not_better"),
        ({"comparison": comparison(significant=False)}, "not_significant"),
        ({"schema_hash": "another"}, "schema_changed"),
    ],
)
def test_everything_else_keeps_what_is_live(changes: dict[str, Any], reason: str) -> None:
    assert verdict(**changes) == Verdict(None, reason)  # type: ignore[arg-type]  # the table has plain text


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
def test_what_passes_can_be_promised_by_an_answer_and_is_taken_by_inference(promise: float) -> None:
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
    expected = Verdict(WINNER, "beats_champion") if takes else Verdict(None, "not_promisable")
    assert verdict(candidates=candidate(expected_error=promise)) == expected
    assert takes == (0 < promise <= TARGET.maximum - TARGET.minimum)


def test_a_champion_that_changed_meanwhile_was_not_compared_with() -> None:
    assert verdict(live="another-20261123T063800Z") == Verdict(None, "champion_changed")
    assert verdict(at_start=None, live=CHAMPION) == Verdict(None, "champion_changed")


def test_a_champion_that_is_gone_meanwhile_does_not_matter() -> None:
    assert verdict(live=None) == Verdict(WINNER, "beats_champion")


def test_a_repeated_event_finds_the_winner_live_and_says_the_same() -> None:
    assert verdict(live=WINNER) == Verdict(WINNER, "beats_champion")


anything = st.one_of(st.none(), st.floats())


@given(rmse=anything, rival=anything, gain=st.floats(), error=st.floats(), significant=st.booleans())
def test_nothing_that_is_not_better_and_significant_is_ever_promoted(
    rmse: float | None, rival: float | None, gain: float, error: float, *, significant: bool
) -> None:
    given_verdict = verdict(
        candidates=candidate(rmse=rmse, expected_error=rmse),
        champion={"model": CHAMPION, "rmse": rival},
        comparison=comparison(mean_gain=gain, standard_error=error, significant=significant),
    )
    if given_verdict.promoted is not None:
        assert rmse is not None
        assert rival is not None
        assert 0 < rmse < rival < math.inf
        assert 0 < gain < math.inf
        assert significant
