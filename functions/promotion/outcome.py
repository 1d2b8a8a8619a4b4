"""What became of a deployment, as SageMaker says now: the models' records and the endpoint's are brought up to it.

The order in which events arrive decides nothing, and whoever is about to change the endpoint looks here first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from promotion import deployment, guard
from rounds import ContentionError, Endpoint, Model, Round, iso, resource_name

if TYPE_CHECKING:
    from datetime import datetime

    from promotion.deployment import EndpointState
    from promotion.surroundings import Surroundings

_ROUNDS_LOOKED_AT = 100
_LOOKS = 5
_DOWN = {"Failed", "Deleting"}
_UNDER_WAY = {"candidate", "deploying"}
NOTHING_UNDER_WAY: dict[str, str | None] = {"deploying": None, "deploying_since": None, "asked_at": None}
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
    """``seen`` is the endpoint's record before. ``over``: nothing is under way any more that was asked for."""

    change: Change
    seen: Endpoint
    over: bool


@dataclass(frozen=True, slots=True)
class _Look:
    """The endpoint's record, and what SageMaker says while that stands (null: there is no endpoint).

    ``asked``: SageMaker had been asked before that for the model that the record says is being deployed.
    """

    seen: Endpoint
    state: EndpointState | None
    asked: bool


def record(around: Surroundings) -> Outcome:
    """Record what became of what was asked of the endpoint. Errors of AWS pass through; repeating it is harmless.

    ``around.tell_rolled_back`` hears of a model that was taken back once, and again only if an attempt died between
    that and writing it down: an alarm hangs on it, so that twice is better than never.
    """
    look = _look(around)
    seen, state = look.seen, look.state
    if state is None or state.status in _DOWN:
        if seen.deploying is not None and not _is_about_it(look):
            return Outcome(Change("Absent" if state is None else state.status, None, seen.wanted), seen, over=False)
        return Outcome(_down(seen, state, around), seen, over=True)
    if state.status != "InService":
        if state.status == "RollingBack" and seen.deploying is not None:
            _note_why(seen.deploying, around)
        _remember(seen, {"status": state.status}, state.changed_at, around)
        return Outcome(Change(state.status, seen.model, seen.wanted), seen, over=False)
    live = _model_of(state.configuration, seen, around)
    if seen.deploying not in {None, live} and not _is_about_it(look):
        return Outcome(Change(state.status, seen.model, seen.wanted), seen, over=False)
    return Outcome(_in_service(seen, state, live, around), seen, over=True)


def _look(around: Surroundings) -> _Look:
    """Both at one moment: what SageMaker said before something was asked would else be taken for its outcome."""
    name = around.settings.endpoint
    around.store.create(Endpoint(name=name, updated_at=around.clock()))
    seen = around.store.get(Endpoint, name)
    for _ in range(_LOOKS):
        if seen is None:
            raise LookupError(f"the endpoint's record {name} was just written, and is gone")
        under_way = None if seen.deploying is None else around.store.get(Model, seen.deploying)
        state = deployment.describe(around.sagemaker, name)
        before, seen = seen, around.store.get(Endpoint, name)
        if seen == before:
            return _Look(before, state, under_way is not None and under_way.status == "deploying")
    raise ContentionError(f"the record of the endpoint {name} was changed {_LOOKS} times meanwhile")


def _is_about_it(look: _Look) -> bool:
    """Whether what SageMaker says is about the model that is being deployed, or about the time before it was asked."""
    if look.state is None or look.state.status == "Deleting":
        # If it has not been asked: the endpoint of before is gone, and the next one is yet to come.
        return look.asked
    since = look.seen.deploying_since
    return since is None or iso(look.state.changed_at) > iso(since)  # the table keeps milliseconds


def _in_service(seen: Endpoint, state: EndpointState, live: str | None, around: Surroundings) -> Change:
    failed = seen.deploying if seen.deploying != live else None
    if failed is not None:
        # It was submitted, and the endpoint is back on another model.
        _rolled_back(failed, state, around)
        around.tell_rolled_back()  # while the table knows of it: an attempt that dies later finds nothing that failed
    wanted = seen.wanted
    waiting = None if wanted is None else around.store.get(Model, wanted)
    if wanted in {live, failed} or waiting is None or waiting.status != "candidate":
        wanted = None
    if live is not None:
        _goes_live(live, state.changed_at, around)
    if seen.model is not None and seen.model != live:
        _retire(seen.model, state.changed_at, around)
    update = {"model": live, "wanted": wanted, "status": state.status, "reason": state.reason, **NOTHING_UNDER_WAY}
    _remember(seen, update, state.changed_at, around)
    return Change(state.status, live, wanted, failed, None if failed is None else "rolled_back")


def _down(seen: Endpoint, state: EndpointState | None, around: Surroundings) -> Change:
    """Nothing answers. Whoever was live is not any more, so that the next round needs to beat the baseline only."""
    at = around.clock() if state is None else state.changed_at
    status = "Absent" if state is None else state.status
    reason = None if state is None else state.reason
    failed = seen.deploying
    if failed is not None:
        told = reason or ("it did not come up" if status == "Failed" else "the endpoint was deleted")
        _not_deployed(failed, "failed", told, at, around)
    if seen.model is not None:
        _retire(seen.model, at, around)
    update = {"model": None, "wanted": None, "status": status, "reason": reason, **NOTHING_UNDER_WAY}
    _remember(seen, update, at, around)
    return Change(status, None, None, failed, None if failed is None else "failed")


def _model_of(configuration: str, seen: Endpoint, around: Surroundings) -> str | None:
    """Which of the models that were ever trained a configuration serves; None for a configuration made by hand."""
    known = [seen.wanted, seen.deploying, seen.model, seen.resumes]
    for one in around.store.newest(Round, limit=_ROUNDS_LOOKED_AT):
        known += [one.promoted, *(candidate.model for candidate in one.candidates)]
    for model in known:
        if model is not None and resource_name(around.settings.stack, model) == configuration:
            return model
    return None


def _remember(seen: Endpoint, update: dict[str, str | None], at: datetime, around: Surroundings) -> None:
    """Write what was seen, unless a later state has been written; what was asked for since stays."""

    def newer(one: Endpoint) -> Endpoint | None:
        kept = dict(update)
        if one.wanted != seen.wanted:
            kept.pop("wanted", None)
        if (one.deploying, one.deploying_since) != (seen.deploying, seen.deploying_since):
            for name in NOTHING_UNDER_WAY:
                kept.pop(name, None)
        changed = one.model_copy(update={**kept, "updated_at": at})
        outdated = at < one.updated_at and one.status != "Absent"
        return None if outdated or changed == one else changed

    around.store.change(Endpoint, seen.name, newer)


def _goes_live(model: str, at: datetime, around: Surroundings) -> None:
    record = around.store.get(Model, model)
    if record is None or record.status == "live":
        return
    _deployed(record.round, {"deployment": "live", "deployment_reason": None, "deployed_at": at}, around)
    live = {"status": "live", "live_since": at, "retired_at": None, "reason": None}

    def now_live(one: Model) -> Model | None:
        outdated = one.retired_at is not None and at < one.retired_at
        return None if one.status == "live" or outdated else one.model_copy(update=live)

    around.store.change(Model, model, now_live)


def _note_why(model: str, around: Surroundings) -> None:
    """While traffic goes back: the alarm that asked for it may rest again before that is over."""
    record = around.store.get(Model, model)
    reason = None if record is None else guard.tripped(around.cloudwatch, guard.watching(around.settings, record))
    if reason is not None:
        noted = {"reason": reason[:_LONGEST_REASON]}
        around.store.change(
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
    around.store.change(Model, model, lambda one: one.model_copy(update=undone) if one.status in _UNDER_WAY else None)


def _retire(model: str, at: datetime, around: Surroundings) -> None:
    def retired(one: Model) -> Model | None:
        outdated = one.live_since is not None and at < one.live_since
        retired = {"status": "retired", "retired_at": at}
        return one.model_copy(update=retired) if one.status == "live" and not outdated else None

    around.store.change(Model, model, retired)


def _deployed(round_name: str, update: dict[str, object], around: Surroundings) -> None:
    """Record what became of a round's model. Before the model itself: an attempt that dies between is repeated."""

    def told(one: Round) -> Round | None:
        changed = one.model_copy(update=update)
        return None if changed == one else changed

    around.store.change(Round, round_name, told)
