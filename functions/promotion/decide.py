"""The whole policy of promotion: one pure function from an observation and an event to the actions to take.

Every event is decided on what SageMaker and the table say now, not on what the event says. So the order of events does
not matter, a repeated one finds nothing left to do, and the schedule's ``Reconcile`` catches up on lost ones.

The order of the actions makes every attempt repeatable: what tells that something is left to do is written last. A
deployment is noted as wanted before SageMaker is asked for it; a round's models come first, then its deployment, the
round's end, its metric, and last the lock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from feature_schema import get_schema_hash
from promotion import model_registry, rollback_alarms
from promotion.actions import (
    CountMetric,
    CreateEndpoint,
    DeleteEndpoint,
    ProvideModel,
    RegisterModel,
    RetargetAlarms,
    UpdateEndpoint,
)
from promotion.events import (
    EndpointChanged,
    JobEnded,
    OperatorRequest,
    PackageReviewed,
    Reconcile,
    UnusableRequest,
)
from promotion.plan import Plan
from promotion.promotion_gate import decide_promotion, is_promisable
from rounds import (
    ENDPOINT_TRANSITIONS,
    Candidate,
    Comparison,
    Model,
    RequestOutcome,
    Round,
    RoundLock,
    build_resource_name,
    parse_round_name,
)

if TYPE_CHECKING:
    from promotion.actions import Action
    from promotion.events import Event
    from promotion.job_results import Tournament, TournamentCandidate, TournamentComparison
    from promotion.observation import EndpointState, JobState, Observation, PackageState
    from promotion.promotion_gate import PromotionDecision
    from promotion.settings import Settings

DOWN = frozenset({"Failed", "Deleting", "OutOfService"})
UNDER_WAY = frozenset({"candidate", "deploying"})
WAITING = frozenset({"awaiting_approval", "rejected"})
"""Statuses of a model that a person has to approve first."""
NEVER = datetime.min.replace(tzinfo=UTC)
"""When an endpoint changed last that does not exist."""
MAX_REASON_CHARACTERS = 1_000
REQUEST_RETENTION = timedelta(days=30)
ROUND_METRICS = {"promoted": "Promotions", "kept": "RoundsKept", "failed": "RoundsFailed"}

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


class NoArchiveError(RuntimeError):
    """A model without an archive cannot be deployed."""


@dataclass(frozen=True, slots=True)
class EndpointResult:
    """The endpoint now: its status, the model that answers, the one that waits, and the one that was not deployed.

    ``undone`` is how that one failed: the endpoint went back to what it had, or never came up.
    """

    status: str
    live: str | None
    wanted: str | None = None
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
        return Decision((), _recorded_result(request))
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
    wanted = _still_wanted(plan, before.desired_model, ended={live, failed})
    if live is not None:
        _record_live(plan, live, state.changed_at)
    if before.serving_model is not None and before.serving_model != live:
        _retire(plan, before.serving_model, state.changed_at)
    _update_unless_outdated(
        plan,
        state.changed_at,
        serving_model=live,
        desired_model=wanted,
        status=state.status,
        reason=state.reason,
        deploying_model=None,
        deploying_since=None,
    )
    return EndpointResult(state.status, live, wanted, failed, None if failed is None else "rolled_back")


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
    wanted = _still_wanted(plan, before.desired_model, ended={failed})
    _update_unless_outdated(
        plan,
        timestamp,
        serving_model=None,
        desired_model=wanted,
        status=status,
        reason=reason,
        deploying_model=None,
        deploying_since=None,
    )
    return EndpointResult(status, None, wanted, failed, None if failed is None else "failed")


def _still_wanted(plan: Plan, wanted: str | None, *, ended: set[str | None]) -> str | None:
    model = plan.model(wanted)
    return wanted if model is not None and model.status == "candidate" and model.name not in ended else None


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
    wanted = endpoint.desired_model
    if wanted is None and endpoint.pause == "resuming" and state is None:
        wanted = endpoint.model_after_resume
    # Under way without being noted: an attempt died after it had asked SageMaker.
    is_unnoted = wanted is not None and endpoint.deploying_model is None and _leads_to(plan, wanted)
    if wanted is not None and (plan.is_settled or is_unnoted):
        deploy(plan, wanted)


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


# --- a round's end ----------------------------------------------------------------------------------------------------


def end_round(plan: Plan, name: str | None) -> RoundResult:
    """Record a finished training job: its round, its models, and the winner's deployment if it passes the gate."""
    round_ = None if name is None else plan.round(name)
    job = plan.observation.job
    if round_ is None:
        return RoundResult("not_ours")
    if round_.status != "started":
        return _finish_leftovers(plan, round_)
    if job is None or not job.has_ended:
        return RoundResult("not_ended", round_.name)
    ended_at = job.ended_at or plan.observation.observed_at
    if job.tournament is None:
        result = _fail_round(plan, round_, job.failure or "no result", ended_at)
    else:
        result = _record_tournament(plan, round_, job.tournament, job, ended_at)
    return _report_and_release(plan, result)


def _finish_leftovers(plan: Plan, round_: Round) -> RoundResult:
    """The round has ended; if its lock is still held, an attempt died after recording that."""
    lock = plan.lock
    if round_.status == "started" or lock is None or lock.holder is None or lock.holder.round != round_.name:
        return RoundResult("repeated", round_.name)
    result = RoundResult(round_.status, round_.name, round_.reason, round_.promoted)
    return _report_and_release(plan, result)


def _report_and_release(plan: Plan, result: RoundResult) -> RoundResult:
    """Count the round's end, then free its lock: an attempt that dies in between counts again."""
    plan.do(CountMetric(ROUND_METRICS[result.outcome]))
    lock = plan.lock
    if lock is not None and lock.holder is not None and lock.holder.round == result.round:
        plan.update(RoundLock, lock.name, holder=None)
    return result


def _fail_round(plan: Plan, round_: Round, reason: str, ended_at: datetime) -> RoundResult:
    reason = reason[:MAX_REASON_CHARACTERS]
    seconds = (ended_at - round_.started_at).total_seconds()
    plan.update(Round, round_.name, status="failed", reason=reason, finished_at=ended_at, seconds=seconds)
    return RoundResult("failed", round_.name, reason)


def _record_tournament(
    plan: Plan, round_: Round, tournament: Tournament, job: JobState, ended_at: datetime
) -> RoundResult:
    # By the record as it was: while it says that another model is on its way, that one is not overridden.
    decision = decide_promotion(
        tournament,
        champion=round_.champion,
        will_answer=plan.endpoint.next_model,
        schema_hash=get_schema_hash(),
    )
    _record_models(plan, round_, tournament, job.archive, ended_at)
    needs_approval = False
    if decision.promoted is not None:
        _register(plan, round_, tournament, decision.promoted, str(job.archive))
        winner = plan.model(decision.promoted)
        needs_approval = winner is not None and winner.status in WAITING
        if not needs_approval:
            record_deployment(plan)
            deploy(plan, decision.promoted)
    _finish_round(plan, round_, tournament, decision, ended_at, needs_approval=needs_approval)
    outcome: Literal["kept", "promoted"] = "kept" if decision.promoted is None else "promoted"
    return RoundResult(outcome, round_.name, decision.reason, decision.promoted)


def _register(plan: Plan, round_: Round, tournament: Tournament, name: str, archive: str) -> None:
    """Register a winner; in manual mode it waits for approval from then on."""
    model = plan.model(name)
    if model is None or model.package is not None:
        return
    is_manual = plan.settings.approval_mode == "manual"
    if is_manual and model.status == "candidate":  # before it can be approved
        plan.update(Model, name, status="awaiting_approval")
    plan.do(
        RegisterModel(
            model=name,
            archive=archive,
            description=f"{name}, the winner of {round_.name}",
            approval_status="PendingManualApproval" if is_manual else "Approved",
            properties=model_registry.properties(round_, tournament, name),
        )
    )


def _finish_round(
    plan: Plan,
    round_: Round,
    tournament: Tournament,
    decision: PromotionDecision,
    ended_at: datetime,
    *,
    needs_approval: bool,
) -> None:
    current = plan.round(round_.name) or round_  # the deployment may have been recorded meanwhile
    champion = tournament.champion
    plan.update(
        Round,
        round_.name,
        status="kept" if decision.promoted is None else "promoted",
        reason=decision.reason,
        dataset=None if round_.dataset is None else round_.dataset.model_copy(update=dict(tournament.dataset)),
        candidates=tuple(_candidate(candidate) for candidate in tournament.candidates),
        baseline_rmse=_valid_number(tournament.baseline_rmse),
        champion_rmse=None if champion is None else _valid_number(champion.rmse),
        comparison=_comparison(tournament.comparison),
        winner=tournament.winner,
        promoted=decision.promoted,
        finished_at=ended_at,
        seconds=(ended_at - round_.started_at).total_seconds(),
        deployment=current.deployment or ("awaiting_approval" if needs_approval else None),
    )


def _candidate(candidate: TournamentCandidate) -> Candidate:
    return Candidate(
        name=candidate.name,
        algorithm=candidate.algorithm,
        trained_on=candidate.trained_on,
        model=candidate.model,
        rmse=_valid_number(candidate.rmse),
        expected_error=_valid_number(candidate.expected_error),
        seconds=_valid_number(candidate.seconds),
        error=_candidate_error(candidate),
        hyperparameters=candidate.hyperparameters,
    )


def _comparison(comparison: TournamentComparison | None) -> Comparison | None:
    if comparison is None or not math.isfinite(comparison.mean_gain):
        return None
    return None if _valid_number(comparison.standard_error) is None else Comparison(**dict(comparison))


def _record_models(plan: Plan, round_: Round, tournament: Tournament, archive: str | None, ended_at: datetime) -> None:
    """A record for each candidate, and the champion's newest score; existing records of this round stay."""
    for candidate in tournament.candidates:
        if plan.model(candidate.model) is not None:
            continue
        error = _candidate_error(candidate)
        plan.create(
            Model(
                name=candidate.model,
                round=tournament.round,
                candidate=candidate.name,
                entrant=round_.entrant,
                algorithm=candidate.algorithm,
                trained_on=candidate.trained_on,
                test_rmse=_valid_number(candidate.rmse),
                test_set=tournament.round,
                expected_error=_valid_number(candidate.expected_error),
                archive=archive if candidate.name == tournament.winner else None,
                status="candidate" if error is None else "failed",
                reason=error,
                created_at=ended_at,
            )
        )
    champion = tournament.champion
    record = None if champion is None else plan.model(champion.model)
    rmse = None if champion is None else _valid_number(champion.rmse)
    if record is not None and rmse is not None and record.test_set < tournament.round:
        plan.update(Model, record.name, test_rmse=rmse, test_set=tournament.round)


def _candidate_error(candidate: TournamentCandidate) -> str | None:
    if candidate.error is not None:
        return candidate.error[:MAX_REASON_CHARACTERS]
    return None if _valid_number(candidate.rmse) is not None else "its test error is not a number"


def _valid_number(value: float | None) -> float | None:
    """A number that can be an error or an elapsed time, or None."""
    return value if value is not None and math.isfinite(value) and value >= 0 else None


# --- approvals --------------------------------------------------------------------------------------------------------


def review(plan: Plan, package: PackageState) -> ApprovalResult:
    """Deploy a model that a person has approved, or record that it was rejected."""
    model = plan.model(package.model)
    if plan.settings.approval_mode != "manual" or model is None or model.package != package.arn:
        return ApprovalResult("ignored", package.model)
    if package.approval_status == "Rejected" and model.status in WAITING:
        reason = (package.reason or "rejected in the model registry")[:MAX_REASON_CHARACTERS]
        plan.update(Round, model.round, deployment="rejected", deployment_reason=reason)
        plan.update(Model, model.name, status="rejected", reason=reason)
        return ApprovalResult("rejected", model.name)
    # "candidate": an attempt that died was about to deploy it.
    if package.approval_status != "Approved" or model.status not in {*WAITING, "candidate"}:
        return ApprovalResult("ignored", model.name)
    plan.update(Round, model.round, deployment=None, deployment_reason=None, deployed_at=None)
    if model.status in WAITING:
        plan.update(Model, model.name, status="candidate", reason=None)
    record_deployment(plan)
    deploy(plan, model.name)
    return ApprovalResult("submitted", model.name)


# --- operators' requests ----------------------------------------------------------------------------------------------


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
        return _recorded_result(plan.observation.request)
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


def _recorded_result(request: RequestOutcome) -> RequestResult:
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
