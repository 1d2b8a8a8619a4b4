"""The template as tests read it: as it stands, and with the defaults of its parameters in place."""

from __future__ import annotations

from typing import Any

from dwell.template import TEMPLATE_PATH, load_template

TEXT = TEMPLATE_PATH.read_text(encoding="utf-8")
DEFAULT = load_template()
TEMPLATE = DEFAULT.content
PARAMETERS = DEFAULT.parameters
STACK: str = PARAMETERS["AWS::StackName"]
ALARMS = {name.removesuffix("Alarm"): DEFAULT.properties(name) for name in DEFAULT.resources("AWS::CloudWatch::Alarm")}
"""The properties of every alarm, by its name without the stack's prefix."""


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """The properties of every resource of a type as they stand, by logical id."""
    return {
        name: resource.get("Properties", {})
        for name, resource in TEMPLATE["Resources"].items()
        if resource["Type"] == kind
    }


def as_list(value: Any) -> list[Any]:
    """A policy's one or many."""
    return value if isinstance(value, list) else [value]
