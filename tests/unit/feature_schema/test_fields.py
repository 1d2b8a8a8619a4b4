"""The description of the schema and its hash."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest

from feature_schema import (
    FEATURES,
    PROVENANCE_COLUMNS,
    ROW_COLUMNS,
    ROW_COLUMNS_0_1_0,
    TARGET,
    VERSION,
    describe,
    fields,
    get_schema_hash,
)
from tests.factories.samples import field_value
from tests.unit.feature_schema.factories import FEATURE_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from feature_schema.field import Field


def test_description_is_json_ready_and_complete() -> None:
    description = json.loads(json.dumps(describe()))

    assert description == describe()
    assert [feature["name"] for feature in description["features"]] == FEATURE_NAMES
    assert description["row"] == [TARGET.name, *FEATURE_NAMES, *PROVENANCE_COLUMNS]
    assert description["hash"] == get_schema_hash()
    for field in (description["target"], *description["features"]):
        assert field["unit"]
        assert field["meaning"]
        assert field["minimum"] < field["maximum"]


@pytest.fixture
def get_changed_hash(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Any, str, Any], str]]:
    """Return a function that changes a value of a module and returns the new hash."""

    def change(module: Any, name: str, value: Any) -> str:
        monkeypatch.setattr(module, name, value)
        describe.cache_clear()
        return get_schema_hash()

    yield change
    monkeypatch.undo()
    describe.cache_clear()


def _change_first(**changes: Any) -> tuple[Field, ...]:
    return (dataclasses.replace(FEATURES[0], **changes), *FEATURES[1:])


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (fields, "VERSION", VERSION + 1),
        (fields, "BASELINE", field_value(TARGET, 0.123)),
        (fields, "TARGET", dataclasses.replace(TARGET, unit="furlong")),
        (fields, "TARGET", dataclasses.replace(TARGET, maximum=TARGET.maximum + 1)),
        (fields, "FEATURES", _change_first(name="another")),
        (fields, "FEATURES", _change_first(type="number" if FEATURES[0].type == "integer" else "integer")),
        (fields, "FEATURES", _change_first(unit="furlong")),
        (fields, "FEATURES", _change_first(minimum=FEATURES[0].minimum - 1)),
        (fields, "FEATURES", _change_first(maximum=FEATURES[0].maximum + 1)),
        (fields, "FEATURES", _change_first(meaning="another")),
        (fields, "FEATURES", FEATURES[1:]),
        (fields, "FEATURES", (FEATURES[1], FEATURES[0], *FEATURES[2:])),
        (fields, "ROW_COLUMNS_0_1_0", ROW_COLUMNS_0_1_0[:-1]),
    ],
)
def test_hash_changes_with_meaning_of_a_row(
    get_changed_hash: Callable[[Any, str, Any], str], module: Any, name: str, value: Any
) -> None:
    before = get_schema_hash()
    assert len(before) == 16
    assert get_changed_hash(module, name, value) != before


@pytest.mark.usefixtures("robots")
def test_hash_is_that_of_version_0_1_0() -> None:
    assert get_schema_hash() == "0c16aaf4ad989e95"


def test_hash_does_not_change_with_columns_added_at_the_end(get_changed_hash: Callable[[Any, str, Any], str]) -> None:
    before = get_schema_hash()
    assert get_changed_hash(fields, "ROW_COLUMNS", (*ROW_COLUMNS, "another")) == before


def test_new_columns_follow_those_of_version_0_1_0() -> None:
    assert (*ROW_COLUMNS_0_1_0, "received_at", "asked_at") == ROW_COLUMNS
    assert ROW_COLUMNS_0_1_0[-1] == "schema_version"


def test_hash_is_stable_without_changes(get_changed_hash: Callable[[Any, str, Any], str]) -> None:
    before = get_schema_hash()
    assert get_changed_hash(fields, "VERSION", VERSION) == before
