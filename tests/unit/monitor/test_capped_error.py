"""One extreme error neither moves a ratio nor a promise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from monitor.capped_error import MAX_ERROR_MULTIPLE, capped_excess, capped_rms, error_ratio

ERRORS = np.random.default_rng(3).normal(0, 1_800, 2_000).tolist()


def test_excess_of_kept_promise_averages_zero() -> None:
    promise = capped_rms(ERRORS)
    assert np.mean([capped_excess(error, promise) for error in ERRORS]) == pytest.approx(0, abs=1e-6)


def test_one_stop_of_600_s_moves_a_promise_by_less_than_2_percent() -> None:
    with_stop = capped_rms([*ERRORS[:-1], 600_000.0])
    assert with_stop == pytest.approx(capped_rms(ERRORS), rel=0.02)
    uncapped = math.sqrt(np.mean(np.square([*ERRORS[:-1], 600_000.0])))
    assert uncapped > 5 * with_stop


def test_one_stop_of_600_s_moves_a_ratio_by_less_than_0_02() -> None:
    promise = capped_rms(ERRORS)
    excesses = [capped_excess(error, promise) for error in [*ERRORS[:-1], 600_000.0]]
    assert error_ratio(float(np.mean(excesses))) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_ratio_of_scaled_errors_is_their_scale(scale: float) -> None:
    promise = capped_rms(ERRORS)
    ratio = error_ratio(float(np.mean([capped_excess(scale * error, promise) for error in ERRORS])))
    assert ratio == pytest.approx(scale, rel=0.02)


def test_promise_of_equal_errors_is_that_error() -> None:
    assert capped_rms([7.0] * 10) == pytest.approx(7.0)
    assert capped_rms([0.0]) == 0.0


def test_excess_is_bounded() -> None:
    assert capped_excess(0.0, 1.0) == -1
    assert capped_excess(1e9, 1.0) == MAX_ERROR_MULTIPLE**2 - 1
