"""Counts of a batch and its live error, emitted as embedded metrics: log lines that CloudWatch converts to metrics.

Emits sums over the service, live error by model and rejected lines by reason: one log line, plus one for each model and
each reason in the batch.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
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

_get_target = attrgetter(TARGET.name)

MAX_MODELS_PER_BATCH = 5
"""A batch contains echoes of the live model, its predecessor and a canary. More names than that are noise."""

MAX_MODELS_PER_ENVIRONMENT = 20
"""Names that one Lambda environment publishes in its lifetime of some hours."""


@dataclass(slots=True)
class LiveError:
    """Sums of squared errors of predictions, and of the squared errors that their models expect."""

    predicted: int = 0
    squared: float = 0.0
    """In the target's unit, squared."""
    expected_squared: float = 0.0
    """In the target's unit, squared."""

    def add(self, other: LiveError) -> None:
        """Add the sums of another."""
        self.predicted += other.predicted
        self.squared += other.squared
        self.expected_squared += other.expected_squared


@dataclass(slots=True)
class BatchMetrics:
    """Counts and live error of a batch."""

    accepted: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    """Rejected lines by reason."""
    models: dict[str, LiveError] = field(default_factory=dict)

    def total(self) -> LiveError:
        """Return the sum over all models."""
        total = LiveError()
        for error in self.models.values():
            total.add(error)
        return total


def measure(samples: Sequence[Record], reasons: Iterable[str]) -> BatchMetrics:
    """Count samples and the reasons of rejected lines.

    An echo counts as predicted only if its source is a model and it names the model and its expected error: a fallback
    does not measure a model.
    """
    metrics = BatchMetrics(accepted=len(samples), rejected=Counter(reasons))
    for sample in samples:
        prediction = sample.prediction
        if not prediction or prediction.source != "model" or not prediction.model or not prediction.expected_error:
            continue
        error = metrics.models.get(prediction.model)
        if error is None:
            error = metrics.models[prediction.model] = LiveError()
        error.predicted += 1
        error.squared += (_get_target(prediction) - _get_target(sample)) ** 2
        error.expected_squared += prediction.expected_error**2
    return metrics


def select_models(metrics: BatchMetrics, published_models: set[str]) -> list[str]:
    """Return the models that get metrics of their own: most predictions in the batch first, within both limits.

    Robots choose the names that they echo, and each new name is a new metric that costs money. ``published_models`` are
    the names that this Lambda environment has published. Other models still count in the sums over the service, which
    the alarm uses.
    """
    by_count = sorted(metrics.models, key=lambda model: (-metrics.models[model].predicted, model))
    remaining = MAX_MODELS_PER_ENVIRONMENT - len(published_models)
    selected: list[str] = []
    for model in by_count:
        if len(selected) == MAX_MODELS_PER_BATCH:
            break
        if model not in published_models:
            if remaining <= 0:
                continue
            remaining -= 1
        selected.append(model)
    return selected


def emit(metrics: BatchMetrics, models: Iterable[str]) -> None:
    """Write the metrics to standard output, with a dimension for each of ``models`` and each reason."""
    sums = EphemeralMetrics()
    _add_count(sums, "AcceptedSamples", metrics.accepted)
    _add_count(sums, "RefusedSamples", metrics.rejected.total())
    _add_live_error(sums, metrics.total())
    sums.flush_metrics()
    for model in models:
        model_metrics = EphemeralMetrics()
        model_metrics.add_dimension("model", model)
        _add_live_error(model_metrics, metrics.models[model])
        model_metrics.flush_metrics()
    for reason, count in sorted(metrics.rejected.items()):
        reason_metrics = EphemeralMetrics()
        reason_metrics.add_dimension("reason", reason)
        _add_count(reason_metrics, "RefusedSamples", count)
        reason_metrics.flush_metrics()


def _add_count(metrics: EphemeralMetrics, name: str, value: int) -> None:
    metrics.add_metric(name, MetricUnit.Count, value, MetricResolution.High)


def _add_live_error(metrics: EphemeralMetrics, error: LiveError) -> None:
    _add_count(metrics, "PredictedSamples", error.predicted)
    metrics.add_metric("SquaredError", MetricUnit.NoUnit, error.squared, MetricResolution.High)
    metrics.add_metric("ExpectedSquaredError", MetricUnit.NoUnit, error.expected_squared, MetricResolution.High)
