"""Alarms and metrics for unit tests of CloudWatch."""

from __future__ import annotations

from typing import Any

NOW = 1_795_415_942.5
"""2026-11-23 06:39:02.5 UTC."""


def alarm(**members: Any) -> dict[str, Any]:
    """PutMetricAlarm's members; the threshold is 1."""
    return {
        "Namespace": "Shop",
        "MetricName": "Fallbacks",
        "Dimensions": [{"Name": "service", "Value": "shop"}],
        "Statistic": "Sum",
        "Period": 10,
        "EvaluationPeriods": 3,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 1,
        **members,
    }


def total(name: str, period: int = 10, *, returned: bool = False) -> dict[str, Any]:
    """A query for the sum of a metric without dimensions."""
    metric = {"Namespace": "Shop", "MetricName": name, "Dimensions": []}
    return {"Id": name, "MetricStat": {"Metric": metric, "Period": period, "Stat": "Sum"}, "ReturnData": returned}


def math_alarm(*metrics: dict[str, Any], **members: Any) -> dict[str, Any]:
    """PutMetricAlarm's members for metric math; the threshold is 1.25."""
    rule = {"EvaluationPeriods": 2, "ComparisonOperator": "GreaterThanThreshold", "Threshold": 1.25}
    return {**rule, "Metrics": list(metrics), **members}


ERROR = {"Id": "error", "Expression": "IF(predicted >= 3, (squared / expected) ^ 0.5, 0)", "ReturnData": True}
