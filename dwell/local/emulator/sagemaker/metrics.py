"""Metrics that regular expressions find in a job's output."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dwell.local.emulator.sagemaker.errors import broken_constraint, invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

MAXIMUM_DEFINITIONS = 40


@dataclass(frozen=True, slots=True)
class Definition:
    """One metric: its name, and the expression whose first group is the value."""

    name: str
    regex: re.Pattern[str]


def definitions(raw: Sequence[dict[str, Any]]) -> tuple[Definition, ...]:
    """``MetricDefinitions`` of a request. Raises ``ApiError`` for more than 40, or an expression without a group."""
    if len(raw) > MAXIMUM_DEFINITIONS:
        raise broken_constraint(
            f"{len(raw)} definitions",
            "algorithmSpecification.metricDefinitions",
            f"Member must have length less than or equal to {MAXIMUM_DEFINITIONS}",
        )
    return tuple(_definition(each) for each in raw)


def _definition(raw: dict[str, Any]) -> Definition:
    name, expression = raw.get("Name"), raw.get("Regex")
    if not isinstance(name, str) or not isinstance(expression, str) or not name or not expression:
        raise invalid("Each of MetricDefinitions needs a Name and a Regex.")
    try:
        regex = re.compile(expression)
    except re.error as error:
        raise invalid(f"The Regex of metric {name} is not a regular expression: {error}.") from error
    if not regex.groups:
        raise invalid(f"The Regex of metric {name} has no group to capture the value.")
    return Definition(name, regex)


class MetricReader:
    """Reads a job's lines and keeps the last value of each metric."""

    def __init__(self, wanted: Sequence[Definition]) -> None:
        self._wanted = wanted
        self._found: dict[str, tuple[float, float]] = {}

    def read(self, line: str) -> None:
        """Look for every metric in one line of output."""
        for definition in self._wanted:
            for match in definition.regex.finditer(line):
                try:
                    value = float(match.group(1))
                except (TypeError, ValueError):
                    continue  # the expression caught something that is no number, as a log line may well contain
                self._found[definition.name] = (value, time.time())

    def final(self) -> list[dict[str, Any]]:
        """``FinalMetricDataList``, in the order of the definitions."""
        return [
            {"MetricName": each.name, "Value": self._found[each.name][0], "Timestamp": self._found[each.name][1]}
            for each in self._wanted
            if each.name in self._found
        ]
