"""Strategies and helpers for tests of the schema: valid samples, JSON values, and the reasons of errors."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import json
import math
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st

from feature_schema import (
    FEATURES,
    TARGET,
    VERSION,
    InvalidInputError,
    Sample,
    get_actual_value,
    get_predicted_value,
    parse_line,
)
from feature_schema.limits import MAX_CLOCK_SKEW
from tests.factories.samples import EXPECTED_ERROR, make_sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from feature_schema.field import Field

LAYER = Path(__file__).parents[3] / "layers" / "feature_schema" / "python"
NOW = datetime(2026, 11, 23, 6, 39, 0, 789_000, tzinfo=UTC)
FEATURE_NAMES = [feature.name for feature in FEATURES]
_FIELDS = {
    *FEATURE_NAMES,
    TARGET.name,
    *("sample_id", "robot_id", "fc_id", "recorded_at", "schema_version", "features", "prediction", "instances"),
    *(f"prediction.{name}" for name in (TARGET.name, "expected_error", "model", "source", "asked_at")),
}
REASONS = {
    *("malformed", "empty", "too_long", "too_many_lines", "duplicate_key", "unexpected_field"),
    *("unknown_schema_version", "in_the_future"),
    *(f"{fault}:{field}" for fault in ("missing", "out_of_range", "wrong_type") for field in _FIELDS),
}


def copy_layer(folder: Path, schema: str) -> Path:
    """Copy the layer with another content of ``schema.py``; return the folder to import it from."""
    shutil.copytree(LAYER / "feature_schema", folder / "feature_schema", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "feature_schema" / "schema.py").write_text(schema)
    return folder


@contextlib.contextmanager
def importing_layer_from(folder: Path) -> Iterator[None]:
    """Import ``feature_schema`` anew from a folder, and restore the loaded modules at the end."""
    loaded = _get_layer_modules()
    for name in loaded:
        del sys.modules[name]
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in _get_layer_modules():
            del sys.modules[name]
        sys.modules.update(loaded)


def _get_layer_modules() -> dict[str, Any]:
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "feature_schema"}


def values_of(field: Field) -> st.SearchStrategy[int | float]:
    if field.type == "integer":
        return st.integers(math.ceil(field.minimum), math.floor(field.maximum))
    return st.floats(field.minimum, field.maximum)


identifiers = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}", fullmatch=True)
features = st.fixed_dictionaries({feature.name: values_of(feature) for feature in FEATURES})
times = st.datetimes(datetime(2000, 1, 2), datetime(2026, 11, 22)).map(  # noqa: DTZ001 - the strategy takes naive bounds
    lambda time: time.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")
)
predictions = st.fixed_dictionaries(
    {TARGET.name: values_of(dataclasses.replace(TARGET, type="integer")) | st.floats(TARGET.minimum, TARGET.maximum)},
    optional={
        "expected_error": st.none() | st.floats(EXPECTED_ERROR / 1_000, TARGET.maximum - TARGET.minimum),
        "model": st.none() | identifiers,
        "source": st.sampled_from(["model", "fallback"]),
        "asked_at": st.none() | times,
    },
)
samples = st.fixed_dictionaries(
    {
        "sample_id": identifiers,
        "robot_id": identifiers,
        "fc_id": identifiers,
        "recorded_at": times,
        "schema_version": st.just(VERSION),
        TARGET.name: values_of(TARGET),
        "features": features,
    },
    optional={"prediction": st.none() | predictions},
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def parse_sample(line: bytes | str | dict[str, Any]) -> Sample:
    if isinstance(line, dict):
        line = json.dumps(line)
    raw = line if isinstance(line, bytes) else line.encode()
    return parse_line(raw, message_id="message", position=0, received_at=NOW)


def get_rejection_reason(line: bytes | str | dict[str, Any]) -> str:
    with pytest.raises(InvalidInputError) as raised:
        parse_sample(line)
    return raised.value.reason


def make_line(**changes: Any) -> str:
    return json.dumps(make_sample(**changes))


def assert_within_bounds(sample: Sample) -> None:
    for feature in FEATURES:
        assert feature.minimum <= getattr(sample.features, feature.name) <= feature.maximum
    assert TARGET.minimum <= get_actual_value(sample) <= TARGET.maximum
    assert sample.recorded_at <= NOW + MAX_CLOCK_SKEW
    if sample.prediction is not None:
        assert TARGET.minimum <= get_predicted_value(sample.prediction) <= TARGET.maximum
        assert math.isfinite((get_predicted_value(sample.prediction) - get_actual_value(sample)) ** 2)
        assert sample.prediction.expected_error is None or math.isfinite(sample.prediction.expected_error**2)
