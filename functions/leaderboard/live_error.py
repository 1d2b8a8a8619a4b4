"""The live error of models: what their answers turned out to miss, from the metrics of the validator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rounds import MetricSum, sums

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mypy_boto3_cloudwatch import CloudWatchClient


@dataclass(frozen=True, slots=True)
class LiveError:
    """``rmse`` is in the target's unit, over ``samples`` that echoed an answer of the model."""

    rmse: float
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
    totals = sums(cloudwatch, [*squared.values(), *predicted.values()], since=min(live_since.values()), now=now)
    return {
        model: LiveError(math.sqrt(totals[squared[model]] / totals[predicted[model]]), round(totals[predicted[model]]))
        for model in live_since
        if totals[predicted[model]] > 0
    }


def _sum(metric: str, service: str, model: str) -> MetricSum:
    return MetricSum(metric, (("service", service), ("model", model)))
