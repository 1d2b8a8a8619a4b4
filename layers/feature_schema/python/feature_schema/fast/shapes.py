"""The shapes of the models: what pydantic checks, told as plain data, so that another decoder can check the same.

They are read from pydantic's core schemas, which hold everything that a model enforces. Whatever is not known here (a
validator, an alias, another type or constraint) becomes an ``unknown``: a model with one in it has no other decoder,
and pydantic reads alone, as slow as it is and just as right.

A shape is ``{"kind": "unknown"}`` or one of ``{"kind": "integer", "ge", "le"}``, ``{"kind": "number", "ge", "gt",
"le", "lt"}`` (finite), ``{"kind": "text", "pattern"}``, ``{"kind": "time", "ge"}`` (aware), ``{"kind": "choice",
"of"}``, ``{"kind": "many", "item", "minimum", "maximum"}`` and ``{"kind": "object", "fields": [{"name", "shape",
"nullable", "default"}]}``, which forbids further keys; a field without ``default`` is required.
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

_IGNORED = {"type", "metadata", "ref"}
_LARGEST = 2**63 - 1
"""Bounds of whole numbers beyond it are pydantic's alone."""

_PLAIN_PATTERN = re.compile(r"\^(\[[A-Za-z0-9_.:-]+\](\{\d+,\d+\})?)+\$")
"""Classes of ASCII characters, anchored: what every engine of regular expressions takes for the same."""


class _UnderivableError(TypeError):
    """A model checks what no shape can tell."""


def derive_shapes() -> dict[str, Shape]:
    """The shapes of all models on the wire, by the models' names."""
    models: tuple[type[BaseModel], ...] = (Sample, Features, Target, Prediction, PredictionRequest)
    return {model.__name__: derive_shape(model) for model in models}


def derive_shape(model: type[BaseModel]) -> Shape:
    """The shape of a model."""
    try:
        return _shape(model.__pydantic_core_schema__, {}, strict=False)
    except _UnderivableError:
        return _names(model)


def _names(model: type[BaseModel]) -> Shape:
    """What is left of an underivable model: the names of its fields."""
    inner: dict[str, type[BaseModel]] = {"features": Features, "prediction": Prediction}
    return {
        "kind": "object",
        "fields": [
            {"name": name, "nullable": True, "shape": _names(inner[name]) if name in inner else {"kind": "unknown"}}
            for name in model.model_fields
        ],
    }


def _shape(core: Mapping[str, Any], definitions: dict[str, Any], *, strict: bool) -> Shape:
    strict = core.get("strict", strict)
    match core["type"]:
        case "definitions":
            known = definitions | {one["ref"]: one for one in core["definitions"]}
            return _shape(_only(core, "definitions", "schema")["schema"], known, strict=strict)
        case "definition-ref":
            return _shape(definitions[_only(core, "schema_ref")["schema_ref"]], definitions, strict=strict)
        case "model":
            return _object(core, definitions)
        case "tuple":
            return _many(core, definitions, strict=strict)
        case kind if strict and kind in _LEAVES:
            return _LEAVES[kind](core)
        case kind:
            raise _UnderivableError(f"no shape for {kind}")


def _text(core: Mapping[str, Any]) -> Shape:
    pattern = _only(core, "pattern", "strict").get("pattern")
    if not isinstance(pattern, str) or not _PLAIN_PATTERN.fullmatch(pattern):
        raise _UnderivableError("a text has a plain pattern")
    return {"kind": "text", "pattern": pattern}


def _time(core: Mapping[str, Any]) -> Shape:
    given = _only(core, "ge", "tz_constraint", "microseconds_precision", "strict")
    earliest = given.get("ge")
    if given.get("tz_constraint") != "aware" or not isinstance(earliest, datetime) or earliest.microsecond % 1000:
        raise _UnderivableError("a time has a zone, and a lower bound of milliseconds")
    return {"kind": "time", "ge": format_time(earliest)}


def _choice(core: Mapping[str, Any]) -> Shape:
    of = list(_only(core, "expected")["expected"])
    if not all(isinstance(one, str) for one in of):
        raise _UnderivableError("choices are texts")
    return {"kind": "choice", "of": of}


def _integer(core: Mapping[str, Any]) -> Shape:
    bounds = _bounds(core, "ge", "le")
    if not all(isinstance(one, int) and abs(one) <= _LARGEST for one in bounds.values()):
        raise _UnderivableError("a whole number has whole bounds of at most 64 bits")
    return {"kind": "integer", **bounds}


def _number(core: Mapping[str, Any]) -> Shape:
    return {"kind": "number", **_bounds(core, "ge", "gt", "le", "lt", also="allow_inf_nan")}


_LEAVES = {"int": _integer, "float": _number, "str": _text, "datetime": _time, "literal": _choice}


def _object(core: Mapping[str, Any], definitions: dict[str, Any]) -> Shape:
    _only(core, "cls", "config", "custom_init", "root_model", "schema")
    config = dict(core["config"])
    config.pop("title", None)
    if config != {"extra_fields_behavior": "forbid", "strict": True} or core.get("custom_init") or core["root_model"]:
        raise _UnderivableError(f"{core['cls'].__name__} is not a plain strict model")
    fields = _only(core["schema"], "fields", "model_name", "computed_fields")["fields"]
    return {
        "kind": "object",
        # the class knows the order of its fields; a core schema need not keep it
        "fields": [_field(name, fields[name], definitions) for name in core["cls"].model_fields],
    }


def _field(name: str, core: Mapping[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    if core["type"] != "model-field":
        raise _UnderivableError(f"no shape for a {core['type']}")
    inner = _only(core, "schema")["schema"]
    field: dict[str, Any] = {"name": name, "nullable": False}
    if inner["type"] == "default":
        field["default"] = _only(inner, "schema", "default")["default"]
        inner = inner["schema"]
    if inner["type"] == "nullable":
        field["nullable"] = True
        inner = _only(inner, "schema")["schema"]
    return {**field, "shape": _shape(inner, definitions, strict=True)}


def _many(core: Mapping[str, Any], definitions: dict[str, Any], *, strict: bool) -> Shape:
    given = _only(core, "items_schema", "variadic_item_index", "min_length", "max_length", "strict")
    if len(given["items_schema"]) != 1 or given.get("variadic_item_index") != 0 or strict:
        raise _UnderivableError("a tuple has any number of items of one kind")
    return {
        "kind": "many",
        "item": _shape(given["items_schema"][0], definitions, strict=True),
        "minimum": given.get("min_length", 0),
        "maximum": given.get("max_length"),
    }


def _bounds(core: Mapping[str, Any], *names: str, also: str = "strict") -> dict[str, Any]:
    given = _only(core, *names, also, "strict")
    return {name: given[name] for name in names if given.get(name) is not None}


def _only(core: Mapping[str, Any], *known: str) -> Mapping[str, Any]:
    """The core schema, if it says nothing that is not known. Raises ``_UnderivableError``."""
    unknown = set(core) - _IGNORED - set(known)
    if unknown:
        raise _UnderivableError(f"no shape for {core['type']} with {', '.join(sorted(unknown))}")
    return core
