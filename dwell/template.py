"""What template.yaml says, with parameters in place: the one reader of the template outside of sam.

Short functions (``!Ref``) are read as ``{"Ref": argument}``. ``resolved`` puts parameters in and answers conditions;
a reference to a resource becomes the resource's logical id.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[1]
PATH = ROOT / "template.yaml"
_NO_VALUE = "AWS::NoValue"
"""What a property is set to that shall be left out."""


LARGEST = 2**53
"""Up to here, whole numbers are told apart; no parameter is about anything larger."""


class TemplateError(ValueError):
    """The template has no such parameter, or it takes no such value, or samconfig.toml has no such profile; the message
    names what there is."""


class _Loader(yaml.CSafeLoader):
    """Reads a template's short functions."""


def _function(loader: _Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.MappingNode):
        return {name: loader.construct_mapping(node, deep=True)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_scalar(node)}  # type: ignore[arg-type]


_Loader.add_multi_constructor("!", _function)


def content(path: Path = PATH) -> dict[str, Any]:
    """The template as it stands."""
    read: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 (a SafeLoader)
    return read


@dataclass(frozen=True, slots=True)
class Template:
    """A template and the values of its parameters, the stack's name among them.

    They are numbers where the template says Number, else text.
    """

    content: Mapping[str, Any]
    parameters: Mapping[str, Any]

    def properties(self, logical_id: str) -> dict[str, Any]:
        """The properties of a resource, resolved; a function's include what ``Globals`` gives it."""
        resource = self.content["Resources"][logical_id]
        given = resource.get("Properties", {})
        if resource["Type"] == "AWS::Serverless::Function":
            given = {**self.content.get("Globals", {}).get("Function", {}), **given}
        properties: dict[str, Any] = self.resolved(given)
        return properties

    def resources(self, kind: str) -> list[str]:
        """The logical ids of all resources of a type that the parameters do not rule out."""
        return [
            name
            for name, resource in self.content["Resources"].items()
            if resource["Type"] == kind and ("Condition" not in resource or self._holds(resource["Condition"]))
        ]

    def resolved(self, value: Any) -> Any:
        """A part of the template with its parameters and conditions in place."""
        match value:
            case {"Ref": str(name)} | {"GetAtt": str(name)}:
                return self.parameters.get(name, name)
            case {"Sub": str(text)}:
                return re.sub(r"\$\{([\w:]+)\}", lambda found: str(self.parameters.get(found[1], found[0])), text)
            case {"If": [str(condition), then, otherwise]}:
                return self.resolved(then if self._holds(condition) else otherwise)
            case dict():
                parts = {name: self.resolved(part) for name, part in value.items()}
                return {name: part for name, part in parts.items() if part != _NO_VALUE}
            case list():
                return [self.resolved(part) for part in value]
        return value

    def _holds(self, condition: str) -> bool:
        match self.content["Conditions"][condition]:
            case {"Equals": [one, other]}:
                return bool(self.resolved(one) == self.resolved(other))
            case {"Not": [{"Equals": [one, other]}]}:
                return bool(self.resolved(one) != self.resolved(other))
        raise TemplateError(f"the condition {condition} is written in a way that nothing here reads")


def template(profile: str = "default", overrides: Mapping[str, str] | None = None, path: Path = PATH) -> Template:
    """The template with its defaults, then what samconfig.toml's ``profile`` says, then ``overrides``.

    Raises ``TemplateError``.
    """
    read = content(path)
    declared = read["Parameters"]
    chosen = _deployment(profile, path.with_name("samconfig.toml"))
    values: dict[str, Any] = {name: one["Default"] for name, one in declared.items()}
    values |= {"AWS::StackName": chosen["stack_name"]} if "stack_name" in chosen else {}
    for name, text in {**_overrides(chosen), **(overrides or {})}.items():
        if name not in declared:
            raise TemplateError(f"the template has no parameter {name!r}; there are {', '.join(declared)}")
        values[name] = _value(name, text, declared[name])
    return Template(read, values)


def _deployment(profile: str, path: Path) -> dict[str, Any]:
    """What a profile of samconfig.toml passes to ``sam deploy``. Raises ``TemplateError``."""
    settings = tomllib.loads(path.read_text(encoding="utf-8"))
    if not isinstance(settings.get(profile), dict):
        names = ", ".join(name for name, one in settings.items() if isinstance(one, dict))
        raise TemplateError(f"samconfig.toml has no profile {profile!r}; there are {names}")
    chosen: dict[str, Any] = settings[profile].get("deploy", {}).get("parameters", {})
    return chosen


def _overrides(chosen: Mapping[str, Any]) -> dict[str, str]:
    entries = chosen.get("parameter_overrides", [])
    return dict("".join(shlex.split(entry)).split("=", maxsplit=1) for entry in map(_quoted, entries))


def _quoted(entry: str) -> str:
    """An entry as one word: ``LookAgain='rate(1 minute)'`` has its quotes already."""
    return entry if "'" in entry or '"' in entry else shlex.quote(entry)


def _value(name: str, text: str, declared: Mapping[str, Any]) -> int | float | str:
    """A parameter's value, if it is one that CloudFormation would take. Raises ``TemplateError``."""
    value = _number(text) if declared["Type"] == "Number" else text
    if value is None or not _takes(value, declared):
        raise TemplateError(f"{name} takes {_what(declared)}, not {text!r}")
    return value


def _number(text: str) -> int | float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    if not abs(number) <= LARGEST:  # nor is anything that is no number
        return None
    return int(number) if number.is_integer() else number


def _takes(value: float | str, declared: Mapping[str, Any]) -> bool:
    if "AllowedValues" in declared and value not in declared["AllowedValues"]:
        return False
    return isinstance(value, str) or declared.get("MinValue", -LARGEST) <= value <= declared.get("MaxValue", LARGEST)


def _what(declared: Mapping[str, Any]) -> str:
    """What a parameter takes, in words."""
    if "AllowedValues" in declared:
        return f"one of {', '.join(map(str, declared['AllowedValues']))}"
    least, most = declared.get("MinValue"), declared.get("MaxValue")
    if least is not None and most is not None:
        return f"a number from {least:,} to {most:,}"
    return f"a number of at least {least:,}" if least is not None else "a number"
