"""The newest part of a candidate's own training rows, on which it selects its hyperparameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HOLDOUT_FRACTION = 0.15
MAX_HOLDOUT_ROWS = 50_000
"""Enough rows to tell choices apart; holding out more would only reduce the rows that are trained on."""
MIN_ROWS = 100


class TooFewRowsError(ValueError):
    """There are not enough rows to train on."""


def find_split_index(rows: int) -> int:
    """The index of the first row of the holdout, of ``rows`` in order of time. Raises ``TooFewRowsError``."""
    if rows < MIN_ROWS:
        raise TooFewRowsError(f"{rows} rows to train on, at least {MIN_ROWS} are needed")
    return rows - min(round(rows * HOLDOUT_FRACTION), MAX_HOLDOUT_ROWS)


def compute_rmse(predicted: NDArray[np.float64], actual: NDArray[np.float64]) -> float:
    """The root mean squared error of arrays of shape (rows,), in the target's unit."""
    return float(((predicted - actual) ** 2).mean() ** 0.5)
