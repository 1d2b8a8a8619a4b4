"""Validates the schema at import, so that a mistake fails here with a clear message."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pydantic import BaseModel

    from feature_schema.field import Field

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
"""Names that are safe in CSV, in SQL and as the value of a metric's dimension."""


class InvalidSchemaError(TypeError):
    """The schema cannot be used; the message says why."""


def check_contract(model: type[BaseModel]) -> None:
    """Check that the model of features or target is strict, forbids other fields and has only numbers.

    Raises ``InvalidSchemaError``.
    """
    if not (model.model_config.get("strict") and model.model_config.get("extra") == "forbid"):
        raise InvalidSchemaError(f"the schema's {model.__name__} must be strict, and forbid other fields")
    for name, field in model.model_fields.items():
        if field.annotation not in {int, float}:
            raise InvalidSchemaError(
                f"the schema must give {name} the type int or float; encode a category as a number"
            )


def check_single_target(fields: Sequence[Field]) -> Field:
    """Return the only field of the target's model. Raises ``InvalidSchemaError`` unless there is exactly one."""
    if len(fields) != 1:
        raise InvalidSchemaError(f"the schema must have one target, not {len(fields)}")
    return fields[0]


def check_fields(target: Field, features: Sequence[Field], *, reserved: Collection[str]) -> None:
    """Check names and ranges. ``reserved`` are the other names in a sample, its prediction or a stored row.

    Raises ``InvalidSchemaError``.
    """
    if not features:
        raise InvalidSchemaError("the schema must have at least one feature")
    used = {name.lower() for name in reserved}
    for field in (target, *features):
        if not _NAME.fullmatch(field.name):
            raise InvalidSchemaError(
                f"{field.name!r} is not a valid name: use at most 63 of A-Z, a-z, 0-9 and _, and a letter first"
            )
        if field.name.lower() in used:
            raise InvalidSchemaError(f"the schema's name {field.name} is already in use (names ignore case)")
        used.add(field.name.lower())
        if not (math.isfinite(field.minimum) and math.isfinite(field.maximum) and field.minimum < field.maximum):
            raise InvalidSchemaError(f"the schema must give {field.name} a finite range")


def check_baseline(baseline: str | float, target: Field, features: Sequence[Field]) -> None:
    """Check that the baseline is a feature's name or a possible value of the target. Raises ``InvalidSchemaError``."""
    if isinstance(baseline, str):
        if baseline not in {feature.name for feature in features}:
            raise InvalidSchemaError(f"the schema's BASELINE is not a feature: {baseline}")
    elif not target.minimum <= baseline <= target.maximum:
        raise InvalidSchemaError(f"the schema's BASELINE {baseline} is not within the bounds of {target.name}")
