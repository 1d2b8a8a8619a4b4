"""What becomes of an event, as plain values: they are logged, and recorded for an operator's request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RequestReason = Literal[
    "deploying",  # on its way to the endpoint
    "waiting",  # on its way once the change under way has ended
    "paused",  # the endpoint is down; the model answers once it is resumed
    "resuming",
    "nothing_to_resume",  # no model was there before
    "unknown_model",
    "no_archive",
    "schema_changed",
    "not_promisable",  # inference would not accept its predictions
    "already_live",
    "already_paused",
    "not_paused",
    "being_deleted",  # resume can be repeated in a moment
    "unusable",  # the request makes no sense
]


@dataclass(frozen=True, slots=True)
class EndpointResult:
    """The endpoint now: its status, the model that answers, the one that waits, and the one that was not deployed.

    ``undone`` is how that one failed: the endpoint went back to what it had, or never came up.
    """

    status: str
    serving_model: str | None
    desired_model: str | None = None
    failed: str | None = None
    undone: Literal["rolled_back", "failed"] | None = None


@dataclass(frozen=True, slots=True)
class RoundResult:
    """What became of a training job's event. ``reason`` is a code, or SageMaker's own words about a failed job."""

    outcome: Literal["promoted", "kept", "failed", "repeated", "not_ours", "not_ended"]
    round: str | None = None
    reason: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class ApprovalResult:
    """What became of a review: ``submitted``, ``rejected``, or ``ignored`` if no model waits for it."""

    outcome: Literal["submitted", "rejected", "ignored"]
    model: str | None = None


@dataclass(frozen=True, slots=True)
class RequestResult:
    """Whether an operator's request is (being) carried out, the reason either way, and the model it is about."""

    outcome: Literal["done", "refused"]
    reason: RequestReason
    model: str | None = None
    error: str | None = None
    """What is wrong with an unusable request."""


@dataclass(frozen=True, slots=True)
class ReconcileResult:
    """What the schedule found left to do."""

    endpoint: EndpointResult
    round: RoundResult | None
    approvals: tuple[ApprovalResult, ...]


type Result = EndpointResult | RoundResult | ApprovalResult | RequestResult | ReconcileResult
