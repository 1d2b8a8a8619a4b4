"""What an operator may ask for by hand: another model behind the endpoint, the endpoint down, and up again.

It is asked of this function, and not of SageMaker, so that the table goes on telling the truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, model_validator

from feature_schema import Identifier, get_schema_hash
from promotion import outcome
from promotion import sagemaker_endpoint as deployment
from promotion.endpoint_changed import endpoint_changed, take_down
from promotion.promotion_gate import promisable
from promotion.submission import submit
from rounds import Endpoint, Model, Round, build_resource_name, with_error_message

if TYPE_CHECKING:
    from typing import Self

    from promotion.context import Surroundings

Reason = Literal[
    "deploying",  # on its way to the endpoint
    "waiting",  # on its way as soon as the endpoint has ended a change
    "paused",  # the endpoint is down; the model answers once it is resumed
    "resuming",
    "nothing_to_resume",  # no model was there before
    "unknown_model",
    "no_archive",
    "schema_changed",
    "not_promisable",  # inference would not take one of its answers
    "already_live",
    "already_paused",
    "not_paused",
    "being_deleted",  # ask again in a moment
    "busy",  # another event is being answered; ask again in a moment
]


ModelName = Annotated[
    Identifier,
    with_error_message("the name of a model has at most 128 letters, digits and _ . : -, a letter or digit first"),
]


class OperatorEvent(BaseModel):
    """A person asks. ``model`` goes with ``promote`` alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Literal["dwell.operator"]
    action: Literal["promote", "pause", "resume"]
    model: ModelName | None = None

    @model_validator(mode="after")
    def _names_what_it_needs(self) -> Self:
        if (self.action == "promote") != (self.model is not None):
            raise ValueError("promote names a model, and nothing else does")
        return self


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether it was, or is being, done; why, or why not; and the model that it is about."""

    outcome: Literal["done", "refused"]
    reason: Reason
    model: str | None = None


def operate(event: OperatorEvent, around: Surroundings) -> Answer:
    """Do what the operator asks. Repeating a request is harmless. Errors of AWS pass through."""
    around.store.create(Endpoint(name=around.settings.endpoint, updated_at=around.clock()))
    match event.action:
        case "promote":
            return _promote(event.model or "", around)
        case "pause":
            return _pause(around)
        case "resume":
            return _resume(around)


def _promote(model: str, around: Surroundings) -> Answer:
    record, seen = around.store.get(Model, model), _seen(around)
    refusal = _refusal(record, seen, around)
    if refusal is not None:
        return Answer("refused", refusal, model)
    around.store.update(Model, model, _wanted_by_operator)
    try:
        submit(model, around)
    except deployment.EndpointBusyError:
        return Answer("refused", "being_deleted", model)
    _settle(model, around)
    if seen.pause == "paused":
        return Answer("done", "paused", model)
    after = around.store.get(Model, model)
    return Answer("done", "waiting" if after is not None and after.status == "candidate" else "deploying", model)


def _refusal(record: Model | None, seen: Endpoint, around: Surroundings) -> Reason | None:
    if record is None:
        return "unknown_model"
    if record.archive is None:
        return "no_archive"
    origin = around.store.get(Round, record.round)
    if origin is None or origin.dataset is None or origin.dataset.schema_hash != get_schema_hash():
        # It would take one column for another, and inference would not believe a word of it.
        return "schema_changed"
    if not promisable(record.expected_error):
        return "not_promisable"
    if record.status == "live" and seen.serving_model == record.name:
        return "already_live"
    return None


def _wanted_by_operator(one: Model) -> Model | None:
    if one.status == "deploying":
        return None
    return one.model_copy(update={"status": "candidate", "promoted_by": "operator", "reason": None})


def _pause(around: Surroundings) -> Answer:
    seen = _seen(around)
    if seen.pause == "paused" and seen.status in {"Absent", "Deleting"}:
        return Answer("refused", "already_paused", seen.model_after_resume)
    # In the table first: from here on neither an alarm nor a planner takes it for a fault.
    around.store.update(Endpoint, seen.name, lambda one: one.model_copy(update={"pause": "paused"}))
    state = deployment.describe(around.sagemaker, seen.name)
    if state is not None and state.status in {"Failed", "OutOfService"}:
        take_down(seen.serving_model, around)
    elif state is not None and state.status in outcome.SERVES:
        endpoint_changed(around)
    # While it changes it cannot be deleted: its own event will see that it is paused.
    return Answer("done", "paused", _seen(around).model_after_resume)


def _resume(around: Surroundings) -> Answer:
    seen = _seen(around)
    if seen.pause is None:
        return Answer("refused", "not_paused", seen.serving_model)
    state = deployment.describe(around.sagemaker, seen.name)
    if state is not None and state.status == "Deleting":
        return Answer("refused", "being_deleted", seen.model_after_resume)
    if seen.model_after_resume is None:
        around.store.update(Endpoint, seen.name, lambda one: one.model_copy(update={"pause": None}))
        return Answer("done", "nothing_to_resume")
    around.store.update(Model, seen.model_after_resume, _wanted_by_operator)
    around.store.update(Endpoint, seen.name, lambda one: one.model_copy(update={"pause": "resuming"}))
    try:
        submit(seen.model_after_resume, around)
    except deployment.EndpointBusyError:
        return Answer("refused", "being_deleted", seen.model_after_resume)
    _settle(seen.model_after_resume, around)
    return Answer("done", "resuming", seen.model_after_resume)


def _settle(model: str, around: Surroundings) -> None:
    """An endpoint that serves the model already sends no event."""
    state = deployment.describe(around.sagemaker, around.settings.endpoint)
    own = build_resource_name(around.settings.stack, model)
    if state is not None and (state.status, state.configuration) == ("InService", own):
        endpoint_changed(around)


def _seen(around: Surroundings) -> Endpoint:
    seen = around.store.get(Endpoint, around.settings.endpoint)
    if seen is None:
        raise LookupError(f"the endpoint's record {around.settings.endpoint} was just written, and is gone")
    return seen
