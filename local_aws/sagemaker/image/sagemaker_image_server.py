"""The server inside an emulated container of the XGBoost image: the contract of its serving toolkit, on Flask.

Runs in the image's interpreter, under gunicorn, one application in each worker. The user's module has been installed
and is called ``SAGEMAKER_PROGRAM``. Its functions are ``model_fn(model_dir)``, ``input_fn(body, content_type)``,
``predict_fn(data, model)`` and ``output_fn(prediction, accept)``; or, in place of the last three,
``transform_fn(model, body, content_type, accept)``.
"""

from __future__ import annotations

import functools
import importlib
import os
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, request

STEPS = ("input_fn", "predict_fn", "output_fn")
WHOLE = "transform_fn"
TEXT_TYPES = ("text/csv", "application/json")
"""The content types, to the letter, whose body reaches ``input_fn`` as text; every other one does as bytes."""

app = Flask("sagemaker")


@dataclass(frozen=True)
class Served:
    """The user's module and the model that it loaded."""

    module: Any
    model: Any

    def answer(self, body: str | bytes, content_type: str, accept: str) -> Any:
        """One request through the user's functions."""
        if callable(getattr(self.module, WHOLE, None)):
            return self.module.transform_fn(self.model, body, content_type, accept)
        data = self.module.input_fn(body, content_type)
        return self.module.output_fn(self.module.predict_fn(data, self.model), accept)


@functools.cache
def served() -> Served:
    """Import and load: on a worker's first request, whatever that asks for, and never at start."""
    module = importlib.import_module(os.environ["SAGEMAKER_PROGRAM"].removesuffix(".py"))
    present = [name for name in ("model_fn", *STEPS, WHOLE) if callable(getattr(module, name, None))]
    if WHOLE in present and set(STEPS) & set(present):
        raise ValueError(f"{module.__name__} has {WHOLE} and {' and '.join(sorted(set(STEPS) & set(present)))}")
    missing = [name for name in ("model_fn", *(() if WHOLE in present else STEPS)) if name not in present]
    if missing:
        raise NotImplementedError(f"{module.__name__} has no {' and no '.join(missing)}")
    return Served(module, module.model_fn(os.environ["SM_MODEL_DIR"]))


@app.get("/ping")
def ping() -> Response:
    """Healthy once the model is loaded."""
    served()
    return Response(status=200)


@app.post("/invocations")
def invocations() -> Any:
    """A prediction. Whatever raises becomes Flask's page for a 500, which does not tell the message."""
    content_type = request.headers.get("Content-Type", "application/json")
    body: str | bytes = request.get_data()
    if content_type in TEXT_TYPES and isinstance(body, bytes):
        body = body.decode("utf-8")
    accept = request.headers.get("Accept", "*/*")
    if accept == "*/*":
        accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "application/json")
    result = served().answer(body, content_type, accept)
    if isinstance(result, tuple):
        content, mimetype = result
        if not isinstance(mimetype, str):
            raise TypeError(f"output_fn returned {mimetype!r} where the content type belongs")
        return Response(content, mimetype=mimetype)
    return result
