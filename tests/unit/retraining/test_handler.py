"""The retraining function with the events that AWS sends it."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools import Logger
from pydantic import ValidationError

from retraining import handler
from retraining.settings import Settings
from retraining.start_round import RetrainingContext
from retraining.triggers import UnknownEventError
from rounds import Round, Store
from rounds.metric_counter import count_metric
from tests.unit.fake_aws import STACK, Cloud

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.conftest import Context, Metrics

VARIABLES = {
    "POWERTOOLS_SERVICE_NAME": STACK,
    "STACK_NAME": STACK,
    "BUCKET_NAME": "dwell-data",
    "TABLE_NAME": "dwell-rounds",
    "ENDPOINT_NAME": "dwell",
    "TRAINING_ROLE_ARN": "arn:aws:iam::123456789012:role/dwell-training",
    "TRAINING_IMAGE": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0",
    "TRAINING_INSTANCE_TYPE": "ml.m5.xlarge",
    "TRAINING_MAX_SECONDS": "3600",
    "MINIMUM_SAMPLES": "1000",
    "COOLDOWN_SECONDS": "1800",
    "ROUNDS_PER_DAY": "12",
    "MAXIMUM_SAMPLES": "2000000",
    "RETRAINING_ALARMS": "dwell-ModelError, dwell-NoModel",
}


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, lambda_environment: pytest.MonkeyPatch) -> Cloud:
    cloud = Cloud()
    cloud.cloudwatch.count("AcceptedSamples", cloud.time - timedelta(minutes=2), 5_000, service=STACK)
    cloud.s3.store("samples/date=2026-11-23/hour=06/1.gz", b"rows", cloud.time - timedelta(minutes=1))
    table, s3, sagemaker, cloudwatch = cloud.clients()
    retraining = RetrainingContext(
        settings=Settings.read(VARIABLES),
        store=Store(table),
        s3=s3,
        sagemaker=sagemaker,
        cloudwatch=cloudwatch,
        clock=cloud.clock,
        on_round_failed=partial(count_metric, "RoundsFailed"),
    )
    monkeypatch.setattr(handler, "create_context", lambda: retraining)
    monkeypatch.setattr(handler, "logger", Logger(service=STACK, stream=io.StringIO()))
    return cloud


def handle(event: dict[str, Any], context: Context) -> list[dict[str, str]]:
    decisions: list[dict[str, str]] = handler.handler(event, context)["decisions"]  # type: ignore[arg-type]  # a context as far as it is used
    return decisions


def test_repeated_alarm_starts_and_counts_one_round(
    cloud: Cloud, event: Callable[[str], dict[str, Any]], context: Context, published: Callable[[], Metrics]
) -> None:
    for _ in range(2):
        assert handle(event("alarm-model-error"), context) == [
            {"outcome": "start", "reason": "alarm", "round": "20261123T063900Z-model-error"}
        ]
    assert published() == {(frozenset(), "RoundsStarted"): 1}
    assert list(cloud.sagemaker.jobs) == ["dwell-20261123T063900Z-model-error"]


def test_refusal_is_counted(
    cloud: Cloud, event: Callable[[str], dict[str, Any]], context: Context, published: Callable[[], Metrics]
) -> None:
    cloud.cloudwatch.counts.clear()
    assert handle(event("alarm-no-model"), context)[0]["reason"] == "too_few_samples"
    assert published() == {(frozenset(), "RoundsRefused"): 1}


def test_alarm_in_ok_state_decides_nothing(
    cloud: Cloud, event: Callable[[str], dict[str, Any]], context: Context, published: Callable[[], Metrics]
) -> None:
    alarm = event("alarm-model-error")
    alarm["alarmData"]["state"]["value"] = "OK"
    assert handle(alarm, context) == []
    assert published() == {}
    assert cloud.steps.count == 0


def test_schedule_finds_alarm_that_stays_in_alarm(
    cloud: Cloud, event: Callable[[str], dict[str, Any]], context: Context
) -> None:
    cloud.move(timedelta(minutes=21))
    assert handle(event("schedule"), context) == []
    alarm = event("alarm-model-error")["alarmData"]
    cloud.cloudwatch.alarms = [
        {
            "AlarmName": alarm["alarmName"],
            "StateValue": "ALARM",
            "StateReasonData": alarm["state"]["reasonData"],
            "StateUpdatedTimestamp": datetime.fromisoformat(alarm["state"]["timestamp"]),
        }
    ]
    (decision,) = handle(event("schedule"), context)
    assert decision == {"outcome": "start", "reason": "schedule", "round": "20261123T070000Z-model-error"}
    round_ = Store(cloud.clients()[0]).get(Round, decision["round"])
    assert round_ is not None
    assert round_.recent_since == datetime(2026, 11, 23, 6, 37, tzinfo=UTC)


def test_repeated_operator_request_is_one_round(
    cloud: Cloud, event: Callable[[str], dict[str, Any]], context: Context
) -> None:
    (first,) = handle(event("retrain-manual"), context)
    cloud.move(timedelta(minutes=3))
    assert handle(event("retrain-manual"), context) == [first]
    assert first["round"] == "20261123T063905Z-manual"
    (job,) = cloud.sagemaker.jobs.values()
    assert job["HyperParameters"]["xgboost.max_depth"] == "8"


def test_operator_request_without_id_uses_lambda_request_id(cloud: Cloud, context: Context) -> None:
    (first,) = handle({"source": "dwell.operator"}, context)
    cloud.move(timedelta(minutes=1))  # Lambda repeats a failed asynchronous event under the same request id
    assert handle({"source": "dwell.operator"}, context) == [first]


def test_unknown_event_raises_error(cloud: Cloud, context: Context) -> None:
    with pytest.raises(UnknownEventError):
        handle({"source": "aws.s3"}, context)


@pytest.mark.parametrize(
    ("variable", "value"), [("ROUNDS_PER_DAY", "-1"), ("MINIMUM_SAMPLES", "many"), ("TABLE_NAME", None)]
)
def test_invalid_variable_raises_error_with_its_name(variable: str, value: str | None) -> None:
    environment = {name: text for name, text in {**VARIABLES, variable: value}.items() if text is not None}
    with pytest.raises(ValidationError, match=variable):
        Settings.read(environment)


def test_round_marked_failed_is_counted_for_alarm(
    cloud: Cloud, event: Callable[[str], dict[str, Any]], context: Context, published: Callable[[], Metrics]
) -> None:
    # given a round whose first attempt crashed before its job was created
    handle(event("alarm-model-error"), context)
    cloud.sagemaker.jobs.clear()
    published()
    # when another trigger finds its lock
    cloud.move(timedelta(minutes=5))
    handle(event("retrain-manual"), context)
    # then the failure is counted, and the new round starts
    assert published() == {(frozenset(), "RoundsFailed"): 1, (frozenset(), "RoundsStarted"): 1}
