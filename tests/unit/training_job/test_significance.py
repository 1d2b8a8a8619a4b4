"""A challenger must be better, not lucky."""

from __future__ import annotations

import numpy as np
import pytest

from retraining.training_job.significance import CONFIDENCE, MIN_PAIRS, compare


def squared_errors(rows: int, scale: float, seed: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Squares of errors with a long tail, as durations have them."""
    random = np.random.default_rng(seed)
    errors: np.ndarray[tuple[int], np.dtype[np.float64]] = (scale * random.standard_t(5, rows)) ** 2
    return errors


def test_equal_models_are_not_significant() -> None:
    same = squared_errors(5_000, 1_800, 1)
    comparison = compare(same, same)
    assert (comparison.mean_gain, comparison.standard_error, comparison.significant) == (0.0, 0.0, False)


def test_better_model_is_significant_with_its_gain() -> None:
    opponent = squared_errors(5_000, 2_000, 1)
    comparison = compare(0.9 * opponent, opponent)
    assert comparison.significant
    assert comparison.mean_gain == pytest.approx(0.1 * opponent.mean())
    assert comparison.standard_error == pytest.approx(0.1 * opponent.std(ddof=1) / 5_000**0.5)
    assert comparison.confidence == CONFIDENCE


def test_slightly_worse_model_is_not_significant() -> None:
    opponent = squared_errors(100_000, 2_000, 1)
    assert not compare(1.01 * opponent, opponent).significant


def test_lucky_challenger_on_small_test_set_is_not_significant() -> None:
    # given two equal models, and the one of 50 seeds with which the challenger seems best
    pairs = [(squared_errors(120, 2_000, seed), squared_errors(120, 2_000, seed + 500)) for seed in range(50)]
    challenger, opponent = max(pairs, key=lambda pair: float((pair[1] - pair[0]).mean()))
    assert challenger.mean() < 0.7 * opponent.mean()
    # then the best of so many is not believed
    assert not compare(challenger, opponent, challengers=50).significant


@pytest.mark.parametrize("challengers", [1, 6])
def test_equal_models_are_significant_within_stated_risk(challengers: int) -> None:
    # given many rounds in which the best of several challengers is compared with an equal opponent
    promoted = 0
    for made_up_round in range(400):
        random = np.random.default_rng(made_up_round)
        noise = random.normal(size=300)
        opponent = np.square(noise + 0.3 * random.normal(size=300))
        tried = [np.square(noise + 0.3 * random.normal(size=300)) for _ in range(challengers)]
        best = min(tried, key=lambda errors: float(errors.mean()))
        promoted += compare(best, opponent, challengers=challengers).significant
    # then about 5 % are promoted (three standard errors allowed), however many were tried
    assert promoted / 400 < 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5


def test_too_few_rows_are_not_significant() -> None:
    opponent = squared_errors(MIN_PAIRS - 1, 2_000, 1)
    comparison = compare(0.0 * opponent, opponent)
    assert comparison.mean_gain > 2 * comparison.standard_error
    assert not comparison.significant
    more = squared_errors(MIN_PAIRS, 2_000, 1)
    assert compare(0.0 * more, more).significant


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_error_that_is_not_finite_raises_error(broken: float) -> None:
    opponent, challenger = squared_errors(1_000, 2_000, 1), squared_errors(1_000, 20, 2)
    for side in (challenger, opponent):
        original, side[17] = side[17], broken
        with pytest.raises(ValueError, match="not finite"):
            compare(challenger, opponent)
        side[17] = original
    assert compare(challenger, opponent).significant


@pytest.mark.parametrize(("rows", "others"), [(200, 201), (1, 1), (0, 0)])
def test_errors_of_different_shapes_raise_error(rows: int, others: int) -> None:
    with pytest.raises(ValueError, match="no pairs"):
        compare(squared_errors(rows, 1, 1), squared_errors(others, 1, 1))
