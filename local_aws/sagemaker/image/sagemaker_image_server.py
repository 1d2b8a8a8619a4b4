"""The server in an emulated container of the XGBoost image: the interface of its serving toolkit, on Flask.

It runs in the image's interpreter, under gunicorn, one application per worker. The user's module is installed, and
``SAGEMAKER_PROGRAM`` is its file. Its functions are ``model_fn(model_dir)``, ``input_fn(body, content_type)``,
``predict_fn(data, model)`` and ``output_fn(prediction, accept)``; ``transform_fn(model, body, content_type, accept)``
replaces the last three.

https://github.com/aws/sagemaker-inference-toolkit
"""

from __future__ import annotations

import functools
import importlib
import os
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, request

STEPS = ("input_fn", "predict_fn", "output_fn")
TRANSFORM = "transform_fn"
TEXT_TYPES = ("text/csv", "application/json")
"""The exact content types whose body ``input_fn`` gets as text; others are bytes."""

app = Flask("sagemaker")


@dataclass(frozen=True)
class Served:
    """The user's module and the loaded model."""

    module: Any
    model: Any

    def respond(self, body: str | bytes, content_type: str, accept: str) -> Any:
        """Call the user's functions for one request."""
        if callable(getattr(self.module, TRANSFORM, None)):
            return self.module.transform_fn(self.model, body, content_type, accept)
        data = self.module.input_fn(body, content_type)
        return self.module.output_fn(self.module.predict_fn(data, self.model), accept)


@functools.cache
def served() -> Served:
    """Import the module and load the model, at a worker's first request, not at its start."""
    module = importlib.import_module(os.environ["SAGEMAKER_PROGRAM"].removesuffix(".py"))
    present = [name for name in ("model_fn", *STEPS, TRANSFORM) if callable(getattr(module, name, None))]
    if TRANSFORM in present and set(STEPS) & set(present):
        raise ValueError(f"{module.__name__} has {TRANSFORM} and {' and '.join(sorted(set(STEPS) & set(present)))}")
    missing = [name for name in ("model_fn", *(() if TRANSFORM in present else STEPS)) if name not in present]
    if missing:
        raise NotImplementedError(f"{module.__name__} has no {' and no '.join(missing)}")
    return Served(module, module.model_fn(os.environ["SM_MODEL_DIR"]))


@app.get("/ping")
def ping() -> Response:
    """Status 200 once the model is loaded."""
    served()
    return Response(status=200)


@app.post("/invocations")
def invocations() -> Any:
    """A prediction. An exception becomes Flask's page for status 500, without its message."""
    content_type = request.headers.get("Content-Type", "application/json")
    body: str | bytes = request.get_data()
    if content_type in TEXT_TYPES and isinstance(body, bytes):
        body = body.decode("utf-8")
    accept = request.headers.get("Accept", "*/*")
    if accept == "*/*":
        accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "application/json")
    result = served().respond(body, content_type, accept)
    if isinstance(result, tuple):
        content, mimetype = result
        if not isinstance(mimetype, str):
            raise TypeError(f"output_fn returned {mimetype!r} where the content type belongs")
        return Response(content, mimetype=mimetype)
    return result
