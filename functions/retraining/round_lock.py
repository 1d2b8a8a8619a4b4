"""One round in flight: who holds the lock, and when it is taken from a round that will not give it back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from rounds import InFlightRound, Round, RoundLock, is_not_found

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_sagemaker import SageMakerClient

    from rounds import Store

RESULT_GRACE_PERIOD = timedelta(minutes=10)
"""Promotion has this long after a job's end, its own retries included, to record the round and free the lock."""
_TERMINAL = {"Completed", "Failed", "Stopped"}


@dataclass(frozen=True, slots=True)
class Job:
    """A training job as SageMaker describes it; ``ended_at`` only once it has ended."""

    status: str
    ended_at: datetime | None


def describe_job(sagemaker: SageMakerClient, name: str) -> Job | None:
    """The job, or nothing if SageMaker has none of that name."""
    try:
        answer = sagemaker.describe_training_job(TrainingJobName=name)
    except ClientError as error:
        if is_not_found(error):
            return None
        raise
    status = answer["TrainingJobStatus"]
    ended = answer.get("TrainingEndTime") or answer.get("LastModifiedTime") or answer["CreationTime"]
    return Job(status, ended if status in _TERMINAL else None)


def stale_reason(flight: InFlightRound, job: Job | None, now: datetime) -> str | None:
    """Why nobody will end this flight any more; None while somebody may."""
    if job is None:
        return "job_never_started" if now > flight.lease_until else None
    if job.ended_at is not None and now > job.ended_at + RESULT_GRACE_PERIOD:
        return "result_never_recorded"
    return None


def current(
    store: Store, sagemaker: SageMakerClient, *, now: datetime, own: str, tell_failed: Callable[[], None]
) -> InFlightRound | None:
    """The round in flight. An abandoned one is recorded as failed, told, and its lock freed; ``own`` is left alone."""
    lock = store.get(RoundLock, "round")
    if lock is None or lock.holder is None or lock.holder.round == own:
        return None if lock is None else lock.holder
    flight = lock.holder
    reason = stale_reason(flight, describe_job(sagemaker, flight.job), now)
    if reason is None:
        return flight
    fail(store, flight.round, reason, now)
    tell_failed()  # while the lock is there, an attempt that dies is repeated
    release(store, flight.round)
    return None


def acquire(store: Store, flight: InFlightRound) -> InFlightRound | None:
    """Take the lock; None if another round has it.

    If this event has it already, from an attempt that died, its lease is renewed and its cut-off stays.
    """
    store.create(RoundLock())

    def hold(lock: RoundLock) -> RoundLock | None:
        if lock.holder is None:
            return lock.model_copy(update={"holder": flight})
        if (lock.holder.round, lock.holder.event) == (flight.round, flight.event):
            return lock.model_copy(
                update={"holder": lock.holder.model_copy(update={"lease_until": flight.lease_until})}
            )
        return None

    held = store.update(RoundLock, "round", hold)
    return None if held is None else held.holder


def release(store: Store, round_name: str, *, event: str | None = None) -> None:
    """Free the lock if this round holds it; with ``event``, only if that event took it."""

    def free(lock: RoundLock) -> RoundLock | None:
        held = lock.holder
        mine = held is not None and held.round == round_name and event in {None, held.event}
        return lock.model_copy(update={"holder": None}) if mine else None

    store.update(RoundLock, "round", free)


def fail(store: Store, round_name: str, reason: str, now: datetime) -> None:
    """Record that a started round has failed; what is finished stays as it is."""
    ended = {"status": "failed", "reason": reason, "finished_at": now}
    store.update(Round, round_name, lambda one: one.model_copy(update=ended) if one.status == "started" else None)
