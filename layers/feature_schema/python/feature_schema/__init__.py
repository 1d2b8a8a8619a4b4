"""The feature schema: what a sample is, shared by every function, the robots and the notebooks.

``schema`` names the features and the target, once. ``sample`` holds the contracts on the wire, ``line`` reads lines
and writes rows, ``refusal`` says why something is not accepted, ``description`` tells the schema as plain data.
"""

from feature_schema.description import FEATURES, PROVENANCE, ROW, TARGET, describe, schema_hash
from feature_schema.envelope import open_message
from feature_schema.line import csv_sample_id, parse_features, parse_line, parse_lines, parse_request, row
from feature_schema.refusal import Refusal
from feature_schema.sample import (
    MAX_INSTANCES,
    Prediction,
    PredictionRequest,
    Sample,
    baseline,
    feature_row,
    happened,
    predicted,
    prediction,
    within_bounds,
)
from feature_schema.schema import BASELINE, VERSION, Features, Target

__all__ = [
    "BASELINE",
    "FEATURES",
    "MAX_INSTANCES",
    "PROVENANCE",
    "ROW",
    "TARGET",
    "VERSION",
    "Features",
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
