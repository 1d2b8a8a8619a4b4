"""Single samples, made up from the schema's description alone: no feature is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from feature_schema import FEATURES, TARGET, VERSION

if TYPE_CHECKING:
    from feature_schema.field import Field

EXPECTED_ERROR = (TARGET.maximum - TARGET.minimum) / 256
"""An error that a model may promise, exact in binary."""


def field_value(field: Field, share: float = 0.5) -> int | float:
    """What lies at this share of the way from the field's minimum (0) to its maximum (1)."""
    exact = min(field.minimum + share * (field.maximum - field.minimum), field.maximum)
    return round(exact) if field.type == "integer" else exact


def make_features(**changed: Any) -> dict[str, Any]:
    """Features near their lower bounds."""
    return {field.name: field_value(field, 1 / 64) for field in FEATURES} | changed


def make_sample(**changed: Any) -> dict[str, Any]:
    """A sample that is accepted, without a prediction, JSON-ready."""
    return {
        "sample_id": "sample-1",
        "robot_id": "robot-1",
        "fc_id": "fc1",
        "recorded_at": "2026-11-23T06:38:50.123Z",
        "schema_version": VERSION,
        TARGET.name: field_value(TARGET),
        "features": make_features(),
        **changed,
    }


def make_csv_row(**changed: Any) -> str:
    """The same as a workshop row."""
    return ",".join(str(cell) for cell in ({TARGET.name: field_value(TARGET)} | make_features() | changed).values())
