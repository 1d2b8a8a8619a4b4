"""The endpoint and the table are brought together: which model answers, which one waits, what became of it.

What SageMaker says now decides, never the order in which events arrive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from promotion import deployment
from rounds import Endpoint, Model, Round, resource_name

if TYPE_CHECKING:
    from datetime import datetime

    from promotion.deployment import EndpointState
    from promotion.surroundings import Surroundings

_ROUNDS_LOOKED_AT = 100
_DOWN = {"Failed", "Deleting"}
_UNDER_WAY = {"candidate", "deploying"}


class NoArchiveError(RuntimeError):
    """A model without an archive cannot be deployed."""


@dataclass(frozen=True, slots=True)
class Change:
    """The endpoint after the event: its status, the model that answers, the one that waits, the one that failed."""

    status: str
    live: str | None
    wanted: str | None = None
    failed: str | None = None


def submit(model: str, around: Surroundings) -> None:
    """Want ``model`` behind the endpoint, and start that unless the endpoint is busy.

    If it is, its own event brings the model in later. A model that has been submitted before is left alone. Raises
    ``EndpointBusyError`` if no event will come: the attempt is to be repeated.
    """
    record = around.store.get(Model, model)
    if record is None or record.archive is None:
        raise NoArchiveError(f"the model {model} has no archive")
    if record.status != "candidate":
        return
    configuration = deployment.provide(around.sagemaker, around.settings, model=model, archive=record.archive)
    # Wanted first: if the endpoint gets free before it is asked, its event finds the model already.
    around.store.create(Endpoint(name=around.settings.endpoint, updated_at=around.clock()))
    around.store.change(Endpoint, around.settings.endpoint, lambda one: one.model_copy(update={"wanted": model}))
    if deployment.bring(around.sagemaker, around.settings, configuration):
        around.store.change(
            Model,
            model,
            lambda one: one.model_copy(update={"status": "deploying"}) if one.status == "candidate" else None,
        )


def endpoint_changed(around: Surroundings) -> Change:
    """Handle a change of the endpoint, whichever it was. Errors of AWS pass through: the event is then tried again."""
    name = around.settings.endpoint
    state = deployment.describe(around.sagemaker, name)
    around.store.create(Endpoint(name=name, updated_at=around.clock()))
    seen = around.store.get(Endpoint, name)
    if seen is None:
        raise LookupError(f"the endpoint's record {name} was just written, and is gone")
    if state is None or state.status in _DOWN:
        return _down(seen, state, around)
    if state.status != "InService":
        _remember(seen, {"status": state.status}, state.changed_at, around)
        return Change(state.status, seen.model, seen.wanted)
    return _in_service(seen, state, around)


def _in_service(seen: Endpoint, state: EndpointState, around: Surroundings) -> Change:
    live = _model_of(state.configuration, seen, around)
    wanted, failed = seen.wanted, None
    if wanted is not None and wanted == live:
        wanted = None
    elif wanted is not None:
        waiting = around.store.get(Model, wanted)
        if waiting is None or waiting.status != "candidate":
            # It was submitted, and the endpoint is back on another model: it was rolled back.
            failed, wanted = wanted, None
            _not_deployed(failed, state.reason or "rolled_back", state.changed_at, around)
    if live is not None:
        _goes_live(live, state.changed_at, around)
    if seen.model is not None and seen.model != live:
        _retire(seen.model, state.changed_at, around)
    update = {"model": live, "wanted": wanted, "status": state.status, "reason": state.reason}
    _remember(seen, update, state.changed_at, around)
    if wanted is not None:
        submit(wanted, around)
    return Change(state.status, live, wanted, failed)


def _down(seen: Endpoint, state: EndpointState | None, around: Surroundings) -> Change:
    """Nothing answers. Whoever was live is not any more, so that the next round needs to beat the baseline only."""
    at = around.clock() if state is None else state.changed_at
    status = "Absent" if state is None else state.status
    reason = None if state is None else state.reason
    failed = seen.wanted if status == "Failed" else None
    if failed is not None:
        _not_deployed(failed, reason or status, at, around)
    if seen.model is not None:
        _retire(seen.model, at, around)
    _remember(seen, {"model": None, "wanted": None, "status": status, "reason": reason}, at, around)
    return Change(status, None, None, failed)


def _model_of(configuration: str, seen: Endpoint, around: Surroundings) -> str | None:
    """Which of the models that were ever promoted a configuration serves; None for a configuration made by hand."""
    known = [seen.wanted, seen.model]
    known += [one.promoted for one in around.store.newest(Round, limit=_ROUNDS_LOOKED_AT)]
    for model in known:
        if model is not None and resource_name(around.settings.stack, model) == configuration:
            return model
    return None


def _remember(seen: Endpoint, update: dict[str, str | None], at: datetime, around: Surroundings) -> None:
    """Write what was seen, unless a later state has been written or another model is wanted since."""

    def newer(one: Endpoint) -> Endpoint | None:
        kept = dict(update)
        if one.wanted != seen.wanted:
            kept.pop("wanted", None)
        changed = one.model_copy(update={**kept, "updated_at": at})
        outdated = at < one.updated_at and one.status != "Absent"
        return None if outdated or changed == one else changed

    around.store.change(Endpoint, seen.name, newer)


def _goes_live(model: str, at: datetime, around: Surroundings) -> None:
    record = around.store.get(Model, model)
    if record is None or record.status == "live":
        return
    _deployed(record.round, {"deployment": "live", "deployed_at": at}, around)
    live = {"status": "live", "live_since": at, "retired_at": None, "reason": None}
    around.store.change(Model, model, lambda one: None if one.status == "live" else one.model_copy(update=live))


def _not_deployed(model: str, reason: str, at: datetime, around: Surroundings) -> None:
    record = around.store.get(Model, model)
    if record is None or record.status not in _UNDER_WAY:
        return
    _deployed(record.round, {"deployment": "failed", "deployed_at": at}, around)
    failed = {"status": "failed", "reason": reason}
    around.store.change(Model, model, lambda one: one.model_copy(update=failed) if one.status in _UNDER_WAY else None)


def _retire(model: str, at: datetime, around: Surroundings) -> None:
    retired = {"status": "retired", "retired_at": at}
    around.store.change(Model, model, lambda one: one.model_copy(update=retired) if one.status == "live" else None)


def _deployed(round_name: str, update: dict[str, object], around: Surroundings) -> None:
    """Record what became of a round's model. Before the model itself: an attempt that dies between is repeated."""
    around.store.change(
        Round, round_name, lambda one: None if one.deployment == "live" else one.model_copy(update=update)
    )
