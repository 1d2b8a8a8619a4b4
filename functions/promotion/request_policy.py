"""The policy about operators' requests: another model, a pause and its end. Pure functions on a plan."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from feature_schema import get_schema_hash
from promotion.endpoint_policy import advance_endpoint, deploy, record_deployment
from promotion.events import OperatorRequest, UnusableRequest
from promotion.outcomes import RequestResult
from promotion.promotion_gate import is_promisable
from rounds import Model, RequestOutcome

if TYPE_CHECKING:
    from promotion.outcomes import RequestReason
    from promotion.plan import Plan

REQUEST_RETENTION = timedelta(days=30)


def handle_request(plan: Plan, request: OperatorRequest | UnusableRequest) -> RequestResult:
    """Carry out a request, or refuse it, and record the result under its id.

    The result is recorded before the request's own actions and marked as finished after them: if an attempt dies in
    between, the next one repeats the actions, and the first result stands (it would find a pause "already paused").
    """
    record_deployment(plan)
    position = len(plan.actions)
    result = _carry_out(plan, request)
    now = plan.observation.observed_at
    if plan.observation.request is not None:
        plan.update(RequestOutcome, request.id, finished_at=now)
        return read_result(plan.observation.request)
    plan.create(
        RequestOutcome(
            name=request.id,
            action=request.action if isinstance(request, OperatorRequest) else None,
            outcome=result.outcome,
            reason=result.reason,
            model=result.model,
            error=result.error,
            decided_at=now,
            expires_at=int((now + REQUEST_RETENTION).timestamp()),
        ),
        position=position,
    )
    plan.update(RequestOutcome, request.id, finished_at=now)
    return result


def read_result(request: RequestOutcome) -> RequestResult:
    return RequestResult(request.outcome, request.reason, request.model, request.error)  # type: ignore[arg-type]


def _carry_out(plan: Plan, request: OperatorRequest | UnusableRequest) -> RequestResult:
    if isinstance(request, UnusableRequest):
        return RequestResult("refused", "unusable", None, request.error)
    match request.action:
        case "promote":
            return _promote(plan, request.model or "")
        case "pause":
            return _pause(plan)
        case "resume":
            return _resume(plan)


def _promote(plan: Plan, name: str) -> RequestResult:
    refusal = _refusal(plan, name)
    if refusal is not None:
        return RequestResult("refused", refusal, name)
    _choose(plan, name)
    deploy(plan, name)
    if plan.endpoint.pause == "paused":
        return RequestResult("done", "paused", name)
    model = plan.model(name)
    return RequestResult("done", "waiting" if model is not None and model.status == "candidate" else "deploying", name)


def _refusal(plan: Plan, name: str) -> RequestReason | None:
    model = plan.model(name)
    if model is None:
        return "unknown_model"
    if model.archive is None:
        return "no_archive"
    round_ = plan.round(model.round)
    if round_ is None or round_.dataset is None or round_.dataset.schema_hash != get_schema_hash():
        # It would take one column for another, and inference would not accept its predictions.
        return "schema_changed"
    if not is_promisable(model.expected_error):
        return "not_promisable"
    if model.status == "live" and plan.endpoint.serving_model == name:
        return "already_live"
    return None


def _choose(plan: Plan, name: str) -> None:
    """Note that an operator wants the model; one that is being deployed already stays as it is."""
    model = plan.model(name)
    if model is not None and model.status != "deploying":
        plan.update(Model, name, status="candidate", promoted_by="operator", reason=None)


def _pause(plan: Plan) -> RequestResult:
    endpoint = plan.endpoint
    if endpoint.pause == "paused" and endpoint.status in {"Absent", "Deleting"}:
        return RequestResult("refused", "already_paused", endpoint.model_after_resume)
    # In the table first: from here on neither an alarm nor a planner takes it for a failure. An endpoint that is
    # changing cannot be deleted: its next event takes it down.
    plan.update_endpoint(pause="paused")
    advance_endpoint(plan)
    return RequestResult("done", "paused", plan.endpoint.model_after_resume)


def _resume(plan: Plan) -> RequestResult:
    endpoint = plan.endpoint
    if endpoint.pause is None:
        return RequestResult("refused", "not_paused", endpoint.serving_model)
    if plan.state is not None and plan.state.status == "Deleting":
        return RequestResult("refused", "being_deleted", endpoint.model_after_resume)
    if endpoint.model_after_resume is None:
        plan.update_endpoint(pause=None)
        return RequestResult("done", "nothing_to_resume")
    _choose(plan, endpoint.model_after_resume)
    plan.update_endpoint(pause="resuming")
    deploy(plan, endpoint.model_after_resume)
    return RequestResult("done", "resuming", endpoint.model_after_resume)
