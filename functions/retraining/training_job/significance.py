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
    """``mean_gain`` and ``standard_error`` are finite, in the target's unit squared."""

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

    The challenger is the best of ``challengers``, and the best of many is lucky more often: they share the
    one-sided risk of ``1 - confidence`` between them (Bonferroni). With fewer than ``MINIMUM_PAIRS`` rows nothing is
    significant. Raises ``ValueError`` for fewer than two rows, for rows that are not pairs, and for an error that is no
    number: of such a model nothing can be said.
    """
    if challenger.shape != opponent.shape or len(challenger) < 2:
        raise ValueError(f"{challenger.shape} and {opponent.shape} squared errors are no pairs")
    gain = opponent - challenger
    if not np.isfinite(gain).all():
        raise ValueError("a squared error is not finite")
    mean = float(gain.mean())
    error = float(gain.std(ddof=1)) / math.sqrt(len(gain))
    needed = float(stdtrit(len(gain) - 1, 1 - (1 - confidence) / challengers)) * error
    significant = len(gain) >= MINIMUM_PAIRS and mean > max(needed, 0.0)
    return Comparison(mean, error, confidence, significant)
