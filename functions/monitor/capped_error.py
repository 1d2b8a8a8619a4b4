"""Squared errors with a cap, so that one extreme sample is not taken for drift.

A single stop of ten minutes among 2,000 picks multiplies an uncapped mean square by 50. Both sides of every comparison
use the same cap, a multiple of the promised error; a cap on one side alone would bias their ratio.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_ERROR_MULTIPLE = 5.0
"""An error above this multiple of the promised error counts as this multiple."""

_TOLERANCE = 1e-9
_MAX_ITERATIONS = 1_000


def capped_excess(error: float, expected_error: float) -> float:
    """Squared error over the promised square, capped, minus 1: its mean is 0 while a model keeps its promise.

    ``error`` and ``expected_error`` are in the target's unit; the result has none and lies in [-1, 24].
    """
    return min((error / expected_error) ** 2, MAX_ERROR_MULTIPLE**2) - 1


def error_ratio(mean_excess: float) -> float:
    """Live error over promised error, both capped root mean squares, from a mean of ``capped_excess``."""
    return math.sqrt(max(0.0, 1 + mean_excess))


def capped_rms(errors: Sequence[float]) -> float:
    """The promise that these errors support: the largest p with p = sqrt(mean(min(error^2, (5 p)^2))).

    ``errors`` are in the target's unit, at least one; the result is in the same unit. The mapping is monotone and
    starts above its fixed point, so that iterating it can only descend to it.
    """
    squares = [error * error for error in errors]
    promise = math.sqrt(sum(squares) / len(squares))
    for _ in range(_MAX_ITERATIONS):
        limit = (MAX_ERROR_MULTIPLE * promise) ** 2
        capped = math.sqrt(sum(min(square, limit) for square in squares) / len(squares))
        if promise - capped <= _TOLERANCE * promise:
            break
        promise = capped
    return capped
