"""What the tests of promotion share: a round whose job has ended, models, and events handled on a fake cloud."""

from __future__ import annotations

import io
import json
import tarfile
import uuid
from copy import deepcopy
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from feature_schema import TARGET, get_schema_hash
from promotion.context import Context
from promotion.events import EndpointChanged, JobEnded, OperatorRequest, PackageReviewed, Reconcile
from promotion.job_results import Tournament
from promotion.promotion_gate import decide_promotion
from promotion.reconcile import reconcile
from promotion.settings import Settings
from rounds import Dataset, Endpoint, InFlightRound, Model, Round, RoundLock, Store
from tests.template import ALARMS
from tests.unit.fake_aws import BUCKET, ENDPOINT, NOW, STACK, Cloud

if TYPE_CHECKING:
    from collections.abc import Callable

    from promotion.outcomes import ApprovalResult, EndpointResult, ReconcileResult, RequestResult, RoundResult
    from promotion.promotion_gate import PromotionDecision

HASH = "0123456789abcdef"
CHAMPION = "xgboost-20261123T051100Z"
WINNER = "xgboost-recent-20261123T063900Z"
PROMISED = min(1_900.0, TARGET.maximum - TARGET.minimum)
"""What an answer may promise under any schema."""
ROUND = "20261123T063900Z-model-error"
FIRST_ROUND = "20261123T051100Z-no-model"
"""The round that the champion won."""
JOB = f"{STACK}-{ROUND}"
STARTED = NOW
ENDED = NOW + timedelta(seconds=126)
SETTLED = NOW + timedelta(minutes=8)
LATER = NOW + timedelta(hours=1)
OLD = f"{STACK}-{CHAMPION}"
NEW = f"{STACK}-{WINNER}"
LIVE_ERROR, FAILURES, LATENCY = (ALARMS[f"NewModel{kind}"]["AlarmName"] for kind in ("Error", "Failures", "Latency"))
ENVIRONMENT = {
    "STACK_NAME": STACK,
    "TABLE_NAME": "dwell-rounds",
    "ENDPOINT_NAME": ENDPOINT,
    "SERVING_IMAGE": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0",
    "SERVING_ROLE_ARN": "arn:aws:iam::123456789012:role/dwell-serving",
    "INSTANCE_TYPE": "ml.m5.large",
    "INSTANCE_COUNT": "1",
    "KEY_ARN": "",
    "PACKAGE_GROUP": "dwell-0123abcd",
    "APPROVAL_MODE": "automatic",
    "BAKE_SECONDS": "900",
    "CANARY_PERCENT": "0",
    "ERROR_RATIO": "1.25",
    "LIVE_ERROR_ALARM": ALARMS["NewModelError"]["AlarmName"],
    "ENDPOINT_ALARMS": f"{ALARMS['NewModelFailures']['AlarmName']},{ALARMS['NewModelLatency']['AlarmName']}",
}
PACKAGE = f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{ENVIRONMENT['PACKAGE_GROUP']}/1"
# --- what a job leaves behind ---


def make_tournament(**changes: Any) -> Tournament:
    """A winner at 1900 against a champion at 2600 and a baseline at 5000."""
    known: dict[str, Any] = {
        "round": "20261123T063900Z-model-error",
        "schema_hash": HASH,
        "dataset": {"samples": 10, "duplicates": 0, "train": 6, "recent_train": 2, "test": 2},
        "baseline_rmse": 5_000.0,
        "champion": {"model": CHAMPION, "rmse": 2_600.0},
        "candidates": [
            {
                "name": "xgboost-recent",
                "algorithm": "xgboost",
                "trained_on": "recent",
                "model": WINNER,
                "rmse": 1_900.0,
                "expected_error": PROMISED,
            }
        ],
        "winner": "xgboost-recent",
        "comparison": make_comparison(),
        "seconds": 12.0,
    }
    return Tournament.model_validate({**known, **changes})


def make_comparison(**changes: Any) -> dict[str, Any]:
    known = {
        "against": "champion",
        "model": CHAMPION,
        "mean_gain": 3_150_000.0,
        "standard_error": 200_000.0,
        "confidence": 0.95,
        "significant": True,
    }
    return {**known, **changes}


def make_candidate(**changes: Any) -> list[dict[str, Any]]:
    (known,) = make_tournament().candidates
    return [{**known.model_dump(), **changes}]


def make_archive(*members: tuple[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.type = kind
            member.linkname = "/etc/passwd" if kind == tarfile.SYMTYPE else ""
            member.size = len(content) if kind == tarfile.REGTYPE else 0
            tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()


def decide_gate(at_start: str | None = CHAMPION, live: str | None = CHAMPION, **changes: Any) -> PromotionDecision:
    """What the gate decides about ``make_tournament(**changes)``."""
    return decide_promotion(make_tournament(**changes), champion=at_start, will_answer=live, schema_hash=HASH)


def make_settings(**environment: str) -> Settings:
    """The function's settings, with other environment variables."""
    return Settings.read({**ENVIRONMENT, **environment})


def make_context(cloud: Cloud, *, count: Callable[[str], None] = lambda _metric: None, **environment: str) -> Context:
    """The fakes of ``cloud`` as promotion's context."""
    table, s3, sagemaker, cloudwatch = cloud.clients()
    return Context(
        settings=make_settings(**environment),
        store=Store(table),
        s3=s3,
        sagemaker=sagemaker,
        cloudwatch=cloudwatch,
        clock=cloud.clock,
        count=count,
    )


def make_rollback_alarms() -> list[dict[str, Any]]:
    """The template's alarms that watch a new model, at rest."""
    names = ("NewModelError", "NewModelFailures", "NewModelLatency")
    return [{**deepcopy(ALARMS[name]), "StateValue": "OK"} for name in names]


def make_model(name: str = WINNER, **changes: Any) -> Model:
    known = {
        "name": name,
        "round": ROUND,
        "candidate": "xgboost",
        "algorithm": "xgboost",
        "trained_on": "all",
        "test_rmse": 2_000.0,
        "test_set": ROUND,
        "expected_error": 2_000.0,
        "created_at": NOW,
    }
    return Model.model_validate({**known, **changes})


def make_cloud(*, champion: bool = True, job: str = "Completed", **results: Any) -> Cloud:
    """A round whose job has just ended; the champion, if there is one, is live behind the endpoint."""
    cloud = Cloud()
    cloud.cloudwatch.alarms = make_rollback_alarms()
    store = make_context(cloud).store
    store.create(
        Round(
            name=ROUND,
            cause="model-error",
            trigger="alarm",
            event="e",
            started_at=STARTED,
            job=JOB,
            champion=CHAMPION if champion else None,
            dataset=Dataset(manifest="m", objects=3, bytes=12, cut_off=NOW, schema_hash=get_schema_hash()),
        )
    )
    store.create(RoundLock(flight=InFlightRound(round=ROUND, job=JOB, event="e", cut_off=NOW, lease_until=NOW)))
    if champion:
        store.create(
            Model(
                name=CHAMPION,
                round="20261123T051100Z-no-model",
                candidate="xgboost",
                algorithm="xgboost",
                trained_on="all",
                test_rmse=1_830.0,
                expected_error=PROMISED,
                test_set="20261123T051100Z-no-model",
                archive="s3://old/model.tar.gz",
                status="live",
                live_since=NOW - timedelta(hours=1),
                created_at=NOW - timedelta(hours=1),
            )
        )
        store.create(
            Endpoint(name=ENDPOINT, serving_model=CHAMPION, status="InService", updated_at=NOW - timedelta(hours=1))
        )
        cloud.sagemaker.endpoint = {
            "EndpointName": ENDPOINT,
            "EndpointConfigName": OLD,
            "EndpointStatus": "InService",
            "LastModifiedTime": NOW - timedelta(hours=1),
        }
    against = {} if champion else {"champion": None, "comparison": make_comparison(against="baseline", model=None)}
    outcome = make_tournament(**{"schema_hash": get_schema_hash(), **against, **results})
    cloud.sagemaker.jobs[JOB] = {
        "TrainingJobName": JOB,
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/training"},
    }
    cloud.sagemaker.end_job(JOB, job, ENDED)
    cloud.s3.store(
        f"training/{JOB}/output/output.tar.gz",
        make_archive(("tournament.json", outcome.model_dump_json().encode())),
        ENDED,
    )
    cloud.move(ENDED - NOW)
    return cloud


def handle_job_end(job: str, context: Context) -> RoundResult:
    """Handle the end of a training job."""
    return cast("RoundResult", reconcile(JobEnded(job), context))


def handle_endpoint_change(context: Context) -> EndpointResult:
    """Handle a change of the endpoint."""
    return cast("EndpointResult", reconcile(EndpointChanged(), context))


def read_body(event: dict[str, Any]) -> dict[str, Any]:
    """The body of an SQS event's one message."""
    (record,) = event["Records"]
    body: dict[str, Any] = json.loads(record["body"])
    return body


def handle_schedule(context: Context) -> ReconcileResult:
    """Handle the schedule's event."""
    return cast("ReconcileResult", reconcile(Reconcile(), context))


def handle_review(package: str, context: Context) -> ApprovalResult:
    """Handle the review of a model package."""
    return cast("ApprovalResult", reconcile(PackageReviewed(package), context))


def want_model(name: str, context: Context) -> None:
    """Let a model be wanted behind the endpoint, and handle an event."""
    context.store.update(
        Endpoint, context.settings.endpoint, lambda record: record.model_copy(update={"desired_model": name})
    )
    handle_endpoint_change(context)


def send_request(
    cloud: Cloud, action: str, model: str | None = None, *, request_id: str | None = None
) -> RequestResult:
    """Handle an operator's request; without an id it is a new one."""
    body = {"source": "dwell.operator", "id": request_id or str(uuid.uuid4()), "action": action, "model": model}
    return cast("RequestResult", reconcile(OperatorRequest.model_validate(body), make_context(cloud)))


def get_round(cloud: Cloud) -> Round:
    found = make_context(cloud).store.get(Round, ROUND)
    assert found is not None
    return found


def get_model(cloud: Cloud, name: str) -> Model:
    found = make_context(cloud).store.get(Model, name)
    assert found is not None
    return found


def get_endpoint(cloud: Cloud) -> Endpoint:
    found = make_context(cloud).store.get(Endpoint, ENDPOINT)
    assert found is not None
    return found


def get_in_flight(cloud: Cloud) -> InFlightRound | None:
    lock = make_context(cloud).store.get(RoundLock, "round")
    assert lock is not None
    return lock.holder


def snapshot(cloud: Cloud) -> dict[Any, Any]:
    """The table, without how often a record was written, and by which attempt an endpoint was found changing."""
    passing = {"revision": 0, "deploying_since": None}
    return {key: {**item, **passing} for key, item in cloud.table.items.items()}


def make_deploying_cloud(*, champion: bool = True) -> Cloud:
    cloud = make_cloud(champion=champion)
    handle_job_end(JOB, make_context(cloud))
    return cloud


def make_waiting_cloud() -> Cloud:
    """A winner that waits for a person."""
    cloud = make_cloud()
    handle_job_end(JOB, make_context(cloud, APPROVAL_MODE="manual"))
    return cloud


def settle(cloud: Cloud, at: Any, *, fail: str | None = None) -> None:
    cloud.move(max(timedelta(), at - cloud.time))
    cloud.sagemaker.settle(cloud.time, fail=fail)
    handle_endpoint_change(make_context(cloud))


def finish_deletion(cloud: Cloud) -> None:
    """The endpoint's deletion is announced, and ends."""
    cloud.move(timedelta(minutes=1))
    handle_endpoint_change(make_context(cloud))
    cloud.sagemaker.endpoint = None


def take_down(cloud: Cloud) -> None:
    send_request(cloud, "pause", request_id="take-down")
    finish_deletion(cloud)


def make_cloud_with_two_models(schema: str | None = None, *, expected_error: float = PROMISED) -> Cloud:
    """The winner is live, and the champion before it has retired; it is of a round with an archive."""
    cloud = make_cloud()
    make_context(cloud).store.update(
        Model, CHAMPION, lambda one: one.model_copy(update={"expected_error": expected_error})
    )
    make_context(cloud).store.create(
        Round(
            name=FIRST_ROUND,
            cause="no-model",
            trigger="alarm",
            event="first",
            started_at=NOW - timedelta(hours=2),
            job=f"dwell-{FIRST_ROUND}",
            status="promoted",
            promoted=CHAMPION,
            dataset=Dataset(manifest="m", objects=1, bytes=1, cut_off=NOW, schema_hash=schema or get_schema_hash()),
        )
    )
    handle_job_end(JOB, make_context(cloud))
    settle(cloud, NOW + timedelta(minutes=10))
    assert (get_model(cloud, WINNER).status, get_model(cloud, CHAMPION).status) == ("live", "retired")
    return cloud


def add_kept_winner(cloud: Cloud) -> str:
    """A model of an earlier round that an operator may ask for, although that round kept what it had."""
    name = "linear-20261123T051100Z"
    store = make_context(cloud).store
    store.create(
        Round.model_validate(
            {
                "name": FIRST_ROUND,
                "cause": "no-model",
                "trigger": "alarm",
                "event": "first",
                "started_at": NOW - timedelta(hours=2),
                "job": f"dwell-{FIRST_ROUND}",
                "status": "kept",
                "reason": "not_significant",
                "winner": "linear",
                "candidates": [
                    {"name": "linear", "algorithm": "linear", "trained_on": "all", "model": name, "rmse": 2_000.0}
                ],
                "dataset": Dataset(manifest="m", objects=1, bytes=1, cut_off=NOW, schema_hash=get_schema_hash()),
            }
        )
    )
    told = {"name": name, "candidate": "linear", "algorithm": "linear", "status": "candidate", "live_since": None}
    store.create(get_model(cloud, CHAMPION).model_copy(update=told))
    return name
