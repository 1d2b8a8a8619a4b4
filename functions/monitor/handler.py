"""The Lambda function that measures live error: S3's "Object Created" events in, metrics out."""

from __future__ import annotations

import json
import os
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger

from monitor.measure import MonitorContext, measure_objects
from monitor.published_metrics import publish
from monitor.settings import Settings
from monitor.stored_object import object_key
from rounds import build_client_config, open_store

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

READ_TIMEOUT_SECONDS = 20.0

logger = Logger()


@cache
def create_context() -> MonitorContext:
    """Settings and AWS clients, created at the first event of an execution environment."""
    settings = Settings.read(os.environ)
    config = build_client_config(read_timeout_seconds=READ_TIMEOUT_SECONDS)
    return MonitorContext(
        settings=settings,
        store=open_store(settings.table, config),
        s3=boto3.client("s3", config=config),
        runtime=boto3.client("sagemaker-runtime", config=config),
    )


def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Measure the objects of a batch of the queue; returns how many were measured.

    Raises errors of AWS and ``StateChangedError``: nothing has changed then, and SQS delivers the batch again.
    """
    keys = [object_key(json.loads(record["body"])) for record in event["Records"]]
    measured = measure_objects(keys, create_context())
    for measures in measured:
        publish(measures)
    if measured:
        last = measured[-1]
        evidence = None if last.evidence is None else {"window": last.evidence.window, "ratio": last.evidence.ratio}
        logger.info(
            "measured",
            extra={
                "objects": len(measured),
                "rows": sum(measures.measured for measures in measured),
                "late": sum(measures.late for measures in measured),
                "evidence": evidence,
                "outlying_senders": len(last.outlying_senders),
            },
        )
    return {"measured": len(measured)}
