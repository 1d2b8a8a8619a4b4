"""The template as tests read it: short functions as ``{name: argument}``, parameters with their defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
STACK = "dwell"


class _Loader(yaml.SafeLoader):
    """Reads a template's short functions."""


def _function(loader: _Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    match node:
        case yaml.ScalarNode():
            return {name: loader.construct_scalar(node)}
        case yaml.SequenceNode():
            return {name: loader.construct_sequence(node, deep=True)}
        case _:
            return {name: loader.construct_mapping(node, deep=True)}  # type: ignore[arg-type]


_Loader.add_multi_constructor("!", _function)
TEXT = (ROOT / "template.yaml").read_text(encoding="utf-8")
TEMPLATE: dict[str, Any] = yaml.load(TEXT, Loader=_Loader)  # noqa: S506 (a SafeLoader)
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
