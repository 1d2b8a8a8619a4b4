"""The policy about a round's end and about reviews of its winner. Pure functions on a plan.

The order makes every attempt repeatable: the models, the deployment, the round's end, its metric, and last the lock.
Until the round has ended, a repeated attempt does everything again and finds what is done already; after that it only
does what an attempt that died left undone.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from feature_schema import get_schema_hash
from promotion import model_registry
from promotion.actions import CountMetric, RegisterModel
from promotion.endpoint_policy import MAX_REASON_CHARACTERS, deploy, record_deployment
from promotion.outcomes import ApprovalResult, RoundResult
from promotion.promotion_gate import decide_promotion
from rounds import Candidate, Comparison, Model, Round, RoundLock

if TYPE_CHECKING:
    from datetime import datetime

    from promotion.job_results import Tournament, TournamentCandidate, TournamentComparison
    from promotion.observation import JobState, PackageState
    from promotion.plan import Plan
    from promotion.promotion_gate import PromotionDecision

WAITING = frozenset({"awaiting_approval", "rejected"})
"""Statuses of a model that a person has to approve first."""
ROUND_METRICS = {"promoted": "Promotions", "kept": "RoundsKept", "failed": "RoundsFailed"}


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
