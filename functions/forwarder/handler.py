"""SNS event in, Kinesis records out.

Imports are few on purpose: this function starts cold in front of every burst of messages.
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
        parameter_validation=False,  # the entries are made a few lines away, and checking each costs more than sending
    ),
)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Forward every message of the event. Raises when the stream refuses some for good."""
    delivery = put_with_retries(
        kinesis,
        STREAM_NAME,
        to_entries(event),
        seconds_left=lambda: context.get_remaining_time_in_millis() / 1000,
        sleep=time.sleep,
    )
    if delivery.retried or delivery.failed:
        _tell(delivery)
    delivery.raise_for_failed()
    return {"forwarded": delivery.forwarded, "retried": delivery.retried}


def _tell(delivery: PutResult) -> None:
    """Count and log what did not go in at once. Counts only: what robots send stays out of the log.

    Of messages that do go in at once nothing is told: the stream and Lambda count them as well, for nothing, and a
    line a message costs as much as the forwarding.
    """
    metrics = EphemeralMetrics()
    metrics.add_metric("RetriedRecords", MetricUnit.Count, delivery.retried, MetricResolution.High)
    metrics.flush_metrics()
    logger.warning("retried", extra={"forwarded": delivery.forwarded, "retried": delivery.retried})
