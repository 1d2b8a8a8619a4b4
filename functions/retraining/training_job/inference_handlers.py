"""What SageMaker's XGBoost image calls to serve a model: ``model_fn``, ``input_fn``, ``predict_fn``, ``output_fn``.

The image answers every exception with a 500 page that says nothing. So what is wrong with a request travels through
``predict_fn`` as a value, and becomes a 4xx with its reason in ``output_fn``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import model_archive
from .request_parser import CSV, Refused, media_type, parse, refuse_width

if TYPE_CHECKING:
    import flask

JSON = "application/json"
_ANY = {"", "*/*", "application/*"}


def model_fn(model_dir: str) -> model_archive.LoadedModel:
    """Load the model from the unpacked archive. Called once in each worker, on its first request."""
    return model_archive.load(Path(model_dir))


def input_fn(body: str | bytes, content_type: str) -> list[list[float]] | Refused:
    """The instances of a request."""
    return parse(body, content_type)


def predict_fn(instances: list[list[float]] | Refused, served: model_archive.LoadedModel) -> dict[str, Any] | Refused:
    """The answer: the model's name, its expected error, its schema's hash and a prediction for each instance."""
    if isinstance(instances, Refused):
        return instances
    description = served.description
    if (refused := refuse_width(instances, len(description.features))) is not None:
        return refused
    return {
        "model": description.model,
        "expected_error": description.expected_error,
        "schema_hash": description.schema_hash,
        "predictions": served.model.predict(np.array(instances, dtype=np.float64)).tolist(),
    }


def output_fn(answer: dict[str, Any] | Refused, accept: str | None) -> tuple[str, str] | flask.Response:
    """The body and its type: JSON, or one number a line for ``text/csv``; a refusal is a ``flask.Response``.

    A tuple means body and type to the image, never body and status.
    """
    if isinstance(answer, Refused):
        return _response(answer)
    for wanted in (media_type(one) for one in (accept or "").split(",")):
        if wanted == JSON or wanted in _ANY:
            return json.dumps(answer), JSON
        if wanted == CSV:
            return "".join(f"{value}\n" for value in answer["predictions"]), CSV
    return _response(Refused(406, "not_acceptable", f"the answer can be {JSON} or {CSV}, not {accept!r}"))


def _response(refused: Refused) -> flask.Response:
    import flask  # noqa: PLC0415 - there in the image's server; the training job reads this file without it

    body = json.dumps({"reason": refused.reason, "message": refused.message})
    return flask.Response(body, status=refused.status, mimetype=JSON)
