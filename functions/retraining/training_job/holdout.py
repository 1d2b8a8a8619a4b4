"""The newest part of a candidate's own training rows, on which it makes its choices."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FRACTION = 0.15
ENOUGH = 50_000
"""So many rows tell choices apart; holding back more would only keep them from being learnt."""
MINIMUM_ROWS = 100


class TooFewRowsError(ValueError):
    """There are not enough rows to learn from."""


def newest(rows: int) -> int:
    """How many of ``rows``, from the oldest on, come before the newest part. Raises ``TooFewRowsError``."""
    if rows < MINIMUM_ROWS:
        raise TooFewRowsError(f"{rows} rows to learn from, at least {MINIMUM_ROWS} are needed")
    return rows - min(round(rows * FRACTION), ENOUGH)


def rmse(predicted: NDArray[np.float64], actual: NDArray[np.float64]) -> float:
    """The root of the mean squared error, in the target's unit."""
    return float(((predicted - actual) ** 2).mean() ** 0.5)
