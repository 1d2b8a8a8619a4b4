"""Live error: what answers turned out to miss, from the metrics of the validator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rounds import MetricQuery, choose_period, get_metric_series, get_metric_sums

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mypy_boto3_cloudwatch import CloudWatchClient

    from leaderboard.time_range import Window

MOST_POINTS = 200
"""More points than this are noise on a chart."""


@dataclass(frozen=True, slots=True)
class LiveError:
    """``rmse`` is in the target's unit, over ``samples`` that echoed an answer of the model."""

    rmse: float
    samples: int


@dataclass(frozen=True, slots=True)
class Interval:
    """Live error of all answers of an interval, and the error that their models promised, in the target's unit."""

    at: datetime
    seconds: int
    rmse: float
    promised: float
    samples: int


def live_errors(
    cloudwatch: CloudWatchClient, live_since: Mapping[str, datetime], *, service: str, now: datetime
) -> dict[str, LiveError]:
    """The live error of each model since it went live; a model that no sample has echoed is left out.

    One request for all of them: the metrics carry the model's name, so the earliest start serves everyone.
    """
    if not live_since:
        return {}
    squared = {model: _sum("SquaredError", service, model) for model in live_since}
    predicted = {model: _sum("PredictedSamples", service, model) for model in live_since}
    totals = get_metric_sums(
        cloudwatch, [*squared.values(), *predicted.values()], since=min(live_since.values()), now=now
    )
    return {
        model: LiveError(math.sqrt(totals[squared[model]] / totals[predicted[model]]), round(totals[predicted[model]]))
        for model in live_since
        if totals[predicted[model]] > 0
    }


def live_error_over_time(
    cloudwatch: CloudWatchClient, window: Window, *, service: str, now: datetime
) -> list[Interval]:
    """The live error of at most 200 intervals of the window, oldest first; those without answers are left out."""
    squared, expected, predicted = (
        MetricQuery(name, (("service", service),))
        for name in ("SquaredError", "ExpectedSquaredError", "PredictedSamples")
    )
    length = choose_period(window.since, now, until=window.until, max_points=MOST_POINTS)
    found = get_metric_series(
        cloudwatch, [squared, expected, predicted], since=window.since, until=window.until, period=length
    )
    return [
        Interval(
            at=at,
            seconds=length,
            rmse=math.sqrt(found[squared].get(at, 0.0) / samples),
            promised=math.sqrt(found[expected].get(at, 0.0) / samples),
            samples=round(samples),
        )
        for at, samples in sorted(found[predicted].items())
        if samples > 0
    ]


def _sum(metric: str, service: str, model: str) -> MetricQuery:
    return MetricQuery(metric, (("service", service), ("model", model)))
