"""Live error: how far predictions were from what happened, from the validator's metrics."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rounds import MetricQuery, choose_period, get_metric_series, get_metric_sums

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mypy_boto3_cloudwatch import CloudWatchClient

    from leaderboard.time_range import TimeRange

MAX_POINTS = 200
"""The most points on the chart; more only add noise."""


@dataclass(frozen=True, slots=True)
class LiveError:
    """The ``rmse`` in the target's unit over ``samples`` that echoed a prediction of the model."""

    rmse: float
    samples: int


@dataclass(frozen=True, slots=True)
class ErrorInterval:
    """The live error of all predictions of an interval, and the error that their models promised, in the target's unit.

    The interval begins at ``start`` and lasts ``seconds``.
    """

    start: datetime
    seconds: int
    rmse: float
    promised: float
    samples: int


def get_live_errors(
    cloudwatch: CloudWatchClient, live_since: Mapping[str, datetime], *, service: str, now: datetime
) -> dict[str, LiveError]:
    """Return the live error of each model since it went live; models whose predictions no sample echoed are left out.

    One request serves all models: metrics carry the model's name, so all can be summed from the earliest start.
    Errors of CloudWatch pass through as ``ClientError``.
    """
    if not live_since:
        return {}
    squared = {model: _build_query("SquaredError", service, model) for model in live_since}
    predicted = {model: _build_query("PredictedSamples", service, model) for model in live_since}
    sums = get_metric_sums(
        cloudwatch, [*squared.values(), *predicted.values()], since=min(live_since.values()), now=now
    )
    return {
        model: LiveError(math.sqrt(sums[squared[model]] / sums[predicted[model]]), round(sums[predicted[model]]))
        for model in live_since
        if sums[predicted[model]] > 0
    }


def get_live_error_series(
    cloudwatch: CloudWatchClient, time_range: TimeRange, *, service: str, now: datetime
) -> list[ErrorInterval]:
    """Return at most 200 intervals of the time range, oldest first; those without predictions are left out."""
    squared, expected, predicted = (
        MetricQuery(name, (("service", service),))
        for name in ("SquaredError", "ExpectedSquaredError", "PredictedSamples")
    )
    period = choose_period(time_range.since, now, until=time_range.until, max_points=MAX_POINTS)
    series = get_metric_series(
        cloudwatch, [squared, expected, predicted], since=time_range.since, until=time_range.until, period=period
    )
    return [
        ErrorInterval(
            start=start,
            seconds=period,
            rmse=math.sqrt(series[squared].get(start, 0.0) / samples),
            promised=math.sqrt(series[expected].get(start, 0.0) / samples),
            samples=round(samples),
        )
        for start, samples in sorted(series[predicted].items())
        if samples > 0
    ]


def _build_query(metric: str, service: str, model: str) -> MetricQuery:
    return MetricQuery(metric, (("service", service), ("model", model)))
