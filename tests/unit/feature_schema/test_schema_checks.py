"""An invalid schema fails at import with a message that says why."""

from __future__ import annotations

import importlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from feature_schema import BASELINE, FEATURES, PROVENANCE_COLUMNS, TARGET
from feature_schema.schema_checks import InvalidSchemaError, check_baseline, check_fields
from tests.unit.feature_schema.factories import copy_layer, importing_layer_from

if TYPE_CHECKING:
    from pathlib import Path

FIRST, *OTHERS = FEATURES

SCHEMA = """
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

VERSION = 1

@dataclass(frozen=True)
class Unit:
    symbol: str

class Features(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    floor_area: Annotated[float, Unit("m2"), Field(ge=1, le=1_000, description="how large it is")]

class Target(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    target: Annotated[float, Unit("EUR"), Field(ge=-5, le=5, description="what is predicted")]

BASELINE = 0
"""
ANOTHER = 'other: Annotated[int, Unit("x"), Field(ge=0, le=1, description="x")]'


def import_schema(folder: Path, schema: str) -> tuple[Any, ...]:
    """Import the layer with another schema; return its target, first feature and a prediction of the baseline."""
    with importing_layer_from(copy_layer(folder, schema)):
        layer = importlib.import_module("feature_schema")
        return (*layer.ROW_COLUMNS[:2], layer.predict_baseline(layer.Features(floor_area=2)))


def test_replaced_schema_is_used(tmp_path: Path) -> None:
    assert import_schema(tmp_path, SCHEMA) == ("target", "floor_area", 0.0)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("floor_area: Annotated[float", "floor_area: Annotated[str", "floor_area the type int or float"),
        ("floor_area: Annotated[float", "floor_area: Annotated[bool", "floor_area the type int or float"),
        ("floor_area: Annotated[float", "floor_area: Annotated[float | None", "floor_area the type int or float"),
        ('Unit("m2"), ', "", "floor_area one unit and a meaning"),
        (', description="how large it is"', "", "floor_area one unit and a meaning"),
        ("ge=1, ", "", "no bound 'ge' for floor_area"),
        ("le=1_000", "lt=1_000", "no bound 'le' for floor_area"),
        ("strict=True", "strict=False", "must be strict"),
        ('extra="forbid", ', "", "must be strict, and forbid"),
        ("BASELINE = 0", 'BASELINE = "floor"', "BASELINE is not a feature: floor"),
        ("BASELINE = 0", "BASELINE = 6", "BASELINE 6 is not within the bounds of target"),
        ("    target: ", f"    {ANOTHER}\n    target: ", "one target, not 2"),
        ("    floor_area: ", "    sample_id: ", "the schema's name sample_id is already in use"),
    ],
)  # fmt: skip
def test_invalid_schema_raises_clear_error(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in SCHEMA
    with pytest.raises(TypeError, match=re.escape(message)) as raised:
        import_schema(tmp_path, SCHEMA.replace(old, new))
    error_type = type(raised.value)  # of the copied layer, so not the class that is imported above
    assert (error_type.__module__, error_type.__name__) == ("feature_schema.schema_checks", "InvalidSchemaError")


@pytest.mark.parametrize(
    "name", [*PROVENANCE_COLUMNS, "Model", "features", "source", OTHERS[0].name.upper(), TARGET.name]
)
def test_reserved_name_is_rejected(name: str) -> None:
    with pytest.raises(InvalidSchemaError, match=f"(?i)name {name} is already in use"):
        check_fields(TARGET, [replace(FIRST, name=name), *OTHERS], reserved={*PROVENANCE_COLUMNS, "features", "source"})


@pytest.mark.parametrize("name", ["", "länge", "a-b", "a b", "a,b", "1st", "x" * 64])
def test_unsafe_name_is_rejected(name: str) -> None:
    with pytest.raises(InvalidSchemaError, match=re.escape(repr(name))):
        check_fields(TARGET, [replace(FIRST, name=name), *OTHERS], reserved=())


@pytest.mark.parametrize(("minimum", "maximum"), [(1.0, 1.0), (2.0, 1.0), (float("-inf"), 1.0), (0.0, float("nan"))])
def test_empty_or_infinite_range_is_rejected(minimum: float, maximum: float) -> None:
    with pytest.raises(InvalidSchemaError, match=f"{TARGET.name} a finite range"):
        check_fields(replace(TARGET, minimum=minimum, maximum=maximum), FEATURES, reserved=())


def test_current_schema_passes_checks() -> None:
    check_fields(TARGET, FEATURES, reserved=PROVENANCE_COLUMNS)
    check_baseline(BASELINE, TARGET, FEATURES)
    with pytest.raises(InvalidSchemaError, match="at least one feature"):
        check_fields(TARGET, [], reserved=())
    with pytest.raises(InvalidSchemaError, match="not within the bounds"):
        check_baseline(float("nan"), TARGET, FEATURES)
