"""Reads template.yaml and substitutes its parameters.

Short functions (``!Ref``) are read as ``{"Ref": argument}``. ``Template.resolve`` substitutes parameters and evaluates
conditions; a reference to a resource becomes the resource's logical id.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from dwell.console.errors import InvalidUsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE_PATH = ROOT / "template.yaml"
_NO_VALUE = "AWS::NoValue"
"""The value of a property that is to be left out."""


MAX_INTEGER = 2**53
"""The largest integer up to which a float represents all integers; no parameter is larger."""


class TemplateError(InvalidUsageError):
    """The template has no such parameter, the value is not valid for it, or samconfig.toml has no such profile. The
    message lists what is valid."""


class _Loader(yaml.CSafeLoader):
    """A YAML loader that supports the template's short functions."""


def _function(loader: _Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.MappingNode):
        return {name: loader.construct_mapping(node, deep=True)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_scalar(node)}  # type: ignore[arg-type]


_Loader.add_multi_constructor("!", _function)


def read_template(path: Path = TEMPLATE_PATH) -> dict[str, Any]:
    """The template without substitution."""
    template: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 (a SafeLoader)
    return template


@dataclass(frozen=True, slots=True)
class Template:
    """A template and the values of its parameters, including the stack's name.

    Values are numbers for parameters of type Number, else text.
    """

    content: Mapping[str, Any]
    parameters: Mapping[str, Any]

    def properties(self, logical_id: str) -> dict[str, Any]:
        """The resolved properties of a resource; those of a function include ``Globals``."""
        resource = self.content["Resources"][logical_id]
        declared = resource.get("Properties", {})
        if resource["Type"] == "AWS::Serverless::Function":
            declared = {**self.content.get("Globals", {}).get("Function", {}), **declared}
        properties: dict[str, Any] = self.resolve(declared)
        return properties

    def resources(self, kind: str) -> list[str]:
        """The logical ids of all resources of type ``kind`` whose condition is true."""
        return [
            name
            for name, resource in self.content["Resources"].items()
            if resource["Type"] == kind and ("Condition" not in resource or self._is_true(resource["Condition"]))
        ]

    def resolve(self, value: Any) -> Any:
        """Substitute parameters and evaluate conditions in a part of the template."""
        match value:
            case {"Ref": str(name)} | {"GetAtt": str(name)}:
                return self.parameters.get(name, name)
            case {"Sub": str(text)}:
                return re.sub(r"\$\{([\w:]+)\}", lambda match: str(self.parameters.get(match[1], match[0])), text)
            case {"If": [str(condition), then, otherwise]}:
                return self.resolve(then if self._is_true(condition) else otherwise)
            case dict():
                parts = {name: self.resolve(part) for name, part in value.items()}
                return {name: part for name, part in parts.items() if part != _NO_VALUE}
            case list():
                return [self.resolve(part) for part in value]
        return value

    def _is_true(self, condition: str) -> bool:
        match self.content["Conditions"][condition]:
            case {"Equals": [left, right]}:
                return bool(self.resolve(left) == self.resolve(right))
            case {"Not": [{"Equals": [left, right]}]}:
                return bool(self.resolve(left) != self.resolve(right))
        raise TemplateError(f"the condition {condition} has an unsupported form")


def load_template(
    profile: str = "default", overrides: Mapping[str, str] | None = None, path: Path = TEMPLATE_PATH
) -> Template:
    """The template with its default parameters, overridden by samconfig.toml's ``profile``, then by ``overrides``.

    Raises ``TemplateError``.
    """
    content = read_template(path)
    declared = content["Parameters"]
    settings = _read_deploy_parameters(profile, path.with_name("samconfig.toml"))
    values: dict[str, Any] = {name: parameter["Default"] for name, parameter in declared.items()}
    values |= {"AWS::StackName": settings["stack_name"]} if "stack_name" in settings else {}
    for name, text in {**_parse_overrides(settings), **(overrides or {})}.items():
        if name not in declared:
            raise TemplateError(f"the template has no parameter {name!r}; there are {', '.join(declared)}")
        values[name] = _parse_value(name, text, declared[name])
    return Template(content, values)


def _read_deploy_parameters(profile: str, path: Path) -> dict[str, Any]:
    """The parameters of ``sam deploy`` in a profile of samconfig.toml. Raises ``TemplateError``."""
    settings = tomllib.loads(path.read_text(encoding="utf-8"))
    if not isinstance(settings.get(profile), dict):
        names = ", ".join(name for name, section in settings.items() if isinstance(section, dict))
        raise TemplateError(f"samconfig.toml has no profile {profile!r}; there are {names}")
    parameters: dict[str, Any] = settings[profile].get("deploy", {}).get("parameters", {})
    return parameters


def _parse_overrides(settings: Mapping[str, Any]) -> dict[str, str]:
    entries = settings.get("parameter_overrides", [])
    return dict("".join(shlex.split(entry)).split("=", maxsplit=1) for entry in map(_quote, entries))


def _quote(entry: str) -> str:
    """Quote an entry for ``shlex``, unless it has quotes, as ``AlarmRecheckSchedule='rate(1 minute)'``."""
    return entry if "'" in entry or '"' in entry else shlex.quote(entry)


def _parse_value(name: str, text: str, declared: Mapping[str, Any]) -> int | float | str:
    """A parameter's value as CloudFormation would accept it. Raises ``TemplateError``."""
    value = _parse_number(text) if declared["Type"] == "Number" else text
    if value is None or not _is_accepted(value, declared):
        raise TemplateError(f"{name} must be {_describe_accepted(declared)}, not {text!r}")
    return value


def _parse_number(text: str) -> int | float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    if not abs(number) <= MAX_INTEGER:  # also excludes NaN
        return None
    return int(number) if number.is_integer() else number


def _is_accepted(value: float | str, declared: Mapping[str, Any]) -> bool:
    if "AllowedValues" in declared and value not in declared["AllowedValues"]:
        return False
    return isinstance(value, str) or declared.get("MinValue", -MAX_INTEGER) <= value <= declared.get(
        "MaxValue", MAX_INTEGER
    )


def _describe_accepted(declared: Mapping[str, Any]) -> str:
    """The accepted values of a parameter in words."""
    if "AllowedValues" in declared:
        return f"one of {', '.join(map(str, declared['AllowedValues']))}"
    minimum, maximum = declared.get("MinValue"), declared.get("MaxValue")
    if minimum is not None and maximum is not None:
        return f"a number from {minimum:,} to {maximum:,}"
    return f"a number of at least {minimum:,}" if minimum is not None else "a number"
