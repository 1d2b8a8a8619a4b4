"""The feature schema: what a sample is, shared by every function, the robots and the notebooks.

``schema`` names the features and the target, once. ``sample`` holds the contracts on the wire, ``line`` reads lines,
``refusal`` says why something is not accepted, ``description`` tells the schema as plain data. ``reading`` and
``asking`` read much and fast, with decoders that are derived from the same models.

A name is imported when it is first asked for: whoever asks for none of the models does not wait for pydantic.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from feature_schema.answer import baseline, feature_row, happened, predicted, prediction, within_bounds
    from feature_schema.description import (
        BASELINE,
        FEATURES,
        PROVENANCE,
        ROW,
        TARGET,
        VERSION,
        describe,
        schema_hash,
    )
    from feature_schema.envelope import open_message
    from feature_schema.limits import csv_sample_id
    from feature_schema.line import parse_features, parse_line, parse_lines, parse_request, row
    from feature_schema.refusal import Refusal
    from feature_schema.sample import MAX_INSTANCES, ExpectedError, Identifier, Prediction, PredictionRequest, Sample
    from feature_schema.schema import Features, Target

_HOMES = {
    "answer": ("baseline", "feature_row", "happened", "predicted", "prediction", "within_bounds"),
    "description": ("BASELINE", "FEATURES", "PROVENANCE", "ROW", "TARGET", "VERSION", "describe", "schema_hash"),
    "envelope": ("open_message",),
    "limits": ("csv_sample_id",),
    "line": ("parse_features", "parse_line", "parse_lines", "parse_request", "row"),
    "refusal": ("Refusal",),
    "sample": ("MAX_INSTANCES", "ExpectedError", "Identifier", "Prediction", "PredictionRequest", "Sample"),
    "schema": ("Features", "Target"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "BASELINE",
    "FEATURES",
    "MAX_INSTANCES",
    "PROVENANCE",
    "ROW",
    "TARGET",
    "VERSION",
    "ExpectedError",
    "Features",
    "Identifier",
    "Prediction",
    "PredictionRequest",
    "Refusal",
    "Sample",
    "Target",
    "baseline",
    "csv_sample_id",
    "describe",
    "feature_row",
    "happened",
    "open_message",
    "parse_features",
    "parse_line",
    "parse_lines",
    "parse_request",
    "predicted",
    "prediction",
    "row",
    "schema_hash",
    "within_bounds",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    return found
