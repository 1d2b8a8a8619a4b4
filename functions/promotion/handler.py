"""An event of SageMaker, or an operator's request, in; what came of it out."""

from __future__ import annotations

import os
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricResolution, MetricUnit
from botocore.config import Config

from promotion import turn
from promotion.context import Surroundings
from promotion.endpoint_changed import endpoint_changed
from promotion.job_ended import job_ended
from promotion.model_registry import approval_changed
from promotion.operator import Answer, OperatorEvent, operate
from promotion.settings import Settings
from rounds import Store, parse_request

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from promotion.job_ended import Ending

TRAINING_JOB = "SageMaker Training Job State Change"
ENDPOINT = "SageMaker Endpoint State Change"
PACKAGE = "SageMaker Model Package State Change"
OPERATOR = "dwell.operator"
METRICS = {"promoted": "Promotions", "kept": "RoundsKept", "failed": "RoundsFailed"}

logger = Logger()


class UnknownEventError(ValueError):
    """The event is none of those that this function answers."""


@cache
def surroundings() -> Surroundings:
    """The clients of this environment, made at the first event."""
    settings = Settings.read(os.environ)
    config = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard"})
    return Surroundings(
        settings=settings,
        store=Store(boto3.resource("dynamodb", config=config).Table(settings.table)),
        s3=boto3.client("s3", config=config),
        sagemaker=boto3.client("sagemaker", config=config),
        cloudwatch=boto3.client("cloudwatch", config=config),
        clock=lambda: datetime.now(UTC),
        tell_rolled_back=tell_rolled_back,
    )


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle a training job's end, a change of the endpoint, an approval, or what an operator asks for.

    Raises when AWS fails: the event is tried again.
    """
    around = surroundings()
    asked = parse_request(OperatorEvent, event) if event.get("source") == OPERATOR else None
    lease = timedelta(milliseconds=context.get_remaining_time_in_millis())
    try:
        with turn.taken(context.aws_request_id, around, lease=lease):
            answer = _answer(event, around) if asked is None else asdict(operate(asked, around))
    except turn.BusyError:
        if asked is None:
            raise
        answer = asdict(Answer("refused", "busy", asked.model))
    logger.info("handled", extra={"event": event["detail-type"] if asked is None else event, "answer": answer})
    return answer


def _answer(event: dict[str, Any], around: Surroundings) -> dict[str, Any]:
    kind, detail = event.get("detail-type"), event.get("detail", {})
    if kind == TRAINING_JOB:
        return asdict(job_ended(detail["TrainingJobName"], around, tell=_tell))
    if kind == ENDPOINT:
        if detail["EndpointName"] != around.settings.endpoint:
            raise UnknownEventError(f"the endpoint {detail['EndpointName']} is not {around.settings.endpoint}")
        return asdict(endpoint_changed(around))
    if kind == PACKAGE:
        return asdict(approval_changed(detail["ModelPackageArn"], around))
    raise UnknownEventError(f"an event of type {kind!r} is none of {TRAINING_JOB!r}, {ENDPOINT!r}, {PACKAGE!r}")


def _tell(ending: Ending) -> None:
    if ending.outcome in METRICS:
        _count(METRICS[ending.outcome])


def tell_rolled_back() -> None:
    """Count a model that was taken back, so that the alarm Rollbacks goes off."""
    _count("Rollbacks")


def _count(metric: str) -> None:
    metrics = EphemeralMetrics()
    metrics.add_metric(metric, MetricUnit.Count, 1, MetricResolution.High)
    metrics.flush_metrics()
