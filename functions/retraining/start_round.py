"""A cause is answered: decide, record, and start the round.

Each step can be repeated, and each leaves behind what the next attempt needs to go on from there. An attempt that
dies between any two steps is therefore completed by Lambda's retry of the same event, into the same one round:

1. the lock is taken for the round (it also fixes the cut-off of the dataset);
2. the decision is recorded under the event's id: what was decided once is not decided again;
3. the dataset's files are written, the same in every attempt;
4. the round is recorded: from here on its dataset is settled;
5. the training job is created under the round's name, which SageMaker takes once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from retraining import dataset_manifest, round_lock, source_archive
from retraining.champion import champion, deploying
from retraining.decision import Verdict, decide
from retraining.decision_inputs import as_record, load_decision_inputs
from retraining.sagemaker_job import TrainingJobSpec, request, start
from rounds import Decision, InFlightRound, Model, Round, build_job_name, format_iso, format_name_stamp

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

    from retraining.settings import Settings
    from retraining.triggers import Trigger
    from rounds import Store

REMEMBERED = timedelta(days=90)
"""How long decisions are kept; most of them are refusals."""


@dataclass(frozen=True, slots=True)
class RetrainingContext:
    """What a cause is answered with."""

    settings: Settings
    store: Store
    s3: S3Client
    sagemaker: SageMakerClient
    cloudwatch: CloudWatchClient
    clock: Callable[[], datetime]
    tell_failed: Callable[[], None] = lambda: None
    """Hears of every round that is given up here; at least once, since an alarm hangs on it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The decision, and what this attempt itself did about it, for the metrics."""

    decision: Decision
    started: bool = False
    refused: bool = False


def answer(cause: Trigger, around: RetrainingContext, *, lease: timedelta) -> Answer:
    """Answer a cause. ``lease`` is how long this attempt can last at most.

    Errors of AWS pass through: the event is then tried again.
    """
    decided = around.store.get(Decision, cause.decision)
    first = False
    if decided is None:
        decided, first = _decide(cause, around, lease)
    if decided.outcome == "refuse":
        round_lock.release(around.store, cause.round, event=cause.event)
        return Answer(decided, refused=first)
    return Answer(decided, started=_go_on(cause, around, lease))


def _decide(cause: Trigger, around: RetrainingContext, lease: timedelta) -> tuple[Decision, bool]:
    """Decide, with the lock in hand if the answer is start. The first recorded decision about an event stands."""
    now = around.clock()
    store, settings = around.store, around.settings
    flying = round_lock.current(store, around.sagemaker, now=now, own=cause.round, tell_failed=around.tell_failed)
    # Two people may ask in the same second, which is all that a round's name tells apart; one of them has to wait.
    other = None if flying is None or flying.event == cause.event else flying.round
    evidence = load_decision_inputs(
        cause,
        store=store,
        cloudwatch=around.cloudwatch,
        service=settings.service,
        endpoint_name=settings.endpoint,
        in_flight=other,
        deploying=deploying(around.sagemaker, settings.endpoint),
        now=now,
    )
    verdict = decide(cause.trigger, evidence.facts, settings.policy)
    facts = as_record(evidence)
    if verdict.outcome == "start" and _is_taken(store, cause):
        verdict = Verdict("refuse", "already_played")
    if verdict.outcome == "start":
        held = round_lock.acquire(store, _flight(cause, around, now, lease))
        if held is None:
            verdict = Verdict("refuse", "in_flight")
        elif not dataset_manifest.is_anything_stored(around.s3, settings.bucket, cut_off=held.cut_off):
            verdict = Verdict("refuse", "no_stored_samples")
    decision = Decision(
        name=cause.decision,
        cause=cause.name,
        trigger=cause.trigger,
        outcome=verdict.outcome,
        reason=verdict.reason,
        round=cause.round,
        decided_at=now,
        facts={
            **facts,
            "alarm": cause.alarm,
            "recent_since": None if cause.recent_since is None else format_iso(cause.recent_since),
            "note": cause.note,
            "entrant": cause.entrant,
            "minimum_samples": settings.minimum_samples,
            "cool_down_seconds": settings.cool_down_seconds,
            "rounds_per_day": settings.rounds_per_day,
        },
        expires_at=int((now + REMEMBERED).timestamp()),
    )
    if store.create(decision):
        return decision, True
    return store.get(Decision, cause.decision) or decision, False


def _is_taken(store: Store, cause: Trigger) -> bool:
    """Whether another event had a round of this name: a second is all that a name tells apart, and this one is late."""
    played = store.get(Round, cause.round)
    return played is not None and played.event != cause.event


def _go_on(cause: Trigger, around: RetrainingContext, lease: timedelta) -> bool:
    """Bring a decided round to its running job; True if this attempt created the job."""
    store, now = around.store, around.clock()
    begun = store.get(Round, cause.round)
    if begun is not None and (begun.status != "started" or begun.event != cause.event):
        return False
    held = round_lock.acquire(store, _flight(cause, around, now, lease))
    if held is None:
        # Another round took the lock while this one lay dead. The decision stands as it was made; the round is lost.
        store.create(_round(cause, around, now))
        around.tell_failed()
        round_lock.fail(store, cause.round, "lock_lost", now)
        return False
    round_ = begun or _begin(cause, around, held, now)
    archive = source_archive.build_source_archive()
    code = f"source/{archive.digest}"
    around.s3.put_object(Bucket=around.settings.bucket, Key=f"{code}/sourcedir.tar.gz", Body=archive.content)
    standing = None if round_.champion is None else store.get(Model, round_.champion)
    bucket = f"s3://{around.settings.bucket}"
    order = TrainingJobSpec(
        name=round_.job,
        round=round_.name,
        cause=cause.name,
        entrant=cause.entrant,
        manifest=f"{bucket}/datasets/{round_.name}/manifest.json",
        description=f"{bucket}/datasets/{round_.name}/dataset.json",
        source=f"{bucket}/{code}/",
        champion=None if standing is None else standing.archive,
        hyperparameters=cause.hyperparameters,
    )
    return start(around.sagemaker, request(order, around.settings))


def _begin(cause: Trigger, around: RetrainingContext, held: InFlightRound, now: datetime) -> Round:
    """Write the dataset and record the round."""
    store, settings = around.store, around.settings
    stored = dataset_manifest.stored_objects(around.s3, settings.bucket, cut_off=held.cut_off)
    objects = dataset_manifest.select_objects(stored, settings.maximum_samples)
    standing = champion(store, around.sagemaker, settings.endpoint)
    since = cause.recent_since or _unseen_since(store, standing)
    details = dataset_manifest.dataset_spec(
        objects,
        round_name=cause.round,
        round_stamp=format_name_stamp(cause.at),
        recent_since=since,
        champion=None if standing is None else standing.name,
        maximum_samples=settings.maximum_samples,
    )
    written = dataset_manifest.write(
        around.s3, settings.bucket, objects, details, cut_off=held.cut_off, stored=len(stored)
    )
    round_ = _round(cause, around, now).model_copy(
        update={
            "dataset": written,
            "champion": None if standing is None else standing.name,
            "recent_since": since,
        }
    )
    store.create(round_)
    return store.get(Round, cause.round) or round_


def _unseen_since(store: Store, standing: Model | None) -> datetime | None:
    """Where the samples begin that the champion has not learnt from. On older ones its score would be too good."""
    own = None if standing is None else store.get(Round, standing.round)
    return None if own is None or own.dataset is None else own.dataset.split_at


def _round(cause: Trigger, around: RetrainingContext, now: datetime) -> Round:
    return Round(
        name=cause.round,
        cause=cause.name,
        trigger=cause.trigger,
        event=cause.event,
        alarm=cause.alarm,
        entrant=cause.entrant,
        started_at=now,
        job=build_job_name(around.settings.stack, cause.round),
        recent_since=cause.recent_since,
    )


def _flight(cause: Trigger, around: RetrainingContext, now: datetime, lease: timedelta) -> InFlightRound:
    return InFlightRound(
        round=cause.round,
        job=build_job_name(around.settings.stack, cause.round),
        event=cause.event,
        cut_off=now,
        lease_until=now + lease,
    )
