"""The schema as plain data, for code that cannot import it: the training job, tables, notebooks, pages."""

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
    "received_at",
    "asked_at",
)
"""The columns of a stored row after target and features: sender, time, the echoed prediction, and the schema's version,
by which a dataset recognises rows of an earlier schema. ``received_at`` is the arrival in the stream, ``asked_at`` the
time at which the echoed prediction was requested. Rows of version 0.1.0 end with ``schema_version``."""


def _get_bound(field: FieldInfo, name: str, attribute: str) -> float:
    for constraint in field.metadata:
        if hasattr(constraint, attribute):
            return float(getattr(constraint, attribute))
    raise schema_checks.InvalidSchemaError(f"the schema gives no bound '{attribute}' for {name}")


def _read_fields(model: type[BaseModel], unit_type: type[Unit]) -> tuple[Field, ...]:
    schema_checks.check_contract(model)
    fields = []
    for name, field in model.model_fields.items():
        units = [annotation.symbol for annotation in field.metadata if isinstance(annotation, unit_type)]
        if len(units) != 1 or not field.description:
            raise schema_checks.InvalidSchemaError(f"the schema must give {name} one unit and a meaning")
        fields.append(
            Field(
                name=name,
                type="integer" if field.annotation is int else "number",
                unit=units[0],
                minimum=_get_bound(field, name, "ge"),
                maximum=_get_bound(field, name, "le"),
                meaning=field.description,
            )
        )
    return tuple(fields)


def read_declaration() -> dict[str, Any]:
    """Return the content of ``schema`` as JSON-ready data. Raises ``InvalidSchemaError``."""
    from feature_schema import schema  # noqa: PLC0415 (imports pydantic, needed without prebuilt data only)

    features = _read_fields(schema.Features, schema.Unit)
    target = schema_checks.check_single_target(_read_fields(schema.Target, schema.Unit))
    schema_checks.check_fields(target, features, reserved={*PROVENANCE_COLUMNS, "features", "prediction", "source"})
    schema_checks.check_baseline(schema.BASELINE, target, features)
    return {
        "version": schema.VERSION,
        "target": asdict(target),
        "features": [asdict(feature) for feature in features],
        "baseline": schema.BASELINE,
    }


_DECLARATION: dict[str, Any] = prebuilt.load_or_derive("fields", read_declaration)

VERSION: int = _DECLARATION["version"]

BASELINE: str | float = _DECLARATION["baseline"]

FEATURES: tuple[Field, ...] = tuple(Field(**feature) for feature in _DECLARATION["features"])
"""The features, in the order of a row."""

TARGET = Field(**_DECLARATION["target"])
"""The target. A schema has exactly one."""

ROW_COLUMNS: tuple[str, ...] = (TARGET.name, *(feature.name for feature in FEATURES), *PROVENANCE_COLUMNS)
"""The columns of a stored row: target, features in order (the workshop's file format), then provenance."""

ROW_COLUMNS_0_1_0 = ROW_COLUMNS[: ROW_COLUMNS.index("schema_version") + 1]
"""The columns of a row that version 0.1.0 stored. Such rows remain valid; they lack only the last columns."""


@cache
def describe() -> dict[str, Any]:
    """Return the schema as JSON-ready data.

    Keys: ``version``, ``hash``, ``target``, ``features`` (in the order of a row), ``baseline`` (a feature's name or a
    number in the target's unit), ``row`` (the columns of a stored row).
    """
    content = {
        "version": VERSION,
        "target": asdict(TARGET),
        "features": [asdict(feature) for feature in FEATURES],
        "baseline": BASELINE,
    }
    # Columns that were added at the end of a row change the meaning of none before them, so they are not hashed: models
    # of version 0.1.0 remain valid.
    return {
        **content,
        "row": list(ROW_COLUMNS),
        "hash": _hash({**content, "row": list(ROW_COLUMNS_0_1_0)}),
    }


def _hash(content: dict[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def get_schema_hash() -> str:
    """Return 16 hexadecimal digits that change with the meaning of a row; stored with datasets and models."""
    return str(describe()["hash"])
