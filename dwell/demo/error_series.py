"""Live error computed from stored rows, which contain the prediction that each robot echoed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from feature_schema import TARGET

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd


@dataclass(frozen=True, slots=True)
class ErrorPoint:
    """Live error of an interval: root mean squares, in the target's unit; ``at`` is the interval's start."""

    at: datetime
    error: float
    promised: float
    samples: int


def predicted_rows(samples: pd.DataFrame) -> pd.DataFrame:
    """The rows with an echoed prediction of a model, without repeats, with a column ``squared_error``."""
    rows = samples[samples["model"].notna()].drop_duplicates("sample_id").copy()
    rows["squared_error"] = (rows["predicted"] - rows[TARGET.name]) ** 2
    return rows


def compute_rmse(
    rows: pd.DataFrame, *, since: datetime | None = None, until: datetime | None = None, model: str | None = None
) -> float | None:
    """Root mean square error of the rows recorded in [since, until) that ``model`` predicted; ``None`` without rows."""
    selected = rows
    if since is not None:
        selected = selected[selected["recorded_at"] >= since]
    if until is not None:
        selected = selected[selected["recorded_at"] < until]
    if model is not None:
        selected = selected[selected["model"] == model]
    return float(np.sqrt(selected["squared_error"].mean())) if len(selected) else None


def find_first_prediction(rows: pd.DataFrame, model: str) -> datetime | None:
    """The time of the first interaction that the model predicted."""
    times = rows[rows["model"] == model]["recorded_at"]
    return None if times.empty else times.min().to_pydatetime()


def build_series(rows: pd.DataFrame, *, seconds: int, min_samples: int) -> list[ErrorPoint]:
    """Live error over time, in intervals of ``seconds``; those with fewer than ``min_samples`` samples are left out."""
    points = []
    for start, interval in rows.groupby(rows["recorded_at"].dt.floor(f"{seconds}s")):
        if len(interval) >= min_samples:
            points.append(
                ErrorPoint(
                    at=start.to_pydatetime(),
                    error=float(np.sqrt(interval["squared_error"].mean())),
                    promised=float(np.sqrt((interval["expected_error"] ** 2).mean())),
                    samples=len(interval),
                )
            )
    return points
