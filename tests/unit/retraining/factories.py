"""Triggers, a cloud with samples in it, and past rounds, for tests of the retraining function."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from retraining.settings import Settings
from retraining.start_round import RetrainingContext, TriggerResult, handle_trigger
from retraining.triggers import Trigger
from rounds import Decision, Endpoint, Model, Round, RoundLock, Store
from tests.unit.fake_aws import BUCKET, ENDPOINT, NOW, STACK, Cloud

LEASE = timedelta(seconds=120)
BREACH_START = NOW - timedelta(minutes=11)
ALARM_AT = NOW - timedelta(seconds=5)
MODEL_ERROR = Trigger(
    cause="model-error",
    kind="alarm",
    event_id="dwell-ModelError@then",
    occurred_at=ALARM_AT,
    alarm="dwell-ModelError",
    drift_start=BREACH_START,
)
NO_MODEL = Trigger(
    cause="no-model",
    kind="schedule",
    event_id="dwell-NoModel@then",
    occurred_at=NOW - timedelta(seconds=4),
    alarm="dwell-NoModel",
)
MANUAL = Trigger(
    cause="manual",
    kind="manual",
    event_id="operator:a",
    occurred_at=NOW - timedelta(seconds=4),
    entrant="Team A",
    hyperparameters={"xgboost.eta": 0.3},
)
JOB = "dwell-20261123T063900Z-model-error"
CHAMPION = "xgboost-20261123T051100Z"
ENVIRONMENT = {
    "POWERTOOLS_SERVICE_NAME": STACK,
    "STACK_NAME": STACK,
    "BUCKET_NAME": BUCKET,
    "TABLE_NAME": "dwell-rounds",
    "ENDPOINT_NAME": ENDPOINT,
    "TRAINING_ROLE_ARN": "arn:aws:iam::123456789012:role/dwell-training",
    "TRAINING_IMAGE": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0",
    "TRAINING_INSTANCE_TYPE": "ml.m5.xlarge",
    "TRAINING_MAX_SECONDS": "3600",
    "MINIMUM_SAMPLES": "1000",
    "COOLDOWN_SECONDS": "1800",
    "ROUNDS_PER_DAY": "12",
    "MAXIMUM_SAMPLES": "2000000",
    "KEY_ARN": "",
    "RETRAINING_ALARMS": "dwell-ModelError,dwell-NoModel",
}


def cloud_with_samples(*, samples: int = 1_000, stored: int = 3) -> Cloud:
    """A cloud with new samples since the breach, and stored objects."""
    cloud = Cloud()
    cloud.cloudwatch.count("AcceptedSamples", NOW - timedelta(minutes=2), samples, service=STACK)
    cloud.cloudwatch.count("AcceptedSamples", NOW - timedelta(days=20), 10**9, service=STACK)
    for number in range(stored):
        cloud.s3.store(f"samples/date=2026-11-23/hour=06/{number}.gz", b"rows", NOW - timedelta(minutes=1))
    return cloud


def make_context(cloud: Cloud, **environment: str) -> RetrainingContext:
    table, s3, sagemaker, cloudwatch = cloud.clients()
    return RetrainingContext(
        settings=Settings.read({**ENVIRONMENT, **environment}),
        store=Store(table),
        s3=s3,
        sagemaker=sagemaker,
        cloudwatch=cloudwatch,
        clock=cloud.clock,
    )


def run_trigger(cloud: Cloud, trigger: Trigger = MODEL_ERROR, **environment: str) -> TriggerResult:
    return handle_trigger(trigger, make_context(cloud, **environment), lease=LEASE)


def add_champion(cloud: Cloud, status: str = "InService") -> None:
    store = make_context(cloud).store
    store.create(
        Model(
            name=CHAMPION,
            round="20261123T051100Z-no-model",
            candidate="xgboost",
            algorithm="xgboost",
            trained_on="all",
            test_set="20261123T051100Z-no-model",
            archive=f"s3://{BUCKET}/training/first/output/model.tar.gz",
            status="live",
            created_at=NOW - timedelta(hours=1),
        )
    )
    store.create(
        Endpoint(name=ENDPOINT, serving_model=CHAMPION, status="InService", updated_at=NOW - timedelta(hours=1))
    )
    if status != "absent":
        cloud.sagemaker.endpoint = {"EndpointName": ENDPOINT, "EndpointStatus": status}


def add_past_round(cloud: Cloud, ended: datetime, **changes: Any) -> None:
    round_ = {
        "name": "20261123T051100Z-no-model",
        "cause": "no-model",
        "trigger": "alarm",
        "event": "e",
        "started_at": ended - timedelta(minutes=2),
        "job": "dwell-20261123T051100Z-no-model",
        "status": "promoted",
        "finished_at": ended,
        **changes,
    }
    make_context(cloud).store.create(Round.model_validate(round_))


def round_in_flight(cloud: Cloud) -> str | None:
    lock = make_context(cloud).store.get(RoundLock, "round")
    return lock.holder.round if lock and lock.holder else None


def stored_round(cloud: Cloud, trigger: Trigger = MODEL_ERROR) -> Round:
    record = make_context(cloud).store.get(Round, trigger.round_name)
    assert record is not None
    return record


def stored_decision(cloud: Cloud, trigger: Trigger = MODEL_ERROR) -> Decision:
    record = make_context(cloud).store.get(Decision, trigger.decision_name)
    assert record is not None
    return record
