"""A training job has ended: its round is recorded, and its winner, if it may, is put behind the endpoint.

The order makes every attempt repeatable: models, endpoint, then the round's end, then its metric, then the lock. Until
the round has ended, a repeated event does everything again, and finds what is done already; after that it only does
what an attempt that died left over, and frees the lock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from feature_schema import get_schema_hash
from promotion import job_results as results
from promotion.model_registry import register
from promotion.promotion_gate import Verdict, judge
from promotion.submission import submit
from rounds import (
    Candidate,
    Comparison,
    Endpoint,
    Model,
    Round,
    RoundLock,
    parse_round_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mypy_boto3_sagemaker.type_defs import DescribeTrainingJobResponseTypeDef

    from promotion.context import Surroundings
    from promotion.job_results import Tournament, TournamentCandidate

Outcome = Literal["promoted", "kept", "failed", "repeated", "not_ours", "not_ended"]
_LONGEST_REASON = 1_000


@dataclass(frozen=True, slots=True)
class Ending:
    """What came of the event. ``reason`` is a code, or SageMaker's own words about a failed job."""

    outcome: Outcome
    round: str | None = None
    reason: str | None = None
    model: str | None = None


def job_ended(job: str, around: Surroundings, *, tell: Callable[[Ending], None] = lambda _ending: None) -> Ending:
    """Handle the end of the training job called ``job``. Errors of AWS pass through: the event is then tried again.

    ``tell`` hears of the ending once, and again only if an attempt died between that and freeing the lock: an alarm
    hangs on it, so that twice is better than never.
    """
    name = parse_round_name(around.settings.stack, job)
    round_ = None if name is None else around.store.get(Round, name)
    if round_ is None:
        return Ending("not_ours")
    if round_.status == "started":
        described = around.sagemaker.describe_training_job(TrainingJobName=job)
        if described["TrainingJobStatus"] not in {"Completed", "Failed", "Stopped"}:
            return Ending("not_ended", round_.name)
        ending = _end(round_, described, around)
    else:
        ending = Ending("repeated", round_.name)
    if ending.outcome == "repeated":
        ending = _unfinished(round_.name, around) or ending
    tell(ending)
    _release(round_.name, around)
    return ending


def _unfinished(name: str, around: Surroundings) -> Ending | None:
    """How the round ended, if an attempt recorded it and then died: the lock is still there."""
    lock, round_ = around.store.get(RoundLock, "round"), around.store.get(Round, name)
    if lock is None or lock.holder is None or lock.holder.round != name or round_ is None or round_.status == "started":
        return None
    return Ending(round_.status, name, round_.reason, round_.promoted)


def _end(round_: Round, job: DescribeTrainingJobResponseTypeDef, around: Surroundings) -> Ending:
    ended_at = job.get("TrainingEndTime") or around.clock()
    if job["TrainingJobStatus"] != "Completed":
        reason = job.get("FailureReason") or f"{job['TrainingJobStatus']}: {job['SecondaryStatus']}"
        return _fail(round_, reason, ended_at, around)
    uri = results.output_uri(job["OutputDataConfig"]["S3OutputPath"], job["TrainingJobName"])
    try:
        tournament = results.fetch(around.s3, uri, round_name=round_.name)
    except results.ResultsError as error:
        return _fail(round_, str(error), ended_at, around)
    endpoint = around.store.get(Endpoint, around.settings.endpoint)
    rival = None if endpoint is None else endpoint.next_model
    verdict = judge(tournament, champion=round_.champion, will_answer=rival, schema_hash=get_schema_hash())
    # A job without a winner leaves no archive.
    archive = job.get("ModelArtifacts", {}).get("S3ModelArtifacts")
    _record_models(tournament, archive, round_.entrant, ended_at, around)
    waits = False
    if verdict.promoted is not None:
        register(round_, tournament, verdict.promoted, str(archive), around)
        waits = _waits(verdict.promoted, around)
        if not waits:
            submit(verdict.promoted, around)
    finished = around.store.update(
        Round,
        round_.name,
        lambda one: _finished(one, tournament, verdict, ended_at, waits=waits) if one.status == "started" else None,
    )
    if finished is None:
        return Ending("repeated", round_.name)
    return Ending("kept" if verdict.promoted is None else "promoted", round_.name, verdict.reason, verdict.promoted)


def _waits(model: str, around: Surroundings) -> bool:
    """Whether a person has to approve it first."""
    record = around.store.get(Model, model)
    return record is not None and record.status in {"awaiting_approval", "rejected"}


def _fail(round_: Round, reason: str, ended_at: datetime, around: Surroundings) -> Ending:
    reason = reason[:_LONGEST_REASON]

    def failed(one: Round) -> Round | None:
        if one.status != "started":
            return None
        seconds = (ended_at - one.started_at).total_seconds()
        return one.model_copy(
            update={"status": "failed", "reason": reason, "finished_at": ended_at, "seconds": seconds}
        )

    changed = around.store.update(Round, round_.name, failed)
    return Ending("repeated" if changed is None else "failed", round_.name, reason)


def _finished(one: Round, tournament: Tournament, verdict: Verdict, ended_at: datetime, *, waits: bool) -> Round:
    champion, comparison = tournament.champion, tournament.comparison
    return one.model_copy(
        update={
            "status": "kept" if verdict.promoted is None else "promoted",
            "reason": verdict.reason,
            "dataset": None if one.dataset is None else one.dataset.model_copy(update=dict(tournament.dataset)),
            "candidates": tuple(_candidate(candidate) for candidate in tournament.candidates),
            "baseline_rmse": _number(tournament.baseline_rmse),
            "champion_rmse": None if champion is None else _number(champion.rmse),
            "comparison": _comparison(comparison),
            "winner": tournament.winner,
            "promoted": verdict.promoted,
            "finished_at": ended_at,
            "seconds": (ended_at - one.started_at).total_seconds(),
            "deployment": one.deployment or ("awaiting_approval" if waits else None),
        }
    )


def _candidate(one: TournamentCandidate) -> Candidate:
    return Candidate(
        name=one.name,
        algorithm=one.algorithm,
        trained_on=one.trained_on,
        model=one.model,
        rmse=_number(one.rmse),
        expected_error=_number(one.expected_error),
        seconds=_number(one.seconds),
        error=_error(one),
        hyperparameters=one.hyperparameters,
    )


def _comparison(one: results.TournamentComparison | None) -> Comparison | None:
    if one is None or not (math.isfinite(one.mean_gain) and _number(one.standard_error) is not None):
        return None
    return Comparison(**dict(one))


def _record_models(
    tournament: Tournament, archive: str | None, entrant: str | None, ended_at: datetime, around: Surroundings
) -> None:
    """A record for each candidate, and the champion's newest score; existing records of this round stay."""
    for one in tournament.candidates:
        error = _error(one)
        around.store.create(
            Model(
                name=one.model,
                round=tournament.round,
                candidate=one.name,
                entrant=entrant,
                algorithm=one.algorithm,
                trained_on=one.trained_on,
                test_rmse=_number(one.rmse),
                test_set=tournament.round,
                expected_error=_number(one.expected_error),
                archive=archive if one.name == tournament.winner else None,
                status="candidate" if error is None else "failed",
                reason=error,
                created_at=ended_at,
            )
        )
    champion = tournament.champion
    rescored = None if champion is None else _number(champion.rmse)
    if champion is None or rescored is None:
        return
    update = {"test_rmse": rescored, "test_set": tournament.round}
    around.store.update(
        Model,
        champion.model,
        lambda model: model.model_copy(update=update) if model.test_set < tournament.round else None,
    )


def _error(one: TournamentCandidate) -> str | None:
    if one.error is not None:
        return one.error[:_LONGEST_REASON]
    return None if _number(one.rmse) is not None else "its test error is not a number"


def _number(value: float | None) -> float | None:
    """A number that can be an error or a time taken, or nothing."""
    return value if value is not None and math.isfinite(value) and value >= 0 else None


def _release(round_name: str, around: Surroundings) -> None:
    def free(lock: RoundLock) -> RoundLock | None:
        mine = lock.holder is not None and lock.holder.round == round_name
        return lock.model_copy(update={"holder": None}) if mine else None

    around.store.update(RoundLock, "round", free)
