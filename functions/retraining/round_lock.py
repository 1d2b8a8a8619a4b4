"""The lock that admits one round at a time: who holds it, and when a stale holder loses it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from rounds import InFlightRound, Round, RoundLock, is_not_found, release_round_lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_sagemaker import SageMakerClient

    from rounds import Store

RESULT_GRACE_PERIOD = timedelta(minutes=10)
"""How long after a job's end promotion may take, retries included, to record the result and release the lock."""
TERMINAL_STATUSES = frozenset({"Completed", "Failed", "Stopped"})


@dataclass(frozen=True, slots=True)
class Job:
    """A training job as SageMaker describes it; ``ended_at`` is None while it runs."""

    status: str
    ended_at: datetime | None


def describe_job(sagemaker: SageMakerClient, name: str) -> Job | None:
    """The training job, or None if SageMaker has none of that name. Other errors of AWS are raised."""
    try:
        response = sagemaker.describe_training_job(TrainingJobName=name)
    except ClientError as error:
        if is_not_found(error):
            return None
        raise
    status = response["TrainingJobStatus"]
    ended_at = response.get("TrainingEndTime") or response.get("LastModifiedTime") or response["CreationTime"]
    return Job(status, ended_at if status in TERMINAL_STATUSES else None)


def stale_reason(holder: InFlightRound, job: Job | None, now: datetime) -> str | None:
    """Why the lock's holder will not release it any more; None while it still may."""
    if job is None:
        return "job_never_started" if now > holder.lease_until else None
    if job.ended_at is not None and now > job.ended_at + RESULT_GRACE_PERIOD:
        return "result_never_recorded"
    return None


def find_in_flight(
    store: Store, sagemaker: SageMakerClient, *, now: datetime, round_name: str, on_round_failed: Callable[[], None]
) -> InFlightRound | None:
    """The round that holds the lock, if any.

    A stale holder is marked failed, reported to ``on_round_failed``, and loses the lock, unless it is ``round_name``
    itself.
    """
    lock = store.get(RoundLock, RoundLock.ONLY_NAME)
    if lock is None or lock.holder is None or lock.holder.round == round_name:
        return None if lock is None else lock.holder
    holder = lock.holder
    reason = stale_reason(holder, describe_job(sagemaker, holder.job), now)
    if reason is None:
        return holder
    mark_failed(store, holder.round, reason, now)
    # Reported before the release: if this attempt crashes in between, the next one finds the lock and reports again.
    on_round_failed()
    release_round_lock(store, holder.round)
    return None


def acquire(store: Store, candidate: InFlightRound) -> InFlightRound | None:
    """Acquire the lock for a round; None if another round holds it.

    If an earlier attempt of the same event holds it, its lease is renewed and its cut-off stays.
    """
    store.create(RoundLock())

    def hold(lock: RoundLock) -> RoundLock | None:
        holder = lock.holder
        if holder is None:
            return lock.model_copy(update={"holder": candidate})
        if (holder.round, holder.event) == (candidate.round, candidate.event):
            renewed = holder.model_copy(update={"lease_until": candidate.lease_until})
            return lock.model_copy(update={"holder": renewed})
        return None

    lock = store.update(RoundLock, RoundLock.ONLY_NAME, hold)
    return None if lock is None else lock.holder


def mark_failed(store: Store, round_name: str, reason: str, now: datetime) -> None:
    """Record that a started round has failed. A round that has ended stays unchanged."""
    failed = {"status": "failed", "reason": reason, "finished_at": now}

    def fail(round_: Round) -> Round | None:
        return round_.model_copy(update=failed) if round_.status == "started" else None

    store.update(Round, round_name, fail)
