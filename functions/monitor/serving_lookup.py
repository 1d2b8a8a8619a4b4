"""Which models may answer now, from the records of the endpoint and its models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.serving_models import Serving, ServingModel
from rounds import Endpoint, Model

if TYPE_CHECKING:
    from datetime import datetime

    from rounds import Store


def load_serving(store: Store, endpoint_name: str) -> Serving:
    """The live model, the one on trial and the one that resumes, with their promises. Raises errors of DynamoDB."""
    endpoint = store.get(Endpoint, endpoint_name)
    if endpoint is None:
        return Serving()
    live = None if endpoint.pause is not None else endpoint.serving_model
    models: dict[str, ServingModel] = {}
    for name, since in ((live, None), (endpoint.deploying_model, endpoint.deploying_since)):
        entry = None if name is None else _entry(store.get(Model, name), since)
        if name is not None and entry is not None:
            models.setdefault(name, entry)
    on_trial = endpoint.deploying_model if live is not None and endpoint.deploying_model != live else None
    return Serving(
        live if live in models else None,
        on_trial if on_trial in models else None,
        models,
    )


def _entry(model: Model | None, since: datetime | None) -> ServingModel | None:
    if model is None or not model.expected_error:
        return None
    started = since or model.live_since
    return None if started is None else ServingModel(started.timestamp(), model.expected_error)
