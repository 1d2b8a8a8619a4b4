"""The schema as plain data, for those who cannot import it: the training job, tables, notebooks, pages."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any

from feature_schema import prebuilt, schema_checks
from feature_schema.field import Field

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

    from feature_schema.schema import Unit

PROVENANCE_COLUMNS = (
    "sample_id",
    "robot_id",
    "fc_id",
    "recorded_at",
    "predicted",
    "expected_error",
    "model",
    "schema_version",
)
"""The columns of a stored row that follow target and features: who, when, the prediction that was echoed, and the
schema's version, by which a dataset tells rows of an earlier one."""


def _bound(field: FieldInfo, name: str, attribute: str) -> float:
    for constraint in field.metadata:
        if hasattr(constraint, attribute):
            return float(getattr(constraint, attribute))
    raise schema_checks.InvalidSchemaError(f"the schema gives no bound '{attribute}' for {name}")


def _fields(model: type[BaseModel], unit: type[Unit]) -> tuple[Field, ...]:
    schema_checks.check_contract(model)
    described = []
    for name, field in model.model_fields.items():
        units = [known.symbol for known in field.metadata if isinstance(known, unit)]
        if len(units) != 1 or not field.description:
            raise schema_checks.InvalidSchemaError(f"the schema must give {name} one unit and a meaning")
        described.append(
            Field(
                name=name,
                type="integer" if field.annotation is int else "number",
                unit=units[0],
                minimum=_bound(field, name, "ge"),
                maximum=_bound(field, name, "le"),
                meaning=field.description,
            )
        )
    return tuple(described)


def read_declaration() -> dict[str, Any]:
    """What ``schema`` declares, as JSON-ready data. Raises ``UnsoundSchemaError``."""
    from feature_schema import schema  # noqa: PLC0415 (pydantic, which is loaded only where nothing is built)

    features = _fields(schema.Features, schema.Unit)
    (target,) = schema_checks.check_single_target(_fields(schema.Target, schema.Unit))
    schema_checks.check_fields(target, features, taken={*PROVENANCE_COLUMNS, "features", "prediction", "source"})
    schema_checks.check_baseline(schema.BASELINE, target, features)
    return {
        "version": schema.VERSION,
        "target": asdict(target),
        "features": [asdict(feature) for feature in features],
        "baseline": schema.BASELINE,
    }


_DECLARED: dict[str, Any] = prebuilt.load_or_derive("fields", read_declaration)

VERSION: int = _DECLARED["version"]

BASELINE: str | float = _DECLARED["baseline"]

FEATURES: tuple[Field, ...] = tuple(Field(**feature) for feature in _DECLARED["features"])
"""The features, in the order of a row."""

TARGET = Field(**_DECLARED["target"])
"""The target. A schema has exactly one."""

ROW_COLUMNS: tuple[str, ...] = (TARGET.name, *(feature.name for feature in FEATURES), *PROVENANCE_COLUMNS)
"""The columns of a stored row: target first, features in order (the workshop's file format), then provenance."""


@cache
def describe() -> dict[str, Any]:
    """The whole schema as JSON-ready data.

    Keys: ``version``, ``hash``, ``target``, ``features`` (in the order of a row), ``baseline`` (a feature's name or a
    number in the target's unit), ``row`` (the columns of a stored row).
    """
    meaning = {
        "version": VERSION,
        "target": asdict(TARGET),
        "features": [asdict(feature) for feature in FEATURES],
        "baseline": BASELINE,
        "row": list(ROW_COLUMNS),
    }
    return {**meaning, "hash": _hash(meaning)}


def _hash(meaning: dict[str, Any]) -> str:
    canonical = json.dumps(meaning, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def get_schema_hash() -> str:
    """16 hexadecimal digits over everything that gives a row its meaning; stamped on datasets and models."""
    return str(describe()["hash"])
