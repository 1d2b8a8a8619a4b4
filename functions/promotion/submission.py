"""A model is wanted behind the endpoint: made in SageMaker, watched, and brought there as soon as that is possible."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import ClientError

from promotion import deployment, guard, outcome
from rounds import ContentionError, Endpoint, Model

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from promotion.surroundings import Surroundings

_LONGEST_ATTEMPT = timedelta(minutes=15)
"""No attempt of a function lives longer."""
_TRIES = 3


class NoArchiveError(RuntimeError):
    """A model without an archive cannot be deployed."""


class OvertakenError(RuntimeError):
    """Somebody asked for another model since it was decided that this one goes live. It is to be decided again."""


def submit(model: str, around: Surroundings, *, holds: Callable[[Endpoint], bool] = lambda _one: True) -> None:
    """Want ``model`` behind the endpoint, and start that unless the endpoint is busy or paused.

    If it is busy, its own event brings the model in later; if it is paused, the model answers once it is resumed. A
    model that has been submitted before is left alone. Raises ``EndpointBusyError`` if no event will come: the attempt
    is to be repeated; and ``OvertakenError`` if what the decision rests on does not hold of the endpoint any more.
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
    configuration = deployment.provide(around.sagemaker, around.settings, model=model, archive=record.archive)
    for _ in range(_TRIES):
        # Wanted first: if the endpoint gets free before it is asked, its event finds the model already.
        _want(model, holds, around)
        if _brought(record, configuration, holds, around):
            around.store.change(Model, model, _deploying)
            return
        if _held(model, around) or not _is_forgotten(model, around):
            return
    raise ContentionError(f"others kept asking for other models than {model}, {_TRIES} times")


def _want(model: str, holds: Callable[[Endpoint], bool], around: Surroundings) -> None:
    around.store.change(Endpoint, around.settings.endpoint, lambda one: _wanting(one, model, holds))


def _wanting(one: Endpoint, model: str, holds: Callable[[Endpoint], bool]) -> Endpoint:
    if not holds(one):
        raise OvertakenError(f"another model than {model} was asked for meanwhile")
    return one.model_copy(update={"wanted": model})


def _is_forgotten(model: str, around: Surroundings) -> bool:
    """Whether somebody wanted another model at the same time, so that no event will bring this one in."""
    seen, record = around.store.get(Endpoint, around.settings.endpoint), around.store.get(Model, model)
    waits = record is not None and record.status == "candidate"
    return waits and seen is not None and seen.wanted != model


def _deploying(one: Model) -> Model | None:
    return one.model_copy(update={"status": "deploying"}) if one.status == "candidate" else None


def _brought(record: Model, configuration: str, holds: Callable[[Endpoint], bool], around: Surroundings) -> bool:
    """Whether the endpoint is on its way to ``configuration``, or there; False if another change has to end first."""
    name = around.settings.endpoint
    _record_what_became_of_another(record.name, around)
    state = deployment.describe(around.sagemaker, name)
    since = deployment.NEVER if state is None else state.changed_at
    match deployment.action(state, configuration):
        case "none":
            return True
        case "wait":
            mine = state is not None and state.pending == configuration  # an attempt that died had asked
            return mine and _under_way(record.name, since, around) is not None
        case "create" | "update" as todo:
            # Noted before it is asked: what becomes of it may be told before the answer is here.
            before = _under_way(record.name, since, around, holds=holds)
            if before is None:
                return False
            _ask(todo, record, configuration, before, around)
            return True
        case "delete":
            around.sagemaker.delete_endpoint(EndpointName=name)
    raise deployment.EndpointBusyError(f"the endpoint {name} is being deleted; its successor has to wait")


def _record_what_became_of_another(model: str, around: Surroundings) -> None:
    """Its own event may still be on its way, and could not tell any more once this model is noted."""
    seen = around.store.get(Endpoint, around.settings.endpoint)
    if seen is not None and seen.deploying not in {None, model}:
        outcome.record(around)


def _under_way(
    model: str, since: datetime, around: Surroundings, *, holds: Callable[[Endpoint], bool] = lambda _one: True
) -> Endpoint | None:
    """Note that ``model`` is being deployed; the answer is the record before.

    It is None if that must not be: another model is being deployed, or the endpoint is paused.
    Raises ``OvertakenError``.

    ``since`` is when the endpoint had last changed: whatever it says of an earlier time is not about this.
    """
    now = around.clock()
    update = {"deploying": model, "deploying_since": since, "asked_at": now}
    before: Endpoint | None = None

    def noted(one: Endpoint) -> Endpoint | None:
        nonlocal before
        before = one
        other = one.deploying not in {None, model}
        at_work = one.asked_at is not None and now - one.asked_at < _LONGEST_ATTEMPT
        if one.pause == "paused" or (other and at_work):
            return None
        return _wanting(one, model, holds).model_copy(update=update)

    written = around.store.change(Endpoint, around.settings.endpoint, noted)
    return None if written is None else before


def _ask(
    todo: Literal["create", "update"], record: Model, configuration: str, before: Endpoint, around: Surroundings
) -> None:
    """Let the alarms watch the model, and ask for it. If that is refused, nothing is under way again."""
    try:
        _point(record, configuration, around)
        rollout = guard.rollout(around.settings, guard.watching(around.settings, record))
        deployment.ask(around.sagemaker, around.settings, todo, configuration, rollout=rollout)
    except (ClientError, guard.UnguardedError):
        after = deployment.describe(around.sagemaker, around.settings.endpoint)
        if after is None or after.pending != configuration:  # else another attempt was faster
            _take_back(record.name, before, around)
        raise


def _take_back(model: str, before: Endpoint, around: Surroundings) -> None:
    """SageMaker has refused it (a quota, for instance): a model that never comes must not keep others out."""
    restored = {
        name: None if before.deploying == model else getattr(before, name) for name in outcome.NOTHING_UNDER_WAY
    }
    around.store.change(
        Endpoint,
        around.settings.endpoint,
        lambda one: one.model_copy(update=restored) if one.deploying == model else None,
    )


def _held(model: str, around: Surroundings) -> bool:
    """Whether the endpoint is down on purpose; then the model is noted for when it comes back."""
    held = around.store.change(
        Endpoint,
        around.settings.endpoint,
        lambda one: one.model_copy(update={"resumes": model}) if one.pause == "paused" else None,
    )
    return held is not None


def _point(record: Model, configuration: str, around: Surroundings) -> None:
    seen = around.store.get(Endpoint, around.settings.endpoint)
    champion = None if seen is None or seen.model is None else around.store.get(Model, seen.model)
    guard.point(
        around.cloudwatch,
        around.settings,
        model=record.name,
        configuration=configuration,
        tolerated_ratio=guard.tolerated(record, champion, around.settings.error_ratio),
    )
