"""Live error as it really was: from stored rows, with the prediction that each robot echoed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from feature_schema import TARGET

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd


@dataclass(frozen=True, slots=True)
class Point:
    """Live error of one interval: root mean squares, in the target's unit; ``at`` is the interval's start."""

    at: datetime
    error: float
    promised: float
    samples: int


def predicted_rows(samples: pd.DataFrame) -> pd.DataFrame:
    """The rows that echo a model's prediction, each interaction once, with its ``squared_error``."""
    rows = samples[samples["model"].notna()].drop_duplicates("sample_id").copy()
    rows["squared_error"] = (rows["predicted"] - rows[TARGET.name]) ** 2
    return rows


def error(
    rows: pd.DataFrame, *, since: datetime | None = None, until: datetime | None = None, model: str | None = None
) -> float | None:
    """Root mean square error of predicted rows recorded in [since, until), by ``model``; ``None`` without rows."""
    chosen = rows
    if since is not None:
        chosen = chosen[chosen["recorded_at"] >= since]
    if until is not None:
        chosen = chosen[chosen["recorded_at"] < until]
    if model is not None:
        chosen = chosen[chosen["model"] == model]
    return float(np.sqrt(chosen["squared_error"].mean())) if len(chosen) else None


def first_answer(rows: pd.DataFrame, model: str) -> datetime | None:
    """When the first interaction was recorded whose prediction was the model's."""
    answered = rows[rows["model"] == model]["recorded_at"]
    return None if answered.empty else answered.min().to_pydatetime()


def series(rows: pd.DataFrame, *, seconds: int, minimum: int) -> list[Point]:
    """Live error over time, in intervals of ``seconds``; intervals with fewer than ``minimum`` samples are left out."""
    points = []
    for at, interval in rows.groupby(rows["recorded_at"].dt.floor(f"{seconds}s")):
        if len(interval) >= minimum:
            points.append(
                Point(
                    at=at.to_pydatetime(),
                    error=float(np.sqrt(interval["squared_error"].mean())),
                    promised=float(np.sqrt((interval["expected_error"] ** 2).mean())),
                    samples=len(interval),
                )
            )
    return points
