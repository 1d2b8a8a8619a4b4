"""The template as tests read it: short functions as ``{name: argument}``, parameters with their defaults."""

from __future__ import annotations

from typing import Any

from dwell.template import PATH, content

STACK = "dwell"
TEXT = PATH.read_text(encoding="utf-8")
TEMPLATE = content()
PARAMETERS: dict[str, Any] = {name: given["Default"] for name, given in TEMPLATE["Parameters"].items()}
PARAMETERS |= {"AWS::StackName": STACK}


def resolved(value: Any) -> Any:
    """A part of the template with its parameters' defaults in place; references to resources become their names."""
    match value:
        case {"Ref": str(name)}:
            return PARAMETERS.get(name, name)
        case {"GetAtt": str(name)}:
            return name
        case {"Sub": str(text)}:
            for name, given in PARAMETERS.items():
                text = text.replace(f"${{{name}}}", str(given))
            return text
        case dict():
            return {name: resolved(part) for name, part in value.items()}
        case list():
            return [resolved(part) for part in value]
        case _:
            return value


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """The properties of every resource of a type, by logical id."""
    return {
        name: resource.get("Properties", {})
        for name, resource in TEMPLATE["Resources"].items()
        if resource["Type"] == kind
    }


def as_list(value: Any) -> list[Any]:
    """A policy's one or many."""
    return value if isinstance(value, list) else [value]
