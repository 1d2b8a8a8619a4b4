"""The whole policy of promotion: one pure function from an observation and an event to the actions to take.

Every event is decided on what SageMaker and the table say now, not on what the event says. So the order of events does
not matter, a repeated one finds nothing left to do, and the schedule's ``Reconcile`` catches up on lost ones.

The order of the actions makes every attempt repeatable: what tells that something is left to do is written last. The
parts of the policy: ``endpoint_policy`` (deployments), ``round_policy`` (a round's end, reviews of its winner),
``request_policy`` (operators' requests), and ``promotion_gate`` (whether a winner goes live).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from promotion.endpoint_policy import advance_endpoint, record_deployment
from promotion.events import (
    EndpointChanged,
    JobEnded,
    OperatorRequest,
    PackageReviewed,
    Reconcile,
    UnusableRequest,
)
from promotion.outcomes import ApprovalResult, ReconcileResult
from promotion.plan import Plan
from promotion.request_policy import handle_request, read_result
from promotion.round_policy import end_round, review
from rounds import parse_round_name

if TYPE_CHECKING:
    from promotion.actions import Action
    from promotion.events import Event
    from promotion.observation import Observation
    from promotion.outcomes import Result
    from promotion.settings import Settings


@dataclass(frozen=True, slots=True)
class Decision:
    """The actions to take, in this order, and what to report."""

    actions: tuple[Action, ...]
    result: Result


def decide(observation: Observation, event: Event, settings: Settings) -> Decision:
    """Decide what to do about an event. A pure function.

    Raises ``NoArchiveError`` if a model is to be deployed whose archive was not kept.
    """
    request = observation.request
    if request is not None and request.finished_at is not None:
        return Decision((), read_result(request))
    plan = Plan(observation, settings)
    result: Result
    match event:
        case JobEnded():
            result = end_round(plan, parse_round_name(settings.stack, event.job))
        case EndpointChanged():
            result = record_deployment(plan)
            advance_endpoint(plan)
        case PackageReviewed():
            result = next((review(plan, package) for package in observation.packages), ApprovalResult("ignored"))
        case OperatorRequest() | UnusableRequest():
            result = handle_request(plan, event)
        case Reconcile():
            # The round first: a deployment that SageMaker refuses must not keep its end from being recorded.
            round_result = None if observation.ended_round is None else end_round(plan, observation.ended_round)
            reviews = tuple(review(plan, package) for package in observation.packages)
            endpoint_result = record_deployment(plan)
            advance_endpoint(plan)
            result = ReconcileResult(endpoint_result, round_result, reviews)
    return Decision(tuple(plan.actions), result)
