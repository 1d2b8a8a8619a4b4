"""Extracts metrics from log lines in the embedded metric format, in every log stream.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
import logging
import math
import time
from typing import TYPE_CHECKING, Any

from local_aws import hooks
from local_aws.cloudwatch.operations import MAX_DIMENSIONS, NEWEST_SECONDS, OLDEST_SECONDS
from local_aws.cloudwatch.store import HIGH_RESOLUTION, STANDARD_RESOLUTION, Datum, Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

logger = logging.getLogger("local_aws.embedded_metrics")

MAX_VALUES = 100


class EmbeddedMetricError(ValueError):
    """A line announces embedded metrics but violates their format."""


def install() -> None:
    """Read every log event that is appended to a log stream."""
    from local_aws.cloudwatch import metrics  # noqa: PLC0415 (``read`` needs no ministack)

    logs = "ministack.services.cloudwatch_logs"
    append: Callable[..., None] = hooks.find(logs, "_append_log_events", arguments=("stream", "events"))

    def append_and_read(stream: dict[str, Any], events: list[dict[str, Any]]) -> None:
        append(stream, events)
        for event in events:
            try:
                metrics.store().put(read(event["message"], time.time()))
            except EmbeddedMetricError as error:
                logger.warning("A log line with invalid embedded metrics: %s", error)  # CloudWatch drops it silently

    hooks.replace(logs, "_append_log_events", append_and_read)


def read(line: str, now: float) -> list[Datum]:
    """The metrics embedded in a log line, if any; ``now`` is in epoch seconds. Raises ``EmbeddedMetricError``."""
    if '"_aws"' not in line or not line.lstrip().startswith("{"):
        return []
    try:
        root = json.loads(line)
    except (ValueError, RecursionError):
        return []
    header = root.get("_aws")
    if not isinstance(header, dict) or "CloudWatchMetrics" not in header:
        return []
    timestamp = _number("_aws.Timestamp", header.get("Timestamp")) / 1000  # milliseconds in the log line
    if not now - OLDEST_SECONDS <= timestamp <= now + NEWEST_SECONDS:
        raise EmbeddedMetricError("_aws.Timestamp is more than two weeks old, or more than two hours ahead")
    directives = header["CloudWatchMetrics"]
    if not isinstance(directives, list):
        raise EmbeddedMetricError("_aws.CloudWatchMetrics must be a list")
    return [datum for directive in directives for datum in _data(root, directive, timestamp)]


def _data(root: Mapping[str, Any], directive: object, timestamp: float) -> Iterator[Datum]:
    if not isinstance(directive, dict):
        raise EmbeddedMetricError("a directive must be an object")
    namespace = directive.get("Namespace")
    if not isinstance(namespace, str) or not namespace:
        raise EmbeddedMetricError("a directive needs a Namespace")
    sets = [_dimensions(root, keys) for keys in _list(directive, "Dimensions")]
    for definition in _list(directive, "Metrics"):
        name = definition.get("Name") if isinstance(definition, dict) else None
        if not isinstance(name, str) or name not in root:
            raise EmbeddedMetricError(f"the metric {name!r} has no value in the line")
        resolution = definition.get("StorageResolution", STANDARD_RESOLUTION)
        if resolution not in (HIGH_RESOLUTION, STANDARD_RESOLUTION):
            raise EmbeddedMetricError(f"{name}: StorageResolution must be 1 or 60")
        values = _values(name, root[name])
        for dimensions in sets:
            yield Datum(
                Metric.create(namespace, name, dimensions),
                timestamp,
                values,
                unit=definition.get("Unit") or "None",
                resolution=resolution,
            )


def _list(directive: Mapping[str, Any], member: str) -> list[Any]:
    values = directive.get(member)
    if not isinstance(values, list):
        raise EmbeddedMetricError(f"a directive needs a list of {member}")
    return values


def _dimensions(root: Mapping[str, Any], keys: object) -> dict[str, str]:
    if not isinstance(keys, list) or len(keys) > MAX_DIMENSIONS:
        raise EmbeddedMetricError(f"a dimension set is a list of at most {MAX_DIMENSIONS} names")
    dimensions: dict[str, str] = {}
    for key in keys:
        value = root.get(key) if isinstance(key, str) else None
        if not isinstance(value, str) or not value:
            raise EmbeddedMetricError(f"the dimension {key!r} has no string value in the line")
        dimensions[key] = value
    return dimensions


def _values(name: str, value: object) -> tuple[tuple[float, float], ...]:
    numbers = value if isinstance(value, list) else [value]
    if len(numbers) > MAX_VALUES:
        raise EmbeddedMetricError(f"{name}: at most {MAX_VALUES} values")
    return tuple((_number(name, number), 1.0) for number in numbers)


def _number(name: str, value: object) -> float:
    try:
        number = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise EmbeddedMetricError(f"{name}: {value!r:.40} is not a number")
    return number
