"""Counts events as CloudWatch metrics in the embedded metric format: one log line, and no request to CloudWatch.

Not imported by ``rounds`` itself, because only Lambda functions have Powertools. The format:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricResolution, MetricUnit


def count_metric(name: str, value: int = 1) -> None:
    """Add ``value`` to the service's metric of this name, at a resolution of 1 s."""
    metrics = EphemeralMetrics()
    metrics.add_metric(name, MetricUnit.Count, value, MetricResolution.High)
    metrics.flush_metrics()
