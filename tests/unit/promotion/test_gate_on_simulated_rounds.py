"""Whole made-up rounds: errors on a test set go through the training job's own comparison and then through the gate."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from promotion.promotion_gate import PromotionDecision
from retraining.training_job.significance import compare
from tests.unit.promotion.factories import CHAMPION, HASH, PROMISED, WINNER, decide_gate, make_candidate

if TYPE_CHECKING:
    from numpy.typing import NDArray

type Errors = NDArray[np.float64]


def errors(rows: int, scale: float, seed: int) -> Errors:
    """Errors with a long tail, as durations have them."""
    drawn: Errors = scale * np.random.default_rng(seed).standard_t(5, rows)
    return drawn


def rmse(of: Errors) -> float:
    return float(np.sqrt(np.square(of).mean()))


def a_round(
    winner: Errors, champion: Errors | None, *, baseline: Errors, candidates: int = 1, **changes: Any
) -> PromotionDecision:
    """What the gate says; without ``champion`` the champion's archive could not be loaded."""
    rival = baseline if champion is None else champion
    told = asdict(compare(np.square(winner), np.square(rival), challengers=candidates))
    against = {"against": "baseline", "model": None} if champion is None else {"against": "champion", "model": CHAMPION}
    return decide_gate(
        candidates=make_candidate(rmse=rmse(winner), expected_error=PROMISED),
        champion={"model": CHAMPION, "rmse": None if champion is None else rmse(champion)},
        baseline_rmse=rmse(baseline),
        comparison={**told, **against},
        **changes,
    )


BASELINE = errors(5_000, 5_000, 1)
OLD = errors(5_000, 2_000, 2)


def test_better_model_goes_live() -> None:
    assert a_round(0.9 * OLD, OLD, baseline=BASELINE) == PromotionDecision(WINNER, "beats_champion")


def test_equal_models_change_nothing() -> None:
    assert a_round(OLD, OLD, baseline=BASELINE) == PromotionDecision(None, "not_better")
    noise = OLD + errors(5_000, 20, 3)  # the same quality, not the same errors
    assert a_round(noise, OLD, baseline=BASELINE).promoted is None


def test_slightly_worse_model_is_kept_out() -> None:
    assert a_round(1.005 * OLD, OLD, baseline=BASELINE) == PromotionDecision(None, "not_better")


def test_luckiest_of_many_on_small_test_set_is_kept_out() -> None:
    # given 60 rounds of six challengers that are as good as the champion, and the one that looks best of all
    rounds = [(errors(120, 2_000, 10 * seed), errors(120, 2_000, 10 * seed + 1)) for seed in range(60)]
    lucky, champion = max(rounds, key=lambda pair: rmse(pair[1]) - rmse(pair[0]))
    assert rmse(lucky) < 0.85 * rmse(champion), "it does look far better"
    # then the gate does not believe it
    given = a_round(lucky, champion, baseline=errors(120, 5_000, 7), candidates=6 * 60)
    assert given == PromotionDecision(None, "not_significant")


def test_perfect_score_on_too_few_samples_is_kept_out() -> None:
    few = OLD[:99]
    assert a_round(0.1 * few, few, baseline=BASELINE[:99]) == PromotionDecision(None, "not_significant")


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_error_that_is_no_number_is_kept_out(broken: float) -> None:
    better = 0.9 * OLD
    known = asdict(compare(np.square(better), np.square(OLD)))
    for field in ("mean_gain", "standard_error"):
        comparison = {**known, "against": "champion", "model": CHAMPION, field: broken}
        given = decide_gate(candidates=make_candidate(rmse=rmse(better)), comparison=comparison)
        assert given == PromotionDecision(None, "not_finite")
    with pytest.raises(ValueError, match="not finite"):  # and the job itself says nothing about it
        compare(np.square(np.full(200, broken)), np.square(OLD[:200]))


def test_unloadable_champion_is_replaced_by_a_better_model_only() -> None:
    assert a_round(OLD, None, baseline=BASELINE) == PromotionDecision(WINNER, "beats_baseline")
    assert a_round(1.01 * BASELINE, None, baseline=BASELINE) == PromotionDecision(None, "not_better")


def test_model_of_changed_schema_is_kept_out() -> None:
    assert a_round(0.1 * OLD, OLD, baseline=BASELINE, schema_hash="of-yesterday") == PromotionDecision(
        None, "schema_changed"
    )
    assert a_round(0.1 * OLD, OLD, baseline=BASELINE, schema_hash=HASH).promoted == WINNER
