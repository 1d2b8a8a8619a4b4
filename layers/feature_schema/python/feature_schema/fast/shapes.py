"""Derives the shapes of the models: their checks as plain data, from which another decoder can be built.

Shapes are read from pydantic's core schemas, which contain everything that a model checks. Whatever this module does
not support (a validator, an alias, another type or constraint) becomes ``unknown``. A model with an ``unknown`` has no
other decoder, so that pydantic parses alone: slower, with the same results.

A shape is ``{"kind": "unknown"}`` or one of ``{"kind": "integer", "ge", "le"}``, ``{"kind": "number", "ge", "gt",
"le", "lt"}`` (finite), ``{"kind": "text", "pattern"}``, ``{"kind": "time", "ge"}`` (aware), ``{"kind": "choice",
"values"}``, ``{"kind": "array", "item", "minimum", "maximum"}`` and ``{"kind": "object", "fields": [{"name", "shape",
"nullable", "default"}]}``, which forbids other keys; a field without ``default`` is required.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from feature_schema.contracts import Prediction, PredictionRequest, Sample
from feature_schema.limits import format_time
from feature_schema.schema import Features, Target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

type Shape = dict[str, Any]
"""The checks of a model or type as plain data."""

_IGNORED_KEYS = {"type", "metadata", "ref"}

_MAX_INTEGER = 2**63 - 1
"""msgspec supports bounds of integers up to 64 bits."""

_PLAIN_PATTERN = re.compile(r"\^(\[[A-Za-z0-9_.:-]+\](\{\d+,\d+\})?)+\$")
"""Anchored patterns of ASCII character classes, which mean the same in every engine for regular expressions."""


class _UnsupportedModelError(TypeError):
    """A model has a check that no shape can express."""


def derive_shapes() -> dict[str, Shape]:
    """Return the shapes of all wire models by the models' names."""
    models: tuple[type[BaseModel], ...] = (Sample, Features, Target, Prediction, PredictionRequest)
    return {model.__name__: derive_shape(model) for model in models}


def derive_shape(model: type[BaseModel]) -> Shape:
    """Return the shape of a model. All fields of an unsupported model are ``unknown``."""
    try:
        return _to_shape(model.__pydantic_core_schema__, {}, strict=False)
    except _UnsupportedModelError:
        return _to_unknown(model)


def _to_unknown(model: type[BaseModel]) -> Shape:
    """Return a shape that has the names of the fields, of nested models too, and no checks."""
    nested: dict[str, type[BaseModel]] = {"features": Features, "prediction": Prediction}
    return {
        "kind": "object",
        "fields": [
            {
                "name": name,
                "nullable": True,
                "shape": _to_unknown(nested[name]) if name in nested else {"kind": "unknown"},
            }
            for name in model.model_fields
        ],
    }


def _to_shape(core: Mapping[str, Any], definitions: dict[str, Any], *, strict: bool) -> Shape:
    strict = core.get("strict", strict)
    match core["type"]:
        case "definitions":
            definitions = definitions | {definition["ref"]: definition for definition in core["definitions"]}
            return _to_shape(_check_keys(core, "definitions", "schema")["schema"], definitions, strict=strict)
        case "definition-ref":
            reference = _check_keys(core, "schema_ref")["schema_ref"]
            return _to_shape(definitions[reference], definitions, strict=strict)
        case "model":
            return _to_object(core, definitions)
        case "tuple":
            return _to_array(core, definitions, strict=strict)
        case kind if strict and kind in _LEAVES:
            return _LEAVES[kind](core)
        case kind:
            raise _UnsupportedModelError(f"no shape for {kind}")


def _to_text(core: Mapping[str, Any]) -> Shape:
    pattern = _check_keys(core, "pattern", "strict").get("pattern")
    if not isinstance(pattern, str) or not _PLAIN_PATTERN.fullmatch(pattern):
        raise _UnsupportedModelError("a text must have a plain pattern")
    return {"kind": "text", "pattern": pattern}


def _to_time(core: Mapping[str, Any]) -> Shape:
    checks = _check_keys(core, "ge", "tz_constraint", "microseconds_precision", "strict")
    minimum = checks.get("ge")
    if checks.get("tz_constraint") != "aware" or not isinstance(minimum, datetime) or minimum.microsecond % 1000:
        raise _UnsupportedModelError("a time must have a zone, and a lower bound in milliseconds")
    return {"kind": "time", "ge": format_time(minimum)}


def _to_choice(core: Mapping[str, Any]) -> Shape:
    values = list(_check_keys(core, "expected")["expected"])
    if not all(isinstance(value, str) for value in values):
        raise _UnsupportedModelError("choices must be strings")
    return {"kind": "choice", "values": values}


def _to_integer(core: Mapping[str, Any]) -> Shape:
    bounds = _get_bounds(core, "ge", "le")
    if not all(isinstance(bound, int) and abs(bound) <= _MAX_INTEGER for bound in bounds.values()):
        raise _UnsupportedModelError("an integer must have integer bounds of at most 64 bits")
    return {"kind": "integer", **bounds}


def _to_number(core: Mapping[str, Any]) -> Shape:
    return {"kind": "number", **_get_bounds(core, "ge", "gt", "le", "lt", other_key="allow_inf_nan")}


_LEAVES = {"int": _to_integer, "float": _to_number, "str": _to_text, "datetime": _to_time, "literal": _to_choice}


def _to_object(core: Mapping[str, Any], definitions: dict[str, Any]) -> Shape:
    _check_keys(core, "cls", "config", "custom_init", "root_model", "schema")
    config = dict(core["config"])
    config.pop("title", None)
    if config != {"extra_fields_behavior": "forbid", "strict": True} or core.get("custom_init") or core["root_model"]:
        raise _UnsupportedModelError(f"{core['cls'].__name__} is not a plain strict model")
    fields = _check_keys(core["schema"], "fields", "model_name", "computed_fields")["fields"]
    return {
        "kind": "object",
        # in the order of the class, since a core schema may have another one
        "fields": [_to_field(name, fields[name], definitions) for name in core["cls"].model_fields],
    }


def _to_field(name: str, core: Mapping[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    if core["type"] != "model-field":
        raise _UnsupportedModelError(f"no shape for a {core['type']}")
    inner = _check_keys(core, "schema")["schema"]
    field: dict[str, Any] = {"name": name, "nullable": False}
    if inner["type"] == "default":
        field["default"] = _check_keys(inner, "schema", "default")["default"]
        inner = inner["schema"]
    if inner["type"] == "nullable":
        field["nullable"] = True
        inner = _check_keys(inner, "schema")["schema"]
    return {**field, "shape": _to_shape(inner, definitions, strict=True)}


def _to_array(core: Mapping[str, Any], definitions: dict[str, Any], *, strict: bool) -> Shape:
    checks = _check_keys(core, "items_schema", "variadic_item_index", "min_length", "max_length", "strict")
    if len(checks["items_schema"]) != 1 or checks.get("variadic_item_index") != 0 or strict:
        raise _UnsupportedModelError("a tuple must have any number of items of one kind, and must not be strict")
    return {
        "kind": "array",
        "item": _to_shape(checks["items_schema"][0], definitions, strict=True),
        "minimum": checks.get("min_length", 0),
        "maximum": checks.get("max_length"),
    }


def _get_bounds(core: Mapping[str, Any], *names: str, other_key: str = "strict") -> dict[str, Any]:
    checks = _check_keys(core, *names, other_key, "strict")
    return {name: checks[name] for name in names if checks.get(name) is not None}


def _check_keys(core: Mapping[str, Any], *supported: str) -> Mapping[str, Any]:
    """Return the core schema. Raises ``_UnsupportedModelError`` if it has other keys than these."""
    unsupported = set(core) - _IGNORED_KEYS - set(supported)
    if unsupported:
        raise _UnsupportedModelError(f"no shape for {core['type']} with {', '.join(sorted(unsupported))}")
    return core
