"""A model is wanted behind the endpoint: made in SageMaker, watched, and brought there as soon as that is possible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promotion import outcome
from promotion import rollback_alarms as guard
from promotion import sagemaker_endpoint as deployment
from rounds import Endpoint, Model

if TYPE_CHECKING:
    from promotion.context import Surroundings


class NoArchiveError(RuntimeError):
    """A model without an archive cannot be deployed."""


def submit(model: str, around: Surroundings) -> None:
    """Want ``model`` behind the endpoint, and start that unless the endpoint is busy or paused.

    If it is busy, its own event brings the model in later; if it is paused, the model answers once it is resumed. A
    model that has been submitted before is left alone. Raises ``EndpointBusyError`` if no event will come: the attempt
    is to be repeated.
    """
    record = around.store.get(Model, model)
    if record is None or record.archive is None:
        raise NoArchiveError(f"the model {model} has no archive")
    if record.status != "candidate":
        return
    name = around.settings.endpoint
    around.store.create(Endpoint(name=name, updated_at=around.clock()))
    if _held(model, around):
        return
    seen = around.store.get(Endpoint, name)
    if seen is not None and seen.deploying_model not in {None, model}:
        # Its own event may still be on its way, and could not tell any more once this model is noted.
        outcome.record(around)
    configuration = deployment.provide(around.sagemaker, around.settings, model=model, archive=record.archive)
    # Wanted first: if the endpoint gets free before it is asked, its event finds the model already.
    around.store.update(Endpoint, name, lambda one: one.model_copy(update={"desired_model": model}))
    since = deployment.bring(
        around.sagemaker,
        around.settings,
        configuration,
        rollout=guard.rollout(around.settings, guard.watching(around.settings, record)),
        prepare=lambda: _point(record, configuration, around),
    )
    if since is None:
        return
    under_way = {"deploying_model": model, "deploying_since": since}
    around.store.update(Endpoint, name, lambda one: one.model_copy(update=under_way))
    around.store.update(
        Model,
        model,
        lambda one: one.model_copy(update={"status": "deploying"}) if one.status == "candidate" else None,
    )


def _held(model: str, around: Surroundings) -> bool:
    """Whether the endpoint is down on purpose; then the model is noted for when it comes back."""
    held = around.store.update(
        Endpoint,
        around.settings.endpoint,
        lambda one: (
            one.model_copy(update={"model_after_resume": model, "desired_model": None})
            if one.pause == "paused"
            else None
        ),
    )
    return held is not None


def _point(record: Model, configuration: str, around: Surroundings) -> None:
    seen = around.store.get(Endpoint, around.settings.endpoint)
    champion = None if seen is None or seen.serving_model is None else around.store.get(Model, seen.serving_model)
    guard.point(
        around.cloudwatch,
        around.settings,
        model=record.name,
        configuration=configuration,
        tolerated_ratio=guard.tolerated(record, champion, around.settings.error_ratio),
    )
