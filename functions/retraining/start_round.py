"""Handling a trigger: decide, record the decision, and start the round.

Each step can be repeated, and each leaves what the next attempt needs to continue. If an attempt crashes between any
two steps, Lambda's retry of the event completes the same round:

1. the lock is acquired for the round, which also fixes the cut-off of the dataset;
2. the decision is recorded under the event's id, and not taken again;
3. the dataset's files are written, the same in every attempt;
4. the round is recorded, and its dataset with it;
5. the training job is created under the round's name, which SageMaker accepts once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from retraining import dataset_manifest, round_lock, source_archive
from retraining.champion import find_champion, is_deploying
from retraining.decision import DecisionInputs, Verdict, decide
from retraining.decision_inputs import load_decision_inputs, to_facts
from retraining.sagemaker_job import TrainingJobSpec, build_request, create_training_job
from retraining.settings import Settings
from rounds import (
    AwsContext,
    Decision,
    InFlightRound,
    Model,
    Round,
    build_job_name,
    format_iso,
    format_name_stamp,
    release_round_lock,
    s3_prefixes,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from retraining.triggers import Trigger
    from rounds import Store

DECISION_RETENTION = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingContext(AwsContext[Settings]):
    """The retraining function's settings, clients and clock."""

    on_round_failed: Callable[[], None] = lambda: None
    """Called at least once for every round marked failed here; the TrainingFailed alarm depends on it."""


@dataclass(frozen=True, slots=True)
class TriggerResult:
    """The decision about a trigger, and whether this very attempt created the job or recorded the refusal."""

    decision: Decision
    round_started: bool = False
    round_refused: bool = False


def handle_trigger(trigger: Trigger, context: RetrainingContext, *, lease: timedelta) -> TriggerResult:
    """Decide about a trigger and start its round, or complete what an earlier attempt began.

    ``lease`` is the longest time that this attempt may take. Errors of AWS are raised: Lambda retries the event.
    """
    decision = context.store.get(Decision, trigger.decision_name)
    is_new = False
    if decision is None:
        decision, is_new = _decide(trigger, context, lease)
    if decision.outcome == "refuse":
        release_round_lock(context.store, trigger.round_name, event=trigger.event_id)
        return TriggerResult(decision, round_refused=is_new)
    return TriggerResult(decision, round_started=_start(trigger, context, lease))


def _decide(trigger: Trigger, context: RetrainingContext, lease: timedelta) -> tuple[Decision, bool]:
    """Decide and record it; False if another attempt recorded a decision first, which then holds.

    For a start the lock is acquired before the decision is recorded.
    """
    now = context.clock()
    store, settings = context.store, context.settings
    in_flight = round_lock.find_in_flight(
        store,
        context.sagemaker,
        now=now,
        round_name=trigger.round_name,
        on_round_failed=context.on_round_failed,
    )
    # Names of rounds have a resolution of one second. Of two requests within a second, the later one is refused.
    is_other = in_flight is not None and in_flight.event != trigger.event_id
    inputs = load_decision_inputs(
        trigger,
        store=store,
        cloudwatch=context.cloudwatch,
        service=settings.service,
        endpoint_name=settings.endpoint,
        in_flight=in_flight.round if in_flight is not None and is_other else None,
        is_deploying=is_deploying(context.sagemaker, settings.endpoint),
        now=now,
    )
    verdict = decide(trigger.kind, inputs, settings.policy)
    if verdict.outcome == "start":
        verdict = _reserve(trigger, context, now, lease) or verdict
    decision = Decision(
        name=trigger.decision_name,
        cause=trigger.cause,
        trigger=trigger.kind,
        outcome=verdict.outcome,
        reason=verdict.reason,
        round=trigger.round_name,
        decided_at=now,
        facts=_collect_facts(trigger, inputs, settings),
        expires_at=int((now + DECISION_RETENTION).timestamp()),
    )
    if store.create(decision):
        return decision, True
    return store.get(Decision, trigger.decision_name) or decision, False


def _reserve(trigger: Trigger, context: RetrainingContext, now: datetime, lease: timedelta) -> Verdict | None:
    """Acquire the lock for the round; a refusal if the name, the lock or the samples are not available."""
    if _is_name_taken(context.store, trigger):
        return Verdict("refuse", "already_played")
    holder = round_lock.acquire(context.store, _build_in_flight(trigger, context, now, lease))
    if holder is None:
        return Verdict("refuse", "in_flight")
    if not dataset_manifest.has_objects(context.s3, context.settings.bucket, cut_off=holder.cut_off):
        return Verdict("refuse", "no_stored_samples")
    return None


def _collect_facts(trigger: Trigger, inputs: DecisionInputs, settings: Settings) -> dict[str, object]:
    """What the decision's record keeps, under the stored names."""
    return {
        **to_facts(inputs),
        "alarm": trigger.alarm,
        "recent_since": None if trigger.drift_start is None else format_iso(trigger.drift_start),
        "note": trigger.note,
        "entrant": trigger.entrant,
        "minimum_samples": settings.minimum_samples,
        "cool_down_seconds": settings.cool_down_seconds,
        "rounds_per_day": settings.rounds_per_day,
    }


def _is_name_taken(store: Store, trigger: Trigger) -> bool:
    """Whether another event within the same second had a round of this name."""
    existing = store.get(Round, trigger.round_name)
    return existing is not None and existing.event != trigger.event_id


def _start(trigger: Trigger, context: RetrainingContext, lease: timedelta) -> bool:
    """Continue a round that was decided until its job exists; True if this attempt created the job."""
    store, settings, now = context.store, context.settings, context.clock()
    existing = store.get(Round, trigger.round_name)
    if existing is not None and (existing.status != "started" or existing.event != trigger.event_id):
        return False
    holder = round_lock.acquire(store, _build_in_flight(trigger, context, now, lease))
    if holder is None:
        # Another round acquired the lock after this one's lease had ended. The decision stays, the round has failed.
        store.create(_build_round(trigger, context, now))
        context.on_round_failed()
        round_lock.mark_failed(store, trigger.round_name, "lock_lost", now)
        return False
    round_ = existing or _create_round(trigger, context, holder, now)
    archive = source_archive.build_source_archive()
    source = f"{s3_prefixes.SOURCE}{archive.digest}"
    context.s3.put_object(Bucket=settings.bucket, Key=f"{source}/sourcedir.tar.gz", Body=archive.content)
    champion = None if round_.champion is None else store.get(Model, round_.champion)
    bucket = f"s3://{settings.bucket}"
    job = TrainingJobSpec(
        name=round_.job,
        round=round_.name,
        cause=trigger.cause,
        entrant=trigger.entrant,
        manifest=f"{bucket}/{s3_prefixes.DATASETS}{round_.name}/manifest.json",
        dataset=f"{bucket}/{s3_prefixes.DATASETS}{round_.name}/dataset.json",
        source=f"{bucket}/{source}/",
        champion=None if champion is None else champion.archive,
        hyperparameters=trigger.hyperparameters,
    )
    return create_training_job(context.sagemaker, build_request(job, settings))


def _create_round(trigger: Trigger, context: RetrainingContext, holder: InFlightRound, now: datetime) -> Round:
    """Write the dataset and record the round."""
    store, settings = context.store, context.settings
    stored = dataset_manifest.list_objects(context.s3, settings.bucket, cut_off=holder.cut_off)
    objects = dataset_manifest.select_objects(stored, settings.maximum_samples)
    champion = find_champion(store, context.sagemaker, settings.endpoint)
    recent_since = trigger.drift_start or _find_unseen_since(store, champion)
    spec = dataset_manifest.build_dataset_spec(
        objects,
        round_name=trigger.round_name,
        round_stamp=format_name_stamp(trigger.occurred_at),
        recent_since=recent_since,
        champion=None if champion is None else champion.name,
        maximum_samples=settings.maximum_samples,
    )
    dataset = dataset_manifest.write_dataset(
        context.s3, settings.bucket, objects, spec, cut_off=holder.cut_off, stored_objects=len(stored)
    )
    round_ = _build_round(trigger, context, now).model_copy(
        update={
            "dataset": dataset,
            "champion": None if champion is None else champion.name,
            "recent_since": recent_since,
        }
    )
    store.create(round_)
    return store.get(Round, trigger.round_name) or round_


def _find_unseen_since(store: Store, champion: Model | None) -> datetime | None:
    """Where the samples begin that the champion was not trained on; older ones would flatter its error."""
    champion_round = None if champion is None else store.get(Round, champion.round)
    return None if champion_round is None or champion_round.dataset is None else champion_round.dataset.split_at


def _build_round(trigger: Trigger, context: RetrainingContext, now: datetime) -> Round:
    return Round(
        name=trigger.round_name,
        cause=trigger.cause,
        trigger=trigger.kind,
        event=trigger.event_id,
        alarm=trigger.alarm,
        entrant=trigger.entrant,
        started_at=now,
        job=build_job_name(context.settings.stack, trigger.round_name),
        recent_since=trigger.drift_start,
    )


def _build_in_flight(trigger: Trigger, context: RetrainingContext, now: datetime, lease: timedelta) -> InFlightRound:
    return InFlightRound(
        round=trigger.round_name,
        job=build_job_name(context.settings.stack, trigger.round_name),
        event=trigger.event_id,
        cut_off=now,
        lease_until=now + lease,
    )
