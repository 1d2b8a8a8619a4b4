"""The events that promotion reconciles on, read from the bodies of its queue's messages.

An event only says what to look at: what SageMaker and the table say decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from feature_schema import Identifier
from rounds import UnusableRequestError, parse_request, with_error_message

TRAINING_JOB = "SageMaker Training Job State Change"
ENDPOINT = "SageMaker Endpoint State Change"
PACKAGE = "SageMaker Model Package State Change"
OPERATOR, SCHEDULE = "dwell.operator", "dwell.schedule"

MAX_ERROR_CHARACTERS = 1_000


class UnknownEventError(ValueError):
    """The message is no event that this function handles. Retrying does not help; it ends in the dead-letter queue."""


@dataclass(frozen=True, slots=True)
class JobEnded:
    """A training job has completed, failed or been stopped."""

    job: str


@dataclass(frozen=True, slots=True)
class EndpointChanged:
    """The endpoint has another status."""


@dataclass(frozen=True, slots=True)
class PackageReviewed:
    """A person approved or rejected a model package."""

    package_arn: str


@dataclass(frozen=True, slots=True)
class Reconcile:
    """The schedule: do what a lost event left undone."""


ModelName = Annotated[
    Identifier,
    with_error_message("the name of a model has at most 128 letters, digits and _ . : -, a letter or digit first"),
]
RequestId = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]


class OperatorRequest(BaseModel):
    """A person's request. ``model`` goes with ``promote`` alone; the outcome is recorded under ``id``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Literal["dwell.operator"]
    id: RequestId
    action: Literal["promote", "pause", "resume"]
    model: ModelName | None = None

    @model_validator(mode="after")
    def _check_model(self) -> Self:
        if (self.action == "promote") != (self.model is not None):
            raise ValueError("promote names a model, and nothing else does")
        return self


@dataclass(frozen=True, slots=True)
class UnusableRequest:
    """A request with an id that makes no sense otherwise; ``error`` says what is wrong with it."""

    id: str
    error: str


type Event = JobEnded | EndpointChanged | PackageReviewed | OperatorRequest | UnusableRequest | Reconcile


def parse(body: dict[str, Any], *, endpoint: str) -> Event:
    """Read a message's body. Raises ``UnknownEventError``, also for an event of another endpoint."""
    if body.get("source") == OPERATOR:
        return _parse_request(body)
    if body.get("source") == SCHEDULE:
        return Reconcile()
    kind, detail = body.get("detail-type"), body.get("detail", {})
    if kind == TRAINING_JOB:
        return JobEnded(detail["TrainingJobName"])
    if kind == ENDPOINT:
        if detail["EndpointName"] != endpoint:
            raise UnknownEventError(f"the endpoint {detail['EndpointName']} is not {endpoint}")
        return EndpointChanged()
    if kind == PACKAGE:
        return PackageReviewed(detail["ModelPackageArn"])
    raise UnknownEventError(f"an event of type {kind!r} is none of {TRAINING_JOB!r}, {ENDPOINT!r}, {PACKAGE!r}")


class _Identified(BaseModel):
    id: RequestId


def _parse_request(body: dict[str, Any]) -> OperatorRequest | UnusableRequest:
    try:
        request_id = _Identified.model_validate(body).id
    except ValidationError as error:
        raise UnknownEventError("an operator's request needs an id, under which its outcome is recorded") from error
    try:
        return parse_request(OperatorRequest, body)
    except UnusableRequestError as error:
        return UnusableRequest(request_id, str(error)[:MAX_ERROR_CHARACTERS])
