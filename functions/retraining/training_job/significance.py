"""Is a challenger better, or was it lucky?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONFIDENCE = 0.95
MINIMUM_PAIRS = 100
"""Squared errors have a long tail; the mean of fewer says too little."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """``mean_gain`` and ``standard_error`` are in the target's unit squared; None if they cannot be told."""

    mean_gain: float | None
    standard_error: float | None
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

    The challenger is the best of ``challengers``, and the best of many is lucky more often: they share the
    one-sided risk of ``1 - confidence`` between them (Bonferroni). With fewer than ``MINIMUM_PAIRS`` rows, or an error
    that is no number, nothing is significant. Raises ``ValueError`` if the rows are not the same number.
    """
    if challenger.shape != opponent.shape:
        raise ValueError(f"{challenger.shape} and {opponent.shape} squared errors are no pairs")
    gain = opponent - challenger
    if len(gain) < MINIMUM_PAIRS or not np.isfinite(gain).all():
        return Comparison(None, None, confidence, significant=False)
    mean = float(gain.mean())
    error = float(gain.std(ddof=1)) / math.sqrt(len(gain))
    needed = float(stdtrit(len(gain) - 1, 1 - (1 - confidence) / challengers)) * error
    return Comparison(mean, error, confidence, significant=mean > max(needed, 0.0))
