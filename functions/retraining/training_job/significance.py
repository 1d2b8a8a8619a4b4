"""Whether a challenger's lower error is statistically significant."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONFIDENCE = 0.95
MIN_PAIRS = 100
"""Squared errors have a long tail; the mean of fewer is too uncertain for the test's assumptions."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """``mean_gain`` and ``standard_error`` are finite, in the square of the target's unit."""

    mean_gain: float
    standard_error: float
    confidence: float
    significant: bool


def compare(
    challenger: NDArray[np.float64],
    opponent: NDArray[np.float64],
    *,
    challengers: int = 1,
    confidence: float = CONFIDENCE,
) -> Comparison:
    """Compare two models' squared errors on the same rows, each of shape (rows,): a paired one-sided t test.

    The challenger is the best of ``challengers``. The best of many is more often better by chance, so the one-sided
    risk of ``1 - confidence`` is divided by their number (Bonferroni correction). With fewer than ``MIN_PAIRS`` rows
    nothing is significant.

    Raises ``ValueError`` for fewer than two rows, for arrays of different shapes, and for errors that are not finite.
    """
    if challenger.shape != opponent.shape or len(challenger) < 2:
        raise ValueError(f"squared errors of shapes {challenger.shape} and {opponent.shape} are no pairs")
    gain = opponent - challenger
    if not np.isfinite(gain).all():
        raise ValueError("a squared error is not finite")
    mean_gain = float(gain.mean())
    standard_error = float(gain.std(ddof=1)) / math.sqrt(len(gain))
    quantile = float(stdtrit(len(gain) - 1, 1 - (1 - confidence) / challengers))
    significant = len(gain) >= MIN_PAIRS and mean_gain > max(quantile * standard_error, 0.0)
    return Comparison(mean_gain, standard_error, confidence, significant)
