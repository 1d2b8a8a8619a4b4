"""Publishes what was measured, in the embedded metric format: one log line an object, and no request to CloudWatch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricResolution, MetricUnit

if TYPE_CHECKING:
    from monitor.step import Measures


def publish(measures: Measures) -> None:
    """Publish the measures of one object.

    ``ErrorEvidence`` is left out if no window could be judged: the alarm's state then stays. Squares are in the
    target's unit squared, capped, and stand for all rows of the fleet.
    """
    metrics = EphemeralMetrics()
    counts = {
        "MeasuredSamples": measures.weight,
        "LateSamples": measures.late,
        "UnbelievedEchoes": measures.unbelieved,
        "OutlyingSenders": len(measures.outlying_senders),
        "WorseThanBaseline": int(measures.is_worse_than_baseline),
    }
    for name, value in counts.items():
        metrics.add_metric(name, MetricUnit.Count, value, MetricResolution.High)
    numbers = {
        "CappedSquaredError": measures.squared_error,
        "CappedBaselineSquaredError": measures.baseline_squared_error,
        "TrialEvidence": measures.trial_evidence,
    }
    if measures.error_evidence is not None:
        numbers["ErrorEvidence"] = measures.error_evidence
    for name, value in numbers.items():
        metrics.add_metric(name, MetricUnit.NoUnit, value, MetricResolution.High)
    metrics.flush_metrics()
