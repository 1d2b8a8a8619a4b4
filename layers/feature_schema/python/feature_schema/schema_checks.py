"""What a schema has to keep to, checked when it is imported: a sentence now, no riddle in some function later."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pydantic import BaseModel

    from feature_schema.field import Field

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
"""Safe as a name in CSV and in SQL, and as the value of a metric's dimension."""


class InvalidSchemaError(TypeError):
    """The schema cannot be used; the message says what is wrong with it."""


def check_contract(model: type[BaseModel]) -> None:
    """Features or target: numbers, none of them read out of text, and nothing beside them."""
    if not (model.model_config.get("strict") and model.model_config.get("extra") == "forbid"):
        raise InvalidSchemaError(f"the schema's {model.__name__} must be strict, and forbid what it does not name")
    for name, field in model.model_fields.items():
        if field.annotation not in {int, float}:
            raise InvalidSchemaError(f"the schema must give {name} the type int or float; a category is a number too")


def check_single_target(fields: Sequence[Field]) -> Sequence[Field]:
    """The target, and no second one."""
    if len(fields) != 1:
        raise InvalidSchemaError(f"the schema must have one target, not {len(fields)}")
    return fields


def check_fields(target: Field, features: Sequence[Field], *, taken: Collection[str]) -> None:
    """``taken`` are the names that a sample, its prediction or a stored row has already."""
    if not features:
        raise InvalidSchemaError("the schema must have at least one feature")
    seen = {name.lower() for name in taken}
    for field in (target, *features):
        if not _NAME.fullmatch(field.name):
            raise InvalidSchemaError(f"{field.name!r} is no name for a schema: at most 63 of A-Z, a-z, 0-9 and _")
        if field.name.lower() in seen:
            raise InvalidSchemaError(f"the schema's name {field.name} is taken; capital letters make no difference")
        seen.add(field.name.lower())
        if not (math.isfinite(field.minimum) and math.isfinite(field.maximum) and field.minimum < field.maximum):
            raise InvalidSchemaError(f"the schema must give {field.name} a finite range")


def check_baseline(baseline: str | float, target: Field, features: Sequence[Field]) -> None:
    """A feature, or a number that the target can be."""
    if isinstance(baseline, str):
        if baseline not in {feature.name for feature in features}:
            raise InvalidSchemaError(f"the schema's BASELINE names no feature: {baseline}")
    elif not target.minimum <= baseline <= target.maximum:
        raise InvalidSchemaError(f"the schema's BASELINE {baseline} is not within the bounds of {target.name}")
