"""The feature schema: defines a sample for every function, the robots and the notebooks.

``schema`` names the features and the target; ``fields`` describes them as plain data. ``contracts`` holds the wire
contracts as pydantic models, ``parser`` parses lines and requests with them, ``errors`` says why an input is invalid.
``fast`` parses the same inputs in bulk, without pydantic.

Names are imported on first use, so that a function that needs no model does not import pydantic.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from feature_schema.contracts import MAX_INSTANCES, ExpectedError, Identifier, Prediction, PredictionRequest, Sample
    from feature_schema.errors import InvalidInputError
    from feature_schema.fields import (
        BASELINE,
        FEATURES,
        PROVENANCE_COLUMNS,
        ROW_COLUMNS,
        ROW_COLUMNS_0_1_0,
        TARGET,
        VERSION,
        describe,
        get_schema_hash,
    )
    from feature_schema.limits import derive_csv_sample_id
    from feature_schema.message_header import split_message_header
    from feature_schema.parser import parse_features, parse_line, parse_lines, parse_request
    from feature_schema.predictions import (
        build_prediction,
        clip_to_bounds,
        get_actual_value,
        get_predicted_value,
        predict_baseline,
        to_feature_row,
    )
    from feature_schema.rows import to_row
    from feature_schema.schema import Features, Target

_MODULE_NAMES = {
    "contracts": (
        "MAX_INSTANCES",
        "ExpectedError",
        "Identifier",
        "Prediction",
        "PredictionRequest",
        "Sample",
    ),
    "errors": ("InvalidInputError",),
    "fields": (
        "BASELINE",
        "FEATURES",
        "PROVENANCE_COLUMNS",
        "ROW_COLUMNS",
        "ROW_COLUMNS_0_1_0",
        "TARGET",
        "VERSION",
        "describe",
        "get_schema_hash",
    ),
    "limits": ("derive_csv_sample_id",),
    "message_header": ("split_message_header",),
    "parser": (
        "parse_features",
        "parse_line",
        "parse_lines",
        "parse_request",
    ),
    "predictions": (
        "build_prediction",
        "clip_to_bounds",
        "get_actual_value",
        "get_predicted_value",
        "predict_baseline",
        "to_feature_row",
    ),
    "rows": ("to_row",),
    "schema": (
        "Features",
        "Target",
    ),
}
_MODULE_OF = {name: module for module, names in _MODULE_NAMES.items() for name in names}

__all__ = [
    "BASELINE",
    "FEATURES",
    "MAX_INSTANCES",
    "PROVENANCE_COLUMNS",
    "ROW_COLUMNS",
    "ROW_COLUMNS_0_1_0",
    "TARGET",
    "VERSION",
    "ExpectedError",
    "Features",
    "Identifier",
    "InvalidInputError",
    "Prediction",
    "PredictionRequest",
    "Sample",
    "Target",
    "build_prediction",
    "clip_to_bounds",
    "derive_csv_sample_id",
    "describe",
    "get_actual_value",
    "get_predicted_value",
    "get_schema_hash",
    "parse_features",
    "parse_line",
    "parse_lines",
    "parse_request",
    "predict_baseline",
    "split_message_header",
    "to_feature_row",
    "to_row",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    return value
