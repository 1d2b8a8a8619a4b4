"""The functions that SageMaker's XGBoost image calls: ``model_fn``, ``input_fn``, ``predict_fn``, ``output_fn``.

The image turns every exception into a 500 page without its message. A rejected request is therefore passed on as a
value, and ``output_fn`` makes a 4xx response of it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import model_archive
from .request_parser import CSV, RejectedRequest, check_width, parse_instances, parse_media_type

if TYPE_CHECKING:
    import flask

JSON = "application/json"
_ACCEPTS_ANYTHING = frozenset({"", "*/*", "application/*"})


def model_fn(model_dir: str) -> model_archive.LoadedModel:
    """Load the model from the unpacked archive. Each worker calls this once, on its first request."""
    return model_archive.load(Path(model_dir))


def input_fn(body: str | bytes, content_type: str) -> list[list[float]] | RejectedRequest:
    """Parse a request into instances."""
    return parse_instances(body, content_type)


def predict_fn(
    instances: list[list[float]] | RejectedRequest, loaded: model_archive.LoadedModel
) -> dict[str, Any] | RejectedRequest:
    """Predict each instance; the result names the model, its expected error and its schema's hash."""
    if isinstance(instances, RejectedRequest):
        return instances
    metadata = loaded.metadata
    if (rejected := check_width(instances, len(metadata.features))) is not None:
        return rejected
    return {
        "model": metadata.model,
        "expected_error": metadata.expected_error,
        "schema_hash": metadata.schema_hash,
        "predictions": loaded.model.predict(np.array(instances, dtype=np.float64)).tolist(),
    }


def output_fn(prediction: dict[str, Any] | RejectedRequest, accept: str | None) -> tuple[str, str] | flask.Response:
    """The response: JSON, or for ``text/csv`` one number a line; a rejection is a ``flask.Response``.

    The image reads a tuple as body and media type, not as body and status.
    """
    if isinstance(prediction, RejectedRequest):
        return _to_response(prediction)
    for requested in (parse_media_type(alternative) for alternative in (accept or "").split(",")):
        if requested == JSON or requested in _ACCEPTS_ANYTHING:
            return json.dumps(prediction), JSON
        if requested == CSV:
            return "".join(f"{value}\n" for value in prediction["predictions"]), CSV
    message = f"the response can be {JSON} or {CSV}, not {accept!r}"
    return _to_response(RejectedRequest(406, "not_acceptable", message))


def _to_response(rejected: RejectedRequest) -> flask.Response:
    import flask  # noqa: PLC0415 - installed in the image's server, but not where this module is only read

    body = json.dumps({"reason": rejected.reason, "message": rejected.message})
    return flask.Response(body, status=rejected.status, mimetype=JSON)
