"""Forwards SNS messages to the Kinesis stream.

It imports little, since every burst of messages causes cold starts.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricResolution, MetricUnit
from botocore.config import Config
from botocore.session import get_session

from forwarder.kinesis_records import to_entries
from forwarder.put_records import put_with_retries

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_kinesis import KinesisClient

    from forwarder.put_records import PutResult

STREAM_NAME = os.environ["STREAM_NAME"]

logger = Logger()
kinesis: KinesisClient = get_session().create_client(  # type: ignore[assignment]  # none narrower
    "kinesis",
    config=Config(
        connect_timeout=1,
        read_timeout=5,
        retries={"mode": "standard", "total_max_attempts": 3},
        parameter_validation=False,  # entries come from to_entries, and validating one takes longer than sending it
    ),
)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Forward every message of the event. Raises ``PutRecordsFailedError`` if messages fail after all retries."""
    result = put_with_retries(
        kinesis,
        STREAM_NAME,
        to_entries(event),
        seconds_left=lambda: context.get_remaining_time_in_millis() / 1000,
        sleep=time.sleep,
    )
    if result.retried or result.failed:
        _report_retries(result)
    result.raise_for_failed()
    return {"forwarded": result.forwarded, "retried": result.retried}


def _report_retries(result: PutResult) -> None:
    """Count and log entries that did not succeed at once. Logs counts only, never a robot's payload.

    Nothing is logged for messages that succeed at once: Kinesis and Lambda count them for free, and a log line per
    message would double the cost.
    """
    metrics = EphemeralMetrics()
    metrics.add_metric("RetriedRecords", MetricUnit.Count, result.retried, MetricResolution.High)
    metrics.flush_metrics()
    logger.warning("retried", extra={"forwarded": result.forwarded, "retried": result.retried})
