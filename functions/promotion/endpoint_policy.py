"""The policy about the endpoint: what became of the last change, and what the next one is. Pure functions on a plan.

A deployment is noted as wanted before SageMaker is asked for it, and as under way after that, so that an attempt that
dies in between is repeated.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from promotion import rollback_alarms
from promotion.actions import CountMetric, CreateEndpoint, DeleteEndpoint, ProvideModel, RetargetAlarms, UpdateEndpoint
from promotion.outcomes import EndpointResult
from rounds import ENDPOINT_TRANSITIONS, Model, Round, build_resource_name

if TYPE_CHECKING:
    from promotion.observation import EndpointState
    from promotion.plan import Plan

DOWN = frozenset({"Failed", "Deleting", "OutOfService"})
UNDER_WAY = frozenset({"candidate", "deploying"})
"""Statuses of a model that may still come up."""
NEVER = datetime.min.replace(tzinfo=UTC)
"""When an endpoint changed last that does not exist."""
MAX_REASON_CHARACTERS = 1_000


class NoArchiveError(RuntimeError):
    """A model without an archive cannot be deployed."""


# --- the endpoint: what became of the last change ---------------------------------------------------------------------


def record_deployment(plan: Plan) -> EndpointResult:
    """Bring the records of models and endpoint to what SageMaker says now."""
    state, endpoint = plan.state, plan.endpoint
    if state is None or state.status in DOWN:
        plan.is_settled = state is None or state.status != "Deleting"
        return _record_down(plan, state)
    if state.is_serving:
        result = _record_serving(plan, state)
        plan.is_settled = result is not None
        return result or EndpointResult(state.status, endpoint.serving_model, endpoint.desired_model)
    if state.status == "RollingBack" and endpoint.deploying_model is not None:
        _note_rollback_reason(plan, endpoint.deploying_model)
    _update_unless_outdated(plan, state.changed_at, status=state.status)
    return EndpointResult(state.status, endpoint.serving_model, endpoint.desired_model)


def _record_serving(plan: Plan, state: EndpointState) -> EndpointResult | None:
    """None if the state is older than the deployment that was asked for."""
    before, live = plan.endpoint, plan.observation.served_model
    failed = before.deploying_model if before.deploying_model != live else None
    if failed is not None:
        if before.deploying_since is not None and state.changed_at <= before.deploying_since:
            return None
        # The deployment was submitted, and the endpoint is back on another model. Counted while the table still knows
        # of the deployment: an attempt that fails after recording it would not count it.
        plan.do(CountMetric("Rollbacks"))
        _record_rollback(plan, failed, state)
    desired = _keep_desired(plan, before.desired_model, ended={live, failed})
    if live is not None:
        _record_live(plan, live, state.changed_at)
    if before.serving_model is not None and before.serving_model != live:
        _retire(plan, before.serving_model, state.changed_at)
    _update_unless_outdated(
        plan,
        state.changed_at,
        serving_model=live,
        desired_model=desired,
        status=state.status,
        reason=state.reason,
        deploying_model=None,
        deploying_since=None,
    )
    return EndpointResult(state.status, live, desired, failed, None if failed is None else "rolled_back")


def _record_down(plan: Plan, state: EndpointState | None) -> EndpointResult:
    """Nothing answers. The model that was live is retired, so the next round has to beat the baseline only."""
    before = plan.endpoint
    timestamp = plan.observation.observed_at if state is None else state.changed_at
    status = "Absent" if state is None else state.status
    reason = None if state is None else state.reason
    failed = before.deploying_model
    if failed is None and before.desired_model is not None and state is not None and status == "Failed":
        # An attempt that died may have asked for it; otherwise what failed is only in its way.
        configuration = build_resource_name(plan.settings.stack, before.desired_model)
        failed = before.desired_model if state.configuration == configuration else None
    if failed is not None:
        why = reason or ("it did not come up" if status == "Failed" else "the endpoint went away")
        _record_not_deployed(plan, failed, "failed", why, timestamp)
    if before.serving_model is not None:
        _retire(plan, before.serving_model, timestamp)
    desired = _keep_desired(plan, before.desired_model, ended={failed})
    _update_unless_outdated(
        plan,
        timestamp,
        serving_model=None,
        desired_model=desired,
        status=status,
        reason=reason,
        deploying_model=None,
        deploying_since=None,
    )
    return EndpointResult(status, None, desired, failed, None if failed is None else "failed")


def _keep_desired(plan: Plan, desired: str | None, *, ended: set[str | None]) -> str | None:
    model = plan.model(desired)
    return desired if model is not None and model.status == "candidate" and model.name not in ended else None


def _update_unless_outdated(plan: Plan, timestamp: datetime, **changes: object) -> None:
    """Write what was observed, unless a later state has been written."""
    endpoint = plan.endpoint
    if timestamp >= endpoint.updated_at or endpoint.status == "Absent":
        is_repeated = all(getattr(endpoint, name) == value for name, value in changes.items())
        absent_again = is_repeated and endpoint.status == "Absent"
        plan.update_endpoint(**changes, updated_at=endpoint.updated_at if absent_again else timestamp)


def _record_live(plan: Plan, name: str, timestamp: datetime) -> None:
    model = plan.model(name)
    if model is None or model.status == "live":
        return
    # The round before the model: an attempt that dies in between is repeated.
    plan.update(Round, model.round, deployment="live", deployment_reason=None, deployed_at=timestamp)
    plan.update(Model, name, status="live", live_since=timestamp, retired_at=None, reason=None)


def _retire(plan: Plan, name: str, timestamp: datetime) -> None:
    model = plan.model(name)
    if model is not None and model.status == "live":
        plan.update(Model, name, status="retired", retired_at=timestamp)


def _note_rollback_reason(plan: Plan, name: str) -> None:
    """Noted while traffic goes back: the alarm that caused it may be OK again before that is over."""
    model = plan.model(name)
    reason = None if model is None else _alarm_reason(plan, model)
    if model is not None and model.status in UNDER_WAY and reason is not None:
        plan.update(Model, name, reason=reason[:MAX_REASON_CHARACTERS])


def _record_rollback(plan: Plan, name: str, state: EndpointState) -> None:
    model = plan.model(name)
    if model is not None:
        # SageMaker's own reason may be empty.
        reason = model.reason or _alarm_reason(plan, model) or state.reason or "rolled back"
        _record_not_deployed(plan, name, "rolled_back", reason, state.changed_at)


def _alarm_reason(plan: Plan, model: Model) -> str | None:
    """The rollback alarms of this model that are in ALARM, each with CloudWatch's reason."""
    active = plan.observation.active_alarms
    alarms = rollback_alarms.alarms_of(plan.settings, model)
    return "; ".join(f"{alarm}: {active[alarm]}" for alarm in alarms if alarm in active) or None


def _record_not_deployed(
    plan: Plan, name: str, status: Literal["rolled_back", "failed"], reason: str, timestamp: datetime
) -> None:
    model = plan.model(name)
    if model is None or model.status not in UNDER_WAY:
        return
    reason = reason[:MAX_REASON_CHARACTERS]
    plan.update(Round, model.round, deployment=status, deployment_reason=reason, deployed_at=timestamp)
    plan.update(Model, name, status=status, reason=reason)


# --- the endpoint: its next step --------------------------------------------------------------------------------------


def advance_endpoint(plan: Plan) -> None:
    """Take the endpoint down if it is paused, end a resumption that is over, deploy the model that is wanted."""
    endpoint, state = plan.endpoint, plan.state
    if endpoint.pause == "paused":
        if plan.is_settled and state is not None:
            _take_down(plan)
        elif plan.is_settled and endpoint.desired_model is not None:
            deploy(plan, endpoint.desired_model)  # notes it for the end of the pause
        return
    has_come_up = plan.is_settled and state is not None and (state.is_serving or state.status == "Failed")
    if endpoint.pause == "resuming" and has_come_up:
        # If it failed, the pause is over as well, so that the NoModel alarm may start a round.
        plan.update_endpoint(pause=None, model_after_resume=None)
    desired = endpoint.desired_model
    if desired is None and endpoint.pause == "resuming" and state is None:
        desired = endpoint.model_after_resume
    # Under way without being noted: an attempt died after it had asked SageMaker.
    is_unnoted = desired is not None and endpoint.deploying_model is None and _leads_to(plan, desired)
    if desired is not None and (plan.is_settled or is_unnoted):
        deploy(plan, desired)


def _leads_to(plan: Plan, model: str) -> bool:
    """Whether the change under way leads to ``model``."""
    configuration = build_resource_name(plan.settings.stack, model)
    return plan.state is not None and plan.state.status in ENDPOINT_TRANSITIONS and plan.state.pending == configuration


def _take_down(plan: Plan) -> None:
    """Delete the endpoint, which is paused and not changing; the model that answers after the pause is noted first."""
    endpoint = plan.endpoint
    before = plan.observation.endpoint
    resumes = endpoint.desired_model or endpoint.serving_model or (None if before is None else before.serving_model)
    if endpoint.desired_model is not None or (resumes is not None and endpoint.model_after_resume is None):
        plan.update_endpoint(model_after_resume=resumes, desired_model=None)
    plan.do(DeleteEndpoint())


EndpointStep = Literal["create", "update", "delete", "wait", "wait_for_deletion", "none"]


def next_step(state: EndpointState | None, configuration: str) -> EndpointStep:
    """What brings the endpoint to ``configuration``.

    While an endpoint changes, SageMaker refuses another change, and announces the end of this one by an event. A failed
    endpoint can only be replaced, and no event announces the end of its deletion: the schedule goes on then.
    """
    if state is None:
        return "create"
    if state.status in ENDPOINT_TRANSITIONS:
        return "wait"
    match state.status:
        case "Failed":
            return "delete"
        case "Deleting":
            return "wait_for_deletion"
    return "none" if state.status == "InService" and state.configuration == configuration else "update"


def deploy(plan: Plan, name: str) -> None:
    """Want a model behind the endpoint, and start that unless the endpoint is changing or paused.

    If it is changing, a later event deploys the model; if it is paused, the model answers once it is resumed. A model
    that has been submitted before is left alone.
    """
    model = plan.model(name)
    if model is None or model.archive is None:
        raise NoArchiveError(f"the model {name} has no archive")
    if model.status != "candidate":
        return
    if plan.endpoint.pause == "paused":
        plan.update_endpoint(model_after_resume=name, desired_model=None)
        return
    configuration = build_resource_name(plan.settings.stack, name)
    plan.do(ProvideModel(name, model.archive, configuration))
    plan.update_endpoint(desired_model=name)
    state = plan.state
    step = next_step(state, configuration)
    match step:
        case "create":
            plan.do(_retarget(plan, model, configuration))
            plan.do(CreateEndpoint(configuration))
        case "update":
            plan.do(_retarget(plan, model, configuration))
            plan.do(UpdateEndpoint(configuration, rollback_alarms.alarms_of(plan.settings, model)))
        case "delete":
            plan.do(DeleteEndpoint())
            return
        case "wait_for_deletion":
            return
        case "wait" if not _leads_to(plan, name):
            return
        case _:
            pass  # it serves the model already, or an attempt that died had asked for it
    # What the endpoint says of an earlier time is not about this deployment.
    plan.update_endpoint(deploying_model=name, deploying_since=NEVER if state is None else state.changed_at)
    plan.update(Model, name, status="deploying")
    if step == "none" and state is not None:
        _record_already_served(plan, name, state)


def _record_already_served(plan: Plan, name: str, state: EndpointState) -> None:
    """An endpoint that serves the model already sends no event."""
    before = plan.endpoint
    _record_live(plan, name, state.changed_at)
    if before.serving_model is not None and before.serving_model != name:
        _retire(plan, before.serving_model, state.changed_at)
    plan.update_endpoint(
        serving_model=name,
        desired_model=None,
        status=state.status,
        deploying_model=None,
        deploying_since=None,
        updated_at=state.changed_at,
    )
    if before.pause == "resuming":
        plan.update_endpoint(pause=None, model_after_resume=None)


def _retarget(plan: Plan, model: Model, configuration: str) -> RetargetAlarms:
    champion = plan.model(plan.endpoint.serving_model)
    threshold = rollback_alarms.rollback_threshold(model, champion, plan.settings.error_ratio)
    return RetargetAlarms(model.name, configuration, threshold)
