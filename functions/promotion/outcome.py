"""What became of a deployment: the records of models and endpoint are brought to what SageMaker says now.

The order in which events arrive decides nothing, and whoever is about to change the endpoint looks here first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from promotion import rollback_alarms as guard
from promotion import sagemaker_endpoint as deployment
from rounds import Endpoint, Model, Round, build_resource_name, format_iso

if TYPE_CHECKING:
    from datetime import datetime

    from promotion.context import Surroundings
    from promotion.sagemaker_endpoint import EndpointState

SERVES = {"InService", "UpdateRollbackFailed"}
"""A model answers, and nothing is under way."""
_DOWN = {"Failed", "Deleting", "OutOfService"}
_ROUNDS_LOOKED_AT = 100
_UNDER_WAY = {"candidate", "deploying"}
_NOTHING_UNDER_WAY: dict[str, str | None] = {"deploying_model": None, "deploying_since": None}
_LONGEST_REASON = 1_000

Undone = Literal["rolled_back", "failed"]


@dataclass(frozen=True, slots=True)
class Change:
    """The endpoint now: its status, the model that answers, the one that waits, the one that failed.

    ``undone`` is how it failed: the endpoint went back to what it had, or never came up.
    """

    status: str
    live: str | None
    wanted: str | None = None
    failed: str | None = None
    undone: Undone | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """``seen`` is the endpoint's record before; ``over`` is false while a change is under way."""

    change: Change
    seen: Endpoint
    over: bool


def record(around: Surroundings) -> Outcome:
    """Record what became of what was asked of the endpoint. Errors of AWS pass through; repeating it is harmless.

    ``around.tell_rolled_back`` hears of a model that was taken back once, and again only if an attempt died between
    that and writing it down: an alarm hangs on it, so that twice is better than never.
    """
    name = around.settings.endpoint
    state = deployment.describe(around.sagemaker, name)
    around.store.create(Endpoint(name=name, updated_at=around.clock()))
    seen = around.store.get(Endpoint, name)
    if seen is None:
        raise LookupError(f"the endpoint's record {name} was just written, and is gone")
    if state is None or state.status in _DOWN:
        return Outcome(_down(seen, state, around), seen, over=True)
    if state.status in SERVES:
        change = _serves(seen, state, around)
        return Outcome(
            change or Change(state.status, seen.serving_model, seen.desired_model), seen, over=change is not None
        )
    if state.status == "RollingBack" and seen.deploying_model is not None:
        _note_why(seen.deploying_model, around)
    _remember(seen, {"status": state.status}, state.changed_at, around)
    return Outcome(Change(state.status, seen.serving_model, seen.desired_model), seen, over=False)


def _serves(seen: Endpoint, state: EndpointState, around: Surroundings) -> Change | None:
    """None if it speaks of the time before the deployment was asked for."""
    live = _model_of(state.configuration, seen, around)
    failed = seen.deploying_model if seen.deploying_model != live else None
    if (
        failed is not None
        and seen.deploying_since is not None
        and format_iso(state.changed_at) <= format_iso(seen.deploying_since)
    ):
        return None  # (The table keeps milliseconds.)
    if failed is not None:
        # It was submitted, and the endpoint is back on another model.
        _rolled_back(failed, state, around)
        around.tell_rolled_back()  # while the table knows of it: an attempt that dies later finds nothing that failed
    wanted = _still_wanted(seen, {live, failed}, around)
    if live is not None:
        _goes_live(live, state.changed_at, around)
    if seen.serving_model is not None and seen.serving_model != live:
        _retire(seen.serving_model, state.changed_at, around)
    update = {
        "serving_model": live,
        "desired_model": wanted,
        "status": state.status,
        "reason": state.reason,
        **_NOTHING_UNDER_WAY,
    }
    _remember(seen, update, state.changed_at, around)
    return Change(state.status, live, wanted, failed, None if failed is None else "rolled_back")


def _down(seen: Endpoint, state: EndpointState | None, around: Surroundings) -> Change:
    """Nothing answers. Whoever was live is not any more, so that the next round needs to beat the baseline only."""
    at = around.clock() if state is None else state.changed_at
    status = "Absent" if state is None else state.status
    reason = None if state is None else state.reason
    failed = seen.deploying_model
    if failed is None and seen.desired_model is not None and state is not None and state.status == "Failed":
        # An attempt that died had asked for it; or else what failed is in its way.
        own = build_resource_name(around.settings.stack, seen.desired_model)
        failed = seen.desired_model if state.configuration == own else None
    if failed is not None:
        why = reason or ("it did not come up" if status == "Failed" else "the endpoint went away")
        _not_deployed(failed, "failed", why, at, around)
    if seen.serving_model is not None:
        _retire(seen.serving_model, at, around)
    wanted = _still_wanted(seen, {failed}, around)
    update = {"serving_model": None, "desired_model": wanted, "status": status, "reason": reason, **_NOTHING_UNDER_WAY}
    _remember(seen, update, at, around)
    return Change(status, None, wanted, failed, None if failed is None else "failed")


def _still_wanted(seen: Endpoint, ended: set[str | None], around: Surroundings) -> str | None:
    waiting = None if seen.desired_model is None else around.store.get(Model, seen.desired_model)
    return (
        seen.desired_model
        if waiting is not None and waiting.status == "candidate" and waiting.name not in ended
        else None
    )


def _model_of(configuration: str, seen: Endpoint, around: Surroundings) -> str | None:
    """Which of the models that were ever trained a configuration serves; None for a configuration made by hand."""
    known = [seen.desired_model, seen.deploying_model, seen.serving_model, seen.model_after_resume]
    for one in around.store.newest(Round, limit=_ROUNDS_LOOKED_AT):
        known += [one.promoted, *(candidate.model for candidate in one.candidates)]
    for model in known:
        if model is not None and build_resource_name(around.settings.stack, model) == configuration:
            return model
    return None


def _remember(seen: Endpoint, update: dict[str, str | None], at: datetime, around: Surroundings) -> None:
    """Write what was seen, unless a later state has been written."""

    def newer(one: Endpoint) -> Endpoint | None:
        changed = one.model_copy(update={**update, "updated_at": at})
        outdated = at < one.updated_at and one.status != "Absent"
        return None if outdated or changed == one else changed

    around.store.update(Endpoint, seen.name, newer)


def _goes_live(model: str, at: datetime, around: Surroundings) -> None:
    record = around.store.get(Model, model)
    if record is None or record.status == "live":
        return
    _deployed(record.round, {"deployment": "live", "deployment_reason": None, "deployed_at": at}, around)
    live = {"status": "live", "live_since": at, "retired_at": None, "reason": None}
    around.store.update(Model, model, lambda one: None if one.status == "live" else one.model_copy(update=live))


def _note_why(model: str, around: Surroundings) -> None:
    """While traffic goes back: the alarm that asked for it may rest again before that is over."""
    record = around.store.get(Model, model)
    reason = None if record is None else guard.tripped(around.cloudwatch, guard.watching(around.settings, record))
    if reason is not None:
        noted = {"reason": reason[:_LONGEST_REASON]}
        around.store.update(
            Model, model, lambda one: one.model_copy(update=noted) if one.status in _UNDER_WAY else None
        )


def _rolled_back(model: str, state: EndpointState, around: Surroundings) -> None:
    record = around.store.get(Model, model)
    if record is None or record.status not in _UNDER_WAY:
        return
    reason = record.reason or guard.tripped(around.cloudwatch, guard.watching(around.settings, record))
    # SageMaker's own reason may be empty.
    _not_deployed(model, "rolled_back", reason or state.reason or "rolled_back", state.changed_at, around)


def _not_deployed(model: str, how: Undone, reason: str, at: datetime, around: Surroundings) -> None:
    record = around.store.get(Model, model)
    if record is None or record.status not in _UNDER_WAY:
        return
    reason = reason[:_LONGEST_REASON]
    _deployed(record.round, {"deployment": how, "deployment_reason": reason, "deployed_at": at}, around)
    undone = {"status": how, "reason": reason}
    around.store.update(Model, model, lambda one: one.model_copy(update=undone) if one.status in _UNDER_WAY else None)


def _retire(model: str, at: datetime, around: Surroundings) -> None:
    retired = {"status": "retired", "retired_at": at}
    around.store.update(Model, model, lambda one: one.model_copy(update=retired) if one.status == "live" else None)


def _deployed(round_name: str, update: dict[str, object], around: Surroundings) -> None:
    """Record what became of a round's model. Before the model itself: an attempt that dies between is repeated."""

    def told(one: Round) -> Round | None:
        changed = one.model_copy(update=update)
        return None if changed == one else changed

    around.store.update(Round, round_name, told)
