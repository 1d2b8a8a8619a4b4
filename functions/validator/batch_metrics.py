"""Counts and live error of a batch, published as embedded metrics: log lines that CloudWatch turns into metrics.

Published: sums over the service; live error for each model; refusals for each reason. That is one log line, and one
more for each model and each reason of the batch.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricResolution, MetricUnit

from feature_schema import TARGET

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from feature_schema.rows import Record

_target = attrgetter(TARGET.name)

MAX_MODELS_PER_BATCH = 5
"""A batch holds samples of the live model, the one before, and the one in a canary. More names than this are noise."""

MAX_MODELS_PER_ENVIRONMENT = 20
"""Names that one Lambda environment publishes in its life, which is hours."""


@dataclass(slots=True)
class LiveError:
    """Squared error of predictions against what happened, and the squared error that their models promised."""

    predicted: int = 0
    squared: float = 0.0
    expected_squared: float = 0.0

    def add(self, other: LiveError) -> None:
        """Add the sums of another."""
        self.predicted += other.predicted
        self.squared += other.squared
        self.expected_squared += other.expected_squared


@dataclass(slots=True)
class BatchMetrics:
    """What a batch amounts to."""

    accepted: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    """Refused lines by reason."""
    models: dict[str, LiveError] = field(default_factory=dict)

    def total(self) -> LiveError:
        """The sum over all models."""
        total = LiveError()
        for error in self.models.values():
            total.add(error)
        return total


def measure(samples: Sequence[Record], reasons: Iterable[str]) -> BatchMetrics:
    """Count the samples and the reasons of refused lines.

    An echo counts as predicted only if a model gave it and said which one it is and how far off it expects to be:
    fallbacks say nothing about a model.
    """
    readings = BatchMetrics(accepted=len(samples), rejected=Counter(reasons))
    for sample in samples:
        echo = sample.prediction
        if not echo or echo.source != "model" or not echo.model or not echo.expected_error:
            continue
        error = readings.models.get(echo.model)
        if error is None:
            error = readings.models[echo.model] = LiveError()
        error.predicted += 1
        error.squared += (_target(echo) - _target(sample)) ** 2
        error.expected_squared += echo.expected_error**2
    return readings


def select_models(readings: BatchMetrics, published: set[str]) -> list[str]:
    """The models that get metrics of their own: those with most predictions in the batch, within both limits.

    A name is whatever a robot echoes, and every new name is a new metric that costs money. ``published`` are the
    names of this environment so far. Whoever is left out still counts in the sums over the service, which are what
    the alarm looks at.
    """
    by_count = sorted(readings.models, key=lambda model: (-readings.models[model].predicted, model))
    room = MAX_MODELS_PER_ENVIRONMENT - len(published)
    chosen: list[str] = []
    for model in by_count:
        if len(chosen) == MAX_MODELS_PER_BATCH:
            break
        if model not in published:
            if room <= 0:
                continue
            room -= 1
        chosen.append(model)
    return chosen


def emit(readings: BatchMetrics, models: Iterable[str]) -> None:
    """Write the metrics to standard output, with dimensions of their own for each of ``models`` and each reason."""
    sums = EphemeralMetrics()
    _count(sums, "AcceptedSamples", readings.accepted)
    _count(sums, "RefusedSamples", readings.rejected.total())
    _live_error(sums, readings.total())
    sums.flush_metrics()
    for model in models:
        of_model = EphemeralMetrics()
        of_model.add_dimension("model", model)
        _live_error(of_model, readings.models[model])
        of_model.flush_metrics()
    for reason, count in sorted(readings.rejected.items()):
        of_reason = EphemeralMetrics()
        of_reason.add_dimension("reason", reason)
        _count(of_reason, "RefusedSamples", count)
        of_reason.flush_metrics()


def _count(metrics: EphemeralMetrics, name: str, value: int) -> None:
    metrics.add_metric(name, MetricUnit.Count, value, MetricResolution.High)


def _live_error(metrics: EphemeralMetrics, error: LiveError) -> None:
    _count(metrics, "PredictedSamples", error.predicted)
    metrics.add_metric("SquaredError", MetricUnit.NoUnit, error.squared, MetricResolution.High)
    metrics.add_metric("ExpectedSquaredError", MetricUnit.NoUnit, error.expected_squared, MetricResolution.High)
